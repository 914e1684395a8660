// SPDX-License-Identifier: Apache-2.0

package oss_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

// through makes a client use real names of hosts, all of which are the service of the test.
func (c *cloud) through(t *testing.T) *http.Client {
	t.Helper()
	u, err := url.Parse(c.url)
	must(t, err)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, u.Host)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestEndpoints(t *testing.T) {
	const accelerated = "accelerated"
	c := newCloud(t, func(cfg *oss.Config) {
		cfg.Buckets = append(cfg.Buckets,
			oss.BucketConfig{Name: accelerated, Region: region, Owner: ownerID, TransferAcceleration: true})
	})
	redirect := "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all " +
		"future requests to this endpoint."
	for name, tc := range map[string]struct {
		endpoint, region, bucket string
		pathStyle                bool
		want                     refusal
		endpointInBody           string
	}{
		"the public endpoint":   {endpoint: "oss-cn-hangzhou.aliyuncs.com", region: region, bucket: bucket},
		"the internal endpoint": {endpoint: "oss-cn-hangzhou-internal.aliyuncs.com", region: region, bucket: bucket},
		"the dual-stack name":   {endpoint: "cn-hangzhou.oss.aliyuncs.com", region: region, bucket: bucket},
		"acceleration that is on": {
			endpoint: "oss-accelerate.aliyuncs.com", region: region, bucket: accelerated,
		},
		"acceleration that is off": {
			endpoint: "oss-accelerate.aliyuncs.com", region: region, bucket: bucket,
			want: refusal{403, "AccessDenied", redirect, ""}, endpointInBody: "oss-cn-hangzhou.aliyuncs.com",
		},
		"the endpoint of another region": {
			endpoint: "oss-cn-beijing.aliyuncs.com", region: "cn-beijing", bucket: bucket,
			want: refusal{403, "AccessDenied", redirect, ""}, endpointInBody: "oss-cn-hangzhou.aliyuncs.com",
		},
		"the internal endpoint of another region": {
			endpoint: "oss-cn-beijing-internal.aliyuncs.com", region: "cn-beijing", bucket: bucket,
			want: refusal{403, "AccessDenied", redirect, ""}, endpointInBody: "oss-cn-hangzhou-internal.aliyuncs.com",
		},
		"a signature for another region than the endpoint's": {
			endpoint: "oss-cn-hangzhou.aliyuncs.com", region: "cn-beijing", bucket: bucket,
			want: refusal{400, "InvalidArgument", "Invalid signing region in Authorization header.", "0002-00000226"},
		},
		"path style on a real name": {
			endpoint: "oss-cn-hangzhou.aliyuncs.com", region: region, bucket: bucket, pathStyle: true,
			want: refusal{
				403, "SecondLevelDomainForbidden",
				"The bucket you are attempting to access must be addressed using OSS third level domain.", "",
			},
		},
		"a name that is not OSS's": {
			endpoint: "ecs.cn-hangzhou.aliyuncs.com", region: region, bucket: bucket,
			want: refusal{
				403, "NonStandardHostForbidden",
				"Your host is invalid. Please use Open Storage Service standard host.", "",
			},
		},
		"a bucket that does not exist": {
			endpoint: "oss-cn-hangzhou.aliyuncs.com", region: region, bucket: "nothing-here",
			want: refusal{404, "NoSuchBucket", "The specified bucket does not exist.", "0015-00000101"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := c.root(func(cfg *sdk.Config) {
				cfg.WithEndpoint("http://" + tc.endpoint).WithRegion(tc.region).WithUsePathStyle(tc.pathStyle).
					WithHttpClient(c.through(t))
			})
			_, err := client.ListObjects(t.Context(), &sdk.ListObjectsRequest{Bucket: sdk.Ptr(tc.bucket)})
			if diff := cmp.Diff(tc.want, refusalOf(t, err)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			var e *sdk.ServiceError
			if tc.endpointInBody == "" || !asServiceError(err, &e) {
				return
			}
			if want := "<Endpoint>" + tc.endpointInBody + "</Endpoint>"; !strings.Contains(string(e.Snapshot), want) {
				t.Errorf("body = %s, want %s in it", e.Snapshot, want)
			}
		})
	}
}

func TestErrorsOfHEADAreInAHeader(t *testing.T) {
	c := newCloud(t, nil)
	signed, err := c.root().Presign(t.Context(), &sdk.HeadObjectRequest{Bucket: sdk.Ptr(bucket), Key: sdk.Ptr("missing")})
	must(t, err)
	got := send(t, request(t.Context(), t, http.MethodHead, signed.URL, nil))
	if got.status != http.StatusNotFound || got.body != "" {
		t.Errorf("status %d, body %q; want 404 and none", got.status, got.body)
	}
	for _, name := range []string{"X-Oss-Err", "X-Oss-Ec", "X-Oss-Request-Id", "X-Oss-Server-Time"} {
		if got.header.Get(name) == "" {
			t.Errorf("the header %s is missing: %v", name, got.header)
		}
	}
}

func TestRequestsThatAreNoOperation(t *testing.T) {
	c := newCloud(t, nil)
	for name, tc := range map[string]struct {
		input sdk.OperationInput
		want  string
	}{
		"a method that a bucket does not have": {sdk.OperationInput{Method: "POST", Bucket: sdk.Ptr(bucket)}, "MethodNotAllowed"},
		"an operation that is not simulated": {
			sdk.OperationInput{
				Method: "GET", Bucket: sdk.Ptr(bucket), Parameters: map[string]string{"lifecycle": ""},
				OpMetadata: subresource("lifecycle"),
			}, "NotImplemented",
		},
		"a listing of an unknown version": {
			sdk.OperationInput{Method: "GET", Bucket: sdk.Ptr(bucket), Parameters: map[string]string{"list-type": "3"}},
			"InvalidArgument",
		},
		"more keys than a page has": {
			sdk.OperationInput{Method: "GET", Bucket: sdk.Ptr(bucket), Parameters: map[string]string{"max-keys": "1001"}},
			"InvalidArgument",
		},
		"no keys at all": {
			sdk.OperationInput{Method: "GET", Bucket: sdk.Ptr(bucket), Parameters: map[string]string{"max-keys": "0"}},
			"InvalidArgument",
		},
		"an encoding that is not known": {
			sdk.OperationInput{Method: "GET", Bucket: sdk.Ptr(bucket), Parameters: map[string]string{"encoding-type": "hex"}},
			"InvalidArgument",
		},
		"a bad continuation token": {
			sdk.OperationInput{
				Method: "GET", Bucket: sdk.Ptr(bucket),
				Parameters: map[string]string{"list-type": "2", "continuation-token": "?"},
			}, "InvalidArgument",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.input.OpName = "Test"
			_, err := c.root().InvokeOperation(t.Context(), &tc.input)
			if got := refusalOf(t, err).Code; got != tc.want {
				t.Errorf("code = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestOperationNames(t *testing.T) {
	c := newCloud(t, nil)
	for target, want := range map[string][3]string{
		"GET /":                              {"ListBuckets", "", ""},
		"PUT /b-1":                           {"PutBucket", "b-1", ""},
		"DELETE /b-1":                        {"DeleteBucket", "b-1", ""},
		"GET /b-1?bucketInfo":                {"GetBucketInfo", "b-1", ""},
		"GET /b-1?stat":                      {"GetBucketStat", "b-1", ""},
		"GET /b-1?location":                  {"GetBucketLocation", "b-1", ""},
		"GET /b-1?acl":                       {"GetBucketAcl", "b-1", ""},
		"GET /b-1/?prefix=a&delimiter=/":     {"ListObjects", "b-1", ""},
		"GET /b-1/?list-type=2":              {"ListObjectsV2", "b-1", ""},
		"GET /b-1/?uploads":                  {"ListMultipartUploads", "b-1", ""},
		"POST /b-1/?delete":                  {"DeleteMultipleObjects", "b-1", ""},
		"PUT /b-1/a/b":                       {"PutObject", "b-1/a/b", ""},
		"PUT /b-1/a%2Fb":                     {"CopyObject", "b-1/a/b", "X-Oss-Copy-Source"},
		"POST /b-1/k?uploads":                {"InitiateMultipartUpload", "b-1/k", ""},
		"PUT /b-1/k?partNumber=1&uploadId=2": {"UploadPart", "b-1/k", ""},
		"PUT /b-1/k?uploadId=2&partNumber=1": {"UploadPartCopy", "b-1/k", "X-Oss-Copy-Source"},
		"POST /b-1/k?uploadId=2":             {"CompleteMultipartUpload", "b-1/k", ""},
		"DELETE /b-1/k?uploadId=2":           {"AbortMultipartUpload", "b-1/k", ""},
		"GET /b-1/k?uploadId=2":              {"ListParts", "b-1/k", ""},
		"GET /b-1/k":                         {"GetObject", "b-1/k", ""},
		"HEAD /b-1/k":                        {"HeadObject", "b-1/k", ""},
		"HEAD /b-1/k?objectMeta":             {"GetObjectMeta", "b-1/k", ""},
		"DELETE /b-1/k":                      {"DeleteObject", "b-1/k", ""},
		"GET /b-1/k?tagging":                 {"GetObjectTagging", "b-1/k", ""},
		"PUT /b-1/k?tagging":                 {"PutObjectTagging", "b-1/k", ""},
		"DELETE /b-1/k?tagging":              {"DeleteObjectTagging", "b-1/k", ""},
		"POST /b-1/k?restore":                {"RestoreObject", "b-1/k", ""},
		"GET /b-1/k?acl":                     {"", "b-1/k", ""},
		"POST /b-1/k":                        {"", "b-1/k", ""},
	} {
		method, path, _ := strings.Cut(target, " ")
		r := request(t.Context(), t, method, "http://127.0.0.1:1"+path, nil)
		if want[2] != "" {
			r.Header.Set(want[2], "/source/key")
		}
		operation, resource := c.service.Operation(r)
		if operation != want[0] || resource != want[1] {
			t.Errorf("%s is %s of %s, want %s of %s", target, operation, resource, want[0], want[1])
		}
	}
}
