// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/listing"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// The methods of this file are what snapshot-progress asks while a backup waits for its
// snapshots. They may run in another process than the one that began the snapshot.

// listedAfter is how long a snapshot that ECS has accepted may be missing from its lists.
// It costs no more than a wait where the snapshot is gone, and a good backup where it is not.
const listedAfter = time.Minute

// VolumeAt is GetVolumeID for a location's config.
func (s *Snapshotter) VolumeAt(location map[string]string, pv *corev1.PersistentVolume) (string, error) {
	current, err := s.sites.At(location)
	if err != nil {
		return "", err
	}
	return current.idOf(pv), nil
}

// idOf returns the id of the disk behind pv, "" if that is no ECS disk, the location leaves
// disks to Cloud Backup, or the backup leaves its data out.
func (l *location) idOf(pv *corev1.PersistentVolume) string {
	if !l.enabled || volume.IsLeftOut(pv) {
		return ""
	}
	return volume.DiskID(pv)
}

// SnapshotProgress tells how far the snapshot is that backup has taken of the disk of a
// PersistentVolume. One that has failed is Completed with Err, one that was never asked
// for is Completed; an error is one that may pass.
func (s *Snapshotter) SnapshotProgress(ctx context.Context, backup *velerov1.Backup, location map[string]string, pv, diskID string) (velero.OperationProgress, error) {
	current, err := s.sites.At(location)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	progress, err := current.snapshotProgress(ctx, backup, pv, diskID)
	if err == nil && progress.Completed && progress.Err == "" {
		err = current.notes.Forget(ctx, notes.OfBackup(backup), pv)
	}
	return current.progressOr(progress, backingUp, "disk "+diskID, err)
}

// progressOr returns the progress, or what the error of a task makes of it.
func (s *site) progressOr(progress velero.OperationProgress, t task, object string, err error) (velero.OperationProgress, error) {
	if err == nil {
		return progress, nil
	}
	lasts := final.Is(err)
	err = s.fail(t, object, err)
	if !lasts {
		return velero.OperationProgress{}, err
	}
	return velero.OperationProgress{Completed: true, Err: err.Error()}, nil
}

func (s *site) snapshotProgress(ctx context.Context, backup *velerov1.Backup, pv, diskID string) (velero.OperationProgress, error) {
	api, err := s.api(ctx)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	found, tried, err := s.find(ctx, api, backup, pv, diskID)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	if reason, refused := strings.CutPrefix(tried.Made, refusedPrefix); refused {
		return velero.OperationProgress{Completed: true, Err: reason}, nil
	}
	switch {
	case found != nil:
		return s.progressOf(*found, api.Now())
	case tried == attempt{}:
		// It was left to others, or it has succeeded, and who was told was killed.
		return velero.OperationProgress{Completed: true, Description: "no snapshot of the volume is being taken"}, nil
	case api.Now().Sub(tried.At) < listedAfter:
		return velero.OperationProgress{
			NTotal: whole, OperationUnits: percentUnit, Description: "waiting for the snapshot of the disk to be listed", Started: tried.At, Updated: api.Now(),
		}, nil
	case tried.Made == "":
		return velero.OperationProgress{}, final.Errorf("the plugin was ended while it asked ECS for the snapshot, and there is none: back up again")
	default:
		return velero.OperationProgress{}, final.Errorf("the snapshot %s is not there: somebody has deleted it, or its retention is over (config key retentionDays); back up again", tried.Made)
	}
}

// progressOf is the progress of a snapshot that is there. Its data is safe when it is
// accomplished; until then disks can be made of some, but the snapshot may still fail.
func (s *site) progressOf(found snapshot, now time.Time) (velero.OperationProgress, error) {
	if found.status == snapshotFailed {
		return velero.OperationProgress{}, final.Errorf("the snapshot %s has failed in ECS: back up again; if it persists give its id to Alibaba Cloud's support", found.id)
	}
	progress := velero.OperationProgress{
		NCompleted: found.percent(), NTotal: whole, OperationUnits: percentUnit,
		Description: found.description(), Started: found.created, Updated: now,
	}
	if found.status == snapshotAccomplished {
		progress.NCompleted = whole
	}
	progress.Completed = found.status == snapshotAccomplished || !s.waitForSnapshot
	return progress, nil
}

// description is what people read of a snapshot.
func (s snapshot) description() string {
	kept := "kept until it is deleted"
	if s.retentionDays > 0 {
		kept = fmt.Sprintf("kept for %d days", s.retentionDays)
	}
	text := fmt.Sprintf("snapshot %s of the disk %s of %d GiB, %s", s.id, s.diskID, s.sizeGiB, kept)
	if group := s.tags[tagGroup]; group != "" {
		text += ", cut with the consistency group " + group
	}
	return text
}

// CancelSnapshot deletes the snapshot of a PersistentVolume that is under way. One that is
// accomplished stays, and one that is not there is no error.
func (s *Snapshotter) CancelSnapshot(ctx context.Context, backup *velerov1.Backup, location map[string]string, pv, diskID string) error {
	current, err := s.sites.At(location)
	if err != nil {
		return err
	}
	return current.fail(deleting, "disk "+diskID, current.cancel(ctx, backup, pv, diskID))
}

func (s *site) cancel(ctx context.Context, backup *velerov1.Backup, pv, diskID string) error {
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	found, tried, err := s.find(ctx, api, backup, pv, diskID)
	if err != nil {
		return err
	}
	switch {
	case found == nil:
		err = s.delete(ctx, tried.Made)
	case found.status != snapshotAccomplished:
		err = s.delete(ctx, snapshotID{region: api.Region(), id: found.id}.String())
	}
	if err != nil {
		return err
	}
	return s.notes.Forget(ctx, notes.OfBackup(backup), pv)
}

// find returns the snapshot that a backup has taken of a volume's disk, nil if there is none,
// and the attempt to take it, the zero one if none was noted.
func (s *site) find(ctx context.Context, api *alicloud.ECS, backup *velerov1.Backup, pv, diskID string) (*snapshot, attempt, error) {
	known, err := s.taken.of(ctx, s, api, backup)
	if err != nil {
		return nil, attempt{}, err
	}
	tried := known.attempts[pv]
	i := slices.IndexFunc(known.snapshots, func(found snapshot) bool {
		if made, err := parseSnapshotID(tried.Made, api.Region()); err == nil {
			return found.id == made.id
		}
		return found.diskID == diskID && found.tags[tagVolume] == volumeTag(pv)
	})
	if i < 0 {
		return nil, tried, nil
	}
	return &known.snapshots[i], tried, nil
}

// takenReader reads what a backup has taken, for all of its operations at once: Velero
// polls one after the other.
type takenReader struct{ lists listing.Lists[taken] }

// taken is what is known of a backup's snapshots.
type taken struct {
	attempts  map[string]attempt
	snapshots []snapshot
}

// of returns what a backup has taken. Its snapshots are found by their tags; by their ids
// only those that do not carry them, because the account may not tag the members of groups.
func (r *takenReader) of(ctx context.Context, s *site, api *alicloud.ECS, backup *velerov1.Backup) (taken, error) {
	return r.lists.Get(string(backup.UID), api.Now, func() (taken, error) {
		attempts, err := s.attemptsOf(ctx, backup)
		if err != nil {
			return taken{}, err
		}
		found, err := findSnapshots(ctx, api, map[string]string{tagBackupUID: string(backup.UID)})
		if err != nil {
			return taken{}, err
		}
		for missing := range slices.Chunk(missingOf(attempts, found, api.Region()), maxIDs) {
			more, err := describeSnapshots(ctx, api, missing...)
			if err != nil {
				return taken{}, err
			}
			found = append(found, more...)
		}
		return taken{attempts: attempts, snapshots: found}, nil
	})
}

// missingOf returns the ids of the snapshots of attempts that are not among those found, sorted.
func missingOf(attempts map[string]attempt, found []snapshot, region string) []string {
	var missing []string
	for _, tried := range attempts {
		made, err := parseSnapshotID(tried.Made, region)
		if err == nil && !slices.ContainsFunc(found, func(f snapshot) bool { return f.id == made.id }) {
			missing = append(missing, made.id)
		}
	}
	slices.Sort(missing)
	return missing
}
