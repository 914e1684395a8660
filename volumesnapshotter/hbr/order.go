// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/url"
	"path"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// order is a volume that a restore wants to have filled.
type order struct {
	snapshot snapshotID
	// mark tells it from all others: it is in the names of what is made for it.
	mark string
	// target is the directory or prefix that is to be made, empty for storage that has
	// no such thing. What else is empty is yet to be found out.
	target storage
	// made has the id and the hash of the snapshot, empty where they were not known yet.
	made snapshot
}

// orderVolume returns the pending id of the volume that a snapshot is to be restored into. It
// refuses what can never be restored; what may pass the restore waits for.
func (s *site) orderVolume(ctx context.Context, text string) (string, error) {
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

// markLength is how long the random end of a target's name is.
const markLength = 8

// restoredName matches the names of targets. A volume that was restored before loses the
// earlier mark.
var restoredName = regexp.MustCompile(`(?:^|-)restore-[a-z0-9]{8}$`)

// newOrder returns the order for a volume with the files of a snapshot. Its target is not
// there, beside what the snapshot is of.
func (s *site) newOrder(of snapshotID) order {
	mark := strings.ToLower(rand.Text()[:markLength])
	return order{snapshot: of, mark: mark, target: s.newTarget(of.source, "restore-"+mark)}
}

// newTarget returns the directory or prefix of a name beside what a snapshot is of.
func (l *location) newTarget(of storage, name string) storage {
	switch {
	case of.bucket != "":
		return storage{bucket: cmp.Or(l.restoreBucket, of.bucket), prefix: prefixOf(beside(of.prefix, name))}
	case of.server == "":
		return storage{}
	}
	target := storage{fileSystem: of.fileSystem, server: of.server, path: besideIn(of.server, of.path, name), created: of.created}
	if l.restoreMountTarget != "" && volume.NASFileSystemID(of.server) != "" {
		target.server, target.fileSystem = l.restoreMountTarget, volume.NASFileSystemID(l.restoreMountTarget)
		if target.fileSystem != of.fileSystem {
			target.created = ""
			// The directories that were above it need not be there, and NFS mounts none that are not.
			target.path = besideIn(target.server, path.Join(volume.ExportOf(target.server), path.Base(of.path)), name)
		}
	}
	return target
}

// besideIn is beside for a directory behind a mount target, where it is absolute. Beside all
// that the mount target exports nothing can be mounted: that has the new one in it.
func besideIn(server, directory, mark string) string {
	export := volume.ExportOf(server)
	if !volume.IsBelow(directory, export) {
		export = "/"
	}
	return path.Join(export, beside(strings.TrimPrefix(directory, export), mark))
}

// beside returns the name of a directory with a mark at its end.
func beside(directory, mark string) string {
	name := restoredName.ReplaceAllString(strings.Trim(directory, "/"), "")
	if name == "" {
		return mark
	}
	return name + "-" + mark
}

// find finds the snapshot of the order out, or tells what is waited for until it is there.
// That it never will be is an error.
func (o *order) find(ctx context.Context, api *alicloud.HBR) (waiting string, err error) {
	if o.made != (snapshot{}) {
		return "", nil
	}
	if o.snapshot, err = begunLater(ctx, api, o.snapshot); err != nil {
		return "", err
	}
	made, err := findSnapshot(ctx, api, o.snapshot)
	if err != nil {
		return "", err
	}
	if made == nil {
		return whyNoSnapshot(ctx, api, o.snapshot)
	}
	if of := jobToldBy(*made); !of.hasData() {
		return "", outcomeOf(of) // To restore it would be to restore what the job had come to.
	}
	o.made = snapshot{id: made.id, hash: made.hash}
	return "", nil
}

// annotationOriginalName is what Velero notes on a PersistentVolume that it has renamed,
// which it does after SetVolumeID (pkg/restore/restore.go, handlePVHasNativeSnapshot).
const annotationOriginalName = "velero.io/original-pv-name"

// pointAt returns pv as the volume of the target, with a volume handle of its own.
func (o order) pointAt(pv *corev1.PersistentVolume) *corev1.PersistentVolume {
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
	held := volume.SetPendingID(o.pointAt(pv), o.pendingID())
	if o.snapshot.method == agentless {
		metav1.SetMetaDataAnnotation(&held.ObjectMeta, volume.AnnotationProvisioner, provisionerOf(o.snapshot.kind))
	}
	return held
}

// finished returns pv as it is when its volume is whole: that of the volume that was
// provisioned for it, nil for none.
func (o order) finished(pv, provisioned *corev1.PersistentVolume) *corev1.PersistentVolume {
	finished := volume.SetPendingID(pv, "")
	if provisioned == nil {
		return o.pointAt(finished)
	}
	return volume.Adopt(finished, provisioned)
}

// pendingPrefix begins the id of a volume that is not whole yet.
const pendingPrefix = "pending:"

// Names of what else is among the fields of target.
const (
	markKey     = "mark"
	snapshotKey = "snapshot"
	hashKey     = "hash"
)

// markForm is the form of a mark.
var markForm = regexp.MustCompile(`^[a-z0-9]{8}$`)

// pendingID returns the id of the volume until it is whole. It holds all of the order,
// for it is carried out by a process that knows nothing else of it.
func (o order) pendingID() string {
	id := pendingPrefix + o.snapshot.String()
	query, _ := url.ParseQuery(o.target.encode()) // It was written here.
	query.Set(markKey, o.mark)
	if o.made != (snapshot{}) {
		query.Set(snapshotKey, o.made.id)
		query.Set(hashKey, o.made.hash)
	}
	return id + "#" + readable(query)
}

// parsePendingID returns the order in a volume's id, and whether it is one. It takes
// what pendingID writes and nothing else.
func parsePendingID(id string) (order, bool) {
	text, ok := strings.CutPrefix(id, pendingPrefix)
	if !ok {
		return order{}, false
	}
	name, rawQuery, _ := strings.Cut(text, "#")
	of, err := parseSnapshotID(name)
	if err != nil {
		return order{}, false
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return order{}, false
	}
	read := order{snapshot: of, mark: query.Get(markKey), made: snapshot{id: query.Get(snapshotKey), hash: query.Get(hashKey)}}
	read.target.take(query)
	if read.pendingID() != id || !markForm.MatchString(read.mark) || read.target.check() != nil || max(len(read.made.id), len(read.made.hash)) > maxNameText {
		return order{}, false
	}
	return read, true
}
