// SPDX-License-Identifier: Apache-2.0

package cloudsim

import (
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
}

// listen serves at an address, by default a free port on 127.0.0.1. It returns the address.
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
		Handler:           h,
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

// close ends all connections.
func (s *servers) close() error {
	var errs []error
	for _, server := range s.all {
		errs = append(errs, server.Close())
	}
	s.running.Wait()
	return errors.Join(errs...)
}
