// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/tea"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/types"

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
	tried := attempt{Made: refused}
	var lost *lostError
	if errors.As(err, &lost) {
		// Who asks how far the snapshot is finds out, and deletes it.
		tried = attempt{At: lost.at, Lost: strings.TrimPrefix(refused, refusedPrefix)}
	}
	s.noteAttempt(ctx, backup, tags[tagVolume], tried)
	return refused
}

// lostError is why it is not known whether ECS has made a snapshot that it was asked for.
type lostError struct {
	error

	at time.Time
}

// Unwrap returns the error.
func (e *lostError) Unwrap() error { return e.error }

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
	var taken madeSnapshot
	if wanted.group() == "" {
		taken, err = s.snapshotAlone(ctx, api, wanted)
	} else {
		taken, err = s.snapshotInGroup(ctx, api, wanted)
	}
	s.sweep.Begin(func() { s.sweepLeftovers(context.WithoutCancel(ctx), api) })
	if err != nil {
		return snapshotID{}, err
	}
	made := snapshotID{region: api.Region(), id: taken.id}
	if !s.noteAttempt(ctx, backup, tags[tagVolume], attempt{At: api.Now(), Made: made.String()}) && begun {
		// What is noted says that Velero was told of no snapshot, and this one would be deleted.
		err := errors.New("the Kubernetes API did not store the note of the snapshot: back up again")
		if taken.undo == nil {
			return snapshotID{}, err
		}
		taken.undo()
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

// madeSnapshot is a snapshot of the disk behind a volume.
type madeSnapshot struct {
	id string
	// undo is called before the snapshot is deleted, so that no other volume gets it. It is nil
	// where Velero has the snapshot of another volume already, which keeps it.
	undo func()
}

// cutOf is a disk in a backup.
type cutOf struct {
	backup types.UID
	disk   string
}

// cut is the snapshot of a disk in a backup, without an id until it is made.
type cut struct {
	mu sync.Mutex
	id string
}

// undo makes the snapshot one that is not made.
func (c *cut) undo() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = ""
}

// snapshotAlone returns the snapshot of a disk. Volumes that have one disk, such as one that
// was released and the one that took its place, share it: ECS takes one request of a backup
// for a disk, and one snapshot at a time.
func (s *site) snapshotAlone(ctx context.Context, api *alicloud.ECS, wanted subject) (madeSnapshot, error) {
	shared := &cut{}
	if wanted.backup != nil {
		shared, _ = s.alone.Get(cutOf{wanted.backup.UID, wanted.disk.id}, func() (*cut, error) { return shared, nil })
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.id != "" {
		return madeSnapshot{id: shared.id}, nil
	}
	var err error
	shared.id, err = s.askForSnapshot(ctx, api, wanted)
	return madeSnapshot{shared.id, shared.undo}, err
}

func (s *site) askForSnapshot(ctx context.Context, api *alicloud.ECS, wanted subject) (string, error) {
	request := &sdk.CreateSnapshotRequest{
		DiskId:       tea.String(wanted.disk.id),
		SnapshotName: tea.String(nameOf(wanted.tags[tagBackup], wanted.tags[tagVolume])),
		ClientToken:  tea.String(clientToken("CreateSnapshot", wanted.backupID(), wanted.disk.id, wanted.tags[tagVolume])),
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
	if alicloud.MayBeDone(err) {
		return "", &lostError{err, api.Now()}
	}
	if err != nil {
		return "", err
	}
	if tea.StringValue(answer.SnapshotId) == "" {
		return "", &lostError{errors.New("ECS accepted the snapshot and did not tell its id"), api.Now()}
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
