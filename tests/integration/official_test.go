// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/official"
)

// officialSuite is a suite whose Velero was installed for the official plugin, and in whose cloud is a backup that the
// official plugin has made. Cluster and disks of it are gone.
type officialSuite struct {
	*suite

	account, bucket string
	// disks are those that were backed up.
	disks []ecs.DiskConfig
	// instances are the ids of the nodes by their zones.
	instances map[string]string
}

// backupAfterSwitch is the name of a backup that this plugin makes.
const backupAfterSwitch = "after-the-switch"

// TestOfficialPlugin switches from the official plugin to this one: credentials, their policy and the locations stay.
func TestOfficialPlugin(t *testing.T) { //nolint:tparallel // Each step goes on from the one before.
	t.Parallel()
	skipShort(t)
	s := startOfficialSuite(t)
	s.createNode(t, zoneH)
	s.createNode(t, zoneI)
	must(t, official.Load(s.cloud, s.account, s.bucket))
	s.createLocations(t)
	s.waitSynced(t)

	made := map[string]string{}
	t.Run("a backup of the official plugin is restored", func(t *testing.T) {
		s.restoreOfficial(t, "as-recorded", official.Namespace, made)
	})
	t.Run("it is restored again where the locations have all keys that the official plugin knows", func(t *testing.T) {
		s.setLocations(t, map[string]string{"region": region, "network": "internal", "zone": zoneH, "notOnECS": "true"})
		s.restoreOfficial(t, "all-keys", official.Namespace+"-again", made)
	})
	t.Run("what has been restored is backed up", s.testBackupAfterSwitch)
	t.Run("its deletion removes its snapshots and its objects", func(t *testing.T) {
		s.delete(t, official.Backup)
		s.delete(t, backupAfterSwitch)
		want := ecs.Inventory{}
		for id := range made {
			want.Disks = append(want.Disks, region+"/"+id)
		}
		slices.Sort(want.Disks)
		wantEqual(t, "what the account has", s.cloud.ECS().Inventory(s.account), want)
		wantEqual(t, "how many objects the bucket has", len(s.cloud.OSS().Objects(s.bucket)), 0)
	})
}

func startOfficialSuite(t *testing.T) *officialSuite {
	t.Helper()
	config, err := official.Cloud()
	must(t, err)
	s := &officialSuite{account: config.Accounts[0].ID, bucket: config.Buckets[0].Name, disks: config.ECS.Disks}
	s.instances = map[string]string{}
	for _, instance := range config.ECS.Instances {
		s.instances[instance.Zone] = instance.ID
	}
	config.ECS.Disks, config.Instance = nil, nil
	config.ECS.Durations = briefly()
	s.suite = newSuite(t, config)
	key := config.Accounts[0].Users[0].Keys[0]
	s.secrets.keep(key.Secret)
	s.env = []string{"ALIBABA_CLOUD_CREDENTIALS_FILE=" + writeCredentials(t, key)}
	s.startVelero(t)
	return s
}

// writeCredentials writes the file that "velero install --secret-file" mounts into the server's pod.
func writeCredentials(t *testing.T, key cloudsim.AccessKey) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cloud")
	must(t, os.WriteFile(file, []byte(dotenv(key)), 0o600))
	return file
}

// createLocations creates the locations as the official plugin had them.
func (s *officialSuite) createLocations(t *testing.T) {
	t.Helper()
	s.create(
		t,
		&velerov1.BackupStorageLocation{
			ObjectMeta: inVelero(official.Location),
			Spec: velerov1.BackupStorageLocationSpec{
				Provider:    "alibabacloud",
				Config:      official.BackupLocationConfig(),
				Default:     true,
				StorageType: velerov1.StorageType{ObjectStorage: &velerov1.ObjectStorageLocation{Bucket: s.bucket, Prefix: official.Prefix}},
			},
		},
		&velerov1.VolumeSnapshotLocation{
			ObjectMeta: inVelero(official.Location),
			Spec:       velerov1.VolumeSnapshotLocationSpec{Provider: "alibabacloud", Config: official.SnapshotLocationConfig()},
		},
	)
	s.waitLocation(t)
}

// waitLocation waits until Velero says that the location is available.
func (s *officialSuite) waitLocation(t *testing.T) {
	t.Helper()
	(&vault{suite: s.suite, name: official.Location}).waitAvailable(t)
}

// setLocations gives both locations another config.
func (s *officialSuite) setLocations(t *testing.T, config map[string]string) {
	t.Helper()
	storage, snapshots := &velerov1.BackupStorageLocation{}, &velerov1.VolumeSnapshotLocation{}
	must(t, s.get(t.Context(), official.Location, storage))
	must(t, s.get(t.Context(), official.Location, snapshots))
	storage.Spec.Config, snapshots.Spec.Config = config, config
	must(t, s.cp.Client.Update(t.Context(), storage))
	must(t, s.cp.Client.Update(t.Context(), snapshots))
	s.waitLocation(t)
}

// waitSynced waits until Velero has found the backup in the bucket.
func (s *officialSuite) waitSynced(t *testing.T) {
	t.Helper()
	eventually(t, "the backup to be synced", func(ctx context.Context) error {
		return s.get(ctx, official.Backup, &velerov1.Backup{})
	})
}

// testBackupAfterSwitch backs up the namespace that was restored first.
func (s *officialSuite) testBackupAfterSwitch(t *testing.T) {
	for _, pv := range s.waitAllBound(t, official.Namespace, len(s.disks)) {
		// There is no kubelet that attaches them.
		instance := s.instances[s.diskInfo(t, diskOf(pv)).Zone]
		must(t, s.cloud.ECS().Attach(diskOf(pv), instance))
	}
	b := &vault{suite: s.suite, name: official.Location}
	b.completedBackup(t, backupAfterSwitch, official.Namespace)
	wantEqual(t, "the number of snapshots", len(s.cloud.ECS().Inventory(s.account).Snapshots), 2*len(s.disks))
}

// restoreOfficial restores the backup into a namespace and fails unless all is there as it was. It adds the ids of the
// disks that it has found to made, each of the snapshot of which it is.
func (s *officialSuite) restoreOfficial(t *testing.T, name, namespace string, made map[string]string) {
	t.Helper()
	restore := s.restore(t, name, official.Backup, "--namespace-mappings", official.Namespace+":"+namespace)
	s.wantPhase(t, restore, velerov1.RestorePhaseCompleted)
	wantEqual(t, "the errors of the restore", restore.Status.Errors, 0)

	bound := s.waitAllBound(t, namespace, len(s.disks))
	taken := recordedSnapshots(t)
	for _, disk := range s.disks {
		pv := bound[disk.Name]
		if pv == nil {
			t.Fatalf("no claim is called %s", disk.Name)
		}
		id := diskOf(pv)
		if from, known := made[id]; known {
			t.Errorf("the disk %s of %s/%s is already one of another restore, made of %s", id, namespace, disk.Name, from)
		}
		made[id] = taken[disk.ID].ID
		s.wantDisk(t, id, disk, taken[disk.ID].ID)
	}
	s.wantObjects(t, namespace, bound)
}

// recordedSnapshots are the recorded snapshots by the id of their disk.
func recordedSnapshots(t *testing.T) map[string]ecs.SnapshotConfig {
	t.Helper()
	snapshots, err := official.Snapshots()
	must(t, err)
	byDisk := map[string]ecs.SnapshotConfig{}
	for _, snapshot := range snapshots {
		byDisk[snapshot.Disk] = snapshot
	}
	return byDisk
}

// wantDisk fails unless a disk is made of a snapshot and as the one that was backed up. An ESSD is of the level that ECS
// takes by default: the official plugin asks ECS neither for the level nor for the IOPS.
func (s *officialSuite) wantDisk(t *testing.T, id string, was ecs.DiskConfig, snapshot string) {
	t.Helper()
	type disk struct {
		Category, PerformanceLevel, Zone, Snapshot string
		Size                                       int64
		Encrypted                                  bool
		Files                                      map[string]string
	}
	want := disk{
		Category: was.Category, Zone: was.Zone, Snapshot: snapshot, Size: was.Size, Encrypted: was.Encrypted, Files: was.Files,
	}
	if was.Category == "cloud_essd" {
		want.PerformanceLevel = "PL1"
	}
	info := s.diskInfo(t, id)
	got := disk{
		Category: info.Category, PerformanceLevel: info.PerformanceLevel, Zone: info.Zone, Snapshot: info.SourceSnapshotID,
		Size: info.Size, Encrypted: info.Encrypted, Files: map[string]string{},
	}
	for name := range was.Files {
		content, err := s.cloud.ECS().ReadFile(id, name)
		must(t, err)
		got.Files[name] = string(content)
	}
	wantEqual(t, "the disk "+id+" in place of "+was.ID, got, want)
	for key, value := range was.Tags {
		wantEqual(t, "the tag "+key+" of the disk in place of "+was.ID, info.Tags[key], value)
	}
}

// wantObjects fails unless the objects of the application are in a namespace with all that they were created with. Of
// volumes it is what no restore changes; a FlexVolume has become one of the CSI driver.
func (s *officialSuite) wantObjects(t *testing.T, namespace string, bound map[string]*corev1.PersistentVolume) {
	t.Helper()
	objects, err := official.Application()
	must(t, err)
	for _, want := range objects {
		key := client.ObjectKey{Namespace: namespace, Name: want.GetName()}
		switch want.GetKind() {
		case "Namespace":
			key = client.ObjectKey{Name: namespace}
		case "PersistentVolume":
			claim, _, err := unstructured.NestedString(want.Object, "spec", "claimRef", "name")
			must(t, err)
			key = client.ObjectKey{Name: bound[claim].Name}
			for _, path := range []string{"claimRef", "csi", "flexVolume"} {
				unstructured.RemoveNestedField(want.Object, "spec", path)
			}
			unstructured.RemoveNestedField(want.Object, "metadata", "annotations", "pv.kubernetes.io/provisioned-by")
			wantCSI(t, bound[claim], claim)
		case "PersistentVolumeClaim":
			unstructured.RemoveNestedField(want.Object, "spec", "volumeName")
		}
		got := s.object(t, want.GetAPIVersion(), want.GetKind(), key.Namespace, key.Name)
		want.SetNamespace(key.Namespace)
		want.SetName(key.Name)
		for _, difference := range missing("", want.Object, got.Object) {
			t.Errorf("%s %s: %s", want.GetKind(), key, difference)
		}
	}
}

// wantCSI fails unless a volume is one of the CSI driver for disks.
func wantCSI(t *testing.T, pv *corev1.PersistentVolume, claim string) {
	t.Helper()
	if pv.Spec.CSI == nil || pv.Spec.CSI.Driver != diskDriver || pv.Spec.CSI.FSType != "ext4" {
		t.Errorf("the volume of %s is not one of the CSI driver with ext4: %+v", claim, pv.Spec.PersistentVolumeSource)
	}
}

// missing tells what of want is not in got, each by its path.
func missing(path string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		has, _ := got.(map[string]any)
		var found []string
		for _, key := range slices.Sorted(maps.Keys(want)) {
			found = append(found, missing(path+"."+key, want[key], has[key])...)
		}
		return found
	case []any:
		has, _ := got.([]any)
		if len(has) != len(want) {
			return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
		}
		var found []string
		for i := range want {
			found = append(found, missing(fmt.Sprintf("%s[%d]", path, i), want[i], has[i])...)
		}
		return found
	}
	if fmt.Sprint(want) != fmt.Sprint(got) {
		return []string{fmt.Sprintf("%s is %v, want %v", strings.TrimPrefix(path, "."), got, want)}
	}
	return nil
}
