// SPDX-License-Identifier: Apache-2.0

// Package rpc is how the OpenAPI SDK (STS, ECS, Cloud Backup, NAS) is made to
// send its requests: to the endpoint and over the connections that it is given.
package rpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
)

// Config returns a config of the SDK for a service at an endpoint, which is a
// host or a URL; a host means https. It has no credentials yet.
func Config(at string, client *http.Client) (*openapiutil.Config, error) {
	parsed, err := endpoint.Parse(at)
	if err != nil {
		return nil, fmt.Errorf("reading the endpoint %q: %w", at, err)
	}
	return &openapiutil.Config{
		Endpoint:   &parsed.Host,
		Protocol:   &parsed.Scheme,
		HttpClient: requester{client: client},
	}, nil
}

// ConfigFor is Config for a product's SDK whose calls take no context: the
// requests of a client made from it end with ctx.
func ConfigFor(ctx context.Context, at string, client *http.Client) (*openapiutil.Config, error) {
	config, err := Config(at, client)
	if err != nil {
		return nil, err
	}
	config.HttpClient = requester{
		client: client,
		bind:   func(request *http.Request) *http.Request { return request.WithContext(ctx) },
	}
	return config, nil
}

// requester lets the SDK use an ordinary HTTP client instead of the transport
// that it makes anew for each request.
type requester struct {
	client *http.Client
	// bind gives a request its context; nil leaves it the one that it has.
	bind func(*http.Request) *http.Request
}

// Call implements dara.HttpClient.
func (r requester) Call(request *http.Request, _ *http.Transport) (*http.Response, error) {
	// The SDK puts the proxy's password there, which would reach the service:
	// net/http itself shows it to the proxy alone.
	for name := range request.Header {
		if strings.EqualFold(name, "Proxy-Authorization") {
			delete(request.Header, name)
		}
	}
	if r.bind != nil {
		request = r.bind(request)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	return withContent(response)
}

// withContent refuses a success without content, which a proxy or a server that ends
// can leave: the SDK takes it for an answer whose body is nil.
func withContent(response *http.Response) (*http.Response, error) {
	if response.StatusCode < http.StatusOK || response.StatusCode >= http.StatusMultipleChoices {
		return response, nil
	}
	content := bufio.NewReader(response.Body)
	if _, err := content.Peek(1); err != nil {
		_ = response.Body.Close()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("%s answered %s without content: %w", response.Request.URL.Host, response.Status, err)
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{content, response.Body}
	return response, nil
}
