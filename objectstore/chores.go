// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
)

// chores remembers what was done for each location in the life of a process.
type chores struct {
	mu   sync.Mutex
	done map[chore]*errand
}

type chore struct {
	what, bucket, prefix string
	oss                  alicloud.OSSConfig
}

// errand is a chore that is done by one caller while the others wait.
type errand struct {
	mu   sync.Mutex
	done bool
}

func newChores() *chores { return &chores{done: map[chore]*errand{}} }

// once does a chore for the bucket's location unless it has succeeded before.
func (c *chores) once(b *bucket, what string, do func() error) error {
	key := chore{what: what, bucket: b.name, prefix: b.location.prefix, oss: b.location.oss}
	c.mu.Lock()
	e, ok := c.done[key]
	if !ok {
		e = &errand{}
		c.done[key] = e
	}
	c.mu.Unlock()

	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return nil
	}
	err := do()
	e.done = err == nil
	return err
}

// abandonedAfter is when an upload that has not ended is taken for one whose
// process was killed. The largest object that OSS takes needs less time at 1 Gbit/s,
// so that the uploads of other processes and clusters are safe.
const abandonedAfter = 7 * 24 * time.Hour

// veleroFile matches, behind the location's prefix, the files that Velero writes
// through its object store. Nobody else's uploads are touched.
var veleroFile = regexp.MustCompile(`^(backups|restores)/[^/]+/[^/]+$`)

// abortAbandonedUploads frees the parts of uploads that a killed process left
// behind, which nobody sees and the account pays for. It runs once in a process
// before the first change to the bucket that is not a plain put. It is a courtesy:
// its failure, such as a policy without oss:ListMultipartUploads and
// oss:AbortMultipartUpload, stops nothing.
func (b *bucket) abortAbandonedUploads(ctx context.Context) {
	_ = b.chores.once(b, "abort abandoned uploads", func() error {
		ctx, cancel := b.small(ctx)
		defer cancel()
		if err := b.abortUploadsBefore(ctx, time.Now().Add(-abandonedAfter)); err != nil {
			b.log.WithError(err).Debug("Could not look for abandoned uploads; a lifecycle rule of the bucket can remove them instead")
		}
		return nil
	})
}

func (b *bucket) abortUploadsBefore(ctx context.Context, limit time.Time) error {
	request := &oss.ListMultipartUploadsRequest{Bucket: &b.name, EncodingType: oss.Ptr("url"), MaxUploads: maxKeysPerPage}
	if b.location.prefix != "" {
		request.Prefix = &b.location.prefix
	}
	for {
		page, err := b.oss.Client.ListMultipartUploads(ctx, request)
		if err != nil {
			return fmt.Errorf("listing unfinished uploads: %w", err)
		}
		for _, upload := range page.Uploads {
			if !b.isAbandoned(&upload, limit) {
				continue
			}
			if err := b.abort(ctx, oss.ToString(upload.Key), oss.ToString(upload.UploadId)); err != nil {
				return err
			}
			b.log.WithField("key", oss.ToString(upload.Key)).Info("Aborted an upload that was abandoned")
		}
		if !page.IsTruncated {
			return nil
		}
		request.KeyMarker, request.UploadIdMarker = page.NextKeyMarker, page.NextUploadIdMarker
	}
}

func (b *bucket) isAbandoned(upload *oss.Upload, limit time.Time) bool {
	key, inLocation := strings.CutPrefix(oss.ToString(upload.Key), b.location.prefix)
	return inLocation && veleroFile.MatchString(key) && upload.Initiated != nil && upload.Initiated.Before(limit)
}

func (b *bucket) abort(ctx context.Context, key, uploadID string) error {
	_, err := b.oss.Client.AbortMultipartUpload(ctx, &oss.AbortMultipartUploadRequest{Bucket: &b.name, Key: &key, UploadId: &uploadID})
	if err != nil && failure.Classify(err) != failure.NotFound {
		return fmt.Errorf("aborting the upload of %s: %w", key, err)
	}
	return nil
}

// storageClassProbe is an empty object in a directory that Velero permits in a location. It is of
// class Standard; that of another class, which another cluster's location may have, has its name
// in addition.
const storageClassProbe = "plugins/alibabacloud-storage-class-probe"

// checkStorageClass returns an error if the bucket archives by default and does
// not take objects of the location's class either: a backup in it could never be
// read. In any other bucket it costs one request in a process, or one refusal
// where oss:GetBucketInfo is not granted.
func (b *bucket) checkStorageClass(ctx context.Context) error {
	return b.chores.once(b, "check the storage class", func() error {
		ctx, cancel := b.small(ctx)
		defer cancel()
		info, err := b.oss.Client.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: &b.name})
		if err != nil {
			// Listing the bucket comes next and says more of what is wrong.
			b.log.WithError(err).Debug("Could not look up the bucket's storage class")
			return nil
		}
		class := oss.ToString(info.BucketInfo.StorageClass)
		if !strings.Contains(class, "Archive") {
			return nil
		}
		return b.probeStorageClass(ctx, class)
	})
}

// probeStorageClass stores the probe unless it is there in the location's class. One of
// another class tells nothing: a lifecycle rule has moved it.
func (b *bucket) probeStorageClass(ctx context.Context, bucketClass string) error {
	key := b.location.prefix + storageClassProbe
	if class := b.location.storageClass; class != standard {
		key += "-" + class
	}
	found, err := b.head(ctx, key)
	there := err == nil
	if there && b.isOfLocation(found) {
		return nil
	}
	if there || isMissingObject(err) {
		if err = b.putBytes(ctx, key, nil); err == nil {
			found, err = b.head(ctx, key)
		}
	}
	switch class := failure.Classify(err); {
	case class == failure.Denied, class == failure.Conflict && there:
		// A location that is only read from, or a probe that a retention policy keeps
		// (FileImmutable). Whoever writes to the location has probed it.
		return nil
	case class == failure.Invalid:
		return fmt.Errorf("the bucket's storage class is %s, and it does not take objects of class %s either; use a bucket of class Standard: %w",
			bucketClass, b.location.storageClass, err)
	case err != nil:
		return fmt.Errorf("trying whether the bucket of class %s takes objects of class %s: %w", bucketClass, b.location.storageClass, err)
	case !b.isOfLocation(found):
		return fmt.Errorf("the bucket's storage class is %s, and it stores objects in it even when they are sent as %s; use a bucket of class Standard",
			bucketClass, b.location.storageClass)
	}
	return nil
}

// isOfLocation tells whether an object is of the location's storage class.
func (b *bucket) isOfLocation(found *oss.HeadObjectResult) bool {
	return oss.ToString(found.StorageClass) == b.location.storageClass
}
