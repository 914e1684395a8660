// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// The providers of volume snapshot locations.
const (
	fileProvider = "alibabacloud.com/hbr"
	diskProvider = "alibabacloud"
)

// diskLocation is the volume snapshot location of disks that benches share. Each backup has one: where there is one of a
// provider, Velero makes all backups with it, and where there are two it makes none that does not name one.
const diskLocation = "disks"

// newDiskLocation creates diskLocation.
func (s *fileSuite) newDiskLocation(t *testing.T) {
	t.Helper()
	v := s.newVault(t, diskLocation, vaultOptions{more: []string{ramPolicy(t, policyDisks)}})
	v.newSnapshotLocation(t, diskLocation, diskProvider, nil)
}

// fileBench is what one test of file systems has for itself: a vault whose user has policies in deploy/ram, and a volume
// snapshot location of Cloud Backup. All of these, the location's Secret and the namespace of the application have the
// bench's name.
type fileBench struct {
	*vault

	// disks is the bench's location of disks, by default diskLocation.
	disks   string
	nodes   *node.Cluster
	orphans *names
}

// newFileBench creates all of a bench but the namespace. config replaces keys of the snapshot location's config, and
// policies are names of files in deploy/ram.
func (s *fileSuite) newFileBench(t *testing.T, name string, config map[string]string, policies ...string) *fileBench {
	t.Helper()
	contents := make([]string, len(policies))
	for i, policy := range policies {
		contents[i] = ramPolicy(t, policy)
	}
	return s.newFileBenchWith(t, name, config, contents...)
}

// newFileBenchWith is newFileBench with the text of the policies.
func (s *fileSuite) newFileBenchWith(t *testing.T, name string, config map[string]string, policies ...string) *fileBench {
	t.Helper()
	b := &fileBench{vault: s.newVault(t, name, vaultOptions{more: policies}), disks: diskLocation, nodes: s.nodes, orphans: s.orphans}
	merged := map[string]string{"podImage": "velero-plugin-alibabacloud:1"}
	maps.Copy(merged, config)
	b.newSnapshotLocation(t, name, fileProvider, merged)
	b.waitAvailable(t)
	return b
}

// newSnapshotLocation creates a volume snapshot location with the vault's Secret.
func (v *vault) newSnapshotLocation(t *testing.T, name, provider string, config map[string]string) {
	t.Helper()
	merged := map[string]string{"region": region, "network": "public"}
	maps.Copy(merged, config)
	v.create(t, &velerov1.VolumeSnapshotLocation{
		ObjectMeta: inVelero(name),
		Spec: velerov1.VolumeSnapshotLocationSpec{
			Provider: provider,
			Config:   merged,
			Credential: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: v.name}, Key: secretKey,
			},
		},
	})
}

// leaveDisks gives the bench a location of disks that leaves these to Cloud Backup, as its other location must too.
func (b *fileBench) leaveDisks(t *testing.T) {
	t.Helper()
	b.disks = b.name + "-disks"
	b.newSnapshotLocation(t, b.disks, diskProvider, map[string]string{"enableECSSnapshot": "false"})
}

// backUp is backup of the bench's namespace, with its snapshot locations.
func (b *fileBench) backUp(t *testing.T, name string) *velerov1.Backup {
	t.Helper()
	return b.backup(t, name, b.name, "--volume-snapshot-locations", b.disks+","+b.name)
}

// completedFileBackup is backUp, and fails unless the backup is Completed without an error or a warning but upstream's, and
// has waited for so many jobs.
func (b *fileBench) completedFileBackup(t *testing.T, name string, jobs int) {
	t.Helper()
	backup := b.backUp(t, name)
	logs, err := b.tryCLI(t.Context(), "backup", "logs", name)
	told := withoutLines(warningsAndErrors(logs), "No volume ID returned by volume snapshotter")
	if backup.Status.Phase != velerov1.BackupPhaseCompleted || told != "" {
		t.Fatalf("backup %s is %s: %v\n%s (%v)", name, backup.Status.Phase, backup.Status.ValidationErrors, told, err)
	}
	wantEqual(t, "how many operations the backup has waited for", backup.Status.BackupItemOperationsCompleted, jobs)
}

// withoutLines returns a text without the lines that have a part.
func withoutLines(text, part string) string {
	var left strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, part) {
			left.WriteString(line)
		}
	}
	return left.String()
}

// beginBackup begins a backup of the bench's namespace, with its snapshot locations. args are added.
func (b *fileBench) beginBackup(t *testing.T, name string, args ...string) {
	t.Helper()
	b.cli(t, append([]string{
		"backup", "create", name, "--storage-location", b.name, "--volume-snapshot-locations", b.disks + "," + b.name,
		"--include-namespaces", b.name,
	}, args...)...)
}

// restoreFiles restores a backup and fails unless the restore ends in a phase, in time. args are added.
func (b *fileBench) restoreFiles(t *testing.T, phase velerov1.RestorePhase, name, backup string, args ...string) *velerov1.Restore {
	t.Helper()
	b.begin(t, name, backup, args...)
	restore := &velerov1.Restore{}
	err := poll.Until(t.Context(), timeout, "the restore "+name+" to end", func(ctx context.Context) error {
		if err := b.get(ctx, name, restore); err != nil {
			return err
		}
		if restore.Status.CompletionTimestamp == nil {
			return fmt.Errorf("it is %s", restore.Status.Phase)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	b.wantPhase(t, restore, phase)
	return restore
}

// takenSnapshot is what Velero keeps of a snapshot (internal/volume/native_snapshot.go), as far as tests ask.
type takenSnapshot struct {
	Spec struct {
		Location             string `json:"location"`
		PersistentVolumeName string `json:"persistentVolumeName"`
		VolumeAZ             string `json:"volumeAZ"`
	} `json:"spec"`
	Status struct {
		ProviderSnapshotID string `json:"providerSnapshotID"`
	} `json:"status"`
}

// snapshots are those that a backup has in the bucket.
func (b *fileBench) snapshots(t *testing.T, backup string) []takenSnapshot {
	t.Helper()
	content, err := b.cloud.OSS().Read(b.bucket, prefix+"/backups/"+backup+"/"+backup+"-volumesnapshots.json.gz")
	must(t, err)
	var all []takenSnapshot
	must(t, json.Unmarshal(gunzip(t, content), &all))
	return all
}

// stored are the snapshots of a backup that Cloud Backup has.
func (b *fileBench) stored(t *testing.T, backup string) []string {
	t.Helper()
	var jobs []string
	for _, snapshot := range b.snapshots(t, backup) {
		// <region>/<vault>/<kind>/<method>/<job>?<source>
		id, _, _ := strings.Cut(snapshot.Status.ProviderSnapshotID, "?")
		jobs = append(jobs, path.Base(id))
	}
	all, err := b.cloud.HBR().Snapshots()
	must(t, err)
	found := []string{}
	for _, snapshot := range all {
		if slices.Contains(jobs, snapshot.Job) {
			found = append(found, snapshot.Region+"/"+snapshot.ID)
		}
	}
	return found
}

// loseApplication deletes what a namespace has of an application, the namespace, and the PersistentVolumes. The storage
// behind these stays.
func (b *fileBench) loseApplication(t *testing.T, volumes ...*fileVolume) {
	t.Helper()
	inNamespace := client.InNamespace(b.name)
	must(t, b.cp.Client.DeleteAllOf(t.Context(), &appsv1.StatefulSet{}, inNamespace))
	must(t, b.cp.Client.DeleteAllOf(t.Context(), &corev1.Pod{}, inNamespace, client.GracePeriodSeconds(0)))
	must(t, b.cp.Client.DeleteAllOf(t.Context(), &corev1.PersistentVolumeClaim{}, inNamespace))
	// A namespace in which the claims' finalizers are seen is looked at again after 8 seconds.
	eventually(t, "the claims in "+b.name+" to be gone", func(ctx context.Context) error {
		var claims corev1.PersistentVolumeClaimList
		if err := b.cp.Client.List(ctx, &claims, inNamespace); err != nil {
			return err
		}
		if left := len(claims.Items); left > 0 {
			return fmt.Errorf("there are %d", left)
		}
		return nil
	})
	b.deleteNamespace(t, b.name)
	for _, v := range volumes {
		must(t, client.IgnoreNotFound(b.cp.Client.Delete(t.Context(), v.pv)))
		b.waitGone(t, "the volume "+v.pv.Name, v.pv.DeepCopy())
	}
}

// settle ends a test: it looks for secrets in the logs of the bench's backups and restores, and deletes the backups.
func (b *fileBench) settle(t *testing.T) {
	t.Helper()
	for name, text := range b.logsInBuckets(t, b.bucket) {
		if err := b.secrets.in(name, text); err != nil {
			t.Error(err)
		}
	}
	for _, backup := range b.backups(t) {
		b.delete(t, backup.Name)
	}
	wantEqual(t, "the backups in the bucket when all are deleted", b.keys("backups/"), []string{})
}

// backups are those in the bench's location.
func (b *fileBench) backups(t *testing.T) []velerov1.Backup {
	t.Helper()
	var backups velerov1.BackupList
	must(t, b.cp.Client.List(t.Context(), &backups, client.MatchingLabels{velerov1.StorageLocationLabel: b.name}))
	return backups.Items
}

// runKey is the label by which objects that were made for a job tell of which backup or restore.
const runKey = "alibabacloud.com/hbr-run"

// leftovers are the objects in the cluster that were made for jobs, what is noted of these, and volumes that are held.
func (s *suite) leftovers(ctx context.Context) ([]string, error) { return s.leftoversOf(ctx, "") }

// leftoversOf are the leftovers of the backup or restore with an UID; "" means all. The notes of a job that had succeeded
// before Velero stored its backup, which is Completed, are none: the next backup removes them.
func (s *suite) leftoversOf(ctx context.Context, run string) ([]string, error) {
	var backups velerov1.BackupList
	if err := s.cp.Client.List(ctx, &backups); err != nil {
		return nil, err
	}
	completed := map[types.UID]bool{}
	for i := range backups.Items {
		completed[backups.Items[i].UID] = backups.Items[i].Status.Phase == velerov1.BackupPhaseCompleted
	}
	found := []string{}
	for _, l := range []struct {
		kind   string
		list   client.ObjectList
		labels client.ListOption
	}{
		{"Pod", &corev1.PodList{}, client.HasLabels{runKey}},
		{"PersistentVolumeClaim", &corev1.PersistentVolumeClaimList{}, client.HasLabels{runKey}},
		{"PersistentVolume", &corev1.PersistentVolumeList{}, client.HasLabels{runKey}},
		{"note", &corev1.ConfigMapList{}, client.HasLabels{"alibabacloud.com/note"}},
		{"stash", &corev1.ConfigMapList{}, client.HasLabels{"alibabacloud.com/volume-ready"}},
		{"held PersistentVolume", &corev1.PersistentVolumeList{}, client.MatchingLabels{"alibabacloud.com/volume-ready": "held"}},
	} {
		if err := s.cp.Client.List(ctx, l.list, l.labels); err != nil {
			return nil, err
		}
		err := meta.EachListItem(l.list, func(object runtime.Object) error {
			one, err := meta.Accessor(object)
			if err != nil {
				return err
			}
			owners := one.GetOwnerReferences()
			if one.GetLabels()["alibabacloud.com/note"] == "hbr" && slices.ContainsFunc(owners, func(o metav1.OwnerReference) bool { return completed[o.UID] }) {
				return nil
			}
			owned := slices.ContainsFunc(owners, func(o metav1.OwnerReference) bool { return string(o.UID) == run })
			if run == "" || one.GetLabels()[runKey] == run || owned {
				found = append(found, l.kind+" "+one.GetName())
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(found)
	return found, nil
}

// wantNothingLeftOf waits until nothing is left of the backup or restore with an UID. What the plugin has deleted Kubernetes
// removes when its finalizers let it.
func (s *suite) wantNothingLeftOf(t *testing.T, run types.UID) {
	t.Helper()
	eventually(t, "nothing to be left of the run in the cluster", func(ctx context.Context) error {
		left, err := s.leftoversOf(ctx, string(run))
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("there is %q", left)
		}
		return err
	})
}

// backupUID is the UID of a backup.
func (s *suite) backupUID(t *testing.T, name string) types.UID {
	t.Helper()
	backup := &velerov1.Backup{}
	must(t, s.get(t.Context(), name, backup))
	return backup.UID
}
