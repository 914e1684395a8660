// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithmV4     = "OSS4-HMAC-SHA256"
	productV4       = "oss"
	terminatorV4    = "aliyun_v4_request"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	dateTimeV4      = "20060102T150405Z"
	// maxExpiresV4 is how long a signed URL may be valid.
	maxExpiresV4 = 7 * 24 * time.Hour

	queryVersionV4    = "x-oss-signature-version"
	queryCredentialV4 = "x-oss-credential"
	queryDateV4       = "x-oss-date"
	queryExpiresV4    = "x-oss-expires"
	querySignatureV4  = "x-oss-signature"
	queryAdditionalV4 = "x-oss-additional-headers"
	queryTokenV4      = "x-oss-security-token"
)

// credentialV4 is <key id>/<date>/<region>/<product>/aliyun_v4_request.
type credentialV4 struct {
	accessKeyID, date, region, product string
}

func parseCredentialV4(credential string) (credentialV4, error) {
	fields := strings.Split(credential, "/")
	if len(fields) != 5 || fields[0] == "" || fields[4] != terminatorV4 || strings.ContainsAny(fields[0], " \t\r\n") {
		return credentialV4{}, invalidArgumentNamed("Credential", credential,
			"Invalid Credential in the signature.").withEC(ecKeyIDNotAccepted)
	}
	return credentialV4{accessKeyID: fields[0], date: fields[1], region: fields[2], product: fields[3]}, nil
}

func (c credentialV4) scope() string {
	return c.date + "/" + c.region + "/" + c.product + "/" + terminatorV4
}

// authorizationV4 is the content of an Authorization header.
type authorizationV4 struct {
	credential credentialV4
	additional []string
	signature  string
}

// parseAuthorizationV4 reads "OSS4-HMAC-SHA256 Credential=…[,AdditionalHeaders=a;b],Signature=…".
func parseAuthorizationV4(header string) (authorizationV4, error) {
	var a authorizationV4
	malformed := invalidArgumentNamed("Authorization", header, "Authorization header is invalid.")
	fields, ok := strings.CutPrefix(header, algorithmV4+" ")
	if !ok {
		return a, malformed
	}
	var credential string
	for field := range strings.SplitSeq(fields, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if !ok {
			return a, malformed
		}
		switch name {
		case "Credential":
			credential = value
		case "AdditionalHeaders":
			a.additional = parseAdditional(value)
		case "Signature":
			a.signature = value
		default:
			return a, malformed
		}
	}
	if a.signature == "" {
		return a, malformed
	}
	var err error
	a.credential, err = parseCredentialV4(credential)
	return a, err
}

func parseAdditional(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(strings.ToLower(list), ";")
}

// parseHeaderV4 reads the Authorization header.
// See https://help.aliyun.com/zh/oss/developer-reference/recommend-to-use-signature-version-4.
func (c *call) parseHeaderV4(header string) (*signature, error) {
	a, err := parseAuthorizationV4(header)
	if err != nil {
		return nil, err
	}
	payload := c.request.Header.Get(headerContentSHA256)
	if payload != unsignedPayload {
		return nil, invalidArgumentNamed(strings.ToLower(headerContentSHA256), payload,
			"The value of x-oss-content-sha256 must be "+unsignedPayload+".")
	}
	date, signed, err := c.dateV4()
	if err != nil {
		return nil, err
	}
	if err := c.checkSkew(signed); err != nil {
		return nil, err
	}
	if err := c.checkScope(a.credential, signed); err != nil {
		return nil, err
	}
	return c.signatureV4(a, c.request.Header.Get(headerSecurityToken), date), nil
}

// dateV4 returns the time of the request as it is signed, and as a time.
func (c *call) dateV4() (text string, signed time.Time, err error) {
	if text = c.request.Header.Get(headerOSSDate); text != "" {
		signed, err = time.Parse(dateTimeV4, text)
	} else {
		signed, err = http.ParseTime(c.request.Header.Get(headerDate))
		text = signed.UTC().Format(dateTimeV4)
	}
	if err != nil {
		return "", time.Time{}, invalidDate()
	}
	return text, signed, nil
}

// parseQueryV4 reads a signed URL.
func (c *call) parseQueryV4() (*signature, error) {
	if version := c.query.Get(queryVersionV4); version != algorithmV4 {
		return nil, invalidArgumentNamed(queryVersionV4, version, "Invalid signature version.")
	}
	for _, name := range []string{queryCredentialV4, queryDateV4, queryExpiresV4, querySignatureV4} {
		if c.query.Get(name) == "" {
			return nil, invalidArgumentNamed(name, "", "The parameter "+name+" is required.")
		}
	}
	credential, err := parseCredentialV4(c.query.Get(queryCredentialV4))
	if err != nil {
		return nil, err
	}
	date := c.query.Get(queryDateV4)
	signed, err := time.Parse(dateTimeV4, date)
	if err != nil {
		return nil, invalidDate()
	}
	if err := c.checkExpiryV4(signed); err != nil {
		return nil, err
	}
	if err := c.checkScope(credential, signed); err != nil {
		return nil, err
	}
	a := authorizationV4{
		credential: credential,
		additional: parseAdditional(c.query.Get(queryAdditionalV4)),
		signature:  c.query.Get(querySignatureV4),
	}
	return c.signatureV4(a, c.query.Get(queryTokenV4), date), nil
}

func (c *call) checkExpiryV4(signed time.Time) error {
	text := c.query.Get(queryExpiresV4)
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 1 || seconds > int64(maxExpiresV4/time.Second) {
		return invalidArgumentNamed(queryExpiresV4, text,
			fmt.Sprintf("The value of %s must be between 1 and %d.", queryExpiresV4, maxExpiresV4/time.Second))
	}
	if signed.After(c.now.Add(maxSkew)) {
		return accessDenied("Request is not valid yet.").withEC(ecNotYetValid)
	}
	if expires := signed.Add(time.Duration(seconds) * time.Second); c.now.After(expires) {
		return c.requestExpired(expires)
	}
	return nil
}

// checkScope compares the scope of a credential with the request.
func (c *call) checkScope(credential credentialV4, signed time.Time) error {
	if credential.date != signed.UTC().Format("20060102") {
		return invalidArgumentNamed("Credential", credential.date, "Invalid signing date in Authorization header.")
	}
	if credential.product != productV4 {
		return invalidArgument("Invalid signing product in Authorization header.").withEC(ecSigningProduct)
	}
	if region := c.signingRegion(); region != "" && credential.region != region {
		return invalidArgument("Invalid signing region in Authorization header.").withEC(ecSigningRegion)
	}
	return nil
}

// signingRegion is the region that a V4 signature must name: the endpoint's, or the bucket's where the endpoint
// serves them all. It is empty where neither is known, and any will do.
func (c *call) signingRegion() string {
	if c.region != "" {
		return c.region
	}
	return c.config.Region
}

// signatureV4 builds the canonical request and the string to sign.
func (c *call) signatureV4(a authorizationV4, token, date string) *signature {
	s := &signature{
		accessKeyID: a.credential.accessKeyID, securityToken: token, provided: a.signature,
		canonicalRequest: c.canonicalRequestV4(a.additional),
	}
	hash := sha256.Sum256([]byte(s.canonicalRequest))
	s.stringToSign = strings.Join([]string{
		algorithmV4, date, a.credential.scope(), hex.EncodeToString(hash[:]),
	}, "\n")
	s.compute = func(secret string) string {
		key := []byte("aliyun_v4" + secret)
		for _, step := range []string{a.credential.date, a.credential.region, a.credential.product, terminatorV4} {
			key = hmacSHA256(key, step)
		}
		return hex.EncodeToString(hmacSHA256(key, s.stringToSign))
	}
	return s
}

func hmacSHA256(key []byte, data string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(data))
	return mac.Sum(nil)
}

func (c *call) canonicalRequestV4(additional []string) string {
	names := c.ossHeaders()
	for _, name := range []string{"content-type", "content-md5"} {
		if c.request.Header.Get(name) != "" {
			names = append(names, name)
		}
	}
	for _, name := range additional {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var headers strings.Builder
	for _, name := range names {
		headers.WriteString(name + ":" + c.headerValue(name) + "\n")
	}
	return strings.Join([]string{
		c.request.Method, escape(c.canonicalPath(), true), c.canonicalQueryV4(), headers.String(),
		strings.Join(additional, ";"), unsignedPayload,
	}, "\n")
}

// canonicalQueryV4 is all parameters but the signature, encoded and sorted. A parameter without a value has no
// equals sign.
func (c *call) canonicalQueryV4() string {
	var params []string
	for name, values := range c.query {
		if name == querySignatureV4 {
			continue
		}
		for _, value := range values {
			param := escape(name, false)
			if value != "" {
				param += "=" + escape(value, false)
			}
			params = append(params, param)
		}
	}
	slices.SortFunc(params, compareParams)
	return strings.Join(params, "&")
}

// compareParams orders parameters by name, then by value. Comparing the whole text would put a=1 after a-b=1.
func compareParams(a, b string) int {
	nameA, valueA, _ := strings.Cut(a, "=")
	nameB, valueB, _ := strings.Cut(b, "=")
	if order := strings.Compare(nameA, nameB); order != 0 {
		return order
	}
	return strings.Compare(valueA, valueB)
}

// escape percent-encodes everything but the unreserved characters of RFC 3986, and the slash if it is kept.
func escape(s string, keepSlash bool) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; unreserved(c) || c == '/' && keepSlash {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
