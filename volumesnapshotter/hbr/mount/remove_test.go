// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// takeOver gives the storage of a provisioned volume to another PersistentVolume, as a
// restored one takes it over.
func takeOver(t *testing.T, w *world, from *corev1.PersistentVolume) {
	t.Helper()
	to := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-restored"}, Spec: *from.Spec.DeepCopy()}
	to.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "shop", Name: "data"}
	w.create(t, to)
}

func TestWhatBecomesOfTheStorage(t *testing.T) {
	t.Parallel()
	remove, discard := (*Mounts).Remove, (*Mounts).Discard
	sweep := func(m *Mounts, ctx context.Context, _ Owner) error {
		return m.Sweep(ctx, noneLive)
	}
	tests := []struct {
		name, class    string
		kept, takeOver bool
		end            func(*Mounts, context.Context, Owner) error
		// stays says that the storage does.
		stays bool
	}{
		{"a volume that is not kept", "direct", false, false, remove, false},
		{"one whose class retains volumes", "kept", false, false, remove, false},
		{"one that is kept and taken over", "direct", true, true, remove, true},
		{"one that is kept and not taken over yet", "direct", true, false, remove, true},
		{"one that is taken over though it was not kept", "direct", false, true, remove, true},
		{"one that is of no use", "direct", false, false, discard, false},
		{"one that is of no use after it was kept", "direct", true, false, discard, false},
		{"one that is of no use, whose class retains volumes", "kept", true, false, discard, false},
		{"one that is of use to another", "direct", true, true, discard, true},
		{"one that a killed process has left", "direct", false, false, sweep, false},
		{"one that it has kept", "direct", true, false, sweep, false},
		{"one that it has kept and that was taken over", "direct", true, true, sweep, true},
		{"one that was taken over though it was not kept", "kept", false, true, sweep, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			owner := restoreOwner()
			made := w.provisioned(t, owner, ofClass(tt.class, false))
			if tt.kept {
				for range 2 {
					got, err := w.Keep(t.Context(), owner)
					if err != nil || got == nil || got.Name != made.Volume.Name || got.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain {
						t.Fatalf("kept %+v, error %v", got, err)
					}
				}
			}
			var want []string
			if tt.takeOver {
				takeOver(t, w, made.Volume)
				want = []string{"volume pv-restored"}
			}
			for range 2 {
				if err := tt.end(w.Mounts, t.Context(), owner); err != nil {
					t.Error(err)
				}
				w.settle(t)
			}
			if diff := cmp.Diff(want, w.left(t)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if stays := w.made(t) == 1; stays != tt.stays {
				t.Errorf("the storage stays: %v, want %v", stays, tt.stays)
			}
		})
	}
}

// TestRemoveAfterAKill ends the process after each of the calls that change something, and
// has another one go on.
func TestRemoveAfterAKill(t *testing.T) {
	t.Parallel()
	for kill := 1; ; kill++ {
		w := newWorld(t)
		owner := restoreOwner()
		made := w.provisioned(t, owner, ofClass("direct", true))
		if _, err := w.Keep(t.Context(), owner); err != nil {
			t.Fatal(err)
		}
		takeOver(t, w, made.Volume)
		done := w.killAt(kill)
		err := w.Remove(t.Context(), owner)
		if err == nil && !done() {
			return
		}
		if !errors.Is(err, errKilled) {
			t.Fatalf("killed at %d: error %v", kill, err)
		}
		w.settle(t)
		w.deny, w.Mounts = nil, w.process(w.config)
		if err := w.Remove(t.Context(), owner); err != nil {
			t.Error(err)
		}
		w.settle(t)
		if diff := cmp.Diff([]string{"volume pv-restored"}, w.left(t)); diff != "" || w.made(t) != 1 {
			t.Errorf("killed at %d: left (-want +got):\n%s", kill, diff)
		}
	}
}

func TestNothingToRemove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := restoreOwner()
	kept, err := w.Keep(t.Context(), owner)
	if err := errors.Join(err, w.Remove(t.Context(), owner), w.Discard(t.Context(), owner)); err != nil || kept != nil {
		t.Errorf("kept %v, error %v", kept, err)
	}
	// A claim that is not bound, and one whose volume is of another claim.
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: velero, Name: owner.name(), Labels: owner.labels()}}
	for _, volume := range []string{"", "pv-1"} {
		again := claim.DeepCopy()
		again.Spec.VolumeName = volume
		if volume != "" {
			other := sized(t, volume, nasVolume)
			other.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "shop", Name: "data"}
			w.create(t, other)
		}
		w.create(t, again)
		if kept, err := w.Keep(t.Context(), owner); err != nil || kept != nil {
			t.Errorf("kept %v, error %v", kept, err)
		}
		if err := w.Discard(t.Context(), owner); err != nil {
			t.Error(err)
		}
		w.settle(t)
	}
	if diff := cmp.Diff([]string{"volume pv-1"}, w.left(t)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// TestTheCopyOfAVolumeIsNotKept holds that there is nothing to keep where nothing was provisioned.
func TestTheCopyOfAVolumeIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, pv := ownerNamed("abc12345"), sized(t, "pv-1", nasVolume)
	w.create(t, pv)
	w.mounted(t, owner, pv, agent.Search{})
	if kept, err := w.Keep(t.Context(), owner); err != nil || kept != nil {
		t.Errorf("kept %v, error %v", kept, err)
	}
	if !IsTemporary(get[corev1.PersistentVolume](t, w, "", owner.name())) || IsTemporary(pv) {
		t.Error("a copy is not told from its original")
	}
}

// noneLive says that all runs are over.
func noneLive(context.Context) (map[types.UID]bool, error) { return map[types.UID]bool{}, nil }

func TestSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []node.Config{{Name: "node-1"}, {Name: "node-2"}, {Name: "node-3"}}...)
	pv := sized(t, "pv-1", nasVolume)
	w.create(t, pv)
	w.mounted(t, ownerNamed("old-1234"), pv, agent.Search{})
	w.mounted(t, Owner{Kind: Backup, Run: "uid-b-2", Mark: "new-1234"}, pv, agent.Search{})
	w.provisioned(t, Owner{Kind: Restore, Run: "uid-r-1", Mark: "old-5678"}, ofClass("direct", true))
	w.provisioned(t, Owner{Kind: Restore, Run: "uid-r-2", Mark: "live1234"}, ofClass("direct", false))
	// Those of another Velero, and what only looks like a temporary object.
	w.create(t,
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "velero-2", Name: "velero-hbr-theirs12", Labels: ownerNamed("theirs12").labels()}},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: velero, Name: "data", Labels: ownerNamed("data1234").labels()}},
	)
	theirs := sized(t, "velero-hbr-theirs12", nasVolume)
	theirs.Labels = ownerNamed("theirs12").labels()
	theirs.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "velero-2", Name: "velero-hbr-theirs12"}
	w.create(t, theirs)

	unsure := errors.New("it cannot be told")
	before := w.left(t)
	err := w.Sweep(t.Context(), func(context.Context) (map[types.UID]bool, error) { return nil, unsure })
	if diff := cmp.Diff(before, w.left(t)); !errors.Is(err, unsure) || diff != "" {
		t.Errorf("error %v, want %v; left (-before +after):\n%s", err, unsure, diff)
	}
	asked := 0
	err = w.Sweep(t.Context(), func(context.Context) (map[types.UID]bool, error) {
		asked++
		return map[types.UID]bool{"uid-b-1": false, "uid-b-2": true, "uid-r-2": true}, nil
	})
	if err != nil || asked != 1 {
		t.Errorf("error %v, and the live runs were asked for %d times, want once", err, asked)
	}
	w.settle(t)
	live := get[corev1.PersistentVolumeClaim](t, w, velero, "velero-hbr-live1234")
	want := []string{
		"Pod velero-hbr-new-1234", "Pod velero-hbr-theirs12", "claim data", "claim velero-hbr-live1234", "claim velero-hbr-new-1234",
		"volume pv-1", "volume " + live.Spec.VolumeName, "volume velero-hbr-new-1234", "volume velero-hbr-theirs12",
	}
	if diff := cmp.Diff(want, w.left(t)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestVolumesThatShareStorage(t *testing.T) {
	t.Parallel()
	const (
		nasRoot   = `spec: {csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: nas-2, volumeAttributes: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /}}}`
		nasBelow  = `spec: {csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: nas-3, volumeAttributes: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /shop/a}}}`
		nasNear   = `spec: {csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: nas-4, volumeAttributes: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /shopping}}}`
		ossVolume = `spec: {csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: oss-1, volumeAttributes: {bucket: shop, path: /data}}}`
		ossWhole  = `spec: {csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: oss-2, volumeAttributes: {bucket: shop}}}`
		ossOther  = `spec: {csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: oss-3, volumeAttributes: {bucket: other, path: /data}}}`
		otherNode = `spec: {local: {path: /mnt/disks/1}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-2]}]}]}}}`
	)
	tests := []struct {
		name, pv, other string
		want            bool
	}{
		{"the same handle", otherCSI, otherCSI, true},
		{"the same directory by another way", nasVolume, nasInTree, true},
		{"a directory below", nasVolume, nasBelow, true},
		{"a directory above", nasVolume, nasRoot, false},
		{"a directory with the same beginning", nasVolume, nasNear, false},
		{"a directory of another server", nasVolume, nfsVolume, false},
		{"a directory of a bucket that is taken as a whole", ossWhole, ossVolume, true},
		{"a bucket of which a directory is taken", ossVolume, ossWhole, false},
		{"a directory of another bucket", ossVolume, ossOther, false},
		{"the same disk by another way", diskVolume, diskFlexVolume, true},
		{"a disk and a directory", diskVolume, nasVolume, false},
		{"the same directory of a node", localVolume, localVolume, true},
		{"the same directory of another node", localVolume, otherNode, false},
		{"volumes of which nothing is known", inTreeDisk, inTreeDisk, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := volume.Contains(volumeFrom(t, tt.pv), volumeFrom(t, tt.other)); got != tt.want {
				t.Errorf("shared: %v, want %v", got, tt.want)
			}
		})
	}
}
