// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// snapshotSeconds is how long the snapshots of newBackup take.
const snapshotSeconds = 100

// newBackup returns a world with the Backup daily in progress, whose snapshots take time.
func newBackup(t *testing.T) *world {
	t.Helper()
	return running(t, newWorld(t, lasting(simecs.Durations{Snapshot: seconds(snapshotSeconds)})))
}

// pollSnapshot asks for the progress of the snapshot of a disk, in a process of its own as
// Velero does.
func (w *world) pollSnapshot(t *testing.T, disk string) velero.OperationProgress {
	t.Helper()
	progress, err := w.process(t, nil).SnapshotProgress(t.Context(), backupNamed("daily", ""), w.config, "pv-"+disk, disk)
	if err != nil {
		t.Fatal(err)
	}
	return progress
}

// notesLeft are the texts that are noted.
func (w *world) notesLeft(t *testing.T) []string {
	t.Helper()
	var found corev1.ConfigMapList
	if err := w.api.List(t.Context(), &found); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for i := range found.Items {
		texts = append(texts, found.Items[i].Data["text"])
	}
	return texts
}

// bare returns the id of a snapshot as ECS knows it.
func bare(t *testing.T, id string) string {
	t.Helper()
	parsed, err := parseSnapshotID(id, home)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.id
}

func TestABackupWaitsUntilItsSnapshotIsAccomplished(t *testing.T) {
	t.Parallel()
	w := newBackup(t)
	disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1", Size: 40}, "shop/data", nil)
	began := w.time.Now()
	id := backUp(t, w.Snapshotter, "daily", disk)
	description := "snapshot " + bare(t, id) + " of the disk d-1 of 40 GiB, kept for 30 days"
	for _, percent := range []int64{0, 40, 80, 100} {
		want := velero.OperationProgress{
			Completed: percent == whole, NCompleted: percent, NTotal: whole, OperationUnits: "%",
			Description: description, Started: began, Updated: w.time.Now(),
		}
		if diff := gocmp.Diff(want, w.pollSnapshot(t, disk), cmpopts.EquateApproxTime(time.Minute)); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		w.wait(t, snapshotSeconds*time.Second*2/5)
	}
	if left := w.notesLeft(t); left != nil {
		t.Errorf("noted is still %q", left)
	}
	// Who was told may have been killed before Velero knew it.
	if again := w.pollSnapshot(t, disk); !again.Completed || again.Err != "" || again.Description != description {
		t.Errorf("asked again: %+v", again)
	}
}

// TestWhatBecameOfASnapshot holds that its absence alone proves nothing.
func TestWhatBecameOfASnapshot(t *testing.T) {
	t.Parallel()
	const whatFailed, object = "create ECS snapshot failed: ", " (disk d-1)"
	none := func(*testing.T, *world, string) {}
	tests := []struct {
		name string
		// take asks for the snapshot, before happens; its id is the one that Velero keeps.
		take    func(t *testing.T, w *world) string
		happens func(t *testing.T, w *world, id string)
		waits   time.Duration
		// want has ID for the id of the snapshot.
		want velero.OperationProgress
		// deleted says that the poll deletes the snapshot.
		deleted bool
	}{
		{
			name: "was never asked for", take: func(*testing.T, *world) string { return "" }, happens: none,
			want: velero.OperationProgress{Completed: true, Description: "no snapshot of the volume is being taken"},
		},
		{
			name: "was refused", take: backUpOne,
			happens: func(t *testing.T, _ *world, id string) {
				t.Helper()
				if !strings.HasPrefix(id, refusedPrefix) {
					t.Fatalf("the id is %s", id)
				}
			},
			want: velero.OperationProgress{Completed: true, Err: whatFailed + "calling ecs:CreateSnapshot"},
		},
		{
			name: "is not listed yet", take: backUpOne, happens: remove, waits: listedAfter - time.Second,
			want: velero.OperationProgress{NTotal: 100, OperationUnits: "%", Description: "waiting for the snapshot of the disk to be listed"},
		},
		{
			name: "was deleted meanwhile", take: backUpOne, happens: remove, waits: listedAfter,
			want: velero.OperationProgress{Completed: true, Err: whatFailed + "the snapshot ID is not there: somebody has deleted it, its retention is over (config key retentionDays), or a condition of the RAM policy hides it; back up again" + object},
		},
		{
			name: "was asked for by a process that was killed, and is not listed yet", take: killedBefore, happens: none, waits: listedAfter - time.Second,
			want: velero.OperationProgress{NTotal: 100, OperationUnits: "%", Description: "waiting for the snapshot of the disk to be listed"},
		},
		{
			name: "was asked for by a process that was killed, and was not made", take: killedBefore, happens: none, waits: listedAfter,
			want: velero.OperationProgress{Completed: true, Err: whatFailed + "the plugin was ended while it asked ECS for the snapshot, and there is none: back up again" + object},
		},
		{
			name: "was made, and its maker was killed before it told Velero", waits: snapshotSeconds * time.Second, deleted: true,
			take: func(t *testing.T, w *world) string { t.Helper(); return forgotten(t, w, killedBefore) }, happens: none,
			want: velero.OperationProgress{Completed: true, Err: whatFailed + "the plugin was ended while it asked ECS for the snapshot, of which Velero does not know; it was deleted: back up again" + object},
		},
		{
			name: "was made, and nothing could be noted", waits: snapshotSeconds * time.Second,
			take: func(t *testing.T, w *world) string { t.Helper(); return forgotten(t, w, nil) }, happens: none,
			want: velero.OperationProgress{
				Completed: true, NCompleted: 100, NTotal: 100, OperationUnits: "%", Description: "snapshot ID of the disk d-1 of 20 GiB, kept for 30 days",
			},
		},
		{
			name: "has failed", take: backUpOne,
			happens: func(t *testing.T, w *world, id string) {
				t.Helper()
				if err := w.ecs.FailSnapshot(bare(t, id)); err != nil {
					t.Fatal(err)
				}
			},
			want: velero.OperationProgress{Completed: true, Err: whatFailed + "the snapshot ID has failed in ECS: back up again; if it persists give its id to Alibaba Cloud's support" + object},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newBackup(t)
			w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
			if tt.name == "was refused" {
				w.fail(t, fault.Rule{Operation: "CreateSnapshot", Status: http.StatusForbidden, Code: "QuotaExceed.Snapshot"})
			}
			id := tt.take(t, w)
			tt.happens(t, w, id)
			w.wait(t, tt.waits)
			before := len(w.ecs.Snapshots())
			got := w.pollSnapshot(t, "d-1")
			if deleted := len(w.ecs.Snapshots()) < before; deleted != tt.deleted {
				t.Errorf("that the poll deletes the snapshot is %t, want %t", deleted, tt.deleted)
			}
			if tt.name == "was refused" {
				got.Err = got.Err[:min(len(got.Err), len(tt.want.Err))]
			}
			if id != "" {
				known := strings.NewReplacer(id, "ID", strings.TrimPrefix(id, home+"/"), "ID")
				got.Err, got.Description = known.Replace(got.Err), known.Replace(got.Description)
			}
			if diff := gocmp.Diff(tt.want, got, cmpopts.IgnoreFields(velero.OperationProgress{}, "Started", "Updated")); diff != "" {
				t.Errorf("progress (-want +got):\n%s", diff)
			}
			if left := w.notesLeft(t); (left == nil) != (got.Completed && got.Err == "") {
				t.Errorf("noted is %q after %+v", left, got)
			}
		})
	}
}

func backUpOne(t *testing.T, w *world) string {
	t.Helper()
	return backUp(t, w.Snapshotter, "daily", "d-1")
}

// remove deletes the snapshot that Velero has.
func remove(t *testing.T, w *world, id string) {
	t.Helper()
	api, err := siteOf(t, w.Snapshotter).api(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := deleteSnapshot(t.Context(), api, bare(t, id)); err != nil {
		t.Fatal(err)
	}
}

// killedBefore is a process that is killed before ECS has its request.
func killedBefore(t *testing.T, w *world) string {
	t.Helper()
	siteOf(t, w.Snapshotter).noteAttempt(t.Context(), backupNamed("daily", ""), "pv-d-1", attempt{At: w.time.Now()})
	return ""
}

// forgotten takes the snapshot, and leaves noted what instead does.
func forgotten(t *testing.T, w *world, instead func(*testing.T, *world) string) string {
	t.Helper()
	id := backUpOne(t, w)
	if err := w.api.DeleteAllOf(t.Context(), &corev1.ConfigMap{}, client.InNamespace(veleroNamespace)); err != nil {
		t.Fatal(err)
	}
	if instead != nil {
		instead(t, w)
	}
	return id
}

func TestASnapshotThatIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	w := newBackup(t)
	disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
	w.config["waitForSnapshot"] = "false"
	backUp(t, w.process(t, nil), "daily", disk)
	if got := w.pollSnapshot(t, disk); !got.Completed || got.NCompleted != 0 || got.Err != "" {
		t.Errorf("progress %+v, want one that is over", got)
	}
}

func TestTheMembersOfAGroupAreWaitedFor(t *testing.T) {
	t.Parallel()
	for name, tagged := range map[string]bool{"that carry their tags": true, "that cannot be tagged": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBackup(t)
			disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{})
			if !tagged {
				w.fail(t, fault.Rule{Operation: "TagResources", Status: http.StatusForbidden, Code: "Forbidden.RAM"})
			}
			for _, disk := range disks {
				id := backUp(t, w.Snapshotter, "daily", disk)
				if got := w.pollSnapshot(t, disk); got.Completed || !strings.HasPrefix(got.Description, "snapshot "+bare(t, id)+" of the disk "+disk) ||
					strings.HasSuffix(got.Description, "kept until it is deleted, cut with the consistency group shop/db") != tagged {
					t.Errorf("progress %+v", got)
				}
			}
			w.wait(t, snapshotSeconds*time.Second)
			for _, disk := range disks {
				if got := w.pollSnapshot(t, disk); !got.Completed || got.Err != "" {
					t.Errorf("progress %+v", got)
				}
			}
		})
	}
}

func TestAPollAsksECSOnceForAllSnapshots(t *testing.T) {
	t.Parallel()
	w := newBackup(t)
	const volumes, polls = 30, 100
	var disks []string
	for i := range volumes {
		disk := w.addVolume(t, simecs.DiskConfig{ID: fmt.Sprintf("d-%d", i)}, fmt.Sprintf("shop/data-%d", i), nil)
		backUp(t, w.Snapshotter, "daily", disk)
		disks = append(disks, disk)
	}
	before := len(w.calls())
	for range polls {
		poller := w.process(t, nil)
		for _, disk := range disks {
			got, err := poller.SnapshotProgress(t.Context(), backupNamed("daily", ""), w.config, "pv-"+disk, disk)
			if err != nil || got.Completed {
				t.Fatalf("progress %+v, error %v", got, err)
			}
		}
	}
	calls := w.calls()[before:]
	if want := slices.Repeat([]string{"DescribeSnapshots in cn-hangzhou"}, polls); !slices.Equal(want, calls) {
		t.Errorf("%d calls, want one in each of %d polls: %q", len(calls), polls, slices.Compact(calls))
	}
}

func TestWhatHindersAPoll(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		rule   fault.Rule
		passes bool
		want   string
	}{
		{"a service that is not available", fault.Rule{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"}, true, "ServiceUnavailable"},
		{"throttling that outlasts the call", fault.Rule{Status: http.StatusForbidden, Code: "Throttling.User"}, true, "Throttling.User"},
		{"a connection that is reset", fault.Rule{Reset: true}, true, "connection reset by peer"},
		{"a permission that is missing", fault.Rule{Status: http.StatusForbidden, Code: "Forbidden.RAM"}, false, "the ECS-snapshot related ram policy is missing: grant ecs:DescribeSnapshots"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newBackup(t)
			disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
			backUp(t, w.Snapshotter, "daily", disk)
			tt.rule.Operation = "DescribeSnapshots"
			w.fail(t, tt.rule)
			for range 3 {
				poller := w.processThatSleeps(t, func(context.Context, time.Duration) error { return context.DeadlineExceeded })
				got, err := poller.SnapshotProgress(t.Context(), backupNamed("daily", ""), w.config, "pv-d-1", disk)
				if !tt.passes {
					if !got.Completed || !strings.Contains(got.Err, tt.want) || err != nil {
						t.Errorf("progress %+v, error %v, want one that is over for %q", got, err, tt.want)
					}
					return
				}
				if diff := gocmp.Diff(velero.OperationProgress{}, got); diff != "" || err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q; progress (-want +got):\n%s", err, tt.want, diff)
				}
			}
			w.sim.Faults().Clear()
			w.wait(t, snapshotSeconds*time.Second)
			if got := w.pollSnapshot(t, disk); !got.Completed || got.Err != "" {
				t.Errorf("progress %+v, want that of a snapshot that is accomplished", got)
			}
		})
	}
}

func TestASnapshotIsCanceled(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		take    func(t *testing.T, w *world) string
		happens func(t *testing.T, w *world, id string)
		waits   time.Duration
		left    int
	}{
		{name: "that is under way", take: backUpOne},
		{name: "that is accomplished stays", take: backUpOne, waits: snapshotSeconds * time.Second, left: 1},
		{name: "that somebody has deleted", take: backUpOne, happens: remove},
		{name: "whose maker was killed before it noted its id", take: func(t *testing.T, w *world) string { t.Helper(); return forgotten(t, w, killedBefore) }},
		{
			name: "that is accomplished goes where Velero does not know of it", waits: snapshotSeconds * time.Second,
			take: func(t *testing.T, w *world) string { t.Helper(); return forgotten(t, w, killedBefore) },
		},
		{name: "that was not made", take: killedBefore},
		{name: "that was never asked for", take: func(*testing.T, *world) string { return "" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newBackup(t)
			w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
			id := tt.take(t, w)
			if tt.happens != nil {
				tt.happens(t, w, id)
			}
			w.wait(t, tt.waits)
			for range 2 {
				if err := w.process(t, nil).CancelSnapshot(t.Context(), backupNamed("daily", ""), w.config, "pv-d-1", "d-1"); err != nil {
					t.Fatal(err)
				}
			}
			if left := w.ecs.Snapshots(); len(left) != tt.left {
				t.Errorf("the snapshots are %v, want %d", left, tt.left)
			}
			if noted := w.notesLeft(t); noted != nil {
				t.Errorf("noted is still %q", noted)
			}
		})
	}
}

func TestAMemberOfAGroupIsCanceledAlone(t *testing.T) {
	t.Parallel()
	w := newBackup(t)
	disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{})
	for _, disk := range disks {
		backUp(t, w.Snapshotter, "daily", disk)
	}
	for i, disk := range disks {
		if err := w.process(t, nil).CancelSnapshot(t.Context(), backupNamed("daily", ""), w.config, "pv-"+disk, disk); err != nil {
			t.Fatal(err)
		}
		if left := w.ecs.Snapshots(); len(left) != len(disks)-1-i {
			t.Errorf("after %d were canceled the snapshots are %v", i+1, left)
		}
	}
	if groups := w.groups(); groups != nil {
		t.Errorf("the groups are %v, want none", groups)
	}
}

func TestWhatCannotBeNoted(t *testing.T) {
	t.Parallel()
	w := newBackup(t)
	disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
	down := errors.New("down")
	s := w.processWith(t, interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return down },
	})
	id := backUp(t, s, "daily", disk)
	if info := w.snapshotInfo(t, id); info.DiskID != disk {
		t.Errorf("the snapshot is %+v", info)
	}
	const told = "Nobody may know whether the snapshot of the volume succeeds"
	if diff := gocmp.Diff([]string{told, told}, w.messages(logrus.ErrorLevel)); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

// TestASnapshotThatCannotBeNotedAsMadeIsNone is about a snapshot that a poll would delete, for it
// could not know that Velero was told.
func TestASnapshotThatCannotBeNotedAsMadeIsNone(t *testing.T) {
	t.Parallel()
	w := newBackup(t)
	disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
	down := errors.New("down")
	s := w.processWith(t, interceptor.Funcs{
		Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error { return down },
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return down
		},
	})
	if id := backUp(t, s, "daily", disk); !strings.HasPrefix(id, refusedPrefix) || !strings.Contains(id, "did not store the note of the snapshot") {
		t.Errorf("Velero keeps %q, want a refusal", id)
	}
	if left := w.ecs.Snapshots(); len(left) != 0 {
		t.Errorf("the snapshots are %+v, want none", left)
	}
	w.wait(t, listedAfter)
	if got := w.pollSnapshot(t, disk); !got.Completed || !strings.Contains(got.Err, "back up again") {
		t.Errorf("progress %+v, want one that failed", got)
	}
}

// TestANoteThatStaysCostsNothing is about a role that may make ConfigMaps and not delete them.
func TestANoteThatStaysCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, backupNamed("daily", velerov1.BackupPhaseInProgress))
	disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
	backUp(t, w.Snapshotter, "daily", disk)
	s := w.processWith(t, interceptor.Funcs{
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
			return errors.New("forbidden")
		},
	})
	for range 2 {
		got, err := s.SnapshotProgress(t.Context(), backupNamed("daily", ""), w.config, "pv-d-1", disk)
		if err != nil || !got.Completed || got.Err != "" {
			t.Errorf("progress %+v, error %v, want that of a snapshot that is accomplished", got, err)
		}
	}
}

// TestASnapshotThatWasAccomplishedSinceThePollIsNotCanceled is about Velero, which asks for the
// progress and then cancels, in one process.
func TestASnapshotThatWasAccomplishedSinceThePollIsNotCanceled(t *testing.T) {
	t.Parallel()
	w := newBackup(t)
	disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
	id := backUp(t, w.Snapshotter, "daily", disk)
	w.wait(t, (snapshotSeconds-1)*time.Second)
	poller := w.process(t, nil)
	if got, err := poller.SnapshotProgress(t.Context(), backupNamed("daily", ""), w.config, "pv-d-1", disk); err != nil || got.Completed {
		t.Fatalf("progress %+v, error %v", got, err)
	}
	w.wait(t, time.Second)
	if err := poller.CancelSnapshot(t.Context(), backupNamed("daily", ""), w.config, "pv-d-1", disk); err != nil {
		t.Fatal(err)
	}
	if info := w.snapshotInfo(t, id); info.Status != "accomplished" {
		t.Errorf("the snapshot is %+v", info)
	}
}

// TestARefusalIsToldThoughTheCloudIsGone is about what hinders a snapshot, and then the question.
func TestARefusalIsToldThoughTheCloudIsGone(t *testing.T) {
	t.Parallel()
	w := newBackup(t)
	disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
	w.fail(t, fault.Rule{Operation: "CreateSnapshot", Status: http.StatusForbidden, Code: "DiskInArrears"})
	backUp(t, w.Snapshotter, "daily", disk)
	w.fail(t, fault.Rule{Operation: "Describe*", Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"})
	if got := w.pollSnapshot(t, disk); !got.Completed || !strings.Contains(got.Err, "DiskInArrears") {
		t.Errorf("progress %+v, want the refusal", got)
	}
}

// processWith returns the Snapshotter of a process whose calls to the API server are intercepted.
func (w *world) processWith(t *testing.T, funcs interceptor.Funcs) *Snapshotter {
	t.Helper()
	withWatch, ok := w.api.(client.WithWatch)
	if !ok {
		t.Fatalf("the client is %T", w.api)
	}
	s := New(w.log, w.clients, cluster.New(interceptor.NewClient(withWatch, funcs), veleroNamespace), w.targets, noVariables)
	if err := s.Init(w.config); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestANoteThatIsNoneOfOurs(t *testing.T) {
	t.Parallel()
	w := newBackup(t)
	disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
	backUp(t, w.Snapshotter, "daily", disk)
	var found corev1.ConfigMapList
	if err := w.api.List(t.Context(), &found); err != nil {
		t.Fatal(err)
	}
	found.Items[0].Data["text"] = "{"
	if err := w.api.Update(t.Context(), &found.Items[0]); err != nil {
		t.Fatal(err)
	}
	_, err := w.process(t, nil).SnapshotProgress(t.Context(), backupNamed("daily", ""), w.config, "pv-d-1", disk)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) || !strings.Contains(err.Error(), "reading what was noted of the PersistentVolume pv-d-1") {
		t.Errorf("error %v", err)
	}
}

func TestAVolumeWhoseDataIsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pv := pvOf(w.diskInfo(t, w.addDisk(t, simecs.DiskConfig{ID: "d-1"})), "shop/data")
	for want, annotations := range map[string]map[string]string{"d-1": nil, "": {volume.AnnotationLeftOut: "daily: nobody mounts it"}} {
		pv.Annotations = annotations
		id, err := w.GetVolumeID(item(t, pv))
		at, atErr := w.VolumeAt(w.config, pv)
		if id != want || at != want || err != nil || atErr != nil {
			t.Errorf("GetVolumeID() = %q, %v, VolumeAt() = %q, %v, want %q", id, err, at, atErr, want)
		}
	}
}

func TestALocationThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := map[string]string{"colour": "red"}
	_, volumeErr := w.VolumeAt(config, &corev1.PersistentVolume{})
	_, progressErr := w.SnapshotProgress(t.Context(), &velerov1.Backup{}, config, "pv", "d-1")
	for call, err := range map[string]error{
		"VolumeAt": volumeErr, "SnapshotProgress": progressErr,
		"CancelSnapshot": w.CancelSnapshot(t.Context(), &velerov1.Backup{}, config, "pv", "d-1"),
	} {
		if err == nil || !strings.Contains(err.Error(), "colour") {
			t.Errorf("%s: error %v, want one that names the key", call, err)
		}
	}
}

func TestASnapshotOfWhichNoAnswerComes(t *testing.T) {
	t.Parallel()
	const (
		lost = "create ECS snapshot failed: calling ecs:CreateSnapshot in cn-hangzhou: "
		made = "; ECS had made the snapshot all the same, and it was deleted: back up again"
	)
	tests := []struct {
		name string
		rule fault.Rule
		// waits is the time until the poll.
		waits time.Duration
		// want is the progress, whose error only begins and ends so.
		want         velero.OperationProgress
		begins, ends string
	}{
		{
			name: "one that was made is deleted, for Velero was told of a refusal", rule: fault.Rule{Reset: true},
			want: velero.OperationProgress{Completed: true}, begins: lost, ends: made,
		},
		{
			name: "one that may have been made is waited for", rule: fault.Rule{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"},
			waits: listedAfter - time.Second,
			want:  velero.OperationProgress{NTotal: 100, OperationUnits: "%", Description: "waiting for the snapshot of the disk to be listed"},
		},
		{
			name: "one that was not made has failed for the reason that was told", rule: fault.Rule{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"},
			waits: listedAfter,
			want:  velero.OperationProgress{Completed: true}, begins: lost + "service returned error: StatusCode=503", ends: "give the request id to Alibaba Cloud's support",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newBackup(t)
			w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
			tt.rule.Operation = "CreateSnapshot"
			w.fail(t, tt.rule)
			if id := backUpOne(t, w); !strings.HasPrefix(id, refusedPrefix) {
				t.Fatalf("the id is %s", id)
			}
			w.wait(t, tt.waits)
			got := w.pollSnapshot(t, "d-1")
			if !strings.HasPrefix(got.Err, tt.begins) || !strings.HasSuffix(got.Err, tt.ends) || (got.Err == "") != (tt.begins == "") {
				t.Errorf("error %q, want %q … %q", got.Err, tt.begins, tt.ends)
			}
			if diff := gocmp.Diff(tt.want, got, cmpopts.IgnoreFields(velero.OperationProgress{}, "Started", "Updated", "Err")); diff != "" {
				t.Errorf("progress (-want +got):\n%s", diff)
			}
			if left := w.ecs.Snapshots(); len(left) != 0 {
				t.Errorf("left are %+v", left)
			}
		})
	}
}
