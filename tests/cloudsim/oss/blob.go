// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"crypto/md5"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
)

// copyBuffer is how many bytes travel at a time between a connection and a file.
const copyBuffer = 256 << 10

var (
	errBodyTooLarge = errors.New("body is larger than allowed")
	errBodyBroken   = errors.New("body could not be read")
)

// blob is an immutable file that objects and parts share. It is removed with its last reference.
type blob struct {
	path string
	size int64
	md5  [md5.Size]byte
	crc  uint64
	refs atomic.Int32
}

func (b *blob) acquire() { b.refs.Add(1) }

func (b *blob) release() {
	if b.refs.Add(-1) == 0 {
		_ = os.Remove(b.path) // what cannot be removed goes with the state directory
	}
}

// blobDir makes blobs in a directory.
type blobDir struct {
	path string
	seq  atomic.Int64
}

// write streams a body of at most maxPutBytes into a new blob, of which the caller holds the one reference. On an
// error nothing is left: errBodyTooLarge and errBodyBroken blame the body, any other error the disk.
func (d *blobDir) write(body io.Reader) (*blob, error) {
	b := &blob{path: filepath.Join(d.path, strconv.FormatInt(d.seq.Add(1), 10))}
	f, err := os.Create(b.path)
	if err != nil {
		return nil, fmt.Errorf("creating a file for an object: %w", err)
	}
	b.acquire()
	err = b.fill(f, body)
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("writing %s: %w", b.path, closeErr)
	}
	if err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}

func (b *blob) fill(f io.Writer, body io.Reader) error {
	md5Sum, crc := md5.New(), crc64.New(crc64.MakeTable(crc64.ECMA))
	buf := make([]byte, copyBuffer)
	for {
		n, readErr := body.Read(buf)
		b.size += int64(n)
		if b.size > maxPutBytes {
			return errBodyTooLarge
		}
		md5Sum.Write(buf[:n])
		crc.Write(buf[:n])
		if _, err := f.Write(buf[:n]); err != nil {
			return fmt.Errorf("writing %s: %w", b.path, err)
		}
		if errors.Is(readErr, io.EOF) {
			md5Sum.Sum(b.md5[:0])
			b.crc = crc.Sum64()
			return nil
		}
		if readErr != nil {
			return fmt.Errorf("%w: %w", errBodyBroken, readErr)
		}
	}
}

// content is the bytes of an object: the blobs one after the other. It is immutable.
type content struct {
	blobs []*blob
	size  int64
	crc   uint64
}

// newContent takes no reference to the blobs.
func newContent(blobs ...*blob) content {
	c := content{blobs: blobs}
	for _, b := range blobs {
		c.size += b.size
		c.crc = combineCRC64(c.crc, b.crc, b.size)
	}
	return c
}

func (c content) acquire() {
	for _, b := range c.blobs {
		b.acquire()
	}
}

func (c content) release() {
	for _, b := range c.blobs {
		b.release()
	}
}

// copyTo writes n bytes from offset on.
func (c content) copyTo(w io.Writer, offset, n int64) error {
	for _, b := range c.blobs {
		if n == 0 {
			return nil
		}
		if offset >= b.size {
			offset -= b.size
			continue
		}
		take := min(n, b.size-offset)
		if err := b.copyTo(w, offset, take); err != nil {
			return err
		}
		offset, n = 0, n-take
	}
	return nil
}

func (b *blob) copyTo(w io.Writer, offset, n int64) error {
	f, err := os.Open(b.path)
	if err != nil {
		return fmt.Errorf("opening a part of an object: %w", err)
	}
	defer f.Close()
	buf := make([]byte, min(copyBuffer, max(n, 1)))
	if _, err := io.CopyBuffer(onlyWriter{w}, io.NewSectionReader(f, offset, n), buf); err != nil {
		return fmt.Errorf("copying %d bytes of %s: %w", n, b.path, err)
	}
	return nil
}

// onlyWriter hides ReadFrom, so that the middleware sees every write.
type onlyWriter struct{ io.Writer }

// reader returns a reader of n bytes from offset on, which must be closed.
func (c content) reader(offset, n int64) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(c.copyTo(pw, offset, n)) }()
	return pr
}
