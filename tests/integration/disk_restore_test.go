// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"slices"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

func (s *diskSuite) testSameRegion(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "disk-same", nil)
	s.newNamespace(t, b.name)
	v := b.newVolume(t, "data", volumeOptions{mountOptions: []string{"noatime"}})
	b.completedDiskBackup(t, b.name)
	b.wantInventory(t, "after the backup", 1, 1, 0)
	b.wantSnapshotOf(t, v)

	v.overwrite(t)
	// While the claim has its disk, a copy of it gets one of its own.
	s.completedRestore(t, "disk-same-copy", b.name, "--namespace-mappings", b.name+":disk-same-copy")
	duplicate := v.wantRestoredIn(t, s.suite, "disk-same-copy", v.essd())
	b.wantInventory(t, "after the restore of a copy", 2, 1, 0)

	b.lose(t, v)
	s.completedRestore(t, b.name, b.name)
	pv := v.wantRestored(t, v.essd())
	wantEqual(t, "the mount options", pv.Spec.MountOptions, []string{"noatime"})
	b.wantInventory(t, "after the restore", 2, 1, 0)
	b.settle(t, diskOf(duplicate), diskOf(pv))
}

// wantSnapshotOf fails unless the snapshot of a volume says what it is of, and lives as long as its backup: by default
// 30 days.
func (b *bench) wantSnapshotOf(t *testing.T, v *diskVolume) {
	t.Helper()
	system := &corev1.Namespace{}
	must(t, b.cp.Client.Get(t.Context(), client.ObjectKey{Name: metav1.NamespaceSystem}, system))
	backup := &velerov1.Backup{}
	must(t, b.get(t.Context(), b.name, backup))
	for _, snapshot := range b.cloud.ECS().Snapshots() {
		if snapshot.DiskID != v.disk {
			continue
		}
		wantEqual(t, "the snapshot's retention in days", snapshot.RetentionDays, int64(30))
		for key, want := range map[string]string{
			"velero.io/backup": b.name, "velero.io/pv": v.pv, "alibabacloud.com/pvc": b.name + "/" + v.name,
			"alibabacloud.com/backup-uid": string(backup.UID), "alibabacloud.com/cluster-id": string(system.UID),
		} {
			wantEqual(t, "the snapshot's tag "+key, snapshot.Tags[key], want)
		}
		return
	}
	t.Errorf("the disk %s has no snapshot", v.disk)
}

func (s *diskSuite) testOtherZone(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "disk-zone", map[string]string{"zoneMapping": zoneH + "=" + zoneI})
	s.newNamespace(t, b.name)
	v := b.newVolume(t, "data", volumeOptions{pv: "pv-disk-zone"})
	b.completedDiskBackup(t, b.name)

	v.overwrite(t)
	b.lose(t, v)
	s.completedRestore(t, b.name, b.name)
	want := v.essd()
	want.Zone = zoneI
	pv := v.wantRestored(t, want)
	wantEqual(t, "the name of the volume", pv.Name, "pv-disk-zone")
	b.settle(t, diskOf(pv))
}

func (s *diskSuite) testOtherRegion(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "disk-region", nil)
	s.newNamespace(t, b.name)
	const key, otherKey = "key-of-hangzhou", "key-of-beijing"
	must(t, s.cloud.ECS().SetKMSKey(ecs.KMSKey{ID: key, Account: b.account, Region: region}))
	must(t, s.cloud.ECS().SetKMSKey(ecs.KMSKey{ID: otherKey, Account: b.account, Region: otherRegion}))
	v := b.newVolume(t, "data", volumeOptions{})
	encrypted := b.newVolume(t, "encrypted", volumeOptions{disk: ecs.DiskConfig{Encrypted: true, KMSKeyID: key}})
	b.completedDiskBackup(t, b.name)
	v.overwrite(t)
	encrypted.overwrite(t)

	there := b.inOtherCluster(t, otherRegion, zoneK, map[string]string{"kmsKeyId": otherKey})
	there.completedRestore(t, b.name, b.name)
	want := v.essd()
	want.Zone = zoneK
	wantEncrypted := encrypted.essd()
	wantEncrypted.Zone, wantEncrypted.Encrypted, wantEncrypted.KMSKeyID = zoneK, true, otherKey
	disks := []string{
		v.disk, diskOf(v.wantRestoredIn(t, there.suite, b.name, want)),
		encrypted.disk, diskOf(encrypted.wantRestoredIn(t, there.suite, b.name, wantEncrypted)),
	}
	wantEqual(t, "the hosts that were asked for a copy", hosts(b.calls("CopySnapshot")), []string{"ecs." + region + ".aliyuncs.com"})
	wantEqual(t, "the number of copies", len(b.calls("CopySnapshot")), 2)
	wantEqual(t, "the hosts that were asked for a disk", hosts(b.calls("CreateDisk")), []string{"ecs." + otherRegion + ".aliyuncs.com"})
	wantEqual(t, "whether the copies were polled where they are made", b.polled("ecs."+otherRegion+".aliyuncs.com"), true)
	b.wantInventory(t, "after the restore", 4, 4, 0)

	// The copies are used again.
	there.completedRestore(t, "disk-region-again", b.name, "--namespace-mappings", b.name+":disk-region-again")
	disks = append(disks,
		diskOf(v.wantRestoredIn(t, there.suite, "disk-region-again", want)),
		diskOf(encrypted.wantRestoredIn(t, there.suite, "disk-region-again", wantEncrypted)))
	wantEqual(t, "the number of copies after another restore", len(b.calls("CopySnapshot")), 2)
	b.settle(t, disks...)
}

// polled tells whether snapshots were described at a host after the last copy was asked for.
func (b *bench) polled(host string) bool {
	copies := b.calls("CopySnapshot")
	return slices.ContainsFunc(b.calls("DescribeSnapshots"), func(entry journal.Entry) bool {
		return entry.Host == host && entry.Time.After(copies[len(copies)-1].Time)
	})
}

// inOtherCluster starts a cluster with a node in a zone of a region. It sees the bench's backups. config replaces keys of
// its snapshot location's config.
func (b *bench) inOtherCluster(t *testing.T, region, zone string, config map[string]string) *bench {
	t.Helper()
	other := b.startOther(t)
	other.createNode(t, zone)
	there := &bench{vault: &vault{suite: other, name: b.name, account: b.account, bucket: b.bucket, key: b.key}}
	there.writeSecret(t, dotenv(b.key))
	there.createLocation(t, vaultOptions{})
	there.createSnapshotLocation(t, region, config)
	there.waitAvailable(t)
	// A server looks for backups when it starts, and then once a minute.
	must(t, other.velero.Restart(t.Context()))
	eventually(t, "the backup to be synced", func(ctx context.Context) error {
		return other.get(ctx, b.name, &velerov1.Backup{})
	})
	return there
}

func (s *diskSuite) testKinds(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "disk-kinds", nil)
	s.newNamespace(t, b.name)
	const key = "key-of-the-shop"
	must(t, s.cloud.ECS().SetKMSKey(ecs.KMSKey{ID: key, Account: b.account, Region: region}))
	kinds := []struct {
		name    string
		options volumeOptions
		want    diskState
	}{
		{
			name:    "block",
			options: volumeOptions{block: true},
			want:    diskState{Category: "cloud_essd", PerformanceLevel: "PL1", Size: 20},
		},
		{
			name:    "flexvolume",
			options: volumeOptions{flex: true},
			want:    diskState{Category: "cloud_essd", PerformanceLevel: "PL1", Size: 20},
		},
		{
			name:    "encrypted",
			options: volumeOptions{disk: ecs.DiskConfig{Encrypted: true, KMSKeyID: key}},
			want:    diskState{Category: "cloud_essd", PerformanceLevel: "PL1", Size: 20, Encrypted: true, KMSKeyID: key},
		},
		{
			name:    "fast",
			options: volumeOptions{disk: ecs.DiskConfig{Size: 500, PerformanceLevel: "PL2"}},
			want:    diskState{Category: "cloud_essd", PerformanceLevel: "PL2", Size: 500},
		},
		{
			name: "provisioned",
			options: volumeOptions{disk: ecs.DiskConfig{
				Category: "cloud_auto", Size: 100, ProvisionedIOPS: 1000, Bursting: true,
			}},
			want: diskState{Category: "cloud_auto", Size: 100, ProvisionedIOPS: 1000, Bursting: true},
		},
		{
			// Its snapshot can be used when it is accomplished, not before.
			name:    "slow",
			options: volumeOptions{disk: ecs.DiskConfig{Category: "cloud_ssd"}},
			want:    diskState{Category: "cloud_ssd", Size: 20},
		},
	}
	volumes := make([]*diskVolume, len(kinds))
	for i, kind := range kinds {
		volumes[i] = b.newVolume(t, kind.name, kind.options)
	}
	b.completedDiskBackup(t, b.name)

	for _, v := range volumes {
		v.overwrite(t)
	}
	b.lose(t, volumes...)
	s.completedRestore(t, b.name, b.name)
	var disks []string
	for i, kind := range kinds {
		want := kind.want
		want.Zone, want.OwnTag, want.Content = zoneH, "storefront", volumes[i].content
		pv := volumes[i].wantRestored(t, want)
		disks = append(disks, diskOf(pv))
		wantEqual(t, "the mode of the volume "+kind.name, pv.Spec.VolumeMode, volumeMode(kind.options))
		wantEqual(t, "whether the volume "+kind.name+" is of the FlexVolume driver", pv.Spec.FlexVolume != nil, false)
	}
	b.settle(t, disks...)
}

func (s *diskSuite) testFlexVolumeStays(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "disk-flex", nil)
	s.newNamespace(t, b.name)
	v := b.newVolume(t, "data", volumeOptions{flex: true})
	b.completedDiskBackup(t, b.name)

	v.overwrite(t)
	b.lose(t, v)
	s.createSettings(t, "flexvolume-to-csi", b.name, map[string]string{"enabled": "false"})
	s.completedRestore(t, b.name, b.name)
	pv := v.wantRestored(t, v.essd())
	wantEqual(t, "the source of the volume", pv.Spec.PersistentVolumeSource, corev1.PersistentVolumeSource{
		FlexVolume: &corev1.FlexPersistentVolumeSource{
			Driver: flexDriver, FSType: "ext4", Options: map[string]string{"VolumeId": diskOf(pv)},
		},
	})
	b.settle(t, diskOf(pv))
}

func (s *diskSuite) testOtherClass(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "disk-class", nil)
	s.newNamespace(t, b.name)
	v := b.newVolume(t, "data", volumeOptions{class: "alicloud-disk-ssd", disk: ecs.DiskConfig{Category: "cloud_ssd"}})
	b.completedDiskBackup(t, b.name)

	v.overwrite(t)
	b.lose(t, v)
	// The cluster has nodes in two zones, where a class must wait for the Pod.
	s.createClass(t, "alicloud-disk-essd-pl1", map[string]string{"type": "cloud_essd", "performanceLevel": "PL1"})
	s.createSettings(t, "storage-class-mapping", b.name, map[string]string{
		"rules": "- from: alicloud-disk-ssd\n  to: {class: alicloud-disk-essd-pl1, capacity: 40Gi}\n",
	})
	s.completedRestore(t, b.name, b.name)
	want := v.essd()
	want.Size = 40
	pv := v.wantRestored(t, want)
	wantEqual(t, "the class of the volume", pv.Spec.StorageClassName, "alicloud-disk-essd-pl1")
	wantEqual(t, "the capacity of the volume", pv.Spec.Capacity, capacity(40))
	claim := &corev1.PersistentVolumeClaim{}
	must(t, s.cp.Client.Get(t.Context(), client.ObjectKey{Namespace: b.name, Name: v.name}, claim))
	wantEqual(t, "the class of the claim", *claim.Spec.StorageClassName, "alicloud-disk-essd-pl1")
	wantEqual(t, "what the claim asks for", claim.Spec.Resources.Requests, capacity(40))
	wantEqual(t, "the capacity of the claim", claim.Status.Capacity, capacity(40))
	b.settle(t, diskOf(pv))
}

func (s *diskSuite) testClaimAlone(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "disk-claim", nil)
	s.newNamespace(t, b.name)
	v := b.newVolume(t, "data", volumeOptions{
		disk:         ecs.DiskConfig{Size: 10, PerformanceLevel: "PL0"},
		mountOptions: []string{"noatime", "nodelalloc"},
		claimLabels:  map[string]string{"app": "orders"},
	})
	s.createForeignVolume(t, b.name)
	foreign := s.persistentVolume(t, foreignVolume)
	backup := b.backupDisks(t, b.name)
	wantEqual(t, "the phase of the backup", backup.Status.Phase, velerov1.BackupPhaseCompleted)
	wantEqual(t, "the errors of the backup", backup.Status.Errors, 0)
	// Upstream warns of each volume that no snapshotter takes.
	wantEqual(t, "the warnings of the backup", backup.Status.Warnings, 1)
	must(t, wantText(lineWith(b.logs(t, b.name), "level=warning"), "No volume ID returned by volume snapshotter", foreignVolume))
	b.wantInventory(t, "after the backup", 1, 1, 0)

	v.overwrite(t)
	must(t, s.cp.Client.Delete(t.Context(), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: v.name}}))
	s.waitGone(t, "the claim", &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: v.name}})
	v.losePersistentVolume(t)
	must(t, s.cloud.ECS().RemoveDisk(v.disk))
	s.completedRestore(t, b.name, b.name, "--include-resources", "persistentvolumeclaims,persistentvolumes", "--selector", "app=orders")
	want := v.essd()
	want.PerformanceLevel = "PL0"
	pv := v.wantRestored(t, want)
	wantEqual(t, "the mount options", pv.Spec.MountOptions, []string{"noatime", "nodelalloc"})
	wantEqual(t, "the volume of another vendor", s.persistentVolume(t, foreignVolume), foreign)
	b.settle(t, diskOf(pv))
}

// foreignVolume is a PersistentVolume of another vendor.
const foreignVolume = "pvc-of-ebs"

// createForeignVolume creates foreignVolume with a claim in the namespace, bound.
func (s *suite) createForeignVolume(t *testing.T, namespace string) {
	t.Helper()
	class := "gp2"
	access := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	s.create(t, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: foreignVolume, Annotations: map[string]string{provisionedKey: "ebs.csi.aws.com"}},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: access, Capacity: capacity(4), StorageClassName: class,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: "ebs.csi.aws.com", VolumeHandle: "vol-0a1b2c3d4e5f60718", FSType: "ext4",
			}},
			ClaimRef: &corev1.ObjectReference{Namespace: namespace, Name: "foreign"},
		},
	}, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "foreign"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: access, Resources: corev1.VolumeResourceRequirements{Requests: capacity(4)},
			StorageClassName: &class, VolumeName: foreignVolume,
		},
	})
	eventually(t, "the claim of another vendor's volume to be bound", func(ctx context.Context) error {
		claim := &corev1.PersistentVolumeClaim{}
		if err := s.cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "foreign"}, claim); err != nil {
			return err
		}
		if claim.Status.Phase != corev1.ClaimBound {
			return fmt.Errorf("it is %s", claim.Status.Phase)
		}
		return nil
	})
}

func (s *suite) persistentVolume(t *testing.T, name string) *corev1.PersistentVolume {
	t.Helper()
	pv := &corev1.PersistentVolume{}
	must(t, s.cp.Client.Get(t.Context(), client.ObjectKey{Name: name}, pv))
	return pv
}
