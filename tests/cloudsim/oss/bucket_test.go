// SPDX-License-Identifier: Apache-2.0

package oss_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

func TestBucketInfo(t *testing.T) {
	c := newCloud(t, func(cfg *oss.Config) {
		cfg.Buckets[0] = oss.BucketConfig{
			Name: bucket, Region: region, Owner: ownerID, StorageClass: oss.ClassIA, DataRedundancy: oss.RedundancyZRS,
			ACL: oss.ACLPublicRead, Encryption: oss.Encryption{Algorithm: oss.EncryptionKMS, KMSKeyID: "key-1"},
		}
	})
	r, err := c.root().GetBucketInfo(t.Context(), &sdk.GetBucketInfoRequest{Bucket: sdk.Ptr(bucket)})
	must(t, err)
	got := r.BucketInfo
	want := sdk.BucketInfo{
		Name: sdk.Ptr(bucket), Location: sdk.Ptr("oss-cn-hangzhou"), CreationDate: got.CreationDate,
		ExtranetEndpoint: sdk.Ptr("oss-cn-hangzhou.aliyuncs.com"),
		IntranetEndpoint: sdk.Ptr("oss-cn-hangzhou-internal.aliyuncs.com"),
		ACL:              sdk.Ptr("public-read"), DataRedundancyType: sdk.Ptr("ZRS"), StorageClass: sdk.Ptr("IA"),
		Owner:                &sdk.Owner{ID: sdk.Ptr(ownerID), DisplayName: sdk.Ptr(ownerID)},
		SseRule:              sdk.SSERule{SSEAlgorithm: sdk.Ptr("KMS"), KMSMasterKeyID: sdk.Ptr("key-1")},
		TransferAcceleration: sdk.Ptr("Disabled"),
	}
	if diff := cmp.Diff(want, got); diff != "" || got.CreationDate == nil {
		t.Errorf("info (-want +got):\n%s", diff)
	}
	location, err := c.root().GetBucketLocation(t.Context(), &sdk.GetBucketLocationRequest{Bucket: sdk.Ptr(bucket)})
	must(t, err)
	acl, err := c.root().GetBucketAcl(t.Context(), &sdk.GetBucketAclRequest{Bucket: sdk.Ptr(bucket)})
	must(t, err)
	if *location.LocationConstraint != "oss-cn-hangzhou" || *acl.ACL != "public-read" {
		t.Errorf("location %q, ACL %q", *location.LocationConstraint, *acl.ACL)
	}
}

func TestBucketStatCountsByClass(t *testing.T) {
	c := newCloud(t, nil)
	for key, class := range map[string]string{
		"1": oss.ClassStandard, "22": oss.ClassIA, "333": oss.ClassArchive, "4444": oss.ClassColdArchive,
		"55555": oss.ClassDeepColdArchive,
	} {
		must(t, c.service.Put(bucket, key, []byte(key)))
		must(t, c.service.SetStorageClass(bucket, key, class))
	}
	c.start(t, c.root()).upload(t, 1, []byte("x"))
	r, err := c.root().GetBucketStat(t.Context(), &sdk.GetBucketStatRequest{Bucket: sdk.Ptr(bucket)})
	must(t, err)
	want := []int64{15, 5, 1, 1, 1, 1, 2, 1, 3, 1, 4, 1, 5, 1}
	got := []int64{
		r.Storage, r.ObjectCount, r.MultipartUploadCount, r.MultipartPartCount, r.StandardStorage, r.StandardObjectCount,
		r.InfrequentAccessStorage, r.InfrequentAccessObjectCount, r.ArchiveStorage, r.ArchiveObjectCount,
		r.ColdArchiveStorage, r.ColdArchiveObjectCount, r.DeepColdArchiveStorage, r.DeepColdArchiveObjectCount,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stat (-want +got):\n%s", diff)
	}
}

func TestTheLifeOfABucket(t *testing.T) {
	c := newCloud(t, nil)
	create := func(client *sdk.Client, name string, class sdk.StorageClassType) string {
		_, err := client.PutBucket(t.Context(), &sdk.PutBucketRequest{
			Bucket:                    sdk.Ptr(name),
			CreateBucketConfiguration: &sdk.CreateBucketConfiguration{StorageClass: class},
		})
		return refusalOf(t, err).Code
	}
	remove := func() string {
		_, err := c.root().DeleteBucket(t.Context(), &sdk.DeleteBucketRequest{Bucket: sdk.Ptr("fresh")})
		return refusalOf(t, err).Code
	}
	for _, step := range []struct {
		name string
		got  func() string
		want string
	}{
		{"a user without permission", func() string { return create(c.client(userKey, userWord), "fresh", "IA") }, "AccessDenied"},
		{"a new bucket", func() string { return create(c.root(), "fresh", "IA") }, ""},
		{"the same again", func() string { return create(c.root(), "fresh", "IA") }, ""},
		{"another class", func() string { return create(c.root(), "fresh", "Standard") }, "BucketAlreadyExists"},
		{"another account", func() string { return create(c.client(otherKey, otherWord), "fresh", "IA") }, "BucketAlreadyExists"},
		{"deleting it with an object", func() string { must(t, c.service.Put("fresh", "k", nil)); return remove() }, "BucketNotEmpty"},
		{"deleting it empty", func() string {
			_, err := c.root().DeleteObject(t.Context(), &sdk.DeleteObjectRequest{Bucket: sdk.Ptr("fresh"), Key: sdk.Ptr("k")})
			must(t, err)
			return remove()
		}, ""},
		{"deleting it again", remove, "NoSuchBucket"},
	} {
		if got := step.got(); got != step.want {
			t.Errorf("%s: code = %q, want %q", step.name, got, step.want)
		}
	}
}

func TestABucketNameThatIsNotValid(t *testing.T) {
	c := newCloud(t, nil)
	got := send(t, request(t.Context(), t, http.MethodPut, c.url+"/Upper-case", nil))
	if got.status != http.StatusBadRequest || !strings.Contains(got.body, "<Code>InvalidBucketName</Code>") {
		t.Errorf("status %d, body %s; want InvalidBucketName", got.status, got.body)
	}
}

func TestListingBucketsOfTheAccountAlone(t *testing.T) {
	c := newCloud(t, func(cfg *oss.Config) {
		cfg.Buckets = append(cfg.Buckets,
			oss.BucketConfig{Name: "another", Region: "cn-beijing", Owner: ownerID},
			oss.BucketConfig{Name: "foreign", Region: region, Owner: otherID})
	})
	var got []string
	pages := c.root().NewListBucketsPaginator(&sdk.ListBucketsRequest{MaxKeys: 1})
	for pages.HasNext() {
		p, err := pages.NextPage(t.Context())
		must(t, err)
		for _, b := range p.Buckets {
			got = append(got, *b.Name+" "+*b.Location)
		}
	}
	if diff := cmp.Diff([]string{"another oss-cn-beijing", bucket + " oss-cn-hangzhou"}, got); diff != "" {
		t.Errorf("buckets (-want +got):\n%s", diff)
	}
}

func TestBucketsThatAreMisconfigured(t *testing.T) {
	valid := oss.BucketConfig{Name: bucket, Region: region, Owner: ownerID}
	for name, edit := range map[string]func(*oss.BucketConfig){
		"a name too short":                func(b *oss.BucketConfig) { b.Name = "ab" },
		"a name with upper case":          func(b *oss.BucketConfig) { b.Name = "Backups" },
		"a name that ends with a dash":    func(b *oss.BucketConfig) { b.Name = "backups-" },
		"no region":                       func(b *oss.BucketConfig) { b.Region = "" },
		"no owner":                        func(b *oss.BucketConfig) { b.Owner = "" },
		"a class that is not known":       func(b *oss.BucketConfig) { b.StorageClass = "Warm" },
		"an ACL that is not known":        func(b *oss.BucketConfig) { b.ACL = "public" },
		"a redundancy that is not known":  func(b *oss.BucketConfig) { b.DataRedundancy = "ABC" },
		"an encryption that is not known": func(b *oss.BucketConfig) { b.Encryption.Algorithm = "ROT13" },
	} {
		t.Run(name, func(t *testing.T) {
			config := valid
			edit(&config)
			s, err := oss.New(oss.Config{StateDir: t.TempDir(), Buckets: []oss.BucketConfig{config}}, account.New(nil), nil)
			if err == nil || s != nil || !strings.Contains(err.Error(), config.Name) {
				t.Errorf("service %v, error %v; want an error that names the bucket", s, err)
			}
		})
	}
}

func TestWhatTestsChangeDirectly(t *testing.T) {
	c := newCloud(t, nil)
	must(t, c.service.Put(bucket, "present", []byte("old")))
	before := c.service.Objects(bucket)[0]
	must(t, c.service.Alter(bucket, "present", func(data []byte) []byte { return append(data, " and new"...) }))
	data, err := c.service.Read(bucket, "present")
	must(t, err)
	after := c.service.Objects(bucket)[0]
	if string(data) != "old and new" || after.ETag == before.ETag || after.Size != int64(len(data)) {
		t.Errorf("altered to %q, %+v", data, after)
	}
	must(t, get(t, c.root()))
	config := oss.BucketConfig{Name: bucket, Region: region, Owner: otherID}
	must(t, c.service.SetBucket(config))
	if diff := cmp.Diff(notYours, refusalOf(t, get(t, c.root()))); diff != "" {
		t.Errorf("after the bucket changed hands (-want +got):\n%s", diff)
	}
	for name, err := range map[string]error{
		"an object": c.service.Alter(bucket, "missing", nil), "a bucket": c.service.DeleteBucket("missing"),
		"a bucket's uploads": c.service.BackdateUploads("missing", 0), "a class": c.service.SetStorageClass(bucket, "missing", "IA"),
	} {
		if !errors.Is(err, oss.ErrNotFound) {
			t.Errorf("%s: error = %v, want ErrNotFound", name, err)
		}
	}
}
