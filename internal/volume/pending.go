// SPDX-License-Identifier: Apache-2.0

package volume

import corev1 "k8s.io/api/core/v1"

// Annotations of a PersistentVolume whose data is yet to be restored. Not all forms
// have another place for them.
const (
	// AnnotationPending has the id of the restore of the data.
	AnnotationPending = "alibabacloud.com/pending-volume"
	// AnnotationTarget has what kind of volume the data is restored into, as the restore's
	// settings have it (package storageclass).
	AnnotationTarget = "alibabacloud.com/pending-volume-target"
	// AnnotationProvisioner has the provisioner whose volumes alone the data can be restored
	// into. It is not there for data that can be restored into any.
	AnnotationProvisioner = "alibabacloud.com/pending-volume-provisioner"
)

// PendingID returns the id by which the data of pv is being restored, "" where pv waits
// for none.
func PendingID(pv *corev1.PersistentVolume) string { return pv.Annotations[AnnotationPending] }

// SetPendingID returns pv as one whose data is yet to be restored by that id, or, for
// "", as one that is whole. It is not known of either what the data is restored into, nor
// does it have what a backup has written into it.
func SetPendingID(pv *corev1.PersistentVolume, id string) *corev1.PersistentVolume {
	set := pv.DeepCopy()
	delete(set.Annotations, AnnotationTarget)
	delete(set.Annotations, AnnotationProvisioner)
	DropBackupMarks(set)
	if id == "" {
		delete(set.Annotations, AnnotationPending)
		return set
	}
	if set.Annotations == nil {
		set.Annotations = map[string]string{}
	}
	set.Annotations[AnnotationPending] = id
	return set
}
