// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
)

const (
	tokenHeader    = "X-aliyun-ecs-metadata-token"             //nolint:gosec // A name, not a secret.
	tokenTTLHeader = "X-aliyun-ecs-metadata-token-ttl-seconds" //nolint:gosec // A name, not a secret.

	// tokenTTL is the longest the service grants.
	tokenTTL = 6 * time.Hour
	// tokenMargin is how long before its end a token is renewed.
	tokenMargin = 5 * time.Minute

	// The service is a hop away: it answers at once or not at all.
	dialTimeout   = 2 * time.Second
	answerTimeout = 3 * time.Second
	// silencePeriod is how long "nobody answers" is believed.
	silencePeriod = time.Minute

	// maxAttempts and the delays bound the repetition of requests that the service
	// answers with a server error or a throttle, as it does under load.
	maxAttempts   = 3
	retryDelay    = 200 * time.Millisecond
	maxRetryDelay = time.Second

	// maxBody is far above the largest answer that is read, the identity document with its signature.
	maxBody = 64 << 10
)

// session is the token that requests carry in hardened mode. The zero value has
// expired. A session without a token is that of a service that knows no tokens.
type session struct {
	token   string
	expires time.Time
}

// statusError is an answer of the metadata service other than 200.
type statusError struct {
	method, path string
	code         int
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s %s: HTTP %d %s", e.method, e.path, e.code, http.StatusText(e.code))
	if e.code == http.StatusForbidden {
		text += " (the metadata service refuses this request; see the instance's MetadataOptions: HttpEndpoint and HttpTokens)"
	}
	return text
}

// silenceError is a request that nobody answered.
type silenceError struct {
	err error
}

func (e *silenceError) Error() string { return "ask the metadata service: " + e.err.Error() }

func (e *silenceError) Unwrap() error { return e.err }

// connected reports whether there was somebody who did not answer.
func (e *silenceError) connected() bool {
	var failed *net.OpError
	return !errors.As(e.err, &failed) || failed.Op != "dial"
}

// refusesSession reports whether the answer to a request with that token means
// that a new one is needed: the service has forgotten the token, or was switched
// to the hardened mode after it had been found without tokens.
func (e *statusError) refusesSession(token string) bool {
	if token == "" {
		return e.code == http.StatusForbidden
	}
	return e.code == http.StatusUnauthorized
}

func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 nil, // A proxy would answer for the instance that it runs on.
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			ResponseHeaderTimeout: answerTimeout,
			IdleConnTimeout:       30 * time.Second,
			MaxIdleConns:          2,
		},
		Timeout: dialTimeout + 2*answerTimeout,
	}
}

// get returns the body at path, with a session token where the service has them.
func (c *Client) get(ctx context.Context, path string) ([]byte, error) {
	if err := c.knownSilence(); err != nil {
		return nil, err
	}
	body, err := c.getInSession(ctx, path)
	if errors.As(err, new(*silenceError)) {
		return nil, c.unreachable(err)
	}
	return body, err
}

func (c *Client) getInSession(ctx context.Context, path string) ([]byte, error) {
	token, err := c.sessionToken(ctx)
	if err != nil {
		return nil, err
	}
	body, err := c.send(ctx, http.MethodGet, path, tokenHeader, token)
	if status := new(statusError); errors.As(err, &status) && status.refusesSession(token) {
		c.dropSession(token)
		if token, err = c.sessionToken(ctx); err != nil {
			return nil, err
		}
		return c.send(ctx, http.MethodGet, path, tokenHeader, token)
	}
	return body, err
}

// sessionToken returns the token to send, "" where the service does not know
// tokens, or gives none to this pod and does not insist on them.
func (c *Client) sessionToken(ctx context.Context) (string, error) {
	c.mu.Lock()
	current := c.session
	c.mu.Unlock()
	if c.now().Before(current.expires) {
		return current.token, nil
	}

	asked := c.now()
	body, err := c.send(ctx, http.MethodPut, tokenPath, tokenTTLHeader, strconv.Itoa(int(tokenTTL/time.Second)))
	if status := new(statusError); errors.As(err, &status) &&
		(status.code == http.StatusNotFound || status.code == http.StatusMethodNotAllowed) {
		// An instance from before the hardened mode.
		body, err = nil, nil
	}
	if silence := new(silenceError); errors.As(err, &silence) && silence.connected() && c.servesWithoutToken(ctx) {
		body, err = nil, nil
	}
	if err != nil {
		return "", fmt.Errorf("get a metadata session token: %w", err)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = true
	c.session = session{token: string(body), expires: asked.Add(tokenTTL - tokenMargin)}
	return c.session.token, nil
}

// servesWithoutToken asks once without a token. Only the answer to the token
// request is sent with a low TTL: where the hardened mode is not enforced, a pod
// that it does not reach is served all the same.
func (c *Client) servesWithoutToken(ctx context.Context) bool {
	_, err := c.sendOnce(ctx, http.MethodGet, documentPath, tokenHeader, "")
	return err == nil
}

// dropSession forgets the token unless another caller has renewed it already.
func (c *Client) dropSession(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session.token == token {
		c.session = session{}
	}
}

// send makes one request with one header, repeats it where the service asks for
// patience, and returns the body of a 200.
func (c *Client) send(ctx context.Context, method, path, header, value string) ([]byte, error) {
	var body []byte
	err := retry.Policy{BaseDelay: retryDelay, MaxDelay: maxRetryDelay}.Do(ctx, attemptsFor, func(ctx context.Context) error {
		var err error
		body, err = c.sendOnce(ctx, method, path, header, value)
		return err
	})
	return body, err
}

// attemptsFor is how often a request is sent that fails with err: again only
// where the service answers that it is overloaded. One that does not answer is not there.
func attemptsFor(err error) int {
	status := new(statusError)
	if errors.As(err, &status) && (status.code >= http.StatusInternalServerError || status.code == http.StatusTooManyRequests) {
		return maxAttempts
	}
	return 1
}

func (c *Client) sendOnce(ctx context.Context, method, path, header, value string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.baseURL+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make a request to the metadata service: %w", err)
	}
	if value != "" {
		req.Header.Set(header, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ask the metadata service: %w", err)
		}
		return nil, &silenceError{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &statusError{method: method, path: path, code: resp.StatusCode}
	}
	return body, nil
}

// unreachable says what a request without an answer means: that there is no
// metadata service for this pod, which is remembered, unless it has answered before.
func (c *Client) unreachable(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answered {
		return err
	}
	c.silence = fmt.Errorf("%w: %w; %s", ErrNotOnECS, err, hopLimitRemedy)
	c.silentUntil = c.now().Add(silencePeriod)
	return c.silence
}

// knownSilence returns the error of the last request while it is still believed.
func (c *Client) knownSilence() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Before(c.silentUntil) {
		return c.silence
	}
	return nil
}
