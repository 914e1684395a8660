// SPDX-License-Identifier: Apache-2.0

// Package metadata reads the ECS instance metadata service: who this instance
// is, and the temporary credentials of the RAM role that is attached to it.
package metadata

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// DefaultBaseURL is where every ECS instance finds its metadata service.
const DefaultBaseURL = "http://100.100.100.200"

// ErrNotOnECS is wrapped by every error that means the metadata service could
// not be reached at all, as is the case outside Alibaba Cloud.
var ErrNotOnECS = errors.New("the ECS instance metadata service is not reachable")

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

// Client reads the metadata service. It is safe for concurrent use.
type Client struct {
	baseURL string
	http    *http.Client
}

// New returns a client of the metadata service at baseURL (empty:
// DefaultBaseURL). A nil httpClient means one that uses no proxy and gives up
// quickly where there is no metadata service. Nothing is contacted.
func New(baseURL string, httpClient *http.Client) *Client {
	return &Client{baseURL: baseURL, http: httpClient}
}

// Identity returns who this instance is. The answer is kept for the life of
// the process.
func (c *Client) Identity(context.Context) (Identity, error) {
	return Identity{}, errors.New("not implemented")
}

// Role returns the name of the RAM role that is attached to the instance.
func (c *Client) Role(context.Context) (string, error) {
	return "", errors.New("not implemented")
}

// RoleCredentials returns the current temporary credentials of role.
func (c *Client) RoleCredentials(_ context.Context, role string) (RoleCredentials, error) {
	return RoleCredentials{}, errors.New("not implemented: " + role)
}
