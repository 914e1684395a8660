// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"encoding/base64"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of one page of a listing.
const (
	maxPage         = 1000
	defaultKeys     = 100
	defaultUploads  = 1000
	defaultParts    = 1000
	defaultBuckets  = 100
	paramDelimiter  = "delimiter"
	paramEncoding   = "encoding-type"
	paramMarker     = "marker"
	paramPrefix     = "prefix"
	paramToken      = "continuation-token"
	paramStartAfter = "start-after"
	encodingURL     = "url"
)

// page is a part of a listing.
type page struct {
	// keys are whole keys, prefixes those that stand for all keys up to their first delimiter.
	keys     []string
	prefixes []string
	// next is the last key or prefix of a page that others follow, empty on the last page.
	next string
}

// selection says what to list.
type selection struct {
	prefix, delimiter string
	// after excludes the keys up to and including it, and the prefix that it is.
	after string
	limit int
}

// page selects from sorted keys. A prefix counts as one towards the limit.
func (s selection) page(keys []string) page {
	var p page
	start, _ := slices.BinarySearch(keys, max(s.prefix, s.after))
	last := ""
	for i := start; i < len(keys); i++ {
		key := keys[i]
		if !strings.HasPrefix(key, s.prefix) {
			break
		}
		entry, isPrefix := s.entry(key)
		if key <= s.after || isPrefix && (entry == s.after || entry == last) {
			continue
		}
		if len(p.keys)+len(p.prefixes) == s.limit {
			p.next = last
			return p
		}
		last = entry
		if isPrefix {
			p.prefixes = append(p.prefixes, entry)
		} else {
			p.keys = append(p.keys, entry)
		}
	}
	return p
}

// entry is what stands in a listing for a key: the key, or its part up to the first delimiter behind the prefix.
func (s selection) entry(key string) (entry string, isPrefix bool) {
	if s.delimiter == "" {
		return key, false
	}
	i := strings.Index(key[len(s.prefix):], s.delimiter)
	if i < 0 {
		return key, false
	}
	return key[:len(s.prefix)+i+len(s.delimiter)], true
}

type listedObject struct {
	Key          string
	LastModified string
	ETag         string
	Type         string
	Size         int64
	StorageClass string
	RestoreInfo  string `xml:",omitempty"`
	Owner        *owner `xml:",omitempty"`
}

type owner struct {
	ID          string
	DisplayName string
}

type commonPrefix struct {
	Prefix string
}

type listResult struct {
	XMLName        xml.Name `xml:"ListBucketResult"`
	Name           string
	Prefix         string
	Marker         string
	MaxKeys        int
	Delimiter      string
	EncodingType   string `xml:",omitempty"`
	IsTruncated    bool
	NextMarker     string `xml:",omitempty"`
	Contents       []listedObject
	CommonPrefixes []commonPrefix
}

type listResultV2 struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Name                  string
	Prefix                string
	StartAfter            string `xml:",omitempty"`
	MaxKeys               int
	Delimiter             string
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	KeyCount              int
	Contents              []listedObject
	CommonPrefixes        []commonPrefix
}

func (s *Service) listObjects(c *call) error {
	sel, encode, err := c.listing("max-keys", defaultKeys)
	if err != nil {
		return err
	}
	sel.after = c.query.Get(paramMarker)
	p, objects := s.pageOf(c, sel, encode, true)
	return c.writeXML(listResult{
		Name: c.bucket, Prefix: encode(sel.prefix), Marker: encode(sel.after), MaxKeys: sel.limit,
		Delimiter: encode(sel.delimiter), EncodingType: c.query.Get(paramEncoding), IsTruncated: p.next != "",
		NextMarker: encode(p.next), Contents: objects, CommonPrefixes: commonPrefixes(p.prefixes, encode),
	})
}

func (s *Service) listObjectsV2(c *call) error {
	if version := c.query.Get("list-type"); version != "2" {
		return invalidArgumentNamed("list-type", version, "Invalid list type.")
	}
	sel, encode, err := c.listing("max-keys", defaultKeys)
	if err != nil {
		return err
	}
	sel.after = c.query.Get(paramStartAfter)
	token := c.query.Get(paramToken)
	if token != "" {
		after, err := base64.StdEncoding.DecodeString(token)
		if err != nil {
			return invalidArgumentNamed(paramToken, token, "The continuation token provided is incorrect.")
		}
		sel.after = string(after)
	}
	p, objects := s.pageOf(c, sel, encode, c.query.Get("fetch-owner") == "true")
	result := listResultV2{
		Name: c.bucket, Prefix: encode(sel.prefix), StartAfter: encode(c.query.Get(paramStartAfter)), MaxKeys: sel.limit,
		Delimiter: encode(sel.delimiter), EncodingType: c.query.Get(paramEncoding), IsTruncated: p.next != "",
		ContinuationToken: token, KeyCount: len(p.keys) + len(p.prefixes),
		Contents: objects, CommonPrefixes: commonPrefixes(p.prefixes, encode),
	}
	if p.next != "" {
		result.NextContinuationToken = base64.StdEncoding.EncodeToString([]byte(p.next))
	}
	return c.writeXML(result)
}

// listing reads the parameters that all listings share.
func (c *call) listing(limitParam string, limit int) (selection, func(string) string, error) {
	sel := selection{prefix: c.query.Get(paramPrefix), delimiter: c.query.Get(paramDelimiter)}
	encode, err := c.keyEncoding()
	if err != nil {
		return sel, nil, err
	}
	if sel.limit, err = c.pageLimit(limitParam, limit); err != nil {
		return sel, nil, err
	}
	for _, name := range []string{paramPrefix, paramDelimiter, paramMarker, paramStartAfter} {
		if value := c.query.Get(name); len(value) > maxKeyBytes {
			return sel, nil, invalidArgumentNamed(name, value, "The length of "+name+" must be less than 1024.")
		}
	}
	return sel, encode, nil
}

// pageLimit reads how many entries a page may have.
func (c *call) pageLimit(param string, limit int) (int, error) {
	text := c.query.Get(param)
	if text == "" {
		return limit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, invalidArgumentNamed(param, text, "Argument "+param+" must be an integer between 1 and 1000.")
	}
	return n, nil
}

// keyEncoding returns how keys are written into a response.
func (c *call) keyEncoding() (func(string) string, error) {
	switch value := c.query.Get(paramEncoding); {
	case value == "":
		return func(key string) string { return key }, nil
	case strings.EqualFold(value, encodingURL):
		return func(key string) string { return escape(key, false) }, nil
	default:
		return nil, invalidArgumentNamed(paramEncoding, value, "Invalid Encoding Method specified in Request.")
	}
}

func (s *Service) pageOf(c *call, sel selection, encode func(string) string, withOwner bool) (page, []listedObject) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := sel.page(c.found.objects.keys)
	objects := make([]listedObject, 0, len(p.keys))
	for _, key := range p.keys {
		o, _ := c.found.objects.get(key)
		objects = append(objects, o.listed(encode, c.now, c.config.Owner, withOwner))
	}
	return p, objects
}

func (o *object) listed(encode func(string) string, now time.Time, ownerID string, withOwner bool) listedObject {
	l := listedObject{
		Key: encode(o.key), LastModified: formatTime(o.modified), ETag: quote(o.etag), Type: o.kind,
		Size: o.content.size, StorageClass: o.class, RestoreInfo: o.restored.header(now),
	}
	if withOwner {
		l.Owner = &owner{ID: ownerID, DisplayName: ownerID}
	}
	return l
}

func commonPrefixes(prefixes []string, encode func(string) string) []commonPrefix {
	list := make([]commonPrefix, 0, len(prefixes))
	for _, p := range prefixes {
		list = append(list, commonPrefix{encode(p)})
	}
	return list
}
