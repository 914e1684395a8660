// SPDX-License-Identifier: Apache-2.0

package oss_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

func TestObjectSurvivesTheRoundTrip(t *testing.T) {
	for name, edit := range map[string]func(*sdk.Config){
		"signed with V4": func(*sdk.Config) {},
		"signed with V1": v1,
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, nil)
			client := cloud.root(edit)
			for _, key := range []string{"a", "dir/b c+d", "ünï/日本/%2F&=?#~!'()*", strings.Repeat("k", 1023)} {
				body := []byte("content of " + key)
				_, err := client.PutObject(t.Context(), &sdk.PutObjectRequest{
					Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key), Body: bytes.NewReader(body),
					Metadata: map[string]string{"color": "blue"},
				})
				must(t, err)
				got, err := client.GetObject(t.Context(), &sdk.GetObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key)})
				must(t, err)
				data, err := io.ReadAll(got.Body)
				must(t, err)
				if diff := cmp.Diff(string(body), string(data)); diff != "" {
					t.Errorf("key %q (-want +got):\n%s", key, diff)
				}
				if got.Metadata["color"] != "blue" {
					t.Errorf("metadata = %v, want color blue", got.Metadata)
				}
				_, err = client.HeadObject(t.Context(), &sdk.HeadObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key)})
				must(t, err)
				_, err = client.DeleteObject(t.Context(), &sdk.DeleteObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key)})
				must(t, err)
				_, err = client.HeadObject(t.Context(), &sdk.HeadObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key)})
				want := refusal{404, "NoSuchKey", "The specified key does not exist.", "0026-00000001"}
				if diff := cmp.Diff(want, refusalOf(t, err)); diff != "" {
					t.Errorf("after deletion of %q (-want +got):\n%s", key, diff)
				}
			}
		})
	}
}

// answer is what a raw response is compared by.
type answer struct {
	Status int
	Body   string
	Header map[string]string
}

// ask does a GET of the object through a signed URL, and returns those headers that the test names.
func (c *cloud) ask(t *testing.T, method string, header map[string]string, names ...string) answer {
	t.Helper()
	var req any = &sdk.GetObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key")}
	if method == http.MethodHead {
		req = &sdk.HeadObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key")}
	}
	// V1 leaves out all headers that the test sends, so that it need not sign them.
	signed, err := c.root(v1).Presign(t.Context(), req)
	must(t, err)
	r := request(t.Context(), t, method, signed.URL, nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	got := send(t, r)
	a := answer{Status: got.status, Body: got.body, Header: map[string]string{}}
	for _, name := range names {
		a.Header[name] = got.header.Get(name)
	}
	return a
}

func TestConditionalRequests(t *testing.T) {
	c := newCloud(t, nil)
	must(t, c.service.Put(bucket, "key", []byte("0123456789")))
	object := c.service.Objects(bucket)[0]
	before := object.LastModified.Add(-time.Hour).UTC().Format(http.TimeFormat)
	after := object.LastModified.Add(time.Hour).UTC().Format(http.TimeFormat)
	for name, tc := range map[string]struct {
		header map[string]string
		status int
	}{
		"the ETag matches":                    {map[string]string{"If-Match": `"` + object.ETag + `"`}, 200},
		"any ETag matches":                    {map[string]string{"If-Match": "*"}, 200},
		"the ETag does not match":             {map[string]string{"If-Match": `"0"`}, 412},
		"the ETag is known":                   {map[string]string{"If-None-Match": `"0", "` + object.ETag + `"`}, 304},
		"the ETag is not known":               {map[string]string{"If-None-Match": `"0"`}, 200},
		"modified since then":                 {map[string]string{"If-Modified-Since": before}, 200},
		"not modified since then":             {map[string]string{"If-Modified-Since": after}, 304},
		"unmodified since then":               {map[string]string{"If-Unmodified-Since": after}, 200},
		"not unmodified since then":           {map[string]string{"If-Unmodified-Since": before}, 412},
		"a time that is none is no condition": {map[string]string{"If-Modified-Since": "never"}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				if got := c.ask(t, method, tc.header).Status; got != tc.status {
					t.Errorf("%s: status = %d, want %d", method, got, tc.status)
				}
			}
		})
	}
}

func TestRangesOfAnObject(t *testing.T) {
	c := newCloud(t, nil)
	must(t, c.service.Put(bucket, "key", []byte("0123456789")))
	for name, tc := range map[string]struct {
		header map[string]string
		want   answer
	}{
		"a range": {
			map[string]string{"Range": "bytes=2-4"},
			answer{206, "234", map[string]string{"Content-Range": "bytes 2-4/10", "Content-Length": "3"}},
		},
		"a range over the end is the whole object": {
			map[string]string{"Range": "bytes=8-20"},
			answer{200, "0123456789", map[string]string{"Content-Range": "", "Content-Length": "10"}},
		},
		"a range over the end is cut where the standard is asked for": {
			map[string]string{"Range": "bytes=8-20", "X-Oss-Range-Behavior": "standard"},
			answer{206, "89", map[string]string{"Content-Range": "bytes 8-9/10", "Content-Length": "2"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			signed, err := c.root().Presign(t.Context(), &sdk.GetObjectRequest{
				Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key"), RangeBehavior: rangeBehavior(tc.header),
			})
			must(t, err)
			r := request(t.Context(), t, http.MethodGet, signed.URL, nil)
			for name, value := range tc.header {
				r.Header.Set(name, value)
			}
			raw := send(t, r)
			got := answer{raw.status, raw.body, map[string]string{
				"Content-Range": raw.header.Get("Content-Range"), "Content-Length": raw.header.Get("Content-Length"),
			}}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
	_, err := c.root().GetObject(t.Context(), &sdk.GetObjectRequest{
		Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key"), Range: sdk.Ptr("bytes=10-"), RangeBehavior: sdk.Ptr("standard"),
	})
	want := refusal{416, "InvalidRange", "The requested range cannot be satisfied.", ""}
	if diff := cmp.Diff(want, refusalOf(t, err)); diff != "" {
		t.Errorf("a range behind the end (-want +got):\n%s", diff)
	}
}

func rangeBehavior(header map[string]string) *string {
	if value, ok := header["X-Oss-Range-Behavior"]; ok {
		return &value
	}
	return nil
}

// TestHeadersOfAnObject stores the text for which the check value of CRC-64/XZ is published: 0x995DC9BBDF1939FA.
func TestHeadersOfAnObject(t *testing.T) {
	c := newCloud(t, nil)
	_, err := c.root().PutObject(t.Context(), &sdk.PutObjectRequest{
		Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key"), Body: strings.NewReader("123456789"),
		ContentType: sdk.Ptr("text/plain"), CacheControl: sdk.Ptr("no-cache"), StorageClass: sdk.StorageClassIA,
		ServerSideEncryption: sdk.Ptr("KMS"), ServerSideEncryptionKeyId: sdk.Ptr("key-1"), Tagging: sdk.Ptr("a=1&b=2"),
		Metadata: map[string]string{"Color": "blue"},
	})
	must(t, err)
	want := map[string]string{
		"Content-Type": "text/plain", "Cache-Control": "no-cache", "Content-Length": "9", "Accept-Ranges": "bytes",
		"Etag": `"25F9E794323B453885F5181F1B624D0B"`, "Content-Md5": "JfnnlDI7RTiF9RgfG2JNCw==",
		"X-Oss-Hash-Crc64ecma": "11051210869376104954", "X-Oss-Object-Type": "Normal", "X-Oss-Storage-Class": "IA",
		"X-Oss-Server-Side-Encryption": "KMS", "X-Oss-Server-Side-Encryption-Key-Id": "key-1", "X-Oss-Tagging-Count": "2",
		"X-Oss-Meta-Color": "blue", "Server": "AliyunOSS",
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		got := c.ask(t, method, nil, slices.Collect(maps.Keys(want))...)
		if diff := cmp.Diff(want, got.Header); diff != "" {
			t.Errorf("%s (-want +got):\n%s", method, diff)
		}
	}
}

func TestHeadersOfTheResponseCanBeReplaced(t *testing.T) {
	c := newCloud(t, nil)
	must(t, c.service.Put(bucket, "key", []byte("x")))
	r, err := c.root().GetObject(t.Context(), &sdk.GetObjectRequest{
		Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key"), ResponseContentType: sdk.Ptr("text/x"),
		ResponseContentDisposition: sdk.Ptr("attachment"),
	})
	must(t, err)
	defer r.Body.Close()
	if got := r.Headers.Get("Content-Type") + " " + r.Headers.Get("Content-Disposition"); got != "text/x attachment" {
		t.Errorf("headers = %q", got)
	}
}

func TestObjectsThatAreRefused(t *testing.T) {
	badMD5 := refusal{400, "InvalidDigest", "The Content-MD5 you specified was invalid.", ""}
	for name, tc := range map[string]struct {
		bucket func(*oss.BucketConfig)
		edit   func(*sdk.PutObjectRequest)
		want   refusal
	}{
		"the digest of other bytes": {
			edit: func(r *sdk.PutObjectRequest) { r.ContentMD5 = sdk.Ptr("eB5eJF1ptWaXm4bijSPyxw==") }, want: badMD5,
		},
		"a digest that is none": {
			edit: func(r *sdk.PutObjectRequest) { r.ContentMD5 = sdk.Ptr("abc") }, want: badMD5,
		},
		"a class that is not known": {
			edit: func(r *sdk.PutObjectRequest) { r.StorageClass = "Glacier" },
			want: refusal{400, "InvalidStorageClass", "The storage class you specified is not valid.", ""},
		},
		"Standard where the bucket forbids it": {
			bucket: func(b *oss.BucketConfig) { b.StorageClass, b.ForbidStandardWrites = oss.ClassArchive, true },
			edit:   func(r *sdk.PutObjectRequest) { r.StorageClass = sdk.StorageClassStandard },
			want:   refusal{400, "InvalidStorageClass", "The storage class you specified is not valid.", ""},
		},
		"an encryption that is not known": {
			edit: func(r *sdk.PutObjectRequest) { r.ServerSideEncryption = sdk.Ptr("ROT13") },
			want: refusal{
				400, "InvalidEncryptionAlgorithmError",
				"The Encryption request you specified is not valid. Supported value: AES256/SM4/KMS.", "",
			},
		},
		"a key for an encryption that takes none": {
			edit: func(r *sdk.PutObjectRequest) {
				r.ServerSideEncryption, r.ServerSideEncryptionKeyId = sdk.Ptr("AES256"), sdk.Ptr("key")
			},
			want: refusal{400, "InvalidArgument", "KMSMasterKeyID is not applicable if the sse algorithm is not KMS.", ""},
		},
		"more tags than an object may have": {
			edit: func(r *sdk.PutObjectRequest) { r.Tagging = sdk.Ptr("a&b&c&d&e&f&g&h&i&j&k") },
			want: refusal{400, "InvalidTag", "Object tags cannot be greater than 10", ""},
		},
		"a tag twice": {
			edit: func(r *sdk.PutObjectRequest) { r.Tagging = sdk.Ptr("a=1&a=2") },
			want: refusal{400, "InvalidTag", "Cannot provide multiple Tags with the same key", ""},
		},
		"an object that exists and must not be overwritten": {
			edit: func(r *sdk.PutObjectRequest) { r.Key, r.ForbidOverwrite = sdk.Ptr("present"), sdk.Ptr("true") },
			want: refusal{
				409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten.", "",
			},
		},
		"a name too long": {
			edit: func(r *sdk.PutObjectRequest) { r.Key = sdk.Ptr(strings.Repeat("k", 1024)) },
			want: refusal{400, "InvalidObjectName", "The length of object name must be less than 1024.", ""},
		},
		"a name with a leading backslash": {
			edit: func(r *sdk.PutObjectRequest) { r.Key = sdk.Ptr(`\key`) },
			want: refusal{400, "InvalidObjectName", "The specified object is not valid.", ""},
		},
		"more metadata than an object may have": {
			edit: func(r *sdk.PutObjectRequest) { r.Metadata = map[string]string{"a": strings.Repeat("x", 8<<10)} },
			want: refusal{
				400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size.", "",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, func(cfg *oss.Config) {
				if tc.bucket != nil {
					tc.bucket(&cfg.Buckets[0])
				}
			})
			must(t, c.service.Put(bucket, "present", []byte("old")))
			r := &sdk.PutObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key"), Body: strings.NewReader("new")}
			tc.edit(r)
			_, err := c.root().PutObject(t.Context(), r)
			if diff := cmp.Diff(tc.want, refusalOf(t, err)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			data, err := c.service.Read(bucket, "present")
			must(t, err)
			if n := len(c.service.Objects(bucket)); n != 1 || string(data) != "old" {
				t.Errorf("%d objects, one with %q; want the old one alone", n, data)
			}
		})
	}
}

func TestClassAndEncryptionComeFromTheBucketUnlessAskedFor(t *testing.T) {
	c := newCloud(t, func(cfg *oss.Config) {
		cfg.Buckets[0].StorageClass = oss.ClassIA
		cfg.Buckets[0].Encryption = oss.Encryption{Algorithm: oss.EncryptionSM4}
	})
	type stored struct{ Class, Algorithm string }
	for name, tc := range map[string]struct {
		edit func(*sdk.PutObjectRequest)
		want stored
	}{
		"the bucket's": {nil, stored{oss.ClassIA, oss.EncryptionSM4}},
		"the request's": {
			func(r *sdk.PutObjectRequest) {
				r.StorageClass, r.ServerSideEncryption = sdk.StorageClassStandard, sdk.Ptr("AES256")
			}, stored{oss.ClassStandard, oss.EncryptionAES256},
		},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, put(tc.edit)(t, c.root()))
			o := c.service.Objects(bucket)[0]
			if diff := cmp.Diff(tc.want, stored{o.StorageClass, o.Encryption.Algorithm}); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABodyThatBreaksOffLeavesNothing(t *testing.T) {
	c := newCloud(t, nil)
	signed, err := c.root().Presign(t.Context(), &sdk.PutObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key")})
	must(t, err)
	r := request(t.Context(), t, http.MethodPut, signed.URL, iotest.ErrReader(errors.New("broken")))
	r.ContentLength = 100
	if resp, err := http.DefaultClient.Do(r); err == nil {
		must(t, resp.Body.Close())
		t.Errorf("status = %d, want a broken request", resp.StatusCode)
	}
	if objects := c.service.Objects(bucket); len(objects) != 0 {
		t.Errorf("objects = %+v, want none", objects)
	}
}

func TestABodyOfUnknownLengthIsStored(t *testing.T) {
	c := newCloud(t, nil)
	signed, err := c.root().Presign(t.Context(), &sdk.PutObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key")})
	must(t, err)
	got := send(t, request(t.Context(), t, http.MethodPut, signed.URL, io.MultiReader(strings.NewReader("chunked"))))
	data, err := c.service.Read(bucket, "key")
	must(t, err)
	if got.status != http.StatusOK || string(data) != "chunked" {
		t.Errorf("status %d, stored %q", got.status, data)
	}
}

func TestMoreThanFiveGiBAreRefusedBeforeTheyAreSent(t *testing.T) {
	c := newCloud(t, nil)
	signed, err := c.root().Presign(t.Context(), &sdk.PutObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key")})
	must(t, err)
	r := request(t.Context(), t, http.MethodPut, signed.URL, io.LimitReader(zeros{}, 5<<30+1))
	r.ContentLength = 5<<30 + 1
	r.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	resp, err := client.Do(r)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "EntityTooLarge") {
		t.Errorf("status %d, body %s; want EntityTooLarge", resp.StatusCode, body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestDeletingSeveralObjects(t *testing.T) {
	c := newCloud(t, nil)
	keys := []string{"a", "b", "c d+e", "ü"}
	for name, tc := range map[string]struct {
		quiet bool
		want  []string
	}{
		"verbose": {false, append(slices.Clone(keys), "missing")},
		"quiet":   {true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var objects []sdk.DeleteObject
			for _, key := range append(slices.Clone(keys), "missing") {
				objects = append(objects, sdk.DeleteObject{Key: sdk.Ptr(key)})
			}
			for _, key := range keys {
				must(t, c.service.Put(bucket, key, nil))
			}
			result, err := c.root().DeleteMultipleObjects(t.Context(), &sdk.DeleteMultipleObjectsRequest{
				Bucket: sdk.Ptr(bucket), Objects: objects, Quiet: tc.quiet,
			})
			must(t, err)
			var got []string
			for _, d := range result.DeletedObjects {
				got = append(got, *d.Key)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("deleted (-want +got):\n%s", diff)
			}
			if left := c.service.Objects(bucket); len(left) != 0 {
				t.Errorf("left over: %+v", left)
			}
		})
	}
	too := make([]sdk.DeleteObject, 1001)
	for i := range too {
		too[i] = sdk.DeleteObject{Key: sdk.Ptr("k")}
	}
	_, err := c.root().DeleteMultipleObjects(t.Context(),
		&sdk.DeleteMultipleObjectsRequest{Bucket: sdk.Ptr(bucket), Objects: too})
	if got := refusalOf(t, err).Code; got != "MalformedXML" {
		t.Errorf("1001 objects: code = %q, want MalformedXML", got)
	}
	_, err = c.root().InvokeOperation(t.Context(), &sdk.OperationInput{
		OpName: "DeleteMultipleObjects", Method: "POST", Bucket: sdk.Ptr(bucket),
		Parameters: map[string]string{"delete": ""}, Body: strings.NewReader("<Delete/>"),
	})
	if got := refusalOf(t, err).Code; got != "MissingArgument" {
		t.Errorf("without Content-MD5: code = %q, want MissingArgument", got)
	}
}

func TestCopies(t *testing.T) {
	c := newCloud(t, func(cfg *oss.Config) {
		cfg.Buckets = append(cfg.Buckets,
			oss.BucketConfig{Name: "elsewhere", Region: "cn-beijing", Owner: ownerID},
			oss.BucketConfig{Name: "foreign", Region: region, Owner: otherID})
	})
	for _, name := range []string{"elsewhere", "foreign"} {
		must(t, c.service.Put(name, "key", []byte("x")))
	}
	_, err := c.root().PutObject(t.Context(), &sdk.PutObjectRequest{
		Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("s ö/+"), Body: strings.NewReader("content"),
		Metadata: map[string]string{"a": "1"}, Tagging: sdk.Ptr("t=1"),
	})
	must(t, err)
	none := func(*sdk.CopyObjectRequest) {}
	for name, tc := range map[string]struct {
		edit func(*sdk.CopyObjectRequest)
		code string
		meta string
		tags []oss.Tag
	}{
		"takes metadata and tags along": {none, "", "1", []oss.Tag{{Key: "t", Value: "1"}}},
		"replaces metadata": {
			func(r *sdk.CopyObjectRequest) {
				r.MetadataDirective, r.Metadata = sdk.Ptr("REPLACE"), map[string]string{"a": "2"}
			}, "", "2", []oss.Tag{{Key: "t", Value: "1"}},
		},
		"replaces tags": {
			func(r *sdk.CopyObjectRequest) { r.TaggingDirective, r.Tagging = sdk.Ptr("Replace"), sdk.Ptr("t=2") },
			"", "1",
			[]oss.Tag{{Key: "t", Value: "2"}},
		},
		"of an object that does not exist": {
			func(r *sdk.CopyObjectRequest) { r.SourceKey = sdk.Ptr("missing") }, "NoSuchKey", "", nil,
		},
		"of a bucket that does not exist": {
			func(r *sdk.CopyObjectRequest) { r.SourceBucket = sdk.Ptr("missing") }, "NoSuchBucket", "", nil,
		},
		"from another region": {
			func(r *sdk.CopyObjectRequest) { r.SourceBucket, r.SourceKey = sdk.Ptr("elsewhere"), sdk.Ptr("key") },
			"AccessDenied", "", nil,
		},
		"from another account": {
			func(r *sdk.CopyObjectRequest) { r.SourceBucket, r.SourceKey = sdk.Ptr("foreign"), sdk.Ptr("key") },
			"AccessDenied", "", nil,
		},
		"whose source is not the expected one": {
			func(r *sdk.CopyObjectRequest) { r.IfMatch = sdk.Ptr(`"0"`) }, "PreconditionFailed", "", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &sdk.CopyObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("copy"), SourceKey: sdk.Ptr("s ö/+")}
			tc.edit(r)
			_, err := c.root().CopyObject(t.Context(), r)
			if got := refusalOf(t, err).Code; got != tc.code {
				t.Fatalf("code = %q, want %q", got, tc.code)
			}
			if tc.code != "" {
				return
			}
			o := c.service.Objects(bucket)[0]
			data, err := c.service.Read(bucket, "copy")
			must(t, err)
			if o.Header.Get("X-Oss-Meta-A") != tc.meta || string(data) != "content" || !cmp.Equal(o.Tags, tc.tags) {
				t.Errorf("copy = %+v of %q; want metadata %s and tags %v", o, data, tc.meta, tc.tags)
			}
		})
	}
}

func TestTagsOfAnObject(t *testing.T) {
	c := newCloud(t, nil)
	must(t, c.service.Put(bucket, "key", nil))
	_, err := c.root().PutObjectTagging(t.Context(), &sdk.PutObjectTaggingRequest{
		Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key"),
		Tagging: &sdk.Tagging{TagSet: &sdk.TagSet{Tags: []sdk.Tag{{Key: sdk.Ptr("a b"), Value: sdk.Ptr("ü")}}}},
	})
	must(t, err)
	read := func() []sdk.Tag {
		r, err := c.root().GetObjectTagging(t.Context(),
			&sdk.GetObjectTaggingRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key")})
		must(t, err)
		return r.Tags
	}
	if diff := cmp.Diff([]sdk.Tag{{Key: sdk.Ptr("a b"), Value: sdk.Ptr("ü")}}, read()); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	_, err = c.root().DeleteObjectTagging(t.Context(),
		&sdk.DeleteObjectTaggingRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("key")})
	must(t, err)
	if tags := read(); len(tags) != 0 {
		t.Errorf("tags after deletion = %v", tags)
	}
}

func TestArchivedObjectsMustBeRestored(t *testing.T) {
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	c := newCloudAt(t, now, func(cfg *oss.Config) { cfg.RestoreDelay = time.Minute })
	must(t, c.service.Put(bucket, "present", []byte("x")))
	restore := func() error {
		_, err := c.root().RestoreObject(t.Context(), &sdk.RestoreObjectRequest{
			Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("present"), RestoreRequest: &sdk.RestoreRequest{Days: 1},
		})
		return err
	}
	state := func() string {
		r, err := c.root().HeadObject(t.Context(), &sdk.HeadObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("present")})
		must(t, err)
		before, _, _ := strings.Cut(sdk.ToString(r.Restore), ",")
		return before
	}
	expect := func(step string, want refusal, err error) {
		t.Helper()
		if diff := cmp.Diff(want, refusalOf(t, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	invalid := refusal{403, "InvalidObjectState", "The operation is not valid for the object's state", ""}
	notArchived := refusal{400, "OperationNotSupported", "The operation is not supported for this resource", ""}

	expect("restoring what is not archived", notArchived, restore())
	must(t, c.service.SetStorageClass(bucket, "present", oss.ClassArchive))
	expect("reading an archived object", invalid, get(t, c.root()))
	expect("restoring it", refusal{}, restore())
	expect("restoring it again", refusal{409, "RestoreAlreadyInProgress", "The restore operation is in progress.", ""}, restore())
	expect("reading it too early", invalid, get(t, c.root()))
	if got := state(); got != `ongoing-request="true"` {
		t.Errorf("state = %s", got)
	}
	ahead.Store(int64(2 * time.Minute))
	expect("reading it when it is restored", refusal{}, get(t, c.root()))
	if got := state(); got != `ongoing-request="false"` {
		t.Errorf("state = %s", got)
	}
	expect("prolonging it", refusal{}, restore())
	must(t, c.service.SetStorageClass(bucket, "present", oss.ClassColdArchive))
	expect("reading it after it was archived again", invalid, get(t, c.root()))
}
