// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"testing"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/google/go-cmp/cmp"
)

// abandon begins an upload as a process does that is killed in the middle of it.
func (f *fixture) abandon(t *testing.T, key string) {
	t.Helper()
	client := sdk.NewClient(sdk.LoadDefaultConfig().WithRegion(region).WithEndpoint(f.url).WithUsePathStyle(true).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(accessKey, secretKey)))
	begun, err := client.InitiateMultipartUpload(t.Context(), &sdk.InitiateMultipartUploadRequest{Bucket: sdk.Ptr(bucketName), Key: &key})
	must(t, err)
	_, err = client.UploadPart(t.Context(), &sdk.UploadPartRequest{
		Bucket: sdk.Ptr(bucketName), Key: &key, UploadId: begun.UploadId, PartNumber: 1, Body: bytes.NewReader(content(smallParts)),
	})
	must(t, err)
}

func (f *fixture) unfinished() []string {
	keys := []string{}
	for _, upload := range f.oss.Uploads(bucketName) {
		keys = append(keys, upload.Key)
	}
	return keys
}

func TestAbandonedUploadsAreAborted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		key  string
		age  time.Duration
		want []string
	}{
		{"that of a backup's tarball", "velero/backups/old/old.tar.gz", 8 * 24 * time.Hour, []string{}},
		{"that of a restore's log", "velero/restores/old/restore-old-logs.gz", 8 * 24 * time.Hour, []string{}},
		{"that of a spooled part", "velero/backups/old/old.tar.gz.part-00801-ABC", 8 * 24 * time.Hour, []string{}},
		{"but not one that may still be on its way", "velero/backups/new/new.tar.gz", 6 * 24 * time.Hour, []string{"velero/backups/new/new.tar.gz"}},
		{"nor one of another location in the bucket", "velero-2/backups/old/old.tar.gz", 8 * 24 * time.Hour, []string{"velero-2/backups/old/old.tar.gz"}},
		{"nor one that Velero's object store did not begin", "velero/kopia/default/p123", 8 * 24 * time.Hour, []string{"velero/kopia/default/p123"}},
	}
	triggers := map[string]func(f *fixture) error{
		"by the next large upload": func(f *fixture) error {
			return f.PutObject(bucketName, "velero/backups/next/next.tar.gz", stream(content(2*smallParts)))
		},
		"by a deletion": func(f *fixture) error { return f.DeleteObject(bucketName, "velero/backups/some/velero-backup.json") },
	}
	for trigger, do := range triggers {
		for _, tt := range tests {
			t.Run(trigger+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				policy := `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*"}]}`
				f := newFixture(t, fixtureOptions{policy: policy})
				f.abandon(t, tt.key)
				must(t, f.oss.BackdateUploads(bucketName, tt.age))
				must(t, do(f))
				if diff := cmp.Diff(tt.want, f.unfinished()); diff != "" {
					t.Errorf("unfinished uploads differ (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestAbandonedUploadsAreLookedForOnceInAProcess(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	for range 3 {
		must(t, f.Init(f.config(nil)))
		must(t, f.PutObject(bucketName, "velero/backups/b/b.tar.gz", stream(content(2*smallParts))))
		must(t, f.DeleteObject(bucketName, "velero/backups/b/b.tar.gz"))
	}
	if n := f.journal.Count("oss", "ListMultipartUploads"); n != 1 {
		t.Errorf("looked for abandoned uploads %d times", n)
	}
}

func TestManyAbandonedUploadsAreAllAborted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	for range maxKeysPerPage + 5 {
		f.initiateRaw(t)
	}
	must(t, f.oss.BackdateUploads(bucketName, 8*24*time.Hour))
	must(t, f.DeleteObject(bucketName, "velero/backups/b/x"))
	if left := len(f.oss.Uploads(bucketName)); left != 0 {
		t.Errorf("%d uploads are left", left)
	}
}

// initiateRaw begins an upload without a part.
func (f *fixture) initiateRaw(t *testing.T) {
	t.Helper()
	b, err := f.bucket(t.Context(), uploading, bucketName)
	must(t, err)
	u := &upload{bucket: b, key: "velero/backups/old/old.tar.gz"}
	must(t, u.initiate(t.Context()))
}
