// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"slices"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// adopt returns a disk that was made of the blueprint's snapshot for this cluster and
// that nobody uses: what a restore leaves that was killed. Such disks that do not
// suit are deleted. A disk that another restore uses or may still use is not touched.
func (s *site) adopt(ctx context.Context, api *alicloud.ECS, b blueprint, clusterID string) (string, error) {
	found, err := s.madeOf(ctx, api, b, clusterID)
	if failure.Classify(err) == failure.Denied {
		return "", nil // Where disks cannot be read, the ClientToken finds what this restore has made.
	}
	if err != nil || len(found) == 0 {
		return "", err
	}
	for _, d := range found {
		if d.tags[tagRestoreUID] == string(b.restore.UID) {
			s.remember(api, d.id, d.spec)
			return d.id, nil
		}
	}
	unused, err := s.unused(ctx, found)
	if err != nil {
		return "", err
	}
	var adopted string
	for _, d := range unused {
		log := s.log.WithField("disk", d.id).WithField("restore", d.tags[tagRestore])
		if adopted == "" && suits(d.spec, b.planned) {
			taken, err := s.take(ctx, api, b, d)
			if err != nil {
				return "", err
			}
			if taken {
				log.Info("Using the disk that an earlier restore has left unused")
				s.remember(api, d.id, d.spec)
				adopted = d.id
			}
			continue
		}
		same, err := isUntouched(ctx, api, d)
		if err != nil {
			return "", err
		}
		if !same {
			continue
		}
		log.Info("Deleting a disk that an earlier restore has left unused")
		err = deleteDisk(ctx, api, d.id)
		s.madeOfBackup.Drop(b.told.backupUID)
		if err != nil {
			log.WithError(s.fail(discarding, "disk "+d.id, err)).Warn("An unused disk is left")
		}
	}
	return adopted, nil
}

// take makes a disk that was left this restore's. It tells whether it is: another
// restore may have taken it at the same time, or somebody may use it since it was listed.
func (s *site) take(ctx context.Context, api *alicloud.ECS, b blueprint, left disk) (bool, error) {
	same, err := isUntouched(ctx, api, left)
	if err != nil || !same {
		return false, err
	}
	// Who looks next for the disk of this restore is to find it.
	defer s.madeOfBackup.Drop(b.told.backupUID)
	err = addTags(ctx, api, resourceDisk, left.id, map[string]string{tagRestore: b.restore.Name, tagRestoreUID: string(b.restore.UID)})
	if failure.Classify(err) == failure.Denied {
		return true, nil // The PersistentVolume will tell that the disk is used.
	}
	if err != nil {
		return false, err
	}
	now, err := describeDisks(ctx, api, left.id)
	return err == nil && len(now) > 0 && now[0].tags[tagRestoreUID] == string(b.restore.UID), err
}

// isUntouched tells whether a disk is still as it was listed: not attached, and of the
// same restore.
func isUntouched(ctx context.Context, api *alicloud.ECS, listed disk) (bool, error) {
	now, err := describeDisks(ctx, api, listed.id)
	if err != nil || len(now) == 0 {
		return false, err
	}
	return !now[0].attached && now[0].tags[tagRestoreUID] == listed.tags[tagRestoreUID], nil
}

// madeOf returns the disks that were made of the blueprint's snapshot for this
// cluster: from the list of those of its backup, where the snapshot names that.
func (s *site) madeOf(ctx context.Context, api *alicloud.ECS, b blueprint, clusterID string) ([]disk, error) {
	wanted := b.wanted.snapshot.String()
	if b.told.backupUID == "" {
		return findDisks(ctx, api, map[string]string{tagCluster: clusterID, tagSnapshot: wanted})
	}
	ofBackup, err := s.madeOfBackup.Get(b.told.backupUID, api.Now, func() ([]disk, error) {
		return findDisks(ctx, api, map[string]string{tagCluster: clusterID, tagBackupUID: b.told.backupUID})
	})
	return slices.DeleteFunc(slices.Clone(ofBackup), func(d disk) bool { return d.tags[tagSnapshot] != wanted }), err
}

// unused returns those of the disks that were never attached, are in no
// PersistentVolume, and whose Restore, one of this Velero, has ended or is gone.
func (s *site) unused(ctx context.Context, disks []disk) ([]disk, error) {
	restores, err := s.cluster.Restores(ctx)
	if err != nil {
		return nil, err
	}
	volumes, err := s.cluster.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	inUse := map[string]bool{}
	for i := range volumes {
		inUse[volume.DiskID(&volumes[i])] = true
	}
	running := map[string]bool{}
	for i := range restores {
		running[string(restores[i].UID)] = !cluster.RestoreHasEnded(restores[i].Status.Phase)
	}
	return slices.DeleteFunc(slices.Clone(disks), func(d disk) bool {
		return d.attached || inUse[d.id] || d.tags[tagVelero] != s.cluster.Namespace() || running[d.tags[tagRestoreUID]]
	}), nil
}

// suits tells whether a disk is one of those that may be made.
func suits(made diskspec.Spec, planned []diskspec.Spec) bool {
	return slices.ContainsFunc(planned, func(wanted diskspec.Spec) bool {
		return made.Type == asMade(wanted.Type) && made.Zone == wanted.Zone && made.SizeGiB == wanted.SizeGiB &&
			made.Encrypted == wanted.Encrypted && (wanted.KMSKeyID == "" || made.KMSKeyID == wanted.KMSKeyID) &&
			made.ProvisionedIOPS == wanted.ProvisionedIOPS && made.Bursting == wanted.Bursting && made.MultiAttach == wanted.MultiAttach
	})
}
