// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

// Names of the parameters of the RPC protocol.
const (
	paramAction          = "Action"
	paramVersion         = "Version"
	paramAccessKeyID     = "AccessKeyId"
	paramSecurityToken   = "SecurityToken"
	paramSignature       = "Signature"
	paramSignatureMethod = "SignatureMethod"
	paramSignatureNonce  = "SignatureNonce"
	paramTimestamp       = "Timestamp"
)

// Names of the headers of signature version 3.
const (
	headerAction  = "x-acs-action"
	headerVersion = "x-acs-version"
	headerDate    = "x-acs-date"
	headerNonce   = "x-acs-signature-nonce"
	headerHash    = "x-acs-content-sha256"
	headerToken   = "x-acs-security-token"
)

const (
	algorithmV3      = "ACS3-HMAC-SHA256"
	algorithmClassic = "HMAC-SHA1"
	// timestampLayout is ISO 8601 in UTC, the only form that the gateway takes.
	timestampLayout = "2006-01-02T15:04:05Z"
	// maxSkew is by how much a client's clock may differ from the gateway's.
	maxSkew = 15 * time.Minute
)

// Keys finds access keys. It is account.Registry.
type Keys interface {
	Key(accessKeyID, securityToken string) (secret string, caller account.Caller, err error)
}

// Verifier checks who signed a call. One verifier is shared by all services, because a nonce must not be used
// twice at any of them. It is safe for concurrent use.
type Verifier struct {
	keys Keys
	now  func() time.Time

	mu     sync.Mutex
	nonces map[string]time.Time // when each nonce may be forgotten
}

// NewVerifier returns a verifier that has seen no nonce.
func NewVerifier(keys Keys, now func() time.Time) *Verifier {
	return &Verifier{keys: keys, now: now, nonces: map[string]time.Time{}}
}

// signed is what a call says of its signature, in either form.
type signed struct {
	accessKeyID   string
	securityToken string
	timestamp     string
	nonce         string
	signature     string
	stringToSign  string
	// sign computes the signature with a secret.
	sign func(secret, stringToSign string) string
}

// verify returns who signed the call.
func (v *Verifier) verify(r *http.Request, body []byte, p Params) (account.Caller, *Error) {
	s, failure := readSignature(r, body, p)
	if failure != nil {
		return account.Caller{}, failure
	}
	journal.From(r.Context()).AccessKeyID = s.accessKeyID
	effect := fault.FromContext(r.Context())
	now := v.now().Add(effect.ClockSkew)
	at, err := time.Parse(timestampLayout, s.timestamp)
	if err != nil {
		return account.Caller{}, BadRequest("InvalidTimeStamp.Format",
			"Specified time stamp or date value is not well formatted.")
	}
	if now.Sub(at).Abs() > maxSkew {
		return account.Caller{}, BadRequest("InvalidTimeStamp.Expired",
			"Specified time stamp or date value is expired.")
	}
	secret, caller, err := v.keys.Key(s.accessKeyID, s.securityToken)
	if err == nil && caller.Session && effect.ExpireToken {
		err = account.ErrExpiredToken
	}
	if err != nil {
		return account.Caller{}, keyError(err, s.securityToken)
	}
	if !hmac.Equal([]byte(s.sign(secret, s.stringToSign)), []byte(s.signature)) {
		return account.Caller{}, BadRequest("SignatureDoesNotMatch",
			"Specified signature is not matched with our calculation. server string to sign is:"+s.stringToSign)
	}
	if !v.useNonce(s.accessKeyID+"\n"+s.nonce, now) {
		return account.Caller{}, BadRequest("SignatureNonceUsed", "Specified signature nonce was used already.")
	}
	return caller.WithRequest(r), nil
}

// useNonce remembers a nonce. It is false when the nonce was used before, within the time in which the timestamp
// of a repeated call would still be accepted.
func (v *Verifier) useNonce(nonce string, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.nonces, func(_ string, forget time.Time) bool { return forget.Before(now) })
	if _, used := v.nonces[nonce]; used {
		return false
	}
	v.nonces[nonce] = now.Add(2 * maxSkew)
	return true
}

func keyError(err error, securityToken string) *Error {
	switch {
	case errors.Is(err, account.ErrUnknownKey):
		return NotFound("InvalidAccessKeyId.NotFound", "Specified access key is not found.")
	case errors.Is(err, account.ErrInactiveKey):
		return BadRequest("InvalidAccessKeyId.Inactive", "Specified access key is disabled.")
	case errors.Is(err, account.ErrExpiredToken):
		return BadRequest("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
	case errors.Is(err, account.ErrInvalidToken) && securityToken == "":
		return missing(paramSecurityToken)
	case errors.Is(err, account.ErrInvalidToken):
		return BadRequest("InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.")
	default:
		return InternalError()
	}
}

func readSignature(r *http.Request, body []byte, p Params) (signed, *Error) {
	if authorization := r.Header.Get("Authorization"); authorization != "" {
		return readV3(r, body, authorization)
	}
	return readClassic(r.Method, p)
}

// readV3 reads signature version 3: Authorization: ACS3-HMAC-SHA256 Credential=…,SignedHeaders=a;b,Signature=….
func readV3(r *http.Request, body []byte, authorization string) (signed, *Error) {
	incomplete := BadRequest("IncompleteSignature", "The request signature does not conform to Aliyun standards.")
	algorithm, rest, _ := strings.Cut(authorization, " ")
	if algorithm != algorithmV3 {
		return signed{}, BadRequest("InvalidSignatureMethod", "Specified signature method is not valid.")
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	headers := strings.Split(fields["SignedHeaders"], ";")
	if fields["Credential"] == "" || fields["Signature"] == "" || !coversAll(headers, r.Header) {
		return signed{}, incomplete
	}
	if r.Header.Get(headerNonce) == "" {
		return signed{}, missing(paramSignatureNonce)
	}
	hash := sha256.Sum256(body)
	// What was signed is the hash that the client claims. One that is not of the body fails here, as a body that
	// was changed on its way.
	if claimed := r.Header.Get(headerHash); claimed != hex.EncodeToString(hash[:]) {
		return signed{}, BadRequest("SignatureDoesNotMatch",
			"Specified signature is not matched with our calculation. The content hash is "+hex.EncodeToString(hash[:]))
	}
	canonical := strings.Join([]string{
		r.Method, canonicalPath(r.URL), canonicalQuery(r.URL.Query()), canonicalHeaders(r, headers),
		fields["SignedHeaders"], r.Header.Get(headerHash),
	}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	return signed{
		accessKeyID:   fields["Credential"],
		securityToken: r.Header.Get(headerToken),
		timestamp:     r.Header.Get(headerDate),
		nonce:         r.Header.Get(headerNonce),
		signature:     fields["Signature"],
		stringToSign:  algorithmV3 + "\n" + hex.EncodeToString(sum[:]),
		sign: func(secret, stringToSign string) string {
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(stringToSign))
			return hex.EncodeToString(mac.Sum(nil))
		},
	}, nil
}

// coversAll says whether the signed headers are in order and have all that must be signed: host, and every
// x-acs- header that the request has.
func coversAll(names []string, header http.Header) bool {
	if !slices.IsSorted(names) || !slices.Contains(names, "host") {
		return false
	}
	for name := range header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-acs-") && !slices.Contains(names, lower) {
			return false
		}
	}
	return true
}

func canonicalPath(u *url.URL) string {
	if u.EscapedPath() == "" {
		return "/"
	}
	return u.EscapedPath()
}

func canonicalHeaders(r *http.Request, names []string) string {
	var b strings.Builder
	for _, name := range names {
		values := slices.Sorted(slices.Values(r.Header.Values(name)))
		if name == "host" {
			values = []string{r.Host} // net/http takes it out of the headers
		}
		for i, value := range values {
			values[i] = strings.TrimSpace(value)
		}
		b.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	return b.String()
}

// canonicalQuery sorts the parameters by name and encodes them.
func canonicalQuery(query url.Values) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			pairs = append(pairs, percentEncode(name)+"="+percentEncode(value))
		}
	}
	return strings.Join(pairs, "&")
}

// percentEncode encodes all but the unreserved characters of RFC 3986.
func percentEncode(s string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
}

// readClassic reads the classic signature, which is among the parameters.
func readClassic(method string, p Params) (signed, *Error) {
	for _, name := range []string{paramAccessKeyID, paramSignature, paramTimestamp, paramSignatureNonce} {
		if p.String(name) == "" {
			return signed{}, missing(name)
		}
	}
	if m := p.String(paramSignatureMethod); m != "" && m != algorithmClassic {
		return signed{}, BadRequest("InvalidSignatureMethod", "Specified signature method is not valid.")
	}
	query := url.Values{}
	for name, value := range p {
		if name != paramSignature {
			query.Set(name, value)
		}
	}
	return signed{
		accessKeyID:   p.String(paramAccessKeyID),
		securityToken: p.String(paramSecurityToken),
		timestamp:     p.String(paramTimestamp),
		nonce:         p.String(paramSignatureNonce),
		signature:     p.String(paramSignature),
		stringToSign:  method + "&%2F&" + percentEncode(canonicalQuery(query)),
		sign: func(secret, stringToSign string) string {
			mac := hmac.New(sha1.New, []byte(secret+"&"))
			mac.Write([]byte(stringToSign))
			return base64.StdEncoding.EncodeToString(mac.Sum(nil))
		},
	}, nil
}
