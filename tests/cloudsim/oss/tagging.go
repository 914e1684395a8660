// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of the tags of an object.
const (
	maxTags          = 10
	maxTagKeyChars   = 128
	maxTagValueChars = 256
)

// Tag is a tag of an object.
type Tag struct {
	Key   string
	Value string
}

func invalidTag(message string) *apiError {
	return newError(http.StatusBadRequest, "InvalidTag", message)
}

// parseTagging reads the header x-oss-tagging: k=v&k=v, both percent-encoded.
func parseTagging(text string) ([]Tag, error) {
	var tags []Tag
	for pair := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(name)
		if err != nil {
			return nil, invalidTag("The TagKey you have provided is invalid")
		}
		decoded, err := url.QueryUnescape(value)
		if err != nil {
			return nil, invalidTag("The TagValue you have provided is invalid")
		}
		tags = append(tags, Tag{Key: key, Value: decoded})
	}
	return tags, checkTags(tags)
}

func checkTags(tags []Tag) error {
	if len(tags) > maxTags {
		return invalidTag("Object tags cannot be greater than 10")
	}
	for i, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKeyChars || !tagCharacters(t.Key):
			return invalidTag("The TagKey you have provided is invalid")
		case utf8.RuneCountInString(t.Value) > maxTagValueChars || !tagCharacters(t.Value):
			return invalidTag("The TagValue you have provided is invalid")
		case slices.ContainsFunc(tags[:i], func(o Tag) bool { return o.Key == t.Key }):
			return invalidTag("Cannot provide multiple Tags with the same key")
		}
	}
	return nil
}

// tagCharacters says whether OSS accepts all characters: letters, digits, space and + - = . _ : /.
func tagCharacters(s string) bool {
	for _, r := range s {
		if r >= utf8.RuneSelf || unreserved(byte(r)) && r != '~' || strings.ContainsRune(" +=:/", r) {
			continue
		}
		return false
	}
	return true
}

type taggingBody struct {
	XMLName xml.Name `xml:"Tagging"`
	TagSet  tagSet
}

// tagSet is in the body even where there are no tags.
type tagSet struct {
	Tags []Tag `xml:"Tag"`
}

func (s *Service) getObjectTagging(c *call) error {
	o, err := s.open(c)
	if err != nil {
		return err
	}
	defer o.content.release()
	return c.writeXML(taggingBody{TagSet: tagSet{o.tags}})
}

func (s *Service) putObjectTagging(c *call) error {
	var body taggingBody
	if err := c.readXML("Tagging", &body); err != nil {
		return err
	}
	if err := checkTags(body.TagSet.Tags); err != nil {
		return err
	}
	if err := s.setTags(c, body.TagSet.Tags); err != nil {
		return err
	}
	c.writer.WriteHeader(http.StatusOK)
	return nil
}

func (s *Service) deleteObjectTagging(c *call) error {
	if err := s.setTags(c, nil); err != nil {
		return err
	}
	c.writer.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) setTags(c *call, tags []Tag) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := c.found.objects.get(c.key)
	if !ok {
		return noSuchKey(c.key)
	}
	c.found.change(o, func(o *object) { o.tags = tags })
	return nil
}
