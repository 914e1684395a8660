// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"crypto/hmac"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSkew is how far the clocks of client and service may be apart.
const maxSkew = 15 * time.Minute

// signature is what a request says about who signed it, and what must have been signed.
type signature struct {
	accessKeyID   string
	securityToken string
	// provided is the signature of the request.
	provided string
	// stringToSign and canonicalRequest are the service's own. The latter is empty for V1.
	stringToSign     string
	canonicalRequest string
	// compute returns the signature that a secret gives.
	compute func(secret string) string
}

// parseSignature finds the signature of a request and checks everything about it that does not take the secret. It
// returns nil for a request without one.
func (c *call) parseSignature() (*signature, error) {
	authorization := c.request.Header.Get(headerAuthorization)
	switch {
	case strings.HasPrefix(authorization, algorithmV4):
		return c.parseHeaderV4(authorization)
	case strings.HasPrefix(authorization, schemeV1):
		return c.parseHeaderV1(authorization)
	case authorization != "":
		return nil, invalidArgumentNamed("Authorization", "", "Authorization header is invalid.")
	case c.query.Has(queryVersionV4):
		return c.parseQueryV4()
	case c.query.Has(queryKeyV1), c.query.Has(querySignatureV1):
		return c.parseQueryV1()
	}
	return nil, nil //nolint:nilnil // no signature is not an error: the request is anonymous
}

// verify compares the signature of the request with the one that the secret gives.
func (s *signature) verify(secret string) error {
	if hmac.Equal([]byte(s.compute(secret)), []byte(s.provided)) {
		return nil
	}
	e := newError(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match "+
		"the signature you provided. Check your key and signing method.").withEC(ecSignature).
		with("OSSAccessKeyId", s.accessKeyID).with("SignatureProvided", s.provided).
		with("StringToSign", s.stringToSign).with("StringToSignBytes", spacedHex(s.stringToSign))
	if s.canonicalRequest != "" {
		e = e.with("CanonicalRequest", s.canonicalRequest)
	}
	return e
}

func spacedHex(s string) string { return fmt.Sprintf("% X", s) }

// checkSkew refuses a request whose time is too far from the service's.
func (c *call) checkSkew(signed time.Time) error {
	if c.now.Sub(signed).Abs() <= maxSkew {
		return nil
	}
	const layout = "2006-01-02T15:04:05.000Z"
	return newError(http.StatusForbidden, "RequestTimeTooSkewed",
		"The difference between the request time and the current time is too large.").withEC(ecTimeSkewed).
		with("MaxAllowedSkewMilliseconds", strconv.FormatInt(maxSkew.Milliseconds(), 10)).
		with("RequestTime", signed.UTC().Format(layout)).
		with("ServerTime", c.now.UTC().Format(layout))
}

func invalidDate() *apiError {
	return accessDenied("OSS authentication requires a valid Date.").withEC(ecInvalidDate)
}

// requestExpired refuses a signed URL after its time.
func (c *call) requestExpired(expires time.Time) *apiError {
	return accessDenied("Request has expired.").withEC(ecExpired).
		with("Expires", expires.UTC().Format(time.RFC3339)).with("ServerTime", c.now.UTC().Format(time.RFC3339))
}

// headerValue returns all values of a header the way both signature versions join them. The two headers that
// net/http keeps elsewhere are found too.
func (c *call) headerValue(name string) string {
	switch name {
	case "host":
		return c.request.Host
	case "content-length":
		if c.request.ContentLength >= 0 {
			return strconv.FormatInt(c.request.ContentLength, 10)
		}
	}
	values := slices.Clone(c.request.Header.Values(name))
	for i, v := range values {
		values[i] = strings.TrimSpace(v)
	}
	return strings.Join(values, ",")
}

// ossHeaders returns the names of the request's x-oss- headers in lower case, sorted.
func (c *call) ossHeaders() []string {
	var names []string
	for name := range c.request.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-oss-") {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	return names
}

// canonicalPath is /bucket/key in either style of address, / where there is no bucket.
func (c *call) canonicalPath() string {
	if c.bucket == "" {
		return "/"
	}
	return "/" + c.bucket + "/" + c.key
}
