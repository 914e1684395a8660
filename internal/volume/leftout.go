// SPDX-License-Identifier: Apache-2.0

package volume

import corev1 "k8s.io/api/core/v1"

// AnnotationLeftOut is on a PersistentVolume whose data a backup leaves out; its value says
// in which backup, and why. A snapshotter takes no such volume. It is there because
// Velero has no other way to keep the object and leave its snapshot out that an action of
// a backup could take. DropBackupMarks removes it from what is restored.
const AnnotationLeftOut = "alibabacloud.com/data-left-out"

// IsLeftOut tells whether the backup leaves the data of pv out.
func IsLeftOut(pv *corev1.PersistentVolume) bool {
	_, ok := pv.Annotations[AnnotationLeftOut]
	return ok
}
