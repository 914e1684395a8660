// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// The methods of this file are what volume-ready asks while a restore waits for its
// disks. They may run in another process than the one that began the disk.

const (
	// pollInterval is how often a disk is looked at that is to be seen, or to be deleted.
	pollInterval = 2 * time.Second
	// visibleAfter is how long a disk that ECS has accepted may be missing from its lists.
	visibleAfter = 15 * time.Second
	whole        = 100
	percentUnit  = "%"
)

// VolumeID returns the id of the disk behind a PersistentVolume, also one that is yet
// to be made; "" if that is no ECS disk.
func (s *Snapshotter) VolumeID(pv *corev1.PersistentVolume) string {
	return volume.DiskID(pv)
}

// Progress tells how far a restored disk is, and begins what can begin. A disk that
// will never be whole is Completed with Err; an error is one that may pass.
func (s *Snapshotter) Progress(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string, _ *corev1.PersistentVolume) (velero.OperationProgress, error) {
	current, err := s.sites.At(location)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	progress, err := current.progress(ctx, restore, id)
	return final.Progress(progress, current.fail(restoring, "volume "+id, err))
}

func (s *site) progress(ctx context.Context, restore *velerov1.Restore, id string) (velero.OperationProgress, error) {
	api, err := s.api(ctx)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	made, err := s.resolve(ctx, api, restore, id)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	if made.waiting != "" {
		return velero.OperationProgress{NCompleted: made.percent, NTotal: whole, OperationUnits: percentUnit, Description: made.waiting, Updated: api.Now()}, nil
	}
	return s.diskProgress(ctx, api, restore, made.diskID)
}

// resolve returns the disk of a volume's id. For one that is yet to be made it does what can be done now.
func (s *site) resolve(ctx context.Context, api *alicloud.ECS, restore *velerov1.Restore, id string) (making, error) {
	if wanted, pending := parsePendingID(id); pending {
		return s.advance(ctx, api, wanted, restore)
	}
	return making{diskID: id}, nil
}

// restoredDisk returns a disk of a restore, from the list of all of them if it is there.
func (s *site) restoredDisk(ctx context.Context, api *alicloud.ECS, restore *velerov1.Restore, id string) ([]disk, error) {
	ofRestore, err := s.restored.Get(string(restore.UID), api.Now, func() ([]disk, error) {
		return findDisks(ctx, api, map[string]string{tagRestoreUID: string(restore.UID)})
	})
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(ofRestore, func(d disk) bool { return d.id == id }); i >= 0 {
		return ofRestore[i : i+1], nil
	}
	return describeDisks(ctx, api, id)
}

// visibleDisk is restoredDisk for a disk that ECS has accepted, perhaps just now. A
// list may lag behind what was created; a disk that stays away has failed.
func (s *site) visibleDisk(ctx context.Context, api *alicloud.ECS, restore *velerov1.Restore, id string) (disk, error) {
	for begun := api.Now(); ; {
		found, err := s.restoredDisk(ctx, api, restore, id)
		switch {
		case err != nil:
			return disk{}, err
		case len(found) > 0:
			return found[0], nil
		case api.Now().Sub(begun) >= visibleAfter:
			return disk{}, final.Errorf("disk %s is not there: ECS could not make it, or somebody has deleted it", id)
		}
		if err := api.Sleep(ctx, pollInterval); err != nil {
			return disk{}, err
		}
	}
}

func (s *site) diskProgress(ctx context.Context, api *alicloud.ECS, restore *velerov1.Restore, id string) (velero.OperationProgress, error) {
	d, err := s.visibleDisk(ctx, api, restore, id)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	progress := velero.OperationProgress{NTotal: whole, OperationUnits: percentUnit, Started: d.created, Updated: api.Now()}
	switch {
	case d.status != diskCreating:
		progress.Completed, progress.NCompleted = true, whole
		progress.Description = "disk " + id + " is ready"
	case api.Now().Sub(d.created) > s.diskTimeout:
		return velero.OperationProgress{}, final.Errorf("disk %s is still being created after %s (config key diskTimeout)", id, s.diskTimeout)
	default:
		progress.Description = "disk " + id + " is being created"
	}
	return progress, nil
}

// Finish returns pv as the volume of its disk, which is ready.
func (s *Snapshotter) Finish(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string, pv *corev1.PersistentVolume) (*corev1.PersistentVolume, error) {
	current, err := s.sites.At(location)
	if err != nil {
		return nil, err
	}
	api, err := current.api(ctx)
	if err != nil {
		return nil, err
	}
	made, err := current.resolve(ctx, api, restore, id)
	if err != nil {
		return nil, current.fail(restoring, "volume "+id, err)
	}
	if made.waiting != "" {
		return nil, fmt.Errorf("the disk of volume %s is not there any more: %s", pv.Name, made.waiting)
	}
	// Nobody can correct the zone of a PersistentVolume later: one that is not known is an error here.
	disk, err := current.madeDisk(ctx, made.diskID)
	if err != nil {
		return nil, current.fail(restoring, "volume "+id, err)
	}
	return volume.SetDisk(pv, disk), nil
}

// Settle has nothing to remove: a disk is made with nothing but itself.
func (s *Snapshotter) Settle(context.Context, *velerov1.Restore, map[string]string, string) error {
	return nil
}

// Discard deletes the disk that a restore has made of a volume that is not to be. A disk
// that was attached, or that this restore has not made, is left; so is a copy of the
// snapshot, which the next restore uses.
func (s *Snapshotter) Discard(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string) error {
	current, err := s.sites.At(location)
	if err != nil {
		return err
	}
	return current.fail(discarding, "volume "+id, current.discard(ctx, restore, id))
}

func (s *site) discard(ctx context.Context, restore *velerov1.Restore, id string) error {
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	wanted, pending := parsePendingID(id)
	if !pending {
		return s.discardDisk(ctx, api, restore, id)
	}
	disks, err := findDisks(ctx, api, map[string]string{tagRestoreUID: string(restore.UID), tagSnapshot: wanted.snapshot.String()})
	if err != nil {
		return err
	}
	for _, d := range disks {
		if err := s.discardDisk(ctx, api, restore, d.id); err != nil {
			return err
		}
	}
	return nil
}

// Reasons to leave a disk.
var (
	errInUse   = errors.New("the disk is attached or was attached: it is left")
	errForeign = errors.New("the disk was not made by this restore: it is left")
)

// discardDisk deletes a disk of a restore once it can be deleted, which it cannot while
// it is being created.
func (s *site) discardDisk(ctx context.Context, api *alicloud.ECS, restore *velerov1.Restore, id string) error {
	for begun := api.Now(); ; {
		found, err := describeDisks(ctx, api, id)
		switch {
		case err != nil:
			return err
		case len(found) == 0 && api.Now().Sub(begun) >= visibleAfter:
			return nil
		case len(found) > 0 && found[0].attached:
			return errInUse
		case len(found) > 0 && found[0].tags[tagRestoreUID] != string(restore.UID):
			return errForeign
		case len(found) > 0 && found[0].status != diskCreating:
			return deleteDisk(ctx, api, id)
		}
		if err := api.Sleep(ctx, pollInterval); err != nil {
			return fmt.Errorf("disk %s is still being created, and the next restore of its snapshot uses or deletes it: %w", id, err)
		}
	}
}
