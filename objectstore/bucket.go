// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"context"
	"net/http"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
)

const (
	// maxKeysPerPage is the most that OSS lists in one answer (ListObjectsV2, max-keys).
	maxKeysPerPage = 1000
	// smallRequestTimeout bounds requests that carry no object. Velero checks its
	// locations one after the other, so that one that hangs holds up the rest.
	smallRequestTimeout = time.Minute
)

// bucket is the bucket of a location, for the time of one call.
type bucket struct {
	name     string
	location *location
	oss      *alicloud.OSS
	chores   *chores
	log      logrus.FieldLogger
}

// internal tells whether requests go over Alibaba Cloud's own network.
func (b *bucket) internal() bool {
	_, internal := endpoint.RegionOfOSS(b.oss.Endpoint)
	return internal
}

// small returns a context for a request that carries no object.
func (b *bucket) small(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, min(smallRequestTimeout, b.location.timeout))
}

// transfer returns a context for a request that carries an object or a part of one.
func (b *bucket) transfer(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.location.timeout)
}

func (b *bucket) exists(ctx context.Context, key string) (bool, error) {
	_, err := b.head(ctx, key)
	if isMissingObject(err) {
		return false, nil
	}
	return err == nil, err
}

func (b *bucket) head(ctx context.Context, key string) (*oss.HeadObjectResult, error) {
	ctx, cancel := b.small(ctx)
	defer cancel()
	return b.oss.Client.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: &b.name, Key: &key})
}

// isMissingObject tells an object that is not there from a bucket that is not
// there, and OSS's answer from that of a proxy before it, which has no request id.
func isMissingObject(err error) bool {
	answer, ok := failure.Of(err)
	return ok && answer.StatusCode == http.StatusNotFound && answer.Code != "NoSuchBucket" && answer.RequestID != ""
}

// list returns all keys and all common prefixes below prefix.
func (b *bucket) list(ctx context.Context, prefix, delimiter string) (keys, prefixes []string, err error) {
	request := &oss.ListObjectsV2Request{
		Bucket:       &b.name,
		MaxKeys:      maxKeysPerPage,
		EncodingType: oss.Ptr("url"), // Keys may hold bytes that XML cannot.
	}
	if prefix != "" {
		request.Prefix = &prefix
	}
	if delimiter != "" {
		request.Delimiter = &delimiter
	}
	for {
		page, err := b.listPage(ctx, request)
		if err != nil {
			return nil, nil, err
		}
		for _, object := range page.Contents {
			keys = append(keys, oss.ToString(object.Key))
		}
		for _, common := range page.CommonPrefixes {
			prefixes = append(prefixes, oss.ToString(common.Prefix))
		}
		if !page.IsTruncated {
			return keys, prefixes, nil
		}
		request.ContinuationToken = page.NextContinuationToken
	}
}

func (b *bucket) listPage(ctx context.Context, request *oss.ListObjectsV2Request) (*oss.ListObjectsV2Result, error) {
	ctx, cancel := b.small(ctx)
	defer cancel()
	return b.oss.Client.ListObjectsV2(ctx, request)
}

func (b *bucket) delete(ctx context.Context, key string) error {
	b.abortAbandonedUploads(ctx)
	ctx, cancel := b.small(ctx)
	defer cancel()
	_, err := b.oss.Client.DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: &b.name, Key: &key})
	if isMissingObject(err) {
		return nil
	}
	return err
}

func (b *bucket) sign(ctx context.Context, key string, ttl time.Duration) (string, error) {
	ctx, cancel := b.small(ctx)
	defer cancel()
	signed, err := b.oss.Presigner.Presign(ctx, &oss.GetObjectRequest{Bucket: &b.name, Key: &key}, oss.PresignExpires(ttl))
	if err != nil {
		return "", err
	}
	return signed.URL, nil
}
