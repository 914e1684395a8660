// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/alibabacloud-go/tea/dara"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, at, wantProtocol, wantHost string
		wantErr                          bool
	}{
		{name: "a host means https", at: "sts.aliyuncs.com", wantProtocol: "https", wantHost: "sts.aliyuncs.com"},
		{name: "a URL with http and a port", at: "http://127.0.0.1:8080/", wantProtocol: "http", wantHost: "127.0.0.1:8080"},
		{name: "another protocol", at: "ftp://sts.aliyuncs.com", wantErr: true},
		{name: "a path", at: "https://sts.aliyuncs.com/v1", wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config, err := Config(tt.at, http.DefaultClient)
			if (err != nil) != tt.wantErr {
				t.Fatalf("error = %v, want one: %v", err, tt.wantErr)
			}
			if err != nil {
				return
			}
			if got := dara.StringValue(config.Protocol); got != tt.wantProtocol {
				t.Errorf("protocol %q, want %q", got, tt.wantProtocol)
			}
			if got := dara.StringValue(config.Endpoint); got != tt.wantHost {
				t.Errorf("host %q, want %q", got, tt.wantHost)
			}
		})
	}
}

func TestTheServiceDoesNotSeeTheProxysPassword(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "" || r.Header.Get("X-Kept") != "yes" {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = w.Write([]byte("{}"))
	}))
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"proxy-authorization": {"Basic x"}, "X-Kept": {"yes"}}
	response, err := requester{client: server.Client()}.Call(request, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Error("the header reached the service")
	}
}

func TestASuccessWithoutContentIsAnError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, content string
		status        int
		wantErr       error
	}{
		{name: "a success with content", status: http.StatusOK, content: `{"RequestId": "1"}`},
		{name: "a success without content", status: http.StatusOK, wantErr: io.ErrUnexpectedEOF},
		{name: "a failure without content", status: http.StatusBadGateway},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.content))
			}))
			t.Cleanup(server.Close)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := requester{client: server.Client()}.Call(request, nil)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err != nil {
				return
			}
			content, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil || string(content) != tt.content || response.StatusCode != tt.status {
				t.Errorf("%d %q, %v, want %d %q", response.StatusCode, content, err, tt.status, tt.content)
			}
		})
	}
}

func TestARequestEndsWithTheContextOfItsConfig(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	config, err := ConfigFor(ctx, server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	// The SDK's own requests have no context that ends.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := config.HttpClient.Call(request, nil)
	if err == nil {
		_ = response.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the end of the context", err)
	}
	if _, err := ConfigFor(ctx, "ftp://x", server.Client()); err == nil {
		t.Error("a malformed endpoint is accepted")
	}
}
