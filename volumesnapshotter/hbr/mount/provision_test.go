// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// restoreOwner is a volume of the restore r-1.
func restoreOwner() Owner { return Owner{Kind: Restore, Run: "uid-r-1", Mark: "abc12345"} }

func TestProvision(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, class string
		mounted     bool
		driver      string
		// waits are what is waited for.
		waits []string
	}{
		{"a volume that Cloud Backup writes by itself", "direct", false, "nasplugin.csi.alibabacloud.com", []string{"the claim velero/velero-hbr-abc12345 to be bound"}},
		{
			"a volume that the client writes", "direct", true, "nasplugin.csi.alibabacloud.com",
			[]string{"the claim velero/velero-hbr-abc12345 to be bound", "the pod velero/velero-hbr-abc12345 to be scheduled"},
		},
		{"a volume that is made where its Pod is", "waiting", true, "diskplugin.csi.alibabacloud.com", []string{"the pod velero/velero-hbr-abc12345 to be scheduled"}},
		{"the same without a need of the Pod", "waiting", false, "diskplugin.csi.alibabacloud.com", []string{"the pod velero/velero-hbr-abc12345 to be scheduled"}},
	}
	sim := newCloud(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldIn(t, sim)
			var waits []string
			var made Provisioned
			for range 5 {
				var waiting string
				var err error
				made, waiting, err = w.Provision(t.Context(), restoreOwner(), ofClass(tt.class, tt.mounted), agent.Search{})
				if err != nil {
					t.Fatal(err)
				}
				if waiting == "" {
					break
				}
				waits = append(waits, waiting)
				w.settle(t)
			}
			if diff := cmp.Diff(tt.waits, waits); diff != "" {
				t.Errorf("waited for (-want +got):\n%s", diff)
			}
			if made.Volume == nil || made.Volume.Spec.CSI.Driver != tt.driver {
				t.Fatalf("volume %+v", made.Volume)
			}
			w.settle(t)
			if pod := get[corev1.Pod](t, w, velero, restoreOwner().name()); (pod != nil) != tt.mounted {
				t.Errorf("a Pod is there: %v, want %v", pod != nil, tt.mounted)
			}
			if !tt.mounted {
				return
			}
			at, err := w.nodes.Files(made.Place.Node).Resolve(made.Place.Directory)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(at, "new"), []byte("x"), 0o600); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestProvisionAfterAKill ends the process after each of the calls that change something,
// and has another one go on.
func TestProvisionAfterAKill(t *testing.T) {
	t.Parallel()
	sim := newCloud(t)
	for kill := 1; ; kill++ {
		w := newWorldIn(t, sim)
		done := w.killAt(kill)
		var err error
		for range 3 {
			if err == nil {
				_, _, err = w.Provision(t.Context(), restoreOwner(), ofClass("direct", true), agent.Search{})
				w.settle(t)
			}
		}
		if err == nil && !done() {
			return
		}
		if !errors.Is(err, errKilled) {
			t.Fatalf("killed at %d: error %v", kill, err)
		}
		w.deny, w.Mounts = nil, w.process(w.config)
		made := w.provisioned(t, restoreOwner(), ofClass("direct", true))
		want := []string{"Pod velero-hbr-abc12345", "claim velero-hbr-abc12345", "volume " + made.Volume.Name}
		if diff := cmp.Diff(want, w.left(t)); diff != "" {
			t.Errorf("killed at %d: there is (-want +got):\n%s", kill, diff)
		}
	}
}

func TestWhatCannotBeProvisioned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, err := w.Provision(t.Context(), restoreOwner(), ofClass("gone", false), agent.Search{})
	const want = `storageclass gone not exists: storageclasses.storage.k8s.io "gone" not found`
	if err == nil || err.Error() != want || !final.Is(err) {
		t.Errorf("error %v, want the final one %q", err, want)
	}
	where := agent.Search{Policy: agent.Include}
	_, _, err = w.Provision(t.Context(), restoreOwner(), ofClass("waiting", false), where)
	var none *agent.NoNodeError
	if !errors.As(err, &none) || !final.Is(err) {
		t.Errorf("error %v where no node is included", err)
	}
	if left := w.left(t); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestAVolumeThatTheClaimHappenedToGet holds that the Pod goes where it is, and that it
// stays as it is.
func TestAVolumeThatTheClaimHappenedToGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, node.Config{Name: "node-0"}, node.Config{Name: "node-1", Directories: []string{"/mnt/disks/1"}})
	pv := sized(t, "local-1", localVolume)
	pv.Spec.StorageClassName, pv.Spec.PersistentVolumeReclaimPolicy = "static", corev1.PersistentVolumeReclaimRetain
	w.create(t, pv)
	made := w.provisioned(t, restoreOwner(), ofClass("static", true))
	if made.Volume.Name != "local-1" || made.Place.Node != "node-1" {
		t.Errorf("volume %s on %s", made.Volume.Name, made.Place.Node)
	}
	if err := w.Remove(t.Context(), restoreOwner()); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	left := get[corev1.PersistentVolume](t, w, "", "local-1")
	if left == nil || left.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain || len(left.Labels) > 0 {
		t.Errorf("there is %+v", left)
	}
}

// TestAVolumeThatWasThereIsNotFilled holds that one which nobody has claimed is not written
// to in place of one that is provisioned, and that its storage stays.
func TestAVolumeThatWasThereIsNotFilled(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		policy corev1.PersistentVolumeReclaimPolicy
		end    func(*Mounts, context.Context, Owner) error
	}{
		"one that is retained":                                     {policy: corev1.PersistentVolumeReclaimRetain, end: (*Mounts).Discard},
		"one that its driver would delete after a claim":           {policy: corev1.PersistentVolumeReclaimDelete, end: (*Mounts).Discard},
		"one that is retained, where another process finds it out": {policy: corev1.PersistentVolumeReclaimRetain, end: func(m *Mounts, ctx context.Context, _ Owner) error { return m.Sweep(ctx, noneLive) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := w.provisioned(t, restoreOwner(), ofClass("direct", false)).Volume
			if _, err := w.Keep(t.Context(), restoreOwner()); err != nil {
				t.Fatal(err)
			}
			takeOver(t, w, before)
			if err := w.Remove(t.Context(), restoreOwner()); err != nil {
				t.Fatal(err)
			}
			w.settle(t)
			free := get[corev1.PersistentVolume](t, w, "", "pv-restored")
			change(t, w, free, func(pv *corev1.PersistentVolume) {
				pv.Annotations = map[string]string{volume.AnnotationProvisionedBy: pv.Spec.CSI.Driver}
				pv.Spec.ClaimRef, pv.Spec.PersistentVolumeReclaimPolicy = nil, test.policy
			})

			_, waiting, err := w.Provision(t.Context(), restoreOwner(), ofClass("direct", true), agent.Search{})
			if waiting == "" || err != nil {
				t.Fatalf("waited for %q, error %v", waiting, err)
			}
			w.settle(t)
			_, _, err = w.Provision(t.Context(), restoreOwner(), ofClass("direct", true), agent.Search{})
			if !final.Is(err) || !strings.Contains(err.Error(), "to the PersistentVolume pv-restored of the class direct, which nobody had claimed") {
				t.Errorf("error %v, want a final one that names the volume", err)
			}
			for range 2 {
				if err := test.end(w.Mounts, t.Context(), restoreOwner()); err != nil {
					t.Error(err)
				}
				w.settle(t)
			}
			left := get[corev1.PersistentVolume](t, w, "", "pv-restored")
			if left == nil || left.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain || len(left.Labels) > 0 || w.made(t) != 1 {
				t.Errorf("there is %+v, and %d directories", left, w.made(t))
			}
		})
	}
}

// TestABlockDeviceIsNotWrittenTo holds that a class which makes such volumes is told.
func TestABlockDeviceIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.provisioned(t, restoreOwner(), ofClass("direct", false))
	change(t, w, made.Volume, func(pv *corev1.PersistentVolume) { pv.Spec.VolumeMode = new(corev1.PersistentVolumeBlock) })
	_, _, err := w.Provision(t.Context(), restoreOwner(), ofClass("direct", true), agent.Search{})
	if !final.Is(err) {
		t.Errorf("error %v, want a final one", err)
	}
}

// TestAVolumeThatHasGone holds that somebody who deletes what a claim is bound to is told.
func TestAVolumeThatHasGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: velero, Name: restoreOwner().name(), Labels: restoreOwner().labels()},
		Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: "gone"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound},
	})
	_, _, err := w.Provision(t.Context(), restoreOwner(), ofClass("direct", false), agent.Search{})
	const want = `reading the PersistentVolume of the temporary claim velero/velero-hbr-abc12345: persistentvolumes "gone" not found`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}
