// SPDX-License-Identifier: Apache-2.0

package sts

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

const (
	algorithmRS256 = "RS256"
	issuerKeyBits  = 2048
)

// Issuer signs OIDC tokens as the API server of a cluster does for its service accounts.
type Issuer struct {
	url string
	key *rsa.PrivateKey
}

// NewIssuer returns an issuer with a new key.
func NewIssuer(url string) (*Issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, issuerKeyBits)
	if err != nil {
		return nil, fmt.Errorf("make the key of the issuer %s: %w", url, err)
	}
	return &Issuer{url: url, key: key}, nil
}

// PublicKey returns the key that verifies the issuer's tokens.
func (i *Issuer) PublicKey() *rsa.PublicKey { return &i.key.PublicKey }

// Mint returns a token for a subject, such as system:serviceaccount:velero:velero, and an audience.
func (i *Issuer) Mint(subject, forAudience string, issuedAt time.Time, lifetime time.Duration) (string, error) {
	header, err := encodePart(tokenHeader{Algorithm: algorithmRS256, Type: "JWT"})
	if err != nil {
		return "", err
	}
	claims, err := encodePart(tokenClaims{
		Issuer: i.url, Subject: subject, Audience: audience{forAudience},
		IssuedAt: float64(issuedAt.Unix()), Expires: float64(issuedAt.Add(lifetime).Unix()),
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(header + "." + claims))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return header + "." + claims + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func encodePart(part any) (string, error) {
	data, err := json.Marshal(part)
	if err != nil {
		return "", fmt.Errorf("encode a part of a token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(data), nil
}
