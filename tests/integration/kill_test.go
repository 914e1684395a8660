// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

// abandonedAge is beyond the age from which the plugin takes an upload for abandoned, a week.
const abandonedAge = 8 * 24 * time.Hour

// testKilledPlugin is not run beside others: it kills all processes of the plugin, among them the one by which Velero
// looks at the location. Velero refuses to delete the backup until it has looked again.
func (s *suite) testKilledPlugin(t *testing.T) {
	v := s.newAvailableVault(t, "killed", vaultOptions{config: map[string]string{"partSize": "1Mi"}})
	s.newNamespace(t, "killed")
	for number := range 24 {
		s.create(t, incompressible("killed", number))
	}
	slow := s.addFault(t, fault.Rule{Service: "oss", Operation: "UploadPart", Resource: v.bucket + "/*", Skip: 3, Bandwidth: 64 << 10})
	s.cli(t, "backup", "create", "killed", "--storage-location", v.name, "--include-namespaces", "killed")
	v.waitPartlyUploaded(t)
	waitHit(t, s.addFault(t, fault.Rule{Service: "oss", Operation: "ListObjects*", Resource: v.bucket, Latency: hang, Count: 1}))
	s.killPlugin(t)
	slow.Remove()

	s.waitBackup(t, "killed", velerov1.BackupPhaseFailed)
	for _, key := range v.keys("") {
		if key == "backups/killed/killed.tar.gz" {
			t.Error("the tarball exists although its upload was cut off")
		}
	}
	s.delete(t, "killed")
	wantEqual(t, "the bucket's files after the deletion", v.keys(""), []string{})

	if uploads := s.cloud.OSS().Uploads(v.bucket); len(uploads) != 1 {
		t.Fatalf("uploads that are left: %+v, want that of the killed process alone", uploads)
	}
	must(t, s.cloud.OSS().BackdateUploads(v.bucket, abandonedAge))
	v.completedBackup(t, "after-the-kill", "killed")
	wantEqual(t, "the bucket's files after the next backup", v.keys(""), backupFiles("after-the-kill"))
	wantEqual(t, "uploads that are left after the next backup", s.cloud.OSS().Uploads(v.bucket), []oss.UploadInfo{})
}

// waitPartlyUploaded waits until some parts of a multipart upload are there.
func (v *vault) waitPartlyUploaded(t *testing.T) {
	t.Helper()
	eventually(t, "the first parts of an upload", func(context.Context) error {
		for _, upload := range v.cloud.OSS().Uploads(v.bucket) {
			if upload.Parts > 0 {
				return nil
			}
		}
		return errors.New("no part has been uploaded")
	})
}
