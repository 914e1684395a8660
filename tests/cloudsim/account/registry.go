// SPDX-License-Identifier: Apache-2.0

// Package account holds the accounts of the simulated cloud: RAM users, roles, access keys, STS sessions, and the
// policies that say what each may do.
package account

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// Errors of Registry.Key.
var (
	ErrUnknownKey   = errors.New("access key does not exist")
	ErrInactiveKey  = errors.New("access key is inactive")
	ErrInvalidToken = errors.New("security token is invalid")
	ErrExpiredToken = errors.New("security token has expired")
)

// Registry is all accounts. It is safe for concurrent use.
type Registry struct {
	now func() time.Time

	mu sync.RWMutex
}

// New returns a registry without accounts. The clock decides when sessions expire.
func New(now func() time.Time) *Registry {
	return &Registry{now: now}
}

// Caller is who signed a request.
type Caller struct {
	// AccountID is the main account to which the caller belongs.
	AccountID string
	// ARN names the caller: acs:ram::<account>:root, :user/<name>, or acs:ram::<account>:assumed-role/<role>/<session>.
	ARN string
	// AccessKeyID is the key that signed.
	AccessKeyID string
	// Session says that the key is a temporary one of STS.
	Session bool
}

// WithRequest returns the caller with the condition keys that an HTTP request has: acs:SourceIp,
// acs:SecureTransport and acs:UserAgent.
func (c Caller) WithRequest(_ *http.Request) Caller { return c }

// With returns the caller with one more condition key of the request that is being decided, such as oss:Prefix.
func (c Caller) With(_, _ string) Caller { return c }

// Key returns the secret of an access key and whose it is. A key of STS needs its security token, any other key
// must come without one.
func (r *Registry) Key(_, _ string) (secret string, caller Caller, err error) {
	return "", Caller{}, ErrUnknownKey
}

// Allows says whether the caller may do the action ("oss:PutObject") on the resource
// ("acs:oss:*:<account>:<bucket>/<key>"). An explicit Deny wins, and what no statement allows is denied.
func (r *Registry) Allows(_ Caller, _, _ string) bool { return false }
