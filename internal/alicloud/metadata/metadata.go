// SPDX-License-Identifier: Apache-2.0

// Package metadata reads the ECS instance metadata service: who this instance
// is, and the temporary credentials of the RAM role that is attached to it.
//
// It speaks the security hardening mode, in which every request carries a
// session token, and falls back to requests without one only where the service
// does not know tokens, or its tokens do not reach this pod.
package metadata

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// DefaultBaseURL is where every ECS instance finds its metadata service.
const DefaultBaseURL = "http://100.100.100.200"

// Paths below the base URL.
const (
	tokenPath    = "/latest/api/token" //nolint:gosec // A name, not a secret.
	documentPath = "/latest/dynamic/instance-identity/document"
	rolePath     = "/latest/meta-data/ram/security-credentials/"
)

// hopLimitRemedy is for the trap of hardened instances: the answer to the token
// request is sent with a low IP TTL, and a pod that is not in the host's network
// is one hop further away than the host itself.
const hopLimitRemedy = "if this pod runs on an ECS instance, raise the instance's HttpPutResponseHopLimit to 2 or more" +
	" (ModifyInstanceMetadataOptions), or run the pod with hostNetwork"

var (
	// ErrNotOnECS is wrapped by every error that means the metadata service could
	// not be reached at all, as is the case outside Alibaba Cloud.
	ErrNotOnECS = errors.New("the ECS instance metadata service is not reachable")
	// ErrNoRole is wrapped when the instance has no RAM role, or not the one asked for.
	ErrNoRole = errors.New("the RAM role is not attached to this ECS instance")
)

// Identity is the part of the instance identity document that the plugin uses.
type Identity struct {
	RegionID       string `json:"region-id"`
	ZoneID         string `json:"zone-id"`
	InstanceID     string `json:"instance-id"`
	OwnerAccountID string `json:"owner-account-id"`
}

// RoleCredentials are the temporary credentials of the instance's RAM role.
type RoleCredentials struct {
	AccessKeyID     string
	AccessKeySecret string
	SecurityToken   string
	Expiration      time.Time
}

// Format prints no secret, whatever the verb.
func (c RoleCredentials) Format(state fmt.State, _ rune) {
	fmt.Fprintf(state, "credentials of a RAM role, valid until %s", c.Expiration.UTC().Format(time.RFC3339))
}

// Client reads the metadata service. It is safe for concurrent use.
type Client struct {
	baseURL string
	http    *http.Client
	now     func() time.Time

	mu       sync.Mutex
	identity Identity
	session  session
	answered bool // Whether the service has ever been of use: this is an ECS instance then.
	// silentUntil and silence remember that nobody answered, so that a process
	// outside Alibaba Cloud waits for the timeout once and not at every request.
	silentUntil time.Time
	silence     error
}

// New returns a client of the metadata service at baseURL (empty:
// DefaultBaseURL). A nil httpClient means one that uses no proxy and gives up
// quickly where there is no metadata service; one that is given must not use a
// proxy either, for the service answers about whoever asks it. Nothing is contacted.
func New(baseURL string, httpClient *http.Client) *Client {
	if httpClient == nil {
		httpClient = newHTTPClient()
	}
	return &Client{
		baseURL: strings.TrimRight(cmp.Or(baseURL, DefaultBaseURL), "/"),
		http:    httpClient,
		now:     time.Now,
	}
}

// Identity returns who this instance is, from its identity document. The answer
// is kept for the life of the process, for an instance does not move. The error
// wraps ErrNotOnECS where there is no metadata service.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	c.mu.Lock()
	known := c.identity
	c.mu.Unlock()
	if known != (Identity{}) {
		return known, nil
	}

	body, err := c.get(ctx, documentPath)
	if err != nil {
		return Identity{}, fmt.Errorf("read the instance identity document: %w", err)
	}
	var identity Identity
	if err := json.Unmarshal(body, &identity); err != nil {
		return Identity{}, fmt.Errorf("decode the instance identity document: %w", err)
	}
	if identity.RegionID == "" || identity.InstanceID == "" {
		return Identity{}, errors.New("the instance identity document names no region-id or no instance-id")
	}

	c.mu.Lock()
	c.identity = identity
	c.mu.Unlock()
	return identity, nil
}

// Role returns the name of the RAM role that is attached to the instance. The
// error wraps ErrNoRole where there is none, ErrNotOnECS where there is no
// metadata service.
func (c *Client) Role(ctx context.Context) (string, error) {
	body, err := c.get(ctx, rolePath)
	if status := new(statusError); errors.As(err, &status) && status.code == http.StatusNotFound {
		return "", fmt.Errorf("%w (it has none): attach one to the instance or to its node pool", ErrNoRole)
	}
	if err != nil {
		return "", fmt.Errorf("ask which RAM role is attached to this instance: %w", err)
	}
	// An instance has at most one role; the answer is a list of one line.
	role, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if role = strings.TrimSpace(role); role == "" {
		return "", fmt.Errorf("%w (it has none): attach one to the instance or to its node pool", ErrNoRole)
	}
	return role, nil
}

// RoleCredentials returns the current temporary credentials of role. The service
// renews them well before they expire. Errors wrap ErrNoRole and ErrNotOnECS as
// those of Role do.
func (c *Client) RoleCredentials(ctx context.Context, role string) (RoleCredentials, error) {
	body, err := c.get(ctx, rolePath+url.PathEscape(role))
	if status := new(statusError); errors.As(err, &status) && status.code == http.StatusNotFound {
		return RoleCredentials{}, fmt.Errorf("%w: %q; attach it, or configure the name of the role that is", ErrNoRole, role)
	}
	if err != nil {
		return RoleCredentials{}, fmt.Errorf("read the credentials of RAM role %q: %w", role, err)
	}
	credentials, err := parseRoleCredentials(body)
	if err != nil {
		return RoleCredentials{}, fmt.Errorf("read the credentials of RAM role %q: %w", role, err)
	}
	return credentials, nil
}

// parseRoleCredentials decodes what the service says about a role's credentials.
// Its errors quote nothing but the service's own code.
func parseRoleCredentials(body []byte) (RoleCredentials, error) {
	var answer struct {
		Code            string
		AccessKeyID     string `json:"AccessKeyId"`
		AccessKeySecret string
		SecurityToken   string
		Expiration      string
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return RoleCredentials{}, errors.New("the metadata service's answer is not the JSON that was expected")
	}
	if answer.Code != "Success" {
		return RoleCredentials{}, fmt.Errorf("the metadata service answered code %q instead of \"Success\"", answer.Code)
	}
	if answer.AccessKeyID == "" || answer.AccessKeySecret == "" || answer.SecurityToken == "" {
		return RoleCredentials{}, errors.New("the metadata service's answer lacks the access key or the security token")
	}
	expiration, err := time.Parse(time.RFC3339, answer.Expiration)
	if err != nil {
		return RoleCredentials{}, fmt.Errorf("the metadata service's answer has a malformed Expiration: %w", err)
	}
	return RoleCredentials{
		AccessKeyID:     answer.AccessKeyID,
		AccessKeySecret: answer.AccessKeySecret,
		SecurityToken:   answer.SecurityToken,
		Expiration:      expiration,
	}, nil
}
