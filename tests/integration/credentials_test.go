// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
)

func (s *suite) testLocationsKeepToTheirCredentials(t *testing.T) {
	t.Parallel()
	first := s.newAvailableVault(t, "first-of-two", vaultOptions{})
	second := s.newAvailableVault(t, "second-of-two", vaultOptions{})
	s.newNamespace(t, "two-locations")
	first.completedBackup(t, "in-first", "two-locations")
	second.completedBackup(t, "in-second", "two-locations")
	s.completedRestore(t, "from-first", "in-first", "--namespace-mappings", "two-locations:from-first")
	s.completedRestore(t, "from-second", "in-second", "--namespace-mappings", "two-locations:from-second")
	wantEqual(t, "the files in the first bucket", first.keys("backups/"), trimmed(backupFiles("in-first")))
	wantEqual(t, "the files in the second bucket", second.keys("backups/"), trimmed(backupFiles("in-second")))
	wantEqual(t, "who asked for the first bucket", first.callers(), []string{first.key.ID})
	wantEqual(t, "who asked for the second bucket", second.callers(), []string{second.key.ID})

	// With the other's credentials a location cannot read what is in the bucket.
	second.change(t, func(l *velerov1.BackupStorageLocation) { l.Spec.ObjectStorage.Bucket = first.bucket })
	second.waitUnavailable(t, "ErrorCode=AccessDenied", "attach the policy in deploy/ram/oss.json")
	for _, request := range first.requests() {
		if request.AccessKeyID == second.key.ID && request.Status != 403 {
			t.Errorf("%s of %s with the wrong key had status %d", request.Operation, request.Resource, request.Status)
		}
	}
}

// trimmed removes the first directory of paths.
func trimmed(paths []string) []string {
	for i, path := range paths {
		paths[i] = path[len("backups/"):]
	}
	return paths
}

// callers are the access keys with which the vault's bucket was asked for, each once.
func (v *vault) callers() []string {
	callers := []string{}
	for _, request := range v.requests() {
		callers = append(callers, request.AccessKeyID)
	}
	slices.Sort(callers)
	return slices.Compact(callers)
}

func (s *suite) testRotatedCredentials(t *testing.T) {
	t.Parallel()
	v := s.newAvailableVault(t, "rotated", vaultOptions{})
	s.newNamespace(t, "rotated")
	v.completedBackup(t, "before-rotation", "rotated")

	old := v.key
	v.key = v.newKey(t)
	v.writeSecret(t, dotenv(v.key))
	must(t, s.cloud.Accounts().DisableKey(old.ID))
	// Velero may have read the old one just before, for a look that it takes with it now.
	v.waitAvailableSince(t, time.Now())
	v.completedBackup(t, "after-rotation", "rotated")
	s.completedRestore(t, "rotated", "before-rotation", "--namespace-mappings", "rotated:rotated-mapped")
	s.wantSettings(t, "rotated-mapped")
}

// tokenLife is enough for Velero to look at the location, every 10 seconds, and short enough to wait for its end.
const tokenLife = 45 * time.Second

func (s *suite) testExpiredToken(t *testing.T) {
	t.Parallel()
	v := s.newVault(t, "token", vaultOptions{})
	policy, err := account.ParsePolicy([]byte(shippedPolicy(t, v.bucket)))
	must(t, err)
	must(t, s.cloud.Accounts().AddRole(account.RoleSpec{
		AccountID: accountID, Name: v.name, Trust: trustInECS(t), Policies: []account.Policy{policy},
	}))
	v.writeSecret(t, v.session(t, tokenLife))
	v.waitAvailable(t)
	v.waitUnavailable(t, "ErrorCode=SecurityTokenExpired", "the temporary credentials have expired")

	v.writeSecret(t, v.session(t, time.Hour))
	v.waitAvailable(t)
	s.newNamespace(t, "token")
	v.completedBackup(t, "with-new-token", "token")
}

// session opens a session of the role that has the vault's name, and returns it as a credentials file.
func (v *vault) session(t *testing.T, life time.Duration) string {
	t.Helper()
	session, err := v.cloud.Accounts().AssumeRoleForService("ecs.aliyuncs.com", account.AssumeRequest{
		RoleARN: account.RoleARN(accountID, v.name), SessionName: "velero", Duration: life,
	})
	must(t, err)
	return fmt.Sprintf("ALIBABA_CLOUD_ACCESS_KEY_ID=%s\nALIBABA_CLOUD_ACCESS_KEY_SECRET=%s\nALIBABA_CLOUD_ACCESS_STS_TOKEN=%s\n",
		session.AccessKeyID, v.secrets.keep(session.AccessKeySecret), v.secrets.keep(session.SecurityToken))
}

// managedPolicy is what the backup center's own policy grants, as its installation document lists it.
const managedPolicy = `{
  "Version": "1",
  "Statement": [{
    "Effect": "Allow",
    "Action": [
      "oss:PutObject", "oss:GetObject", "oss:DeleteObject", "oss:GetBucket", "oss:ListObjects", "oss:ListBuckets",
      "oss:GetBucketStat"
    ],
    "Resource": "acs:oss:*:*:cnfs-oss*"
  }]
}`

func (s *suite) testDocumentedPoliciesSuffice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, policy string }{
		{"managed-policy", managedPolicy},
		{"shipped-policy", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := s.newAvailableVault(t, c.name, vaultOptions{
				policy: c.policy,
				config: map[string]string{"partSize": multipart},
			})
			s.newNamespace(t, c.name)
			s.create(t, incompressible(c.name, 1))
			v.completedBackup(t, c.name, c.name)
			if v.cloud.Journal().Count("oss", "CompleteMultipartUpload") == 0 {
				t.Error("the upload was not a multipart upload, so its permissions were not tried")
			}
			s.cli(t, "backup", "describe", c.name, "--details")
			s.completedRestore(t, c.name, c.name, "--namespace-mappings", c.name+":"+c.name+"-mapped")
			s.wantSettings(t, c.name+"-mapped")
			s.delete(t, c.name)
			wantEqual(t, "the bucket's files after the deletion", v.keys(""), []string{})
		})
	}
}
