// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxPutBytes is the most that one request may upload, as a whole object or as a part.
const maxPutBytes = 5 << 30

// maxMetaBytes is the most that the user's metadata of an object may have, names and values together.
const maxMetaBytes = 8 << 10

func (s *Service) putObject(c *call) error {
	if c.request.Header.Get(headerIfModified) != "" {
		return newError(http.StatusBadRequest, "NotImplemented",
			"A header you provided implies functionality that is not implemented.").with("Header", headerIfModified)
	}
	a, err := s.requestedAttributes(c)
	if err != nil {
		return err
	}
	if err := s.checkOverwrite(c); err != nil {
		return err
	}
	b, err := s.receive(c)
	if err != nil {
		return err
	}
	o := &object{
		key: c.key, content: newContent(b), etag: strings.ToUpper(hex.EncodeToString(b.md5[:])), kind: kindNormal,
		modified: c.now, attributes: a,
	}
	if err := s.commit(c, o); err != nil {
		return err
	}
	o.writeEncryption(c.writer.Header())
	c.writer.Header().Set(headerETag, quote(o.etag))
	c.writer.Header().Set(headerCRC64, formatCRC(b.crc))
	c.writer.Header().Set(headerContentMD5, base64.StdEncoding.EncodeToString(b.md5[:]))
	c.writer.WriteHeader(http.StatusOK)
	return nil
}

// receive streams the request's body to disk and checks its length and Content-MD5. The caller holds the blob's one
// reference.
func (s *Service) receive(c *call) (*blob, error) {
	if c.request.ContentLength > maxPutBytes {
		return nil, entityTooLarge(maxPutBytes, c.request.ContentLength)
	}
	if _, err := c.contentMD5(); err != nil {
		return nil, err
	}
	b, err := s.blobs.write(c.request.Body)
	switch {
	case errors.Is(err, errBodyTooLarge):
		return nil, entityTooLarge(maxPutBytes, maxPutBytes+1)
	case errors.Is(err, errBodyBroken):
		return nil, incompleteBody()
	case err != nil:
		return nil, err
	}
	if err := c.checkMD5(b.md5); err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}

// commit makes an object visible, unless one with its key came first and must not be overwritten. It takes over
// the reference to the content.
func (s *Service) commit(c *call, o *object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := c.found.objects.get(o.key); taken && c.forbidsOverwrite() {
		o.content.release()
		return fileAlreadyExists(o.key)
	}
	c.found.put(o)
	return nil
}

func (c *call) forbidsOverwrite() bool {
	return strings.EqualFold(c.request.Header.Get(headerForbidOverwrite), "true")
}

// checkOverwrite refuses early what commit would refuse after the body has been sent.
func (s *Service) checkOverwrite(c *call) error {
	if !c.forbidsOverwrite() {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, taken := c.found.objects.get(c.key); taken {
		return fileAlreadyExists(c.key)
	}
	return nil
}

// requestedAttributes reads and checks what a request that writes an object says about it.
func (s *Service) requestedAttributes(c *call) (attributes, error) {
	var a attributes
	var err error
	if a.header, err = storedHeader(c.request.Header); err != nil {
		return a, err
	}
	if a.class, err = c.requestedClass(); err != nil {
		return a, err
	}
	if a.encryption, err = c.requestedEncryption(); err != nil {
		return a, err
	}
	if err := s.permitKMS(c, c.config, a.encryption, "kms:GenerateDataKey"); err != nil {
		return a, err
	}
	if text := c.request.Header.Get(headerTagging); text != "" {
		if a.tags, err = parseTagging(text); err != nil {
			return a, err
		}
		if s.permit(c, c.config, c.key, "oss:PutObjectTagging") != nil {
			return a, accessDenied("AccessDenied").withEC(ecTaggingNotGiven)
		}
	}
	return a, nil
}

// requestedClass is the class that the request names, or the bucket's.
func (c *call) requestedClass() (string, error) {
	class := c.request.Header.Get(headerStorageClass)
	if class == "" {
		class = c.config.StorageClass
	}
	if !validClass(class) {
		return "", invalidStorageClass(class)
	}
	if class == ClassStandard && c.config.ForbidStandardWrites {
		return "", invalidStorageClass(class)
	}
	return class, nil
}

// requestedEncryption is the encryption that the request asks for, or the bucket's.
func (c *call) requestedEncryption() (Encryption, error) {
	e := Encryption{
		Algorithm: c.request.Header.Get(headerEncryption), KMSKeyID: c.request.Header.Get(headerEncryptionKeyID),
	}
	if err := e.validate(); err != nil {
		return e, err
	}
	if e.Algorithm == "" {
		return c.config.Encryption, nil
	}
	return e, nil
}

// storedHeader returns those headers of a request that the object will be served with.
func storedHeader(h http.Header) (http.Header, error) {
	stored := http.Header{}
	size := 0
	for name, values := range h {
		switch name {
		case headerContentType, "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires":
			stored[name] = slices.Clone(values)
		default:
			if strings.HasPrefix(name, prefixMeta) {
				stored[name] = []string{strings.Join(values, ",")}
				size += len(name) - len(prefixMeta) + len(stored[name][0])
			}
		}
	}
	if size > maxMetaBytes {
		return nil, newError(http.StatusBadRequest, "MetadataTooLarge",
			"Your metadata headers exceed the maximum allowed metadata size.")
	}
	if stored.Get(headerContentType) == "" {
		stored.Set(headerContentType, contentTypeDefault)
	}
	return stored, nil
}

// contentMD5 returns the digest that the request gives, nil when it gives none.
func (c *call) contentMD5() ([]byte, error) {
	text := c.request.Header.Get(headerContentMD5)
	if text == "" {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sum) != md5.Size {
		return nil, invalidDigest()
	}
	return sum, nil
}

func (c *call) checkMD5(got [md5.Size]byte) error {
	want, err := c.contentMD5()
	if err != nil {
		return err
	}
	if want != nil && !slices.Equal(want, got[:]) {
		return invalidDigest()
	}
	return nil
}

func md5Of(data []byte) [md5.Size]byte { return md5.Sum(data) }

// writeEncryption tells how an object is encrypted.
func (a *attributes) writeEncryption(h http.Header) {
	if a.encryption.Algorithm == "" {
		return
	}
	h.Set(headerEncryption, a.encryption.Algorithm)
	if a.encryption.KMSKeyID != "" {
		h.Set(headerEncryptionKeyID, a.encryption.KMSKeyID)
	}
}

func quote(etag string) string { return `"` + etag + `"` }

func formatCRC(crc uint64) string { return strconv.FormatUint(crc, 10) }
