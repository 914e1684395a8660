// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // See digest.
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// readSize is how much is read from Velero's stream at a time. The stream's
// reader collects as much as it is asked for in a buffer of its own first, so that
// a larger size would hold everything twice (pkg/plugin/framework/stream_reader.go).
const readSize = 32 << 10

// maxEmptyReads is how often in a row a body may bring neither bytes nor an error.
const maxEmptyReads = 100

// put stores body under key. Up to one part it is a single request; beyond that
// a multipart upload, of which nothing is visible until it is complete.
func (b *bucket) put(ctx context.Context, key string, body io.Reader) error {
	return b.putByPlan(ctx, key, body, newPartPlan(b.location))
}

func (b *bucket) putByPlan(ctx context.Context, key string, body io.Reader, plan partPlan) error {
	size, _ := plan.size(1)
	first, ended, err := readPart(body, nil, size)
	if err != nil {
		return err
	}
	if !ended {
		// That a body of exactly one part ends there is known when nothing follows.
		next, last, err := readPart(body, nil, 1)
		if err != nil {
			return err
		}
		if len(next) > 0 {
			rest := io.Reader(bytes.NewReader(next))
			if !last {
				rest = io.MultiReader(rest, body)
			}
			b.abortAbandonedUploads(ctx)
			return b.putParts(ctx, key, first, rest, plan)
		}
	}
	return b.putBytes(ctx, key, first)
}

// putBytes stores an object that is in memory. OSS makes it visible as a whole,
// and refuses bytes that do not have the digest.
func (b *bucket) putBytes(ctx context.Context, key string, content []byte) error {
	ctx, cancel := b.transfer(ctx)
	defer cancel()
	encryption, keyID, err := b.encryption(ctx)
	if err != nil {
		return err
	}
	_, err = b.oss.Client.PutObject(ctx, &oss.PutObjectRequest{
		Bucket:                    &b.name,
		Key:                       &key,
		StorageClass:              oss.StorageClassType(b.location.storageClass),
		ServerSideEncryption:      encryption,
		ServerSideEncryptionKeyId: keyID,
		Tagging:                   nonEmpty(b.location.tagging),
		ContentMD5:                digest(content),
		Body:                      bytes.NewReader(content),
	})
	return err
}

// encryptionKeyVariable is the official plugin's way to name a KMS key for all its locations.
const encryptionKeyVariable = "ALIBABA_CLOUD_ENCRYPTION_KEY_ID"

// encryption returns the server-side encryption of a new object, nil for the
// bucket's default, and its key. It is an error if the key cannot be told: an
// object must not be stored without it.
func (b *bucket) encryption(ctx context.Context) (algorithm, keyID *string, err error) {
	if b.location.serverSideEncryption != "" {
		return &b.location.serverSideEncryption, nonEmpty(b.location.kmsKeyID), nil
	}
	id, err := b.oss.Credentials.Variable(ctx, encryptionKeyVariable)
	if err != nil {
		return nil, nil, fmt.Errorf("looking for %s: %w", encryptionKeyVariable, err)
	}
	if id != "" {
		return oss.Ptr("KMS"), &id, nil
	}
	return nil, nil, nil
}

// digest is the header Content-MD5. The CRC64 that the SDK compares comes with
// OSS's answer, when changed bytes would be an object already.
func digest(content []byte) *string {
	sum := md5.Sum(content) //nolint:gosec // The header is defined so; it guards against accidents alone.
	return oss.Ptr(base64.StdEncoding.EncodeToString(sum[:]))
}

func nonEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// readPart reads up to size bytes from body into a slice that reuses buffer. ended
// tells that the body ended in it. Any other error of the body is returned: what
// came before it must not become an object.
func readPart(body io.Reader, buffer []byte, size int64) (part []byte, ended bool, err error) {
	part = buffer[:0]
	empty := 0
	for int64(len(part)) < size {
		part = grow(part, size)
		limit := min(len(part)+readSize, cap(part), int(size))
		n, err := body.Read(part[len(part):limit])
		part = part[:len(part)+n]
		if errors.Is(err, io.EOF) {
			return part, true, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("reading what is to be uploaded: %w", err)
		}
		if empty++; n > 0 {
			empty = 0
		}
		if empty == maxEmptyReads {
			return nil, false, fmt.Errorf("reading what is to be uploaded: %w", io.ErrNoProgress)
		}
	}
	return part, false, nil
}

// grow makes room for at least one read: for a small object, for one of 16 times that, and so on, so that not each object
// costs a whole part of memory. What was too small is garbage: by doubling, as much as a part.
func grow(part []byte, size int64) []byte {
	if len(part) < cap(part) {
		return part
	}
	room := min(max(16*int64(cap(part)), 2*readSize), size)
	return append(make([]byte, 0, room), part...)
}

// upload is a multipart upload on its way.
type upload struct {
	*bucket
	key  string
	id   string
	plan partPlan
	// memory holds as many units as there may be bytes of parts at a time: budget.
	memory *semaphore.Weighted
	budget int64
	spare  spareBuffers

	mu    sync.Mutex
	parts []oss.UploadPart
}

func (b *bucket) putParts(ctx context.Context, key string, first []byte, rest io.Reader, plan partPlan) error {
	budget := max(plan.small*int64(b.location.uploadConcurrency), plan.large)
	u := &upload{bucket: b, key: key, plan: plan, memory: semaphore.NewWeighted(budget), budget: budget}
	if err := u.initiate(ctx); err != nil {
		return err
	}
	checksum := crc64.New(crc64.MakeTable(crc64.ECMA))
	err := u.send(ctx, first, io.TeeReader(rest, checksum), checksum)
	u.returnMemory()
	if err == nil {
		err = u.complete(ctx, checksum.Sum64())
	}
	if err != nil {
		u.giveUp(ctx)
	}
	return err
}

func (u *upload) initiate(ctx context.Context) error {
	ctx, cancel := u.transfer(ctx) // A large object is worth more patience than the time of a small request.
	defer cancel()
	encryption, keyID, err := u.encryption(ctx)
	if err != nil {
		return err
	}
	begun, err := u.oss.Client.InitiateMultipartUpload(ctx, &oss.InitiateMultipartUploadRequest{
		Bucket:                    &u.name,
		Key:                       &u.key,
		StorageClass:              oss.StorageClassType(u.location.storageClass),
		ServerSideEncryption:      encryption,
		ServerSideEncryptionKeyId: keyID,
		Tagging:                   nonEmpty(u.location.tagging),
	})
	if err != nil {
		return err
	}
	u.id = oss.ToString(begun.UploadId)
	return nil
}

// send uploads first and then all of rest, which has been wrapped so that what
// is read from it goes into checksum.
func (u *upload) send(ctx context.Context, first []byte, rest io.Reader, checksum io.Writer) error {
	_, _ = checksum.Write(first) // A hash never fails.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	if err := u.sendParts(ctx, group, first, rest); err != nil {
		cancel() // The parts on their way are of no use.
		_ = group.Wait()
		return err
	}
	return group.Wait()
}

func (u *upload) sendParts(ctx context.Context, group *errgroup.Group, first []byte, rest io.Reader) error {
	if err := u.memory.Acquire(ctx, int64(cap(first))); err != nil {
		return nil //nolint:nilerr // A part failed, and the group has the reason.
	}
	u.sendPart(ctx, group, 1, first)
	for number := 2; number <= maxParts; number++ {
		size, spooled := u.plan.size(number)
		var ended bool
		var err error
		if spooled {
			ended, err = u.spoolPart(ctx, number, rest, size)
		} else {
			ended, err = u.readAndSendPart(ctx, group, number, rest, size)
		}
		if ended || err != nil || ctx.Err() != nil {
			return err
		}
	}
	return fmt.Errorf("the object is larger than %d parts of at most %d bytes can hold", maxParts, int64(maxPart))
}

func (u *upload) readAndSendPart(ctx context.Context, group *errgroup.Group, number int, rest io.Reader, size int64) (ended bool, err error) {
	if err := u.memory.Acquire(ctx, size); err != nil {
		return false, nil //nolint:nilerr // A part failed, and the group has the reason.
	}
	part, ended, err := readPart(rest, u.spare.take(size), size)
	if err != nil || len(part) == 0 {
		u.memory.Release(size)
		return ended, err
	}
	u.sendPart(ctx, group, number, part)
	return ended, nil
}

// sendPart uploads a part in the background, and then gives back its memory.
func (u *upload) sendPart(ctx context.Context, group *errgroup.Group, number int, part []byte) {
	group.Go(func() error {
		defer u.memory.Release(int64(cap(part)))
		defer u.spare.give(part)
		ctx, cancel := u.transfer(ctx)
		defer cancel()
		sent, err := u.oss.Client.UploadPart(ctx, &oss.UploadPartRequest{
			Bucket:     &u.name,
			Key:        &u.key,
			UploadId:   &u.id,
			PartNumber: int32(number),
			ContentMD5: digest(part),
			Body:       bytes.NewReader(part),
		})
		if err != nil {
			return fmt.Errorf("uploading part %d: %w", number, err)
		}
		u.done(number, sent.ETag)
		return nil
	})
}

func (u *upload) done(number int, etag *string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts = append(u.parts, oss.UploadPart{PartNumber: int32(number), ETag: etag})
}

// spoolPart stores the next size bytes as an object of its own beside the final
// one, so that parts larger than memory can be repeated too, and lets OSS copy it.
// The object is named after the final one: what a killed process leaves of it
// goes when Velero deletes the backup's directory.
func (u *upload) spoolPart(ctx context.Context, number int, rest io.Reader, size int64) (ended bool, err error) {
	if err := u.freeMemory(ctx); err != nil {
		return false, nil // A part failed, and the group has the reason.
	}
	body := &io.LimitedReader{R: rest, N: size}
	spool := fmt.Sprintf("%s.part-%05d-%s", u.key, number, u.id)
	if err := u.putByPlan(ctx, spool, body, u.plan.spool()); err != nil {
		return false, fmt.Errorf("spooling part %d: %w", number, err)
	}
	defer func() {
		if deleteErr := u.delete(context.WithoutCancel(ctx), spool); deleteErr != nil {
			err = errors.Join(err, fmt.Errorf("deleting the spooled part %s: %w", spool, deleteErr))
		}
	}()
	ended = body.N > 0
	if body.N == size {
		return true, nil
	}
	copyCtx, cancel := u.transfer(ctx)
	defer cancel()
	copied, err := u.oss.Patient.UploadPartCopy(copyCtx, &oss.UploadPartCopyRequest{
		Bucket:     &u.name,
		Key:        &u.key,
		UploadId:   &u.id,
		PartNumber: int32(number),
		SourceKey:  &spool,
	})
	if err != nil {
		return false, fmt.Errorf("copying the spooled part %d: %w", number, err)
	}
	u.done(number, copied.ETag)
	return ended, nil
}

// freeMemory waits until no part is held any more, for the upload of a spooled part needs the memory.
func (u *upload) freeMemory(ctx context.Context) error {
	if err := u.memory.Acquire(ctx, u.budget); err != nil {
		return err
	}
	defer u.memory.Release(u.budget)
	u.spare.drop()
	return nil
}

// returnMemory gives what the parts were held in back to the operating system, once none is held any more. The
// collector takes minutes for that: a process that downloads next would need the memory twice meanwhile.
func (u *upload) returnMemory() {
	u.spare.drop()
	debug.FreeOSMemory()
}

// complete makes the object visible, and verifies it as a whole.
func (u *upload) complete(ctx context.Context, checksum uint64) error {
	completeCtx, cancel := u.transfer(ctx)
	defer cancel()
	slices.SortFunc(u.parts, func(a, b oss.UploadPart) int { return cmp.Compare(a.PartNumber, b.PartNumber) })
	completed, err := u.oss.Patient.CompleteMultipartUpload(completeCtx, &oss.CompleteMultipartUploadRequest{
		Bucket:                  &u.name,
		Key:                     &u.key,
		UploadId:                &u.id,
		CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: u.parts},
	})
	want := strconv.FormatUint(checksum, 10)
	if err != nil {
		// The answer to this or an earlier attempt may be lost: the object is there if it has the checksum.
		if found, headErr := u.head(context.WithoutCancel(ctx), u.key); headErr == nil && oss.ToString(found.HashCRC64) == want {
			return nil
		}
		return fmt.Errorf("completing the upload: %w", err)
	}
	if got := oss.ToString(completed.HashCRC64); got != "" && got != want {
		err := fmt.Errorf("what OSS stored has the CRC64 %s, what was sent %s", got, want)
		return errors.Join(err, u.delete(ctx, u.key))
	}
	return nil
}

// giveUp aborts the upload, so that its parts cost nothing. Where the policy lacks
// oss:AbortMultipartUpload they stay until a lifecycle rule removes them.
func (u *upload) giveUp(ctx context.Context) {
	ctx, cancel := u.small(context.WithoutCancel(ctx))
	defer cancel()
	if err := u.abort(ctx, u.key, u.id); err != nil {
		u.log.WithField("key", u.key).WithError(err).Debug("Could not abort the upload; a lifecycle rule of the bucket can remove its parts")
	}
}

// spareBuffers keeps the buffers of parts that were sent for the next ones.
type spareBuffers struct {
	mu      sync.Mutex
	buffers [][]byte
}

// take returns a buffer of exactly the given capacity.
func (s *spareBuffers) take(size int64) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.buffers) > 0 {
		last := s.buffers[len(s.buffers)-1]
		s.buffers = s.buffers[:len(s.buffers)-1]
		if int64(cap(last)) == size {
			return last
		}
	}
	return make([]byte, 0, size)
}

func (s *spareBuffers) give(buffer []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffers = append(s.buffers, buffer)
}

func (s *spareBuffers) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffers = nil
}
