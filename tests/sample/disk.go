// SPDX-License-Identifier: Apache-2.0

package sample

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// The StorageClasses that Classes are, as an ACK cluster of one zone has them.
const (
	classAlltype = "alicloud-disk-topology-alltype"
	classSSD     = "alicloud-disk-ssd"
	classESSD    = "alicloud-disk-essd"
)

// Volume is a claim of the application, and what the disk behind it is.
type Volume struct {
	// Claim is the name of the claim.
	Claim string
	// Category and PerformanceLevel are those of ECS. A cloud_ssd has no level.
	Category, PerformanceLevel string
	SizeGiB                    int64

	class string
	mode  corev1.PersistentVolumeAccessMode
}

// Database is the volume of the database. It is smaller than the 20 GiB that a restored disk has at least.
func Database() Volume {
	return Volume{
		Claim: "database", Category: "cloud_essd", PerformanceLevel: "PL0", SizeGiB: 10,
		class: classAlltype, mode: corev1.ReadWriteOnce,
	}
}

// Uploads is a volume whose claim asks for an access mode that a disk does not have.
func Uploads() Volume {
	return Volume{
		Claim: "uploads", Category: "cloud_ssd", SizeGiB: 20,
		class: classSSD, mode: corev1.ReadWriteMany,
	}
}

// Classes are the StorageClasses of the volumes, and alicloud-disk-essd, whose disks are cloud_essd of level PL1.
func Classes() []client.Object {
	return []client.Object{
		class(classAlltype, "cloud_auto,cloud_essd,cloud_ssd,cloud_efficiency", storagev1.VolumeBindingWaitForFirstConsumer),
		class(classSSD, "cloud_ssd", storagev1.VolumeBindingImmediate),
		class(classESSD, "cloud_essd", storagev1.VolumeBindingImmediate),
	}
}

func class(name, diskType string, mode storagev1.VolumeBindingMode) *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta:           metav1.ObjectMeta{Name: name},
		Provisioner:          volume.DriverDisk,
		Parameters:           map[string]string{"type": diskType},
		AllowVolumeExpansion: new(true),
		VolumeBindingMode:    &mode,
	}
}

// Objects are the PersistentVolume of the disk of that id, as the CSI driver for disks provisions it, and the claim that
// has it.
func (v Volume) Objects(namespace, diskID, zone string) (*corev1.PersistentVolume, *corev1.PersistentVolumeClaim) {
	size := corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(v.SizeGiB<<30, resource.BinarySI)}
	modes := []corev1.PersistentVolumeAccessMode{v.mode}
	attributes := map[string]string{"type": v.Category}
	if v.PerformanceLevel != "" {
		attributes["performanceLevel"] = v.PerformanceLevel
	}
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: diskID,
			Labels: map[string]string{
				volume.LabelDiskType: volume.DiskType{Category: v.Category, PerformanceLevel: v.PerformanceLevel}.String(),
			},
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": volume.DriverDisk},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      size,
			AccessModes:                   modes,
			ClaimRef:                      &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: namespace, Name: v.Claim},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			StorageClassName:              v.class,
			MountOptions:                  []string{"noatime"},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: volume.DriverDisk, VolumeHandle: diskID, FSType: "ext4", VolumeAttributes: attributes,
			}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{
					{Key: volume.LabelDiskZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}},
				},
			}}}},
		},
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: named(namespace, v.Claim),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: modes, Resources: corev1.VolumeResourceRequirements{Requests: size},
			StorageClassName: new(v.class), VolumeName: diskID,
		},
	}
	return pv, claim
}
