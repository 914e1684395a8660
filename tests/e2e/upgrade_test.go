//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/official"
)

// idleImage does nothing.
const idleImage = "docker.io/library/idle:e2e"

// testUpgrade restores a backup that the official plugin has made: its bucket, prefix and locations stay as they are, and
// this plugin takes the place of that one.
func (e *environment) testUpgrade(t *testing.T) {
	t.Parallel()
	bucket := e.cloud.bucket(t, "official")
	must(t, official.Load(e.cloud.Cloud, accountID, bucket))
	s := e.home.beside("velero-official")
	s.install(t, installation{bucket: bucket, prefix: official.Prefix})
	s.awaitSynced(t, official.Backup)

	// The node is in one of the two zones. The Pods would wait for nodes in the other one.
	const recorded = "shop-recorded"
	s.restore(t, recorded, official.Backup, "--namespace-mappings", official.Namespace+":"+recorded,
		"--exclude-resources", "deployments.apps,replicasets.apps,pods")
	s.wantOfficialDisks(t, recorded, map[string]string{"cn-hangzhou-h": "cn-hangzhou-h", "cn-hangzhou-i": "cn-hangzhou-i"})

	location := &velerov1.VolumeSnapshotLocation{ObjectMeta: s.inVelero(official.Location)}
	s.change(t, location, func() { location.Spec.Config["zoneMapping"] = "cn-hangzhou-i=" + s.zone })
	s.mapOfficialImages(t)
	s.restore(t, official.Namespace, official.Backup)
	for _, name := range []string{"orders", "sessions"} {
		s.awaitRollout(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: official.Namespace, Name: name}})
	}
	s.wantOfficialDisks(t, official.Namespace, map[string]string{"cn-hangzhou-h": s.zone, "cn-hangzhou-i": s.zone})

	for _, namespace := range []string{recorded, official.Namespace} {
		s.deleteNamespace(t, namespace)
	}
	s.deleteBackup(t, official.Backup)
	if left := e.cloud.OSS().Objects(bucket); len(left) > 0 {
		t.Errorf("%d objects are left of the backup: %+v", len(left), left)
	}
	taken, err := official.Snapshots()
	must(t, err)
	for _, snapshot := range e.cloud.ECS().Snapshots() {
		for _, of := range taken {
			if snapshot.ID == of.ID {
				t.Errorf("the snapshot %s is left of the backup", of.ID)
			}
		}
	}
}

// mapOfficialImages has the application run with images that the cluster has.
func (s *site) mapOfficialImages(t *testing.T) {
	t.Helper()
	archive, err := cluster.BuildImage(t.Context(), cluster.Image{
		Name: idleImage, Files: map[string]string{"/bin/busybox": "/bin/busybox"}, Entrypoint: []string{"/bin/busybox", "sleep", "infinity"},
		StopSignal: "SIGKILL",
	})
	must(t, err)
	must(t, s.LoadImage(t.Context(), archive))
	s.configure(t, "image-mapping", map[string]string{
		"case1": "registry.cn-hangzhou.aliyuncs.com/shop/orders:1.4.2," + idleImage,
		"case2": "registry.cn-hangzhou.aliyuncs.com/shop/sessions:2.0.0," + idleImage,
	})
}

// officialDisk is what a restore of the recorded backup makes of a disk.
type officialDisk struct {
	Category, Zone, Snapshot string
	Size                     int64
	Encrypted                bool
	Files                    map[string]string
}

// wantOfficialDisks fails unless each claim of a namespace is bound to a disk that is as the recorded one was, with its
// bytes, and in the zone that takes the place of that one's.
func (s *site) wantOfficialDisks(t *testing.T, namespace string, zones map[string]string) {
	t.Helper()
	config, err := official.Cloud()
	must(t, err)
	snapshots, err := official.Snapshots()
	must(t, err)
	want, got := map[string]officialDisk{}, map[string]officialDisk{}
	for _, was := range config.ECS.Disks {
		disk := officialDisk{Category: was.Category, Zone: zones[was.Zone], Size: was.Size, Encrypted: was.Encrypted, Files: was.Files}
		for _, snapshot := range snapshots {
			if snapshot.Disk == was.ID {
				disk.Snapshot = snapshot.ID
			}
		}
		want[was.Name] = disk
		volume := s.volumeOf(t, namespace, was.Name)
		got[was.Name] = s.officialDisk(t, volume, was)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the disks of the claims in %s (-want +got):\n%s", namespace, diff)
	}
}

// officialDisk is the disk of a volume, with the files that were on another one.
func (s *site) officialDisk(t *testing.T, volume *corev1.PersistentVolume, was ecs.DiskConfig) officialDisk {
	t.Helper()
	dir, err := s.storageOf(volume)
	must(t, err)
	for _, disk := range s.cloud.ECS().Disks() {
		if disk.ID != volume.Spec.CSI.VolumeHandle {
			continue
		}
		found := officialDisk{
			Category: disk.Category, Zone: disk.Zone, Snapshot: disk.SourceSnapshotID, Size: disk.Size, Encrypted: disk.Encrypted,
			Files: map[string]string{},
		}
		for name := range was.Files {
			data, err := os.ReadFile(filepath.Join(dir, name))
			must(t, err)
			found.Files[name] = string(data)
		}
		return found
	}
	t.Fatalf("there is no disk %s", volume.Spec.CSI.VolumeHandle)
	return officialDisk{}
}
