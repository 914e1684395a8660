// SPDX-License-Identifier: Apache-2.0

package oss_test

import (
	"strings"
	"testing"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

var (
	noRight       = refusal{403, "AccessDenied", "You have no right to access this object because of bucket acl.", "0003-00000001"}
	notYours      = refusal{403, "AccessDenied", "The bucket you access does not belong to you.", "0003-00000001"}
	forbiddenKMS  = refusal{403, "AccessDenied", "This request is forbidden by kms", ""}
	tagsForbidden = refusal{403, "AccessDenied", "AccessDenied", "0003-00000905"}
)

// attempt is a request that a policy allows or not.
type attempt func(t *testing.T, client *sdk.Client) error

func put(edit func(*sdk.PutObjectRequest)) attempt {
	return func(t *testing.T, client *sdk.Client) error {
		t.Helper()
		r := &sdk.PutObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key"), Body: strings.NewReader("x")}
		if edit != nil {
			edit(r)
		}
		_, err := client.PutObject(t.Context(), r)
		return err
	}
}

func get(t *testing.T, client *sdk.Client) error {
	t.Helper()
	r, err := client.GetObject(t.Context(), &sdk.GetObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("present")})
	if err == nil {
		must(t, r.Body.Close())
	}
	return err
}

func list(t *testing.T, client *sdk.Client) error {
	t.Helper()
	_, err := client.ListObjectsV2(t.Context(), &sdk.ListObjectsV2Request{Bucket: sdk.Ptr(bucket), Prefix: sdk.Ptr("p/")})
	return err
}

func remove(t *testing.T, client *sdk.Client) error {
	t.Helper()
	_, err := client.DeleteMultipleObjects(t.Context(), &sdk.DeleteMultipleObjectsRequest{
		Bucket: sdk.Ptr(bucket), Objects: []sdk.DeleteObject{{Key: sdk.Ptr("other")}, {Key: sdk.Ptr("another")}},
	})
	return err
}

func info(t *testing.T, client *sdk.Client) error {
	t.Helper()
	_, err := client.GetBucketInfo(t.Context(), &sdk.GetBucketInfoRequest{Bucket: sdk.Ptr(bucket)})
	return err
}

func buckets(t *testing.T, client *sdk.Client) error {
	t.Helper()
	_, err := client.ListBuckets(t.Context(), &sdk.ListBucketsRequest{})
	return err
}

func initiate(t *testing.T, client *sdk.Client) error {
	t.Helper()
	_, err := client.InitiateMultipartUpload(t.Context(),
		&sdk.InitiateMultipartUploadRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key")})
	return err
}

func uploads(t *testing.T, client *sdk.Client) error {
	t.Helper()
	_, err := client.ListMultipartUploads(t.Context(), &sdk.ListMultipartUploadsRequest{Bucket: sdk.Ptr(bucket)})
	return err
}

func copyObject(t *testing.T, client *sdk.Client) error {
	t.Helper()
	_, err := client.CopyObject(t.Context(), &sdk.CopyObjectRequest{
		Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("copy"), SourceKey: sdk.Ptr("present"),
	})
	return err
}

func TestPoliciesOfTheCallerDecide(t *testing.T) {
	withTags := put(func(r *sdk.PutObjectRequest) { r.Tagging = sdk.Ptr("a=b") })
	withKMS := put(func(r *sdk.PutObjectRequest) { r.ServerSideEncryption = sdk.Ptr("KMS") })
	for name, tc := range map[string]struct {
		actions string
		attempt attempt
		want    refusal
	}{
		"nothing allows a put":                     {`"oss:GetObject"`, put(nil), noRight},
		"PutObject allows a put":                   {`"oss:PutObject"`, put(nil), refusal{}},
		"PutObject does not allow a get":           {`"oss:PutObject"`, get, noRight},
		"GetObject allows a get":                   {`"oss:GetObject"`, get, refusal{}},
		"GetBucket allows to list":                 {`"oss:GetBucket"`, list, refusal{}},
		"ListObjects allows to list":               {`"oss:ListObjects"`, list, refusal{}},
		"GetObject does not allow to list":         {`"oss:GetObject"`, list, noRight},
		"DeleteObject allows to delete several":    {`"oss:DeleteObject"`, remove, refusal{}},
		"PutObject does not allow to delete":       {`"oss:PutObject"`, remove, noRight},
		"GetBucketInfo allows the bucket's info":   {`"oss:GetBucketInfo"`, info, refusal{}},
		"without it the bucket seems another's":    {`"oss:GetBucketStat"`, info, notYours},
		"ListBuckets allows to list buckets":       {`"oss:ListBuckets"`, buckets, refusal{}},
		"without it buckets are not listed":        {`"oss:Get*"`, buckets, refusal{403, "AccessDenied", "AccessDenied", ""}},
		"PutObject allows to start an upload":      {`"oss:PutObject"`, initiate, refusal{}},
		"PutObject does not allow to list uploads": {`"oss:PutObject"`, uploads, noRight},
		"a copy needs both permissions":            {`"oss:PutObject","oss:GetObject"`, copyObject, refusal{}},
		"a copy needs to read its source":          {`"oss:PutObject"`, copyObject, noRight},
		"tags need a permission of their own":      {`"oss:PutObject"`, withTags, tagsForbidden},
		"tags with their permission":               {`"oss:PutObject","oss:PutObjectTagging"`, withTags, refusal{}},
		"a KMS key needs GenerateDataKey":          {`"oss:PutObject","kms:Decrypt"`, withKMS, forbiddenKMS},
		"a KMS key with GenerateDataKey":           {`"oss:PutObject","kms:GenerateDataKey"`, withKMS, refusal{}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, nil)
			must(t, c.service.Put(bucket, "present", []byte("x")))
			c.grant(t, `{"Version":"1","Statement":[{"Effect":"Allow","Action":[`+tc.actions+`],"Resource":"*"}]}`)
			if diff := cmp.Diff(tc.want, refusalOf(t, tc.attempt(t, c.client(userKey, userWord)))); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResourcesOfPolicies(t *testing.T) {
	for name, tc := range map[string]struct {
		resource, condition string
		attempt             attempt
		want                refusal
	}{
		"a pattern for bucket and keys":             {"acs:oss:*:*:back*", "", put(nil), refusal{}},
		"the bucket alone is not its keys":          {"acs:oss:*:*:backups", "", put(nil), noRight},
		"the keys alone are not the bucket":         {"acs:oss:*:*:backups/*", "", list, noRight},
		"another key":                               {"acs:oss:*:*:backups/other", "", put(nil), noRight},
		"a region is no region, as OSS documents":   {"acs:oss:oss-cn-hangzhou:*:backups*", "", put(nil), noRight},
		"the prefix of a listing that is allowed":   {"*", `,"Condition":{"StringLike":{"oss:Prefix":"p/*"}}`, list, refusal{}},
		"the prefix of a listing that is forbidden": {"*", `,"Condition":{"StringLike":{"oss:Prefix":"q/*"}}`, list, noRight},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, nil)
			c.grant(t, `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"`+tc.resource+`"`+
				tc.condition+`}]}`)
			if diff := cmp.Diff(tc.want, refusalOf(t, tc.attempt(t, c.client(userKey, userWord)))); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnExplicitDenyWins(t *testing.T) {
	for name, tc := range map[string]struct {
		denied  string
		attempt attempt
	}{
		"over what is allowed":                   {"oss:PutObject", put(nil)},
		"under the newer name of the permission": {"oss:ListObjects", list},
		"under the older name of the permission": {"oss:GetBucket", list},
		"over the bucket's ACL":                  {"oss:GetObject", get},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, func(cfg *oss.Config) { cfg.Buckets[0].ACL = oss.ACLPublicReadWrite })
			must(t, c.service.Put(bucket, "present", []byte("x")))
			c.grant(t, `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*"},
				{"Effect":"Deny","Action":"`+tc.denied+`","Resource":"*"}]}`)
			if diff := cmp.Diff(noRight, refusalOf(t, tc.attempt(t, c.client(userKey, userWord)))); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheBucketsEncryptionTakesPermissions(t *testing.T) {
	c := newCloud(t, func(cfg *oss.Config) {
		cfg.Buckets[0].Encryption = oss.Encryption{Algorithm: oss.EncryptionKMS, KMSKeyID: "key-1"}
	})
	must(t, c.service.Put(bucket, "present", []byte("x")))
	client := c.client(userKey, userWord)
	grant := func(actions string) {
		c.grant(t, `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*"},
			{"Effect":"Allow","Action":["kms:None"`+actions+`],"Resource":"acs:kms:cn-hangzhou:*:key/key-1"}]}`)
	}
	type outcome struct{ Put, Initiate, Get refusal }
	for actions, want := range map[string]outcome{
		``:                                     {forbiddenKMS, forbiddenKMS, forbiddenKMS},
		`,"kms:Decrypt"`:                       {forbiddenKMS, forbiddenKMS, refusal{}},
		`,"kms:GenerateDataKey"`:               {refusal{}, refusal{}, forbiddenKMS},
		`,"kms:GenerateDataKey","kms:Decrypt"`: {},
	} {
		grant(actions)
		got := outcome{
			refusalOf(t, put(nil)(t, client)), refusalOf(t, initiate(t, client)), refusalOf(t, get(t, client)),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with %q (-want +got):\n%s", actions, diff)
		}
	}
}

func TestBucketsOfOthers(t *testing.T) {
	anonymous := refusal{403, "AccessDenied", "Anonymous user has no right to access this object.", ""}
	for name, tc := range map[string]struct {
		acl                        string
		foreignGet, foreignPut     refusal
		anonymousGet, anonymousPut refusal
	}{
		"private":        {oss.ACLPrivate, notYours, notYours, anonymous, anonymous},
		"public to read": {oss.ACLPublicRead, refusal{}, notYours, refusal{}, anonymous},
		"public":         {acl: oss.ACLPublicReadWrite},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, func(cfg *oss.Config) { cfg.Buckets[0].ACL = tc.acl })
			must(t, c.service.Put(bucket, "present", []byte("x")))
			foreign, nobody := c.client(otherKey, otherWord), c.root(withNobody)
			want := []refusal{tc.foreignGet, tc.foreignPut, tc.anonymousGet, tc.anonymousPut}
			got := []refusal{
				refusalOf(t, get(t, foreign)), refusalOf(t, put(nil)(t, foreign)),
				refusalOf(t, get(t, nobody)), refusalOf(t, put(nil)(t, nobody)),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}
