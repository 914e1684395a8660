// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"testing"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

const diskSource = `csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}`

// snapshotClass is a class of disks whose snapshots are kept for a week.
func snapshotClass(policy snapshotv1.DeletionPolicy) *snapshotv1.VolumeSnapshotClass {
	return &snapshotv1.VolumeSnapshotClass{
		ObjectMeta: metav1.ObjectMeta{Name: "weekly"}, Driver: "diskplugin.csi.alibabacloud.com", DeletionPolicy: policy,
		Parameters: map[string]string{"retentionDays": "7"},
	}
}

// ofData is a VolumeSnapshot of the claim data.
func ofData() *snapshotv1.VolumeSnapshot {
	class, claim := "weekly", "data"
	return &snapshotv1.VolumeSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "monday"},
		Spec: snapshotv1.VolumeSnapshotSpec{
			VolumeSnapshotClassName: &class, Source: snapshotv1.VolumeSnapshotSource{PersistentVolumeClaimName: &claim},
		},
	}
}

func withSnapshots(o *node.Options) { o.Snapshots = true }

// wantSnapshots compares the snapshots of the cloud by the disk and the days for which they are kept.
func (w *world) wantSnapshots(t *testing.T, when string, want map[string]int64) []ecs.SnapshotInfo {
	t.Helper()
	got, all := map[string]int64{}, w.cloud.ECS().Snapshots()
	for _, s := range all {
		got[s.DiskID] = s.RetentionDays
	}
	equal(t, "the snapshots of the cloud "+when, got, want)
	return all
}

func TestAVolumeSnapshotIsOneOfItsDisk(t *testing.T) {
	t.Parallel()
	tests := []struct {
		policy snapshotv1.DeletionPolicy
		// left are the snapshots when the content is deleted.
		left map[string]int64
	}{
		{snapshotv1.VolumeSnapshotContentRetain, map[string]int64{"d-1": 7}},
		{snapshotv1.VolumeSnapshotContentDelete, map[string]int64{}},
	}
	for _, tt := range tests {
		t.Run(string(tt.policy), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSnapshots)
			w.apply(t, pv(t, "pv-1", diskSource), shopClaim("", "pv-1"))
			w.apply(t, snapshotClass(tt.policy), ofData())
			taken := w.wantSnapshots(t, "after the cut", map[string]int64{"d-1": 7})

			made := get[snapshotv1.VolumeSnapshot](t, w, namespace, "monday")
			if made.Status == nil || !*made.Status.ReadyToUse {
				t.Fatalf("the VolumeSnapshot is not ready: %+v", made.Status)
			}
			content := get[snapshotv1.VolumeSnapshotContent](t, w, "", *made.Status.BoundVolumeSnapshotContentName)
			equal(t, "the handle of the content", *content.Status.SnapshotHandle, taken[0].ID)
			equal(t, "the policy of the content", content.Spec.DeletionPolicy, tt.policy)

			if err := w.api.Delete(t.Context(), content); err != nil {
				t.Fatal(err)
			}
			w.settle(t)
			w.wantSnapshots(t, "after the content was deleted", tt.left)
			if left := get[snapshotv1.VolumeSnapshotContent](t, w, "", content.Name); left != nil {
				t.Errorf("the content is left: %+v", left)
			}
		})
	}
}

// TestAContentOfNoVolumeSnapshotEndsItsSnapshot is how Velero deletes the snapshots of a backup, whose own objects are gone.
func TestAContentOfNoVolumeSnapshotEndsItsSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSnapshots)
	id, err := w.cloud.ECS().AddSnapshot(ecs.SnapshotConfig{Account: account, Region: "cn-hangzhou", Disk: "d-1", Size: 20})
	if err != nil {
		t.Fatal(err)
	}
	content := &snapshotv1.VolumeSnapshotContent{
		ObjectMeta: metav1.ObjectMeta{Name: "vsc-1"},
		Spec: snapshotv1.VolumeSnapshotContentSpec{
			Driver: "diskplugin.csi.alibabacloud.com", DeletionPolicy: snapshotv1.VolumeSnapshotContentDelete,
			Source: snapshotv1.VolumeSnapshotContentSource{SnapshotHandle: &id},
		},
	}
	w.apply(t, content)
	w.wantSnapshots(t, "before", map[string]int64{"d-1": 0})
	if err := w.api.Delete(t.Context(), content); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	w.wantSnapshots(t, "after the content was deleted", map[string]int64{})
}

func TestAVolumeSnapshotWaitsForItsClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSnapshots)
	w.apply(t, snapshotClass(snapshotv1.VolumeSnapshotContentRetain), ofData())
	w.wantSnapshots(t, "without the claim", map[string]int64{})
	w.apply(t, shopClaim("", "pv-1"))
	w.wantSnapshots(t, "without the volume", map[string]int64{})
	w.apply(t, pv(t, "pv-1", diskSource))
	w.wantSnapshots(t, "in the end", map[string]int64{"d-1": 7})
}

func TestAVolumeSnapshotThatCannotBeIsAnError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, source string
		spec         func(*snapshotv1.VolumeSnapshot)
	}{
		{"no class is named", diskSource, func(s *snapshotv1.VolumeSnapshot) { s.Spec.VolumeSnapshotClassName = nil }},
		{"the class is not there", diskSource, func(s *snapshotv1.VolumeSnapshot) { *s.Spec.VolumeSnapshotClassName = "daily" }},
		{"the volume is of another driver", `nfs: {server: "` + server + `", path: /}`, func(*snapshotv1.VolumeSnapshot) {}},
		{"the disk is not there", `csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-2}`, func(*snapshotv1.VolumeSnapshot) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSnapshots)
			w.apply(t, pv(t, "pv-1", tt.source), shopClaim("", "pv-1"), snapshotClass(snapshotv1.VolumeSnapshotContentRetain))
			wanted := ofData()
			tt.spec(wanted)
			if err := w.api.Create(t.Context(), wanted); err != nil {
				t.Fatal(err)
			}
			if err := w.Settle(t.Context()); err == nil {
				t.Error("the cluster settles without an error")
			}
			w.wantSnapshots(t, "in the end", map[string]int64{})
		})
	}
}
