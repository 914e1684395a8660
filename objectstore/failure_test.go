// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

// managedPolicy is what the backup center's own role may do, from its FAQ
// ("The components in the csdr namespace are abnormal"): nothing about multipart
// uploads, nothing about the bucket itself.
const managedPolicy = `{"Version":"1","Statement":[{"Effect":"Allow","Resource":"acs:oss:*:*:cnfs-oss*","Action":[
	"oss:PutObject","oss:GetObject","oss:DeleteObject","oss:GetBucket","oss:ListObjects","oss:ListBuckets","oss:GetBucketStat"]}]}`

// validate does what Velero does to see whether a location is available.
func (f *fixture) validate() error {
	_, err := f.ListCommonPrefixes(bucketName, testPrefix+"/", "/")
	return err
}

func TestUnavailableLocationsSayWhatToDo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		opts  fixtureOptions
		spoil func(t *testing.T, f *fixture)
		want  []string
	}{
		{
			name: "a bucket of somebody else",
			opts: fixtureOptions{bucket: func(b *oss.BucketConfig) { b.Owner = strangerID }},
			want: []string{
				`backup vault is unavailable: oss: service returned error: StatusCode=403, ErrorCode=AccessDenied, ErrorMessage="The bucket you access does not belong to you."`,
				"RequestId=", "in another account", `bucket "cnfs-oss-backup"`,
			},
		},
		{
			name:  "a bucket that is not there",
			spoil: func(t *testing.T, f *fixture) { t.Helper(); must(t, f.oss.DeleteBucket(bucketName)) },
			want:  []string{"backup vault is unavailable", "ErrorCode=NoSuchBucket", "create the bucket"},
		},
		{
			name:  "a key that was disabled",
			spoil: func(t *testing.T, f *fixture) { t.Helper(); must(t, f.accounts.DisableKey(accessKey)) },
			want:  []string{"backup vault is unavailable", "ErrorCode=InvalidAccessKeyId", "read again without a restart"},
		},
		{
			name:  "a wrong secret",
			spoil: func(t *testing.T, f *fixture) { t.Helper(); f.writeKey(t, accessKey, "wrong") },
			opts:  fixtureOptions{config: map[string]string{"timeout": "5s"}},
			want:  []string{"ErrorCode=SignatureDoesNotMatch", "does not belong to the AccessKey id"},
		},
		{
			name: "a policy without the bucket",
			opts: fixtureOptions{policy: `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:another"}]}`},
			want: []string{"ErrorCode=AccessDenied", "deploy/ram/oss.json", "cnfs-oss-*"},
		},
		{
			name: "a wrong region",
			opts: fixtureOptions{bucket: func(b *oss.BucketConfig) { b.Region = "cn-beijing" }},
			want: []string{"backup vault is unavailable", "region"},
		},
		{
			name: "a region that is not the endpoint's",
			opts: fixtureOptions{config: map[string]string{"region": "cn-beijing"}},
			want: []string{"ErrorCode=InvalidArgument", "Invalid signing region", "set the config key region"},
		},
		{
			name: "a clock that is wrong",
			spoil: func(t *testing.T, f *fixture) {
				t.Helper()
				f.fault(t, fault.Rule{Status: 403, Code: "RequestTimeTooSkewed"})
			},
			want: []string{"ErrorCode=RequestTimeTooSkewed", "synchronise"},
		},
		{
			name: "a public endpoint that is not for the account",
			spoil: func(t *testing.T, f *fixture) {
				t.Helper()
				f.fault(t, fault.Rule{Status: 400, Code: "PublicEndpointForbidden"})
			},
			want: []string{"ErrorCode=PublicEndpointForbidden", "network: internal", "addressingStyle: cname"},
		},
		{
			name: "an account that did not pay",
			spoil: func(t *testing.T, f *fixture) {
				t.Helper()
				f.fault(t, fault.Rule{Status: 403, Code: "UserDisable"})
			},
			want: []string{"ErrorCode=UserDisable", "overdue"},
		},
		{
			name: "an endpoint that nobody listens at",
			opts: fixtureOptions{config: map[string]string{"endpoint": "http://127.0.0.1:1"}},
			want: []string{"backup vault is unavailable", "connection refused", "check that the cluster can reach 127.0.0.1:1"},
		},
		{
			name: "no credentials anywhere",
			opts: fixtureOptions{config: map[string]string{"credentialsFile": "", "notOnECS": "true"}},
			want: []string{"backup vault is unavailable", "ALIBABA_CLOUD_ACCESS_KEY_ID"},
		},
		{
			name: "a credentials file that is not there",
			opts: fixtureOptions{config: map[string]string{"credentialsFile": "/nowhere/cloud"}},
			want: []string{"backup vault is unavailable", "/nowhere/cloud"},
		},
		{
			name: "a role that may not be assumed, which is no answer of OSS",
			opts: fixtureOptions{
				config: map[string]string{"roleArn": "acs:ram::" + ownerID + ":role/backup"},
				env:    map[string]string{"ALIBABA_CLOUD_STS_ENDPOINT": "http://127.0.0.1:1"},
			},
			want: []string{"backup vault is unavailable", "assume RAM role acs:ram::" + ownerID + ":role/backup", "STS AssumeRole at http://127.0.0.1:1"},
		},
		{
			name: "no region anywhere",
			opts: fixtureOptions{config: map[string]string{"region": "", "endpoint": "", "notOnECS": "true"}},
			want: []string{"no region", "region: cn-hangzhou"},
		},
		{
			name: "a CA certificate that is none",
			opts: fixtureOptions{config: map[string]string{"caCert": "none"}},
			want: []string{"caCert", "no certificate in PEM form"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, tt.opts)
			if tt.spoil != nil {
				tt.spoil(t, f)
			}
			err := f.validate()
			wantError(t, err, tt.want...)
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the message has several lines:\n%v", err)
			}
		})
	}
}

func TestAnInternalEndpointFromOutside(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	b, err := f.bucket(t.Context(), validating, bucketName)
	must(t, err)
	outside := *b
	internal := *b.oss
	internal.Endpoint = endpoint.OSS(region, endpoint.Internal)
	outside.oss = &internal
	got := outside.remedyForSilence()
	for _, want := range []string{
		"oss-cn-hangzhou-internal.aliyuncs.com",
		`--type='json' -p '[{"op":"add","path":"/spec/config","value":{"network":"public","region":"<region-id>"}}]'`,
		"add the other keys that the location has",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the remedy lacks %q: %s", want, got)
		}
	}
}

func TestARevokedKeyIsMendedWithoutARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	must(t, f.validate())
	must(t, f.accounts.CreateKey("acs:ram::"+ownerID+":user/velero", "LTAInew", "new-secret"))
	must(t, f.accounts.DisableKey(accessKey))
	wantError(t, f.validate(), "InvalidAccessKeyId")
	f.writeKey(t, "LTAInew", "new-secret")
	must(t, f.validate())
}

// TestARoleThatIsGone: what STS says of a role must not be taken for what OSS says of
// an object. Velero restores volumes empty if their snapshots' list is not there.
func TestARoleThatIsGone(t *testing.T) {
	t.Parallel()
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"RequestId":"6894B13B","Code":"EntityNotExist.Role","Message":"The role not exists."}`)
	}))
	t.Cleanup(sts.Close)
	f := newFixture(t, fixtureOptions{env: map[string]string{"ALIBABA_CLOUD_STS_ENDPOINT": sts.URL}})
	const key = "velero/backups/b/b-volumesnapshots.json.gz"
	must(t, f.PutObject(bucketName, key, stream([]byte("x"))))
	must(t, f.Init(f.config(map[string]string{"roleArn": "acs:ram::" + ownerID + ":role/backup"})))
	tests := []struct {
		name string
		do   func() error
		want string
	}{
		{
			"an object is not missing because the role is",
			func() error { _, err := f.ObjectExists(bucketName, key); return err },
			"check backup files in OSS bucket failed",
		},
		{
			"an object is not deleted because the role is",
			func() error { return f.DeleteObject(bucketName, key) },
			"delete backup files in OSS bucket failed",
		},
		{
			"an object cannot be read",
			func() error { _, err := f.download(key); return err },
			"download backup files from OSS bucket failed",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantError(t, tt.do(), tt.want, "EntityNotExist.Role", "6894B13B", "check the ARNs of the role")
		})
	}
}

func TestKMSThatMayNotBeUsed(t *testing.T) {
	t.Parallel()
	encrypted := func(b *oss.BucketConfig) { b.Encryption = oss.Encryption{Algorithm: "KMS", KMSKeyID: "key-1"} }
	tests := []struct {
		name   string
		action string
		do     func(f *fixture) error
		want   []string
	}{
		{
			"for writing", "kms:Decrypt",
			func(f *fixture) error { return f.PutObject(bucketName, "velero/backups/b/x", stream([]byte("x"))) },
			[]string{"upload backup files to OSS bucket failed", "kms:GenerateDataKey, kms:Decrypt"},
		},
		{
			"for reading", "kms:GenerateDataKey",
			func(f *fixture) error {
				if err := f.PutObject(bucketName, "velero/backups/b/x", stream([]byte("x"))); err != nil {
					return fmt.Errorf("not expected: %w", err)
				}
				_, err := f.download("velero/backups/b/x")
				return err
			},
			[]string{"download backup files from OSS bucket failed", "kms:GenerateDataKey, kms:Decrypt"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			policy := fmt.Sprintf(`{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:*",%q],"Resource":"*"}]}`, tt.action)
			f := newFixture(t, fixtureOptions{bucket: encrypted, policy: policy})
			wantError(t, tt.do(f), tt.want...)
		})
	}
}

func TestArchivedObjects(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"Archive", "ColdArchive", "DeepColdArchive"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			must(t, f.PutObject(bucketName, "velero/backups/b/b.tar.gz", stream([]byte("x"))))
			must(t, f.oss.SetStorageClass(bucketName, "velero/backups/b/b.tar.gz", class))
			_, err := f.download("velero/backups/b/b.tar.gz")
			wantError(t, err, "download backup files from OSS bucket failed", "InvalidObjectState",
				`object "velero/backups/b/b.tar.gz"`, "restore the objects of this backup", "class Standard")
		})
	}
}

func TestBucketsThatArchiveByDefault(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"Archive", "ColdArchive", "DeepColdArchive"} {
		for name, policy := range map[string]string{"our policy": "", "the backup center's policy": managedPolicy} {
			t.Run(class+" under "+name, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, fixtureOptions{policy: policy, bucket: func(b *oss.BucketConfig) { b.StorageClass = class }})
				must(t, f.validate())
				for _, size := range []int{10, 3 * smallParts} {
					must(t, f.PutObject(bucketName, "velero/backups/b/x", stream(content(size))))
					if got, err := f.download("velero/backups/b/x"); err != nil || len(got) != size {
						t.Errorf("read %d bytes of %d: %v", len(got), size, err)
					}
				}
			})
		}
	}
}

func TestAProbeOfAnotherClass(t *testing.T) {
	t.Parallel()
	const probe = "velero/plugins/alibabacloud-storage-class-probe"
	archive := func(b *oss.BucketConfig) { b.StorageClass = "Archive" }
	tests := []struct {
		name string
		// change is what happens between two looks at the location.
		change func(t *testing.T, f *fixture)
		// config is the location's at the second look.
		config map[string]string
		// want are the classes of the probes then.
		want map[string]string
	}{
		{
			name: "is that of a location that has another class since", config: map[string]string{"storageClass": "IA"},
			want: map[string]string{probe: "Standard", probe + "-IA": "IA"},
		},
		{
			name: "is one that a lifecycle rule has moved",
			change: func(t *testing.T, f *fixture) {
				t.Helper()
				must(t, f.oss.SetStorageClass(bucketName, probe, "Archive"))
			},
			want: map[string]string{probe: "Standard"},
		},
		{
			name: "is left where a retention policy keeps it",
			change: func(t *testing.T, f *fixture) {
				t.Helper()
				must(t, f.oss.SetStorageClass(bucketName, probe, "Archive"))
				f.fault(t, fault.Rule{Operation: "PutObject", Status: 409, Code: "FileImmutable", Message: "The object you specified is immutable."})
			},
			want: map[string]string{probe: "Archive"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{bucket: archive})
			must(t, f.validate())
			if tt.change != nil {
				tt.change(t, f)
			}
			f.Store, f.log = newStore(nil) // Another process, which remembers nothing.
			must(t, f.Init(f.config(tt.config)))
			must(t, f.validate())
			got := map[string]string{}
			for _, object := range f.oss.Objects(bucketName) {
				got[object.Key] = object.StorageClass
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("probes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABucketThatTakesNothingReadable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{bucket: func(b *oss.BucketConfig) { b.StorageClass, b.ForbidStandardWrites = "Archive", true }})
	wantError(t, f.validate(), "backup vault is unavailable", "the bucket's storage class is Archive", "use a bucket of class Standard")
	wantError(t, f.PutObject(bucketName, "velero/backups/b/x", stream([]byte("x"))), "upload backup files to OSS bucket failed")
}

func TestTheManagedPolicySuffices(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{policy: managedPolicy})
	must(t, f.validate())
	const key = "velero/backups/b/b.tar.gz"
	must(t, f.PutObject(bucketName, key, stream(content(5*smallParts))))
	if exists, err := f.ObjectExists(bucketName, key); !exists || err != nil {
		t.Errorf("ObjectExists = %v, %v", exists, err)
	}
	if _, err := f.download(key); err != nil {
		t.Error(err)
	}
	signed, err := f.CreateSignedURL(bucketName, key, time.Minute)
	must(t, err)
	if status, _ := request(t, "GET", signed); status != 200 {
		t.Errorf("the signed URL answers %d", status)
	}
	must(t, f.DeleteObject(bucketName, key))
	for _, entry := range f.log.AllEntries() {
		if entry.Level <= logrus.WarnLevel { // Velero counts warnings and errors against the backup.
			t.Errorf("logged %s: %s", entry.Level, entry.Message)
		}
	}
}
