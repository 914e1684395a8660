// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
)

func TestVolumeTopology(t *testing.T) {
	t.Parallel()
	const disk = "csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}"
	affinity := func(requirements string) string {
		return "nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [" + requirements + "]}]}}"
	}
	inZone := affinity("{key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-h]}")
	tests := []struct {
		name, metadata, spec string
		// want is the metadata, empty where nothing is to change.
		want string
	}{
		{
			name:     "a disk whose driver names the zone by its own key",
			metadata: "{name: pv-1}", spec: disk + ", " + inZone + ", newer: field",
			want: "{name: pv-1, labels: {topology.kubernetes.io/zone: cn-hangzhou-h}, annotations: {alibabacloud.com/zone-of-backup: cn-hangzhou-h}}",
		},
		{
			name:     "one with Kubernetes' own key, and what it has already",
			metadata: "{name: pv-1, labels: {app: db}, annotations: {note: x}}",
			spec:     disk + ", " + affinity("{key: topology.kubernetes.io/zone, operator: In, values: [cn-hangzhou-i]}"),
			want:     "{name: pv-1, labels: {app: db, topology.kubernetes.io/zone: cn-hangzhou-i}, annotations: {note: x, alibabacloud.com/zone-of-backup: cn-hangzhou-i}}",
		},
		{
			name:     "a FlexVolume with the label of old",
			metadata: "{name: d-1, labels: {failure-domain.beta.kubernetes.io/zone: cn-hangzhou-h}}",
			spec:     "flexVolume: {driver: alicloud/disk, options: {VolumeId: d-1}}",
			want: "{name: d-1, labels: {failure-domain.beta.kubernetes.io/zone: cn-hangzhou-h, topology.kubernetes.io/zone: cn-hangzhou-h}, " +
				"annotations: {alibabacloud.com/zone-of-backup: cn-hangzhou-h}}",
		},
		{
			name:     "a label without a value is as good as none",
			metadata: "{name: pv-1, labels: {topology.kubernetes.io/zone: ''}}", spec: disk + ", " + inZone,
			want: "{name: pv-1, labels: {topology.kubernetes.io/zone: cn-hangzhou-h}, annotations: {alibabacloud.com/zone-of-backup: cn-hangzhou-h}}",
		},
		{name: "a disk with the label", metadata: "{name: pv-1, labels: {topology.kubernetes.io/zone: cn-hangzhou-h}}", spec: disk + ", " + inZone},
		{name: "a disk that names no zone", metadata: "{name: pv-1}", spec: disk},
		{
			name: "a disk that names two zones", metadata: "{name: pv-1, labels: {failure-domain.beta.kubernetes.io/zone: cn-hangzhou-i}}",
			spec: disk + ", " + inZone,
		},
		{
			name: "a regional disk", metadata: "{name: pv-1, labels: {csi.alibabacloud.com/disktype: cloud_regional_disk_auto}}",
			spec: disk + ", " + inZone,
		},
		{
			name: "a regional disk that only its region tells", metadata: "{name: pv-1}",
			spec: disk + ", " + affinity("{key: topology.kubernetes.io/region, operator: In, values: [cn-hangzhou]}"),
		},
		{name: "a file system", metadata: "{name: pv-1}", spec: "nfs: {server: s, path: /}, " + inZone},
		{name: "another vendor's disk", metadata: "{name: pv-1}", spec: "csi: {driver: ebs.csi.aws.com, volumeHandle: vol-1}, " + inZone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			text := func(metadata string) string {
				return "{apiVersion: v1, kind: PersistentVolume, metadata: " + metadata + ", spec: {" + tt.spec + "}}"
			}
			got := changedBy(t, backupitemaction.NewVolumeTopology(w.log), fromYAML(t, text(tt.metadata)), newBackup())
			if tt.want == "" {
				if got != nil {
					t.Errorf("the volume became %v, want the one that came", got)
				}
				return
			}
			if diff := cmp.Diff(fromYAML(t, text(tt.want)), got); diff != "" {
				t.Errorf("the volume (-want +got):\n%s", diff)
			}
			w.wantLines(t)
			w.wantCalls(t, map[string]int{})
		})
	}
}

func TestVolumeTopologyOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	item := fromYAML(t, "{metadata: {name: pv-1}, spec: none}")
	if got := changedBy(t, backupitemaction.NewVolumeTopology(w.log), item, newBackup()); got != nil {
		t.Errorf("it became %v", got)
	}
	w.wantLines(t, "warning: Cannot read a PersistentVolume, so its snapshot is noted without a zone: "+
		`reading a PersistentVolume: cannot restore struct from: string`)
}

func TestVolumeTopologyIsForVolumes(t *testing.T) {
	t.Parallel()
	got, err := backupitemaction.NewVolumeTopology(nil).AppliesTo()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(velero.ResourceSelector{IncludedResources: []string{"persistentvolumes"}}, got); diff != "" {
		t.Errorf("AppliesTo() (-want +got):\n%s", diff)
	}
}
