// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// change changes the held PersistentVolume as somebody else would.
func (w *world) change(t *testing.T, change func(*corev1.PersistentVolume)) {
	t.Helper()
	pv := w.volume(t)
	change(pv)
	if err := w.client.Update(t.Context(), pv); err != nil {
		t.Fatal(err)
	}
}

// remove deletes the PersistentVolume; with its finalizers on, it stays as going.
func (w *world) remove(t *testing.T) {
	t.Helper()
	if err := w.client.Delete(t.Context(), w.volume(t)); err != nil {
		t.Fatal(err)
	}
}

func TestVolumeReadyProgress(t *testing.T) {
	t.Parallel()
	whole := velero.OperationProgress{Completed: true, NCompleted: 100, NTotal: 100, OperationUnits: "percent"}
	failed := func(reason string) velero.OperationProgress {
		return velero.OperationProgress{Completed: true, Err: reason}
	}
	later := velero.OperationProgress{Description: errLater.Error()}
	withoutFinalizers := func(pv *corev1.PersistentVolume) { pv.Finalizers = nil }
	tests := []struct {
		name      string
		state     state
		unclaimed bool
		meanwhile func(*testing.T, *world)
		want      velero.OperationProgress
		wantPV    *corev1.PersistentVolume
		discarded bool
	}{
		{
			name: "a volume that is being made stays held", state: state{polls: 1},
			want:   velero.OperationProgress{NTotal: 100, OperationUnits: "percent", Description: "Being made"},
			wantPV: restored(heldDisk("d-new")),
		},
		{
			name: "one that cannot be asked for now stays held", state: state{progressErr: errLater},
			want: later, wantPV: restored(heldDisk("d-new")),
		},
		{
			name: "one that cannot be finished now stays held", state: state{finishErr: errLater},
			want: later, wantPV: restored(heldDisk("d-new")),
		},
		{
			name: "a whole one gets its claim", want: whole, wantPV: restored(disk("d-new")),
		},
		{
			name: "a whole one without a claim gets none", unclaimed: true, want: whole,
			wantPV: of(restored(disk("d-new")), func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef = nil }),
		},
		{
			name: "a whole one in another place is made anew with its final id", state: state{finalID: "d-final", finalZone: "cn-beijing-k"},
			want:   whole,
			wantPV: of(restored(disk("d-final")), func(pv *corev1.PersistentVolume) { pv.Spec.NodeAffinity = inZone("cn-beijing-k") }),
		},
		{
			name: "a failed one is removed with its PersistentVolume", state: state{reason: "no stock"},
			want:      velero.OperationProgress{Completed: true, Err: "no stock", NCompleted: 100, NTotal: 100, OperationUnits: "percent"},
			discarded: true,
		},
		{
			name: "a failed one that cannot be removed is named", state: state{reason: "no stock", discardErr: errLater},
			want: velero.OperationProgress{
				Completed: true, NCompleted: 100, NTotal: 100, OperationUnits: "percent",
				Err: "no stock; removing the volume d-new, which is of no use: the cloud does not answer",
			},
		},
		{
			name: "a PersistentVolume that was deleted takes its volume with it",
			meanwhile: func(t *testing.T, w *world) {
				t.Helper()
				w.change(t, withoutFinalizers)
				w.remove(t)
			},
			want:      failed("the PersistentVolume pv-1 was deleted, or could not be created, before its volume was whole"),
			discarded: true,
		},
		{
			name: "one that is being deleted does too",
			meanwhile: func(t *testing.T, w *world) {
				t.Helper()
				w.remove(t)
			},
			want:      failed("the PersistentVolume pv-1 was deleted, or could not be created, before its volume was whole"),
			discarded: true,
		},
		{
			name: "one that was released already is left alone", state: state{polls: 1},
			meanwhile: func(t *testing.T, w *world) {
				t.Helper()
				w.change(t, func(pv *corev1.PersistentVolume) {
					delete(pv.Annotations, holdKey)
					delete(pv.Labels, holdKey)
					pv.Spec.ClaimRef = disk("d-new").Spec.ClaimRef
				})
			},
			want: velero.OperationProgress{Completed: true}, wantPV: restored(disk("d-new")),
		},
		{
			name: "one that another restore holds is left alone, and nothing of ours is left",
			meanwhile: func(t *testing.T, w *world) {
				t.Helper()
				w.change(t, func(pv *corev1.PersistentVolume) {
					pv.Annotations[holdKey] = `{"restore":"restore-0","restoreUID":"uid-of-restore-0","volume":"d-other"}`
				})
			},
			want: failed("the PersistentVolume pv-1 is there already, held for the restore restore-0"),
			wantPV: of(restored(heldDisk("d-new")), func(pv *corev1.PersistentVolume) {
				pv.Annotations[holdKey] = `{"restore":"restore-0","restoreUID":"uid-of-restore-0","volume":"d-other"}`
			}),
			discarded: true,
		},
		{
			name: "one whose note somebody has changed is left as it is",
			meanwhile: func(t *testing.T, w *world) {
				t.Helper()
				w.change(t, func(pv *corev1.PersistentVolume) { pv.Annotations[holdKey] = "{" })
			},
			want:   failed("reading the annotation alibabacloud.com/volume-ready of the PersistentVolume pv-1: unexpected end of JSON input"),
			wantPV: of(restored(heldDisk("d-new")), func(pv *corev1.PersistentVolume) { pv.Annotations[holdKey] = "{" }),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, op := newHeldWorld(t, tt.unclaimed)
			w.volumes.states["d-new"] = &tt.state
			if tt.meanwhile != nil {
				tt.meanwhile(t, w)
			}
			got, err := w.process(&steps{}).Progress(op, w.restore)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Progress() differs (-want +got):\n%s", diff)
			}
			w.checkVolume(t, tt.wantPV)
			w.checkLeft(t, tt.discarded)
		})
	}
}

// newHeldWorld returns a world with a held PersistentVolume, and the operation's id.
func newHeldWorld(t *testing.T, unclaimed bool) (w *world, op string) {
	t.Helper()
	w = newWorld(t)
	w.volumes.states["d-new"] = &state{polls: 1}
	pv := disk("d-new")
	if unclaimed {
		pv.Spec.ClaimRef = nil
	}
	return w, w.hold(t, pv)
}

// checkLeft tells whether the volume is there, and no stash is.
func (w *world) checkLeft(t *testing.T, discarded bool) {
	t.Helper()
	if _, left := w.volumes.states["d-new"]; left == discarded {
		t.Errorf("the volume is left: %t, want %t", left, !discarded)
	}
	if n := w.stashes(t); n != 0 {
		t.Errorf("%d ConfigMaps are left, want none", n)
	}
}

func TestVolumeReadyProgressAfterAConflict(t *testing.T) {
	t.Parallel()
	label := func(pv *corev1.PersistentVolume) { metav1.SetMetaDataLabel(&pv.ObjectMeta, "by", "somebody") }
	tests := []struct {
		name  string
		state state
		want  *corev1.PersistentVolume
	}{
		{name: "what another has changed is kept in the released PersistentVolume", want: of(restored(disk("d-new")), label)},
		{name: "and in one that is made anew", state: state{finalID: "d-final"}, want: of(restored(disk("d-final")), label)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, op := newHeldWorld(t, false)
			w.volumes.states["d-new"] = &tt.state
			changed := false
			once := func() {
				if !changed {
					changed = true
					w.change(t, label)
				}
			}
			between := interceptor.NewClient(w.client, interceptor.Funcs{
				Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
					once()
					return c.Patch(ctx, object, patch, options...)
				},
				Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
					if _, ok := object.(*corev1.PersistentVolume); ok {
						once()
					}
					return c.Delete(ctx, object, options...)
				},
			})
			progress, err := w.processWith(between, &steps{}).Progress(op, w.restore)
			if err != nil || !progress.Completed || progress.Err != "" {
				t.Errorf("Progress() = %+v, %v, want completed", progress, err)
			}
			w.checkVolume(t, tt.want)
			w.checkLeft(t, false)
		})
	}
}

func TestVolumeReadyProgressWithADamagedStash(t *testing.T) {
	t.Parallel()
	ours := `{"restoreUID":"uid-of-restore-1","volume":"d-new"}`
	tests := []struct {
		name string
		data map[string]string
		want velero.OperationProgress
	}{
		{
			name: "one that does not tell whose it is may be mended", data: map[string]string{"hold": "{"},
			want: velero.OperationProgress{Description: "reading the key hold of the ConfigMap velero/volume-ready-pv-1: unexpected end of JSON input"},
		},
		{
			name: "one whose PersistentVolume cannot be read may be mended", data: map[string]string{"hold": ours, "persistentVolume": "{"},
			want: velero.OperationProgress{Description: "reading the PersistentVolume kept in the ConfigMap velero/volume-ready-pv-1: unexpected end of JSON input"},
		},
		{
			name: "one of another operation is none", data: map[string]string{"hold": `{"restoreUID":"uid-of-restore-0","volume":"d-other"}`},
			want: velero.OperationProgress{Completed: true, Err: "the PersistentVolume pv-1 was deleted, or could not be created, before its volume was whole"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, stash(tt.data))
			got, err := w.process(&steps{}).Progress(operationID, w.restore)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Progress() differs (-want +got):\n%s", diff)
			}
		})
	}
}

func stash(data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: "volume-ready-pv-1", Labels: map[string]string{holdKey: "stash"}},
		Data:       data,
	}
}

func TestVolumeReadyReplacesTheStashOfAnother(t *testing.T) {
	t.Parallel()
	w, op := newHeldWorld(t, false)
	w.volumes.states["d-new"] = &state{finalID: "d-final"}
	if err := w.client.Create(t.Context(), stash(map[string]string{"hold": "{}"})); err != nil {
		t.Fatal(err)
	}
	if got, err := w.process(&steps{}).Progress(op, w.restore); err != nil || !got.Completed || got.Err != "" {
		t.Errorf("Progress() = %+v, %v, want completed", got, err)
	}
	w.checkVolume(t, restored(disk("d-final")))
	w.checkLeft(t, false)
}

func TestVolumeReadyRefusesForeignOperations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"", "{", "{}", `{"persistentVolume":"pv-1","provider":"alibabacloud"}`, `{"volume":"d-new","provider":"alibabacloud"}`, `{"persistentVolume":"pv-1","volume":"d-new"}`} {
		process := &steps{}
		_, err := w.process(process).Progress(id, w.restore)
		if want := "is none of alibabacloud.com/volume-ready"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Progress(%q) error = %v, want one that says %q", id, err, want)
		}
		if err := w.process(process).Cancel(id, w.restore); err == nil {
			t.Errorf("Cancel(%q) error = nil, want one", id)
		}
		if process.done != 0 {
			t.Errorf("%d calls were made, want none", process.done)
		}
	}
}

func TestVolumeReadyCancel(t *testing.T) {
	t.Parallel()
	foreign := func(pv *corev1.PersistentVolume) {
		pv.Annotations[holdKey] = `{"restore":"restore-0","restoreUID":"uid-of-restore-0","volume":"d-other"}`
	}
	released := func(pv *corev1.PersistentVolume) { delete(pv.Annotations, holdKey) }
	changed := func(pv *corev1.PersistentVolume) { pv.Annotations[holdKey] = "{" }
	tests := []struct {
		name      string
		meanwhile func(*corev1.PersistentVolume)
		gone      bool
		wantPV    *corev1.PersistentVolume
		discarded bool
	}{
		{name: "what is held is removed", discarded: true},
		{name: "the volume of what is gone is removed", gone: true, discarded: true},
		{
			name: "what was released stays", meanwhile: released,
			wantPV: of(restored(heldDisk("d-new")), released),
		},
		{
			name: "what another restore holds stays", meanwhile: foreign,
			wantPV: of(restored(heldDisk("d-new")), foreign), discarded: true,
		},
		{
			name: "what somebody has changed stays", meanwhile: changed,
			wantPV: of(restored(heldDisk("d-new")), changed),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, op := newHeldWorld(t, false)
			if tt.meanwhile != nil {
				w.change(t, tt.meanwhile)
			}
			if tt.gone {
				w.change(t, func(pv *corev1.PersistentVolume) { pv.Finalizers = nil })
				w.remove(t)
			}
			if err := w.process(&steps{}).Cancel(op, w.restore); err != nil {
				t.Fatal(err)
			}
			w.checkVolume(t, tt.wantPV)
			w.checkLeft(t, tt.discarded)
		})
	}
}

// TestVolumeReadyKilled kills a process at every one of its calls, before and after
// the call takes effect, and lets the next processes go on.
func TestVolumeReadyKilled(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		state     state
		wantErr   bool
		wantPV    *corev1.PersistentVolume
		discarded bool
	}{
		{name: "while it releases", wantPV: restored(disk("d-new"))},
		{name: "while it makes anew", state: state{finalID: "d-final"}, wantPV: restored(disk("d-final"))},
		{name: "while it removes what failed", state: state{reason: "no stock"}, wantErr: true, discarded: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, applied := range []bool{false, true} {
				for killAt := 1; ; killAt++ {
					process := &steps{killAt: killAt, applied: applied}
					t.Run(fmt.Sprintf("at call %d, applied %t", killAt, applied), func(t *testing.T) {
						w, op := newHeldWorld(t, false)
						volume := tt.state
						w.volumes.states["d-new"] = &volume
						progress := w.pollUntilCompleted(t, op, process)
						if (progress.Err != "") != tt.wantErr {
							t.Errorf("Progress() Err = %q, want one: %t", progress.Err, tt.wantErr)
						}
						w.checkVolume(t, tt.wantPV)
						w.checkLeft(t, tt.discarded)
						if !tt.discarded && !volume.settled {
							t.Error("what the volume was made with is left")
						}
					})
					if process.done < killAt {
						break
					}
				}
			}
		})
	}
}

// pollUntilCompleted polls as Velero does, each time in a new process, of which
// the first is the one given. Only the answer of a process that was not killed counts.
func (w *world) pollUntilCompleted(t *testing.T, op string, first *steps) velero.OperationProgress {
	t.Helper()
	process := first
	for range 5 {
		progress, err := w.process(process).Progress(op, w.restore)
		if err != nil {
			t.Fatal(err)
		}
		killed := process.killAt != 0 && process.done >= process.killAt
		if progress.Completed && !killed {
			return progress
		}
		process = &steps{}
	}
	t.Fatal("the operation never completes")
	return velero.OperationProgress{}
}

func TestVolumeReadyProgressWithoutConnection(t *testing.T) {
	t.Parallel()
	w, op := newHeldWorld(t, false)
	broken := &brokenCluster{err: errors.New("no kubeconfig")}
	action := w.inCluster(broken)
	got, err := action.Progress(op, w.restore)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(velero.OperationProgress{Description: "no kubeconfig"}, got); diff != "" {
		t.Errorf("Progress() differs (-want +got):\n%s", diff)
	}
	if err := action.Cancel(op, w.restore); err != nil {
		t.Errorf("Cancel() error = %v, want none", err)
	}
	w.checkVolume(t, restored(heldDisk("d-new")))
}
