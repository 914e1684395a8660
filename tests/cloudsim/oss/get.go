// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// open returns the request's object with a reference to its content, which the caller must release.
func (s *Service) open(c *call) (*object, error) {
	return s.openIn(c.found, c.key)
}

func (s *Service) openIn(b *bucket, key string) (*object, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := b.objects.get(key)
	if !ok {
		return nil, noSuchKey(key)
	}
	o.content.acquire()
	return o, nil
}

func (s *Service) getObject(c *call) error {
	o, err := s.open(c)
	if err != nil {
		return err
	}
	defer o.content.release()
	if err := checkConditions(o, conditions(c.request.Header, "")); err != nil {
		return err
	}
	if !o.readable(c.now) {
		return invalidObjectState(o.key)
	}
	if err := s.permitKMS(c, c.config, o.encryption, "kms:Decrypt"); err != nil {
		return err
	}
	size := o.content.size
	header, standard := c.request.Header.Get(headerRange), c.request.Header.Get(headerRangeBehavior)
	r, ok := rangeOf(header, strings.EqualFold(standard, "standard"), size)
	if !ok {
		return newError(http.StatusRequestedRangeNotSatisfiable, "InvalidRange",
			"The requested range cannot be satisfied.").with("ActualObjectSize", strconv.FormatInt(size, 10)).
			with("RangeRequested", header)
	}
	h := c.writer.Header()
	o.writeTo(h, c.now)
	c.overrideHeaders(h)
	h.Set(headerContentLength, strconv.FormatInt(r.length, 10))
	status := http.StatusOK
	if r.partial {
		status = http.StatusPartialContent
		h.Set(headerContentRange, fmt.Sprintf("bytes %d-%d/%d", r.offset, r.offset+r.length-1, size))
	}
	c.writer.WriteHeader(status)
	// The status is out: a client that has gone, or a disk that failed, shows as a body that is too short.
	_ = o.content.copyTo(c.writer, r.offset, r.length)
	return nil
}

func (s *Service) headObject(c *call) error {
	o, err := s.open(c)
	if err != nil {
		return err
	}
	defer o.content.release()
	if err := checkConditions(o, conditions(c.request.Header, "")); err != nil {
		return err
	}
	h := c.writer.Header()
	o.writeTo(h, c.now)
	h.Set(headerContentLength, strconv.FormatInt(o.content.size, 10))
	c.writer.WriteHeader(http.StatusOK)
	return nil
}

// getObjectMeta answers with the few headers that cost OSS nothing to find.
func (s *Service) getObjectMeta(c *call) error {
	o, err := s.open(c)
	if err != nil {
		return err
	}
	defer o.content.release()
	h := c.writer.Header()
	h.Set(headerETag, quote(o.etag))
	h.Set(headerLastModified, o.modified.UTC().Format(http.TimeFormat))
	h.Set(headerContentLength, strconv.FormatInt(o.content.size, 10))
	h.Set(headerCRC64, formatCRC(o.content.crc))
	c.writer.WriteHeader(http.StatusOK)
	return nil
}

// writeTo sets the headers with which an object is served.
func (o *object) writeTo(h http.Header, now time.Time) {
	for name, values := range o.header {
		h[name] = values
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set(headerETag, quote(o.etag))
	h.Set(headerLastModified, o.modified.UTC().Format(http.TimeFormat))
	h.Set(headerObjectType, o.kind)
	h.Set(headerStorageClass, o.class)
	h.Set(headerCRC64, formatCRC(o.content.crc))
	if o.kind == kindNormal && len(o.content.blobs) == 1 {
		h.Set(headerContentMD5, base64.StdEncoding.EncodeToString(o.content.blobs[0].md5[:]))
	}
	o.writeEncryption(h)
	if len(o.tags) > 0 {
		h.Set(headerTaggingCount, strconv.Itoa(len(o.tags)))
	}
	if value := o.restored.header(now); value != "" {
		h.Set(headerRestore, value)
	}
}

// overrideHeaders applies the parameters response-content-type and its kind.
func (c *call) overrideHeaders(h http.Header) {
	for _, name := range []string{
		headerContentType, "Content-Language", "Expires", "Cache-Control", "Content-Disposition", "Content-Encoding",
	} {
		if value := c.query.Get("response-" + strings.ToLower(name)); value != "" {
			h.Set(name, value)
		}
	}
}

// condition is one of the headers on which a request depends.
type condition struct{ name, value string }

// conditions reads the four conditional headers, behind a prefix for those of a copy's source.
func conditions(h http.Header, prefix string) []condition {
	var list []condition
	for _, name := range []string{headerIfMatch, headerIfUnmodified, headerIfNoneMatch, headerIfModified} {
		if value := h.Get(prefix + name); value != "" {
			list = append(list, condition{name, value})
		}
	}
	return list
}

func checkConditions(o *object, list []condition) error {
	for _, c := range list {
		if err := c.check(o); err != nil {
			return err
		}
	}
	return nil
}

func (c condition) check(o *object) error {
	switch c.name {
	case headerIfMatch:
		if !matchesETag(c.value, o.etag) {
			return preconditionFailed(c.name)
		}
	case headerIfNoneMatch:
		if matchesETag(c.value, o.etag) {
			return notModified()
		}
	case headerIfModified:
		if at, err := http.ParseTime(c.value); err == nil && !modifiedAfter(o, at) {
			return notModified()
		}
	case headerIfUnmodified:
		if at, err := http.ParseTime(c.value); err == nil && modifiedAfter(o, at) {
			return preconditionFailed(c.name)
		}
	}
	return nil
}

func modifiedAfter(o *object, at time.Time) bool { return o.modified.Truncate(time.Second).After(at) }

func matchesETag(list, etag string) bool {
	for candidate := range strings.SplitSeq(list, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.EqualFold(strings.Trim(candidate, `"`), etag) {
			return true
		}
	}
	return false
}

// byteRange is the part of an object that a response carries.
type byteRange struct {
	offset, length int64
	partial        bool
}

// rangeOf decides what part of an object of the size a Range header asks for. OSS takes the whole object for a range
// that is not within it. With the standard's behaviour it cuts the range off at the object's end, and one behind the
// end is not ok. See https://help.aliyun.com/zh/oss/developer-reference/getobject.
func rangeOf(header string, standard bool, size int64) (r byteRange, ok bool) {
	whole := byteRange{length: size}
	first, last, valid := parseRange(header, size)
	switch {
	case !valid, !standard && last >= size:
		return whole, true
	case first >= size:
		return whole, false
	}
	last = min(last, size-1)
	return byteRange{offset: first, length: last - first + 1, partial: true}, true
}

// parseRange reads a Range header with one range of bytes. Both ends are inclusive, and the last may lie behind
// the end where the header says so. Anything else is not ok.
func parseRange(header string, size int64) (first, last int64, ok bool) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return 0, 0, false
	}
	from, to, ok := strings.Cut(spec, "-")
	if !ok {
		return 0, 0, false
	}
	if from == "" {
		n, valid := parseOffset(to)
		if !valid || n == 0 || n > size {
			return 0, 0, false
		}
		return size - n, size - 1, true
	}
	first, ok = parseOffset(from)
	if !ok {
		return 0, 0, false
	}
	if to == "" {
		return first, max(first, size-1), true
	}
	last, ok = parseOffset(to)
	return first, last, ok && first <= last
}

func parseOffset(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}
