// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestClaimOf(t *testing.T) {
	t.Parallel()
	standIn := &corev1.ObjectReference{Namespace: "velero", Name: "volume-ready-pv-1"}
	for name, test := range map[string]struct {
		reference *corev1.ObjectReference
		hold      string
		want      types.NamespacedName
	}{
		"a volume of a claim":               {reference: &corev1.ObjectReference{Namespace: "shop", Name: "data"}, want: types.NamespacedName{Namespace: "shop", Name: "data"}},
		"a volume of none":                  {},
		"one that is held back from it":     {reference: standIn, hold: `{"volume":"d-1","claim":{"namespace":"shop","name":"data"}}`, want: types.NamespacedName{Namespace: "shop", Name: "data"}},
		"one that is held back and of none": {reference: standIn, hold: `{"volume":"d-1"}`},
		"one whose hold cannot be read":     {reference: standIn, hold: `{"claim":"shop/data"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pv := &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{ClaimRef: test.reference}}
			if test.hold != "" {
				pv.Annotations = map[string]string{AnnotationHold: test.hold}
			}
			before := pv.DeepCopy()
			if got := ClaimOf(pv); got != test.want {
				t.Errorf("ClaimOf() = %s, want %s", got, test.want)
			}
			if diff := cmp.Diff(before, pv); diff != "" {
				t.Errorf("the argument was modified (-before +after):\n%s", diff)
			}
		})
	}
}
