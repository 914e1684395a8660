// SPDX-License-Identifier: Apache-2.0

// Package front is what stands between a listener and a simulated service: it gives every request an id, keeps
// the journal and applies the fault rules.
package front

import "net/http"

// Service is a simulated service behind a front.
//
// Its ServeHTTP finds the request's id in journal.From(ctx).RequestID and puts it into headers and bodies, fills
// in the entry's AccessKeyID, Caller and Code, and asks fault.FromContext(ctx) for the effects in which it must
// cooperate.
type Service interface {
	http.Handler

	// Name is the service's name in the journal and in fault rules: oss, rpc, imds.
	Name() string

	// Operation returns the API's name of what the request asks for, and the resource: "PutObject", "bucket/key".
	// It is called before ServeHTTP, must not consume the body, and must answer for malformed requests too.
	Operation(r *http.Request) (operation, resource string)

	// WriteError answers the request with an error in the service's own form.
	WriteError(w http.ResponseWriter, r *http.Request, status int, code, message string)
}
