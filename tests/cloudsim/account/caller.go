// SPDX-License-Identifier: Apache-2.0

package account

import (
	"maps"
	"net"
	"net/http"
	"strconv"
)

// Caller is who signed a request.
type Caller struct {
	// AccountID is the main account to which the caller belongs.
	AccountID string
	// ARN names the caller: acs:ram::<account>:root, acs:ram::<account>:user/<name>, or
	// acs:ram::<account>:assumed-role/<role>/<session name>.
	ARN string
	// AccessKeyID is the key that signed.
	AccessKeyID string
	// Session says that the key is a temporary one of STS.
	Session bool

	// identity is the ARN of the root, user or role whose policies hold for the caller.
	identity string
	// sessionPolicy narrows what a session may do. It is nil when none was given.
	sessionPolicy *Policy
	// request has the values of condition keys.
	request map[string]string
}

// WithRequest returns the caller with the condition keys that every HTTP request has: acs:SourceIp and
// acs:SecureTransport.
func (c Caller) WithRequest(r *http.Request) Caller {
	c = c.With(KeySecureTransport, strconv.FormatBool(r.TLS != nil))
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c = c.With(KeySourceIP, host)
	}
	return c
}

// With returns the caller with one more condition key of the request that is to be decided, such as oss:Prefix.
func (c Caller) With(key, value string) Caller {
	request := maps.Clone(c.request)
	if request == nil {
		request = make(map[string]string, 1)
	}
	request[key] = value
	c.request = request
	return c
}
