// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
)

// OSSClient sends requests to OSS, each as often as its failures allow. Its methods
// are those of the SDK's client.
type OSSClient struct {
	sdk         *oss.Client
	policy      retry.Policy
	credentials invalidator
}

// attempts gives a request a count of its own failures. The SDK has one Retryer for all
// requests of a client, which it tells no more than how many attempts one has behind it.
func (c *OSSClient) attempts() func(*oss.Options) {
	return func(o *oss.Options) { o.Retryer = &ossRetryer{policy: c.policy, credentials: c.credentials} }
}

// whole is attempts for a request of which an answer that breaks off is a failure too.
// The SDK reads some of them when there is no further attempt.
func (c *OSSClient) whole() func(*oss.Options) {
	return func(o *oss.Options) {
		c.attempts()(o)
		o.ResponseHandlers = append(slices.Clip(o.ResponseHandlers), readWhole) //nolint:bodyclose // It is closed there.
	}
}

// readWhole takes the body of an answer into memory.
func readWhole(answer *http.Response) error {
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	answer.Body = io.NopCloser(bytes.NewReader(content))
	return nil
}

// HeadObject calls the API HeadObject.
func (c *OSSClient) HeadObject(ctx context.Context, request *oss.HeadObjectRequest) (*oss.HeadObjectResult, error) {
	return c.sdk.HeadObject(ctx, request, c.whole())
}

// ListObjectsV2 calls the API ListObjectsV2.
func (c *OSSClient) ListObjectsV2(ctx context.Context, request *oss.ListObjectsV2Request) (*oss.ListObjectsV2Result, error) {
	return c.sdk.ListObjectsV2(ctx, request, c.whole())
}

// GetBucketInfo calls the API GetBucketInfo.
func (c *OSSClient) GetBucketInfo(ctx context.Context, request *oss.GetBucketInfoRequest) (*oss.GetBucketInfoResult, error) {
	return c.sdk.GetBucketInfo(ctx, request, c.whole())
}

// GetObject calls the API GetObject. Its answer is read by the caller.
func (c *OSSClient) GetObject(ctx context.Context, request *oss.GetObjectRequest) (*oss.GetObjectResult, error) {
	return c.sdk.GetObject(ctx, request, c.attempts())
}

// PutObject calls the API PutObject.
func (c *OSSClient) PutObject(ctx context.Context, request *oss.PutObjectRequest) (*oss.PutObjectResult, error) {
	return c.sdk.PutObject(ctx, request, c.whole())
}

// DeleteObject calls the API DeleteObject.
func (c *OSSClient) DeleteObject(ctx context.Context, request *oss.DeleteObjectRequest) (*oss.DeleteObjectResult, error) {
	return c.sdk.DeleteObject(ctx, request, c.whole())
}

// InitiateMultipartUpload calls the API InitiateMultipartUpload.
func (c *OSSClient) InitiateMultipartUpload(ctx context.Context, request *oss.InitiateMultipartUploadRequest) (*oss.InitiateMultipartUploadResult, error) {
	return c.sdk.InitiateMultipartUpload(ctx, request, c.whole())
}

// UploadPart calls the API UploadPart.
func (c *OSSClient) UploadPart(ctx context.Context, request *oss.UploadPartRequest) (*oss.UploadPartResult, error) {
	return c.sdk.UploadPart(ctx, request, c.whole())
}

// UploadPartCopy calls the API UploadPartCopy.
func (c *OSSClient) UploadPartCopy(ctx context.Context, request *oss.UploadPartCopyRequest) (*oss.UploadPartCopyResult, error) {
	return c.sdk.UploadPartCopy(ctx, request, c.whole())
}

// CompleteMultipartUpload calls the API CompleteMultipartUpload.
func (c *OSSClient) CompleteMultipartUpload(ctx context.Context, request *oss.CompleteMultipartUploadRequest) (*oss.CompleteMultipartUploadResult, error) {
	return c.sdk.CompleteMultipartUpload(ctx, request, c.whole())
}

// ListMultipartUploads calls the API ListMultipartUploads.
func (c *OSSClient) ListMultipartUploads(ctx context.Context, request *oss.ListMultipartUploadsRequest) (*oss.ListMultipartUploadsResult, error) {
	return c.sdk.ListMultipartUploads(ctx, request, c.whole())
}

// AbortMultipartUpload calls the API AbortMultipartUpload.
func (c *OSSClient) AbortMultipartUpload(ctx context.Context, request *oss.AbortMultipartUploadRequest) (*oss.AbortMultipartUploadResult, error) {
	return c.sdk.AbortMultipartUpload(ctx, request, c.whole())
}
