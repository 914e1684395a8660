// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// AnnotationHold is on a PersistentVolume that a restore holds back until its volume is
// whole. Its claimRef names a claim that does not exist, in Velero's namespace, and the
// annotation has the Hold as JSON.
const AnnotationHold = "alibabacloud.com/volume-ready"

// Hold is what a PersistentVolume notes that is held back: who holds it, until which volume
// is whole, and the claim that is its own, if any.
type Hold struct {
	Restore    string                  `json:"restore"`
	RestoreUID types.UID               `json:"restoreUID"`
	Volume     string                  `json:"volume"`
	Claim      *corev1.ObjectReference `json:"claim,omitempty"`
}

// HoldOf returns the hold on pv; held is false where there is none.
func HoldOf(pv *corev1.PersistentVolume) (h Hold, held bool, err error) {
	text, held := pv.Annotations[AnnotationHold]
	if !held {
		return Hold{}, false, nil
	}
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return Hold{}, true, fmt.Errorf("reading the annotation %s of the PersistentVolume %s: %w", AnnotationHold, pv.Name, err)
	}
	return h, true, nil
}

// ClaimOf returns the claim that pv is of, also while it is held back; the zero name for
// none, or where the hold cannot be read.
func ClaimOf(pv *corev1.PersistentVolume) types.NamespacedName {
	claim := pv.Spec.ClaimRef
	if hold, held, _ := HoldOf(pv); held {
		claim = hold.Claim
	}
	if claim == nil {
		return types.NamespacedName{}
	}
	return types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name}
}
