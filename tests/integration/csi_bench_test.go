// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// startSnapshotter starts a cluster without nodes whose driver of disks makes VolumeSnapshots. It ends with the test.
func (s *fileSuite) startSnapshotter(t *testing.T) {
	t.Helper()
	var err error
	s.nodes, err = node.Start(t.Context(), s.cp.Client, node.Options{Cloud: s.cloud, Account: accountID, Dir: t.TempDir(), Snapshots: true})
	must(t, err)
	t.Cleanup(func() {
		if err := s.nodes.Close(); err != nil {
			t.Error(err)
		}
	})
}

// classOfDriver are the StorageClasses of the volumes by CSI.
func classOfDriver() map[string]string {
	return map[string]string{diskDriver: diskClass, nasDriver: "alibabacloud-cnfs-nas", ossDriver: "alicloud-oss"}
}

func (s *suite) createDriverClasses(t *testing.T) {
	t.Helper()
	for driver, name := range classOfDriver() {
		s.create(t, &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: driver, Parameters: map[string]string{"type": "cloud_essd", "zoneId": zoneH},
		})
	}
}

// choice is a way to make a backup.
type choice struct {
	// name is what the documentation calls it.
	name string
	// namespace is of the volumes, and the name of the backup.
	namespace string
	// args are added to "velero backup create".
	args []string
	// policy is the text of volume policies.
	policy string
}

// volumePolicy is the text of one volume policy.
func volumePolicy(condition, action string) string {
	return fmt.Sprintf("version: v1\nvolumePolicies:\n- conditions: {%s}\n  action: {type: %s}\n", condition, action)
}

// policyOf is the text of volume policies that do one thing with NAS and OSS by CSI.
func policyOf(action string) string {
	_, second, _ := strings.Cut(volumePolicy("csi: {driver: "+ossDriver+"}", action), "volumePolicies:\n")
	return volumePolicy("csi: {driver: "+nasDriver+"}", action) + second
}

// try backs up one volume of each kind, each with a Pod, and returns what becomes of them, and of the backup.
func (b *fileBench) try(t *testing.T, c choice) []string {
	t.Helper()
	b.newNamespace(t, c.namespace)
	volumes := b.createChoices(t, c.namespace)
	args := append([]string{"--volume-snapshot-locations", b.disks + "," + b.name}, c.args...)
	if c.policy != "" {
		b.create(t, &corev1.ConfigMap{ObjectMeta: inVelero(c.namespace), Data: map[string]string{"policies": c.policy}})
		args = append(args, "--resource-policies-configmap", c.namespace)
	}
	backup := b.backup(t, c.namespace, c.namespace, args...)
	found := b.outcome(t, c.namespace)
	cells := make([]string, 0, len(volumes)+1)
	for _, v := range volumes {
		cells = append(cells, found.of(v))
	}
	// Upstream may warn of each volume that one of two snapshotters leaves to the other.
	told := withoutLines(warningsAndErrors(found.logs), "No volume ID returned by volume snapshotter")
	told = withoutLines(told, podIsNotRunning)
	return append(cells, string(backup.Status.Phase)+
		counted(strings.Count(told, "level=error"), "error")+counted(strings.Count(told, "level=warning"), "warning"))
}

// counted is ", 2 errors", and nothing for none.
func counted(number int, what string) string {
	switch number {
	case 0:
		return ""
	case 1:
		return ", 1 " + what
	default:
		return fmt.Sprintf(", %d %ss", number, what)
	}
}

// podIsNotRunning is what Velero says of a volume that it would have asked node-agent for, had its Pod run: without nodes
// none does.
const podIsNotRunning = "Skip pod volume data"

// in is the bench with another namespace for its volumes.
func (b *fileBench) in(namespace string) *fileBench {
	there, vault := *b, *b.vault
	vault.name, there.vault = namespace, &vault
	return &there
}

// createChoices creates the volumes, which are those of the columns of the table, and waits until their claims are bound.
func (b *fileBench) createChoices(t *testing.T, namespace string) []*fileVolume {
	t.Helper()
	must(t, b.cloud.NAS().WriteFile(nasID, namespace+"/nfs/orders.csv", []byte("orders"))) // The server exports what is there.
	there := b.in(namespace)
	var volumes []*fileVolume
	for _, kind := range []struct {
		claim  string
		source corev1.PersistentVolumeSource
		class  string
	}{
		{"disk", csiSource(diskDriver, b.newDisk(t), nil), classOfDriver()[diskDriver]},
		{"static", csiSource(diskDriver, b.newDisk(t), nil), "of-another-cluster"},
		{"flex", flexSource(flexDriver, map[string]string{"VolumeId": b.newDisk(t)}), "alicloud-disk-flex"},
		{"nas", onNAS(path.Join(namespace, "nas")), classOfDriver()[nasDriver]},
		{"oss", onOSS(path.Join(namespace, "oss")), classOfDriver()[ossDriver]},
		{"nfs", corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: nasServer, Path: "/" + namespace + "/nfs"}}, "nfs"},
	} {
		isDisk := kind.claim == "disk" || kind.claim == "static" || kind.claim == "flex"
		volumes = append(volumes, there.createFileVolume(t, kind.claim, kind.source, fileOptions{class: kind.class, mounted: true, empty: isDisk}))
	}
	b.waitAllBound(t, namespace, len(volumes))
	return volumes
}

// disksOf are the claims of disks in a namespace, by the ids of the disks.
func (b *fileBench) disksOf(t *testing.T, namespace string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, claim := range []string{"disk", "static", "flex"} {
		found[diskOf(b.persistentVolume(t, namespace+"-"+claim))] = claim
	}
	return found
}

// outcome is what a backup of a namespace of the same name has.
type outcome struct {
	namespace string
	logs      string
	// entries are the names of the files in the tarball.
	entries []string
	// native tells who has taken which PersistentVolume, of the snapshotters.
	native map[string]string
	// cut are the disks of which there is a snapshot.
	cut map[string]bool
	// awaited are the PersistentVolumes that the backup has waited for by snapshot-progress.
	awaited map[string]bool
}

func (b *fileBench) outcome(t *testing.T, backup string) outcome {
	t.Helper()
	found := outcome{
		namespace: backup, logs: b.logs(t, backup), entries: b.entries(t, backup), native: takenBy(b.snapshots(t, backup)),
		cut: map[string]bool{}, awaited: map[string]bool{},
	}
	for _, snapshot := range b.cloud.ECS().Snapshots() {
		found.cut[snapshot.DiskID] = true
	}
	var operations []struct {
		Spec struct {
			BackupItemAction   string `json:"backupItemAction"`
			ResourceIdentifier struct{ Name string }
		} `json:"spec"`
	}
	content, err := b.cloud.OSS().Read(b.bucket, prefix+"/backups/"+backup+"/"+backup+"-itemoperations.json.gz")
	must(t, err)
	must(t, json.Unmarshal(gunzip(t, content), &operations))
	for _, operation := range operations {
		if operation.Spec.BackupItemAction == "alibabacloud.com/snapshot-progress" {
			found.awaited[operation.Spec.ResourceIdentifier.Name] = true
		}
	}
	return found
}

// of says what has become of a volume.
func (o outcome) of(v *fileVolume) string {
	var all []string
	if o.native[v.pv.Name] == takenByECS && o.cut[diskOf(v.pv)] && o.awaited[v.pv.Name] {
		all = append(all, cellECS)
	}
	if o.native[v.pv.Name] == takenByHBR && o.awaited[v.pv.Name] {
		all = append(all, cellHBR)
	}
	made := "resources/volumesnapshots.snapshot.storage.k8s.io/namespaces/" + o.namespace + "/velero-" + v.name + "-"
	isMade := slices.ContainsFunc(o.entries, func(entry string) bool { return strings.HasPrefix(entry, made) })
	if isMade && v.pv.Spec.CSI != nil && o.cut[v.pv.Spec.CSI.VolumeHandle] {
		all = append(all, cellCSI)
	}
	if lineWith(o.logs, podIsNotRunning, "name="+v.name+" ") != "" {
		all = append(all, cellNodeAgent)
	}
	claim, pod := o.has("persistentvolumeclaims", v), o.has("pods", v)
	switch {
	case !claim && !pod && len(all) == 0:
		return cellFails
	case claim && pod && len(all) == 0 && !o.awaited[v.pv.Name]:
		return cellNoData
	case !claim || !pod:
		return fmt.Sprintf("%v, with a claim: %t, with a Pod: %t", all, claim, pod)
	default:
		return strings.Join(all, " and ")
	}
}

// has says whether the claim, or the Pod, of a volume is in the backup.
func (o outcome) has(resource string, v *fileVolume) bool {
	return slices.Contains(o.entries, "resources/"+resource+"/namespaces/"+o.namespace+"/"+v.name+".json")
}
