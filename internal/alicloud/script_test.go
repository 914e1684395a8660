// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
)

// reply is what a scripted service does with one call.
type reply struct {
	// status is the HTTP status, 200 by default.
	status int
	body   string
	// reset breaks the connection without an answer.
	reset bool
	// hang is called and nothing answered until the client has gone.
	hang func()
}

// script is a service that answers as it is told, for what no documented service says.
type script struct {
	url string

	mu      sync.Mutex
	replies []reply
	calls   []scriptedCall
}

// scriptedCall is what a scripted service got.
type scriptedCall struct {
	API, Version string
	Query, Form  url.Values
}

// newScript starts a service that gives the replies in turn, and the last one for ever.
func newScript(t *testing.T, replies ...reply) *script {
	t.Helper()
	s := &script{replies: replies}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// ServeHTTP implements http.Handler.
func (s *script) ServeHTTP(rw http.ResponseWriter, request *http.Request) {
	now, err := s.next(request)
	switch {
	case err != nil:
		http.Error(rw, err.Error(), http.StatusTeapot)
	case now.reset:
		panic(http.ErrAbortHandler)
	case now.hang != nil:
		now.hang()
		<-request.Context().Done()
	default:
		rw.Header().Set("Content-Type", "application/json")
		if now.status != 0 {
			rw.WriteHeader(now.status)
		}
		fmt.Fprint(rw, now.body)
	}
}

func (s *script) next(request *http.Request) (reply, error) {
	content, err := io.ReadAll(request.Body)
	if err != nil {
		return reply{}, err
	}
	form, err := url.ParseQuery(string(content))
	if err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, scriptedCall{
		API: request.Header.Get("X-Acs-Action"), Version: request.Header.Get("X-Acs-Version"), Query: request.URL.Query(), Form: form,
	})
	now := s.replies[0]
	if len(s.replies) > 1 {
		s.replies = s.replies[1:]
	}
	return now, nil
}

// got returns the calls so far, and forgets them.
func (s *script) got() []scriptedCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// config is that of a location at the service.
func (s *script) config(t *testing.T) ServiceConfig {
	t.Helper()
	return ServiceConfig{Region: "cn-hangzhou", Endpoint: s.url, Credentials: credentials.Config{File: file(t, "LTAIx", "secret")}}
}

// hbr is the Cloud Backup of a world that the script plays.
func (s *script) hbr(t *testing.T, w *world) *HBR {
	t.Helper()
	client, err := w.HBR(t.Context(), s.config(t))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// nas is the NAS of a world that the script plays.
func (s *script) nas(t *testing.T, w *world) *NAS {
	t.Helper()
	client, err := w.NAS(t.Context(), s.config(t))
	if err != nil {
		t.Fatal(err)
	}
	return client
}
