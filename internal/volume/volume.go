// SPDX-License-Identifier: Apache-2.0

// Package volume says what a PersistentVolume is: which storage is behind it, in
// which of the shapes that Alibaba Cloud's drivers have used (CSI, FlexVolume,
// in-tree), and where that storage lives. It also writes a restored disk into one.
//
// Every function is pure and total: it answers from the object alone, for any
// object that is not nil, and modifies none. What a PersistentVolume does not say
// is answered with the zero value.
//
// The shapes are those of kubernetes-sigs/alibaba-cloud-csi-driver, of open-local,
// and of the FlexVolume plug-in that preceded them on ACK.
package volume

import (
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Names of Alibaba Cloud's CSI drivers, which are their StorageClasses' provisioners.
const (
	DriverDisk  = "diskplugin.csi.alibabacloud.com"
	DriverNAS   = "nasplugin.csi.alibabacloud.com"
	DriverOSS   = "ossplugin.csi.alibabacloud.com"
	DriverLocal = "localplugin.csi.alibabacloud.com"
	// DriverBMCPFS serves CPFS for Lingjun.
	DriverBMCPFS = "bmcpfsplugin.csi.alibabacloud.com"
	// DriverCPFS served CPFS before the NAS driver did.
	DriverCPFS = "cpfsplugin.csi.alibabacloud.com"
	// DriverLVM and DriverYoda preceded DriverLocal.
	DriverLVM  = "lvmplugin.csi.alibabacloud.com"
	DriverYoda = "yodaplugin.csi.alibabacloud.com"
	// DriverOpenLocal is the open-source edition of DriverLocal.
	DriverOpenLocal = "local.csi.aliyun.com"
)

// Names of Alibaba Cloud's FlexVolume drivers, which are their StorageClasses'
// provisioners too.
const (
	FlexDriverDisk = "alicloud/disk"
	FlexDriverNAS  = "alicloud/nas"
	FlexDriverOSS  = "alicloud/oss"
	FlexDriverCPFS = "alicloud/cpfs"
)

// Kind is the storage behind a PersistentVolume.
type Kind string

// The kinds of storage. A kind is told by the storage, not by the driver that
// mounts it: an in-tree NFS volume whose server is a NAS mount target is NAS.
const (
	// KindDisk is an ECS disk.
	KindDisk Kind = "disk"
	// KindNAS is an Alibaba Cloud NAS file system, or a directory of one.
	KindNAS Kind = "nas"
	// KindOSS is an OSS bucket, or a directory of one.
	KindOSS Kind = "oss"
	// KindCPFS is an Alibaba Cloud CPFS file system, or a directory of one.
	KindCPFS Kind = "cpfs"
	// KindLocal is a node's own storage, made for one volume.
	KindLocal Kind = "local"
	// KindHostPath is a directory of whichever node the Pod runs on.
	KindHostPath Kind = "hostPath"
	// KindNFS is an NFS server that is not Alibaba Cloud's.
	KindNFS Kind = "nfs"
	// KindOther is everything else, other vendors' volumes among it.
	KindOther Kind = "other"
)

// Form is the way in which a PersistentVolume names its storage.
type Form string

// The forms.
const (
	FormCSI        Form = "csi"
	FormFlexVolume Form = "flexVolume"
	FormInTree     Form = "inTree"
)

// FormOf returns pv's form. A volume that has neither a CSI nor a FlexVolume
// source is in-tree.
func FormOf(pv *corev1.PersistentVolume) Form {
	switch {
	case pv.Spec.CSI != nil:
		return FormCSI
	case pv.Spec.FlexVolume != nil:
		return FormFlexVolume
	default:
		return FormInTree
	}
}

// KindOf returns what is behind pv.
func KindOf(pv *corev1.PersistentVolume) Kind {
	switch FormOf(pv) {
	case FormCSI:
		return csiKind(pv.Spec.CSI)
	case FormFlexVolume:
		return flexVolumeKind(pv.Spec.FlexVolume.Driver)
	default:
		return inTreeKind(&pv.Spec.PersistentVolumeSource)
	}
}

func csiKind(source *corev1.CSIPersistentVolumeSource) Kind {
	switch source.Driver {
	case DriverDisk:
		return KindDisk
	case DriverNAS:
		return nasDriverKind(source.VolumeAttributes)
	case DriverOSS:
		return KindOSS
	case DriverCPFS, DriverBMCPFS:
		return KindCPFS
	case DriverLocal, DriverLVM, DriverYoda, DriverOpenLocal:
		return KindLocal
	default:
		return KindOther
	}
}

func flexVolumeKind(driver string) Kind {
	switch driver {
	case FlexDriverDisk:
		return KindDisk
	case FlexDriverNAS:
		return KindNAS
	case FlexDriverOSS:
		return KindOSS
	case FlexDriverCPFS:
		return KindCPFS
	default:
		return KindOther
	}
}

func inTreeKind(source *corev1.PersistentVolumeSource) Kind {
	switch {
	case source.NFS != nil:
		return nfsKind(source.NFS.Server)
	case source.Local != nil:
		return KindLocal
	case source.HostPath != nil:
		return KindHostPath
	default:
		return KindOther
	}
}

// LocalPath returns the directory on the node of a local or hostPath volume, clean, and
// "" for other volumes and for those whose driver keeps the directory to itself.
func LocalPath(pv *corev1.PersistentVolume) string {
	switch {
	case FormOf(pv) != FormInTree:
		return ""
	case KindOf(pv) == KindLocal:
		return directory(pv.Spec.Local.Path)
	case KindOf(pv) == KindHostPath:
		return directory(pv.Spec.HostPath.Path)
	default:
		return ""
	}
}

// IsBlock reports whether Pods see pv as a block device rather than a file system.
func IsBlock(pv *corev1.PersistentVolume) bool {
	return pv.Spec.VolumeMode != nil && *pv.Spec.VolumeMode == corev1.PersistentVolumeBlock
}

// ClassOf returns the name of pv's StorageClass, "" for none. As for Kubernetes, the
// annotation that preceded the field counts where both are there
// (k8s.io/component-helpers/storage/volume, GetPersistentVolumeClass).
func ClassOf(pv *corev1.PersistentVolume) string {
	if name, ok := pv.Annotations[corev1.BetaStorageClassAnnotation]; ok {
		return name
	}
	return pv.Spec.StorageClassName
}

// CapacityGiB returns pv's capacity in GiB, the unit of ECS, rounded up; 0 if it
// names none.
func CapacityGiB(pv *corev1.PersistentVolume) int64 {
	const gib = 1 << 30
	capacity := pv.Spec.Capacity[corev1.ResourceStorage]
	size := capacity.Value()
	if size <= 0 {
		return 0
	}
	return (size-1)/gib + 1
}

// Parameter returns what params, a CSI volume's attributes or a FlexVolume's
// options, hold for key. The drivers ignore the case of keys and the white space
// around values. Of keys that differ in case only, the one that sorts last wins,
// so volumeId before VolumeId: the kubelet hands FlexVolume options over as
// JSON with sorted keys, and its decoder keeps the last.
func Parameter(params map[string]string, key string) string {
	var found, value string
	for k, v := range params {
		v = strings.TrimSpace(v)
		if v != "" && k > found && strings.EqualFold(k, key) {
			found, value = k, v
		}
	}
	return value
}

// parameters returns the driver's parameters that pv carries, nil for an in-tree
// volume.
func parameters(pv *corev1.PersistentVolume) map[string]string {
	switch FormOf(pv) {
	case FormCSI:
		return pv.Spec.CSI.VolumeAttributes
	case FormFlexVolume:
		return pv.Spec.FlexVolume.Options
	default:
		return nil
	}
}

// ensureParameters returns the driver's parameters of pv, which is CSI or FlexVolume, and
// makes them if it has none.
func ensureParameters(pv *corev1.PersistentVolume) map[string]string {
	if params := parameters(pv); params != nil {
		return params
	}
	made := map[string]string{}
	if FormOf(pv) == FormCSI {
		pv.Spec.CSI.VolumeAttributes = made
	} else {
		pv.Spec.FlexVolume.Options = made
	}
	return made
}

// setParameter sets a parameter in each spelling that params has, else adds it.
func setParameter(params map[string]string, key, value string) {
	found := false
	for name := range params {
		if strings.EqualFold(name, key) {
			params[name] = value
			found = true
		}
	}
	if !found {
		params[key] = value
	}
}

// dropParameter removes a parameter in each spelling.
func dropParameter(params map[string]string, key string) {
	maps.DeleteFunc(params, func(name, _ string) bool { return strings.EqualFold(name, key) })
}
