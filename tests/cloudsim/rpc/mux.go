// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
)

// maxBody bounds the body of a call, as the gateway does.
const maxBody = 8 << 20

// Mux gives each call to its service. It reads the body ahead, because the name of an action may be in it.
type Mux struct {
	byProduct map[string]http.Handler
	byVersion map[string]http.Handler
	otherwise http.Handler
}

// NewMux returns a mux. What no service takes goes to otherwise.
func NewMux(otherwise http.Handler) *Mux {
	return &Mux{byProduct: map[string]http.Handler{}, byVersion: map[string]http.Handler{}, otherwise: otherwise}
}

// Handle gives the calls of a service to a handler, which is the service's front.
func (m *Mux) Handle(s *Service, h http.Handler) {
	m.byProduct[s.config.Product] = h
	m.byVersion[s.version] = h
}

// ServeHTTP implements http.Handler. The endpoint's name decides; where it is an address, the version of the API
// does, which no two products share.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body can not be read", http.StatusRequestEntityTooLarge)
		return
	}
	// The service reads the body once more, through its front, which counts and may damage it.
	r.Body = io.NopCloser(bytes.NewReader(body))
	h := readHead(r, body)
	r = r.WithContext(context.WithValue(r.Context(), headKey{}, h))
	handler := m.byVersion[h.version]
	if e, ok := ParseEndpoint(r.Host); ok {
		handler = m.byProduct[e.Product]
	}
	if handler == nil {
		handler = m.otherwise
	}
	handler.ServeHTTP(w, r)
}

// head is what tells which operation a call is for.
type head struct {
	action, version string
	params          Params
}

type headKey struct{}

func headOf(r *http.Request) head {
	h, _ := r.Context().Value(headKey{}).(head)
	return h
}

func readHead(r *http.Request, body []byte) head {
	params := readParams(r, body)
	h := head{action: r.Header.Get(headerAction), version: r.Header.Get(headerVersion), params: params}
	if h.action == "" {
		h.action = params.String(paramAction)
	}
	if h.version == "" {
		h.version = params.String(paramVersion)
	}
	return h
}

// readParams takes the parameters from the query and, when it is a form, from the body.
func readParams(r *http.Request, body []byte) Params {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // a malformed type is that of no form
	if media != "application/x-www-form-urlencoded" {
		return mergeParams(r.URL.Query())
	}
	form, _ := url.ParseQuery(string(body)) // pairs that are malformed are left out
	return mergeParams(r.URL.Query(), form)
}
