// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// AnnotationProvisionedBy names the provisioner that has made the storage of a
// PersistentVolume, and deletes it.
const AnnotationProvisionedBy = "pv.kubernetes.io/provisioned-by"

// Adopt returns pv with the storage of provisioned, as the provisioner has described it,
// and with its class and size. Name, claim, access modes and reclaim policy are those of
// pv. By the annotations of provisioned its provisioner deletes the storage later on, and
// by a volume handle that is the name of the PersistentVolume, where that is all it is. In
// that of CPFS for Lingjun is the id of the fileset, by which the driver deletes it.
func Adopt(pv, provisioned *corev1.PersistentVolume) *corev1.PersistentVolume {
	adopted, from := pv.DeepCopy(), provisioned.DeepCopy()
	adopted.Spec.PersistentVolumeSource = from.Spec.PersistentVolumeSource
	adopted.Spec.NodeAffinity = from.Spec.NodeAffinity
	adopted.Spec.MountOptions = from.Spec.MountOptions
	adopted.Spec.StorageClassName = from.Spec.StorageClassName
	adopted.Spec.VolumeMode = from.Spec.VolumeMode
	adopted.Spec.VolumeAttributesClassName = from.Spec.VolumeAttributesClassName
	adopted.Spec.Capacity = from.Spec.Capacity
	replace(&adopted.Labels, from.Labels, isOfStorageLabel)
	replace(&adopted.Annotations, from.Annotations, isOfStorageAnnotation)
	if csi := adopted.Spec.CSI; csi != nil && csi.Driver == DriverBMCPFS {
		return adopted
	}
	return SetHandle(adopted, adopted.Name)
}

// replace makes the entries of to whose keys are of a storage those of from.
func replace(to *map[string]string, from map[string]string, isOfStorage func(string) bool) {
	maps.DeleteFunc(*to, func(key, _ string) bool { return isOfStorage(key) })
	for key, value := range from {
		if !isOfStorage(key) {
			continue
		}
		if *to == nil {
			*to = map[string]string{}
		}
		(*to)[key] = value
	}
}

// isOfStorageLabel tells the labels by which a PersistentVolume says where and what its
// storage is.
func isOfStorageLabel(key string) bool {
	return key == LabelDiskType || IsZoneKey(key) || isRegionKey(key)
}

// isOfStorageAnnotation tells the annotations by which a provisioner knows its storage.
func isOfStorageAnnotation(key string) bool {
	const beta = "volume.beta.kubernetes.io/" // The class, and the mount options of old.
	return key == AnnotationProvisionedBy || key == annotationVolumeNode || key == AnnotationZone || strings.HasPrefix(key, beta) ||
		strings.HasPrefix(key, annotationDeletion)
}
