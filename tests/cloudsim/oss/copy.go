// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"encoding/xml"
	"net/url"
	"strings"
)

type copyResult struct {
	XMLName      xml.Name `xml:"CopyObjectResult"`
	LastModified string
	ETag         string
}

// copyObject makes an object of the bytes of another. No byte is moved: both share them.
func (s *Service) copyObject(c *call) error {
	source, err := s.openSource(c)
	if err != nil {
		return err
	}
	defer source.content.release()
	a, err := s.copiedAttributes(c, source)
	if err != nil {
		return err
	}
	source.content.acquire()
	o := &object{
		key: c.key, content: source.content, etag: source.etag, kind: kindNormal, modified: c.now, attributes: a,
	}
	if err := s.commit(c, o); err != nil {
		return err
	}
	o.writeEncryption(c.writer.Header())
	c.writer.Header().Set(headerETag, quote(o.etag))
	c.writer.Header().Set(headerCRC64, formatCRC(o.content.crc))
	return c.writeXML(copyResult{LastModified: formatTime(o.modified), ETag: quote(o.etag)})
}

// openSource returns the object that x-oss-copy-source names, with a reference to its content, which the caller
// must release. It takes the permission to read it.
func (s *Service) openSource(c *call) (*object, error) {
	name, key, err := parseCopySource(c.request.Header.Get(headerCopySource))
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	b, ok := s.buckets.get(name)
	var config BucketConfig
	if ok {
		config = b.config
	}
	s.mu.RUnlock()
	if !ok {
		return nil, noSuchBucket(name)
	}
	if config.Region != c.config.Region {
		return nil, wrongEndpoint(name, publicEndpoint(config.Region))
	}
	if err := s.permit(c, config, key, "oss:GetObject"); err != nil {
		return nil, err
	}
	o, err := s.openIn(b, key)
	if err != nil {
		return nil, err
	}
	if err := s.checkSource(c, config, o); err != nil {
		o.content.release()
		return nil, err
	}
	return o, nil
}

func (s *Service) checkSource(c *call, config BucketConfig, o *object) error {
	if err := checkConditions(o, conditions(c.request.Header, headerCopySource+"-")); err != nil {
		return err
	}
	if !o.readable(c.now) {
		return invalidObjectState(o.key)
	}
	return s.permitKMS(c, config, o.encryption, "kms:Decrypt")
}

// parseCopySource reads /bucket/key, percent-encoded. Parameters such as versionId are not part of the key.
func parseCopySource(header string) (bucket, key string, err error) {
	path, _, _ := strings.Cut(header, "?")
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return "", "", invalidCopySource(header)
	}
	bucket, key, ok := strings.Cut(strings.TrimPrefix(decoded, "/"), "/")
	if !ok || !validBucketName(bucket) || checkKey(key) != nil {
		return "", "", invalidCopySource(header)
	}
	return bucket, key, nil
}

func invalidCopySource(header string) *apiError {
	return invalidArgumentNamed(strings.ToLower(headerCopySource), header, "Copy Source must mention the source bucket "+
		"and key: /sourcebucket/sourcekey.")
}

// copiedAttributes are the source's, or the request's where a directive says REPLACE. Class and encryption are
// always the request's.
func (s *Service) copiedAttributes(c *call, source *object) (attributes, error) {
	a, err := s.requestedAttributes(c)
	if err != nil {
		return a, err
	}
	if !c.replaces(headerMetaDirective) {
		a.header = source.header
	}
	if !c.replaces(headerTagDirective) {
		a.tags = source.tags
	}
	return a, nil
}

func (c *call) replaces(directive string) bool {
	return strings.EqualFold(c.request.Header.Get(directive), "REPLACE")
}
