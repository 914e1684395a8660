// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	schemeV1         = "OSS "
	queryKeyV1       = "OSSAccessKeyId"
	querySignatureV1 = "Signature"
	queryExpiresV1   = "Expires"
	queryTokenV1     = "security-token"
)

// parseHeaderV1 reads "OSS <key id>:<signature>".
// See https://help.aliyun.com/zh/oss/developer-reference/include-signatures-in-the-authorization-header.
func (c *call) parseHeaderV1(authorization string) (*signature, error) {
	id, provided, err := parseAuthorizationV1(authorization)
	if err != nil {
		return nil, err
	}
	// Clients that cannot set Date, such as browsers, send and sign x-oss-date in its place.
	date := c.request.Header.Get(headerOSSDate)
	if date == "" {
		date = c.request.Header.Get(headerDate)
	}
	signed, err := http.ParseTime(date)
	if err != nil {
		return nil, invalidDate()
	}
	if err := c.checkSkew(signed); err != nil {
		return nil, err
	}
	return c.signatureV1(id, c.request.Header.Get(headerSecurityToken), provided, date), nil
}

func parseAuthorizationV1(authorization string) (accessKeyID, provided string, err error) {
	accessKeyID, provided, ok := strings.Cut(strings.TrimPrefix(authorization, schemeV1), ":")
	if !ok || accessKeyID == "" || provided == "" || strings.ContainsAny(accessKeyID, " \t\r\n") {
		return "", "", invalidArgumentNamed("Authorization", authorization, "Authorization header is invalid.")
	}
	return accessKeyID, provided, nil
}

// parseQueryV1 reads a signed URL.
func (c *call) parseQueryV1() (*signature, error) {
	id, provided, expires := c.query.Get(queryKeyV1), c.query.Get(querySignatureV1), c.query.Get(queryExpiresV1)
	if id == "" || provided == "" || expires == "" {
		return nil, accessDenied("Query-string authentication requires the Signature, Expires and OSSAccessKeyId " +
			"parameters")
	}
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err != nil {
		return nil, accessDenied("Invalid date (should be seconds since epoch): " + expires)
	}
	if at := time.Unix(seconds, 0); c.now.After(at) {
		return nil, c.requestExpired(at)
	}
	return c.signatureV1(id, c.query.Get(queryTokenV1), provided, expires), nil
}

// signatureV1 builds the string to sign: verb, Content-MD5, Content-Type, date or expiry, the x-oss- headers, and
// the resource with those parameters that are part of it.
func (c *call) signatureV1(id, token, provided, date string) *signature {
	var b strings.Builder
	for _, line := range []string{
		c.request.Method, c.request.Header.Get(headerContentMD5), c.request.Header.Get(headerContentType), date,
	} {
		b.WriteString(line + "\n")
	}
	for _, name := range c.ossHeaders() {
		b.WriteString(name + ":" + c.headerValue(name) + "\n")
	}
	b.WriteString(c.canonicalPath())
	separator := "?"
	for _, name := range c.subresources() {
		b.WriteString(separator + name)
		if value := c.query.Get(name); value != "" {
			b.WriteString("=" + value)
		}
		separator = "&"
	}
	s := &signature{accessKeyID: id, securityToken: token, provided: provided, stringToSign: b.String()}
	s.compute = func(secret string) string {
		mac := hmac.New(sha1.New, []byte(secret))
		mac.Write([]byte(s.stringToSign))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return s
}

// subresources returns the parameters of the request that V1 signs, sorted.
func (c *call) subresources() []string {
	var names []string
	for name := range c.query {
		if signedV1(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// signedV1 says whether V1 signs a query parameter: those that select an operation, those that change the response,
// and those of OSS itself.
func signedV1(name string) bool {
	if selectsOperation(name) || strings.HasPrefix(name, "x-oss-") || strings.HasPrefix(name, "response-") {
		return true
	}
	switch name {
	case "callback-var", "cloudboxes", "continuation-token", "endTime", "img", "partNumber", "position", "regionList",
		"security-token", "sequential", "startTime", "styleName", "udf", "udfApplication", "udfApplicationLog",
		"udfId", "udfImage", "udfImageDesc", "udfName", "versionId", "wormExtend", "wormId":
		return true
	}
	return false
}
