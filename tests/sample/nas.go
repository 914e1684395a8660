// SPDX-License-Identifier: Apache-2.0

package sample

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Directory is a claim of the application, and the directory of a NAS file system behind it.
type Directory struct {
	// Claim is the name of the claim.
	Claim string
	// Path is absolute.
	Path string
}

// Media is a directory that all web servers of the application mount.
func Media() Directory { return Directory{Claim: "media", Path: "/media"} }

// Objects are the PersistentVolume of the directory on the file system behind a mount target, as somebody writes it for
// the CSI driver for NAS, and the claim that has it.
func (d Directory) Objects(namespace, server string) (*corev1.PersistentVolume, *corev1.PersistentVolumeClaim) {
	name := namespace + "-" + d.Claim
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      size,
			AccessModes:                   modes,
			ClaimRef:                      &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: namespace, Name: d.Claim},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			MountOptions:                  []string{"nolock,tcp,noresvport", "vers=3"},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: volume.DriverNAS, VolumeHandle: name,
				VolumeAttributes: map[string]string{"server": server, "path": d.Path},
			}},
		},
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: named(namespace, d.Claim),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: modes, Resources: corev1.VolumeResourceRequirements{Requests: size},
			StorageClassName: new(""), VolumeName: name,
		},
	}
	return pv, claim
}
