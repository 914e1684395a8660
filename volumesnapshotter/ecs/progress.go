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
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// The methods of this file are what snapshot-progress asks while a backup waits for its
// snapshots. They may run in another process than the one that began the snapshot.

// listedAfter is how long a snapshot that ECS has accepted may be missing from its lists.
// It costs no more than a wait where the snapshot is gone, and a good backup where it is not.
const listedAfter = 5 * time.Minute

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
		current.forgetAttempt(ctx, backup, pv)
	}
	return final.Progress(progress, current.fail(backingUp, "disk "+diskID, err))
}

func (s *site) snapshotProgress(ctx context.Context, backup *velerov1.Backup, pv, diskID string) (velero.OperationProgress, error) {
	tried, err := s.attemptAt(ctx, backup, pv)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	// What hindered the snapshot may hinder the question, too.
	if reason, refused := strings.CutPrefix(tried.Made, refusedPrefix); refused {
		return velero.OperationProgress{Completed: true, Err: reason}, nil
	}
	api, err := s.api(ctx)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	found, err := s.find(ctx, api, backup, wantedSnapshot{pv: pv, disk: diskID, made: tried.Made})
	switch {
	case err != nil:
		return velero.OperationProgress{}, err
	case found != nil && tried.isCutShort():
		return s.discardUntold(ctx, api, *found, tried)
	case found != nil:
		return s.progressOf(*found, api.Now())
	case tried == attempt{}:
		// It was left to others, or it has succeeded, and who was told was killed.
		return velero.OperationProgress{Completed: true, Description: "no snapshot of the volume is being taken"}, nil
	case api.Now().Sub(tried.At) < listedAfter:
		return velero.OperationProgress{
			NTotal: whole, OperationUnits: percentUnit, Description: "waiting for the snapshot of the disk to be listed", Started: tried.At, Updated: api.Now(),
		}, nil
	case tried.Lost != "":
		return velero.OperationProgress{Completed: true, Err: tried.Lost}, nil
	case tried.isCutShort():
		return velero.OperationProgress{}, final.Errorf("the plugin was ended while it asked ECS for the snapshot, and there is none: back up again")
	default:
		return velero.OperationProgress{}, final.Errorf("the snapshot %s is not there: somebody has deleted it, its retention is over (config key retentionDays), or a condition of the RAM policy hides it; back up again", tried.Made)
	}
}

// discardUntold deletes a snapshot that Velero was not told of, and so would never delete, and tells
// why there is none.
func (s *site) discardUntold(ctx context.Context, api *alicloud.ECS, found snapshot, tried attempt) (velero.OperationProgress, error) {
	if err := s.delete(ctx, snapshotID{region: api.Region(), id: found.id}.String()); err != nil {
		return velero.OperationProgress{}, err
	}
	if tried.Lost != "" {
		return velero.OperationProgress{Completed: true, Err: tried.Lost + "; ECS had made the snapshot all the same, and it was deleted: back up again"}, nil
	}
	return velero.OperationProgress{}, final.Errorf("the plugin was ended while it asked ECS for the snapshot, of which Velero does not know; it was deleted: back up again")
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
// accomplished stays, unless Velero was not told of it, and one that is not there is no error.
func (s *Snapshotter) CancelSnapshot(ctx context.Context, backup *velerov1.Backup, location map[string]string, pv, diskID string) error {
	current, err := s.sites.At(location)
	if err != nil {
		return err
	}
	return current.fail(deleting, "disk "+diskID, current.cancel(ctx, backup, pv, diskID))
}

func (s *site) cancel(ctx context.Context, backup *velerov1.Backup, pv, diskID string) error {
	tried, err := s.attemptAt(ctx, backup, pv)
	if err != nil {
		return err
	}
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	// It may have been accomplished since the poll that was too late.
	wanted := wantedSnapshot{pv: pv, disk: diskID, made: tried.Made}
	found, err := wanted.in(ctx, api, backup)
	if err == nil && found != nil && (found.status != snapshotAccomplished || tried.isCutShort()) {
		err = s.delete(ctx, snapshotID{region: api.Region(), id: found.id}.String())
	}
	if err == nil {
		s.forgetAttempt(ctx, backup, pv)
	}
	return err
}

// wantedSnapshot is what is known of a snapshot.
type wantedSnapshot struct {
	// pv and disk are what it is of.
	pv, disk string
	// made is the id that Velero has, "" if none is known.
	made string
}

// is tells whether found is the snapshot, of those of its backup.
func (w wantedSnapshot) is(found snapshot) bool {
	if w.made != "" {
		return strings.HasSuffix(w.made, "/"+found.id)
	}
	return found.diskID == w.disk && found.tags[tagVolume] == volumeTag(w.pv)
}

// among returns the snapshot out of those of its backup, nil if it is not there.
func (w wantedSnapshot) among(found []snapshot) *snapshot {
	if i := slices.IndexFunc(found, w.is); i >= 0 {
		return &found[i]
	}
	return nil
}

// in asks ECS for the snapshot of a backup, and returns nil if there is none.
func (w wantedSnapshot) in(ctx context.Context, api *alicloud.ECS, backup *velerov1.Backup) (*snapshot, error) {
	var (
		found []snapshot
		err   error
	)
	if made, parseErr := parseSnapshotID(w.made, api.Region()); parseErr == nil {
		found, err = describeSnapshots(ctx, api, made.id)
	} else {
		found, err = findSnapshots(ctx, api, map[string]string{tagBackupUID: string(backup.UID)})
	}
	return w.among(found), err
}

// find returns the snapshot that a backup has taken, nil if there is none. All of the
// backup's are read at once, for Velero asks for one after the other: by their tags, and
// by their ids those that do not carry them, because the account may not tag the members
// of groups.
func (s *site) find(ctx context.Context, api *alicloud.ECS, backup *velerov1.Backup, wanted wantedSnapshot) (*snapshot, error) {
	tagged, err := s.tagged.Get(string(backup.UID), api.Now, func() ([]snapshot, error) {
		return findSnapshots(ctx, api, map[string]string{tagBackupUID: string(backup.UID)})
	})
	if err != nil {
		return nil, err
	}
	if found := wanted.among(tagged); found != nil || wanted.made == "" {
		return found, nil
	}
	untagged, err := s.untagged.Get(string(backup.UID), api.Now, func() ([]snapshot, error) {
		return s.describeUntagged(ctx, api, backup, tagged)
	})
	return wanted.among(untagged), err
}

// describeUntagged reads those snapshots of a backup that are not among the tagged ones.
func (s *site) describeUntagged(ctx context.Context, api *alicloud.ECS, backup *velerov1.Backup, tagged []snapshot) ([]snapshot, error) {
	attempts, err := s.attemptsOf(ctx, backup)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, tried := range attempts {
		made, err := parseSnapshotID(tried.Made, api.Region())
		if err == nil && !slices.ContainsFunc(tagged, func(found snapshot) bool { return found.id == made.id }) {
			ids = append(ids, made.id)
		}
	}
	slices.Sort(ids)
	var found []snapshot
	for some := range slices.Chunk(ids, maxIDs) {
		more, err := describeSnapshots(ctx, api, some...)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}
