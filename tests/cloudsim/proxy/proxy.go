// SPDX-License-Identifier: Apache-2.0

// Package proxy is an HTTP proxy that plays the name service and the internet of Alibaba Cloud: through it a client
// reaches the simulator by the real names of endpoints. Nothing else can be reached.
package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// metadataAddress is the address of the instance metadata service, the same in every region.
const metadataAddress = "100.100.100.200"

// Service is one of the services that have names or addresses in the real cloud.
type Service int

// The services.
const (
	None Service = iota
	OSS
	RPC
	Metadata
)

// Unreachable is what becomes of a connection to an endpoint that can not be reached.
type Unreachable string

// The ways of being unreachable.
const (
	// Refuse answers at once that there is no connection.
	Refuse Unreachable = "refuse"
	// Timeout leaves the client waiting until it gives up.
	Timeout Unreachable = "timeout"
)

// Config is what the proxy leads to.
type Config struct {
	// Handlers serve plain HTTP, by service. A service that is missing can not be reached.
	Handlers map[Service]http.Handler
	// TLSAddresses are the addresses of the TLS listeners, by service.
	TLSAddresses map[Service]string
	// Internal says what becomes of connections to internal and VPC endpoints. Empty means that they succeed.
	Internal Unreachable
}

// Proxy is the proxy's handler.
type Proxy struct{ config Config }

// New returns a proxy.
func New(config Config) *Proxy { return &Proxy{config: config} }

// Find returns which service a host belongs to, and whether it can be reached from inside of the cloud alone.
func Find(host string) (service Service, internal bool) {
	host = strings.ToLower(host)
	if host == metadataAddress {
		return Metadata, false
	}
	name, ok := strings.CutSuffix(host, rpc.Domain)
	if !ok {
		return None, false
	}
	// An OSS host has a label oss or oss-…, behind the bucket and perhaps the region.
	for label := range strings.SplitSeq(name, ".") {
		if label == "oss" || strings.HasPrefix(label, "oss-") {
			return OSS, strings.Contains(name, "-internal")
		}
	}
	if e, ok := rpc.ParseEndpoint(host); ok {
		return RPC, e.VPC
	}
	return None, false
}

// ServeHTTP implements http.Handler: CONNECT for TLS, and requests in absolute form for plain HTTP.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, port := r.URL.Hostname(), r.URL.Port()
	service, internal := Find(host)
	if internal && p.config.Internal != "" {
		if p.config.Internal == Timeout {
			<-r.Context().Done()
		}
		refuse(w, host)
		return
	}
	switch {
	case r.Method == http.MethodConnect && port == "443" && p.config.TLSAddresses[service] != "":
		p.tunnel(w, r, p.config.TLSAddresses[service])
	case r.Method != http.MethodConnect && r.URL.Scheme == "http" && p.config.Handlers[service] != nil:
		p.config.Handlers[service].ServeHTTP(w, direct(r))
	default:
		refuse(w, host)
	}
}

func refuse(w http.ResponseWriter, host string) {
	http.Error(w, "the simulated cloud has no connection to "+host, http.StatusBadGateway)
}

// direct returns a request in absolute form as the server that it is meant for would see it.
func direct(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "", ""
	r.RequestURI = r.URL.RequestURI()
	for _, name := range []string{"Proxy-Connection", "Proxy-Authorization"} {
		r.Header.Del(name)
	}
	return r
}

// tunnel joins the client's connection with one to the address.
func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request, address string) {
	var dialer net.Dialer
	server, err := dialer.DialContext(r.Context(), "tcp", address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer server.Close()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer client.Close()
	// The server that the client's connection was taken from ends it no more.
	stop := context.AfterFunc(r.Context(), func() {
		abort(client)
		abort(server)
	})
	defer stop()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan error, 2)
	go func() { done <- relay(server, buffered) }() // what the client sent ahead is in the buffer
	go func() { done <- relay(client, server) }()
	for range cap(done) {
		// One end that breaks breaks the other: a connection that was reset is not one that ended.
		if err := <-done; err != nil {
			abort(client)
			abort(server)
		}
	}
}

// relay copies until the end, then tells the receiver of it.
func relay(to net.Conn, from io.Reader) error {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		err = half.CloseWrite()
	}
	return err
}

// abort closes a connection with RST.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // the connection may be gone already
	}
	_ = c.Close()
}
