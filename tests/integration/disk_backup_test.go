// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"slices"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
)

// errorsOfRefusal is how many errors a backup has of a snapshot that is refused: one when Velero asks for it, and one of
// the operation that waits for it.
const errorsOfRefusal = 2

func (s *diskSuite) testQuota(t *testing.T) {
	t.Parallel()
	const disks = 30
	b := s.newBench(t, "disk-quota", nil)
	s.newNamespace(t, b.name)
	volumes := b.newVolumes(t, disks)
	backup := b.backupDisks(t, b.name)
	wantEqual(t, "the phase of the backup", backup.Status.Phase, velerov1.BackupPhasePartiallyFailed)
	wantEqual(t, "the errors of the backup", backup.Status.Errors, errorsOfRefusal*(disks-snapshotQuota))
	b.wantObjects(t, b.name, volumes)

	logs := b.logs(t, b.name)
	var failed []string
	for _, v := range volumes {
		if !slices.ContainsFunc(s.cloud.ECS().Snapshots(), func(taken ecs.SnapshotInfo) bool { return taken.DiskID == v.disk }) {
			failed = append(failed, v.disk)
		}
	}
	wantEqual(t, "how many disks have no snapshot", len(failed), disks-snapshotQuota)
	for _, id := range failed {
		line := lineWith(logs, "level=error", "disk="+id)
		must(t, wantText(line, "create ECS snapshot failed", "QuotaExceed.Snapshot", "have the quota raised", "persistentVolume="))
	}
	var kept []string
	for _, v := range volumes {
		kept = append(kept, v.disk)
	}
	b.settle(t, kept...)
}

// lineWith returns the first line of a text that has all of the parts.
func lineWith(text string, parts ...string) string {
	for line := range strings.Lines(text) {
		if wantText(line, parts...) == nil {
			return line
		}
	}
	return ""
}

// wantObjects fails unless volume, claim and Pod of all are in a backup.
func (b *bench) wantObjects(t *testing.T, backup string, volumes []*diskVolume) {
	t.Helper()
	stored := map[string]string{}
	for _, v := range volumes {
		stored[v.name] = v.pv
	}
	b.wantVolumes(t, backup, b.name, stored)
}

func (s *diskSuite) testRefusedSnapshot(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "disk-refused", nil)
	s.newNamespace(t, b.name)
	refused := b.newVolume(t, "data-refused", volumeOptions{unused: true})
	volumes := b.newVolumes(t, 3)
	backup := b.backupDisks(t, b.name)
	wantEqual(t, "the phase of the backup", backup.Status.Phase, velerov1.BackupPhasePartiallyFailed)
	wantEqual(t, "the errors of the backup", backup.Status.Errors, errorsOfRefusal)
	b.wantObjects(t, b.name, append(volumes, refused))
	b.wantInventory(t, "after the backup", 4, 3, 0)

	for _, v := range volumes {
		v.overwrite(t)
	}
	b.lose(t, append(volumes, refused)...)
	restore := s.restore(t, b.name, b.name)
	s.wantPhase(t, restore, velerov1.RestorePhasePartiallyFailed)
	must(t, wantText(s.cli(t, "restore", "describe", b.name, "--details"),
		refused.pv, "the snapshot was refused when the backup was made", "IncorrectDiskStatus.NeverAttached"))
	var disks []string
	for _, v := range volumes {
		disks = append(disks, diskOf(v.wantRestored(t, v.essd())))
	}
	b.settle(t, disks...)
}

func (s *diskSuite) testConsistencyGroup(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "disk-group", nil)
	s.newNamespace(t, b.name)
	inGroup := volumeOptions{claimLabels: map[string]string{groupLabel: "database"}}
	volumes := []*diskVolume{b.newVolume(t, "data", inGroup), b.newVolume(t, "log", inGroup), b.newVolume(t, "other", volumeOptions{})}
	b.completedDiskBackup(t, b.name)
	wantEqual(t, "the number of groups that were asked for", len(b.calls("CreateSnapshotGroup")), 1)
	wantEqual(t, "the number of snapshots that were asked for", len(b.calls("CreateSnapshot")), 1)
	b.wantInventory(t, "after the backup", 3, 3, 1)

	for _, v := range volumes {
		v.overwrite(t)
	}
	b.lose(t, volumes...)
	s.completedRestore(t, b.name, b.name)
	var disks []string
	for _, v := range volumes {
		disks = append(disks, diskOf(v.wantRestored(t, v.essd())))
	}
	b.settle(t, disks...)
}
