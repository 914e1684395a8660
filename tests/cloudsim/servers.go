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
	base    func(net.Listener) context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	requests sync.WaitGroup
}

func newServers() *servers {
	ctx, cancel := context.WithCancel(context.Background())
	return &servers{base: func(net.Listener) context.Context { return ctx }, cancel: cancel}
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
		BaseContext:       s.base,
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

// counted lets close wait for the requests that are being served.
func (s *servers) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.enter() {
			return // the connection is about to be closed
		}
		defer s.requests.Done()
		h.ServeHTTP(w, r)
	})
}

func (s *servers) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.requests.Add(1)
	return true
}

// close ends all connections and waits for what served them.
func (s *servers) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel() // ends requests that wait, such as one that a fault stalls
	errs := make([]error, 0, len(s.all))
	for _, server := range s.all {
		errs = append(errs, server.Close())
	}
	s.running.Wait()
	s.requests.Wait()
	return errors.Join(errs...)
}
