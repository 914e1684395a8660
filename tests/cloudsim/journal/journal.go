// SPDX-License-Identifier: Apache-2.0

// Package journal keeps one entry for every request that the simulated cloud received.
package journal

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Entry describes one request and its answer.
type Entry struct {
	// Time is when the request's head had been read, by the clock of the cloud.
	Time time.Time `json:"time"`
	// Service is the simulated service: oss, sts, ecs, imds, and so on.
	Service string `json:"service"`
	// Operation is the API's name of what was asked for, such as PutObject.
	Operation string `json:"operation"`
	// Resource is what it was asked for, in the service's own form: bucket/key, a role's ARN.
	Resource string `json:"resource,omitempty"`
	// AccessKeyID is the key that signed the request, also when the signature was refused.
	AccessKeyID string `json:"accessKeyId,omitempty"`
	// Caller is the ARN of who signed the request. It is empty until the signature was accepted.
	Caller string `json:"caller,omitempty"`
	// Method and Host are those of the HTTP request.
	Method string `json:"method"`
	Host   string `json:"host"`
	// TLS says whether the request came over TLS.
	TLS bool `json:"tls"`
	// Status is the HTTP status of the answer, 0 when the connection was cut before one was sent.
	Status int `json:"status"`
	// Code is the service's error code, empty on success.
	Code string `json:"code,omitempty"`
	// RequestBytes and ResponseBytes count the bodies as far as they were read and written.
	RequestBytes  int64 `json:"requestBytes"`
	ResponseBytes int64 `json:"responseBytes"`
	// RequestID is the id that the answer carries.
	RequestID string `json:"requestId"`
	// Connection is the client's address: equal for requests that shared a connection.
	Connection string `json:"connection"`
	// Faults says how many fault rules acted on the request.
	Faults int `json:"faults,omitempty"`
	// UnknownParameters are the parameters that the service does not know and ignored.
	UnknownParameters []string `json:"unknownParameters,omitempty"`
}

// Journal is a list of entries in the order in which their answers began. It is safe for concurrent use.
type Journal struct {
	mu      sync.RWMutex
	entries []*Entry
}

// New returns an empty journal.
func New() *Journal { return &Journal{} }

// Add appends an entry.
func (j *Journal) Add(e Entry) { j.Begin(e) }

// Begin appends an entry that is not complete yet. The returned function replaces it by its final state. So an entry
// is there before the client can have seen anything of the answer, and a client that counts does not count short.
func (j *Journal) Begin(e Entry) (finish func(Entry)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := e
	j.entries = append(j.entries, &kept)
	return func(final Entry) {
		j.mu.Lock()
		defer j.mu.Unlock()
		kept = final
	}
}

// Entries returns a copy of the entries.
func (j *Journal) Entries() []Entry {
	j.mu.RLock()
	defer j.mu.RUnlock()
	entries := make([]Entry, len(j.entries))
	for i, e := range j.entries {
		entries[i] = *e
	}
	return entries
}

// Count returns how many requests for an operation of a service there were. An empty argument matches all.
func (j *Journal) Count(service, operation string) int {
	j.mu.RLock()
	defer j.mu.RUnlock()
	n := 0
	for _, e := range j.entries {
		if (service == "" || e.Service == service) && (operation == "" || e.Operation == operation) {
			n++
		}
	}
	return n
}

// Reset removes all entries.
func (j *Journal) Reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = nil
}

// ServeHTTP answers GET with all entries as a JSON list, and empties the journal on DELETE.
func (j *Journal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(j.Entries()); err != nil {
			return // the client has gone: there is nobody to tell
		}
	case http.MethodDelete:
		j.Reset()
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, DELETE")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

type contextKey struct{}

// Into returns a context that carries the entry of the request that it belongs to.
func Into(ctx context.Context, e *Entry) context.Context {
	return context.WithValue(ctx, contextKey{}, e)
}

// From returns the entry of the request, for its service to fill in. It is never nil: outside of a request that
// is journalled it returns an entry that nobody sees.
func From(ctx context.Context) *Entry {
	if e, ok := ctx.Value(contextKey{}).(*Entry); ok {
		return e
	}
	return &Entry{}
}
