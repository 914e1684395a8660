// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// copyOf returns the temporary PersistentVolume of pv's storage, into which a restore can write.
func (t temporary) copyOf(pv *corev1.PersistentVolume) *corev1.PersistentVolume {
	copied := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: t.owner.name(), Labels: t.owner.labels()},
		Spec:       *pv.Spec.DeepCopy(),
	}
	if options, ok := pv.Annotations[corev1.MountOptionAnnotation]; ok {
		copied.Annotations = map[string]string{corev1.MountOptionAnnotation: options}
	}
	copied.Spec.StorageClassName, copied.Spec.VolumeAttributesClassName = "", nil
	copied.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	copied.Spec.ClaimRef = &corev1.ObjectReference{
		APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: t.cluster.Namespace(), Name: t.owner.name(),
	}
	if flex := copied.Spec.FlexVolume; flex != nil && flex.SecretRef != nil && flex.SecretRef.Namespace == "" && pv.Spec.ClaimRef != nil {
		flex.SecretRef.Namespace = pv.Spec.ClaimRef.Namespace // By default the kubelet takes that of the claim.
	}
	if t.owner.Kind == Restore {
		makeWritable(copied)
	}
	return volume.SetHandle(copied, t.owner.name()) // It may be of another directory.
}

// claimOfCopy returns the temporary claim that is bound to a copy alone.
func (t temporary) claimOfCopy(copied *corev1.PersistentVolume) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: t.meta(time.Now()),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: copied.Spec.AccessModes,
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: copied.Spec.Capacity[corev1.ResourceStorage]},
			},
			StorageClassName: new(""),
			VolumeMode:       copied.Spec.VolumeMode,
			VolumeName:       copied.Name,
		},
	}
}
