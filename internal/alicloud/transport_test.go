// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
)

// The server answers before it has read the body. Without the detaching
// transport the client's background reader races with the rewinding below, which
// the race detector reports.
func TestBodyIsNotReadAfterTheRoundTripIsOver(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	trust, err := TLS{}.config()
	if err != nil {
		t.Fatal(err)
	}
	client := newHTTPClient(trust, idleTimeout, newHosts(), discard())
	body := bytes.NewReader(make([]byte, 64<<20))
	for range 5 {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL, io.NopCloser(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			continue // The server may also close the connection under the body.
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
}

// discard is a log that nobody reads.
func discard() logrus.FieldLogger {
	log, _ := logtest.NewNullLogger()
	return log
}

func TestAHostThatHasAnsweredIsLostAndNotWrong(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	trust, err := TLS{}.config()
	if err != nil {
		t.Fatal(err)
	}
	answered := newHosts()
	// attempts sends a request with a client of its own, as another location would, and says how often it is worth it.
	attempts := func() int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := newHTTPClient(trust, idleTimeout, answered, discard()).Do(req)
		if err != nil {
			if got := failure.Classify(err); got != failure.Unreachable {
				t.Errorf("%v is classified as %v", err, got)
			}
			return failure.Attempts(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		return 0
	}
	if got := attempts(); got != 0 {
		t.Fatalf("the server does not answer, and is worth %d attempts", got)
	}
	server.Close()
	if got := attempts(); got != failure.MaxAttempts {
		t.Errorf("a host that has answered before is worth %d attempts, want %d", got, failure.MaxAttempts)
	}
	answered = newHosts()
	if got := attempts(); got != 3 {
		t.Errorf("a host that has never answered is worth %d attempts, want 3", got)
	}
}

func TestTrust(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})

	get := func(t *testing.T, trust TLS) error {
		t.Helper()
		config, err := trust.config()
		if err != nil {
			t.Fatal(err)
		}
		client := newHTTPClient(config, idleTimeout, newHosts(), discard())
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	t.Run("an unknown authority is refused", func(t *testing.T) {
		t.Parallel()
		var unknown x509.UnknownAuthorityError
		if err := get(t, TLS{}); !errors.As(err, &unknown) {
			t.Errorf("got %v, want an unknown authority", err)
		}
	})
	t.Run("the location's certificate is trusted", func(t *testing.T) {
		t.Parallel()
		if err := get(t, TLS{CACert: certificate}); err != nil {
			t.Error(err)
		}
	})
	t.Run("verification can be switched off", func(t *testing.T) {
		t.Parallel()
		if err := get(t, TLS{InsecureSkipVerify: true}); err != nil {
			t.Error(err)
		}
	})
	t.Run("what is no certificate is refused", func(t *testing.T) {
		t.Parallel()
		if _, err := (TLS{CACert: []byte("not PEM")}).config(); err == nil {
			t.Error("accepted")
		}
	})
}

func TestAProxyThatRefusesMakesTheEndpointUnreachable(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]failure.Class{
		http.StatusOK:         failure.Unknown,
		http.StatusBadGateway: failure.Unreachable,
		http.StatusForbidden:  failure.Unreachable,
	} {
		answer := &http.Response{StatusCode: status, Status: http.StatusText(status)}
		err := proxyAnswered(t.Context(), &url.URL{Host: "proxy.example.com:3128"}, nil, answer)
		if got := failure.Classify(err); got != want {
			t.Errorf("status %d: %v is classified as %v, want %v", status, err, got, want)
		}
	}
}
