// SPDX-License-Identifier: Apache-2.0

package volume

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DropBackupMarks removes from a PersistentVolume, typed or not, what a backup has written
// into it about the volume: AnnotationZone with the label that it tells of, and
// AnnotationLeftOut. They are about that backup alone and mean nothing where the volume is
// restored. A label that was not added stays.
func DropBackupMarks(pv metav1.Object) {
	labels, annotations := pv.GetLabels(), pv.GetAnnotations()
	zone, isAdded := annotations[AnnotationZone]
	_, isLeftOut := annotations[AnnotationLeftOut]
	if isAdded && labels[corev1.LabelTopologyZone] == zone {
		pv.SetLabels(without(labels, corev1.LabelTopologyZone))
	}
	if isAdded || isLeftOut {
		pv.SetAnnotations(without(annotations, AnnotationZone, AnnotationLeftOut))
	}
}

// without removes keys from entries, and all of it with the last one: an unstructured object
// would keep an empty map, which the API server writes for none.
func without(entries map[string]string, keys ...string) map[string]string {
	for _, key := range keys {
		delete(entries, key)
	}
	if len(entries) == 0 {
		return nil
	}
	return entries
}
