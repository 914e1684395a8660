// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/mount"
)

// filling is a volume that a restore fills, as one call sees it. All that the call
// before has begun it finds again: the job by a note, and what is there for it in the
// cluster by the order's mark.
type filling struct {
	*site

	api     *alicloud.HBR
	restore *velerov1.Restore
	order   order
}

// fillingOf returns the volume of an order's id.
func (s *site) fillingOf(ctx context.Context, restore *velerov1.Restore, id string) (*filling, error) {
	wanted, pending := parsePendingID(id)
	if !pending {
		return nil, notPending(id)
	}
	api, err := s.api(ctx)
	if err != nil {
		return nil, err
	}
	return &filling{site: s, api: api, restore: restore, order: wanted}, nil
}

// alone calls do when nothing else that this process does with the volume goes on. Velero's
// poll and what has the volume be filled before that know nothing of each other: both would
// begin a job where none is noted yet.
func (f *filling) alone(ctx context.Context, do func() error) error {
	return f.fillings.Do(ctx, f.order.mark, do)
}

func notPending(id string) error {
	return final.Errorf("%q is not the id of a volume that is being restored", id)
}

// known is what is noted of a filling for the next call: none before its job has begun.
type known struct {
	// Job is the restore job.
	Job string `json:"job"`
	// Provisioned says that it writes into a volume that was provisioned for it.
	Provisioned bool `json:"provisioned,omitempty"`
}

// recall returns what is noted.
func (f *filling) recall(ctx context.Context) (known, error) {
	text, noted, err := f.notes.Find(ctx, f.run(), f.order.mark)
	if err != nil || !noted {
		return known{}, err
	}
	var read known
	if err := json.Unmarshal([]byte(text), &read); err != nil {
		return known{}, final.Errorf("reading what is noted of the restore %s: %w", f.order.mark, err)
	}
	return read, nil
}

// note notes what the next call is to know.
func (f *filling) note(ctx context.Context, made known) error {
	text, err := json.Marshal(made)
	if err != nil {
		return fmt.Errorf("noting the restore job %s: %w", made.Job, err)
	}
	return f.notes.Note(ctx, f.run(), f.order.mark, string(text))
}

func (f *filling) run() notes.Run { return notes.OfRestore(f.restore) }

// owner is whose temporary objects are made to fill the volume.
func (f *filling) owner() mount.Owner {
	return mount.Owner{Kind: mount.Restore, Run: f.restore.UID, Mark: f.order.mark}
}

// progress tells how far the volume is, and begins what can begin. pv is as it is to be,
// with its own claim.
func (f *filling) progress(ctx context.Context, pv *corev1.PersistentVolume) (velero.OperationProgress, error) {
	known, err := f.recall(ctx)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	if known.Job == "" {
		return f.begin(ctx, pv)
	}
	found, err := visible(ctx, f.api, func() (*job, error) { return f.findJob(ctx, known.Job) })
	switch {
	case err != nil:
		return velero.OperationProgress{}, err
	case found == nil:
		return velero.OperationProgress{}, final.Errorf("the restore job %s is not there: somebody has deleted it", known.Job)
	case found.status == statusComplete:
		return f.end(ctx, known, *found)
	case found.hasEnded():
		// Also where a part was restored: no application starts on half a volume.
		return velero.OperationProgress{}, final.Of(&jobError{status: found.status, message: found.message})
	case f.api.Now().Sub(found.created) > f.restoreTimeout:
		return velero.OperationProgress{}, final.Errorf("the restore job %s has not ended after %s (config key restoreTimeout)", found.id, f.restoreTimeout)
	default:
		return progressOf(*found, f.api.Now()), nil
	}
}

// findJob returns the restore job of an id, nil if it is not listed.
func (f *filling) findJob(ctx context.Context, id string) (*job, error) {
	return first(restoreJobs(ctx, f.api, f.order.snapshot.sourceType(), "RestoreId", id))
}

// errGone is for a volume that was provisioned, filled, and deleted before it was used.
var errGone = final.Errorf("the volume that was provisioned for the data is not there any more: somebody has deleted its claim; restore again")

// end is the progress of a volume whose job is complete: it is whole when no other job may
// write into it, and no Pod that was made for it has it mounted any more.
func (f *filling) end(ctx context.Context, noted known, ended job) (velero.OperationProgress, error) {
	progress := progressOf(ended, f.api.Now())
	waiting, err := f.another(ctx, ended)
	if err == nil && waiting == "" {
		waiting, err = f.mounts.Unmount(ctx, f.owner())
	}
	if err != nil {
		return velero.OperationProgress{}, err
	}
	if waiting != "" {
		progress.Description = waitingFor(waiting)
		return progress, nil
	}
	if noted.Provisioned {
		_, err = f.keep(ctx, noted)
	}
	progress.Completed = err == nil
	return progress, err
}

// another says which other job may still write into the volume, "" for none: one that was
// begun of which the answer was lost, or that could not be noted. What it writes would
// overwrite what an application has written.
func (f *filling) another(ctx context.Context, than job) (waiting string, err error) {
	all, err := restoreJobs(ctx, f.api, f.order.snapshot.sourceType(), "VaultId", f.order.snapshot.vault)
	for _, j := range all {
		// One that hangs is not waited for for ever.
		if j.id != than.id && f.mayShareVolume(j, than) && !j.hasEnded() && f.api.Now().Sub(j.created) <= f.restoreTimeout {
			return fmt.Sprintf("the job %s, which may write into this volume too, to end", j.id), err
		}
	}
	return "", err
}

// mayShareVolume tells whether two jobs may write into one volume. A job of the client does
// not tell where it writes, so that of two with the same snapshot nobody knows.
func (f *filling) mayShareVolume(a, b job) bool {
	if f.order.snapshot.method == onNode {
		return a.snapshot != "" && a.snapshot == b.snapshot
	}
	return a.target != storage{} && a.target == b.target
}

// keep has the volume that was provisioned, if one was, outlive what it was made with, and
// returns it. One that is not there any more is an error.
func (f *filling) keep(ctx context.Context, noted known) (*corev1.PersistentVolume, error) {
	provisioned, err := f.mounts.Keep(ctx, f.owner())
	if err == nil && provisioned == nil && noted.Provisioned {
		err = errGone
	}
	return provisioned, err
}

// begin begins the job, or tells what is waited for.
func (f *filling) begin(ctx context.Context, pv *corev1.PersistentVolume) (velero.OperationProgress, error) {
	jobID, waiting, err := f.beginJob(ctx, pv)
	if (waiting != "" || err != nil) && f.isLate() {
		return velero.OperationProgress{}, final.Errorf("the restore of the volume has not begun after %s (config key restoreTimeout): %w",
			f.restoreTimeout, cmp.Or(err, errors.New(waitingFor(waiting))))
	}
	if err != nil {
		return velero.OperationProgress{}, err
	}
	if waiting != "" {
		return waitingProgress(waiting, f.api.Now()), nil
	}
	return velero.OperationProgress{
		NTotal: whole, OperationUnits: percentUnit, Updated: f.api.Now(),
		Description: fmt.Sprintf("job %s of Cloud Backup was begun", jobID),
	}, nil
}

// isLate tells whether the restore has taken longer than one of its jobs may.
func (f *filling) isLate() bool {
	started := f.restore.Status.StartTimestamp
	return started != nil && f.api.Now().Sub(started.Time) > f.restoreTimeout
}

// beginJob begins the job that fills the volume, and notes it.
func (f *filling) beginJob(ctx context.Context, pv *corev1.PersistentVolume) (jobID, waiting string, err error) {
	if waiting, err = f.order.find(ctx, f.api); err != nil || waiting != "" {
		return "", waiting, err
	}
	to, waiting, err := f.findDestination(ctx, pv)
	if err != nil || waiting != "" {
		return "", waiting, err
	}
	if f.order.snapshot.method == onNode {
		jobID, waiting, err = f.beginOnNode(ctx, f.order.made, to)
	} else {
		jobID, err = f.beginAgentless(ctx, f.order.made, to.storage)
	}
	if err != nil || waiting != "" {
		return "", waiting, err
	}
	return jobID, "", f.note(ctx, known{Job: jobID, Provisioned: to.provisioned})
}

// beginAgentless begins the job of Cloud Backup itself. No other volume has the same
// target: a job that fills it was begun by a call that could not note it.
func (f *filling) beginAgentless(ctx context.Context, from snapshot, to storage) (string, error) {
	if known, err := f.begunInto(ctx, to); err != nil || known != "" {
		return known, err
	}
	var err error
	if to.fileSystem != "" && to.created == "" {
		if to.created, err = f.createdAt(ctx, f.api.Region(), to.fileSystem); err != nil {
			return "", err
		}
	}
	return f.create(ctx, restoreRequest(f.order.snapshot, from, to), func(ctx context.Context) (string, error) { return f.begunInto(ctx, to) })
}

// begunInto returns the job of Cloud Backup itself that writes into a storage, "" for none.
func (f *filling) begunInto(ctx context.Context, to storage) (string, error) {
	all, err := restoreJobs(ctx, f.api, f.order.snapshot.sourceType(), "VaultId", f.order.snapshot.vault)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(all, func(j job) bool {
		return j.target.fileSystem == to.fileSystem && j.target.path == to.path && j.target.bucket == to.bucket && j.target.prefix == to.prefix
	})
	if i < 0 {
		return "", nil
	}
	return all[i].id, nil
}

// beginOnNode begins the job of the client. Where the answer is lost it is begun again: a
// job does not tell where it writes, and both write the same. The volume is whole when both
// have ended (another).
func (f *filling) beginOnNode(ctx context.Context, from snapshot, to destination) (jobID, waiting string, err error) {
	clusterID, err := f.registered(ctx, f.api)
	if err != nil {
		return "", "", err
	}
	waiting, err = f.agents.Ready(ctx, to.at.Node)
	if err != nil || waiting != "" {
		return "", waiting, fail(checkingClient, "node "+to.at.Node, err)
	}
	request, err := containerRestore(f.order.snapshot, from, clusterID, to)
	if err != nil {
		return "", "", err
	}
	jobID, err = f.create(ctx, request, func(context.Context) (string, error) { return "", nil })
	return jobID, "", err
}

func (f *filling) create(ctx context.Context, request *alicloud.CreateRestoreJobRequest, find func(context.Context) (string, error)) (string, error) {
	return createOnce(ctx, f.api, func(ctx context.Context) (string, error) {
		answer, err := f.api.CreateRestoreJob(ctx, request)
		if err != nil {
			return "", err
		}
		return tea.StringValue(answer.RestoreId), nil
	}, find)
}

// finish returns pv as that of the volume that is whole.
func (f *filling) finish(ctx context.Context, pv *corev1.PersistentVolume) (*corev1.PersistentVolume, error) {
	known, err := f.recall(ctx)
	if err != nil {
		return nil, err
	}
	provisioned, err := f.keep(ctx, known)
	if err != nil {
		return nil, err
	}
	finished := f.order.finished(pv, provisioned)
	if !volume.IsReclaimed(finished) && finished.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete {
		f.log.WithField("persistentVolume", finished.Name).
			Warn("The reclaim policy of the volume becomes Retain: asked to delete its directory, the driver would refuse, or delete the whole file system")
		finished.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	}
	return finished, nil
}

// settle removes what was there to fill the volume alone.
func (f *filling) settle(ctx context.Context) error {
	if err := f.mounts.Remove(ctx, f.owner()); err != nil {
		return err
	}
	return f.notes.Forget(ctx, f.run(), f.order.mark)
}

// discard ends the job and removes what was made for it. What was written into the
// storage that was backed up stays: neither Cloud Backup nor NAS deletes it, and the
// location does not say how to reach OSS.
func (f *filling) discard(ctx context.Context) error {
	made, err := f.recall(ctx)
	if err == nil && made.Job == "" && f.order.snapshot.method == agentless {
		// Who began it may have been killed before it was noted.
		made.Job, err = f.begunInto(ctx, f.order.target)
	}
	if err != nil {
		return err
	}
	if made.Job != "" {
		if err := f.cancel(ctx, made.Job); err != nil {
			return err
		}
	}
	if err := f.mounts.Discard(ctx, f.owner()); err != nil {
		return err
	}
	return f.notes.Forget(ctx, f.run(), f.order.mark)
}

func (f *filling) cancel(ctx context.Context, id string) error {
	found, err := f.findJob(ctx, id)
	if err != nil || found == nil {
		return err
	}
	if !found.hasEnded() {
		_, err = f.api.CancelRestoreJob(ctx, &sdk.CancelRestoreJobRequest{RestoreId: tea.String(found.id), VaultId: tea.String(f.order.snapshot.vault)})
		if err := canceledOr(err, func() (*job, error) { return f.findJob(ctx, id) }); err != nil {
			return err
		}
	}
	if left := found.target.encode(); left != "" {
		f.log.WithField("restoreJob", found.id).Warnf("What the restore has written is left, and can be deleted by hand: %s", left)
	}
	return nil
}
