// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
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

func (s *diskSuite) testOfficialBackup(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "disk-official", nil)
	s.newNamespace(t, b.name)
	v := b.newVolume(t, "data", volumeOptions{})
	b.completedDiskBackup(t, b.name)
	b.makeOfficial(t, b.name, v)

	there := b.inOtherCluster(t, region, zoneH, nil)
	there.completedRestore(t, b.name, b.name)
	want := v.essd()
	want.OwnTag, want.Content = "", "of the official plugin"
	pv := v.wantRestoredIn(t, there.suite, b.name, want)
	there.delete(t, b.name)
	b.settle(t, v.disk, diskOf(pv))
}

// makeOfficial puts into the bucket, in place of a backup with one volume, one that the official plugin could have made:
// its snapshot ids have no region, its types no performance level, and its snapshots tell the zone alone.
func (b *bench) makeOfficial(t *testing.T, backup string, v *diskVolume) {
	t.Helper()
	files := map[string][]byte{}
	for _, key := range b.keys("backups/" + backup + "/") {
		content, err := b.cloud.OSS().Read(b.bucket, prefix+"/backups/"+backup+"/"+key)
		must(t, err)
		files[key] = content
	}
	b.delete(t, backup)
	b.wantInventory(t, "after the deletion of our backup", 1, 0, 0)

	id, err := b.cloud.ECS().AddSnapshot(ecs.SnapshotConfig{
		Account: b.account, Region: region, Disk: v.disk, Size: 20,
		Tags: map[string]string{
			"velero.io/backup": backup, "velero.io/pv": v.pv, "alibabacloud.velero-plugin/orginal-volume-az": zoneH, //nolint:misspell // It is theirs.
		},
		Files: map[string]string{file: "of the official plugin"},
	})
	must(t, err)
	snapshots := backup + "-volumesnapshots.json.gz"
	files[snapshots] = officialSnapshots(t, files[snapshots], id)
	for key, content := range files {
		must(t, b.cloud.OSS().Put(b.bucket, prefix+"/backups/"+backup+"/"+key, content))
	}
}

// officialSnapshots replaces in a list of one snapshot what the official plugin says otherwise.
func officialSnapshots(t *testing.T, list []byte, id string) []byte {
	t.Helper()
	var taken []struct {
		Spec   map[string]any `json:"spec"`
		Status map[string]any `json:"status"`
	}
	must(t, json.Unmarshal(gunzip(t, list), &taken))
	if len(taken) != 1 {
		t.Fatalf("the backup has %d snapshots, want one", len(taken))
	}
	taken[0].Status["providerSnapshotID"] = id
	taken[0].Spec["volumeType"] = "cloud_essd"
	taken[0].Spec["volumeIOPS"] = 2800 // What DescribeDisks says of a PL1 of 20 GiB.

	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	must(t, json.NewEncoder(writer).Encode(taken))
	must(t, writer.Close())
	return compressed.Bytes()
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
