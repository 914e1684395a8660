// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
)

func (s *suite) testBackupIsReadableByTheCLI(t *testing.T) {
	t.Parallel()
	v := s.newAvailableVault(t, "readable", vaultOptions{})
	s.newNamespace(t, "readable")
	v.completedBackup(t, "readable", "readable")
	wantEqual(t, "the bucket's files", v.keys(""), backupFiles("readable"))

	described := s.cli(t, "backup", "describe", "readable", "--details", "--colorized=false")
	must(t, wantText(described, "Phase:  Completed", "Storage Location:  readable", "- readable/settings"))
	if logs := s.cli(t, "backup", "logs", "readable"); wantText(logs, "Backed up a total of") != nil {
		t.Errorf("the logs lack the total:\n%s", logs)
	}
	if entries := s.entries(t, "readable"); !slices.Contains(entries, "resources/configmaps/namespaces/readable/settings.json") {
		t.Errorf("the downloaded tarball lacks the ConfigMap: %q", entries)
	}
}

// entries are the names of the files in the tarball of a backup.
func (s *suite) entries(t *testing.T, backup string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backup.tar.gz")
	s.cli(t, "backup", "download", backup, "--output", file)
	return tarball(t, file)
}

// wantVolumes fails unless claims of a namespace, their Pods of the same names, and their PersistentVolumes are in a
// backup. These are the values of stored, by the name of the claim.
func (s *suite) wantVolumes(t *testing.T, backup, namespace string, stored map[string]string) {
	t.Helper()
	entries := s.entries(t, backup)
	for claim, pv := range stored {
		for _, entry := range []string{
			"resources/persistentvolumes/cluster/" + pv + ".json",
			"resources/persistentvolumeclaims/namespaces/" + namespace + "/" + claim + ".json",
			"resources/pods/namespaces/" + namespace + "/" + claim + ".json",
		} {
			if !slices.Contains(entries, entry) {
				t.Errorf("the backup %s lacks %s", backup, entry)
			}
		}
	}
}

// tarball returns the names of what a compressed tar file holds.
func tarball(t *testing.T, file string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	must(t, err)
	uncompressed, err := gzip.NewReader(bytes.NewReader(content))
	must(t, err)
	var entries []string
	for archive := tar.NewReader(uncompressed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		must(t, err)
		entries = append(entries, header.Name)
	}
}

func (s *suite) testDeletionLeavesNothing(t *testing.T) {
	t.Parallel()
	v := s.newAvailableVault(t, "deleted", vaultOptions{})
	s.newNamespace(t, "deleted")
	v.completedBackup(t, "deleted", "deleted")
	s.completedRestore(t, "deleted", "deleted", "--namespace-mappings", "deleted:deleted-mapped")
	s.wantSettings(t, "deleted-mapped")
	s.delete(t, "deleted")
	wantEqual(t, "the bucket's files after the deletion", v.keys(""), []string{})
}

func (s *suite) testReadOnlyLocationRefusesDeletion(t *testing.T) {
	t.Parallel()
	v := s.newAvailableVault(t, "read-only", vaultOptions{})
	s.newNamespace(t, "read-only")
	v.completedBackup(t, "read-only", "read-only")
	v.change(t, func(l *velerov1.BackupStorageLocation) {
		l.Spec.AccessMode = velerov1.BackupStorageLocationAccessModeReadOnly
	})

	wantEqual(t, "the errors of the deletion", s.failedDeletion(t, "read-only"),
		[]string{"backup deletion failed: cannot delete backup because backup storage location read-only is currently in read-only mode"})
	wantEqual(t, "the bucket's files", v.keys(""), backupFiles("read-only"))
	s.completedRestore(t, "from-read-only", "read-only", "--namespace-mappings", "read-only:read-only-mapped")
	s.wantSettings(t, "read-only-mapped")
}

func (s *suite) testExpiredBackupIsDeleted(t *testing.T) {
	t.Parallel()
	v := s.newAvailableVault(t, "expired", vaultOptions{})
	s.newNamespace(t, "expired")
	v.completedBackup(t, "kept", "expired")
	v.completedBackup(t, "expired", "expired", "--ttl", "30s")
	s.waitGone(t, "the expired backup", &velerov1.Backup{ObjectMeta: inVelero("expired")})
	wantEqual(t, "the bucket's files", v.keys(""), backupFiles("kept"))
}

func (s *suite) testTakenNameIsRefused(t *testing.T) {
	t.Parallel()
	v := s.newAvailableVault(t, "taken", vaultOptions{})
	s.newNamespace(t, "taken")
	v.completedBackup(t, "first", "taken")
	// A backup of another cluster that shares the bucket.
	content, err := s.cloud.OSS().Read(v.bucket, prefix+"/backups/first/velero-backup.json")
	must(t, err)
	must(t, s.cloud.OSS().Put(v.bucket, prefix+"/backups/second/velero-backup.json", content))

	backup := v.backup(t, "second", "taken")
	if backup.Status.Phase != velerov1.BackupPhaseFailed {
		t.Errorf("the backup is %s, want Failed", backup.Status.Phase)
	}
	must(t, wantText(backup.Status.FailureReason, "backup already exists in object storage"))
	wantEqual(t, "the files of that name", v.keys("backups/second/"), []string{"velero-backup.json"})
}
