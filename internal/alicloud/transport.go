// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/transport"
	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
)

const (
	// connectTimeout is short, for an endpoint that does not answer is usually
	// the wrong one (an internal endpoint from outside), and is told at once.
	connectTimeout = 5 * time.Second
	// idleTimeout ends a connection on which nothing moves, so that the request is sent on another.
	idleTimeout = 15 * time.Second
	// workTimeout is for requests at which OSS works without a sign of life: it
	// assembles an object of 10,000 parts, or copies 5 GiB.
	workTimeout = 10 * time.Minute
)

// TLS is how a location's server certificate is verified.
type TLS struct {
	// CACert is a PEM bundle that is trusted besides the system's.
	CACert []byte
	// InsecureSkipVerify accepts any certificate.
	InsecureSkipVerify bool
}

// config returns the settings in the form of crypto/tls. A bundle without a certificate is an error.
func (t TLS) config() (*tls.Config, error) {
	roots, err := rootCAs(t.CACert)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            roots,
		InsecureSkipVerify: t.InsecureSkipVerify, //nolint:gosec // The location asks for it by name, and a warning is logged.
	}, nil
}

// newHTTPClient returns a client whose connections are reused, end when nothing
// moves on them for the time of idle, and go through the proxies of the environment.
// That a host cannot be reached which is one of answered is a *failure.LostError.
func newHTTPClient(trust *tls.Config, idle time.Duration, answered *hosts, log logrus.FieldLogger) *http.Client {
	connect := connectTimeout
	client := transport.NewHttpClient(
		&transport.Config{ConnectTimeout: &connect, ReadWriteTimeout: &idle},
		func(t *http.Transport) {
			t.Proxy = http.ProxyFromEnvironment
			t.OnProxyConnectResponse = proxyAnswered
			t.TLSClientConfig = trust.Clone()
		},
	)
	client.Transport = rememberingTransport{next: detachingTransport{next: client.Transport}, answered: answered, log: log}
	return client
}

// hosts is a set of hosts with their ports.
type hosts struct {
	mu    sync.Mutex
	names map[string]bool
}

func newHosts() *hosts { return &hosts{names: map[string]bool{}} }

func (h *hosts) add(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names[name] = true
}

func (h *hosts) has(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.names[name]
}

// rememberingTransport tells an endpoint that is lost from one that was never there, of
// which the address is most likely wrong.
type rememberingTransport struct {
	next     http.RoundTripper
	answered *hosts
	log      logrus.FieldLogger
}

// RoundTrip implements http.RoundTripper.
func (t rememberingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	answer, err := t.next.RoundTrip(req)
	switch {
	case err == nil:
		t.answered.add(req.URL.Host)
	case failure.Classify(err) == failure.Unreachable && t.answered.has(req.URL.Host):
		t.log.WithError(err).WithField("host", req.URL.Host).Info("A host that has answered before cannot be reached")
		return nil, &failure.LostError{Err: err}
	}
	return answer, err
}

// proxyAnswered makes a proxy's refusal to connect the error that it is: the
// endpoint cannot be reached. net/http has but the text of the status for it.
func proxyAnswered(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &net.OpError{Op: "proxyconnect", Net: "tcp", Err: fmt.Errorf("the proxy %s answered %s", proxy.Host, answer.Status)}
}

func rootCAs(pem []byte) (*x509.CertPool, error) {
	if len(pem) == 0 {
		return nil, nil //nolint:nilnil // A nil pool is the system's own in crypto/tls.
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in PEM form found")
	}
	return pool, nil
}

// detachingTransport takes the body away from a request whose round trip is
// over. net/http may go on reading a body in the background after it has
// returned an early answer or an error, while the SDK already rewinds the same
// body for the next attempt: without this the two would read it in turns.
type detachingTransport struct {
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t detachingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return t.next.RoundTrip(req)
	}
	body := &detachableBody{source: req.Body}
	defer body.detach()
	attempt := req.Clone(req.Context())
	attempt.Body = body
	attempt.GetBody = nil
	return t.next.RoundTrip(attempt)
}

var errDetached = errors.New("the request is over")

type detachableBody struct {
	mu     sync.Mutex
	source io.ReadCloser
}

func (b *detachableBody) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.source = nil
}

// Read implements io.Reader.
func (b *detachableBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.source == nil {
		return 0, errDetached
	}
	return b.source.Read(p)
}

// Close implements io.Closer.
func (b *detachableBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.source == nil {
		return nil
	}
	return b.source.Close()
}
