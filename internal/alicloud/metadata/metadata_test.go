// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const document = `{"region-id":"cn-hangzhou","zone-id":"cn-hangzhou-h","instance-id":"i-bp1","owner-account-id":"1234567890","image-id":"m-1"}`

const roleAnswer = `{"Code":"Success","AccessKeyId":"STS.id","AccessKeySecret":"the-secret","SecurityToken":"the-token",` +
	`"Expiration":"2026-03-01T12:00:00Z","LastUpdated":"2026-03-01T06:00:00Z"}`

// service is the metadata service of one instance.
type service struct {
	// mode is how the service treats tokens.
	mode mode
	// answers are the bodies by path below /latest; a path without one is 404.
	answers map[string]string
	// busy is how many requests are answered with 503 first.
	busy int

	mu       sync.Mutex
	token    string
	requests []string
}

type mode int

const (
	hardened  mode = iota // Requests need the token.
	tokenless             // An instance that knows no tokens: 404 for them.
	refusing              // Everything is 403: the metadata service is switched off.
)

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/latest")
	s.requests = append(s.requests, r.Method+" "+path)
	answer, known := s.answers[path]
	switch {
	case s.busy > 0:
		s.busy--
		w.WriteHeader(http.StatusServiceUnavailable)
	case s.mode == refusing:
		w.WriteHeader(http.StatusForbidden)
	case r.Method == http.MethodPut && path == "/api/token" && s.mode == hardened:
		if r.Header.Get(tokenTTLHeader) != "21600" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.token += "t"
		_, _ = w.Write([]byte(s.token))
	case s.mode == hardened && r.Header.Get(tokenHeader) == "":
		w.WriteHeader(http.StatusForbidden)
	case s.mode == hardened && r.Header.Get(tokenHeader) != s.token:
		w.WriteHeader(http.StatusUnauthorized)
	case !known:
		w.WriteHeader(http.StatusNotFound)
	default:
		_, _ = w.Write([]byte(answer))
	}
}

func (s *service) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// start serves s and returns a client of it.
func start(t *testing.T, s *service) *Client {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return New(server.URL+"/", nil)
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	want := Identity{RegionID: "cn-hangzhou", ZoneID: "cn-hangzhou-h", InstanceID: "i-bp1", OwnerAccountID: "1234567890"}
	tests := []struct {
		name         string
		service      *service
		want         Identity
		wantErr      string
		wantRequests []string
	}{
		{
			name:         "a hardened instance is asked with a token, once",
			service:      &service{answers: map[string]string{"/dynamic/instance-identity/document": document}},
			want:         want,
			wantRequests: []string{"PUT /api/token", "GET /dynamic/instance-identity/document"},
		},
		{
			name:         "an old instance that knows no tokens is asked without one",
			service:      &service{mode: tokenless, answers: map[string]string{"/dynamic/instance-identity/document": document}},
			want:         want,
			wantRequests: []string{"PUT /api/token", "GET /dynamic/instance-identity/document"},
		},
		{
			name:         "a refused token is not replaced by a request without one",
			service:      &service{mode: refusing},
			wantErr:      "get a metadata session token: PUT /latest/api/token: HTTP 403",
			wantRequests: []string{"PUT /api/token", "PUT /api/token"},
		},
		{
			name:    "a busy service is asked again",
			service: &service{busy: 2, answers: map[string]string{"/dynamic/instance-identity/document": document}},
			want:    want,
			wantRequests: []string{
				"PUT /api/token", "PUT /api/token", "PUT /api/token", "GET /dynamic/instance-identity/document",
			},
		},
		{
			name:         "a document that is not JSON is an error",
			service:      &service{answers: map[string]string{"/dynamic/instance-identity/document": "<html>"}},
			wantErr:      "decode the instance identity document",
			wantRequests: []string{"PUT /api/token", "GET /dynamic/instance-identity/document", "GET /dynamic/instance-identity/document"},
		},
		{
			name:         "a document without a region is an error",
			service:      &service{answers: map[string]string{"/dynamic/instance-identity/document": "{}"}},
			wantErr:      "names no region-id",
			wantRequests: []string{"PUT /api/token", "GET /dynamic/instance-identity/document", "GET /dynamic/instance-identity/document"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := start(t, tt.service)
			for range 2 { // The second answer comes from memory where there was a first.
				got, err := client.Identity(t.Context())
				checkError(t, err, tt.wantErr)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("identity (-want +got):\n%s", diff)
				}
			}
			if diff := cmp.Diff(tt.wantRequests, tt.service.seen()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRole(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		service *service
		want    string
		wantErr string
		wantIs  error
	}{
		{
			name:    "the attached role is named",
			service: &service{answers: map[string]string{"/meta-data/ram/security-credentials/": "KubernetesWorkerRole-1\n"}},
			want:    "KubernetesWorkerRole-1",
		},
		{
			name:    "no role, said by 404",
			service: &service{},
			wantErr: "attach one",
			wantIs:  ErrNoRole,
		},
		{
			name:    "no role, said by an empty list",
			service: &service{answers: map[string]string{"/meta-data/ram/security-credentials/": "\n"}},
			wantErr: "attach one",
			wantIs:  ErrNoRole,
		},
		{
			name:    "a metadata service that is switched off",
			service: &service{mode: refusing},
			wantErr: "HttpEndpoint and HttpTokens",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := start(t, tt.service).Role(t.Context())
			checkError(t, err, tt.wantErr)
			if tt.wantIs != nil && !errors.Is(err, tt.wantIs) {
				t.Errorf("error %v does not wrap %v", err, tt.wantIs)
			}
			if got != tt.want {
				t.Errorf("role %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRoleCredentials(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answer  string
		want    RoleCredentials
		wantErr string
	}{
		{
			name:   "the role's credentials are returned",
			answer: roleAnswer,
			want: RoleCredentials{
				AccessKeyID: "STS.id", AccessKeySecret: "the-secret", SecurityToken: "the-token",
				Expiration: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
			},
		},
		{name: "a role that is not attached", wantErr: `"worker"; attach it`},
		{name: "a failure of the service", answer: `{"Code":"AssumeRoleFailed"}`, wantErr: `code "AssumeRoleFailed"`},
		{name: "not JSON", answer: `{"AccessKeySecret": "the-secret`, wantErr: "not the JSON"},
		{name: "no token", answer: strings.Replace(roleAnswer, "the-token", "", 1), wantErr: "lacks the access key or the security token"},
		{name: "no time of expiry", answer: strings.Replace(roleAnswer, "2026-03-01T12:00:00Z", "soon", 1), wantErr: "malformed Expiration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &service{answers: map[string]string{}}
			if tt.answer != "" {
				s.answers["/meta-data/ram/security-credentials/worker"] = tt.answer
			}
			got, err := start(t, s).RoleCredentials(t.Context(), "worker")
			checkError(t, err, tt.wantErr)
			if err != nil && strings.Contains(err.Error(), "the-secret") {
				t.Errorf("the error shows the secret: %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("credentials (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRoleCredentialsDoNotShowTheirSecrets(t *testing.T) {
	t.Parallel()
	credentials, err := parseRoleCredentials([]byte(roleAnswer))
	if err != nil {
		t.Fatal(err)
	}
	const want = "credentials of a RAM role, valid until 2026-03-01T12:00:00Z"
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if got := fmt.Sprintf(format, credentials); got != want {
			t.Errorf("%s prints %q, want %q", format, got, want)
		}
	}
}

func TestTokenIsRenewedBeforeItEnds(t *testing.T) {
	t.Parallel()
	s := &service{answers: map[string]string{"/meta-data/ram/security-credentials/": "worker"}}
	client := start(t, s)
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	client.now = func() time.Time { return now }

	for _, step := range []time.Duration{0, time.Hour, tokenTTL - tokenMargin - time.Hour - time.Second, time.Second} {
		now = now.Add(step)
		if _, err := client.Role(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"PUT /api/token", "GET /meta-data/ram/security-credentials/",
		"GET /meta-data/ram/security-credentials/",
		"GET /meta-data/ram/security-credentials/",
		"PUT /api/token", "GET /meta-data/ram/security-credentials/",
	}
	if diff := cmp.Diff(want, s.seen()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestTokenThatTheServiceForgotIsReplaced(t *testing.T) {
	t.Parallel()
	s := &service{answers: map[string]string{"/meta-data/ram/security-credentials/": "worker"}}
	client := start(t, s)
	if _, err := client.Role(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.token = "another"
	s.mu.Unlock()
	role, err := client.Role(t.Context())
	if err != nil || role != "worker" {
		t.Errorf("role %q, error %v", role, err)
	}
}

func TestInstanceThatIsSwitchedToHardenedMode(t *testing.T) {
	t.Parallel()
	s := &service{mode: tokenless, answers: map[string]string{"/meta-data/ram/security-credentials/": "worker"}}
	client := start(t, s)
	if _, err := client.Role(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.mode = hardened
	s.mu.Unlock()
	role, err := client.Role(t.Context())
	if err != nil || role != "worker" {
		t.Errorf("role %q, error %v", role, err)
	}
}

func TestNotOnECS(t *testing.T) {
	t.Parallel()
	var dials int
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}
	client := New("", &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			dials++
			return nil, refused
		},
	}})
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	client.now = func() time.Time { return now }

	for range 3 {
		_, err := client.Identity(t.Context())
		if !errors.Is(err, ErrNotOnECS) || !errors.Is(err, refused) {
			t.Fatalf("error %v does not wrap ErrNotOnECS and its cause", err)
		}
		checkError(t, err, "HttpPutResponseHopLimit")
	}
	if dials != 1 {
		t.Errorf("%d connections were tried within the time in which the silence is remembered, want 1", dials)
	}
	now = now.Add(silencePeriod)
	if _, err := client.Role(t.Context()); !errors.Is(err, ErrNotOnECS) {
		t.Errorf("error %v does not wrap ErrNotOnECS", err)
	}
	if dials != 2 {
		t.Errorf("%d connections were tried, want a second one after a while", dials)
	}
}

func TestTokenThatDoesNotReachThePod(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		status       int // Of requests without a token.
		wantErr      string
		wantNotOnECS bool
		wantRequests []string
	}{
		{
			name: "an instance that does not insist on tokens is asked without one", status: http.StatusOK,
			wantRequests: []string{"PUT " + tokenPath, "GET " + documentPath, "GET " + rolePath, "GET " + rolePath},
		},
		{
			name: "an instance that insists on them is not reachable, which is remembered", status: http.StatusForbidden,
			wantErr: "HttpPutResponseHopLimit", wantNotOnECS: true,
			wantRequests: []string{"PUT " + tokenPath, "GET " + documentPath},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var requests []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				requests = append(requests, r.Method+" "+r.URL.Path)
				mu.Unlock()
				if r.Method == http.MethodPut {
					panic(http.ErrAbortHandler) // No answer.
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte("worker"))
			}))
			t.Cleanup(server.Close)
			client := New(server.URL, nil)
			for range 2 {
				role, err := client.Role(t.Context())
				checkError(t, err, tt.wantErr)
				if errors.Is(err, ErrNotOnECS) != tt.wantNotOnECS || (err == nil && role != "worker") {
					t.Errorf("role %q, error %v", role, err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(tt.wantRequests, requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServiceThatWentSilentIsNotTakenForAnother(t *testing.T) {
	t.Parallel()
	s := &service{answers: map[string]string{"/meta-data/ram/security-credentials/": "worker"}}
	server := httptest.NewServer(s)
	client := New(server.URL, nil)
	if _, err := client.Role(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Close()
	_, err := client.Role(t.Context())
	checkError(t, err, "ask the metadata service")
	if errors.Is(err, ErrNotOnECS) {
		t.Errorf("%v: the instance has not left Alibaba Cloud", err)
	}
}

func TestCallerWhoGivesUpTeachesNothing(t *testing.T) {
	t.Parallel()
	s := &service{answers: map[string]string{"/dynamic/instance-identity/document": document}}
	client := start(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Identity(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotOnECS) {
		t.Errorf("error %v, want that of the context alone", err)
	}
	if _, err := client.Identity(t.Context()); err != nil {
		t.Errorf("the next caller gets: %v", err)
	}
}

func TestCallerWhoGivesUpWhileTheServiceIsBusy(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		time.AfterFunc(10*time.Millisecond, cancel)
	}))
	t.Cleanup(server.Close)
	if _, err := New(server.URL, nil).Identity(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestMalformedBaseURLIsAnError(t *testing.T) {
	t.Parallel()
	_, err := New("http://[", nil).Identity(t.Context())
	checkError(t, err, "make a request to the metadata service")
}

func TestNoProxyIsUsed(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	transport, ok := newHTTPClient().Transport.(*http.Transport)
	if !ok || transport.Proxy != nil {
		t.Error("the client would ask a proxy, which is another machine")
	}
}

func FuzzParseRoleCredentials(f *testing.F) {
	f.Add([]byte(roleAnswer))
	f.Add([]byte(`{"Code":"Success"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseRoleCredentials(body)
		if err == nil && (got.AccessKeyID == "" || got.AccessKeySecret == "" || got.SecurityToken == "") {
			t.Errorf("incomplete credentials without an error")
		}
	})
}

// checkError fails unless err contains want, or is nil where want is empty.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want one that contains %q", err, want)
	}
}
