// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	simhbr "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// errKilled is what a process sees of its calls after it was killed.
var errKilled = fmt.Errorf("the process was killed: %w", context.Canceled)

// life is how many changes, in the cluster and in the cloud, a process may make until it
// is killed. What only reads changes nothing, so that to be killed before it is the same as
// to be killed after the change before.
type life struct {
	mu   sync.Mutex
	left int
	over bool
}

// change spends one change, or returns errKilled.
func (l *life) change() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		l.over = true
	}
	l.left--
	return l.state()
}

// read returns errKilled when the process was killed.
func (l *life) read() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state()
}

func (l *life) state() error {
	if l.over {
		return errKilled
	}
	return nil
}

// wasKilled tells whether the process was killed, and has others live for ever.
func (l *life) wasKilled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	killed := l.over
	if killed {
		l.over, l.left = false, -1
	}
	return killed
}

// around passes the calls of a client through the life.
func (l *life) around(api client.WithWatch) client.Client {
	return interceptor.NewClient(api, interceptor.Funcs{
		Get: func(ctx context.Context, api client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return answer(l.read(), func() error { return api.Get(ctx, key, object, options...) })
		},
		List: func(ctx context.Context, api client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return answer(l.read(), func() error { return api.List(ctx, list, options...) })
		},
		Create: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return answer(l.change(), func() error { return api.Create(ctx, object, options...) })
		},
		Delete: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			return answer(l.change(), func() error { return api.Delete(ctx, object, options...) })
		},
		Update: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			return answer(l.change(), func() error { return api.Update(ctx, object, options...) })
		},
		Patch: func(ctx context.Context, api client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return answer(l.change(), func() error { return api.Patch(ctx, object, patch, options...) })
		},
	})
}

// answer returns the error, or that of the call.
func answer(err error, call func() error) error {
	if err != nil {
		return err
	}
	return call()
}

// in returns an environment whose calls of the cloud pass through the life.
func (l *life) in(environment alicloud.Environment) alicloud.Environment {
	mortal := *environment.RPC
	mortal.Transport = mortalTransport{life: l, next: mortal.Transport}
	environment.RPC = &mortal
	return environment
}

// mortalTransport passes the calls of the cloud through a life.
type mortalTransport struct {
	*life

	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (m mortalTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	pass := m.change
	for _, reads := range []string{"Describe", "Search"} {
		if strings.HasPrefix(actionOf(request), reads) {
			pass = m.read
		}
	}
	if err := pass(); err != nil {
		return nil, err
	}
	return m.next.RoundTrip(request)
}

func actionOf(request *http.Request) string {
	for name, values := range request.Header {
		if strings.EqualFold(name, "x-acs-action") {
			return values[0]
		}
	}
	return ""
}

// scene is a volume that is backed up or restored while processes are killed.
type scene struct {
	spec   string
	config map[string]string
	// to is the class that a restore is to have the volume provisioned by, "" for its own.
	to string
	// mounted says that a Pod mounts the volume.
	mounted bool
	// provisioned is what the storage of the restored volume begins with, "" for storage that is not provisioned.
	provisioned string
}

// scenes are the ways that a volume is mounted, and that there is a place for its data.
func scenes() map[string]scene {
	without := map[string]string{"method": string(agentless)}
	return map[string]scene{
		"NAS that a Pod mounts, into a new directory": {spec: nasSpec, mounted: true},
		"NAS that becomes a disk":                     {spec: nasSpec + ", storageClassName: old", to: "essd", provisioned: "d-"},
		"NAS without a client":                        {spec: nasSpec, config: without},
		"NAS by its class, without a client":          {spec: nasSpec + ", storageClassName: nas", config: without, provisioned: "NAS"},
	}
}

// isAnother tells whether the volume is backed up as that of another scene is.
func (s scene) isAnother() bool { return s.provisioned != "" && s.config != nil }

// world returns the world of the scene with its volume.
func (s scene) world(t *testing.T) (*nodeWorld, *corev1.PersistentVolume) {
	t.Helper()
	w := newNodeWorld(t, nodeOptions{config: s.config, nodes: []node.Config{usualNode("node-1")}})
	w.sim.HBR().SetDurations(simhbr.Durations{Backup: metav1.Duration{Duration: pollEvery}, Restore: metav1.Duration{Duration: pollEvery}})
	if s.to != "" {
		w.mapped(t, "old", s.to)
	}
	pv := volumeOf(t, "vol", s.spec)
	w.served(t, pv, "node-1")
	if !s.mounted {
		w.remove(t, &corev1.Pod{ObjectMeta: named(application, "pod-vol")})
	}
	return w, pv
}

// untilAlive repeats what a process that is killed has not done, and tells whether one was.
func (w *nodeWorld) untilAlive(t *testing.T, do func() error) (killed bool) {
	t.Helper()
	for range int(maxWait / pollEvery) {
		err := do()
		if w.life.wasKilled() {
			killed = true
			w.pass(t)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return killed
	}
	t.Fatal("every process is killed")
	return killed
}

// poll makes a function that polls of one whose process may be killed: nobody gets its answer.
func (w *nodeWorld) mortal(killed *bool, poll func() (velero.OperationProgress, error)) func() (velero.OperationProgress, error) {
	return func() (velero.OperationProgress, error) {
		got, err := poll()
		if w.life.wasKilled() {
			*killed = true
			return velero.OperationProgress{}, errKilled
		}
		return got, err
	}
}

// eachKill runs a test with processes that are killed after n changes, for each n until none is killed.
func eachKill(t *testing.T, run func(t *testing.T, l *life) (killed bool)) {
	t.Helper()
	for n := 0; ; n++ {
		killed := false
		if !t.Run(fmt.Sprintf("after %d changes", n), func(t *testing.T) { killed = run(t, &life{left: n}) }) || !killed {
			t.Logf("%d processes were killed", n)
			return
		}
	}
}

// TestAPollOfABackupIsKilled kills a process that asks how far a backup is, and drives it on.
func TestAPollOfABackupIsKilled(t *testing.T) {
	t.Parallel()
	for name, scene := range scenes() {
		if scene.isAnother() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachKill(t, func(t *testing.T, l *life) (killed bool) {
				t.Helper()
				w, pv := scene.world(t)
				snapshot := w.backUp(t, w.Snapshotter, pv)
				w.life = l
				got := w.until(t, w.mortal(&killed, func() (velero.OperationProgress, error) { return w.pollBackup(t, pv.Name) }))
				if got.Err != "" {
					t.Errorf("outcome %+v", got)
				}
				w.life = nil
				w.wantNoTemporary(t)
				w.wantNoNotes(t)
				w.wantInventory(t, 0, 1, 0)
				if _, err := w.CreateVolumeFromSnapshot(snapshot, "", "", nil); err != nil {
					t.Error(err)
				}
				return killed
			})
		})
	}
}

// TestARestoreIsKilled kills a process while it fills a volume, finishes it, or removes
// what was there to fill it.
func TestARestoreIsKilled(t *testing.T) {
	t.Parallel()
	for name, scene := range scenes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachKill(t, func(t *testing.T, l *life) (killed bool) {
				t.Helper()
				w, pv := scene.world(t)
				original := contentsOf(treeIn(t, w.files(t, pv, "")))
				id, held := w.ordered(t, w.isSaved(t, pv), pv)
				w.life = l
				got := w.until(t, w.mortal(&killed, func() (velero.OperationProgress, error) { return w.pollRestore(t, id, held) }))
				if got.Err != "" {
					t.Fatalf("outcome %+v", got)
				}
				var finished *corev1.PersistentVolume
				killed = w.untilAlive(t, func() (err error) {
					finished, err = w.process(t).Finish(t.Context(), theRestore(), w.config, id, held)
					return err
				}) || killed
				w.put(t, held, finished)
				killed = w.untilAlive(t, func() error { return w.process(t).Settle(t.Context(), theRestore(), w.config, id) }) || killed
				w.life = nil
				w.pass(t)

				w.wantNoTemporary(t)
				w.wantNoNotes(t)
				w.wantInventory(t, 0, 1, 0)
				if diff := gocmp.Diff(original, contentsOf(treeIn(t, w.files(t, finished, "")))); diff != "" {
					t.Errorf("restored files (-want +got):\n%s", diff)
				}
				if left := w.provisionedLeft(t); len(left) != min(1, len(scene.provisioned)) {
					t.Errorf("provisioned are %q", left)
				}
				return killed
			})
		})
	}
}

// TestADiscardIsKilled kills a process while it removes a volume that is not to be.
func TestADiscardIsKilled(t *testing.T) {
	t.Parallel()
	for name, scene := range scenes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachKill(t, func(t *testing.T, l *life) (killed bool) {
				t.Helper()
				w, pv := scene.world(t)
				id, held := w.ordered(t, w.isSaved(t, pv), pv)
				w.whenRunning(t, func() (bool, error) { got, err := w.pollRestore(t, id, held); return got.Completed, err })
				w.remove(t, held)
				w.life = l
				killed = w.untilAlive(t, func() error { return w.process(t).Discard(t.Context(), theRestore(), w.config, id) })
				w.life = nil
				w.pass(t)
				w.wantNothingOfRestores(t)
				return killed
			})
		})
	}
}

// wantNothingOfRestores holds that nothing is left of a restore that was not to be.
func (w *nodeWorld) wantNothingOfRestores(t *testing.T) {
	t.Helper()
	w.wantNoTemporary(t)
	w.wantNoNotes(t)
	w.wantInventory(t, 0, 1, 0)
	if left := w.provisionedLeft(t); len(left) > 0 {
		t.Errorf("provisioned are left: %q", left)
	}
}

// TestABackupIsKilled kills a process while it begins a backup. What it leaves the next
// backup removes; a job that runs on ends by itself.
func TestABackupIsKilled(t *testing.T) {
	t.Parallel()
	for name, scene := range scenes() {
		if scene.isAnother() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachKill(t, func(t *testing.T, l *life) (killed bool) {
				t.Helper()
				w, pv := scene.world(t)
				w.clientStarted(t)
				w.life = l
				mortal := w.process(t)
				id, err := mortal.GetVolumeID(item(t, pv))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := mortal.CreateSnapshot(id, "", map[string]string{tagBackup: "b-1", tagVolume: pv.Name}); err != nil {
					t.Log(err)
				}
				mortal.End(t.Context())
				killed = l.wasKilled()
				w.life = nil
				w.endRuns(t)
				for range 4 {
					w.pass(t)
				}
				w.next(t, pv)
				w.wantNoTemporary(t)
				w.wantNoNotes(t)
				got, err := w.sim.HBR().Inventory(theAccount)
				if err != nil || len(got.Plans)+len(got.Running) > 0 {
					t.Errorf("left are %+v, error %v", got, err)
				}
				return killed
			})
		})
	}
}
