// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/util/csi"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/document"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// What the table of docs/csi-or-native.md says of a volume.
const (
	cellECS       = "ECS snapshot"
	cellHBR       = "Cloud Backup"
	cellCSI       = "VolumeSnapshot"
	cellNodeAgent = "node-agent"
	cellNoData    = "no data"
	cellFails     = "**fails**"
)

// TestCSIOrNative backs volumes of several kinds up by servers with and without EnableCSI, and compares what becomes of
// them with the table of docs/csi-or-native.md.
func TestCSIOrNative(t *testing.T) { //nolint:tparallel // One server follows the other.
	t.Parallel()
	skipShort(t)
	s := &fileSuite{suite: newSuite(t, cloudWithFiles()), orphans: &names{}}
	must(t, provisioner.InstallSnapshots(t.Context(), s.cp.Client))
	s.startSnapshotter(t)
	s.createDriverClasses(t)
	s.startVelero(t, "--features="+velerov1.CSIFeatureFlag)
	s.newDiskLocation(t)
	b := s.newFileBench(t, "csi", map[string]string{"method": "agentless"}, policyAgentless)

	var without, withoutClass, with []string
	t.Run("without a class", func(t *testing.T) {
		withoutClass = b.choose(t, "on, no class", []choice{{name: "as it comes", namespace: "on-no-class"}})
	})
	s.create(t, shippedSnapshotClass(t))
	t.Run("with EnableCSI", func(t *testing.T) {
		with = b.choose(t, "on", []choice{
			{name: "as it comes", namespace: "on", args: []string{"--ttl", "1440h"}},
			{name: "`--snapshot-volumes=false`", namespace: "on-none", args: []string{"--snapshot-volumes=false"}},
			{
				name: "`--snapshot-volumes=false`, policy `snapshot` for all", namespace: "on-policy",
				args: []string{"--snapshot-volumes=false"}, policy: volumePolicy(`capacity: "0,100Ti"`, "snapshot"),
			},
			{name: "policy `skip` for NAS and OSS by CSI", namespace: "on-skip", policy: policyOf("skip")},
			{name: "policy `fs-backup` for NAS and OSS by CSI", namespace: "on-files", policy: policyOf("fs-backup")},
			{name: "`--snapshot-move-data`, no node-agent", namespace: "on-move", args: []string{"--snapshot-move-data"}},
		})
		t.Run("a disk is restored from a VolumeSnapshot", b.testRestoreWithCSI)
	})
	t.Run("Velero names another remedy than the plugin", b.testRemedies)
	t.Run("a VolumeSnapshot does not live as long as its backup", b.testRetention)

	must(t, s.velero.Stop())
	s.startVelero(t)
	t.Run("without EnableCSI", func(t *testing.T) {
		without = b.choose(t, "off", []choice{
			{name: "as it comes", namespace: "off"},
			{name: "`--snapshot-volumes=false`", namespace: "off-none", args: []string{"--snapshot-volumes=false"}},
			{name: "`--snapshot-move-data`", namespace: "off-move", args: []string{"--snapshot-move-data"}},
			{name: "policy `skip` for NAS and OSS by CSI", namespace: "off-skip", policy: policyOf("skip")},
		})
		t.Run("a VolumeSnapshot is restored as an empty disk, and the restore is Completed", b.testRestoreWithoutCSI)
		t.Run("VolumeSnapshots are deleted with their backup", b.testDeletion)
	})
	wantEqual(t, "the table of "+pathsPage, slices.Concat(without, withoutClass, with), documentedRows(t))
	t.Run("no secret is in what the CLI says", func(t *testing.T) { must(t, s.secrets.in("the CLI's output", s.said.String())) })
}

// pathsPage is where the table is.
const pathsPage = "../../docs/csi-or-native.md"

// documentedRows are the rows of the table.
func documentedRows(t *testing.T) []string {
	t.Helper()
	var rows []string
	for line := range strings.Lines(document.Read(t, pathsPage)) {
		if strings.HasPrefix(line, "| off |") || strings.HasPrefix(line, "| on") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	return rows
}

// choose makes backups, side by side. It returns their rows, which are there when t has ended. Their server is one with the
// feature or without.
func (b *fileBench) choose(t *testing.T, feature string, choices []choice) []string {
	t.Helper()
	rows := make([]string, len(choices))
	for i, c := range choices {
		t.Run(c.namespace, func(t *testing.T) {
			t.Parallel()
			rows[i] = fmt.Sprintf("| %s | %s | %s |", feature, c.name, strings.Join(b.try(t, c), " | "))
		})
	}
	return rows
}

// testRemedies looks at what the log says of a NAS volume that is left to its driver.
func (b *fileBench) testRemedies(t *testing.T) {
	logs := b.logs(t, "on")
	must(t, wantText(lineWith(logs, "level=error", "name=nas"), "failed to get VolumeSnapshotClass for provisioner "+nasDriver))
	must(t, wantText(lineWith(logs, "level=warning", "driver="+nasDriver), "Switch EnableCSI off", "fs-backup", "on-nas"))
	must(t, wantText(lineWith(logs, "level=error", "name=static"), `storageclasses.storage.k8s.io \"of-another-cluster\" not found`))
}

// testRetention compares how long the snapshots of a backup live that lives for 60 days. Velero has deleted their objects.
func (b *fileBench) testRetention(t *testing.T) {
	var snapshots snapshotv1.VolumeSnapshotList
	must(t, b.cp.Client.List(t.Context(), &snapshots, client.InNamespace("on")))
	wantEqual(t, "how many VolumeSnapshots are left", len(snapshots.Items), 0)
	var contents snapshotv1.VolumeSnapshotContentList
	must(t, b.cp.Client.List(t.Context(), &contents))
	for _, content := range contents.Items {
		if content.Spec.VolumeSnapshotRef.Namespace == "on" {
			t.Errorf("the VolumeSnapshotContent %s is left", content.Name)
		}
	}

	kept := map[string]int64{}
	for disk, claim := range b.disksOf(t, "on") {
		for _, snapshot := range b.cloud.ECS().Snapshots() {
			if snapshot.DiskID == disk {
				kept[claim] = snapshot.RetentionDays
			}
		}
	}
	wantEqual(t, "the days for which the snapshots are kept", kept, map[string]int64{"disk": 30, "flex": 60})
}

// testRestoreWithCSI backs one disk up, and restores it into another namespace.
func (b *fileBench) testRestoreWithCSI(t *testing.T) {
	t.Parallel()
	b.newNamespace(t, "alone")
	v := b.in("alone").newFileVolume(t, "disk", csiSource(diskDriver, b.newDisk(t), nil),
		fileOptions{class: classOfDriver()[diskDriver], empty: true})
	must(t, b.cloud.ECS().WriteFile(diskOf(v.pv), file, []byte("orders")))
	b.completedBackup(t, "alone", "alone")
	b.completedRestore(t, "alone-csi", "alone", "--namespace-mappings", "alone:alone-csi")

	claim := b.claim(t, "alone-csi", "disk")
	if claim.Spec.DataSource == nil || claim.Spec.DataSource.Kind != "VolumeSnapshot" {
		t.Fatalf("the restored claim is made of %+v, want a VolumeSnapshot", claim.Spec.DataSource)
	}
	snapshot, content := &snapshotv1.VolumeSnapshot{}, &snapshotv1.VolumeSnapshotContent{}
	must(t, b.cp.Client.Get(t.Context(), client.ObjectKey{Namespace: "alone-csi", Name: claim.Spec.DataSource.Name}, snapshot))
	must(t, b.cp.Client.Get(t.Context(), client.ObjectKey{Name: *snapshot.Spec.Source.VolumeSnapshotContentName}, content))
	taken := b.cloud.ECS().Snapshots()
	i := slices.IndexFunc(taken, func(s ecs.SnapshotInfo) bool { return s.DiskID == diskOf(v.pv) })
	wantEqual(t, "the snapshot that the claim is made of", *content.Spec.Source.SnapshotHandle, taken[i].ID)
}

// testRestoreWithoutCSI restores the same backup by a server without the feature.
func (b *fileBench) testRestoreWithoutCSI(t *testing.T) {
	t.Parallel()
	b.completedRestore(t, "alone-native", "alone", "--namespace-mappings", "alone:alone-native")
	pv := (&diskVolume{name: "disk"}).waitBoundIn(t, b.suite, "alone-native")
	if _, err := b.cloud.ECS().ReadFile(diskOf(pv), file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the restored disk %s has the file of the backup, or: %v", diskOf(pv), err)
	}
	if source := b.claim(t, "alone-native", "disk").Spec.DataSource; source != nil {
		t.Errorf("the restored claim is made of %+v, want nothing", source)
	}
}

func (s *suite) claim(t *testing.T, namespace, name string) *corev1.PersistentVolumeClaim {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{}
	must(t, s.cp.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, claim))
	return claim
}

// testDeletion deletes a backup with snapshots of all three.
func (b *fileBench) testDeletion(t *testing.T) {
	t.Parallel()
	b.delete(t, "on")
	disks := b.disksOf(t, "on")
	eventually(t, "the snapshots of the backup to be deleted", func(context.Context) error {
		for _, snapshot := range b.cloud.ECS().Snapshots() {
			if claim, ok := disks[snapshot.DiskID]; ok {
				return fmt.Errorf("that of %s is there", claim)
			}
		}
		return nil
	})
}

// shippedSnapshotClass is deploy/volumesnapshotclass/disk.yaml.
func shippedSnapshotClass(t *testing.T) *snapshotv1.VolumeSnapshotClass {
	t.Helper()
	content, err := os.ReadFile("../../deploy/volumesnapshotclass/disk.yaml")
	must(t, err)
	class := &snapshotv1.VolumeSnapshotClass{}
	must(t, yaml.UnmarshalStrict(content, class))
	return class
}

// TestShippedSnapshotClass holds that the class is as ACK's backup center has it, that Velero chooses it among others of the
// driver, and that the documentation says what it is.
func TestShippedSnapshotClass(t *testing.T) {
	t.Parallel()
	class := shippedSnapshotClass(t)
	wantEqual(t, "the class", class, &snapshotv1.VolumeSnapshotClass{
		TypeMeta: metav1.TypeMeta{APIVersion: "snapshot.storage.k8s.io/v1", Kind: "VolumeSnapshotClass"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "csdr-disk-snapshot-with-default-ttl", Labels: map[string]string{velerov1.VolumeSnapshotClassSelectorLabel: "true"},
		},
		Driver: diskDriver, DeletionPolicy: snapshotv1.VolumeSnapshotContentRetain, Parameters: map[string]string{"retentionDays": "30"},
	})
	other := class.DeepCopy()
	other.Name, other.Labels = "alibabacloud-disk-snapshot", nil
	other.Annotations = map[string]string{velerov1.VolumeSnapshotClassKubernetesAnnotation: "true"}
	chosen, err := csi.GetVolumeSnapshotClassForStorageClass(diskDriver,
		&snapshotv1.VolumeSnapshotClassList{Items: []snapshotv1.VolumeSnapshotClass{*other, *class}})
	must(t, err)
	wantEqual(t, "the class that Velero chooses", chosen, class)

	must(t, wantText(document.Read(t, pathsPage), "deploy/volumesnapshotclass/disk.yaml", class.Name, velerov1.VolumeSnapshotClassSelectorLabel,
		"`deletionPolicy: "+string(class.DeletionPolicy)+"`", "`retentionDays: \""+class.Parameters["retentionDays"]+"\"`"))
}
