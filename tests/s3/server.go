// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ca"
)

// Server is a bucket that is served over TLS, where clients of S3 do not sign parts of their bodies: OSS takes none that they do.
type Server struct {
	*Bucket

	// Address is where it listens.
	Address netip.AddrPort
	// Authority is the certificate of who certifies it, as PEM.
	Authority []byte

	server *http.Server
	ended  chan error
}

// Serve serves a bucket at an address of this machine, such as 127.0.0.1:0. The caller must Close the Server.
func Serve(ctx context.Context, address string, bucket *Bucket) (*Server, error) {
	authority, err := ca.New()
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve a bucket to clients of S3: %w", err)
	}
	at, err := netip.ParseAddrPort(listener.Addr().String())
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s := &Server{
		Bucket: bucket, Address: at, Authority: authority.PEM(), ended: make(chan error, 1),
		server: &http.Server{Handler: bucket, TLSConfig: authority.TLSConfig(), ReadHeaderTimeout: time.Minute},
	}
	go func() { s.ended <- s.server.ServeTLS(listener, "", "") }()
	return s, nil
}

// Close ends the server. Its error tells also of one by which it had ended before.
func (s *Server) Close() error {
	err := s.server.Close()
	if ended := <-s.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
