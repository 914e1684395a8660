// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Contains tells whether the storage of other is that of pv, or a part of it: to delete the
// storage of pv would delete that of other.
func Contains(pv, other *corev1.PersistentVolume) bool {
	if a, b := pv.Spec.CSI, other.Spec.CSI; a != nil && b != nil && a.Driver == b.Driver && a.VolumeHandle == b.VolumeHandle {
		return true
	}
	if id := DiskID(pv); id != "" {
		return id == DiskID(other)
	}
	has, its := partOf(pv), partOf(other)
	return has.of != "" && (has.of == its.of || has.mayBeOnNodeOf(its)) && IsBelow(its.path, has.path)
}

// IsKnown tells whether Contains can tell of pv what its storage contains.
func IsKnown(pv *corev1.PersistentVolume) bool {
	return DiskID(pv) != "" || partOf(pv).of != "" || pv.Spec.CSI != nil && SetHandle(pv, "x").Spec.CSI.VolumeHandle == pv.Spec.CSI.VolumeHandle
}

// Overlaps tells whether the storage of one of two PersistentVolumes is that of the other,
// or a part of it: to write into the one could overwrite the other.
func Overlaps(a, b *corev1.PersistentVolume) bool { return Contains(a, b) || Contains(b, a) }

// part is a directory of a storage.
type part struct {
	// of is the storage, empty for one that has no directories or is not known.
	of string
	// path is absolute and clean.
	path string
}

// ofNode begins a part's storage that is a node, before its name.
const ofNode = "node "

// mayBeOnNodeOf tells whether two parts are of nodes, one of which is not known. A hostPath
// volume need not say on which node it is, and node affinity may tell it by other labels.
func (p part) mayBeOnNodeOf(other part) bool {
	return strings.HasPrefix(p.of, ofNode) && strings.HasPrefix(other.of, ofNode) && (p.of == ofNode || other.of == ofNode)
}

// partOf returns what a volume is of a file system, of a bucket or of a node.
func partOf(pv *corev1.PersistentVolume) part {
	if fs, ok := FileSystemOf(pv); ok {
		switch {
		case fs.Server != "":
			return part{of: "server " + fs.Server, path: fs.Path}
		case fs.CNFS != "":
			return part{of: "CNFS " + fs.CNFS, path: fs.Path}
		}
	}
	if bucket, ok := BucketOf(pv); ok {
		switch {
		case bucket.Name != "":
			return part{of: "bucket " + bucket.Name, path: bucket.Path}
		case bucket.CNFS != "":
			return part{of: "CNFS " + bucket.CNFS, path: bucket.Path}
		}
	}
	if local := LocalPath(pv); local != "" {
		return part{of: ofNode + OnlyNode(pv), path: local}
	}
	return part{}
}

// IsBelow tells whether a clean path is root or below it.
func IsBelow(it, root string) bool {
	return it == root || strings.HasPrefix(it, strings.TrimSuffix(root, "/")+"/")
}

// SetHandle returns pv with a volume handle that is its own by a name, as far as a handle is
// a name: the kubelet takes volumes of one handle for the same. By a handle that is all of
// it, as for NAS and OSS, the driver finds the PersistentVolume of that name when it
// deletes the storage (DeleteVolume of pkg/nas and pkg/oss in
// kubernetes-sigs/alibaba-cloud-csi-driver). That of CPFS for Lingjun is a name behind
// the file system; other handles are ids and stay.
func SetHandle(pv *corev1.PersistentVolume, name string) *corev1.PersistentVolume {
	set := pv.DeepCopy()
	if set.Spec.CSI == nil {
		return set
	}
	switch set.Spec.CSI.Driver {
	case DriverNAS, DriverOSS, DriverCPFS:
		set.Spec.CSI.VolumeHandle = name
	case DriverBMCPFS:
		fileSystem, _, _ := strings.Cut(set.Spec.CSI.VolumeHandle, "+")
		set.Spec.CSI.VolumeHandle = fileSystem + "+" + name
	}
	return set
}

// IsReclaimed tells whether the driver of pv deletes its storage when it is asked to, and
// nothing else. That of NAS refuses a directory, provisioned as one of a shared file system,
// whose name does not end with the volume handle; and of a volume that is a file system of
// its own it deletes the whole of that, whichever directory of it pv is
// (DeleteVolume of pkg/nas in kubernetes-sigs/alibaba-cloud-csi-driver).
func IsReclaimed(pv *corev1.PersistentVolume) bool {
	fs, ok := FileSystemOf(pv)
	if !ok || FormOf(pv) != FormCSI || pv.Spec.CSI.Driver != DriverNAS {
		return true
	}
	switch fs.VolumeAs {
	case "", "subpath":
		return strings.HasSuffix(fs.Path, pv.Spec.CSI.VolumeHandle)
	case "filesystem":
		return fs.Path == "/" || fs.Path == ExportOf(fs.Server)
	default:
		return true
	}
}

// HandleName returns the part of the volume handle of pv that SetHandle sets, "" for none.
func HandleName(pv *corev1.PersistentVolume) string {
	if pv.Spec.CSI == nil {
		return ""
	}
	switch pv.Spec.CSI.Driver {
	case DriverNAS, DriverOSS, DriverCPFS:
		return pv.Spec.CSI.VolumeHandle
	case DriverBMCPFS:
		_, name, _ := strings.Cut(pv.Spec.CSI.VolumeHandle, "+")
		return name
	default:
		return ""
	}
}
