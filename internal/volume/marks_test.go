// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDropBackupMarks(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, pv, want string }{
		{
			name: "an added zone goes with its label, and nothing else",
			pv:   `{metadata: {name: pv, labels: {topology.kubernetes.io/zone: a, app: db}, annotations: {alibabacloud.com/zone-of-backup: a, team: shop}}, spec: {newer: field}}`,
			want: `{metadata: {name: pv, labels: {app: db}, annotations: {team: shop}}, spec: {newer: field}}`,
		},
		{
			name: "so does why the data was left out",
			pv:   `{metadata: {name: pv, labels: {topology.kubernetes.io/zone: a}, annotations: {alibabacloud.com/data-left-out: "daily: nobody mounts it", team: shop}}}`,
			want: `{metadata: {name: pv, labels: {topology.kubernetes.io/zone: a}, annotations: {team: shop}}}`,
		},
		{
			name: "the maps go with the last ones",
			pv:   `{metadata: {name: pv, labels: {topology.kubernetes.io/zone: a}, annotations: {alibabacloud.com/zone-of-backup: a, alibabacloud.com/data-left-out: x}}}`,
			want: `{metadata: {name: pv}}`,
		},
		{
			name: "a label that has become another one stays",
			pv:   `{metadata: {name: pv, labels: {topology.kubernetes.io/zone: b}, annotations: {alibabacloud.com/zone-of-backup: a}}}`,
			want: `{metadata: {name: pv, labels: {topology.kubernetes.io/zone: b}}}`,
		},
		{
			name: "what has no marks stays as it is",
			pv:   `{metadata: {name: pv, labels: {topology.kubernetes.io/zone: a}, annotations: {}}}`,
			want: `{metadata: {name: pv, labels: {topology.kubernetes.io/zone: a}, annotations: {}}}`,
		},
		{name: "so does what is no PersistentVolume", pv: `{metadata: 7}`, want: `{metadata: 7}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := item(t, tt.pv)
			for range 2 {
				DropBackupMarks(got)
				if diff := cmp.Diff(item(t, tt.want), got); diff != "" {
					t.Errorf("the PersistentVolume (-want +got):\n%s", diff)
				}
			}
		})
	}
}
