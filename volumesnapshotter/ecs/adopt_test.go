// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// The restores that these tests begin again were killed: their processes forget what
// they made, and nothing is in the cluster.

func TestARestoreThatIsRetriedMakesOneDisk(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// dies is what hinders the process from going on.
		dies fault.Rule
	}{
		{"killed before CreateDisk", fault.Rule{Operation: "CreateDisk", Status: http.StatusInternalServerError, Code: "InternalError", Count: 10}},
		{"killed after CreateDisk, before it had the answer", fault.Rule{Operation: "CreateDisk", Reset: true, Count: 10}},
		{"killed after it had the answer", fault.Rule{}},
	}
	for _, tt := range tests {
		for _, retry := range []string{"by the same Restore", "by another Restore"} {
			t.Run(tt.name+", retried "+retry, func(t *testing.T) {
				t.Parallel()
				w := newRestore(t)
				diskID, backup := w.backUpVolume(t, simecs.DiskConfig{Category: "cloud_auto", Size: 40, ProvisionedIOPS: 100, Tags: map[string]string{"team": "shop"}})
				if tt.dies.Operation != "" {
					w.fail(t, tt.dies)
				}
				restored(t, w.process(t, nil), backup)
				t.Logf("before: %+v", w.ecs.Inventory(account))
				owner := "again"
				if retry == "by another Restore" {
					owner = w.nextRestore(t).Name
				}
				id := restored(t, w.process(t, nil), backup)
				t.Logf("after: %+v", w.ecs.Inventory(account))
				want := []string{"cn-hangzhou/" + diskID, "cn-hangzhou/" + id}
				if len(w.restoresOf(backup.snapshot)) != 1 || len(w.ecs.Disks()) != len(want) {
					t.Errorf("the account has the disks %v, want %v", w.ecs.Inventory(account).Disks, want)
				}
				if tags := w.diskInfo(t, id).Tags; tags[tagRestore] != owner || tags[tagRestoreUID] != "uid-"+owner {
					t.Errorf("the disk is tagged as that of the restore %s, want %s", tags[tagRestore], owner)
				}
			})
		}
	}
}

func TestWhichDisksAreAdopted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// happens to the disk of the first restore, before the second one.
		happens func(*testing.T, *world, string)
		target  diskspec.Target
		adopted bool
		// left says that the first disk stays beside that of the second restore.
		left bool
	}{
		{"that of a restore that has ended", endRestore, diskspec.Target{}, true, false},
		{"that of a target that names a key and no encryption", endRestore, diskspec.Target{KMSKeyID: ownKey}, true, false},
		{
			"that of a restore that is gone", func(t *testing.T, w *world, _ string) {
				t.Helper()
				if err := w.api.Delete(t.Context(), again()); err != nil {
					t.Fatal(err)
				}
			}, diskspec.Target{}, true, false,
		},
		{
			"not that of a volume", func(t *testing.T, w *world, id string) {
				t.Helper()
				endRestore(t, w, id)
				w.create(t, pvOf(w.diskInfo(t, id), claimed))
			}, diskspec.Target{}, false, true,
		},
		{
			"not that of another Velero in the cluster", func(t *testing.T, w *world, id string) {
				t.Helper()
				endRestore(t, w, id)
				w.tag(t, id, map[string]string{tagVelero: "velero-of-others"})
			}, diskspec.Target{}, false, true,
		},
		{
			"not that of another Velero in the cluster, which is not deleted either", func(t *testing.T, w *world, id string) {
				t.Helper()
				endRestore(t, w, id)
				w.tag(t, id, map[string]string{tagVelero: "velero-of-others"})
			}, diskspec.Target{SizeGiB: 21}, false, true,
		},
		{
			"not one that is attached", func(t *testing.T, w *world, id string) {
				t.Helper()
				endRestore(t, w, id)
				if err := w.ecs.Attach(id, "i-1"); err != nil {
					t.Fatal(err)
				}
			}, diskspec.Target{}, false, true,
		},
		{
			"not one that was attached", func(t *testing.T, w *world, id string) {
				t.Helper()
				endRestore(t, w, id)
				if err := w.ecs.Attach(id, "i-1"); err != nil {
					t.Fatal(err)
				}
				if err := w.ecs.Detach(id); err != nil {
					t.Fatal(err)
				}
			}, diskspec.Target{}, false, true,
		},
		{
			"not that of a restore that waits for its operations", func(t *testing.T, w *world, _ string) {
				t.Helper()
				w.setRestorePhase(t, "again", velerov1.RestorePhaseWaitingForPluginOperations)
			}, diskspec.Target{}, false, true,
		},
		{"not one of another type, which is deleted", endRestore, diskspec.Target{Types: typesOf("cloud_auto")}, false, false},
		{"not one of another size, which is deleted", endRestore, diskspec.Target{SizeGiB: 21}, false, false},
		{"not one in another zone, which is deleted", endRestore, diskspec.Target{Zones: []string{otherZone}}, false, false},
		{"not one without encryption, which is deleted", endRestore, diskspec.Target{Encrypted: new(true)}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			_, backup := w.backUpVolume(t, simecs.DiskConfig{})
			first := restored(t, w.process(t, nil), backup)
			tt.happens(t, w, first)
			w.create(t, restoreNamed("next", velerov1.RestorePhaseInProgress))
			w.targets[claimed] = tt.target
			second := restored(t, w.process(t, nil), backup)
			if got := second == first; got != tt.adopted {
				t.Errorf("the disk %s was adopted: %v", first, got)
			}
			want := 1
			if tt.left {
				want = 2
			}
			w.checkLeft(t, backup, want)
		})
	}
}

// tag tags a disk, as somebody else does.
func (w *world) tag(t *testing.T, diskID string, tags map[string]string) {
	t.Helper()
	api, err := siteOf(t, w.Snapshotter).api(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := addTags(t.Context(), api, resourceDisk, diskID, tags); err != nil {
		t.Fatal(err)
	}
}

// interrupted are connections on which something happens right after the first answer to an action.
type interrupted struct {
	http.RoundTripper
	action  string
	happens func()
	once    *sync.Once
}

func (i interrupted) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := i.RoundTripper.RoundTrip(request)
	if isCallOf(request, i.action) {
		i.once.Do(i.happens)
	}
	return answer, err
}

func isCallOf(request *http.Request, action string) bool {
	for key, values := range request.Header { // The SDK does not write the key as Header.Get looks for it.
		if http.CanonicalHeaderKey(key) == "X-Acs-Action" && slices.Contains(values, action) {
			return true
		}
	}
	return false
}

// processThatIsInterrupted returns the Snapshotter of a process to whose world something happens after its first call of
// an action.
func (w *world) processThatIsInterrupted(t *testing.T, action string, happens func()) *Snapshotter {
	t.Helper()
	return w.processOver(t, func(cloud http.RoundTripper) http.RoundTripper {
		return interrupted{cloud, action, happens, new(sync.Once)}
	})
}

func TestADiskThatChangesWhileItIsAdopted(t *testing.T) {
	t.Parallel()
	attach := func(t *testing.T, w *world, id string) {
		t.Helper()
		if err := w.ecs.Attach(id, "i-1"); err != nil {
			t.Error(err)
		}
	}
	takeAway := func(t *testing.T, w *world, id string) {
		t.Helper()
		w.tag(t, id, map[string]string{tagRestoreUID: "uid-of-another"})
	}
	remove := func(t *testing.T, w *world, id string) {
		t.Helper()
		if err := w.ecs.RemoveDisk(id); err != nil {
			t.Error(err)
		}
	}
	// The first call of DescribeDisks is the list of the unused ones.
	const listed, marked = "DescribeDisks", "TagResources"
	tests := []struct {
		name, after string
		happens     func(*testing.T, *world, string)
		target      diskspec.Target
		// left is how many disks there are in the end.
		left int
	}{
		{"it is attached after it was listed", listed, attach, diskspec.Target{}, 2},
		{"another restore takes it after it was listed", listed, takeAway, diskspec.Target{}, 2},
		{"another restore takes it at the same time", marked, takeAway, diskspec.Target{}, 2},
		{"it is deleted after it was listed", listed, remove, diskspec.Target{}, 1},
		{"it is deleted after it was tagged", marked, remove, diskspec.Target{}, 1},
		{"it does not suit, and is attached after it was listed", listed, attach, diskspec.Target{SizeGiB: 21}, 2},
		{"it does not suit, and another restore takes it after it was listed", listed, takeAway, diskspec.Target{SizeGiB: 21}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			_, backup := w.backUpVolume(t, simecs.DiskConfig{})
			first := restored(t, w.process(t, nil), backup)
			w.nextRestore(t)
			w.targets[claimed] = tt.target
			happened := false
			second := restored(t, w.processThatIsInterrupted(t, tt.after, func() {
				happened = true
				tt.happens(t, w, first)
			}), backup)
			if second == first || !happened {
				t.Errorf("the next restore has the disk %s as well, though something happened to it: %t", first, happened)
			}
			w.checkLeft(t, backup, tt.left)
		})
	}
}

func TestADiskThatCannotBeReadBeforeItIsAdopted(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]diskspec.Target{"one that suits": {}, "one that does not suit": {SizeGiB: 21}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			_, backup := w.backUpVolume(t, simecs.DiskConfig{})
			restored(t, w.process(t, nil), backup)
			w.nextRestore(t)
			w.targets[claimed] = target
			w.fail(t, fault.Rule{Operation: "DescribeDisks", Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Skip: 1, Count: 10})
			if id := restored(t, w.process(t, nil), backup); !strings.HasPrefix(id, pendingPrefix) {
				t.Errorf("the volume is %s, want one that is made later", id)
			}
			w.checkLeft(t, backup, 1)
		})
	}
}

func TestADiskInUseIsAttached(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		disk *sdk.DescribeDisksResponseBodyDisksDisk
		want bool
	}{
		{"one that several instances have", &sdk.DescribeDisksResponseBodyDisksDisk{Status: new("In_use")}, true},
		{"one of an instance", &sdk.DescribeDisksResponseBodyDisksDisk{Status: new("Available"), InstanceId: new("i-1")}, true},
		{"one that was attached", &sdk.DescribeDisksResponseBodyDisksDisk{Status: new("Available"), AttachedTime: new("2026-01-01T00:00:00Z")}, true},
		{"one that was detached", &sdk.DescribeDisksResponseBodyDisksDisk{Status: new("Available"), DetachedTime: new("2026-01-01T00:00:00Z")}, true},
		{"a new one", &sdk.DescribeDisksResponseBodyDisksDisk{Status: new("Available")}, false},
		{"one that is being made", &sdk.DescribeDisksResponseBodyDisksDisk{Status: new("Creating")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := diskOf(tt.disk).attached; got != tt.want {
				t.Errorf("attached: %t, want %t", got, tt.want)
			}
		})
	}
}

func endRestore(t *testing.T, w *world, _ string) {
	t.Helper()
	w.setRestorePhase(t, "again", velerov1.RestorePhasePartiallyFailed)
}

func TestOneOfSeveralUnusedDisksIsAdopted(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	restored(t, w.process(t, nil), backup)
	w.create(t, restoreNamed("side", velerov1.RestorePhaseNew))
	// Two restores that ran at once, which Velero does not do now, and both died.
	w.setRestorePhase(t, "again", velerov1.RestorePhaseWaitingForPluginOperations)
	w.setRestorePhase(t, "side", velerov1.RestorePhaseInProgress)
	restored(t, w.process(t, nil), backup)
	w.checkLeft(t, backup, 2)
	w.setRestorePhase(t, "side", velerov1.RestorePhaseFailed)
	w.nextRestore(t)
	restored(t, w.process(t, nil), backup)
	w.checkLeft(t, backup, 1)
}

func TestADiskIsAdoptedByOneRestoreAfterTheOther(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	first := restored(t, w.process(t, nil), backup)
	w.nextRestore(t)
	second := restored(t, w.process(t, nil), backup)
	w.setRestorePhase(t, "next", velerov1.RestorePhaseFailed)
	w.create(t, restoreNamed("last", velerov1.RestorePhaseInProgress))
	if third := restored(t, w.process(t, nil), backup); second != first || third != first {
		t.Errorf("the restores have the disks %s, %s and %s", first, second, third)
	}
}

func TestAnotherRestoreOfTheSameNameHasADiskOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	first := restored(t, w.process(t, nil), backup)
	namesake := again()
	namesake.UID = "uid-namesake"
	if err := w.api.Delete(t.Context(), again()); err != nil {
		t.Fatal(err)
	}
	w.create(t, pvOf(w.diskInfo(t, first), claimed), namesake)
	if second := restored(t, w.process(t, nil), backup); second == first {
		t.Errorf("both restores have the disk %s", first)
	}
}

func TestTheUnusedDiskOfALargeBackupIsFound(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	first := restored(t, w.process(t, nil), backup)
	for range 3 * maxIDs / 2 {
		w.addDisk(t, simecs.DiskConfig{Tags: map[string]string{tagCluster: clusterID, tagBackupUID: "uid-daily"}})
	}
	w.nextRestore(t)
	if second := restored(t, w.process(t, nil), backup); second != first {
		t.Errorf("the next restore has the disk %s besides %s", second, first)
	}
}

func TestADiskThatCannotBeDeletedIsLeft(t *testing.T) {
	t.Parallel()
	w := newRestore(t, mayNot(t, "ecs:DeleteDisk"))
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	restored(t, w.process(t, nil), backup)
	w.nextRestore(t)
	w.targets[claimed] = diskspec.Target{SizeGiB: 40}
	restored(t, w.process(t, nil), backup)
	w.checkLeft(t, backup, 2)
	if diff := gocmp.Diff([]string{"An unused disk is left"}, w.messages(logrus.WarnLevel)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestARestoreThatMayNotReadDisks(t *testing.T) {
	t.Parallel()
	w := newRestore(t, mayNot(t, "ecs:DescribeDisks"))
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	first := restored(t, w.process(t, nil), backup)
	if second := restored(t, w.process(t, nil), backup); second != first {
		t.Errorf("the restore has the disks %s and %s", first, second)
	}
}

func TestADiskThatCannotBeTaggedIsAdopted(t *testing.T) {
	t.Parallel()
	w := newRestore(t, mayNot(t, "ecs:TagResources"))
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	first := restored(t, w.process(t, nil), backup)
	w.nextRestore(t)
	if second := restored(t, w.process(t, nil), backup); second != first {
		t.Errorf("the next restore has the disk %s besides %s", second, first)
	}
}

func TestADiskIsNotUsedBeforeItIsTagged(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	first := restored(t, w.process(t, nil), backup)
	next := w.nextRestore(t)
	w.fail(t, fault.Rule{Operation: "TagResources", Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Count: 10})
	id := restored(t, w.process(t, nil), backup)
	if want := "pending:" + backup.snapshot + "?type=cloud_essd.PL1"; id != want {
		t.Errorf("the volume is %s, want %s", id, want)
	}
	w.checkProgress(t, next, id, "disk "+first+" is ready", whole)
	w.checkLeft(t, backup, 1)
}

func TestAVolumeThatAdoptsADiskIsFinishedWithIt(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	left := restored(t, w.process(t, nil), backup)
	next := w.nextRestore(t)
	w.fail(t, fault.Rule{Operation: "DescribeSnapshots", Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Count: 10})
	id := restored(t, w.process(t, nil), backup)
	// Velero asks for both in one process, the one right after the other.
	poller := w.process(t, nil)
	progress, err := poller.Progress(t.Context(), next, w.config, id, nil)
	if err != nil || !progress.Completed || progress.Err != "" {
		t.Fatalf("progress %+v of %s, error %v", progress, id, err)
	}
	finished, err := poller.Finish(t.Context(), next, w.config, id, pvOf(simecs.DiskInfo{ID: id}, claimed))
	if err != nil {
		t.Fatal(err)
	}
	if got := finished.Spec.CSI.VolumeHandle; got != left {
		t.Errorf("the volume has the disk %s, want %s, which was waited for", got, left)
	}
	w.checkLeft(t, backup, 1)
}
