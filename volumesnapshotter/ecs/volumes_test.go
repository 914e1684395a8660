// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

func keyOf(object client.Object) client.ObjectKey { return client.ObjectKeyFromObject(object) }

// wait lets time pass.
func (w *world) wait(t *testing.T, d time.Duration) {
	t.Helper()
	if err := w.time.Sleep(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

// poll asks for the progress of a volume, in a process of its own as Velero does.
func (w *world) poll(t *testing.T, restore *velerov1.Restore, id string) velero.OperationProgress {
	t.Helper()
	progress, err := w.process(t, nil).Progress(t.Context(), restore, w.config, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	return progress
}

// checkProgress checks what a poll tells, where description is not empty.
func (w *world) checkProgress(t *testing.T, restore *velerov1.Restore, id, description string, percent int64) velero.OperationProgress {
	t.Helper()
	progress := w.poll(t, restore, id)
	if description == "" {
		return progress
	}
	want := velero.OperationProgress{
		Completed: percent == whole, NCompleted: percent, NTotal: whole, OperationUnits: percentUnit,
		Description: description, Started: progress.Started, Updated: w.time.Now(),
	}
	if diff := gocmp.Diff(want, progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	return progress
}

// again is the Restore in progress.
func again() *velerov1.Restore { return restoreNamed("again", velerov1.RestorePhaseInProgress) }

func TestADiskThatNeverBecomesWhole(t *testing.T) {
	t.Parallel()
	t.Run("because ECS fails to make it", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t, lasting(simecs.Durations{CreateDisk: seconds(60)}))
		_, backup := w.backUpVolume(t, simecs.DiskConfig{})
		w.ecs.FailNextDisks(1)
		id := restored(t, w.Snapshotter, backup)
		w.checkProgress(t, again(), id, "disk "+id+" is being created", 0)
		w.wait(t, time.Minute)
		want := velero.OperationProgress{
			Completed: true,
			Err:       "restore disk from ECS snapshot failed: disk " + id + " is not there: ECS could not make it, or somebody has deleted it (volume " + id + ")",
		}
		if diff := gocmp.Diff(want, w.poll(t, again(), id)); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		// The next restore has a disk of its own.
		next := w.nextRestore(t)
		other := restored(t, w.process(t, nil), backup)
		w.wait(t, time.Minute)
		if other == id {
			t.Errorf("the disk %s that failed is used again", id)
		}
		w.checkProgress(t, next, other, "disk "+other+" is ready", whole)
	})
	t.Run("because it takes too long", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t, lasting(simecs.Durations{CreateDisk: seconds(3600)}))
		w.config["diskTimeout"] = "5m"
		_, backup := w.backUpVolume(t, simecs.DiskConfig{})
		id := restored(t, w.process(t, nil), backup)
		w.wait(t, 5*time.Minute-2*time.Second)
		w.checkProgress(t, again(), id, "disk "+id+" is being created", 0)
		w.wait(t, 4*time.Second)
		want := velero.OperationProgress{
			Completed: true,
			Err:       "restore disk from ECS snapshot failed: disk " + id + " is still being created after 5m0s (config key diskTimeout) (volume " + id + ")",
		}
		if diff := gocmp.Diff(want, w.poll(t, again(), id)); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
	})
}

func TestAPendingDiskThatECSFailsToMake(t *testing.T) {
	t.Parallel()
	w := newRestore(t, lasting(simecs.Durations{Snapshot: seconds(60), CreateDisk: seconds(60)}))
	_, backup := w.backUpVolume(t, simecs.DiskConfig{Category: "cloud_ssd"})
	id := restored(t, w.process(t, nil), backup)
	w.wait(t, time.Minute)
	w.ecs.FailNextDisks(1)
	if progress := w.poll(t, again(), id); progress.Completed {
		t.Fatalf("progress %+v", progress)
	}
	disk := w.restoresOf(backup.snapshot)[0].ID
	w.wait(t, time.Minute)
	want := velero.OperationProgress{
		Completed: true,
		Err:       "restore disk from ECS snapshot failed: disk " + disk + " is not there: ECS could not make it, or somebody has deleted it (volume " + id + ")",
	}
	if diff := gocmp.Diff(want, w.poll(t, again(), id)); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	w.checkLeft(t, backup, 0)
}

func TestAVolumeIsNotFinishedInAZoneThatIsNotKnown(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	diskID, backup := w.backUpVolume(t, simecs.DiskConfig{})
	id := restored(t, w.process(t, nil), backup)
	pv := pvOf(w.diskInfo(t, diskID), claimed)
	w.fail(t, fault.Rule{Operation: "DescribeDisks", Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Count: 10})
	if finished, err := w.process(t, nil).Finish(t.Context(), again(), w.config, id, pv); err == nil {
		t.Errorf("the volume is finished as %v", finished)
	}
	if err := w.ecs.RemoveDisk(id); err != nil {
		t.Fatal(err)
	}
	if finished, err := w.process(t, nil).Finish(t.Context(), again(), w.config, id, pv); err == nil {
		t.Errorf("the volume of a disk that is gone is finished as %v", finished)
	}
}

func TestAFailureThatMayPassDoesNotEndAVolume(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	id := restored(t, w.Snapshotter, backup)
	w.fail(t, fault.Rule{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: "Come back later.", Count: 10})
	progress, err := w.process(t, nil).Progress(t.Context(), again(), w.config, id, nil)
	want := "restore disk from ECS snapshot failed: calling ecs:DescribeDisks in cn-hangzhou: service returned error: StatusCode=503, ErrorCode=ServiceUnavailable, " +
		`ErrorMessage="Come back later.", RequestId=… (volume ` + id + "): ECS failed every attempt: try again later; if it persists give the request id to Alibaba Cloud's support"
	if said(err) != want || progress.Completed {
		t.Errorf("progress %+v, error\n%q, want\n%q", progress, said(err), want)
	}
	w.checkProgress(t, again(), id, "disk "+id+" is ready", whole)
}

func TestALocationThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]map[string]string{
		"an unknown key": {"regoin": home},
		"no region":      {"notOnECS": "true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			for _, id := range []string{"d-1", "pending:cn-hangzhou/s-1"} {
				_, progressErr := w.Progress(t.Context(), again(), location, id, nil)
				_, finishErr := w.Finish(t.Context(), again(), location, id, pvOf(simecs.DiskInfo{}, claimed))
				for call, err := range map[string]error{
					"Progress": progressErr, "Finish": finishErr, "Discard": w.Discard(t.Context(), again(), location, id),
				} {
					if err == nil {
						t.Errorf("%s of %s is no error", call, id)
					}
				}
			}
			if calls := w.calls(); len(calls) != 0 {
				t.Errorf("ECS was called: %v", calls)
			}
		})
	}
}

func TestWhatIsDeniedIsNamed(t *testing.T) {
	t.Parallel()
	restore := func(t *testing.T, w *world, b backedUp) error {
		t.Helper()
		_, err := w.process(t, nil).CreateVolumeFromSnapshot(b.snapshot, b.kind, "", nil)
		return err
	}
	discard := func(t *testing.T, w *world, b backedUp) error {
		t.Helper()
		id := restored(t, w.process(t, nil), b)
		return w.process(t, nil).Discard(t.Context(), again(), w.config, id)
	}
	discardPending := func(t *testing.T, w *world, b backedUp) error {
		t.Helper()
		restored(t, w.process(t, nil), b)
		return w.process(t, nil).Discard(t.Context(), again(), w.config, "pending:"+b.snapshot)
	}
	tests := []struct {
		name, denied string
		isAway       bool
		do           func(*testing.T, *world, backedUp) error
	}{
		{"reading the snapshot", "ecs:DescribeSnapshots", false, restore},
		{"reading the copies", "ecs:DescribeSnapshots", true, restore},
		{"copying the snapshot", "ecs:CopySnapshot", true, restore},
		{"making the disk", "ecs:CreateDisk", false, restore},
		{"looking at the disk", "ecs:DescribeDisks", false, func(t *testing.T, w *world, b backedUp) error {
			t.Helper()
			progress := w.poll(t, again(), restored(t, w.process(t, nil), b))
			if !progress.Completed {
				t.Errorf("progress %+v", progress)
			}
			return errors.New(progress.Err)
		}},
		{"looking at the disk to discard", "ecs:DescribeDisks", false, discard},
		{"looking for the disks to discard", "ecs:DescribeDisks", false, discardPending},
		{"discarding the disk", "ecs:DeleteDisk", false, discard},
		{"discarding the disk of a pending volume", "ecs:DeleteDisk", false, discardPending},
		{"deleting a copy that has failed", "ecs:DeleteSnapshot", true, func(t *testing.T, w *world, b backedUp) error {
			t.Helper()
			id := restored(t, w.process(t, nil), b)
			if err := w.ecs.FailSnapshot(w.onlyCopy(t, b).ID); err != nil {
				t.Fatal(err)
			}
			return errors.New(w.poll(t, again(), id).Err)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			newWorld := newRestore
			if tt.isAway {
				newWorld = newAway
			}
			w := newWorld(t, mayNot(t, tt.denied))
			_, backup := w.backUpVolume(t, simecs.DiskConfig{})
			if tt.isAway {
				w.goAway(t, nil)
			}
			want := "the ECS-snapshot related ram policy is missing: grant " + tt.denied + " to the RAM user or role of the location"
			if err := tt.do(t, w, backup); !strings.Contains(said(err), want) {
				t.Errorf("error %v, want that it tells %q", err, want)
			}
		})
	}
}

func TestTheIDOfAVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pv := pvOf(simecs.DiskInfo{ID: "d-1"}, claimed)
	if got := w.VolumeID(pv); got != "d-1" {
		t.Errorf("the disk is %q", got)
	}
	pv.Spec.CSI.Driver = "ebs.csi.aws.com"
	if got := w.VolumeID(pv); got != "" {
		t.Errorf("the disk of another cloud is %q", got)
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	t.Run("waits for a disk that is being created", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t, lasting(simecs.Durations{CreateDisk: seconds(60)}))
		_, backup := w.backUpVolume(t, simecs.DiskConfig{})
		id := restored(t, w.Snapshotter, backup)
		began := w.time.Now()
		w.discard(t, id)
		if took := w.time.Now().Sub(began); took != time.Minute {
			t.Errorf("it took %v, want a minute", took)
		}
		w.checkLeft(t, backup, 0)
	})
	t.Run("gives up a disk that is being created when the time is over", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t, lasting(simecs.Durations{CreateDisk: seconds(60)}))
		_, backup := w.backUpVolume(t, simecs.DiskConfig{})
		id := restored(t, w.Snapshotter, backup)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		impatient := w.processThatSleeps(t, func(ctx context.Context, _ time.Duration) error {
			cancel()
			return ctx.Err()
		})
		if err := impatient.Discard(ctx, again(), w.config, id); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		w.checkLeft(t, backup, 1)
	})
	t.Run("deletes a disk that is ready", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t)
		_, backup := w.backUpVolume(t, simecs.DiskConfig{})
		w.discard(t, restored(t, w.Snapshotter, backup))
		w.checkLeft(t, backup, 0)
	})
	t.Run("leaves a disk that is attached", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t)
		_, backup := w.backUpVolume(t, simecs.DiskConfig{})
		id := restored(t, w.Snapshotter, backup)
		if err := w.ecs.Attach(id, "i-1"); err != nil {
			t.Fatal(err)
		}
		err := w.Discard(t.Context(), again(), w.config, id)
		if want := "delete unfinished disk failed: the disk is attached or was attached: it is left (volume " + id + ")"; said(err) != want {
			t.Errorf("error %q, want %q", said(err), want)
		}
		w.checkLeft(t, backup, 1)
	})
	t.Run("has nothing to do where there is nothing", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t)
		_, backup := w.backUpVolume(t, simecs.DiskConfig{})
		w.discard(t, "d-none")
		w.discard(t, "pending:"+backup.snapshot)
		w.discard(t, "pending:cn-beijing/s-none")
		w.checkLeft(t, backup, 0)
	})
	t.Run("deletes the disk that was made of a pending volume, and none of another restore", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t)
		_, backup := w.backUpVolume(t, simecs.DiskConfig{})
		restored(t, w.Snapshotter, backup)
		w.setRestorePhase(t, "again", velerov1.RestorePhaseCompleted)
		w.create(t, pvOf(w.restoresOf(backup.snapshot)[0], claimed), restoreNamed("next", velerov1.RestorePhaseInProgress))
		restored(t, w.process(t, nil), backup)
		w.checkLeft(t, backup, 2)
		w.discard(t, "pending:"+backup.snapshot)
		w.checkLeft(t, backup, 1)
	})
	t.Run("leaves a disk that another restore has made", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t)
		_, backup := w.backUpVolume(t, simecs.DiskConfig{})
		id := restored(t, w.Snapshotter, backup)
		err := w.process(t, nil).Discard(t.Context(), w.nextRestore(t), w.config, id)
		if want := "delete unfinished disk failed: the disk was not made by this restore: it is left (volume " + id + ")"; said(err) != want {
			t.Errorf("error %q, want %q", said(err), want)
		}
		w.checkLeft(t, backup, 1)
	})
	t.Run("leaves the disk of an application", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t)
		id := w.addDisk(t, simecs.DiskConfig{})
		if err := w.Discard(t.Context(), again(), w.config, id); !errors.Is(err, errInUse) {
			t.Errorf("error %v, want %v", err, errInUse)
		}
		w.diskInfo(t, id) // It is there.
	})
	t.Run("waits for a disk that is not listed yet", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t)
		shown := false
		s := w.processThatSleeps(t, func(ctx context.Context, d time.Duration) error {
			if !shown {
				shown = true
				w.addNewDisk(t, simecs.DiskConfig{ID: "d-late", Tags: map[string]string{tagRestoreUID: "uid-again"}})
			}
			return w.time.Sleep(ctx, d)
		})
		if err := s.Discard(t.Context(), again(), w.config, "d-late"); err != nil {
			t.Error(err)
		}
		if left := w.ecs.Inventory(account).Disks; !shown || len(left) != 0 {
			t.Errorf("the disks %v are left", left)
		}
	})
	t.Run("leaves a copy, which goes on and is used by the next restore", func(t *testing.T) {
		t.Parallel()
		w := newAway(t)
		_, backup := w.backUpVolume(t, simecs.DiskConfig{})
		w.goAway(t, nil)
		w.discard(t, restored(t, w.process(t, nil), backup))
		left := w.onlyCopy(t, backup)
		w.wait(t, copySeconds*time.Second)
		w.nextRestore(t)
		id := restored(t, w.process(t, nil), backup)
		if w.onlyCopy(t, backup).ID != left.ID || w.diskInfo(t, id).SourceSnapshotID != left.ID {
			t.Errorf("copies %v, of which the next restore has not used %s", w.copiesOf(backup), left.ID)
		}
	})
}

// discard discards a volume of the Restore again, in a process of its own.
func (w *world) discard(t *testing.T, id string) {
	t.Helper()
	if err := w.process(t, nil).Discard(t.Context(), again(), w.config, id); err != nil {
		t.Errorf("Discard(%s): %v", id, err)
	}
}

// checkLeft checks how many disks of a snapshot there are.
func (w *world) checkLeft(t *testing.T, backup backedUp, want int) {
	t.Helper()
	if left := w.restoresOf(backup.snapshot); len(left) != want {
		t.Errorf("there are the disks %v, want %d", left, want)
	}
}

// processThatSleeps returns the Snapshotter of a process with another way to sleep.
func (w *world) processThatSleeps(t *testing.T, sleep func(context.Context, time.Duration) error) *Snapshotter {
	t.Helper()
	return w.processIn(t, alicloud.Environment{Sleep: sleep, RPC: w.connections(t)})
}

// processOver returns the Snapshotter of a process that reaches the cloud over what wrap makes of the way there.
func (w *world) processOver(t *testing.T, wrap func(cloud http.RoundTripper) http.RoundTripper) *Snapshotter {
	t.Helper()
	return w.processIn(t, alicloud.Environment{Sleep: w.time.Sleep, RPC: &http.Client{Transport: wrap(w.connections(t).Transport)}})
}

// connections are those of one process to the cloud.
func (w *world) connections(t *testing.T) *http.Client {
	t.Helper()
	connections, err := w.sim.HTTPClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connections.CloseIdleConnections)
	return connections
}

// processIn returns the Snapshotter of a process with its own way to sleep and its own connections.
func (w *world) processIn(t *testing.T, environment alicloud.Environment) *Snapshotter {
	t.Helper()
	environment.Getenv, environment.Log, environment.Now = noVariables, w.log, w.time.Now
	s := New(w.log, alicloud.New(environment), cluster.New(w.api, veleroNamespace), w.targets, noVariables)
	if err := s.Init(w.config); err != nil {
		t.Fatal(err)
	}
	return s
}

// apiThatSleeps returns the ECS of a process with another way to sleep.
func (w *world) apiThatSleeps(t *testing.T, sleep func(context.Context, time.Duration) error) *alicloud.ECS {
	t.Helper()
	api, err := siteOf(t, w.processThatSleeps(t, sleep)).api(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return api
}
