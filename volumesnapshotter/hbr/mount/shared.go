// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// shared tells whether another PersistentVolume has the storage of pv, or a part of it.
func (t temporary) shared(ctx context.Context, pv *corev1.PersistentVolume) (bool, error) {
	all := &corev1.PersistentVolumeList{}
	if err := t.api.List(ctx, all); err != nil {
		return false, fmt.Errorf("listing the PersistentVolumes: %w", err)
	}
	for i := range all.Items {
		if other := &all.Items[i]; other.Name != pv.Name && sharesStorage(pv, other) {
			return true, nil
		}
	}
	return false, nil
}

// sharesStorage tells whether the storage of pv cannot be deleted without that of other.
func sharesStorage(pv, other *corev1.PersistentVolume) bool {
	if a, b := pv.Spec.CSI, other.Spec.CSI; a != nil && b != nil && a.Driver == b.Driver && a.VolumeHandle == b.VolumeHandle {
		return true
	}
	if id := volume.DiskID(pv); id != "" {
		return id == volume.DiskID(other)
	}
	has, its := directoryOf(pv), directoryOf(other)
	return has.of != "" && has.of == its.of && isBelow(its.path, has.path)
}

// directory is a part of a storage.
type directory struct {
	// of is the storage, empty for one that has no directories or is not known.
	of string
	// path is absolute and clean.
	path string
}

// directoryOf returns what a volume is of a file system, of a bucket or of a node.
func directoryOf(pv *corev1.PersistentVolume) directory {
	if fs, ok := volume.FileSystemOf(pv); ok && fs.Server != "" {
		return directory{of: "server " + fs.Server, path: fs.Path}
	}
	if bucket, ok := volume.BucketOf(pv); ok && bucket.Name != "" {
		return directory{of: "bucket " + bucket.Name, path: path.Join("/", bucket.Path)}
	}
	if local := volume.LocalPath(pv); local != "" {
		return directory{of: "node " + volume.OnlyNode(pv), path: path.Join("/", local)}
	}
	return directory{}
}

// isBelow tells whether a clean path is root or below it.
func isBelow(it, root string) bool {
	return it == root || strings.HasPrefix(it, strings.TrimSuffix(root, "/")+"/")
}
