// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Limits of multipart uploads.
const (
	maxPartNumber = 10000
	// minPartBytes is the least size of every part but the last, checked on completion.
	minPartBytes = 100 << 10
)

type initiateResult struct {
	XMLName      xml.Name `xml:"InitiateMultipartUploadResult"`
	Bucket       string
	Key          string
	UploadID     string `xml:"UploadId"`
	EncodingType string `xml:",omitempty"`
}

func (s *Service) initiateMultipartUpload(c *call) error {
	encode, err := c.keyEncoding()
	if err != nil {
		return err
	}
	a, err := s.requestedAttributes(c)
	if err != nil {
		return err
	}
	if err := s.checkOverwrite(c); err != nil {
		return err
	}
	u := &upload{id: newID(16), key: c.key, initiated: c.now, parts: map[int]part{}, attributes: a}
	s.mu.Lock()
	c.found.uploads.put(u.indexKey(), u)
	s.mu.Unlock()
	u.writeEncryption(c.writer.Header())
	return c.writeXML(initiateResult{
		Bucket: c.bucket, Key: encode(c.key), UploadID: u.id, EncodingType: c.query.Get(paramEncoding),
	})
}

// upload returns the upload that the request names. Service.mu must be held.
func (c *call) upload() (*upload, error) {
	id := c.query.Get("uploadId")
	u, ok := c.found.uploads.get((&upload{key: c.key, id: id}).indexKey())
	if !ok {
		return nil, noSuchUpload(id)
	}
	return u, nil
}

// checkUpload refuses early, before a part's body has been sent.
func (s *Service) checkUpload(c *call) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, err := c.upload()
	return err
}

func (c *call) partNumber() (int, error) {
	text := c.query.Get("partNumber")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPartNumber {
		return 0, invalidArgumentNamed("partNumber", text,
			fmt.Sprintf("Part number must be an integer between 1 and %d, inclusive.", maxPartNumber))
	}
	return n, nil
}

func (s *Service) uploadPart(c *call) error {
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	if err := s.checkUpload(c); err != nil {
		return err
	}
	b, err := s.receive(c)
	if err != nil {
		return err
	}
	p, err := s.putPart(c, number, b)
	if err != nil {
		return err
	}
	c.writer.Header().Set(headerETag, quote(p.etag()))
	c.writer.Header().Set(headerCRC64, formatCRC(b.crc))
	c.writer.WriteHeader(http.StatusOK)
	return nil
}

// putPart adds a part to the request's upload, in place of one with the same number. It takes over the reference
// to the blob.
func (s *Service) putPart(c *call, number int, b *blob) (part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := c.upload()
	if err != nil { // aborted or completed while the body came in
		b.release()
		return part{}, err
	}
	if old, ok := u.parts[number]; ok {
		old.blob.release()
	}
	u.parts[number] = part{blob: b, modified: c.now}
	return u.parts[number], nil
}

func (p part) etag() string { return strings.ToUpper(hex.EncodeToString(p.blob.md5[:])) }

type copyPartResult struct {
	XMLName      xml.Name `xml:"CopyPartResult"`
	LastModified string
	ETag         string
}

func (s *Service) uploadPartCopy(c *call) error {
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	if err := s.checkUpload(c); err != nil {
		return err
	}
	source, err := s.openSource(c)
	if err != nil {
		return err
	}
	defer source.content.release()
	r, _ := rangeOf(c.request.Header.Get(headerCopyRange), false, source.content.size)
	if r.length > maxPutBytes {
		return entityTooLarge(maxPutBytes, r.length)
	}
	body := source.content.reader(r.offset, r.length)
	defer body.Close()
	b, err := s.blobs.write(body)
	if err != nil {
		return err
	}
	p, err := s.putPart(c, number, b)
	if err != nil {
		return err
	}
	c.writer.Header().Set(headerETag, quote(p.etag()))
	c.writer.Header().Set(headerCRC64, formatCRC(b.crc))
	return c.writeXML(copyPartResult{LastModified: formatTime(p.modified), ETag: quote(p.etag())})
}

func (s *Service) abortMultipartUpload(c *call) error {
	if err := s.abort(c); err != nil {
		return err
	}
	c.writer.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) abort(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := c.upload()
	if err != nil {
		return err
	}
	c.found.uploads.remove(u.indexKey())
	u.release()
	return nil
}

type completedPart struct {
	PartNumber int
	ETag       string
}

type completeRequest struct {
	Parts []completedPart `xml:"Part"`
}

type completeResult struct {
	XMLName      xml.Name `xml:"CompleteMultipartUploadResult"`
	EncodingType string   `xml:",omitempty"`
	Location     string
	Bucket       string
	Key          string
	ETag         string
}

// completeMultipartUpload makes an object of the parts that the body lists, or of all with x-oss-complete-all. No
// byte is moved: the object takes the parts over. Parts that are not listed are dropped.
func (s *Service) completeMultipartUpload(c *call) error {
	encode, err := c.keyEncoding()
	if err != nil {
		return err
	}
	var request completeRequest
	if err := c.readXML("CompleteMultipartUpload", &request); err != nil {
		return err
	}
	all := strings.EqualFold(c.request.Header.Get(headerCompleteAll), "yes")
	if all && len(request.Parts) > 0 {
		return invalidArgument("Should not speficy both complete all header and http body.")
	}
	o, err := s.assemble(c, request.Parts, all)
	if err != nil {
		return err
	}
	o.writeEncryption(c.writer.Header())
	c.writer.Header().Set(headerETag, quote(o.etag))
	c.writer.Header().Set(headerCRC64, formatCRC(o.content.crc))
	return c.writeXML(completeResult{
		EncodingType: c.query.Get(paramEncoding), Location: "http://" + c.request.Host + c.request.URL.EscapedPath(),
		Bucket: c.bucket, Key: encode(c.key), ETag: quote(o.etag),
	})
}

// assemble turns the request's upload into an object.
func (s *Service) assemble(c *call, listed []completedPart, all bool) (*object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := c.upload()
	if err != nil {
		return nil, err
	}
	if all {
		for _, number := range slices.Sorted(maps.Keys(u.parts)) {
			listed = append(listed, completedPart{PartNumber: number, ETag: u.parts[number].etag()})
		}
	}
	bytes, etag, err := u.assemble(listed)
	if err != nil {
		return nil, err
	}
	if _, taken := c.found.objects.get(c.key); taken && c.forbidsOverwrite() {
		return nil, fileAlreadyExists(c.key)
	}
	bytes.acquire()
	o := &object{
		key: c.key, content: bytes, etag: etag, kind: kindMultipart, modified: c.now, attributes: u.attributes,
	}
	c.found.put(o)
	c.found.uploads.remove(u.indexKey())
	u.release()
	return o, nil
}

// assemble checks the list of parts and returns their bytes, without a reference, and the ETag of the whole: the
// MD5 of the parts' MD5s and how many there are.
func (u *upload) assemble(listed []completedPart) (content, string, error) {
	if len(listed) == 0 {
		return content{}, "", malformedXML("the list of parts is empty.")
	}
	if !ascending(listed) {
		return content{}, "", newError(http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending "+
			"order. Parts list must specified in order by part number.")
	}
	sum := md5.New()
	blobs := make([]*blob, 0, len(listed))
	for i, l := range listed {
		p, ok := u.parts[l.PartNumber]
		if !ok || !strings.EqualFold(strings.Trim(l.ETag, `"`), p.etag()) {
			return content{}, "", newError(http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not "+
				"be found or the specified entity tag might not have matched the part's entity tag.").
				with("PartNumber", strconv.Itoa(l.PartNumber)).with("UploadId", u.id)
		}
		if i < len(listed)-1 && p.blob.size < minPartBytes {
			return content{}, "", newError(http.StatusBadRequest, "EntityTooSmall",
				"Your proposed upload smaller than the minimum allowed size.").
				with("MinSizeAllowed", strconv.Itoa(minPartBytes)).
				with("ProposedSize", strconv.FormatInt(p.blob.size, 10)).
				with("PartNumber", strconv.Itoa(l.PartNumber))
		}
		sum.Write(p.blob.md5[:])
		blobs = append(blobs, p.blob)
	}
	return newContent(blobs...), fmt.Sprintf("%X-%d", sum.Sum(nil), len(listed)), nil
}

// ascending says whether each part's number is greater than the one before.
func ascending(parts []completedPart) bool {
	for i := 1; i < len(parts); i++ {
		if parts[i].PartNumber <= parts[i-1].PartNumber {
			return false
		}
	}
	return true
}
