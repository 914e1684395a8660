// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"context"
	"crypto/rand"
	"regexp"
	"slices"
	"strings"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// VolumeID returns the id of the volume that a restore is filling behind a
// PersistentVolume, "" if there is none.
func (s *Snapshotter) VolumeID(pv *corev1.PersistentVolume) string { return volume.PendingID(pv) }

// Progress tells how far a restored volume is, and begins what can begin. A volume that
// will never be whole is Completed with Err; an error is one that may pass. It may run in
// another process than the one that began the restore.
func (s *Snapshotter) Progress(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string, pv *corev1.PersistentVolume) (velero.OperationProgress, error) {
	current, err := s.sites.At(location)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	var progress velero.OperationProgress
	wanted, err := current.filling(ctx, restore, id)
	if err == nil {
		progress, err = wanted.progress(ctx, pv)
	}
	return progressOr(progress, fail(restoring, "PersistentVolume "+pv.Name, err), final.Is(err))
}

// Finish returns pv as the volume that is whole.
func (s *Snapshotter) Finish(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string, pv *corev1.PersistentVolume) (*corev1.PersistentVolume, error) {
	wanted, err := s.filled(ctx, restore, location, id)
	if err != nil {
		return nil, err
	}
	return wanted.finish(ctx, pv)
}

// Settle removes what was there to fill a volume that is whole.
func (s *Snapshotter) Settle(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string) error {
	wanted, err := s.filled(ctx, restore, location, id)
	if err != nil {
		return err
	}
	return wanted.settle(ctx)
}

// Discard ends the restore of a volume that is not to be, and removes what was made for
// it. An id of another volume has nothing to end.
func (s *Snapshotter) Discard(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string) error {
	if _, pending := parsePendingID(id); !pending {
		return nil
	}
	wanted, err := s.filled(ctx, restore, location, id)
	if err != nil {
		return err
	}
	return fail(restoring, "volume "+id, wanted.discard(ctx))
}

// filled returns the volume of an order's id in a location.
func (s *Snapshotter) filled(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string) (*filling, error) {
	current, err := s.sites.At(location)
	if err != nil {
		return nil, err
	}
	return current.filling(ctx, restore, id)
}

func errNotPending(id string) error {
	return final.Errorf("%q is not the id of a volume that is being restored", id)
}

// order returns the pending id of the volume that a snapshot is to be restored into. It
// refuses what can never be restored; what may pass the restore waits for.
func (s *site) order(ctx context.Context, text string) (string, error) {
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
	wanted := s.newOrder(id)
	if _, err := wanted.find(ctx, api); err != nil && !final.MayPass(err) {
		return "", err
	}
	s.sweep.Begin(func() { s.sweepCluster(context.WithoutCancel(ctx)) })
	return wanted.pendingID(), nil
}

// find finds the snapshot of the order out, or tells what is waited for until it is there.
// That it never will be is an error.
func (o *order) find(ctx context.Context, api *alicloud.HBR) (waiting string, err error) {
	if o.made != (snapshot{}) {
		return "", nil
	}
	if o.snapshot.waits() {
		if o.snapshot, err = begunLater(ctx, api, o.snapshot); err != nil {
			return "", err
		}
	}
	made, err := findSnapshot(ctx, api, o.snapshot)
	if err != nil {
		return "", err
	}
	if made == nil {
		return awaitSnapshot(ctx, api, o.snapshot)
	}
	o.made = snapshot{id: made.id, hash: made.hash}
	return "", nil
}

// begunLater returns the id with the job that has begun since Velero was told it; the same
// one if none has.
func begunLater(ctx context.Context, api *alicloud.HBR, id snapshotID) (snapshotID, error) {
	all, err := backupJobs(ctx, api, id.sourceType(), "VaultId", id.vault)
	if known := jobNamed(all, id.job); err == nil && known != nil {
		id.job = known.id
	}
	return id, err
}

// markLength is how long the random end of a target's name is.
const markLength = 8

// marked are names of targets. A volume that was restored before loses the earlier mark.
var marked = regexp.MustCompile(`(?:^|-)restore-[a-z0-9]{8}$`)

// newOrder returns the order for a volume with the files of a snapshot. Its target is not
// there, beside what the snapshot is of.
func (s *site) newOrder(of snapshotID) order {
	mark := strings.ToLower(rand.Text()[:markLength])
	return order{snapshot: of, mark: mark, target: s.newTarget(of.source, "restore-"+mark)}
}

// newTarget returns the directory or prefix of a name beside what a snapshot is of.
func (l *location) newTarget(of source, name string) source {
	switch {
	case of.bucket != "":
		return source{bucket: cmp.Or(l.restoreBucket, of.bucket), prefix: prefixOf(beside(of.prefix, name))}
	case of.server == "":
		return source{}
	}
	target := source{fileSystem: of.fileSystem, server: of.server, path: "/" + beside(of.path, name), created: of.created}
	if l.restoreMountTarget != "" && volume.NASFileSystemID(of.server) != "" {
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

// annotationOriginalName is what Velero notes on a PersistentVolume that it has renamed,
// which it does after SetVolumeID (pkg/restore/restore.go, handlePVHasNativeSnapshot).
const annotationOriginalName = "velero.io/original-pv-name"

// place returns pv as the volume of the target, with a volume handle of its own.
func (o order) place(pv *corev1.PersistentVolume) *corev1.PersistentVolume {
	var placed *corev1.PersistentVolume
	switch {
	case o.target.bucket != "":
		placed = volume.SetBucket(pv, o.target.bucket, o.target.prefix)
	case o.target.server != "":
		placed = volume.SetFileSystem(pv, o.target.server, o.target.path)
	default:
		return pv.DeepCopy()
	}
	return volume.SetHandle(placed, o.handle(pv))
}

// handle returns the name in the volume handle, which no other PersistentVolume has: where
// it was the name of this one it still is.
func (o order) handle(pv *corev1.PersistentVolume) string {
	switch had := volume.HandleName(pv); had {
	case pv.Name, pv.Annotations[annotationOriginalName]:
		return pv.Name
	default:
		return beside(had, "restore-"+o.mark)
	}
}

// hold returns pv as the volume of the target, which is not whole.
func (o order) hold(pv *corev1.PersistentVolume) *corev1.PersistentVolume {
	held := volume.SetPendingID(o.place(pv), o.pendingID())
	if o.snapshot.method == agentless {
		metav1.SetMetaDataAnnotation(&held.ObjectMeta, volume.AnnotationProvisioner, provisionerOf(o.snapshot.kind))
	}
	return held
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
	case api.Now().Sub(found.ended) < listedAfter:
		return "the snapshot of the job, which has just ended, to be listed", nil
	default:
		return "", final.Errorf("the job %s has ended, and its snapshot is not there: it was deleted, or its retention is over (config key retentionDays)", id.job)
	}
}

// listedAfter is how long the snapshot of a job that has ended may be missing from the lists.
const listedAfter = 5 * time.Minute

// restoreInto returns the job of Cloud Backup itself that restores a snapshot into a
// target, nil if there is none.
func restoreInto(ctx context.Context, api *alicloud.HBR, of snapshotID, to source) (*job, error) {
	all, err := restoreJobs(ctx, api, of.sourceType(), "VaultId", of.vault)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(j job) bool {
		return j.target.fileSystem == to.fileSystem && j.target.path == to.path && j.target.bucket == to.bucket && j.target.prefix == to.prefix
	})
	if i < 0 {
		return nil, nil //nolint:nilnil // none is no error
	}
	return &all[i], nil
}
