// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
)

// Who takes a volume, of two locations.
const (
	takenByECS  = "a snapshot of a disk"
	takenByHBR  = "a snapshot of Cloud Backup"
	takenByNone = ""
)

// fileKind is a kind of volumes.
type fileKind struct {
	name string
	// number is how many there are.
	number  int
	source  func(t *testing.T, name string) corev1.PersistentVolumeSource
	options fileOptions
	takenBy string
}

// fileKinds are all kinds of volumes that a cluster may have.
func (b *fileBench) fileKinds() []fileKind {
	disk := func(t *testing.T, _ string) corev1.PersistentVolumeSource {
		t.Helper()
		return csiSource(diskDriver, b.newDisk(t), nil)
	}
	at := func(source func(string) corev1.PersistentVolumeSource) func(*testing.T, string) corev1.PersistentVolumeSource {
		return func(t *testing.T, name string) corev1.PersistentVolumeSource {
			t.Helper()
			return source(path.Join(b.name, name))
		}
	}
	flex := func(driver string, options map[string]string) func(*testing.T, string) corev1.PersistentVolumeSource {
		return func(t *testing.T, name string) corev1.PersistentVolumeSource {
			t.Helper()
			merged := map[string]string{"path": "/" + path.Join(b.name, name)}
			for key, value := range options {
				merged[key] = value
			}
			return flexSource(driver, merged)
		}
	}
	csi := func(driver string) func(*testing.T, string) corev1.PersistentVolumeSource {
		return func(t *testing.T, name string) corev1.PersistentVolumeSource {
			t.Helper()
			return csiSource(driver, path.Join(b.name, name), nil)
		}
	}
	return []fileKind{
		{name: "disk", number: 10, source: disk, takenBy: takenByECS},
		{name: "disk-block", number: 2, source: disk, options: fileOptions{block: true}, takenBy: takenByECS},
		{name: "disk-flex", number: 4, source: func(t *testing.T, _ string) corev1.PersistentVolumeSource {
			t.Helper()
			return flexSource(flexDriver, map[string]string{"VolumeId": b.newDisk(t)})
		}, takenBy: takenByECS},
		{name: "nas", number: 6, source: at(onNAS), takenBy: takenByHBR},
		{name: "nas-flex", number: 2, source: flex("alicloud/nas", map[string]string{"server": nasServer}), takenBy: takenByHBR},
		{name: "nas-in-tree", number: 1, source: func(t *testing.T, name string) corev1.PersistentVolumeSource {
			t.Helper()
			directory := path.Join(b.name, name)
			must(t, b.cloud.NAS().WriteFile(nasID, directory+"/export", nil)) // The server exports what is there.
			return corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: nasServer, Path: "/" + directory}}
		}, takenBy: takenByHBR},
		{name: "oss", number: 5, source: at(onOSS), takenBy: takenByHBR},
		{name: "oss-flex", number: 2, source: flex("alicloud/oss", map[string]string{"bucket": fileBucket}), takenBy: takenByHBR},
		{name: "cpfs", number: 3, source: at(onCPFS), takenBy: takenByHBR},
		{name: "local", number: 2, source: at(onNode), takenBy: takenByHBR},
		{name: "local-csi", number: 1, source: csi("localplugin.csi.alibabacloud.com"), takenBy: takenByHBR},
		{name: "nfs", number: 2, source: at(onNFS), takenBy: takenByHBR},
		{name: "csi", number: 3, source: csi("file.csi.example.com"), takenBy: takenByHBR},
		{name: "csi-block", number: 1, source: csi("block.csi.example.com"), options: fileOptions{block: true}, takenBy: takenByNone},
		{name: "host-path", number: 2, source: func(t *testing.T, name string) corev1.PersistentVolumeSource {
			t.Helper()
			return corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/srv/" + name}}
		}, takenBy: takenByNone},
		{name: "foreign-flex", number: 2, source: flex("example.com/lvm", nil), takenBy: takenByNone},
		{name: "iscsi", number: 2, source: func(t *testing.T, _ string) corev1.PersistentVolumeSource {
			t.Helper()
			return corev1.PersistentVolumeSource{ISCSI: &corev1.ISCSIPersistentVolumeSource{
				TargetPortal: "10.0.0.1:3260", IQN: "iqn.2001-04.com.example:storage", Lun: 0, FSType: "ext4",
			}}
		}, takenBy: takenByNone},
	}
}

// testAllKinds backs volumes of all kinds up with a location of each provider, named in either order.
func (s *fileSuite) testAllKinds(t *testing.T) {
	t.Parallel()
	b := s.newFileBench(t, "fs-kinds", nil, policyAgentless, policyNode)
	s.newNamespace(t, b.name)
	want := map[string]string{}
	var volumes []*fileVolume
	unsupported := 0
	for _, kind := range b.fileKinds() {
		kind.options.empty = kind.takenBy != takenByHBR || kind.name == "oss-flex"
		for number := range kind.number {
			name := fmt.Sprintf("%s-%d", kind.name, number)
			if kind.name == "local" {
				kind.options.node = worker(number)
			}
			v := b.createFileVolume(t, name, kind.source(t, name), kind.options)
			volumes = append(volumes, v)
			want[v.pv.Name] = kind.takenBy
			if kind.takenBy == takenByNone {
				delete(want, v.pv.Name)
				unsupported++
			}
		}
	}
	wantEqual(t, "the number of volumes", len(volumes), 50)
	s.waitAllBound(t, b.name, len(volumes))

	for backup, locations := range map[string]string{"fs-kinds-1": b.disks + "," + b.name, "fs-kinds-2": b.name + "," + b.disks} {
		taken := b.backup(t, backup, b.name, "--volume-snapshot-locations", locations)
		logs := b.logs(t, backup)
		if taken.Status.Phase != velerov1.BackupPhaseCompleted || taken.Status.Errors > 0 {
			t.Errorf("the backup with %s is %s with %d errors:\n%s", locations, taken.Status.Phase, taken.Status.Errors, warningsAndErrors(logs))
		}
		wantEqual(t, "who takes what with "+locations, takenBy(b.snapshots(t, backup)), want)
		wantEqual(t, "how often the logs tell of hostPath volumes", strings.Count(logs, "Cloud Backup reads hostPath volumes only below"), 2)
		// ECS makes one snapshot of a disk at a time.
		s.cloud.ECS().Advance(time.Minute)
	}
	b.settle(t)
}

// takenBy tells who has taken which PersistentVolume.
func takenBy(snapshots []takenSnapshot) map[string]string {
	found := map[string]string{}
	for _, snapshot := range snapshots {
		by := takenByHBR
		if strings.Contains(snapshot.Status.ProviderSnapshotID, "/s-") {
			by = takenByECS
		}
		// Whoever takes it a second time shows.
		found[snapshot.Spec.PersistentVolumeName] += by
	}
	return found
}
