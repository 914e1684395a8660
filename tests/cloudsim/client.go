// SPDX-License-Identifier: Apache-2.0

package cloudsim

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
)

// HTTPClient returns a client that reaches the cloud by the real names of its
// endpoints through the proxy, and nothing else but this machine. The caller closes
// its idle connections.
func (c *Cloud) HTTPClient() (*http.Client, error) {
	proxy, err := url.Parse(c.ProxyURL())
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(c.CACert()) {
		return nil, errors.New("the simulated cloud has no certificate")
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
		Proxy: func(request *http.Request) (*url.URL, error) {
			if ip := net.ParseIP(request.URL.Hostname()); ip != nil && ip.IsLoopback() {
				return nil, nil //nolint:nilnil // No proxy, in net/http.
			}
			return proxy, nil
		},
		// As many as the calls that tests make at once.
		MaxIdleConnsPerHost: 32,
	}}, nil
}
