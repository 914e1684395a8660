//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// testExpiry lets a backup expire, and keeps another one: of the first nothing is left, neither its snapshots of disk and
// NAS nor its objects, and of the other all is there.
func (e *environment) testExpiry(t *testing.T) {
	t.Parallel()
	const (
		namespace = "expiry"
		// ttl is longer than a backup takes.
		ttl = 75 * time.Second
	)
	s := e.home.beside("velero-expiry")
	bucket := e.cloud.bucket(t, namespace)
	// In a vault of their own the snapshots are told from those of others.
	s.install(t, installation{bucket: bucket, filesConfig: []string{"method=agentless", "vaultName=" + bucket}})
	s.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		newClaim(namespace, "nas", nasClass), newClaim(namespace, "disk", diskClass))
	s.writeRecords(t, namespace, records, "nas", "disk")
	disk := s.volumeOf(t, namespace, "disk").Spec.CSI.VolumeHandle

	s.backup(t, "kept", "--include-namespaces", namespace)
	kept := e.cloud.storedOf(t, bucket, disk)
	if len(kept.Disk) != 1 || len(kept.Files) != 1 || !slices.Equal(kept.Backups, []string{"kept"}) {
		t.Errorf("of one backup there are %+v, want a snapshot of each", kept)
	}
	backup := s.backup(t, "expired", "--include-namespaces", namespace, "--ttl", ttl.String())
	both := e.cloud.storedOf(t, bucket, disk)
	if len(both.Disk) != 2 || len(both.Files) != 2 || len(both.Backups) != 2 {
		t.Errorf("of two backups there are %+v, want two snapshots of each", both)
	}
	// Velero reckons one before it takes the time for the other, and cuts both to seconds.
	if left := backup.Status.Expiration.Sub(backup.Status.StartTimestamp.Time); left != ttl && left != ttl-time.Second {
		t.Errorf("the backup expires after %s, want %s", left, ttl)
	}
	s.awaitBackupGone(t, "expired")
	if diff := cmp.Diff(kept, e.cloud.storedOf(t, bucket, disk)); diff != "" {
		t.Errorf("what is left of the backups (-before the one that has expired +now):\n%s", diff)
	}
	if phase := s.awaitEnd(t, "kept").Status.Phase; phase != velerov1.BackupPhaseCompleted {
		t.Errorf("the other backup is %s", phase)
	}
	s.deleteBackup(t, "kept")
	if diff := cmp.Diff(stored{}, e.cloud.storedOf(t, bucket, disk)); diff != "" {
		t.Errorf("what is left of all backups (-nothing +now):\n%s", diff)
	}
	s.deleteNamespace(t, namespace)
}

// stored is what backups have in the cloud.
type stored struct {
	// Disk are the ids of a disk's snapshots, Files those of snapshots in a vault.
	Disk, Files []string
	// Backups are the names of folders in the bucket.
	Backups []string
}

// storedOf is what is stored in a bucket, of a disk, and in the vault that is named after the bucket.
func (c *simulated) storedOf(t *testing.T, bucket, disk string) stored {
	t.Helper()
	var found stored
	for _, snapshot := range c.ECS().Snapshots() {
		if snapshot.DiskID == disk {
			found.Disk = append(found.Disk, snapshot.ID)
		}
	}
	vaults := c.HBR().Vaults()
	snapshots, err := c.HBR().Snapshots()
	must(t, err)
	for _, snapshot := range snapshots {
		for _, v := range vaults {
			if v.ID == snapshot.Vault && v.Name == bucket {
				found.Files = append(found.Files, snapshot.ID)
			}
		}
	}
	for _, object := range c.OSS().Objects(bucket) {
		parts := strings.SplitN(object.Key, "/", 3)
		found.Backups = append(found.Backups, parts[min(1, len(parts)-1)])
	}
	slices.Sort(found.Disk)
	slices.Sort(found.Files)
	slices.Sort(found.Backups)
	found.Backups = slices.Compact(found.Backups)
	return found
}
