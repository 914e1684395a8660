// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

// brokenCluster is one whose API server cannot be reached.
type brokenCluster struct {
	restoreitemaction.Cluster
	err error
}

func (c *brokenCluster) Client() (client.Client, error) { return nil, c.err }

func (w *world) inCluster(c restoreitemaction.Cluster) *restoreitemaction.VolumeReady {
	log, _ := logrustest.NewNullLogger()
	return restoreitemaction.NewVolumeReady(log, c, restoreitemaction.Provider{Name: provider, Volumes: volumesOfProcess{w.volumes, &steps{}}})
}

// begin lets Velero begin a restore with the action, and waits for what that starts.
func begin(t *testing.T, action *restoreitemaction.VolumeReady) {
	t.Helper()
	got, err := action.AppliesTo()
	if err != nil {
		t.Fatal(err)
	}
	want := velero.ResourceSelector{IncludedResources: []string{"persistentvolumes"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("AppliesTo() differs (-want +got):\n%s", diff)
	}
	synctest.Wait()
}

func TestVolumeReadyClearsWhatEndedRestoresLeft(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		phase velerov1.RestorePhase // empty: the Restore is gone
		stays bool
	}{
		{name: "a restore that is gone"},
		{name: "a failed one", phase: velerov1.RestorePhaseFailed},
		{name: "a partially failed one", phase: velerov1.RestorePhasePartiallyFailed},
		{name: "a completed one", phase: velerov1.RestorePhaseCompleted},
		{name: "one that was refused", phase: velerov1.RestorePhaseFailedValidation},
		{name: "one that restores still holds", phase: velerov1.RestorePhaseInProgress, stays: true},
		{name: "one that waits for its operations still holds", phase: velerov1.RestorePhaseWaitingForPluginOperations, stays: true},
		{
			name:  "one that waits for what is left of its operations still holds",
			phase: velerov1.RestorePhaseWaitingForPluginOperationsPartiallyFailed, stays: true,
		},
		{name: "one that is being finalized still holds", phase: velerov1.RestorePhaseFinalizing, stays: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, _ := newHeldWorld(t, false)
				w.leaveStash(t)
				w.end(t, tt.phase)
				process := &steps{}
				action := w.process(process)
				begin(t, action)
				if (w.volume(t) != nil) != tt.stays || (w.stashes(t) == 1) != tt.stays {
					t.Errorf("the PersistentVolume %v and %d stashes are left, want them to stay: %t", w.volume(t), w.stashes(t), tt.stays)
				}
				if _, left := w.volumes.states["d-new"]; !left {
					t.Error("the volume was removed, which a restore that is tried again takes over")
				}
				calls := process.done
				begin(t, action)
				if process.done != calls {
					t.Error("AppliesTo() looked again")
				}
			})
		})
	}
}

// leaveStash makes a stash for another PersistentVolume that the restore was replacing.
func (w *world) leaveStash(t *testing.T) {
	t.Helper()
	if err := w.client.Create(t.Context(), stash(map[string]string{"hold": `{"restoreUID":"uid-of-restore-1"}`})); err != nil {
		t.Fatal(err)
	}
}

// end puts the Restore into a phase, or deletes it.
func (w *world) end(t *testing.T, phase velerov1.RestorePhase) {
	t.Helper()
	restore := &velerov1.Restore{}
	err := w.client.Get(t.Context(), client.ObjectKeyFromObject(w.restore), restore)
	if err == nil && phase == "" {
		err = w.client.Delete(t.Context(), restore)
	} else if err == nil {
		restore.Status.Phase = phase
		err = w.client.Update(t.Context(), restore)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestVolumeReadyClearsNothingOfOthers(t *testing.T) {
	t.Parallel()
	ofAnotherVelero := func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef.Namespace = "velero-2" }
	newer := heldDisk("d-newer")
	newer.UID = "another"
	tests := []struct {
		name      string
		meanwhile func(*testing.T, *world)
		want      *corev1.PersistentVolume
	}{
		{
			name: "a new restore's of the same name stays",
			meanwhile: func(t *testing.T, w *world) {
				t.Helper()
				w.change(t, func(pv *corev1.PersistentVolume) { pv.Finalizers = nil })
				w.remove(t)
				if err := w.client.Create(t.Context(), newer.DeepCopy()); err != nil {
					t.Fatal(err)
				}
			},
			want: newer,
		},
		{
			name: "a released one stays",
			meanwhile: func(t *testing.T, w *world) {
				t.Helper()
				w.change(t, func(pv *corev1.PersistentVolume) { delete(pv.Annotations, holdKey) })
			},
			want: of(restored(heldDisk("d-new")), func(pv *corev1.PersistentVolume) { delete(pv.Annotations, holdKey) }),
		},
		{
			name: "what a Velero in another namespace holds stays",
			meanwhile: func(t *testing.T, w *world) {
				t.Helper()
				w.change(t, ofAnotherVelero)
			},
			want: of(restored(heldDisk("d-new")), ofAnotherVelero),
		},
		{
			name: "one that cannot be read stays",
			meanwhile: func(t *testing.T, w *world) {
				t.Helper()
				w.change(t, func(pv *corev1.PersistentVolume) { pv.Annotations[holdKey] = "{" })
			},
			want: of(restored(heldDisk("d-new")), func(pv *corev1.PersistentVolume) { pv.Annotations[holdKey] = "{" }),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, _ := newHeldWorld(t, false)
				w.end(t, velerov1.RestorePhaseFailed)
				after := interceptor.NewClient(w.client, interceptor.Funcs{
					List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
						err := c.List(ctx, list, options...)
						if _, ok := list.(*velerov1.RestoreList); ok {
							tt.meanwhile(t, w)
						}
						return err
					},
				})
				begin(t, w.processWith(after, &steps{}))
				w.checkVolume(t, tt.want)
			})
		})
	}
}

func TestVolumeReadyClearsAfterItWasKilled(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprintf("applied %t", applied), func(t *testing.T) {
			t.Parallel()
			for killAt, more := 1, true; more; killAt++ {
				synctest.Test(t, func(t *testing.T) {
					w, _ := newHeldWorld(t, false)
					w.leaveStash(t)
					w.end(t, velerov1.RestorePhaseFailed)
					process := &steps{killAt: killAt, applied: applied}
					begin(t, w.process(process))
					more = process.done >= killAt
					begin(t, w.process(&steps{}))
					w.checkVolume(t, nil)
					w.checkLeft(t, false)
				})
			}
		})
	}
}

func TestVolumeReadyClearsAfterACancelThatWasKilled(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprintf("applied %t", applied), func(t *testing.T) {
			t.Parallel()
			for killAt, more := 1, true; more; killAt++ {
				synctest.Test(t, func(t *testing.T) {
					w, op := newHeldWorld(t, false)
					process := &steps{killAt: killAt, applied: applied}
					if err := w.process(process).Cancel(op, w.restore); err != nil {
						t.Fatal(err)
					}
					more = process.done >= killAt
					w.end(t, velerov1.RestorePhasePartiallyFailed)
					begin(t, w.process(&steps{}))
					w.checkVolume(t, nil)
				})
			}
		})
	}
}

func TestVolumeReadySaysWhatItCannotClear(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, stash(map[string]string{"hold": "{"}))
		log, hook := logrustest.NewNullLogger()
		begin(t, w.logging(log, w.client, &steps{}))
		begin(t, restoreitemaction.NewVolumeReady(log, &brokenCluster{err: errors.New("no kubeconfig")}))
		var got []string
		for _, entry := range hook.AllEntries() {
			got = append(got, fmt.Sprintf("%s: %s: %v", entry.Level, entry.Message, entry.Data[logrus.ErrorKey]))
		}
		want := []string{
			"info: Held PersistentVolumes of ended restores may be left: reading the key hold of the ConfigMap velero/volume-ready-pv-1: unexpected end of JSON input",
			"info: Held PersistentVolumes of ended restores may be left: no kubeconfig",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the log differs (-want +got):\n%s", diff)
		}
	})
}

func TestVolumeReadyReadsTheLocationOnce(t *testing.T) {
	t.Parallel()
	w, op := newHeldWorld(t, false)
	w.volumes.states["d-new"] = &state{polls: 3}
	reads := 0
	counting := interceptor.NewClient(w.client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if strings.Contains(fmt.Sprintf("%T", object), "VolumeSnapshotLocation") {
				reads++
			}
			return c.Get(ctx, key, object, options...)
		},
	})
	log, _ := logrustest.NewNullLogger()
	action := restoreitemaction.NewVolumeReady(log, cluster.New(counting, veleroNamespace), restoreitemaction.Provider{Name: provider, Volumes: volumesOfProcess{w.volumes, &steps{}}})
	for range 3 {
		if _, err := action.Progress(op, w.restore); err != nil {
			t.Fatal(err)
		}
	}
	if reads != 1 {
		t.Errorf("the location was read %d times, want once", reads)
	}
}
