// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"slices"
	"strings"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/final"
)

// annotationPending holds the id of the volume that a restore is still filling. Not all
// forms of a PersistentVolume have another place for it.
const annotationPending = "alibabacloud.com/pending-volume"

// VolumeID returns the id of the volume that a restore is filling behind a
// PersistentVolume, "" if there is none.
func (s *Snapshotter) VolumeID(pv *corev1.PersistentVolume) string {
	return pv.Annotations[annotationPending]
}

// Progress tells how far a restored volume is, and begins what can begin. A volume that
// will never be whole is Completed with Err; an error is one that may pass. It may run in
// another process than the one that began the restore.
func (s *Snapshotter) Progress(ctx context.Context, _ *velerov1.Restore, location map[string]string, id string) (velero.OperationProgress, error) {
	current, err := s.at(location)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	progress, err := current.restoreProgress(ctx, id)
	return progressOr(progress, fail(restoring, "volume "+id, err), isFinal(err))
}

// Finish returns pv as the volume that is whole.
func (s *Snapshotter) Finish(_ context.Context, _ *velerov1.Restore, _ map[string]string, id string, pv *corev1.PersistentVolume) (*corev1.PersistentVolume, error) {
	wanted, pending := parsePendingID(id)
	if !pending {
		return nil, errNotPending(id)
	}
	finished := wanted.place(pv)
	delete(finished.Annotations, annotationPending)
	return finished, nil
}

// Discard ends the restore of a volume that is not to be. What was written stays: neither
// Cloud Backup nor NAS deletes it, and the location does not say how to reach OSS.
func (s *Snapshotter) Discard(ctx context.Context, _ *velerov1.Restore, location map[string]string, id string) error {
	current, err := s.at(location)
	if err != nil {
		return err
	}
	return fail(restoring, "volume "+id, current.discard(ctx, id))
}

func errNotPending(id string) error {
	return final.Errorf("%q is not the id of a volume that is being restored", id)
}

// restore begins the restore of a snapshot, and returns the pending id of the volume.
func (s *site) restore(ctx context.Context, text string) (string, error) {
	id, err := parseSnapshotID(text)
	if err != nil {
		return "", err
	}
	api, err := s.api(ctx)
	if err != nil {
		return "", err
	}
	if err := id.in(api.Region()); err != nil {
		return "", err
	}
	if id.method == onNode {
		return "", errOnNode
	}
	wanted := order{snapshot: id, target: s.newTarget(id.source)}
	begun, waiting, err := s.beginRestore(ctx, api, wanted)
	log := s.log.WithField("snapshot", text)
	switch {
	case mayPass(err):
		log.WithError(err).Info("The restore is begun later")
	case err != nil:
		return "", err
	case waiting != "":
		log.Info("The restore is begun later: " + waiting)
	}
	wanted.job = begun
	return wanted.pendingID(), nil
}

// markLength is how long the random end of a target's name is.
const markLength = 8

// marked are names of targets. A volume that was restored before loses the earlier mark.
var marked = regexp.MustCompile(`(?:^|-)restore-[a-z0-9]{8}$`)

// newTarget returns a directory or prefix that is not there, beside the one that the
// snapshot is of.
func (l *location) newTarget(of source) source {
	mark := "restore-" + strings.ToLower(rand.Text()[:markLength])
	if of.bucket != "" {
		return source{bucket: cmp.Or(l.restoreBucket, of.bucket), prefix: prefixOf(beside(of.prefix, mark))}
	}
	target := source{fileSystem: of.fileSystem, server: of.server, path: "/" + beside(of.path, mark), created: of.created}
	if l.restoreMountTarget != "" {
		target.server, target.fileSystem = l.restoreMountTarget, volume.NASFileSystemID(l.restoreMountTarget)
		if target.fileSystem != of.fileSystem {
			target.created = ""
		}
	}
	return target
}

// beside returns the name of a directory with a mark at its end.
func beside(directory, mark string) string {
	name := marked.ReplaceAllString(strings.Trim(directory, "/"), "")
	if name == "" {
		return mark
	}
	return name + "-" + mark
}

// mark is that of the target.
func (o order) mark() string {
	return strings.TrimPrefix(marked.FindString(strings.TrimSuffix(o.target.path+o.target.prefix, "/")), "-")
}

// place returns pv as the volume of the target. A volume handle is one of its own: the
// kubelet takes volumes of one handle for the same.
func (o order) place(pv *corev1.PersistentVolume) *corev1.PersistentVolume {
	var placed *corev1.PersistentVolume
	if o.target.bucket != "" {
		placed = volume.SetBucket(pv, o.target.bucket, o.target.prefix)
	} else {
		placed = volume.SetFileSystem(pv, o.target.server, o.target.path)
	}
	if volume.FormOf(placed) == volume.FormCSI {
		placed.Spec.CSI.VolumeHandle = beside(placed.Spec.CSI.VolumeHandle, o.mark())
	}
	return placed
}

// hold returns pv as the volume of the target, which is not whole.
func (o order) hold(pv *corev1.PersistentVolume) *corev1.PersistentVolume {
	held := o.place(pv)
	if held.Annotations == nil {
		held.Annotations = map[string]string{}
	}
	held.Annotations[annotationPending] = o.pendingID()
	return held
}

// beginRestore begins the job of an order, and returns it, or what is waited for.
func (s *site) beginRestore(ctx context.Context, api *alicloud.HBR, wanted order) (begun, waiting string, err error) {
	made, err := findSnapshot(ctx, api, wanted.snapshot)
	if err != nil {
		return "", "", err
	}
	if made == nil {
		waiting, err := awaitSnapshot(ctx, api, wanted.snapshot)
		return "", waiting, err
	}
	target := wanted.target
	if target.fileSystem != "" && target.created == "" {
		if target.created, err = s.createdAt(ctx, api.Region(), target.fileSystem); err != nil {
			return "", "", err
		}
	}
	request := restoreRequest(wanted.snapshot, *made, target)
	begun, err = createOnce(ctx, api, func(ctx context.Context) (string, error) {
		answer, err := api.CreateRestoreJob(ctx, request)
		if err != nil {
			return "", err
		}
		return tea.StringValue(answer.RestoreId), nil
	}, func(ctx context.Context) (string, error) {
		found, err := restoreInto(ctx, api, wanted)
		if err != nil || found == nil {
			return "", err
		}
		return found.id, nil
	})
	return begun, "", err
}

// awaitSnapshot says what is waited for where a job has no snapshot yet. That it never
// will is an error.
func awaitSnapshot(ctx context.Context, api *alicloud.HBR, id snapshotID) (waiting string, err error) {
	found, err := backupJob(ctx, api, id)
	switch {
	case err != nil:
		return "", err
	case found == nil:
		return "", final.Errorf("there is neither the job %s nor its snapshot: it was deleted, its retention is over (config key retentionDays), or the location's account is not the one of the backup", id.job)
	case !found.hasEnded():
		return "the backup itself has not ended", nil
	case found.status != statusComplete && found.status != statusPartial:
		return "", outcomeOf(*found)
	default:
		return "", final.Errorf("the job %s has ended, and its snapshot is not there: it was deleted, or its retention is over (config key retentionDays)", id.job)
	}
}

// restoreInto returns the job that fills the target of an order, nil if there is none. No
// other order has the same target.
func restoreInto(ctx context.Context, api *alicloud.HBR, wanted order) (*job, error) {
	all, err := restoreJobs(ctx, api, sourceType(wanted.snapshot.kind), "VaultId", wanted.snapshot.vault)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(j job) bool {
		return j.target.bucket == wanted.target.bucket && j.target.prefix == wanted.target.prefix && j.target.path == wanted.target.path
	})
	if i < 0 {
		return nil, nil //nolint:nilnil // none is no error
	}
	return &all[i], nil
}

// restoreJob returns the job of an order, nil if it has none.
func restoreJob(ctx context.Context, api *alicloud.HBR, wanted order) (*job, error) {
	if wanted.job == "" {
		return restoreInto(ctx, api, wanted)
	}
	return first(restoreJobs(ctx, api, sourceType(wanted.snapshot.kind), "RestoreId", wanted.job))
}

func (s *site) restoreProgress(ctx context.Context, id string) (velero.OperationProgress, error) {
	wanted, pending := parsePendingID(id)
	if !pending {
		return velero.OperationProgress{}, errNotPending(id)
	}
	api, err := s.api(ctx)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	var found *job
	if wanted.job == "" {
		found, err = restoreInto(ctx, api, wanted)
	} else {
		found, err = visible(ctx, api, func() (*job, error) { return restoreJob(ctx, api, wanted) })
	}
	switch {
	case err != nil:
		return velero.OperationProgress{}, err
	case found == nil && wanted.job != "":
		return velero.OperationProgress{}, final.Errorf("the restore job %s is not there: somebody has deleted it", wanted.job)
	case found == nil:
		return s.beginLate(ctx, api, wanted)
	case found.status == statusComplete:
		progress := progressOf(*found, api.Now())
		progress.Completed = true
		return progress, nil
	case found.hasEnded():
		// Also where a part was restored: no application starts on half a volume.
		return velero.OperationProgress{}, final.Of(&jobError{status: found.status, message: found.message})
	case api.Now().Sub(found.created) > s.restoreTimeout:
		return velero.OperationProgress{}, final.Errorf("the restore job %s has not ended after %s (config key restoreTimeout)", found.id, s.restoreTimeout)
	default:
		return progressOf(*found, api.Now()), nil
	}
}

// beginLate begins the job of an order that could not be begun before.
func (s *site) beginLate(ctx context.Context, api *alicloud.HBR, wanted order) (velero.OperationProgress, error) {
	begun, waiting, err := s.beginRestore(ctx, api, wanted)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	progress := velero.OperationProgress{NTotal: whole, OperationUnits: percentUnit, Description: waiting, Updated: api.Now()}
	if waiting == "" {
		progress.Description = fmt.Sprintf("job %s of Cloud Backup was begun", begun)
	}
	return progress, nil
}

func (s *site) discard(ctx context.Context, id string) error {
	wanted, pending := parsePendingID(id)
	if !pending {
		return nil
	}
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	found, err := restoreJob(ctx, api, wanted)
	if err != nil || found == nil {
		return err
	}
	if !found.hasEnded() {
		_, err = api.CancelRestoreJob(ctx, &sdk.CancelRestoreJobRequest{RestoreId: tea.String(found.id), VaultId: tea.String(wanted.snapshot.vault)})
		if err := canceledOr(err, func() (*job, error) { return restoreJob(ctx, api, wanted) }); err != nil {
			return err
		}
	}
	s.log.WithField("restoreJob", found.id).Warnf("What the restore has written is left, and can be deleted by hand: %s", wanted.target.encode())
	return nil
}
