// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
)

// testOnNodes backs volumes up through nodes, whether a Pod mounts them or none does, and restores them beside the
// originals.
func (s *fileSuite) testOnNodes(t *testing.T) {
	t.Parallel()
	b := s.newFileBench(t, "fs-nodes", map[string]string{"method": "node"}, policyNode)
	s.newNamespace(t, b.name)
	const class = "fs-nodes-csi"
	s.createClassOf(t, class, classOptions{provisioner: "file.csi.example.com", immediate: true})
	volumes := []*fileVolume{
		b.createFileVolume(t, "cpfs", onCPFS("fs-nodes"), fileOptions{mounted: true}),
		b.createFileVolume(t, "nfs", onNFS("fs-nodes"), fileOptions{}),
		b.createFileVolume(t, "nas", onNAS("fs-nodes"), fileOptions{}),
		b.createFileVolume(t, "oss", onOSS("fs-nodes"), fileOptions{mounted: true}),
		b.createFileVolume(t, "csi", csiSource("file.csi.example.com", "fs-nodes", nil), fileOptions{class: class}),
	}
	local := b.createFileVolume(t, "local", onNode("fs-nodes"), fileOptions{node: worker(2), mounted: true})
	for _, v := range append(volumes, local) {
		v.waitBound(t, b.name)
	}
	for _, name := range []string{"cpfs", "oss", "local"} {
		s.waitRunning(t, b.name, name)
	}
	b.completedFileBackup(t, b.name, len(volumes)+1)
	s.wantNothingLeftOf(t, s.backupUID(t, b.name))

	b.loseApplication(t, append(volumes, local)...)
	// A directory of a node has no other beside it: its own is restored.
	b.empty(t, local.pv)
	restore := b.restoreFiles(t, velerov1.RestorePhaseCompleted, b.name, b.name)
	for _, v := range volumes {
		v.wantFilesIn(t, b.name)
	}
	wantEqual(t, "the files of the local volume", b.filesOf(t, local.waitBound(t, b.name)), local.files)
	for _, name := range []string{"cpfs", "oss", "local"} {
		s.waitRunning(t, b.name, name)
	}
	s.wantNothingLeftOf(t, restore.UID)
	b.settle(t)
}

// testFileConversions restores volumes as those of another kind, which the settings of the restore ask for.
func (s *fileSuite) testFileConversions(t *testing.T) {
	t.Parallel()
	b := s.newFileBench(t, "fs-converted", map[string]string{"method": "node", "enableECSSnapshot": "false"}, policyNode)
	b.leaveDisks(t)
	s.newNamespace(t, b.name)
	s.createClassOf(t, "fs-to-disk", classOptions{provisioner: diskDriver, parameters: map[string]string{"type": "cloud_essd"}})
	s.createClassOf(t, "fs-to-nas", classOptions{
		provisioner: nasDriver, immediate: true, parameters: map[string]string{"server": nasServer + ":/provisioned", "volumeAs": "subpath"},
	})
	conversions := []struct {
		volume     *fileVolume
		to, driver string
	}{
		{volume: b.createFileVolume(t, "nas", onNAS("fs-converted"), fileOptions{}), to: "fs-to-disk", driver: diskDriver},
		{volume: b.createFileVolume(t, "oss", onOSS("fs-converted"), fileOptions{}), to: "fs-to-nas", driver: nasDriver},
		{volume: b.createFileVolume(t, "disk", csiSource(diskDriver, b.newDisk(t), nil), fileOptions{mounted: true}), to: "fs-to-nas", driver: nasDriver},
	}
	var rules strings.Builder
	for _, c := range conversions {
		c.volume.waitBound(t, b.name)
		fmt.Fprintf(&rules, "- {from: of-another-cluster, names: [%s], to: {class: %s}}\n", c.volume.name, c.to)
	}
	s.waitRunning(t, b.name, "disk")
	b.completedFileBackup(t, b.name, len(conversions))

	const target = "fs-converted-to"
	s.createSettings(t, "storage-class-mapping", b.name, map[string]string{"rules": rules.String()})
	restore := b.restoreFiles(t, velerov1.RestorePhaseCompleted, b.name, b.name, "--namespace-mappings", b.name+":"+target)
	for _, c := range conversions {
		pv := c.volume.wantFilesIn(t, target)
		wantEqual(t, "the driver of the volume of "+c.volume.name, pv.Spec.CSI.Driver, c.driver)
		wantEqual(t, "the class of the volume of "+c.volume.name, pv.Spec.StorageClassName, c.to)
		wantEqual(t, "the reclaim policy of the volume of "+c.volume.name, pv.Spec.PersistentVolumeReclaimPolicy, corev1.PersistentVolumeReclaimRetain)
	}
	s.waitRunning(t, target, "disk")
	s.wantNothingLeftOf(t, restore.UID)
	b.settle(t)
}

// testDisksByFiles has both locations leave disks to Cloud Backup, which takes those with a file system.
func (s *fileSuite) testDisksByFiles(t *testing.T) {
	t.Parallel()
	b := s.newFileBench(t, "fs-disks", map[string]string{"enableECSSnapshot": "false"}, policyNode)
	b.leaveDisks(t)
	s.newNamespace(t, b.name)
	const class = "fs-disks-essd"
	s.createClassOf(t, class, classOptions{provisioner: diskDriver, parameters: map[string]string{"type": "cloud_essd"}})
	files := b.newFileVolume(t, "files", csiSource(diskDriver, b.newDisk(t), nil), fileOptions{class: class, mounted: true})
	block := b.newFileVolume(t, "block", csiSource(diskDriver, b.newDisk(t), nil), fileOptions{block: true, empty: true})

	backup := b.backUp(t, b.name)
	wantEqual(t, "the phase of the backup", backup.Status.Phase, velerov1.BackupPhasePartiallyFailed)
	must(t, wantText(lineWith(b.logs(t, b.name), "level=error", block.pv.Name),
		"HBR backup request failed", "volumeMode is Block", "leave disks to ECS snapshots"))
	by := takenBy(b.snapshots(t, b.name))
	wantEqual(t, "who takes what", by, map[string]string{files.pv.Name: takenByHBR, block.pv.Name: takenByHBR})
	wantEqual(t, "the snapshots of disks", s.snapshotsOf(files.pv.Spec.CSI.VolumeHandle, block.pv.Spec.CSI.VolumeHandle), 0)

	const target = "fs-disks-to"
	b.restoreFiles(t, velerov1.RestorePhasePartiallyFailed, b.name, b.name, "--namespace-mappings", b.name+":"+target)
	files.wantFilesIn(t, target)
	s.waitRunning(t, target, "files")
	must(t, wantText(s.cli(t, "restore", "describe", b.name, "--details"), block.pv.Name, "the data of this volume was not backed up", "volumeMode is Block"))
	b.settle(t)
}

// snapshotsOf is how many snapshots disks have in ECS.
func (s *suite) snapshotsOf(disks ...string) int {
	number := 0
	for _, snapshot := range s.cloud.ECS().Snapshots() {
		for _, id := range disks {
			if snapshot.DiskID == id {
				number++
			}
		}
	}
	return number
}
