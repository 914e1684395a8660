// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
)

const (
	whole       = 100
	percentUnit = "%"
)

// SnapshotProgress tells how far the backup of a PersistentVolume is that CreateSnapshot
// has begun for backup, by a location's config, and begins one that had to wait. One
// that has failed, or has left items out, is Completed with Err; an error is one that may
// pass. It may run in another process than the one that began the backup, and deletes
// what that has made for the job alone.
func (s *Snapshotter) SnapshotProgress(ctx context.Context, backup *velerov1.Backup, location map[string]string, pv, _ string) (velero.OperationProgress, error) {
	current, err := s.sites.At(location)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	run := notes.OfBackup(backup)
	made, noted, err := current.notes.Find(ctx, run, pv)
	switch {
	case err != nil:
		return velero.OperationProgress{}, err
	case !noted:
		// It was left to others, or it has succeeded, and who was told was killed.
		return velero.OperationProgress{Completed: true, Description: "nothing of the volume is being backed up"}, nil
	}
	of, err := current.subjectOf(ctx, backup, pv)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	progress, err := current.snapshotProgress(ctx, of, made)
	if err == nil && progress.Completed && progress.Err == "" && isStored(backup) {
		current.forgetNote(ctx, run, pv)
	}
	return final.Progress(progress, fail(backingUp, "PersistentVolume "+pv, err))
}

// isStored tells whether Velero has stored the list of the backup's snapshots, by which it
// deletes them. It polls once before it does, while the Backup is InProgress; if it then
// fails, the next backup knows by the notes alone what to delete.
func isStored(backup *velerov1.Backup) bool {
	switch backup.Status.Phase {
	case velerov1.BackupPhaseWaitingForPluginOperations, velerov1.BackupPhaseWaitingForPluginOperationsPartiallyFailed:
		return true
	default:
		return false
	}
}

// CancelSnapshot ends the backup of a PersistentVolume that is under way. One that has
// ended, or is not there, is no error.
func (s *Snapshotter) CancelSnapshot(ctx context.Context, backup *velerov1.Backup, location map[string]string, pv, _ string) error {
	current, err := s.sites.At(location)
	if err != nil {
		return err
	}
	made, noted, err := current.notes.Find(ctx, notes.OfBackup(backup), pv)
	if err != nil || !noted {
		return err
	}
	of, err := current.subjectOf(ctx, backup, pv)
	if err != nil {
		return err
	}
	return fail(backingUp, "PersistentVolume "+pv, current.cancelSnapshot(ctx, of, made))
}

// locate reads an id of Velero's, and returns the Cloud Backup of its region.
func (s *site) locate(ctx context.Context, text string) (snapshotID, *alicloud.HBR, error) {
	id, err := parseSnapshotID(text)
	if err != nil {
		return snapshotID{}, nil, final.Of(err)
	}
	api, err := s.apiIn(ctx, id.region)
	return id, api, err
}

// snapshotProgress tells how far the backup with an id of Velero's is.
func (s *site) snapshotProgress(ctx context.Context, of subject, text string) (velero.OperationProgress, error) {
	if reason, refused := strings.CutPrefix(text, refusedPrefix); refused {
		return velero.OperationProgress{Completed: true, Err: reason}, nil
	}
	id, api, err := s.locate(ctx, text)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	if id.waits() {
		jobID, waiting, err := s.beginWaiting(ctx, api, id, of)
		if err != nil {
			return velero.OperationProgress{}, err
		}
		if waiting != "" {
			return waitingProgress(waiting, api.Now()), nil
		}
		id.job = jobID
		s.note(ctx, of, id.String())
	}
	found, err := visible(ctx, api, func() (*job, error) { return s.endedOrListed(ctx, api, of.backup, id) })
	if err != nil {
		return velero.OperationProgress{}, err
	}
	if found == nil {
		gone := final.Errorf("there is neither the job nor its snapshot: somebody has deleted them")
		return velero.OperationProgress{}, errors.Join(gone, s.unmount(ctx, of))
	}
	if !found.hasEnded() {
		return s.running(ctx, api, id, of, *found)
	}
	progress := progressOf(*found, api.Now())
	waiting, err := toBeListed(ctx, api, id, *found)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	if waiting != "" {
		progress.Description = waitingFor(waiting)
		return progress, nil
	}
	s.dropPlan(ctx, api, id, *found)
	if err := s.unmount(ctx, of); err != nil {
		return velero.OperationProgress{}, err
	}
	progress.Completed = true
	return progress, outcomeOf(*found)
}

// beginWaiting begins the job of a backup that had to wait, or tells what it still waits for.
func (s *site) beginWaiting(ctx context.Context, api *alicloud.HBR, id snapshotID, of subject) (jobID, waiting string, err error) {
	of.plan = id.job // By which a restore will look for the job.
	pv, err := s.cluster.Volume(ctx, of.name)
	switch {
	case apierrors.IsNotFound(err):
		err = final.Of(err) // Somebody has deleted it, and who mounts it.
	case err == nil:
		jobID, waiting, err = s.beginOnNode(ctx, api, id.vault, of, pv)
	}
	if (waiting != "" || err != nil && !final.Is(err)) && s.isLate(of, api.Now()) {
		err = final.Errorf("the backup of the volume has not begun after %s (config key backupTimeout): %w",
			s.backupTimeout, cmp.Or(err, errors.New(waitingFor(waiting))))
	}
	if final.Is(err) {
		err = errors.Join(err, s.unmount(ctx, of))
	}
	return jobID, waiting, err
}

// isLate tells whether a backup has taken longer than one of its jobs may.
func (s *site) isLate(of subject, now time.Time) bool {
	started := of.backup.Status.StartTimestamp
	return started != nil && now.Sub(started.Time) > s.backupTimeout
}

// unmount removes what was made to mount a volume for its backup.
func (s *site) unmount(ctx context.Context, of subject) error {
	if of.backup == nil {
		return nil // Nothing was.
	}
	return s.mounts.Remove(ctx, of.owner())
}

// running is the progress of a job that may take no longer than the location says.
func (s *site) running(ctx context.Context, api *alicloud.HBR, id snapshotID, of subject, found job) (velero.OperationProgress, error) {
	if api.Now().Sub(found.created) <= s.backupTimeout {
		return progressOf(found, api.Now()), nil
	}
	// It was read with others, and may have ended since.
	if current, err := backupJob(ctx, api, id); err != nil || current == nil || current.hasEnded() {
		return progressOf(found, api.Now()), err // The next poll tells how.
	}
	if err := endJob(ctx, api, id); err != nil {
		return velero.OperationProgress{}, err
	}
	late := final.Errorf("the job %s had not ended after %s (config key backupTimeout), and was canceled", id.job, s.backupTimeout)
	return velero.OperationProgress{}, errors.Join(late, s.unmount(ctx, of))
}

// outcomeOf returns the error that a job has ended with.
func outcomeOf(ended job) error {
	switch ended.status {
	case statusComplete:
		return nil
	case statusPartial:
		return final.Of(&partialError{done: ended.itemsDone, total: ended.itemsTotal})
	default:
		return final.Of(&jobError{status: ended.status, message: ended.message})
	}
}

// waitingFor completes what is waited for, a noun phrase, for people.
func waitingFor(waiting string) string { return "waiting for " + waiting }

// waitingProgress is that of a job that is not begun yet.
func waitingProgress(waiting string, now time.Time) velero.OperationProgress {
	return velero.OperationProgress{NTotal: whole, OperationUnits: percentUnit, Description: waitingFor(waiting), Updated: now}
}

func progressOf(j job, now time.Time) velero.OperationProgress {
	return velero.OperationProgress{
		NCompleted: j.done * whole / wholeJob, NTotal: whole, OperationUnits: percentUnit,
		Description: fmt.Sprintf("job %s of Cloud Backup is %s, %d of %d items", j.id, j.status, j.itemsDone, j.itemsTotal),
		Started:     j.created, Updated: now,
	}
}

// endedOrListed returns the job of a snapshot. One that was deleted with its plan is
// told by its snapshot; nil is for one that is not there.
func (s *site) endedOrListed(ctx context.Context, api *alicloud.HBR, backup *velerov1.Backup, id snapshotID) (*job, error) {
	found, err := s.jobOf(ctx, api, backup, id)
	if err != nil || found != nil {
		return found, err
	}
	made, err := findSnapshot(ctx, api, id)
	if err != nil || made == nil {
		return nil, err
	}
	ended := jobToldBy(*made)
	ended.id = id.job
	return &ended, nil
}

// jobToldBy returns a job that is not listed any more, as far as its snapshot tells it. Also
// one that has failed may have a snapshot (SearchHistoricalSnapshots: Status).
func jobToldBy(made snapshot) job {
	ended := job{
		status: made.status, done: wholeJob, itemsDone: made.itemsDone, itemsTotal: made.itemsTotal,
		message: "the job is not listed any more, and its snapshot tells no reason",
	}
	if !ended.hasEnded() {
		ended.status = statusComplete // Nothing goes on without its job.
	}
	return ended
}

// backupJob returns the job of a snapshot, nil if it is not listed.
func backupJob(ctx context.Context, api *alicloud.HBR, id snapshotID) (*job, error) {
	return first(backupJobs(ctx, api, id.sourceType(), "JobId", id.job))
}

// toBeListed says what is waited for before the plan of a job that has ended is deleted, "" for
// nothing. The job goes with its plan, and a restore knows the data by the job or the snapshot.
func toBeListed(ctx context.Context, api *alicloud.HBR, id snapshotID, ended job) (waiting string, err error) {
	if ended.plan == "" || !ended.hasData() {
		return "", nil
	}
	waiting = unlisted(ended, api.Now())
	if waiting == "" {
		return "", nil
	}
	made, err := findSnapshot(ctx, api, id)
	if made != nil || final.Is(err) {
		return "", nil // Who may not look does not wait.
	}
	return waiting, err
}

// listedAfter is how long the snapshot of a job that has ended may be missing from the lists.
const listedAfter = 5 * time.Minute

// unlisted says what is waited for where the snapshot of a job that has ended is not listed, ""
// when that has taken too long.
func unlisted(ended job, now time.Time) string {
	if now.Sub(ended.ended) >= listedAfter {
		return ""
	}
	return "the snapshot of the job, which has just ended, to be listed"
}

// dropPlan deletes the plan of a job that has ended. What is left the next backup deletes.
func (s *site) dropPlan(ctx context.Context, api *alicloud.HBR, id snapshotID, ended job) {
	if err := deletePlanOf(ctx, api, id, ended); err != nil {
		s.log.WithField("plan", ended.plan).WithError(err).Info("The plan of a job that has ended is left to the next backup")
	}
}

func (s *site) cancelSnapshot(ctx context.Context, of subject, text string) error {
	if strings.HasPrefix(text, refusedPrefix) {
		return nil
	}
	id, api, err := s.locate(ctx, text)
	if err != nil {
		return err
	}
	// Who began it may have been killed before it was noted.
	if id, err = begunLater(ctx, api, id); err != nil {
		return err
	}
	if id.waits() {
		s.note(ctx, of, idOfRefused(errors.New("it was canceled")))
	} else if err := endJob(ctx, api, id); err != nil {
		return err
	}
	return s.unmount(ctx, of)
}

// endJob cancels a job that is under way, and deletes its plan. A job that has ended, or is
// not there, is no error.
func endJob(ctx context.Context, api *alicloud.HBR, id snapshotID) error {
	found, err := backupJob(ctx, api, id)
	if err != nil || found == nil {
		return err
	}
	if !found.hasEnded() {
		_, err := api.CancelBackupJob(ctx, &sdk.CancelBackupJobRequest{JobId: tea.String(id.job), VaultId: tea.String(id.vault)})
		if err := canceledOr(err, func() (*job, error) { return backupJob(ctx, api, id) }); err != nil {
			return err
		}
	}
	return deletePlanOf(ctx, api, id, *found)
}

// deletePlanOf deletes the plan of a snapshot's job, if it has one.
func deletePlanOf(ctx context.Context, api *alicloud.HBR, id snapshotID, of job) error {
	if of.plan == "" {
		return nil
	}
	return deletePlan(ctx, api, id.vault, id.sourceType(), of.plan)
}

// canceledOr takes the refusal to cancel a job that has ended meanwhile for a success.
func canceledOr(refusal error, look func() (*job, error)) error {
	switch failure.Classify(refusal) {
	case failure.NotFound:
		return nil
	case failure.Invalid, failure.Conflict:
		if found, err := look(); err == nil && (found == nil || found.hasEnded()) {
			return nil
		}
	default:
	}
	return refusal
}

// whyNoSnapshot says what is waited for where a job has no snapshot yet. That it never
// will is an error.
func whyNoSnapshot(ctx context.Context, api *alicloud.HBR, id snapshotID) (waiting string, err error) {
	found, err := backupJob(ctx, api, id)
	switch {
	case err != nil:
		return "", err
	case found == nil:
		return "", final.Errorf("there is neither the job %s nor its snapshot: it failed, and the backup, which was PartiallyFailed then, says why; it was deleted; its retention is over (config key retentionDays); or the location's account is not the one of the backup", id.job)
	case !found.hasEnded():
		return "the backup itself to end", nil
	case !found.hasData():
		return "", outcomeOf(*found)
	case unlisted(*found, api.Now()) != "":
		return unlisted(*found, api.Now()), nil
	default:
		return "", final.Errorf("the job %s has ended, and its snapshot is not there: it was deleted, or its retention is over (config key retentionDays)", id.job)
	}
}
