// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

func (s *suite) testArchivedObjects(t *testing.T) {
	t.Parallel()
	v := s.newAvailableVault(t, "archived", vaultOptions{})
	s.newNamespace(t, "archived")
	v.completedBackup(t, "archived", "archived")
	for _, object := range s.cloud.OSS().Objects(v.bucket) {
		must(t, s.cloud.OSS().SetStorageClass(v.bucket, object.Key, oss.ClassArchive))
	}

	restore := s.restore(t, "from-archived", "archived", "--namespace-mappings", "archived:archived-mapped")
	if restore.Status.Phase != velerov1.RestorePhaseFailed {
		t.Errorf("the restore is %s, want Failed", restore.Status.Phase)
	}
	must(t, wantText(restore.Status.FailureReason,
		"download backup files from OSS bucket failed",
		"ErrorCode=InvalidObjectState",
		`object "velero/backups/archived/archived.tar.gz"`,
		"restore the objects of this backup in the OSS console",
		"a bucket for backups should be of class Standard",
	))
}

func (s *suite) testArchiveBucketWorks(t *testing.T) {
	t.Parallel()
	v := s.newAvailableVault(t, "archive-class", vaultOptions{bucket: oss.BucketConfig{StorageClass: oss.ClassArchive}})
	s.newNamespace(t, "archive-class")
	v.completedBackup(t, "archive-class", "archive-class")
	for _, object := range s.cloud.OSS().Objects(v.bucket) {
		if object.StorageClass != oss.ClassStandard {
			t.Errorf("%s is of class %s, want %s", object.Key, object.StorageClass, oss.ClassStandard)
		}
	}
	s.completedRestore(t, "archive-class", "archive-class", "--namespace-mappings", "archive-class:archive-class-mapped")
	s.wantSettings(t, "archive-class-mapped")
}

func (s *suite) testBucketWithoutStandardIsUnavailable(t *testing.T) {
	t.Parallel()
	v := s.newVault(t, "no-standard", vaultOptions{
		bucket: oss.BucketConfig{StorageClass: oss.ClassArchive, ForbidStandardWrites: true},
	})
	v.waitUnavailableAtOnce(t, "backup vault is unavailable: ", "the bucket's storage class is Archive", "use a bucket of class Standard")
}
