// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/tea"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/retention"
)

// errUnfinishedCopy is the code with which ECS refuses a second copy of one disk to
// one region before the first is finished.
const errUnfinishedCopy = "InvalidOperation.UnfinishedCrossRegionCopy"

// copied returns the copy, in this region, of a snapshot of another one, or that
// snapshot where the copy is only begun, and what is waited for until disks can be
// made of it. A copy that an earlier restore has made is used again. Only the beginning of a copy calls the snapshot's own region.
func (s *site) copied(ctx context.Context, api *alicloud.ECS, wanted order, restore *velerov1.Restore) (snapshot, making, error) {
	copies, err := s.copiesOf(ctx, api, wanted.snapshot, restore)
	if err != nil {
		return snapshot{}, making{}, err
	}
	for _, found := range copies {
		if found.status == snapshotFailed {
			if err := s.dropFailedCopy(ctx, api, found, wanted, restore); err != nil {
				return snapshot{}, making{}, err
			}
			continue
		}
		suits, err := s.copySuits(ctx, found, wanted, restore)
		if err != nil {
			return snapshot{}, making{}, err
		}
		if suits {
			wait, err := s.awaitCopy(api, found, wanted, restore)
			return found, wait, err
		}
	}
	return s.beginCopy(ctx, api, wanted, restore)
}

// copiesOf returns the copies of a snapshot: from the list of those that this restore
// has begun, else those of any restore.
func (s *site) copiesOf(ctx context.Context, api *alicloud.ECS, id snapshotID, restore *velerov1.Restore) ([]snapshot, error) {
	ofRestore, err := s.copies.Get(string(restore.UID), api.Now, func() ([]snapshot, error) {
		return findSnapshots(ctx, api, map[string]string{tagRestoreUID: string(restore.UID)})
	})
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(ofRestore, func(found snapshot) bool { return found.tags[tagCopyOf] == id.String() }); i >= 0 {
		return ofRestore[i : i+1], nil
	}
	return findSnapshots(ctx, api, map[string]string{tagCopyOf: id.String()})
}

// dropFailedCopy deletes a copy that ECS could not make. That of this restore is its failure.
func (s *site) dropFailedCopy(ctx context.Context, api *alicloud.ECS, failed snapshot, wanted order, restore *velerov1.Restore) error {
	if err := deleteSnapshot(ctx, api, failed.id); err != nil {
		return err
	}
	if failed.tags[tagRestoreUID] == string(restore.UID) {
		return final.Errorf("the copy %s of snapshot %s has failed in ECS", failed.id, wanted.snapshot)
	}
	return nil
}

// copySuits tells whether a copy is encrypted as the disk is to be. That of this
// restore is, whatever name ECS gives to the key that was asked for.
func (s *site) copySuits(ctx context.Context, found snapshot, wanted order, restore *velerov1.Restore) (bool, error) {
	if found.tags[tagRestoreUID] == string(restore.UID) {
		return true, nil
	}
	encrypted, key, err := s.copyEncryption(ctx, found, wanted, restore)
	if err != nil {
		return false, err
	}
	return found.encrypted == encrypted && (key == "" || found.kmsKeyID == key), nil
}

// copyEncryption tells how the copy of a snapshot is encrypted: with the target's
// key, else the location's, else the one that KMS manages for ECS, which is "". The
// key of the source is of no use in another region.
func (s *site) copyEncryption(ctx context.Context, source snapshot, wanted order, restore *velerov1.Restore) (encrypted bool, key string, err error) {
	told := readRecord(source, wanted)
	target, err := s.targets.DiskTarget(ctx, restore, told.claim, told.disk)
	if err != nil {
		return false, "", err
	}
	encrypted = source.encrypted || target.Encrypted != nil && *target.Encrypted
	if encrypted {
		key = firstOf(target.KMSKeyID, s.kmsKeyID)
	}
	return encrypted, key, nil
}

// awaitCopy says what is waited for until a copy can be used; nothing when it can.
func (s *site) awaitCopy(api *alicloud.ECS, found snapshot, wanted order, restore *velerov1.Restore) (making, error) {
	switch {
	case found.status == snapshotAccomplished:
		return making{}, nil
	case api.Now().Sub(waitingSince(found, restore)) > s.copyTimeout:
		return making{}, final.Errorf("the copy %s of snapshot %s is not finished after %s (config key crossRegionCopyTimeout), but at %s: it goes on; restore again when ECS shows it as accomplished",
			found.id, wanted.snapshot, s.copyTimeout, found.progress)
	}
	return making{waiting: fmt.Sprintf("snapshot %s is being copied to %s as %s", wanted.snapshot, api.Region(), found.id), percent: found.percent()}, nil
}

// beginCopy asks the region of a snapshot for a copy in this one, once the snapshot
// is accomplished (CopySnapshot). It returns the snapshot.
func (s *site) beginCopy(ctx context.Context, api *alicloud.ECS, wanted order, restore *velerov1.Restore) (snapshot, making, error) {
	origin := api.In(wanted.snapshot.region)
	found, err := describeSnapshots(ctx, origin, wanted.snapshot.id)
	switch {
	case err != nil:
		return snapshot{}, making{}, err
	case len(found) == 0:
		return snapshot{}, making{}, final.Errorf("snapshot %s is not there: it was deleted, its retention is over, or the location's credentials are of another account", wanted.snapshot)
	}
	source := found[0]
	// A snapshot that can be used in its own region already can not be copied before it is accomplished.
	wait, err := s.await(origin, source, wanted.snapshot, source.status == snapshotAccomplished, restore)
	if err != nil || wait.waiting != "" {
		return source, wait, err
	}
	id, err := s.askForCopy(ctx, api, source, wanted, restore)
	if err == nil || alicloud.MayBeDone(err) {
		s.noteCopy(ctx, origin, source, api.Region())
	}
	if answer, ok := failure.Of(err); ok && answer.Code == errUnfinishedCopy {
		return source, making{waiting: fmt.Sprintf("another snapshot of disk %s is being copied to %s first", source.diskID, api.Region())}, nil
	}
	if err != nil {
		return snapshot{}, making{}, err
	}
	s.log.WithField("snapshot", wanted.snapshot.String()).WithField("copy", id).Info("Copying the snapshot to the region of the restore")
	return source, making{waiting: fmt.Sprintf("snapshot %s is being copied to %s as %s", wanted.snapshot, api.Region(), id)}, nil
}

func (s *site) askForCopy(ctx context.Context, api *alicloud.ECS, source snapshot, wanted order, restore *velerov1.Restore) (string, error) {
	encrypted, key, err := s.copyEncryption(ctx, source, wanted, restore)
	if err != nil {
		return "", err
	}
	request := &sdk.CopySnapshotRequest{
		SnapshotId:                     tea.String(source.id),
		DestinationRegionId:            tea.String(api.Region()),
		DestinationSnapshotName:        tea.String(nameOf(restore.Name, source.tags[tagVolume])),
		DestinationSnapshotDescription: tea.String("Copy of " + wanted.snapshot.String()),
		ClientToken:                    tea.String(clientToken("CopySnapshot", restore.UID, source.id, api.Region(), encrypted, key)),
		Tag: sdkTags(copyTags(source, wanted, restore), func(key, value *string) *sdk.CopySnapshotRequestTag {
			return &sdk.CopySnapshotRequestTag{Key: key, Value: value}
		}),
	}
	if days := remainingDays(api, source); days > 0 {
		request.RetentionDays = tea.Int32(days)
	}
	if s.resourceGroupID != "" {
		request.ResourceGroupId = tea.String(s.resourceGroupID)
	}
	if encrypted {
		request.Encrypted = tea.Bool(true)
	}
	if key != "" {
		request.KMSKeyId = tea.String(key)
	}
	answer, err := api.In(wanted.snapshot.region).CopySnapshot(ctx, request)
	if err != nil {
		return "", err
	}
	if tea.StringValue(answer.SnapshotId) == "" {
		return "", errors.New("ECS accepted the copy and did not tell its id")
	}
	return tea.StringValue(answer.SnapshotId), nil
}

// copyTags are the source's, with what tells the copy from it.
func copyTags(source snapshot, wanted order, restore *velerov1.Restore) map[string]string {
	tags := map[string]string{tagCopyOf: wanted.snapshot.String(), tagRestoreUID: string(restore.UID)}
	own, others := map[string]string{}, map[string]string{}
	for key, value := range source.tags {
		switch {
		case key == tagCopiedTo, key == tagGroup: // The copy is a snapshot of its own,
		case key == tagKMSKey: // with a key of its own region.
		case strings.HasPrefix(key, tagPrefix), key == tagBackup, key == tagVolume, key == tagOfficialZone:
			own[key] = value
		default:
			others[key] = value
		}
	}
	fillTags(tags, maxTags, own, others)
	return tags
}

// remainingDays is for how many days ECS keeps a snapshot still, rounded up; 0 for
// one that stays until it is deleted.
func remainingDays(api *alicloud.ECS, source snapshot) int32 {
	if source.retentionDays == 0 {
		return 0
	}
	ends := source.created.AddDate(0, 0, source.retentionDays)
	return int32(max(1, retention.RoundUp(ends.Sub(api.Now()), retentionLimits())))
}

// noteCopy notes on a snapshot that it has a copy in a region, so that both are
// deleted with their backup. It is noted also when the time for the copy is over, and where
// ECS's answer was lost: who finds the copy later does not ask the snapshot's region again.
func (s *site) noteCopy(ctx context.Context, origin *alicloud.ECS, source snapshot, region string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	regions := unique(append(strings.Fields(source.tags[tagCopiedTo]), region))
	err := addTags(ctx, origin, resourceSnapshot, source.id, map[string]string{tagCopiedTo: strings.Join(regions, " ")})
	if err != nil {
		s.log.WithField("snapshot", source.id).WithError(s.fail(restoring, "snapshot "+source.id, err)).
			Warn("The snapshot does not tell of its copy: deleting the backup in another region leaves the copy until its retention is over")
	}
}
