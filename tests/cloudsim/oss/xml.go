// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// timeFormat is how OSS writes times in XML.
const timeFormat = "2006-01-02T15:04:05.000Z"

// maxXMLBody is the most that a body of XML may have: 10,000 parts or 1,000 keys of full length fit easily.
const maxXMLBody = 8 << 20

func formatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// marshalXML returns a document. The types of this package always marshal.
func marshalXML(v any) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	if err := xml.NewEncoder(&b).Encode(v); err != nil {
		return fmt.Appendf(nil, "%s<Error><Code>InternalError</Code><Message>%s</Message></Error>", xml.Header, err)
	}
	return b.Bytes()
}

func (c *call) writeXML(v any) error {
	data := marshalXML(v)
	c.writer.Header().Set(headerContentType, contentTypeXML)
	c.writer.Header().Set(headerContentLength, strconv.Itoa(len(data)))
	c.writer.WriteHeader(http.StatusOK)
	_, _ = c.writer.Write(data) // a client that has gone needs no answer
	return nil
}

// readXML decodes the request's body, whose root element must have the name. It checks Content-MD5 where it is
// given. An empty body leaves the value as it is.
func (c *call) readXML(root string, v any) error {
	data, err := io.ReadAll(io.LimitReader(c.request.Body, maxXMLBody+1))
	if err != nil {
		return incompleteBody()
	}
	if len(data) > maxXMLBody {
		return entityTooLarge(maxXMLBody, c.request.ContentLength)
	}
	if err := c.checkMD5(md5Of(data)); err != nil {
		return err
	}
	if len(data) == 0 {
		return nil
	}
	return decodeXML(data, root, v)
}

// decodeXML decodes one document, whose root element must have the name.
func decodeXML(data []byte, root string, v any) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.Token()
		if err != nil {
			return malformedXML("the document has no root node.")
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Local != root {
			return malformedXML("the root node is not named " + root + ".")
		}
		if err := d.DecodeElement(v, &start); err != nil {
			return malformedXML(err.Error())
		}
		if _, err := d.Token(); err == nil || !errors.Is(err, io.EOF) {
			return checkTail(d, err)
		}
		return nil
	}
}

// checkTail lets white space and comments follow the root element, and nothing else.
func checkTail(d *xml.Decoder, err error) error {
	for err == nil {
		var token xml.Token
		if token, err = d.Token(); err == nil {
			if _, again := token.(xml.StartElement); again {
				return malformedXML("the document has more than one root node.")
			}
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return malformedXML(err.Error())
}
