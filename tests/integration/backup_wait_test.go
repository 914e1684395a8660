// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// The cases of this file change how long snapshots take, for all. They are not run beside others.

// newWaitBench is a bench whose user may take snapshots of disks and files, with a location of disks of its own.
func (s *fileSuite) newWaitBench(t *testing.T, name string) *fileBench {
	t.Helper()
	b := s.newFileBench(t, name, nil, policyAgentless, policyDisks)
	b.disks = name + "-disks"
	b.newSnapshotLocation(t, b.disks, diskProvider, nil)
	s.newNamespace(t, name)
	return b
}

// newDiskVolume is newFileVolume of a new disk, whose files nobody looks at.
func (b *fileBench) newDiskVolume(t *testing.T, name string) *fileVolume {
	t.Helper()
	return b.createFileVolume(t, name, csiSource(diskDriver, b.newDisk(t), nil), fileOptions{empty: true, mounted: true})
}

// newWaitVolumes creates so many volumes of disks, disk-00 and so on, and of NAS, nas-00 and so on, and waits until they
// are bound.
func (b *fileBench) newWaitVolumes(t *testing.T, disks, directories int) []*fileVolume {
	t.Helper()
	var volumes []*fileVolume
	for i := range disks {
		volumes = append(volumes, b.newDiskVolume(t, fmt.Sprintf("disk-%02d", i)))
	}
	for i := range directories {
		name := fmt.Sprintf("nas-%02d", i)
		volumes = append(volumes, b.createFileVolume(t, name, onNAS(b.name+"/"+name), fileOptions{mounted: true}))
	}
	for _, v := range volumes {
		v.waitBound(t, b.name)
	}
	return volumes
}

// slowSnapshots makes snapshots of disks and jobs of files take slowly.
func (s *fileSuite) slowSnapshots(t *testing.T) {
	t.Helper()
	s.slowJobs(t, slowBackups)
	durations := briefly()
	durations.Snapshot.Duration = slowly
	s.setDiskDurations(t, durations)
}

// advance lets time pass for snapshots of disks and jobs of files.
func (s *fileSuite) advance(d time.Duration) {
	s.cloud.ECS().Advance(d)
	s.cloud.HBR().Advance(d)
}

// operation is what `velero backup describe --details` says of one.
type operation struct {
	progress                         int64
	phase, description, err, started string
}

// operations are those of a backup by the name of the PersistentVolume, as the CLI tells them.
func (b *fileBench) operations(ctx context.Context, backup string) (map[string]operation, string, error) {
	text, err := b.tryCLI(ctx, "backup", "describe", backup, "--details")
	if err != nil {
		return nil, "", err
	}
	found := map[string]operation{}
	parts := strings.Split(text, "Operation for persistentvolumes /")
	for _, part := range parts[1:] {
		name, _, _ := strings.Cut(part, ":")
		var o operation
		for field, into := range map[string]*string{"Phase": &o.phase, "Progress description": &o.description, "Operation Error": &o.err, "Started": &o.started} {
			if match := regexp.MustCompile(`(?m)^ +` + field + `: +(.*)$`).FindStringSubmatch(part); match != nil {
				*into = match[1]
			}
		}
		if match := regexp.MustCompile(`Progress: +(\d+) of 100 complete \(%\)`).FindStringSubmatch(part); match != nil {
			o.progress, _ = strconv.ParseInt(match[1], 10, 64)
		}
		found[name] = o
	}
	return found, text, nil
}

// inCloud is how far the snapshot or the job is that a description names, in percent.
func (b *fileBench) inCloud(description string) (int64, error) {
	id := regexp.MustCompile(`\b(s|job)-[0-9a-z]{10,}`).FindString(description)
	switch {
	case strings.HasPrefix(id, "s-"):
		return b.cloud.ECS().SnapshotProgress(id)
	case id != "":
		share, err := b.cloud.HBR().BackupProgress(id)
		return share / 100, err
	}
	return 0, fmt.Errorf("%q names neither a snapshot nor a job", description)
}

// wantProgress waits until the CLI tells of each volume what the cloud does, from a percentage on.
func (b *fileBench) wantProgress(t *testing.T, backup string, volumes []*fileVolume, from int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("the progress of all volumes to be %d percent", from), func(ctx context.Context) error {
		told, text, err := b.operations(ctx, backup)
		if err != nil {
			return err
		}
		for _, v := range volumes {
			o, ok := told[v.pv.Name]
			if !ok {
				return fmt.Errorf("there is no operation of %s:\n%s", v.pv.Name, text)
			}
			now, err := b.inCloud(o.description)
			if err != nil {
				return err
			}
			// The last poll may have been a percent ago.
			if o.progress < from || o.progress > now || o.progress < now-1 {
				return fmt.Errorf("%s is told to be at %d %%, and is at %d: %s", v.pv.Name, o.progress, now, o.description)
			}
		}
		return nil
	})
}

// wantDescription waits until the CLI tells of the operation of a disk something that has a text.
func (b *fileBench) wantDescription(t *testing.T, backup, part string) {
	t.Helper()
	eventually(t, "an operation to tell "+part, func(ctx context.Context) error {
		told, text, err := b.operations(ctx, backup)
		if err != nil {
			return err
		}
		if o := told[b.name+"-disk-00"]; !strings.Contains(o.description, part) || o.err != "" {
			return fmt.Errorf("it does not:\n%s", text)
		}
		return nil
	})
}

// testBackupWaits backs 20 disks and 10 directories of NAS up, which takes an hour. Meanwhile the cloud fails, and
// the server and the plugin are killed.
func (s *fileSuite) testBackupWaits(t *testing.T) {
	const disks, directories = 20, 10
	b := s.newWaitBench(t, "waits")
	volumes := b.newWaitVolumes(t, disks, directories)
	s.slowSnapshots(t)
	b.beginBackup(t, b.name)
	s.waitBackup(t, b.name, velerov1.BackupPhaseWaitingForPluginOperations)
	s.advance(slowly / 5)
	b.wantProgress(t, b.name, volumes, 20)
	failing := s.addFault(t, fault.Rule{Service: "ecs", Operation: "Describe*", Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"})
	b.wantDescription(t, b.name, "ServiceUnavailable")
	failing.Remove()
	b.wantProgress(t, b.name, volumes, 20)
	s.killVelero(t)
	since := time.Now()
	s.advance(slowly / 5)
	b.wantProgress(t, b.name, volumes, 40)
	s.wantFewCalls(t, since)
	s.advance(slowly)
	s.waitBackup(t, b.name, velerov1.BackupPhaseCompleted)
	told, text, err := b.operations(t.Context(), b.name)
	must(t, err)
	for _, v := range volumes {
		if o := told[v.pv.Name]; o.phase != "Completed" || o.progress != 100 || o.err != "" {
			t.Errorf("the operation of %s is %+v", v.pv.Name, o)
		}
	}
	must(t, wantText(told[b.name+"-disk-00"].description, "snapshot s-", "of the disk d-", "of 20 GiB, kept for 30 days"))
	must(t, wantText(text, "Velero-Native Snapshots:"))
	s.wantNothingLeftOf(t, s.backupUID(t, b.name))
	b.settle(t)
}

// wantFewCalls fails unless each poll asks ECS and Cloud Backup once each, for all volumes of the backups. There is no more
// than one poll in a second.
func (s *fileSuite) wantFewCalls(t *testing.T, since time.Time) {
	t.Helper()
	calls := 0
	for _, entry := range s.cloud.Journal().Entries() {
		if entry.Time.After(since) && (entry.Operation == "DescribeSnapshots" || entry.Operation == "DescribeBackupJobs2") {
			calls++
		}
	}
	polls := int(time.Since(since)/time.Second) + 2
	t.Logf("%d describe calls in at most %d polls", calls, polls)
	if calls == 0 || calls > 2*polls {
		t.Errorf("there were %d describe calls in at most %d polls, want two in each at most", calls, polls)
	}
}

// testSnapshotsThatFail has ECS refuse a snapshot, and fail another later.
func (s *fileSuite) testSnapshotsThatFail(t *testing.T) {
	b := s.newWaitBench(t, "fails")
	volumes := b.newWaitVolumes(t, 3, 0)
	refused, late, whole := volumes[0], volumes[1], volumes[2]
	s.addFault(t, fault.Rule{
		Service: "ecs", Operation: "CreateSnapshot", Resource: "*" + refused.pv.Spec.CSI.VolumeHandle,
		Status: http.StatusForbidden, Code: "DiskInArrears", Message: "The specified disk is in arrears.",
	})
	s.slowSnapshots(t)
	b.beginBackup(t, b.name)
	s.waitBackup(t, b.name, velerov1.BackupPhaseWaitingForPluginOperationsPartiallyFailed)
	snapshots := s.cloud.ECS().Snapshots()
	i := slices.IndexFunc(snapshots, func(s ecs.SnapshotInfo) bool { return s.DiskID == late.pv.Spec.CSI.VolumeHandle })
	if i < 0 {
		t.Fatalf("there is no snapshot of %s: %v", late.pv.Name, snapshots)
	}
	must(t, s.cloud.ECS().FailSnapshot(snapshots[i].ID))
	s.advance(slowly)
	s.waitBackup(t, b.name, velerov1.BackupPhasePartiallyFailed)
	told, text, err := b.operations(t.Context(), b.name)
	must(t, err)
	for v, want := range map[*fileVolume][]string{
		refused: {"create ECS snapshot failed", "DiskInArrears", "settle it in the billing console"},
		late:    {"create ECS snapshot failed", "the snapshot " + snapshots[i].ID + " has failed in ECS: back up again"},
	} {
		must(t, wantText(told[v.pv.Name].err, want...))
	}
	wantEqual(t, "the error of the snapshot that did not fail", told[whole.pv.Name].err, "")
	must(t, wantText(text, "Result:             succeeded"))
	b.wantStored(t, volumes)
	b.settle(t)
}

// wantStored fails unless PersistentVolume, claim and Pod of all volumes are in the tarball of the bench's backup.
func (b *fileBench) wantStored(t *testing.T, volumes []*fileVolume) {
	t.Helper()
	stored := map[string]string{}
	for _, v := range volumes {
		stored[v.name] = v.pv.Name
	}
	b.wantVolumes(t, b.name, b.name, stored)
}

// testSnapshotsThatTakeTooLong backs a disk and a directory of NAS up within a second, which takes an hour.
func (s *fileSuite) testSnapshotsThatTakeTooLong(t *testing.T) {
	b := s.newWaitBench(t, "late")
	volumes := b.newWaitVolumes(t, 1, 1)
	s.slowSnapshots(t)
	b.beginBackup(t, b.name, "--item-operation-timeout", "1s")
	s.waitBackup(t, b.name, velerov1.BackupPhasePartiallyFailed)
	told, _, err := b.operations(t.Context(), b.name)
	must(t, err)
	for _, v := range volumes {
		must(t, wantText(told[v.pv.Name].err, "Asynchronous action timed out"))
	}
	eventually(t, "snapshots and jobs to be canceled", func(context.Context) error {
		has, err := s.cloud.HBR().Inventory(accountID)
		if err != nil {
			return err
		}
		if left := s.cloud.ECS().Inventory(accountID).Snapshots; len(left)+len(has.Running)+len(has.Plans) > 0 {
			return fmt.Errorf("there are the snapshots %q, jobs %q, plans %q", left, has.Running, has.Plans)
		}
		return nil
	})
	b.wantStored(t, volumes)
	b.settle(t)
}
