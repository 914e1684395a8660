// SPDX-License-Identifier: Apache-2.0

package oss_test

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

const minPart = 100 << 10

// started is a multipart upload of the key "dir/ä key".
type started struct {
	c      *cloud
	client *sdk.Client
	id     string
}

const multipartKey = "dir/ä key"

func (c *cloud) start(t *testing.T, client *sdk.Client) started {
	t.Helper()
	r, err := client.InitiateMultipartUpload(t.Context(), &sdk.InitiateMultipartUploadRequest{
		Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(multipartKey), StorageClass: sdk.StorageClassIA,
		ServerSideEncryption: sdk.Ptr("AES256"), Metadata: map[string]string{"a": "1"}, Tagging: sdk.Ptr("t=1"),
	})
	must(t, err)
	return started{c, client, *r.UploadId}
}

func (u started) upload(t *testing.T, number int32, data []byte) (etag string) {
	t.Helper()
	r, err := u.client.UploadPart(t.Context(), &sdk.UploadPartRequest{
		Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(multipartKey), UploadId: sdk.Ptr(u.id), PartNumber: number,
		Body: bytes.NewReader(data),
	})
	must(t, err)
	return *r.ETag
}

func (u started) complete(t *testing.T, parts ...sdk.UploadPart) (*sdk.CompleteMultipartUploadResult, error) {
	t.Helper()
	return u.client.CompleteMultipartUpload(t.Context(), &sdk.CompleteMultipartUploadRequest{
		Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(multipartKey), UploadId: sdk.Ptr(u.id),
		CompleteMultipartUpload: &sdk.CompleteMultipartUpload{Parts: parts},
	})
}

// completeAsListed does what the SDK does not: it leaves the order of the parts alone.
func (u started) completeAsListed(t *testing.T, parts []sdk.UploadPart) error {
	t.Helper()
	var body strings.Builder
	body.WriteString("<CompleteMultipartUpload>")
	for _, p := range parts {
		fmt.Fprintf(&body, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", p.PartNumber, *p.ETag)
	}
	body.WriteString("</CompleteMultipartUpload>")
	_, err := u.client.InvokeOperation(t.Context(), &sdk.OperationInput{
		OpName: "CompleteMultipartUpload", Method: "POST", Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(multipartKey),
		Parameters: map[string]string{"uploadId": u.id}, Body: strings.NewReader(body.String()),
	})
	return err
}

func partOf(number int32, etag string) sdk.UploadPart {
	return sdk.UploadPart{PartNumber: number, ETag: sdk.Ptr(etag)}
}

func randomBytes(seed uint64, n int) []byte {
	random := rand.NewChaCha8([32]byte{byte(seed)})
	data := make([]byte, n)
	_, _ = random.Read(data) // never fails
	return data
}

func TestPartsBecomeOneObject(t *testing.T) {
	c := newCloud(t, nil)
	for name, edit := range map[string]func(*sdk.Config){"V4": func(*sdk.Config) {}, "V1": v1} {
		t.Run(name, func(t *testing.T) {
			u := c.start(t, c.root(edit))
			first, second, last := randomBytes(1, minPart), randomBytes(2, minPart+7), []byte("end")
			// Parts may come in any order, twice, and with gaps between their numbers.
			third := u.upload(t, 9000, last)
			u.upload(t, 2, []byte("replaced below"))
			parts := []sdk.UploadPart{
				partOf(1, u.upload(t, 1, first)), partOf(2, u.upload(t, 2, second)), partOf(9000, third),
			}
			if len(c.service.Objects(bucket)) != 0 {
				t.Error("the object is visible before the upload is complete")
			}
			result, err := u.complete(t, parts...)
			must(t, err)

			whole := slices.Concat(first, second, last)
			digest := md5.New()
			for _, data := range [][]byte{first, second, last} {
				sum := md5.Sum(data)
				digest.Write(sum[:])
			}
			want := []string{
				fmt.Sprintf(`"%X-3"`, digest.Sum(nil)),
				strconv.FormatUint(crc64.Checksum(whole, crc64.MakeTable(crc64.ECMA)), 10),
			}
			if diff := cmp.Diff(want, []string{*result.ETag, *result.HashCRC64}); diff != "" {
				t.Errorf("ETag and CRC64 (-want +got):\n%s", diff)
			}
			got, err := c.service.Read(bucket, multipartKey)
			must(t, err)
			if !bytes.Equal(whole, got) {
				t.Errorf("the object has %d bytes, other than the %d of the parts", len(got), len(whole))
			}
			r, err := u.client.GetObject(t.Context(), &sdk.GetObjectRequest{
				Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(multipartKey),
				Range: sdk.Ptr(fmt.Sprintf("bytes=%d-%d", minPart-2, 2*minPart+8)),
			})
			must(t, err)
			across, err := io.ReadAll(r.Body)
			must(t, err)
			if !bytes.Equal(whole[minPart-2:2*minPart+9], across) {
				t.Error("a range across all parts has other bytes")
			}
			checkAttributes(t, c)
			if left := c.service.Uploads(bucket); len(left) != 0 {
				t.Errorf("uploads left: %+v", left)
			}
			_, err = u.complete(t, parts...)
			if got := refusalOf(t, err).Code; got != "NoSuchUpload" {
				t.Errorf("completing it again: code = %q, want NoSuchUpload", got)
			}
			must(t, c.service.DeleteBucket(bucket))
			must(t, c.service.CreateBucket(oss.BucketConfig{Name: bucket, Region: region, Owner: ownerID}))
		})
	}
}

// checkAttributes compares what the object got from the request that started its upload.
func checkAttributes(t *testing.T, c *cloud) {
	t.Helper()
	o := c.service.Objects(bucket)[0]
	want := oss.ObjectInfo{
		Key: multipartKey, Size: o.Size, ETag: o.ETag, StorageClass: oss.ClassIA, LastModified: o.LastModified,
		Header: o.Header, Encryption: oss.Encryption{Algorithm: oss.EncryptionAES256},
		Tags: []oss.Tag{{Key: "t", Value: "1"}},
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
	if o.Header.Get("X-Oss-Meta-A") != "1" {
		t.Errorf("header = %v, want the upload's metadata", o.Header)
	}
}

func TestUploadsThatCannotBeCompleted(t *testing.T) {
	const etag = `"900150983CD24FB0D6963F7D28E17F72"` // of "abc"
	for name, tc := range map[string]struct {
		parts []sdk.UploadPart
		code  string
	}{
		"a part that was not uploaded":      {[]sdk.UploadPart{partOf(7, etag)}, "InvalidPart"},
		"a part with another ETag":          {[]sdk.UploadPart{partOf(1, `"0"`)}, "InvalidPart"},
		"parts out of order":                {[]sdk.UploadPart{partOf(2, etag), partOf(1, etag)}, "InvalidPartOrder"},
		"a part twice":                      {[]sdk.UploadPart{partOf(1, etag), partOf(1, etag)}, "InvalidPartOrder"},
		"a part too small that is not last": {[]sdk.UploadPart{partOf(1, etag), partOf(2, etag)}, "EntityTooSmall"},
		"no part":                           {nil, "MalformedXML"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, nil)
			u := c.start(t, c.root())
			u.upload(t, 1, []byte("abc"))
			u.upload(t, 2, []byte("abc"))
			if got := refusalOf(t, u.completeAsListed(t, tc.parts)).Code; got != tc.code {
				t.Errorf("code = %q, want %q", got, tc.code)
			}
			if len(c.service.Objects(bucket)) != 0 || len(c.service.Uploads(bucket)) != 1 {
				t.Errorf("objects %v, uploads %v; want the upload alone", c.service.Objects(bucket), c.service.Uploads(bucket))
			}
		})
	}
}

func TestPartsThatAreRefused(t *testing.T) {
	c := newCloud(t, nil)
	u := c.start(t, c.root())
	for name, tc := range map[string]struct {
		id     string
		number int32
		code   string
	}{
		"the number zero":         {u.id, 0, "InvalidArgument"},
		"a number too high":       {u.id, 10001, "InvalidArgument"},
		"the highest number":      {u.id, 10000, ""},
		"an upload of another id": {"0", 1, "NoSuchUpload"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := u.client.InvokeOperation(t.Context(), &sdk.OperationInput{
				OpName: "UploadPart", Method: "PUT", Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(multipartKey),
				Parameters: map[string]string{"partNumber": strconv.Itoa(int(tc.number)), "uploadId": tc.id},
				Body:       strings.NewReader("x"),
			})
			if got := refusalOf(t, err).Code; got != tc.code {
				t.Errorf("code = %q, want %q", got, tc.code)
			}
		})
	}
}

func TestCompletingWithAllParts(t *testing.T) {
	c := newCloud(t, nil)
	u := c.start(t, c.root())
	u.upload(t, 3, []byte("end"))
	u.upload(t, 1, randomBytes(3, minPart))
	complete := func(body *sdk.CompleteMultipartUpload) error {
		_, err := u.client.CompleteMultipartUpload(t.Context(), &sdk.CompleteMultipartUploadRequest{
			Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(multipartKey), UploadId: sdk.Ptr(u.id), CompleteAll: sdk.Ptr("yes"),
			CompleteMultipartUpload: body,
		})
		return err
	}
	err := complete(&sdk.CompleteMultipartUpload{Parts: []sdk.UploadPart{partOf(1, "x")}})
	want := "Should not speficy both complete all header and http body."
	if got := refusalOf(t, err).Message; got != want {
		t.Errorf("with a list of parts: message = %q, want %q", got, want)
	}
	must(t, complete(nil))
	if objects := c.service.Objects(bucket); len(objects) != 1 || objects[0].Size != minPart+3 {
		t.Errorf("objects = %+v", objects)
	}
}

func TestAnAbortedUploadIsGone(t *testing.T) {
	c := newCloud(t, nil)
	u := c.start(t, c.root())
	u.upload(t, 1, []byte("x"))
	abort := func() error {
		_, err := u.client.AbortMultipartUpload(t.Context(), &sdk.AbortMultipartUploadRequest{
			Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(multipartKey), UploadId: sdk.Ptr(u.id),
		})
		return err
	}
	must(t, abort())
	if got := refusalOf(t, abort()).Code; got != "NoSuchUpload" || len(c.service.Uploads(bucket)) != 0 {
		t.Errorf("code = %q, uploads = %v; want NoSuchUpload and none", got, c.service.Uploads(bucket))
	}
}

func TestAPartOfAnotherObject(t *testing.T) {
	c := newCloud(t, nil)
	must(t, c.service.Put(bucket, "source", []byte("0123456789")))
	u := c.start(t, c.root())
	var parts []sdk.UploadPart
	for i, header := range []*string{sdk.Ptr("bytes=2-4"), nil} {
		if i == 1 { // only the last part may be as small as this
			parts = nil
		}
		r, err := u.client.UploadPartCopy(t.Context(), &sdk.UploadPartCopyRequest{
			Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(multipartKey), UploadId: sdk.Ptr(u.id), PartNumber: int32(i + 1),
			SourceKey: sdk.Ptr("source"), Range: header,
		})
		must(t, err)
		parts = append(parts, partOf(int32(i+1), *r.ETag))
	}
	listed, err := u.client.ListParts(t.Context(), &sdk.ListPartsRequest{
		Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(multipartKey), UploadId: sdk.Ptr(u.id),
	})
	must(t, err)
	var sizes []int64
	for _, p := range listed.Parts {
		sizes = append(sizes, p.Size)
	}
	if diff := cmp.Diff([]int64{3, 10}, sizes); diff != "" {
		t.Errorf("sizes of the parts (-want +got):\n%s", diff)
	}
	_, err = u.complete(t, parts...)
	must(t, err)
	data, err := c.service.Read(bucket, multipartKey)
	must(t, err)
	if string(data) != "0123456789" {
		t.Errorf("object = %q", data)
	}
}

func TestPagesOfParts(t *testing.T) {
	c := newCloud(t, nil)
	u := c.start(t, c.root())
	var want []int32
	for number := int32(1); number <= 7; number++ {
		u.upload(t, number*3, []byte("x"))
		want = append(want, number*3)
	}
	var got []int32
	pages := u.client.NewListPartsPaginator(&sdk.ListPartsRequest{
		Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(multipartKey), UploadId: sdk.Ptr(u.id), MaxParts: 3,
	})
	for pages.HasNext() {
		p, err := pages.NextPage(t.Context())
		must(t, err)
		for _, part := range p.Parts {
			got = append(got, part.PartNumber)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
}

func TestPagesOfUploads(t *testing.T) {
	c := newCloud(t, nil)
	client := c.root()
	want := map[string]int{}
	for _, key := range []string{"a", "a", "a", "b/1", "b/2", "c d", "ä"} {
		_, err := client.InitiateMultipartUpload(t.Context(),
			&sdk.InitiateMultipartUploadRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr(key)})
		must(t, err)
		want[key]++
	}
	for _, limit := range []int32{1, 2, 100} {
		got := map[string]int{}
		pages := client.NewListMultipartUploadsPaginator(
			&sdk.ListMultipartUploadsRequest{Bucket: sdk.Ptr(bucket), MaxUploads: limit})
		for pages.HasNext() {
			p, err := pages.NextPage(t.Context())
			must(t, err)
			for _, u := range p.Uploads {
				got[*u.Key]++
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("uploads by pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	p, err := client.ListMultipartUploads(t.Context(), &sdk.ListMultipartUploadsRequest{
		Bucket: sdk.Ptr(bucket), Delimiter: sdk.Ptr("/"), KeyMarker: sdk.Ptr("a"),
	})
	must(t, err)
	got := []string{}
	for _, u := range p.Uploads {
		got = append(got, *u.Key)
	}
	// The SDK does not read the common prefix b/, which takes the place of two uploads.
	if diff := cmp.Diff([]string{"c d", "ä"}, got); diff != "" {
		t.Errorf("behind a marker (-want +got):\n%s", diff)
	}
}

func TestUploadsCanBeMadeOlder(t *testing.T) {
	c := newCloud(t, nil)
	c.start(t, c.root())
	before := c.service.Uploads(bucket)[0]
	must(t, c.service.BackdateUploads(bucket, 48*time.Hour))
	want := before
	want.Initiated = before.Initiated.Add(-48 * time.Hour)
	if diff := cmp.Diff([]oss.UploadInfo{want}, c.service.Uploads(bucket)); diff != "" {
		t.Errorf("uploads (-want +got):\n%s", diff)
	}
}
