// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// setPhase sets the phase of the Backup daily, or deletes it if the phase is empty. The process
// that has made it is over with its sweep.
func (w *world) setPhase(t *testing.T, phase velerov1.BackupPhase) {
	t.Helper()
	siteOf(t, w.Snapshotter).sweep.Wait(t.Context())
	w.becomes(t, phase)
}

// becomes sets the phase of the Backup daily while its process may go on.
func (w *world) becomes(t *testing.T, phase velerov1.BackupPhase) {
	t.Helper()
	backup := &velerov1.Backup{}
	if err := w.api.Get(t.Context(), client.ObjectKey{Namespace: veleroNamespace, Name: "daily"}, backup); err != nil {
		t.Fatal(err)
	}
	var err error
	if phase == "" {
		err = w.api.Delete(t.Context(), backup)
	} else {
		backup.Status.Phase = phase
		err = w.api.Update(t.Context(), backup)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// next makes another backup of a disk, in another process, which sweeps until it ends.
func (w *world) next(t *testing.T) string {
	t.Helper()
	w.create(t, backupNamed("next", velerov1.BackupPhaseInProgress))
	s := w.process(t, nil)
	defer s.End(t.Context())
	return backUp(t, s, "next", w.addDisk(t, simecs.DiskConfig{}))
}

// blocked is a cluster whose backups are told only when released is closed.
type blocked struct {
	Cluster
	released chan struct{}
}

func (b blocked) Backups(ctx context.Context) ([]velerov1.Backup, error) {
	select {
	case <-b.released:
		return b.Cluster.Backups(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestNoSnapshotWaitsForTheSweep(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	w.create(t, backupNamed("next", velerov1.BackupPhaseInProgress))
	left := backUp(t, w.Snapshotter, "daily", w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil))
	w.setPhase(t, velerov1.BackupPhaseFailed)
	released := make(chan struct{})
	s := New(w.log, w.clients, blocked{cluster.New(w.api, veleroNamespace), released}, w.targets, noVariables)
	if err := s.Init(w.config); err != nil {
		t.Fatal(err)
	}
	first, second := backUp(t, s, "next", w.addDisk(t, simecs.DiskConfig{})), backUp(t, s, "next", w.addDisk(t, simecs.DiskConfig{}))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.End(ended) // It waits no longer than its caller lets it.
	if diff := cmp.Diff(slices.Sorted(slices.Values([]string{left, first, second})), w.ecs.Inventory(account).Snapshots); diff != "" {
		t.Errorf("before the sweep (-want +got):\n%s", diff)
	}
	close(released)
	s.End(t.Context())
	if diff := cmp.Diff(slices.Sorted(slices.Values([]string{first, second})), w.ecs.Inventory(account).Snapshots); diff != "" {
		t.Errorf("after the sweep (-want +got):\n%s", diff)
	}
}

func TestLeftoversOfABackup(t *testing.T) {
	t.Parallel()
	const single, asked, unasked = "d-single", "d-0", "d-1"
	all := []string{single, asked, unasked}
	tests := []struct {
		name  string
		phase velerov1.BackupPhase // empty for a backup that is absent
		want  []string
	}{
		{"all of a failed one goes", velerov1.BackupPhaseFailed, nil},
		{"of a completed one, what it did not ask for", velerov1.BackupPhaseCompleted, []string{single, asked}},
		{"of a partially failed one, what it did not ask for", velerov1.BackupPhasePartiallyFailed, []string{single, asked}},
		{"nothing of one that has not ended", velerov1.BackupPhaseInProgress, all},
		{"nothing of one whose operations go on", velerov1.BackupPhaseWaitingForPluginOperations, all},
		{"nothing of one that is being completed", velerov1.BackupPhaseFinalizing, all},
		{"nothing of one that is being deleted", velerov1.BackupPhaseDeleting, all},
		{"nothing of one that is absent", "", all},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t))
			w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{})
			w.addVolume(t, simecs.DiskConfig{ID: single}, "shop/logs", nil)
			backUp(t, w.Snapshotter, "daily", single)
			backUp(t, w.Snapshotter, "daily", asked)
			w.setPhase(t, tt.phase)
			w.next(t)
			var left []string
			for _, made := range w.ecs.Snapshots() {
				if slices.Contains(all, made.DiskID) {
					left = append(left, made.DiskID)
				}
			}
			slices.Sort(left)
			want := slices.Sorted(slices.Values(tt.want))
			if diff := cmp.Diff(want, left); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if gone := len(w.groups()) == 0; gone != (tt.want == nil) {
				t.Errorf("groups %v", w.groups())
			}
		})
	}
}

func TestOthersSnapshotsAreNotSwept(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	w.setPhase(t, velerov1.BackupPhaseFailed)
	own := map[string]string{tagCluster: clusterID, tagBackupUID: "uid-daily", tagBackup: "daily"}
	without := func(change map[string]string) map[string]string {
		tags := maps.Clone(own)
		maps.Copy(tags, change)
		return tags
	}
	for id, tags := range map[string]map[string]string{
		"s-failed":       own,
		"s-othercluster": without(map[string]string{tagCluster: "another"}),
		"s-otherbackup":  without(map[string]string{tagBackupUID: "uid-of-an-earlier-daily"}),
		"s-official":     {tagBackup: "daily"},
		"s-foreign":      nil,
	} {
		if _, err := w.ecs.AddSnapshot(simecs.SnapshotConfig{ID: id, Account: account, Region: home, Disk: "d-x", Size: 20, Tags: tags}); err != nil {
			t.Fatal(err)
		}
	}
	made := w.next(t)
	want := []string{"cn-hangzhou/s-foreign", "cn-hangzhou/s-official", "cn-hangzhou/s-otherbackup", "cn-hangzhou/s-othercluster", made}
	slices.Sort(want)
	if diff := cmp.Diff(want, w.ecs.Inventory(account).Snapshots); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestASweepCostsOneCallWhereNothingFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, backupNamed("completed", velerov1.BackupPhaseCompleted), backupNamed("partial", velerov1.BackupPhasePartiallyFailed))
	w.create(t, backupNamed("next", velerov1.BackupPhaseInProgress))
	for range 2 {
		backUp(t, w.Snapshotter, "next", w.addVolume(t, simecs.DiskConfig{}, "shop/data"+w.addDisk(t, simecs.DiskConfig{}), nil))
	}
	w.End(t.Context())
	want := map[string]int{"DescribeSnapshotGroups": 1, "DescribeSnapshots": 0, "CreateSnapshot": 2}
	got := map[string]int{}
	for operation := range want {
		got[operation] = w.count(operation)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestASweepThatFailsCostsNoBackup(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	backUp(t, w.Snapshotter, "daily", w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil))
	w.setPhase(t, velerov1.BackupPhaseFailed)
	w.fail(t, fault.Rule{Operation: "DeleteSnapshot", Status: 500, Code: "InternalError"})
	w.next(t)
	const message = "Snapshots of failed backups may be left; the next backup looks for them again, and their retention ends them"
	logged := 0
	for _, entry := range w.logged.AllEntries() {
		if entry.Message == message {
			logged++
		}
	}
	if logged != 1 || len(w.ecs.Snapshots()) != 2 {
		t.Errorf("logged %d times, snapshots %v", logged, w.ecs.Inventory(account).Snapshots)
	}
}

func TestAGroupWithoutMembersIsSwept(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disk := w.addGroup(t, simecs.DiskConfig{})[0]
	w.fail(t, fault.Rule{Operation: "TagResources", Status: 500, Code: "InternalError"})
	backUp(t, w.Snapshotter, "daily", disk)
	w.setPhase(t, velerov1.BackupPhasePartiallyFailed)
	w.next(t)
	if left := w.groups(); len(left) != 0 {
		t.Errorf("groups %v, want none", left)
	}
}

func TestMembersThatCouldNotBeMarkedAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPolicy(t, backupCenterPolicy))
	w.create(t, backupNamed("daily", velerov1.BackupPhaseInProgress))
	disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{})
	for _, disk := range disks {
		backUp(t, w.Snapshotter, "daily", disk)
	}
	before := w.ecs.Inventory(account).Snapshots
	w.setPhase(t, velerov1.BackupPhaseCompleted)
	made := w.next(t)
	want := slices.Sorted(slices.Values(append(before, made)))
	if diff := cmp.Diff(want, w.ecs.Inventory(account).Snapshots); diff != "" {
		t.Errorf("snapshots of members that could not be marked (-want +got):\n%s", diff)
	}
}

func TestWithoutItsIDAClusterSweepsNothing(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disk := w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil)
	backUp(t, w.Snapshotter, "daily", disk)
	w.setPhase(t, velerov1.BackupPhaseFailed)
	if err := w.api.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem}}); err != nil {
		t.Fatal(err)
	}
	w.next(t)
	if made := w.ecs.Snapshots(); len(made) != 2 {
		t.Errorf("snapshots %v, want both", w.ecs.Inventory(account).Snapshots)
	}
}

func TestTheEndOfAProcess(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	w.create(t, backupNamed("weekly", velerov1.BackupPhaseInProgress))
	disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{}, simecs.DiskConfig{})
	var want []string
	for _, disk := range disks[:2] {
		want = append(want, backUp(t, w.Snapshotter, "daily", disk))
	}
	before := w.ecs.Inventory(account).Snapshots
	other := w.process(t, nil)
	backUp(t, other, "weekly", disks[0])
	for _, id := range w.ecs.Inventory(account).Snapshots {
		if !slices.Contains(before, id) {
			want = append(want, id) // They are the other process's.
		}
	}
	w.End(t.Context())
	slices.Sort(want)
	if diff := cmp.Diff(want, w.ecs.Inventory(account).Snapshots); diff != "" {
		t.Errorf("snapshots (-want +got):\n%s", diff)
	}
}

func TestTheEndCallsNothingWhereThereIsNothingToDelete(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		disks func(*testing.T, *world) []string
	}{
		{"no backup", func(*testing.T, *world) []string { return nil }},
		{"a backup without groups", func(t *testing.T, w *world) []string {
			t.Helper()
			return []string{w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil)}
		}},
		{"a group of which the backup asked for all", func(t *testing.T, w *world) []string {
			t.Helper()
			return w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{})
		}},
		{"a group that was not cut", func(t *testing.T, w *world) []string {
			t.Helper()
			return w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{Zone: otherZone})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t))
			for _, disk := range tt.disks(t, w) {
				backUp(t, w.Snapshotter, "daily", disk)
			}
			siteOf(t, w.Snapshotter).sweep.Wait(t.Context())
			before := w.calls()
			w.End(t.Context())
			if diff := cmp.Diff(before, w.calls()); diff != "" {
				t.Errorf("calls (-before +after):\n%s", diff)
			}
		})
	}
}

// TestWhatVeleroHasIsNotDeleted gives the end of a process a list that does not show the newest tags yet.
func TestWhatVeleroHasIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	var ids []string
	for _, disk := range w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{}, simecs.DiskConfig{}) {
		ids = append(ids, w.snapshotInfo(t, backUp(t, w.Snapshotter, "daily", disk)).ID)
	}
	api, err := siteOf(t, w.Snapshotter).api(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	late := snapshotGroup{members: map[string]string{"d-0": ids[0], "d-1": ids[1], "d-2": ids[2]}, asked: ids[:1]}
	if err := siteOf(t, w.Snapshotter).dropUnasked(t.Context(), api, late, map[string]bool{ids[0]: true, ids[1]: true}); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(slices.Values([]string{home + "/" + ids[0], home + "/" + ids[1]}))
	if diff := cmp.Diff(want, w.ecs.Inventory(account).Snapshots); diff != "" {
		t.Errorf("snapshots (-want +got):\n%s", diff)
	}
}

func TestTheEndLeavesAGroupWhoseMembersCannotBeMarked(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t, mayNot(t, "ecs:TagResources")))
	disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{}, simecs.DiskConfig{})
	for _, disk := range disks[:2] {
		if id := backUp(t, w.Snapshotter, "daily", disk); strings.HasPrefix(id, refusedPrefix) {
			t.Errorf("id %q", id)
		}
	}
	w.End(t.Context())
	if left := w.ecs.Inventory(account).Snapshots; len(left) != len(disks) {
		t.Errorf("snapshots %v, want all %d", left, len(disks))
	}
	if calls := w.count("TagResources"); calls != 1 {
		t.Errorf("%d calls of TagResources, want one for the group", calls)
	}
}

func TestAnEndThatFailsLeavesTheRestToTheNextBackup(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{})
	backUp(t, w.Snapshotter, "daily", disks[0])
	siteOf(t, w.Snapshotter).sweep.Wait(t.Context())
	w.fail(t, fault.Rule{Operation: "DescribeSnapshotGroups", Status: 500, Code: "InternalError"})
	w.End(t.Context())
	if got := w.ecs.Snapshots(); len(got) != 2 {
		t.Errorf("snapshots %v, want both", got)
	}
	if last := w.logged.LastEntry(); last == nil || last.Message != "Members of consistency groups are left to the next backup" {
		t.Errorf("the last message is %+v", last)
	}
}
