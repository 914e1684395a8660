// SPDX-License-Identifier: Apache-2.0

package cloudsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/front"
)

// headerTimeout bounds how long a client may take for the head of a request. Bodies may take any time.
const headerTimeout = time.Minute

// servers are HTTP servers that are ended together.
type servers struct {
	all     []*http.Server
	running sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	cancels  map[*http.Request]context.CancelFunc // of the requests that are being served
	requests sync.WaitGroup
}

func newServers() *servers {
	return &servers{cancels: map[*http.Request]context.CancelFunc{}}
}

// listen serves at an address, by default a free port on 127.0.0.1, with TLS when there is a configuration for it.
// It returns the address.
func (s *servers) listen(address string, h http.Handler, config *tls.Config) (string, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address) //nolint:noctx // nothing to cancel: it does not wait
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	bound := listener.Addr().String()
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	server := &http.Server{
		Handler:           s.counted(h),
		ConnContext:       front.ConnContext,
		ReadHeaderTimeout: headerTimeout,
		// What it would log is connections that clients and faults have broken.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.all = append(s.all, server)
	s.running.Go(func() {
		// It returns when the server is closed; the listener has been opened, so nothing else can be said of it.
		_ = server.Serve(listener)
	})
	return bound, nil
}

// counted lets close end the requests that are being served, and wait for them.
func (s *servers) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		if !s.enter(r, cancel) {
			return // the connection is about to be closed
		}
		defer s.leave(r)
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (s *servers) enter(r *http.Request, cancel context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.requests.Add(1)
	s.cancels[r] = cancel
	return true
}

func (s *servers) leave(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests.Done()
	delete(s.cancels, r)
}

// cancelAll lets no more requests in and ends those that wait, such as one that a fault stalls.
func (s *servers) cancelAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, cancel := range s.cancels {
		cancel()
	}
}

// close ends all connections and waits for what served them.
func (s *servers) close() error {
	s.cancelAll()
	errs := make([]error, 0, len(s.all))
	for _, server := range s.all {
		errs = append(errs, server.Close())
	}
	s.running.Wait()
	s.requests.Wait()
	return errors.Join(errs...)
}
