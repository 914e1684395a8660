// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestSetPendingID(t *testing.T) {
	t.Parallel()
	other := map[string]string{"example.com/note": "stays"}
	cases := map[string]struct {
		had  map[string]string
		id   string
		want map[string]string
	}{
		"a volume without annotations begins to wait": {
			id: "new", want: map[string]string{AnnotationPending: "new"},
		},
		"a volume begins to wait, and what an earlier restore noted is forgotten": {
			had:  map[string]string{"example.com/note": "stays", AnnotationPending: "old", AnnotationTarget: "{}", AnnotationProvisioner: DriverNAS},
			id:   "new",
			want: map[string]string{"example.com/note": "stays", AnnotationPending: "new"},
		},
		"a volume is whole": {
			had:  map[string]string{"example.com/note": "stays", AnnotationPending: "old", AnnotationTarget: "{}", AnnotationProvisioner: DriverNAS},
			want: other,
		},
		"a volume that waits for nothing is whole": {had: other, want: other},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pv := &corev1.PersistentVolume{}
			pv.Annotations = test.had
			before := pv.DeepCopy()
			got := SetPendingID(pv, test.id)
			if diff := cmp.Diff(test.want, got.Annotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
			if PendingID(got) != test.id {
				t.Errorf("it waits for %q, want %q", PendingID(got), test.id)
			}
			if diff := cmp.Diff(before, pv); diff != "" {
				t.Errorf("the argument was modified (-before +after):\n%s", diff)
			}
		})
	}
}

func TestAVolumeThatWaitsIsInNoZoneOfABackup(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ added, want map[string]string }{
		"a zone that was added for the backup": {
			added: map[string]string{AnnotationZone: "cn-hangzhou-h"}, want: map[string]string{"app": "db"},
		},
		"a zone of its own": {want: map[string]string{"app": "db", corev1.LabelTopologyZone: "cn-hangzhou-h"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pv := &corev1.PersistentVolume{}
			pv.Labels = map[string]string{"app": "db", corev1.LabelTopologyZone: "cn-hangzhou-h"}
			pv.Annotations = test.added
			got := SetPendingID(pv, "new")
			if diff := cmp.Diff(test.want, got.Labels); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]string{AnnotationPending: "new"}, got.Annotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
		})
	}
}
