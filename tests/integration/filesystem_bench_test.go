// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// The providers of volume snapshot locations.
const (
	fileProvider = "alibabacloud.com/hbr"
	diskProvider = "alibabacloud"
)

// Policies in deploy/ram.
const (
	policyAgentless = "hbr-agentless.json"
	policyNode      = "hbr-node.json"
	policyDisks     = "ecs.json"
)

// fileBench is what one test of file systems has for itself: a vault whose user has policies in deploy/ram, and a volume
// snapshot location of Cloud Backup. All of these, the location's Secret and the namespace of the application have the
// bench's name.
type fileBench struct {
	*vault

	nodes *node.Cluster
}

// newFileBench creates all of a bench but the namespace. config replaces keys of the snapshot location's config.
func (s *fileSuite) newFileBench(t *testing.T, name string, config map[string]string, policies ...string) *fileBench {
	t.Helper()
	var more []string
	for _, policy := range policies {
		content, err := os.ReadFile("../../deploy/ram/" + policy)
		must(t, err)
		more = append(more, string(content))
	}
	b := &fileBench{vault: s.newVault(t, name, vaultOptions{more: more}), nodes: s.nodes}
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

// backUp is backup of the bench's namespace, with its snapshot location. args are added.
func (b *fileBench) backUp(t *testing.T, name string, args ...string) *velerov1.Backup {
	t.Helper()
	return b.backup(t, name, b.name, append([]string{"--volume-snapshot-locations", b.name}, args...)...)
}

// completedFileBackup is completedBackup of the bench's namespace, with its snapshot location, which waits for so many
// jobs.
func (b *fileBench) completedFileBackup(t *testing.T, name string, jobs int) {
	t.Helper()
	b.completedBackup(t, name, b.name, "--volume-snapshot-locations", b.name)
	backup := &velerov1.Backup{}
	must(t, b.get(t.Context(), name, backup))
	wantEqual(t, "how many operations the backup has waited for", backup.Status.BackupItemOperationsCompleted, jobs)
}

// beginBackup begins a backup of the bench's namespace, with its snapshot location.
func (b *fileBench) beginBackup(t *testing.T, name string) {
	t.Helper()
	b.cli(t, "backup", "create", name, "--storage-location", b.name, "--volume-snapshot-locations", b.name, "--include-namespaces", b.name)
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

// loseApplication deletes what a namespace has of an application, the namespace, and the PersistentVolumes. The storage
// behind these stays.
func (b *fileBench) loseApplication(t *testing.T, volumes ...*fileVolume) {
	t.Helper()
	inNamespace := client.InNamespace(b.name)
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

// settle ends a test: it looks for secrets in the logs of the bench's backups and restores, deletes the backups, and fails
// if anything is left of them in the cloud's lists that are the bench's, or in the cluster.
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
func (s *suite) leftovers(t *testing.T) []string {
	t.Helper()
	return s.leftoversOf(t, "")
}

// leftoversOf are the leftovers of the backup or restore with an UID; "" means all.
func (s *suite) leftoversOf(t *testing.T, run string) []string {
	t.Helper()
	found := []string{}
	for _, l := range []struct {
		kind   string
		list   client.ObjectList
		labels client.ListOption
	}{
		{"Pod", &corev1.PodList{}, client.HasLabels{runKey}},
		{"PersistentVolumeClaim", &corev1.PersistentVolumeClaimList{}, client.HasLabels{runKey}},
		{"PersistentVolume", &corev1.PersistentVolumeList{}, client.HasLabels{runKey}},
		{"note", &corev1.ConfigMapList{}, client.HasLabels{"alibabacloud.com/begun"}},
		{"stash", &corev1.ConfigMapList{}, client.HasLabels{"alibabacloud.com/volume-ready"}},
		{"held PersistentVolume", &corev1.PersistentVolumeList{}, client.MatchingLabels{"alibabacloud.com/volume-ready": "held"}},
	} {
		must(t, s.cp.Client.List(t.Context(), l.list, l.labels))
		must(t, meta.EachListItem(l.list, func(object runtime.Object) error {
			one, err := meta.Accessor(object)
			if err != nil {
				return err
			}
			owned := slices.ContainsFunc(one.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return string(o.UID) == run })
			if run == "" || one.GetLabels()[runKey] == run || owned {
				found = append(found, l.kind+" "+one.GetName())
			}
			return nil
		}))
	}
	slices.Sort(found)
	return found
}
