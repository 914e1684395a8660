// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
)

const (
	// chunkSize is what is fetched with one request. A location holds
	// downloadConcurrency of them in memory.
	chunkSize = 4 * mebibyte
	// maxFruitless is how often in a row a connection may break without having brought a byte.
	maxFruitless = 10
)

// object is a reader of one version of an object. It fetches chunks ahead, each
// by a request of its own, so that a connection that breaks costs only what it
// had not brought yet.
type object struct {
	*bucket
	key string
	// etag names the version. Every further request asks for it, so that a
	// replaced object is an error and not a mixture.
	etag     string
	size     int64
	checksum string // CRC64 in decimal, as OSS sends it; "" if it does not.

	cancel context.CancelFunc
	wait   sync.WaitGroup
	// chunks are in the order of the object; each yields its bytes when they are there.
	chunks  chan chan chunk
	buffers chan []byte

	current []byte // What Read has not returned of buffer.
	buffer  []byte
	read    int64
	hash    hash.Hash64
	err     error // What Read returns from now on.
}

type chunk struct {
	bytes []byte
	err   error
}

// open begins to read an object. That it exists and may be read is known when it returns.
func (b *bucket) open(ctx context.Context, key string) (*object, error) {
	ctx, cancel := context.WithCancel(ctx)
	o := &object{
		bucket:  b,
		key:     key,
		cancel:  cancel,
		chunks:  make(chan chan chunk, b.location.downloadConcurrency),
		buffers: make(chan []byte, b.location.downloadConcurrency),
		hash:    crc64.New(crc64.MakeTable(crc64.ECMA)),
	}
	firstCtx, release := b.transfer(ctx)
	first, err := o.request(firstCtx, 0, chunkSize)
	if err != nil {
		release()
		cancel()
		if isEmptyRange(err) {
			close(o.chunks) // The object has no bytes.
			return o, nil
		}
		return nil, err
	}
	if err := o.describe(first); err != nil {
		release()
		cancel()
		_ = first.Body.Close() // The answer is of no use.
		return nil, err
	}
	for range b.location.downloadConcurrency {
		o.buffers <- nil
	}
	o.wait.Go(func() { o.fetchAhead(ctx, &bodyInTime{ReadCloser: first.Body, release: release}) })
	return o, nil
}

// bodyInTime is the body of an answer with the time that it may take.
type bodyInTime struct {
	io.ReadCloser

	release context.CancelFunc
}

// Close ends the answer and frees its timer.
func (b *bodyInTime) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

// isEmptyRange tells that a range begins behind the end of the object: it has no bytes.
func isEmptyRange(err error) bool {
	answer, ok := failure.Of(err)
	return ok && answer.StatusCode == http.StatusRequestedRangeNotSatisfiable
}

// request asks for the bytes from offset up to length of them.
func (o *object) request(ctx context.Context, offset, length int64) (*oss.GetObjectResult, error) {
	request := &oss.GetObjectRequest{
		Bucket: &o.name,
		Key:    &o.key,
		Range:  oss.Ptr(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)),
	}
	if o.etag != "" {
		request.IfMatch = &o.etag
	}
	result, err := o.oss.Client.GetObject(ctx, request)
	if answer, ok := failure.Of(err); ok && answer.Code == "PreconditionFailed" {
		return nil, fmt.Errorf("the object was replaced while it was read: %w", err)
	}
	return result, err
}

// describe takes size, version and checksum from the first answer.
func (o *object) describe(first *oss.GetObjectResult) error {
	o.etag = oss.ToString(first.ETag)
	o.checksum = oss.ToString(first.HashCRC64)
	// OSS answers a range that it cannot satisfy with the whole object and no Content-Range.
	o.size = first.ContentLength
	if r := oss.ToString(first.ContentRange); r != "" {
		_, total, _ := strings.Cut(r, "/")
		size, err := strconv.ParseInt(total, 10, 64)
		if err != nil {
			return fmt.Errorf("the answer has the malformed Content-Range %q", r)
		}
		o.size = size
	}
	return nil
}

// fetchAhead fetches all chunks, as many at a time as there are buffers. first is
// the body of the first one's answer.
func (o *object) fetchAhead(ctx context.Context, first io.ReadCloser) {
	defer close(o.chunks)
	for offset := int64(0); offset < o.size || first != nil; offset += chunkSize {
		var buffer []byte
		select {
		case buffer = <-o.buffers:
		case <-ctx.Done():
			if first != nil {
				_ = first.Close()
			}
			return
		}
		length := min(chunkSize, o.size-offset)
		if int64(cap(buffer)) < length {
			buffer = make([]byte, length)
		}
		body := first
		first = nil
		result := make(chan chunk, 1)
		o.wait.Go(func() {
			content, err := o.fetch(ctx, buffer[:length], offset, body)
			result <- chunk{bytes: content, err: err}
		})
		o.chunks <- result // Has room for as many as there are buffers.
	}
}

// fetch fills buffer with the bytes from offset. Where a connection breaks it goes
// on from there with another request. body is of an answer that is already there, or nil.
func (o *object) fetch(ctx context.Context, buffer []byte, offset int64, body io.ReadCloser) ([]byte, error) {
	ctx, cancel := o.transfer(ctx)
	defer cancel()
	filled, fruitless := 0, 0
	for {
		if body == nil && filled < len(buffer) {
			answer, err := o.request(ctx, offset+int64(filled), int64(len(buffer)-filled))
			if err != nil {
				return nil, err
			}
			if answer.StatusCode != http.StatusPartialContent {
				_ = answer.Body.Close()
				return nil, errors.New("the server ignored the range of a request")
			}
			body = answer.Body
		}
		n, err := readBody(body, buffer[filled:])
		body = nil
		filled += n
		if filled == len(buffer) {
			return buffer, nil
		}
		if fruitless++; n > 0 {
			fruitless = 0
		}
		o.log.WithError(err).WithField("key", o.key).Debug("The download broke, going on where it did")
		if fruitless == maxFruitless || o.pause(ctx, fruitless) != nil {
			return nil, fmt.Errorf("reading bytes %d to %d: %w", offset, offset+int64(len(buffer)), err)
		}
	}
}

// pause waits before another request where the last ones brought nothing. It
// returns the error of ctx if that ended.
func (o *object) pause(ctx context.Context, fruitless int) error {
	if fruitless == 0 {
		return ctx.Err()
	}
	return retry.Sleep(ctx, o.oss.Retry.Delay(fruitless+1))
}

// readBody fills buffer from an answer and closes it. A body that ends early is io.ErrUnexpectedEOF.
func readBody(body io.ReadCloser, buffer []byte) (int, error) {
	if body == nil {
		return 0, nil
	}
	defer body.Close()
	n, err := io.ReadFull(body, buffer)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		// The connection can be used again only when the end of the body was seen.
		_, _ = io.CopyN(io.Discard, body, 1)
	}
	return n, err
}

// Read implements io.Reader. It returns no byte without a nil error only when p
// is empty: Velero's framework takes (0, nil) for the end of the object.
func (o *object) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(o.current) == 0 {
		if o.err == nil {
			o.err = o.next()
		}
		if o.err != nil {
			return 0, o.err
		}
	}
	n := copy(p, o.current)
	o.current = o.current[n:]
	return n, nil
}

// next takes the next chunk; io.EOF after the last one if the object is whole.
func (o *object) next() error {
	if o.buffer != nil {
		o.buffers <- o.buffer // Has room: it came from there.
		o.buffer = nil
	}
	result, ok := <-o.chunks
	if !ok {
		return o.verify()
	}
	got := <-result
	if got.err != nil {
		return o.fail(downloading, o.key, got.err)
	}
	o.buffer, o.current = got.bytes, got.bytes
	o.read += int64(len(got.bytes))
	_, _ = o.hash.Write(got.bytes) // A hash never fails.
	return nil
}

// verify compares what was read with what OSS says the object is.
func (o *object) verify() error {
	if o.read != o.size {
		return o.fail(downloading, o.key, fmt.Errorf("read %d of %d bytes: %w", o.read, o.size, io.ErrUnexpectedEOF))
	}
	if got := strconv.FormatUint(o.hash.Sum64(), 10); o.checksum != "" && got != o.checksum {
		return o.fail(downloading, o.key, fmt.Errorf("the bytes were changed on the way: they have the CRC64 %s, the object %s", got, o.checksum))
	}
	return io.EOF
}

// Close ends the requests that are under way and frees what they hold.
func (o *object) Close() error {
	o.cancel()
	o.wait.Wait()
	o.current, o.buffer, o.hash = nil, nil, nil
	if o.err == nil {
		o.err = errors.New("reading a closed object")
	}
	return nil
}
