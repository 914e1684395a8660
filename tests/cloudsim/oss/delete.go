// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"encoding/xml"
	"net/http"
)

// maxDeleteKeys is how many objects one request may delete.
const maxDeleteKeys = 1000

// deleteObject answers the same whether or not the object exists.
func (s *Service) deleteObject(c *call) error {
	s.mu.Lock()
	c.found.remove(c.key)
	s.mu.Unlock()
	c.writer.WriteHeader(http.StatusNoContent)
	return nil
}

type deleteRequest struct {
	Quiet   bool
	Objects []struct {
		Key string
	} `xml:"Object"`
}

type deletedKey struct {
	Key string
}

type deleteResult struct {
	XMLName      xml.Name     `xml:"DeleteResult"`
	EncodingType string       `xml:",omitempty"`
	Deleted      []deletedKey `xml:",omitempty"`
}

func (s *Service) deleteMultipleObjects(c *call) error {
	if c.request.Header.Get(headerContentMD5) == "" {
		return newError(http.StatusBadRequest, "MissingArgument", "Missing Some Required Arguments.").
			with("ArgumentName", "Content-MD5")
	}
	var request deleteRequest
	if err := c.readXML("Delete", &request); err != nil {
		return err
	}
	if n := len(request.Objects); n == 0 || n > maxDeleteKeys {
		return malformedXML("the number of objects to delete must be between 1 and 1000.")
	}
	for _, o := range request.Objects {
		if err := checkKey(o.Key); err != nil {
			return err
		}
		if err := s.permit(c, c.config, o.Key, "oss:DeleteObject"); err != nil {
			return err
		}
	}
	encode, err := c.keyEncoding()
	if err != nil {
		return err
	}
	result := deleteResult{EncodingType: c.query.Get(paramEncoding)}
	s.mu.Lock()
	for _, o := range request.Objects {
		c.found.remove(o.Key)
		if !request.Quiet {
			result.Deleted = append(result.Deleted, deletedKey{encode(o.Key)})
		}
	}
	s.mu.Unlock()
	if request.Quiet {
		c.writer.WriteHeader(http.StatusOK)
		return nil
	}
	return c.writeXML(result)
}
