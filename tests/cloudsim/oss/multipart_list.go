// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"encoding/xml"
	"maps"
	"slices"
	"strconv"
	"strings"
)

type listedPart struct {
	PartNumber   int
	LastModified string
	ETag         string
	HashCRC64    string `xml:"HashCrc64ecma"`
	Size         int64
}

type listPartsResult struct {
	XMLName              xml.Name `xml:"ListPartsResult"`
	Bucket               string
	EncodingType         string `xml:",omitempty"`
	Key                  string
	UploadID             string `xml:"UploadId"`
	StorageClass         string
	PartNumberMarker     int
	NextPartNumberMarker int `xml:",omitempty"`
	MaxParts             int
	IsTruncated          bool
	Parts                []listedPart `xml:"Part"`
}

func (s *Service) listParts(c *call) error {
	encode, err := c.keyEncoding()
	if err != nil {
		return err
	}
	limit, err := c.pageLimit("max-parts", defaultParts)
	if err != nil {
		return err
	}
	marker := 0
	if text := c.query.Get("part-number-marker"); text != "" {
		if marker, err = strconv.Atoi(text); err != nil || marker < 0 {
			return invalidArgumentNamed("part-number-marker", text, "Argument part-number-marker must be an integer.")
		}
	}
	result := listPartsResult{
		Bucket: c.bucket, Key: encode(c.key), EncodingType: c.query.Get(paramEncoding),
		PartNumberMarker: marker, MaxParts: limit,
	}
	if err := s.fillParts(c, &result); err != nil {
		return err
	}
	return c.writeXML(result)
}

// fillParts adds the page of parts that the result's marker and limit select.
func (s *Service) fillParts(c *call, result *listPartsResult) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	u, err := c.upload()
	if err != nil {
		return err
	}
	result.UploadID, result.StorageClass = u.id, u.class
	for _, number := range slices.Sorted(maps.Keys(u.parts)) {
		if number <= result.PartNumberMarker {
			continue
		}
		if len(result.Parts) == result.MaxParts {
			result.IsTruncated = true
			break
		}
		p := u.parts[number]
		result.NextPartNumberMarker = number
		result.Parts = append(result.Parts, listedPart{
			PartNumber: number, LastModified: formatTime(p.modified), ETag: quote(p.etag()),
			HashCRC64: formatCRC(p.blob.crc), Size: p.blob.size,
		})
	}
	return nil
}

type listedUpload struct {
	Key          string
	UploadID     string `xml:"UploadId"`
	StorageClass string
	Initiated    string
}

type listUploadsResult struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	Bucket             string
	EncodingType       string `xml:",omitempty"`
	KeyMarker          string
	UploadIDMarker     string `xml:"UploadIdMarker"`
	NextKeyMarker      string `xml:",omitempty"`
	NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
	Delimiter          string
	Prefix             string
	MaxUploads         int
	IsTruncated        bool
	Uploads            []listedUpload `xml:"Upload"`
	CommonPrefixes     []commonPrefix
}

func (s *Service) listMultipartUploads(c *call) error {
	sel, encode, err := c.listing("max-uploads", defaultUploads)
	if err != nil {
		return err
	}
	keyMarker, idMarker := c.query.Get("key-marker"), c.query.Get("upload-id-marker")
	sel.after = uploadsAfter(keyMarker, idMarker, sel.delimiter)
	p, uploads := s.uploadsPage(c, sel, encode)
	result := listUploadsResult{
		Bucket: c.bucket, EncodingType: c.query.Get(paramEncoding), KeyMarker: encode(keyMarker), UploadIDMarker: idMarker,
		Delimiter: encode(sel.delimiter), Prefix: encode(sel.prefix), MaxUploads: sel.limit, IsTruncated: p.next != "",
		Uploads: uploads, CommonPrefixes: commonPrefixes(p.prefixes, encode),
	}
	if p.next != "" {
		key, id, _ := strings.Cut(p.next, "\x00")
		result.NextKeyMarker, result.NextUploadIDMarker = encode(key), id
	}
	return c.writeXML(result)
}

// uploadsAfter returns the key of the index behind which a listing goes on.
func uploadsAfter(keyMarker, idMarker, delimiter string) string {
	switch {
	case keyMarker == "":
		return ""
	case delimiter != "" && strings.HasSuffix(keyMarker, delimiter):
		return keyMarker // a common prefix
	case idMarker == "":
		// All uploads of the marker's key are behind us: no id is greater than the tilde.
		idMarker = "~"
	}
	return (&upload{key: keyMarker, id: idMarker}).indexKey()
}

func (s *Service) uploadsPage(c *call, sel selection, encode func(string) string) (page, []listedUpload) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := sel.page(c.found.uploads.keys)
	uploads := make([]listedUpload, 0, len(p.keys))
	for _, indexKey := range p.keys {
		u, _ := c.found.uploads.get(indexKey)
		uploads = append(uploads, listedUpload{
			Key: encode(u.key), UploadID: u.id, StorageClass: u.class, Initiated: formatTime(u.initiated),
		})
	}
	return p, uploads
}
