// SPDX-License-Identifier: Apache-2.0

package sample

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// The disk of the application's database. It is smaller than the 20 GiB that a restored disk has at least.
const (
	DiskCategory         = "cloud_essd"
	DiskPerformanceLevel = "PL0"
	DiskSizeGiB          = 10
	// DiskClaim is the name of its claim.
	DiskClaim = "database"
)

// Disk are the objects of a disk with the constants above, the volume as the CSI driver for disks provisions it, and
// the claim that has it.
func Disk(namespace, diskID, zone string) (*corev1.PersistentVolume, *corev1.PersistentVolumeClaim) {
	const class = "alicloud-disk-topology-alltype"
	size := corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(DiskSizeGiB<<30, resource.BinarySI)}
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: diskID,
			Labels: map[string]string{
				volume.LabelDiskType: volume.DiskType{Category: DiskCategory, PerformanceLevel: DiskPerformanceLevel}.String(),
			},
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": volume.DriverDisk},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      size,
			AccessModes:                   modes,
			ClaimRef:                      &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: namespace, Name: DiskClaim},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			StorageClassName:              class,
			MountOptions:                  []string{"noatime"},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: volume.DriverDisk, VolumeHandle: diskID, FSType: "ext4",
				VolumeAttributes: map[string]string{"type": DiskCategory, "performanceLevel": DiskPerformanceLevel},
			}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{
					{Key: volume.LabelDiskZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}},
				},
			}}}},
		},
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: named(namespace, DiskClaim),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: modes, Resources: corev1.VolumeResourceRequirements{Requests: size},
			StorageClassName: new(class), VolumeName: diskID,
		},
	}
	return pv, claim
}
