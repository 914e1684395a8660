// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	simhbr "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// atEachStage runs a test of each scene that is given up: before a poll, while what it
// needs is made, and while its job is running.
func atEachStage(t *testing.T, run func(t *testing.T, s scene, polls int)) {
	t.Helper()
	for name, scene := range scenes() {
		for _, polls := range []int{0, 2, 4} {
			t.Run(fmt.Sprintf("%s, after %d polls", name, polls), func(t *testing.T) {
				t.Parallel()
				run(t, scene, polls)
			})
		}
	}
}

// polled polls some times. What keeps a volume waiting may be told as an error that may pass.
func (w *nodeWorld) polled(t *testing.T, times int, poll func() (velero.OperationProgress, error)) {
	t.Helper()
	for range times {
		if got, err := poll(); err != nil || got.Completed {
			t.Logf("progress %+v, error %v", got, err)
		}
		w.settle(t)
	}
}

func TestARestoreThatIsGivenUpLeavesNothing(t *testing.T) {
	t.Parallel()
	atEachStage(t, func(t *testing.T, s scene, polls int) {
		t.Helper()
		w, pv := s.world(t)
		id, held := w.ordered(t, w.isSaved(t, pv), pv)
		w.polled(t, polls, func() (velero.OperationProgress, error) { return w.pollRestore(t, id, held) })
		for range 2 {
			w.discarded(t, id, held)
		}
		w.wantNothingOfRestores(t)
	})
}

func TestABackupThatIsCanceledLeavesNothing(t *testing.T) {
	t.Parallel()
	atEachStage(t, func(t *testing.T, s scene, polls int) {
		t.Helper()
		if s.isAnother() {
			return
		}
		w, pv := s.world(t)
		id := w.backUp(t, w.process(t), pv)
		w.polled(t, polls, func() (velero.OperationProgress, error) { return w.pollBackup(t, pv.Name) })
		for range 2 {
			if err := w.process(t).CancelSnapshot(t.Context(), backupNamed("b-1", ""), w.config, pv.Name, ""); err != nil {
				t.Fatal(err)
			}
			w.settle(t)
		}
		if got, err := w.pollBackup(t, pv.Name); err != nil || !got.Completed || got.Err == "" {
			t.Errorf("progress %+v, error %v, want that it has failed", got, err)
		}
		w.wantNoTemporary(t)
		w.wantInventory(t, 0, 0, 0)
		if _, err := w.CreateVolumeFromSnapshot(id, "", "", nil); err == nil {
			t.Error("what was canceled is restored")
		}
		if err := w.DeleteSnapshot(id); err != nil {
			t.Error(err)
		}
	})
}

// TestABackupWhoseJobIsGivenUpIsMountedByNoPod is about a volume that is mounted for its job alone. Velero cancels no
// operation that has failed.
func TestABackupWhoseJobIsGivenUpIsMountedByNoPod(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		giveUp func(t *testing.T, w *nodeWorld, pv string)
		want   string
	}{
		"it takes too long": {
			giveUp: func(t *testing.T, w *nodeWorld, _ string) {
				t.Helper()
				if err := w.time.Sleep(t.Context(), 11*time.Minute); err != nil {
					t.Fatal(err)
				}
			},
			want: "had not ended after 10m0s (config key backupTimeout), and was canceled",
		},
		"somebody has deleted it": {
			giveUp: func(t *testing.T, w *nodeWorld, pv string) {
				t.Helper()
				noted, run := notes.New(cluster.New(w.api, veleroNamespace), notesKeeper), notes.OfBackup(backupNamed("b-1", ""))
				text, _, err := noted.Find(t.Context(), run, pv)
				if err != nil {
					t.Fatal(err)
				}
				id, err := parseSnapshotID(text)
				if err != nil {
					t.Fatal(err)
				}
				id.job = "job-none"
				if err := noted.Note(t.Context(), run, pv, id.String()); err != nil {
					t.Fatal(err)
				}
			},
			want: "there is neither the job nor its snapshot",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, pv := scene{spec: nasSpec, config: map[string]string{"backupTimeout": "10m"}}.world(t)
			w.fault(t, fault.Rule{Service: simhbr.FaultJobs, Operation: simhbr.FaultBackup, Stall: time.Hour})
			w.backUp(t, w.process(t), pv)
			w.whenRunning(t, func() (bool, error) { got, err := w.pollBackup(t, pv.Name); return got.Completed, err })
			if len(w.temporary(t)) == 0 {
				t.Fatal("no Pod mounts the volume for the job")
			}
			test.giveUp(t, w, pv.Name)
			if got := w.untilSaved(t, pv.Name); !strings.Contains(got.Err, test.want) {
				t.Errorf("progress %+v, want the error %q", got, test.want)
			}
			w.wantNoTemporary(t)
		})
	}
}

// TestTheNextBackupRemovesWhatIsLeft has Velero end in the middle of a backup or of a restore.
func TestTheNextBackupRemovesWhatIsLeft(t *testing.T) {
	t.Parallel()
	atEachStage(t, func(t *testing.T, s scene, polls int) {
		t.Helper()
		w, pv := s.world(t)
		id, held := w.ordered(t, w.isSaved(t, pv), pv)
		w.polled(t, polls, func() (velero.OperationProgress, error) { return w.pollRestore(t, id, held) })
		w.endRuns(t)
		w.remove(t, held) // As volume-ready does.
		w.next(t, pv)
		for range 4 {
			w.pass(t) // A job that goes on ends by itself.
		}
		w.wantNothingOfRestores(t)
	})
}

// endRuns puts the backup b-1 and the restore r-1 into phases in which they have ended.
func (w *nodeWorld) endRuns(t *testing.T) {
	t.Helper()
	w.remove(t, backupNamed("b-1", ""), theRestore())
	ended := theRestore()
	ended.Status.Phase = velerov1.RestorePhasePartiallyFailed
	w.create(t, backupNamed("b-1", velerov1.BackupPhasePartiallyFailed), ended)
}

// next begins another backup, b-2, cancels it again, and deletes it with its notes, as Kubernetes does.
func (w *nodeWorld) next(t *testing.T, pv *corev1.PersistentVolume) {
	t.Helper()
	backup := backupNamed("b-2", velerov1.BackupPhaseInProgress)
	w.create(t, backup)
	s := w.process(t)
	id, err := s.GetVolumeID(item(t, pv))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateSnapshot(id, "", map[string]string{tagBackup: "b-2", tagVolume: pv.Name}); err != nil {
		t.Fatal(err)
	}
	s.End(t.Context())
	w.settle(t)
	if err := s.CancelSnapshot(t.Context(), backup, w.config, pv.Name, ""); err != nil {
		t.Fatal(err)
	}
	if got, err := s.SnapshotProgress(t.Context(), backup, w.config, pv.Name, ""); err != nil || !got.Completed || got.Err == "" {
		t.Errorf("the canceled backup is at %+v, error %v", got, err)
	}
	w.pass(t)
	w.remove(t, backup)
	err = w.api.DeleteAllOf(t.Context(), &corev1.ConfigMap{}, client.InNamespace(veleroNamespace), client.MatchingLabels{"alibabacloud.com/note-of": string(backup.UID)})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoOtherJobWritesIntoAVolumeThatIsWhole has the answer of the job be lost that fills a
// volume, so that another one is begun, which ends before.
func TestNoOtherJobWritesIntoAVolumeThatIsWhole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		// first is what becomes of the first job.
		first   fault.Rule
		running int
	}{
		"the first job takes longer":    {first: fault.Rule{Latency: 5 * time.Minute}},
		"the first job fails meanwhile": {first: fault.Rule{Status: 500, Latency: 5 * time.Minute}},
		"the first job hangs":           {first: fault.Rule{Stall: time.Hour}, running: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t, nodeOptions{config: map[string]string{"restoreTimeout": "10m"}})
			pv := volumeOf(t, "vol", nasSpec)
			w.fill(t, "app")
			w.served(t, pv, "")
			id, held := w.ordered(t, w.isSaved(t, pv), pv)
			test.first.Service, test.first.Operation, test.first.Count = simhbr.FaultJobs, simhbr.FaultRestore, 1
			w.fault(t, test.first)
			w.fault(t, lost("CreateRestoreJob"))

			if got := w.untilFilled(t, id, held); got.Err != "" {
				t.Errorf("progress %+v, want that the volume is whole", got)
			}
			w.wantInventory(t, 0, 1, test.running)
			if jobs, err := w.sim.HBR().RestoreJobs(); err != nil || len(jobs) != 2 {
				t.Errorf("restore jobs %v, error %v, want two", jobs, err)
			}
		})
	}
}

// TestNoOtherJobOfTheCloudWritesIntoAVolumeThatIsWhole has another process have begun a job of Cloud Backup itself, which
// it did not live to note.
func TestNoOtherJobOfTheCloudWritesIntoAVolumeThatIsWhole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		other fault.Rule
		// beside is added to the directory that the other job writes into.
		beside string
		// whole is when the volume is, after its own job has ended.
		whole time.Duration
	}{
		"the other job takes longer":                      {other: fault.Rule{Latency: 5 * time.Minute}, whole: 5 * time.Minute},
		"the other job fails meanwhile":                   {other: fault.Rule{Status: 500, Latency: 5 * time.Minute}, whole: 5 * time.Minute},
		"the other job hangs":                             {other: fault.Rule{Stall: time.Hour}, whole: 11 * time.Minute},
		"the other job writes into a directory beside it": {other: fault.Rule{Stall: time.Hour}, beside: "-2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"restoreTimeout": "10m"})
			pv := nasDirectory("nas-1", "/app")
			w.fill(t, "app")
			id := w.beginRestore(t, w.backedUp(t, pv), pv)
			wanted, _ := parsePendingID(id)
			_, api := current(t, w.process(t))
			if _, err := wanted.find(t.Context(), api); err != nil {
				t.Fatal(err)
			}
			test.other.Service, test.other.Operation = simhbr.FaultJobs, simhbr.FaultRestore
			w.fault(t, test.other)
			wanted.target.path += test.beside
			if _, err := api.CreateRestoreJob(t.Context(), restoreRequest(wanted.snapshot, wanted.made, wanted.target)); err != nil {
				t.Fatal(err)
			}

			held := hold(t, w.process(t), pv, id)
			if err := w.time.Sleep(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
			got := w.progress(t, id, held)
			if waits := test.whole > 0; got.Completed == waits || waits && !strings.Contains(got.Description, "which may write into this volume too, to end") {
				t.Errorf("progress %+v when its own job has ended", got)
			}
			if err := w.time.Sleep(t.Context(), test.whole); err != nil {
				t.Fatal(err)
			}
			if got := w.progress(t, id, held); !got.Completed || got.Err != "" {
				t.Errorf("progress %+v after %s, want that the volume is whole", got, test.whole)
			}
		})
	}
}

// TestPollsAtTheSameTimeBeginOneJob has Velero's poll and what has volumes be filled before that, which are in the same
// process, ask for a volume at the same time.
func TestPollsAtTheSameTimeBeginOneJob(t *testing.T) {
	t.Parallel()
	for name, scene := range scenes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, pv := scene.world(t)
			id, held := w.ordered(t, w.isSaved(t, pv), pv)
			s := w.process(t)
			w.whenRunning(t, func() (bool, error) {
				var polls sync.WaitGroup
				for range 4 {
					polls.Go(func() {
						if got, err := s.Progress(t.Context(), theRestore(), w.config, id, held); err != nil || got.Completed {
							t.Logf("progress %+v, error %v", got, err) // What keeps a volume waiting may be told so.
						}
					})
				}
				polls.Wait()
				return false, nil
			})
			if jobs, err := w.sim.HBR().RestoreJobs(); err != nil || len(jobs) != 1 {
				t.Errorf("restore jobs %v, error %v, want one", jobs, err)
			}
		})
	}
}

// waitedLong has what is temporary be waited for since an hour.
func (w *nodeWorld) waitedLong(t *testing.T) {
	t.Helper()
	var pods corev1.PodList
	var claims corev1.PersistentVolumeClaimList
	for _, list := range []client.ObjectList{&pods, &claims} {
		if err := w.api.List(t.Context(), list, client.InNamespace(veleroNamespace), client.HasLabels{"alibabacloud.com/hbr-run"}); err != nil {
			t.Fatal(err)
		}
	}
	var all []client.Object
	for i := range pods.Items {
		all = append(all, &pods.Items[i])
	}
	for i := range claims.Items {
		all = append(all, &claims.Items[i])
	}
	for _, object := range all {
		object.GetAnnotations()["alibabacloud.com/hbr-since"] = time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
		if err := w.api.Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatIsNotThereInTime holds that what a job needs in the cluster and does not get is
// told with the reason, and that nothing is left of it.
func TestWhatIsNotThereInTime(t *testing.T) {
	t.Parallel()
	noStock := node.Faults{Provision: func(*corev1.PersistentVolumeClaim) error { return errors.New("no stock") }}
	noMount := node.Faults{Mount: func(*corev1.Pod, *corev1.PersistentVolume) error { return errors.New("no route to host") }}
	noImage := node.Faults{Pull: func(string) error { return errors.New("not found") }}
	for name, test := range map[string]struct {
		spec, to string
		faults   node.Faults
		// ofBackup says that it happens while the volume is backed up.
		ofBackup bool
		want     string
	}{
		"a claim whose class makes volumes at once": {
			spec: nasSpec, to: "nas", faults: noStock,
			want: `create cluster resources timeout: wait for created tmp pvc velero/velero-hbr-<mark> for convertion bound time out: ` + //nolint:misspell // So the backup center writes it.
				`ProvisioningFailed: failed to provision volume with StorageClass "nas": no stock`,
		},
		"a claim whose class waits for a Pod": {
			spec: nasSpec, to: "essd", faults: noStock,
			want: `create cluster resources timeout: wait for created tmp pvc velero/velero-hbr-<mark> for convertion bound time out: ` + //nolint:misspell // So the backup center writes it.
				`ProvisioningFailed: failed to provision volume with StorageClass "essd": no stock`,
		},
		"a volume that cannot be mounted to be restored": {
			spec: nasSpec, faults: noMount,
			want: `create cluster resources timeout: the pod velero/velero-hbr-<mark> does not run on node node-1: ` +
				`FailedMount: MountVolume.SetUp failed for volume "velero-hbr-<mark>" : no route to host`,
		},
		"a volume that cannot be mounted to be backed up": {
			spec: nasSpec, faults: noMount, ofBackup: true,
			want: `create cluster resources timeout: the pod velero/velero-hbr-<mark> does not run on node node-1: ` +
				`FailedMount: MountVolume.SetUp failed for volume "velero-hbr-<mark>" : no route to host`,
		},
		"an image that is not there": {
			spec: nasSpec, faults: noImage,
			want: `create cluster resources timeout: the pod velero/velero-hbr-<mark> does not run on node node-1: ` +
				`Failed: Failed to pull image "velero-plugin-alibabacloud": not found`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scene{spec: test.spec + ", storageClassName: old", to: test.to}
			w, pv := s.world(t)
			poll := func() (velero.OperationProgress, error) { return w.pollBackup(t, pv.Name) }
			discard := func() {}
			if test.ofBackup {
				w.nodes.SetFaults(test.faults)
				w.backUp(t, w.process(t), pv)
			} else {
				id, held := w.ordered(t, w.isSaved(t, pv), pv)
				poll = func() (velero.OperationProgress, error) { return w.pollRestore(t, id, held) }
				discard = func() { w.discarded(t, id, held); w.wantNothingOfRestores(t) }
				w.nodes.SetFaults(test.faults)
			}
			w.polled(t, 4, poll)
			if got, err := poll(); err != nil || got.Completed {
				t.Errorf("progress %+v, error %v, want that it is waited for", got, err)
			}
			w.waitedLong(t)
			got, err := poll()
			if text := tempNames.ReplaceAllString(got.Err, "velero-hbr-<mark>"); err != nil || !strings.Contains(text, test.want) {
				t.Errorf("progress %+v, error %v, want the error %q", got, err, test.want)
			}
			w.settle(t)
			discard()
			w.wantNoTemporary(t)
		})
	}
}

// TestWhatNeverBegins holds that what is waited for is waited for as long as the location says.
func TestWhatNeverBegins(t *testing.T) {
	t.Parallel()
	crash := node.Faults{Crash: func(pod *corev1.Pod) error { return ofClient(pod.Name, "out of memory") }}
	t.Run("a backup", func(t *testing.T) {
		t.Parallel()
		w, pv := scene{spec: nasSpec, mounted: true, config: map[string]string{"backupTimeout": "10m"}}.world(t)
		w.nodes.SetFaults(crash)
		begun := find[velerov1.Backup](t, w, veleroNamespace, "b-1")
		begun.Status.StartTimestamp = &metav1.Time{Time: w.time.Now()}
		if err := w.api.Update(t.Context(), begun); err != nil {
			t.Fatal(err)
		}
		w.backUp(t, w.process(t), pv)
		const want = "the backup of the volume has not begun after 10m0s (config key backupTimeout)"
		if got := w.untilSaved(t, pv.Name); !strings.Contains(got.Err, want) || !strings.Contains(got.Err, "CrashLoopBackOff") {
			t.Errorf("outcome %+v, want the error %q with the reason", got, want)
		}
		w.wantNoTemporary(t)
		w.wantInventory(t, 0, 0, 0)
	})
	t.Run("a backup of a volume that is deleted", func(t *testing.T) {
		t.Parallel()
		w, pv := scene{spec: nasSpec}.world(t)
		w.backUp(t, w.process(t), pv)
		w.polled(t, 1, func() (velero.OperationProgress, error) { return w.pollBackup(t, pv.Name) })
		w.forget(t, pv.Name)
		if got, err := w.pollBackup(t, pv.Name); err != nil || !got.Completed || !strings.Contains(got.Err, "not found") {
			t.Errorf("progress %+v, error %v, want that the volume is not found", got, err)
		}
		w.settle(t)
		w.wantNoTemporary(t)
	})
	t.Run("a restore", func(t *testing.T) {
		t.Parallel()
		w, pv := scene{spec: nasSpec, config: map[string]string{"restoreTimeout": "10m"}}.world(t)
		id, held := w.ordered(t, w.isSaved(t, pv), pv)
		w.nodes.SetFaults(crash)
		w.settle(t)
		restore := theRestore()
		restore.Status.StartTimestamp = &metav1.Time{Time: w.time.Now()}
		got := w.until(t, func() (velero.OperationProgress, error) {
			return w.process(t).Progress(t.Context(), restore, w.config, id, held)
		})
		const want = "the restore of the volume has not begun after 10m0s (config key restoreTimeout)"
		if !strings.Contains(got.Err, want) || !strings.Contains(got.Err, "CrashLoopBackOff") {
			t.Errorf("outcome %+v, want the error %q with the reason", got, want)
		}
		w.discarded(t, id, held)
		w.wantNothingOfRestores(t)
	})
	t.Run("a restore whose job stops halfway", func(t *testing.T) {
		t.Parallel()
		w, pv := scene{spec: nasSpec, config: map[string]string{"restoreTimeout": "10m"}}.world(t)
		id, held := w.ordered(t, w.isSaved(t, pv), pv)
		w.fault(t, fault.Rule{Service: simhbr.FaultJobs, Operation: simhbr.FaultRestore, Stall: time.Hour})
		const want = "has not ended after 10m0s (config key restoreTimeout)"
		if got := w.untilFilled(t, id, held); !strings.Contains(got.Err, want) {
			t.Errorf("outcome %+v, want the error %q", got, want)
		}
		w.discarded(t, id, held)
		w.wantNothingOfRestores(t)
	})
}
