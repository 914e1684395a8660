// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"errors"
	"strings"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/tea"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/retention"
)

// backUp begins the snapshot of a disk and returns what Velero keeps of it.
func (s *site) backUp(ctx context.Context, diskID string, tags map[string]string) string {
	backup := s.backupOf(ctx, tags)
	made, err := s.snapshot(ctx, diskID, tags, backup)
	if err == nil {
		return made.String()
	}
	err = s.fail(backingUp, "disk "+diskID, err)
	s.log.WithField("persistentVolume", tags[tagVolume]).WithField("disk", diskID).WithError(err).
		Error("No snapshot of the volume was taken: this backup does not have its data")
	refused := idOfRefused(err)
	s.noteAttempt(ctx, backup, tags[tagVolume], attempt{Made: refused})
	return refused
}

// snapshot begins the snapshot of a disk, alone or with its consistency group. ECS
// makes the cut when it accepts the request; the data follows (CreateSnapshot).
func (s *site) snapshot(ctx context.Context, diskID string, tags map[string]string, backup *velerov1.Backup) (snapshotID, error) {
	api, err := s.api(ctx)
	if err != nil {
		return snapshotID{}, err
	}
	if err := isMade(diskID); err != nil {
		return snapshotID{}, err
	}
	wanted := s.subject(ctx, diskID, tags, backup)

	select {
	case s.snapshots <- struct{}{}:
		defer func() { <-s.snapshots }()
	case <-ctx.Done():
		return snapshotID{}, ctx.Err()
	}
	begun := s.noteAttempt(ctx, backup, tags[tagVolume], attempt{At: api.Now()})
	var id string
	if wanted.group() == "" {
		id, err = s.snapshotAlone(ctx, api, wanted)
	} else {
		id, err = s.snapshotInGroup(ctx, api, wanted)
	}
	s.sweep.Begin(func() { s.sweepLeftovers(context.WithoutCancel(ctx), api) })
	if err != nil {
		return snapshotID{}, err
	}
	made := snapshotID{region: api.Region(), id: id}
	if !s.noteAttempt(ctx, backup, tags[tagVolume], attempt{At: api.Now(), Made: made.String()}) && begun {
		// What is noted says that Velero was told of no snapshot, and this one would be deleted.
		err := errors.New("the Kubernetes API did not store the note of the snapshot: back up again")
		return snapshotID{}, errors.Join(err, s.delete(ctx, made.String()))
	}
	return made, nil
}

// isMade returns an error for a volume that a restore is still making.
func isMade(diskID string) error {
	if strings.HasPrefix(diskID, pendingPrefix) {
		return final.Errorf("the volume %s is still being restored: back up again when its restore has ended", diskID)
	}
	return nil
}

func (s *site) snapshotAlone(ctx context.Context, api *alicloud.ECS, wanted subject) (string, error) {
	request := &sdk.CreateSnapshotRequest{
		DiskId:       tea.String(wanted.disk.id),
		SnapshotName: tea.String(nameOf(wanted.tags[tagBackup], wanted.tags[tagVolume])),
		ClientToken:  tea.String(clientToken("CreateSnapshot", wanted.backupID(), wanted.disk.id)),
		Tag: sdkTags(s.snapshotTags(wanted), func(key, value *string) *sdk.CreateSnapshotRequestTag {
			return &sdk.CreateSnapshotRequestTag{Key: key, Value: value}
		}),
	}
	if days := s.retentionDays(api, wanted); days > 0 {
		request.RetentionDays = tea.Int32(days)
	}
	if s.resourceGroupID != "" {
		request.ResourceGroupId = tea.String(s.resourceGroupID)
	}
	answer, err := api.CreateSnapshot(ctx, request)
	if err != nil {
		return "", err
	}
	if tea.StringValue(answer.SnapshotId) == "" {
		return "", errors.New("ECS accepted the snapshot and did not tell its id")
	}
	return tea.StringValue(answer.SnapshotId), nil
}

// retentionDays is how long ECS keeps the snapshot, 0 for until it is deleted.
func (s *site) retentionDays(api *alicloud.ECS, wanted subject) int32 {
	return int32(s.retention.DaysFor(retention.TimeToLive(wanted.backup, api.Now()), retentionLimits()))
}

// snapshotTags are the record, then as much of the rest as ECS allows: what the
// location asks for, and the backup's labels.
func (s *site) snapshotTags(wanted subject) map[string]string {
	r := wanted.record()
	tags, left := r.tags(s.tags, wanted.tags)
	if len(left) > 0 {
		s.log.WithField("disk", wanted.disk.id).WithField("tags", left).
			Info("ECS allows 20 tags: the snapshot does not carry all of the disk's tags and the backup's labels")
	}
	return tags
}
