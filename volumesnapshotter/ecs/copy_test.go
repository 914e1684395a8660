// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"fmt"
	"maps"
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

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	simaccount "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// copySeconds is how long copies take.
const copySeconds = 600

// newAway returns a world in which the Restore again runs in another region than the
// backups, and copies of snapshots take ten minutes. Its own Snapshotter is that of the
// region of the backups; w.config becomes that of the other one by goAway.
func newAway(t *testing.T, changes ...func(*cloudsim.Config)) *world {
	t.Helper()
	w := newWorld(t, append([]func(*cloudsim.Config){withKeys, lasting(simecs.Durations{Copy: seconds(copySeconds)})}, changes...)...)
	w.create(t,
		backupNamed("daily", velerov1.BackupPhaseCompleted), restoreNamed("again", velerov1.RestorePhaseInProgress),
		nodeIn(awayZone), nodeIn("cn-beijing-l"))
	return w
}

// goAway makes the processes that follow those of the other region.
func (w *world) goAway(t *testing.T, more map[string]string) {
	t.Helper()
	w.config = locationIn(t, away, more)
	w.sim.Journal().Reset()
}

// copiesOf returns the copies of a snapshot.
func (w *world) copiesOf(b backedUp) []simecs.SnapshotInfo {
	return slices.DeleteFunc(w.ecs.Snapshots(), func(s simecs.SnapshotInfo) bool { return s.SourceRegion+"/"+s.SourceID != b.snapshot })
}

// onlyCopy returns the copy of a snapshot of which there must be one.
func (w *world) onlyCopy(t *testing.T, b backedUp) simecs.SnapshotInfo {
	t.Helper()
	copies := w.copiesOf(b)
	if len(copies) != 1 {
		t.Fatalf("copies %v, want one", copies)
	}
	return copies[0]
}

func TestARestoreInAnotherRegion(t *testing.T) {
	t.Parallel()
	w := newAway(t)
	diskID, backup := w.backUpVolume(t, simecs.DiskConfig{Category: "cloud_essd", PerformanceLevel: "PL0", Size: 40, Tags: map[string]string{"team": "shop"}})
	w.wait(t, 12*time.Hour)
	w.goAway(t, map[string]string{"zoneMapping": homeZone + "=" + awayZone, "resourceGroupId": "rg-away"})

	id := restored(t, w.process(t, nil), backup)
	if want := "pending:" + backup.snapshot + "?type=cloud_essd.PL0"; id != want {
		t.Fatalf("the volume is %s, want %s", id, want)
	}
	begun := []string{
		"DescribeSnapshots in cn-beijing", "DescribeSnapshots in cn-beijing",
		"DescribeSnapshots in cn-hangzhou", "CopySnapshot in cn-hangzhou", "TagResources in cn-hangzhou",
	}
	if diff := gocmp.Diff(begun, w.calls()); diff != "" {
		t.Errorf("calls that begin the copy (-want +got):\n%s", diff)
	}
	copied := w.onlyCopy(t, backup)
	source := w.snapshotInfo(t, backup.snapshot)
	want := simecs.SnapshotInfo{
		ID: copied.ID, Name: "velero-again-pv-" + diskID, Account: account, Region: away, Status: "progressing", DiskID: diskID, Size: 40,
		SourceRegion: home, SourceID: source.ID, RetentionDays: 30, ResourceGroupID: "rg-away",
		Tags: maps.Clone(source.Tags),
	}
	delete(want.Tags, tagCopiedTo)
	want.Tags[tagCopyOf], want.Tags[tagRestoreUID] = backup.snapshot, "uid-again"
	if diff := gocmp.Diff(want, copied, cmpopts.IgnoreFields(simecs.SnapshotInfo{}, "Created")); diff != "" {
		t.Errorf("the copy (-want +got):\n%s", diff)
	}
	if source.Tags[tagCopiedTo] != away {
		t.Errorf("the snapshot tells of copies in %q", source.Tags[tagCopiedTo])
	}

	w.sim.Journal().Reset()
	waiting := fmt.Sprintf("snapshot %s is being copied to cn-beijing as %s", backup.snapshot, copied.ID)
	w.wait(t, copySeconds*time.Second/2)
	w.checkProgress(t, again(), id, waiting, 50)
	w.wait(t, copySeconds*time.Second/2)
	disk := w.poll(t, again(), id)
	made := w.restoresOf(copied.ID)
	if len(made) != 1 || made[0].Zone != awayZone || made[0].PerformanceLevel != "PL0" || made[0].Tags["team"] != "shop" ||
		made[0].Tags[tagSnapshot] != backup.snapshot || !disk.Completed || disk.Err != "" {
		t.Errorf("disks %+v, progress %+v", made, disk)
	}
	for _, call := range w.calls() {
		if !strings.HasSuffix(call, " in cn-beijing") {
			t.Errorf("%s while the copy is waited for", call)
		}
	}
}

func TestACopyIsUsedAgain(t *testing.T) {
	t.Parallel()
	w := newAway(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	w.goAway(t, nil)
	first := restored(t, w.process(t, nil), backup)
	w.wait(t, copySeconds*time.Second)
	w.poll(t, again(), first)
	copied := w.onlyCopy(t, backup)
	used := w.restoresOf(copied.ID)
	w.create(t, pvOf(used[0], claimed))
	w.nextRestore(t)
	second := restored(t, w.process(t, nil), backup)
	if !strings.HasPrefix(second, "d-") || second == used[0].ID || w.onlyCopy(t, backup).ID != copied.ID {
		t.Errorf("the volume of the second restore is %s", second)
	}
	// The backup takes its copies with it.
	if err := w.DeleteSnapshot(backup.snapshot); err != nil {
		t.Fatal(err)
	}
	if left := w.ecs.Inventory(account).Snapshots; len(left) != 0 {
		t.Errorf("the deleted backup leaves %v", left)
	}
}

func TestTheEncryptionOfACopy(t *testing.T) {
	t.Parallel()
	encrypted := true
	tests := []struct {
		name     string
		original simecs.DiskConfig
		location map[string]string
		target   diskspec.Target
		want     diskspec.Spec
	}{
		{
			"what is not encrypted stays so, whatever key the location has",
			simecs.DiskConfig{},
			map[string]string{"kmsKeyId": awayKey},
			diskspec.Target{},
			diskspec.Spec{},
		},
		{
			"what is encrypted gets the service key of the other region",
			simecs.DiskConfig{Encrypted: true, KMSKeyID: ownKey},
			nil,
			diskspec.Target{},
			diskspec.Spec{Encrypted: true, KMSKeyID: simecs.ServiceKeyID(away)},
		},
		{
			"what is encrypted gets the location's key",
			simecs.DiskConfig{Encrypted: true},
			map[string]string{"kmsKeyId": awayKey},
			diskspec.Target{},
			diskspec.Spec{Encrypted: true, KMSKeyID: awayKey},
		},
		{
			"the target's key beats the location's",
			simecs.DiskConfig{Encrypted: true},
			map[string]string{"kmsKeyId": "key-none"},
			diskspec.Target{KMSKeyID: awayKey},
			diskspec.Spec{Encrypted: true, KMSKeyID: awayKey},
		},
		{
			"what is not encrypted can become so",
			simecs.DiskConfig{},
			nil,
			diskspec.Target{Encrypted: &encrypted, KMSKeyID: awayKey},
			diskspec.Spec{Encrypted: true, KMSKeyID: awayKey},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newAway(t)
			w.targets[claimed] = tt.target
			_, backup := w.backUpVolume(t, tt.original)
			w.goAway(t, tt.location)
			id := restored(t, w.process(t, nil), backup)
			w.wait(t, copySeconds*time.Second)
			if progress := w.poll(t, again(), id); !progress.Completed || progress.Err != "" {
				t.Fatalf("progress %+v", progress)
			}
			copied := w.onlyCopy(t, backup)
			tt.want.Type, tt.want.Zone, tt.want.SizeGiB = volume.DiskType{Category: "cloud_essd", PerformanceLevel: "PL1"}, awayZone, 20
			if diff := gocmp.Diff(tt.want, specOf(w.restoresOf(copied.ID)[0])); diff != "" {
				t.Errorf("the disk (-want +got):\n%s", diff)
			}
			if copied.Encrypted != tt.want.Encrypted || copied.KMSKeyID != tt.want.KMSKeyID {
				t.Errorf("the copy is encrypted: %v, with the key %q", copied.Encrypted, copied.KMSKeyID)
			}
			if key, ok := copied.Tags[tagKMSKey]; ok {
				t.Errorf("the copy tells of the key %q, which is of the snapshot's region", key)
			}
		})
	}
}

func TestACopyWithAnotherKeyIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	w := newAway(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{Encrypted: true})
	w.goAway(t, nil)
	restored(t, w.process(t, nil), backup)
	w.wait(t, copySeconds*time.Second)
	w.nextRestore(t)
	restored(t, w.process(t, map[string]string{"kmsKeyId": awayKey}), backup)
	keys := make([]string, 0, 2)
	for _, copied := range w.copiesOf(backup) {
		keys = append(keys, copied.KMSKeyID)
		if regions, ok := copied.Tags[tagCopiedTo]; ok {
			t.Errorf("the copy %s says that it was copied to %s", copied.ID, regions)
		}
	}
	if diff := gocmp.Diff([]string{simecs.ServiceKeyID(away), awayKey}, keys); diff != "" {
		t.Errorf("keys of the copies (-want +got):\n%s", diff)
	}
}

func TestARestoreKeepsToTheCopyThatItHasBegun(t *testing.T) {
	t.Parallel()
	w := newAway(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{Encrypted: true})
	w.goAway(t, nil)
	id := restored(t, w.process(t, nil), backup)
	w.wait(t, copySeconds*time.Second)
	w.config["kmsKeyId"] = awayKey
	if progress := w.poll(t, again(), id); !progress.Completed || progress.Err != "" {
		t.Errorf("progress %+v", progress)
	}
	w.onlyCopy(t, backup)
}

func TestTheCopyOfALargeRestoreIsFound(t *testing.T) {
	t.Parallel()
	w := newAway(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	w.goAway(t, nil)
	id := restored(t, w.process(t, nil), backup)
	for range 3 * maxIDs / 2 {
		w.foreign(t, simecs.SnapshotConfig{Region: away, Tags: map[string]string{tagRestoreUID: "uid-again"}})
	}
	w.sim.Journal().Reset()
	if progress := w.poll(t, again(), id); progress.Completed {
		t.Errorf("progress %+v", progress)
	}
	// The second page has it.
	if diff := gocmp.Diff([]string{"DescribeSnapshots in cn-beijing", "DescribeSnapshots in cn-beijing"}, w.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestTwoSnapshotsOfOneDiskAreCopiedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	w := newAway(t)
	diskID, first := w.backUpVolume(t, simecs.DiskConfig{})
	w.create(t, backupNamed("weekly", velerov1.BackupPhaseCompleted))
	second := backedUp{snapshot: backUp(t, w.process(t, nil), "weekly", diskID), kind: first.kind}
	w.goAway(t, nil)
	restored(t, w.process(t, nil), first)
	id := restored(t, w.process(t, nil), second)
	w.checkProgress(t, again(), id, "another snapshot of disk "+diskID+" is being copied to cn-beijing first", 0)
	w.wait(t, copySeconds*time.Second)
	w.poll(t, again(), id)
	w.onlyCopy(t, second)
}

func TestACopyBeginsWhenItsSnapshotIsAccomplished(t *testing.T) {
	t.Parallel()
	// A snapshot of an ESSD can be used in its own region before.
	w := newAway(t, lasting(simecs.Durations{Snapshot: seconds(100), Copy: seconds(copySeconds)}))
	_, backup := w.backUpVolume(t, simecs.DiskConfig{Category: "cloud_essd"})
	w.goAway(t, nil)
	id := restored(t, w.process(t, nil), backup)
	w.wait(t, 50*time.Second)
	w.checkProgress(t, again(), id, "snapshot "+backup.snapshot+" is being accomplished", 50)
	if copies := w.copiesOf(backup); len(copies) != 0 {
		t.Errorf("copies %v of a snapshot that is not accomplished", copies)
	}
	w.wait(t, 50*time.Second)
	w.poll(t, again(), id)
	w.onlyCopy(t, backup)
}

func TestACopyThatIsNeverUsable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		durations simecs.Durations
		location  map[string]string
		// happens to the world before the last poll.
		happens func(*testing.T, *world, backedUp)
		// want is the error, with the snapshot, the copy and the volume in this order.
		want string
	}{
		{
			"because its snapshot is never accomplished",
			simecs.Durations{Snapshot: seconds(4 * 3600)},
			map[string]string{"snapshotTimeout": "1h"},
			func(t *testing.T, w *world, _ backedUp) { t.Helper(); w.wait(t, time.Hour+2*time.Second) },
			"ECS snapshot cross region request failed: snapshot %[1]s is not accomplished after 1h0m0s (config key snapshotTimeout), but at 25%%: " +
				"its data is not lost; restore again when ECS shows it as accomplished (volume %[3]s)",
		},
		{
			"because its snapshot fails",
			simecs.Durations{Snapshot: seconds(60)},
			nil,
			func(t *testing.T, w *world, b backedUp) {
				t.Helper()
				if err := w.ecs.FailSnapshot(w.snapshotInfo(t, b.snapshot).ID); err != nil {
					t.Fatal(err)
				}
			},
			"ECS snapshot cross region request failed: snapshot %[1]s has failed in ECS: restore from another backup (volume %[3]s)",
		},
		{
			"because it takes too long",
			simecs.Durations{Copy: seconds(4 * 3600)},
			map[string]string{"crossRegionCopyTimeout": "1h"},
			func(t *testing.T, w *world, _ backedUp) { t.Helper(); w.wait(t, time.Hour+2*time.Second) },
			"ECS snapshot cross region request failed: the copy %[2]s of snapshot %[1]s is not finished after 1h0m0s (config key crossRegionCopyTimeout), but at 25%%: " +
				"it goes on; restore again when ECS shows it as accomplished (volume %[3]s)",
		},
		{
			"because it fails",
			simecs.Durations{Copy: seconds(60)},
			nil,
			func(t *testing.T, w *world, b backedUp) {
				t.Helper()
				if err := w.ecs.FailSnapshot(w.onlyCopy(t, b).ID); err != nil {
					t.Fatal(err)
				}
			},
			"ECS snapshot cross region request failed: the copy %[2]s of snapshot %[1]s has failed in ECS (volume %[3]s)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newAway(t, lasting(tt.durations))
			_, backup := w.backUpVolume(t, simecs.DiskConfig{})
			w.goAway(t, tt.location)
			id := restored(t, w.process(t, nil), backup)
			copyID := ""
			if copies := w.copiesOf(backup); len(copies) > 0 {
				copyID = copies[0].ID
			}
			tt.happens(t, w, backup)
			want := velero.OperationProgress{
				Completed: true,
				Err:       strings.Split("restore disk from ECS snapshot failed: "+fmt.Sprintf(tt.want, backup.snapshot, copyID, id), "%!(EXTRA")[0],
			}
			if diff := gocmp.Diff(want, w.poll(t, again(), id)); diff != "" {
				t.Errorf("progress (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheTimeOfACopyCountsFromTheRestore(t *testing.T) {
	t.Parallel()
	w := newAway(t, lasting(simecs.Durations{Copy: seconds(12 * 3600)}))
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	w.goAway(t, map[string]string{"crossRegionCopyTimeout": "1h"})
	id := restored(t, w.process(t, nil), backup)
	w.wait(t, 3*time.Hour)
	next := startedAt(w.nextRestore(t), w.time.Now())
	w.wait(t, 59*time.Minute)
	w.checkProgress(t, next, id, fmt.Sprintf("snapshot %s is being copied to cn-beijing as %s", backup.snapshot, w.onlyCopy(t, backup).ID), 33)
	w.wait(t, 2*time.Minute)
	if progress := w.poll(t, next, id); !progress.Completed || !strings.Contains(progress.Err, "is not finished after 1h0m0s") {
		t.Errorf("progress %+v", progress)
	}
	// It goes on, for a later restore.
	w.wait(t, 8*time.Hour)
	if progress := w.poll(t, startedAt(next, w.time.Now()), id); !progress.Completed || progress.Err != "" {
		t.Errorf("progress %+v", progress)
	}
	w.onlyCopy(t, backup)
}

func TestTheNextRestoreCopiesAgainWhatFailed(t *testing.T) {
	t.Parallel()
	w := newAway(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	w.goAway(t, nil)
	restored(t, w.process(t, nil), backup)
	failed := w.onlyCopy(t, backup)
	if err := w.ecs.FailSnapshot(failed.ID); err != nil {
		t.Fatal(err)
	}
	w.nextRestore(t)
	restored(t, w.process(t, nil), backup)
	if copied := w.onlyCopy(t, backup); copied.ID == failed.ID {
		t.Error("the copy that failed is used")
	}
}

// mayNot forbids the user of the location an action.
func mayNot(t *testing.T, action string) func(*cloudsim.Config) {
	t.Helper()
	policy, err := simaccount.ParsePolicy([]byte(`{"Version": "1", "Statement": [{"Effect": "Deny", "Action": "` + action + `", "Resource": "*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return func(config *cloudsim.Config) {
		user := &config.Accounts[0].Users[0]
		user.Policies = append(user.Policies, policy)
	}
}

func TestACopyThatIsDenied(t *testing.T) {
	t.Parallel()
	w := newAway(t, mayNot(t, "ecs:CopySnapshot"))
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	w.goAway(t, nil)
	_, err := w.process(t, nil).CreateVolumeFromSnapshot(backup.snapshot, backup.kind, "", nil)
	want := "restore disk from ECS snapshot failed: ECS snapshot cross region request failed: calling ecs:CopySnapshot in cn-hangzhou: service returned error: " +
		`StatusCode=403, ErrorCode=Forbidden.RAM, ErrorMessage="User not authorized to operate on the specified resource, or this API doesn't support RAM.", ` +
		"RequestId=… (snapshot " + backup.snapshot + "): the ECS-snapshot related ram policy is missing: grant ecs:CopySnapshot to the RAM user or role of the location, " +
		"with the policy in deploy/ram/ecs.json"
	if said(err) != want {
		t.Errorf("error\n%q, want\n%q", said(err), want)
	}
}

func TestACopyThatCannotBeNoted(t *testing.T) {
	t.Parallel()
	w := newAway(t, mayNot(t, "ecs:TagResources"))
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	w.goAway(t, nil)
	restored(t, w.process(t, nil), backup)
	w.onlyCopy(t, backup)
	want := []string{"The snapshot does not tell of its copy: deleting the backup in another region leaves the copy until its retention is over"}
	if diff := gocmp.Diff(want, w.messages(logrus.WarnLevel)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestACopyWhoseAnswerIsLostIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := newAway(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	w.goAway(t, nil)
	w.fail(t, fault.Rule{Operation: "CopySnapshot", Reset: true, Count: 2})
	id := restored(t, w.process(t, nil), backup)
	w.onlyCopy(t, backup)
	w.fail(t, fault.Rule{Operation: "CopySnapshot", Status: http.StatusInternalServerError, Code: "InternalError"})
	w.poll(t, again(), id) // Goes on from the copy that there is.
}

func TestACopyOfWhichNoAnswerComesIsDeletedWithItsBackup(t *testing.T) {
	t.Parallel()
	w := newAway(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	atHome := w.process(t, nil)
	w.goAway(t, nil)
	w.fail(t, fault.Rule{Operation: "CopySnapshot", Reset: true})
	id := restored(t, w.process(t, nil), backup)
	w.onlyCopy(t, backup)
	w.poll(t, again(), id)
	if err := atHome.DeleteSnapshot(backup.snapshot); err != nil {
		t.Fatal(err)
	}
	if left := w.ecs.Inventory(account).Snapshots; len(left) != 0 {
		t.Errorf("the backup that was deleted in its own region leaves %v", left)
	}
}

func TestACopyThatWasNotMadeIsNotNoted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		change  func(*cloudsim.Config)
		targets Targets
	}{
		{"because it is denied", mayNot(t, "ecs:CopySnapshot"), targets{}},
		{"because the settings are wrong", func(*cloudsim.Config) {}, mistaken{errors.New("storageclass fast not exists")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newAway(t, tt.change)
			_, backup := w.backUpVolume(t, simecs.DiskConfig{})
			w.goAway(t, nil)
			s := New(w.log, w.clients, cluster.New(w.api, veleroNamespace), tt.targets, noVariables)
			if err := s.Init(w.config); err != nil {
				t.Fatal(err)
			}
			if _, err := s.CreateVolumeFromSnapshot(backup.snapshot, backup.kind, "", nil); err == nil {
				t.Error("the copy was not refused")
			}
			if regions, noted := w.snapshotInfo(t, backup.snapshot).Tags[tagCopiedTo]; noted {
				t.Errorf("the snapshot tells of copies in %q", regions)
			}
		})
	}
}

func TestHowLongACopyIsKept(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		retention string
		want      int64
	}{
		"as long as the snapshot still is, rounded up to days": {"3", 2},
		"at least a day": {"2", 1},
		"until it is deleted, as a snapshot that stays for ever": {"forever", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAway(t)
			diskID := w.addVolume(t, simecs.DiskConfig{}, claimed, nil)
			backup := backedUp{snapshot: backUp(t, w.process(t, map[string]string{"retentionDays": tt.retention}), "daily", diskID)}
			w.wait(t, 36*time.Hour)
			w.goAway(t, nil)
			restored(t, w.process(t, nil), backup)
			if got := w.onlyCopy(t, backup).RetentionDays; got != tt.want {
				t.Errorf("the copy stays for %d days, want %d", got, tt.want)
			}
		})
	}
}

func TestASnapshotThatShouldBeGoneIsNotCopiedForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	current, err := w.sites.Current()
	if err != nil {
		t.Fatal(err)
	}
	api, err := current.api(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := remainingDays(api, snapshot{created: w.time.Now().AddDate(0, 0, -10), retentionDays: 9}); got != 1 {
		t.Errorf("the copy stays for %d days, want 1", got)
	}
}
