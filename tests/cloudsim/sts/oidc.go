// SPDX-License-Identifier: Apache-2.0

package sts

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// Provider is an OIDC provider that is registered in an account.
type Provider struct {
	ARN    string
	Issuer string
	// ClientIDs are the audiences that are accepted. One of them must be in a token.
	ClientIDs []string
	// Keys are the issuer's keys. A token must be signed by one of them, with RS256: the real service calls any
	// other algorithm unknown.
	Keys []*rsa.PublicKey
}

// tokenInfo is the OIDCTokenInfo of an answer.
type tokenInfo struct {
	Subject          string `json:"Subject"`
	Issuer           string `json:"Issuer"`
	ClientIDs        string `json:"ClientIds"`
	ExpirationTime   string `json:"ExpirationTime"`
	IssuanceTime     string `json:"IssuanceTime"`
	VerificationInfo string `json:"VerificationInfo"`
}

type tokenHeader struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid,omitempty"`
	Type      string `json:"typ,omitempty"`
}

type tokenClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expires  float64  `json:"exp"`
	IssuedAt float64  `json:"iat"`
}

// audience is a string or a list of strings, RFC 7519 section 4.1.3.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// verify checks a token and returns what it says. The codes and messages are those of the STS error codes.
func (p Provider) verify(token string, now time.Time) (account.Claims, tokenInfo, error) {
	claims, failure := p.open(token)
	if failure != nil {
		return account.Claims{}, tokenInfo{}, failure
	}
	expires := time.Unix(int64(claims.Expires), 0)
	if !now.Before(expires) {
		return account.Claims{}, tokenInfo{}, unauthenticated("OIDCToken.Expired", "This JsonWebToken is expired.")
	}
	if claims.Issuer != p.Issuer {
		return account.Claims{}, tokenInfo{}, unauthenticated("OIDCToken.Invalid",
			"The Jwt content is invalid that cannot be recognized.")
	}
	matched := slices.IndexFunc(claims.Audience, func(a string) bool { return slices.Contains(p.ClientIDs, a) })
	if matched < 0 {
		return account.Claims{}, tokenInfo{}, unauthenticated("OIDCToken.AudienceNotMatch", "Invalid audience.")
	}
	info := tokenInfo{
		Subject: claims.Subject, Issuer: claims.Issuer, ClientIDs: strings.Join(claims.Audience, ","),
		ExpirationTime:   expires.UTC().Format(time.RFC3339),
		IssuanceTime:     time.Unix(int64(claims.IssuedAt), 0).UTC().Format(time.RFC3339),
		VerificationInfo: "Success",
	}
	return account.Claims{
		Issuer: claims.Issuer, Audience: claims.Audience[matched], Subject: claims.Subject,
	}, info, nil
}

// open verifies the signature of a token and returns its claims.
func (p Provider) open(token string) (tokenClaims, *rpc.Error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return tokenClaims{}, unauthenticated("OIDCToken.Invalid",
			"The number of Jwt field should be divided into 3 parts with '.' .")
	}
	var decoded [3][]byte
	for i, part := range parts {
		data, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return tokenClaims{}, unauthenticated("OIDCToken.Invalid",
				"Cannot decode base64 encoded response(format invalided).")
		}
		decoded[i] = data
	}
	var header tokenHeader
	var claims tokenClaims
	if json.Unmarshal(decoded[0], &header) != nil || json.Unmarshal(decoded[1], &claims) != nil {
		return tokenClaims{}, unauthenticated("OIDCToken.Invalid",
			"The Jwt content is invalid that cannot be recognized.")
	}
	if header.Algorithm != algorithmRS256 {
		return tokenClaims{}, unauthenticated("OIDCToken.Invalid",
			"The algorithm "+header.Algorithm+" that be specified in Jwt header is unknown.")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signedBy := func(key *rsa.PublicKey) bool {
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], decoded[2]) == nil
	}
	if !slices.ContainsFunc(p.Keys, signedBy) {
		return tokenClaims{}, unauthenticated("OIDCToken.InvalidSignature",
			"OIDC token validate failed: invalid signature.")
	}
	return claims, nil
}
