// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"context"
	"path"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/mount"
)

// destination is where a restore job writes.
type destination struct {
	// storage is that of a job without a client.
	storage storage
	// at and below are of a job on a node: where the volume is mounted, and the directory
	// in it, absolute.
	at    mount.Place
	below string
	// provisioned says that it is a volume that was provisioned for the data.
	provisioned bool
}

// findDestination returns where the data of pv goes, once that is there: a volume that is
// provisioned by the class that the restore asks for, or that pv had, else a directory
// of the storage that was backed up, which is not there yet.
func (f *filling) findDestination(ctx context.Context, pv *corev1.PersistentVolume) (destination, string, error) {
	target, err := f.targets.FileSystemTarget(ctx, f.restore, pv)
	switch {
	case storageclass.IsRefusal(err):
		return destination{}, "", final.Of(err)
	case err != nil:
		return destination{}, "", err
	case target.Class != "" && (target.ByRule || !f.isElsewhere(f.order.target)):
		return f.provisioned(ctx, target)
	case f.order.snapshot.method == agentless:
		return destination{storage: f.order.target}, "", nil
	default:
		return f.besideTheOld(ctx, pv)
	}
}

// isElsewhere tells whether a target is in the storage that the location names. Of a volume
// that does not name its own, which a CNFS does, there is no directory to make there.
func (l *location) isElsewhere(target storage) bool {
	return l.restoreMountTarget != "" && target.server == l.restoreMountTarget ||
		l.restoreBucket != "" && target.bucket == l.restoreBucket
}

// provisioned returns a volume that is provisioned for the data.
func (f *filling) provisioned(ctx context.Context, target storageclass.FileSystemTarget) (destination, string, error) {
	byClient := f.order.snapshot.method == onNode
	claim := mount.Claim{Class: target.Class, Size: target.Size, Modes: target.Modes, Mounted: byClient}
	made, waiting, err := f.mounts.Provision(ctx, f.owner(), claim, agent.Search{Policy: f.policy})
	if err != nil || waiting != "" {
		return destination{}, waiting, err
	}
	if byClient {
		return destination{at: made.Place, below: mount.WholeVolume, provisioned: true}, "", nil
	}
	to := storageOf(made.Volume)
	if fs, ok := volume.FileSystemOf(made.Volume); ok && to.fileSystem == "" {
		to = storage{fileSystem: fs.ID, path: fs.Path} // A CNFS has the server.
	}
	if to.fileSystem == "" && to.bucket == "" {
		return destination{}, "", final.Errorf("the volume %s, which the class %s has provisioned, does not name its file system or bucket: name a class with the parameter server by a rule of storage-class-mapping, or restore a backup that was made by the method node", made.Volume.Name, target.Class)
	}
	return destination{storage: to, provisioned: true}, "", nil
}

// provisionerOf returns whose volumes Cloud Backup itself can restore files of a kind into
// (CreateRestoreJob: RestoreType is that of the source).
func provisionerOf(kind volume.Kind) string {
	if kind == volume.KindOSS {
		return volume.DriverOSS
	}
	return volume.DriverNAS
}

// besideTheOld returns a directory of the storage that was backed up, which is mounted on a
// node for that.
func (f *filling) besideTheOld(ctx context.Context, pv *corev1.PersistentVolume) (destination, string, error) {
	old, below := pv, mount.WholeVolume
	to := f.order.target
	switch {
	case to.bucket != "":
		directory := path.Clean("/" + to.prefix)
		old, below = volume.SetBucket(pv, to.bucket, prefixOf(path.Dir(directory))), "/"+path.Base(directory)
	case to.server != "":
		old, below = volume.SetFileSystem(pv, to.server, path.Dir(to.path)), "/"+path.Base(to.path)
	case volume.LocalPath(pv) != "":
		if err := f.isFree(ctx, pv); err != nil {
			return destination{}, "", err
		}
	default:
		return destination{}, "", final.Errorf("no volume can be provisioned for the data: the class %q is not in this cluster, or its provisioner is not the driver of the volume; "+
			"name another class by a rule of storage-class-mapping", volume.ClassOf(pv))
	}
	at, waiting, err := f.mounts.Mount(ctx, f.owner(), old, agent.Search{Policy: f.policy, PV: old})
	return destination{at: at, below: below}, waiting, err
}

// isFree returns an error if another PersistentVolume of the cluster has the directory of
// pv on its node: its files would be overwritten.
func (f *filling) isFree(ctx context.Context, pv *corev1.PersistentVolume) error {
	all, err := f.cluster.Volumes(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		other := &all[i]
		if other.Name == pv.Name || mount.IsTemporary(other) || !volume.Overlaps(other, pv) {
			continue
		}
		return final.Errorf("the directory %s of the node %s is that of the PersistentVolume %s, whose files would be overwritten: "+
			"delete that, or name a class by a rule of storage-class-mapping",
			volume.LocalPath(pv), cmp.Or(volume.OnlyNode(pv), volume.OnlyNode(other), "that mounts it"), other.Name)
	}
	return nil
}
