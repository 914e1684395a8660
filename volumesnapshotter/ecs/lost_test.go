// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// The calls of these tests are carried out, and their first answer is lost. No later attempt
// asks ECS for anything, so that what the call failed with in the end says nothing of it.

// hindrance is why no attempt at a call but the first gets to ECS.
type hindrance struct {
	name string
	// process returns a process whose calls of an action meet it.
	process func(t *testing.T, w *world, action string) *Snapshotter
}

func hindrances() []hindrance {
	return []hindrance{{"an outage", processInAnOutage}, {"throttling that outlasts the call", throttledProcess}}
}

// outage are connections of which none can be made for a second call of an action.
type outage struct {
	http.RoundTripper
	action string
	begun  *atomic.Bool
}

func (o outage) RoundTrip(request *http.Request) (*http.Response, error) {
	if isCallOf(request, o.action) && o.begun.Swap(true) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return o.RoundTripper.RoundTrip(request)
}

func processInAnOutage(t *testing.T, w *world, action string) *Snapshotter {
	t.Helper()
	return w.processOver(t, func(cloud http.RoundTripper) http.RoundTripper { return outage{cloud, action, new(atomic.Bool)} })
}

func throttledProcess(t *testing.T, w *world, action string) *Snapshotter {
	t.Helper()
	w.fail(t, fault.Rule{Operation: action, Status: http.StatusForbidden, Code: "Throttling.User", Skip: 1, Count: 1})
	var slept atomic.Bool
	return w.processThatSleeps(t, func(context.Context, time.Duration) error {
		if slept.Swap(true) {
			return context.DeadlineExceeded
		}
		return nil
	})
}

func TestASnapshotWhoseAnswerIsLostIsLookedForWhateverComesAfter(t *testing.T) {
	t.Parallel()
	for _, after := range hindrances() {
		t.Run(after.name, func(t *testing.T) {
			t.Parallel()
			w := newBackup(t)
			w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
			w.fail(t, fault.Rule{Operation: "CreateSnapshot", Reset: true, Count: 1})
			if id := backUp(t, after.process(t, w, "CreateSnapshot"), "daily", "d-1"); !strings.HasPrefix(id, refusedPrefix) {
				t.Fatalf("the id is %s", id)
			}
			if made := w.ecs.Snapshots(); len(made) != 1 {
				t.Fatalf("ECS has made the snapshots %+v, want one", made)
			}
			const want = "; ECS had made the snapshot all the same, and it was deleted: back up again"
			if got := w.pollSnapshot(t, "d-1"); !got.Completed || !strings.HasSuffix(got.Err, want) {
				t.Errorf("progress %+v, want one that ends with %q", got, want)
			}
			if left := w.ecs.Snapshots(); len(left) != 0 {
				t.Errorf("left are %+v", left)
			}
		})
	}
}

func TestADiskWhoseAnswerIsLostIsInItsVolumeWhateverComesAfter(t *testing.T) {
	t.Parallel()
	for _, after := range hindrances() {
		t.Run(after.name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			_, backup := w.backUpVolume(t, simecs.DiskConfig{})
			w.fail(t, fault.Rule{Operation: "CreateDisk", Reset: true, Count: 1})
			id := restored(t, after.process(t, w, "CreateDisk"), backup)
			if !strings.HasPrefix(id, pendingPrefix) {
				t.Errorf("the volume is %s, want one that is made later", id)
			}
			made := w.restoresOf(backup.snapshot)
			if len(made) != 1 {
				t.Fatalf("ECS has made the disks %v, want one", made)
			}
			w.checkProgress(t, again(), id, "disk "+made[0].ID+" is ready", whole)
			w.checkLeft(t, backup, 1)
		})
	}
}

func TestACopyWhoseAnswerIsLostIsNotedThoughAnOutageFollows(t *testing.T) {
	t.Parallel()
	w := newAway(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	atHome := w.process(t, nil)
	w.goAway(t, nil)
	w.fail(t, fault.Rule{Operation: "CopySnapshot", Reset: true, Count: 1})
	id := restored(t, processInAnOutage(t, w, "CopySnapshot"), backup)
	w.onlyCopy(t, backup)
	w.poll(t, again(), id) // Goes on from the copy that there is.
	if err := atHome.DeleteSnapshot(backup.snapshot); err != nil {
		t.Fatal(err)
	}
	if left := w.ecs.Inventory(account).Snapshots; len(left) != 0 {
		t.Errorf("the backup that was deleted in its own region leaves %v", left)
	}
}
