// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/metadata"
)

// Config is what a location says about its credentials. The zero value means
// whatever the environment offers.
type Config struct {
	// File is the location's credentials file, or a directory that a Secret
	// with the keys access-key-id and access-key-secret is mounted at.
	File string
	// Profile is the section of an INI file; empty means "default".
	Profile string
	// RoleARN is a RAM role to assume with the credentials that were found.
	RoleARN string
	// RoleSessionName appears in the cloud's audit log (ActionTrail).
	RoleSessionName string
	// ExternalID is passed to AssumeRole where the role's trust policy asks for one.
	ExternalID string
	// STSEndpoint is a host or URL; empty means ALIBABA_CLOUD_STS_ENDPOINT or the global endpoint.
	STSEndpoint string
}

// Environment is everything outside the process's memory that a Provider may
// look at. Every field may be left zero.
type Environment struct {
	// Getenv reads an environment variable; nil means os.Getenv.
	Getenv func(string) string
	// Metadata is the instance metadata service; nil means that it is not asked.
	Metadata *metadata.Client
	// AddonTokenSecret reads the value of the ACK addon token from its Secret
	// through the Kubernetes API, with that API's errors; nil outside a cluster.
	AddonTokenSecret func(context.Context) ([]byte, error)
	// AddonTokenFile is where the ACK addon token is mounted; empty means /var/addon/token-config.
	AddonTokenFile string
	// HTTPClient carries the calls to STS; nil means one with the proxies of the environment and timeouts.
	HTTPClient *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log is told about refreshes that failed; nil means nobody is.
	Log logrus.FieldLogger
}

// Provider holds the credentials of one location. It is safe for concurrent use.
type Provider struct {
	cfg Config
	env Environment
}

// NewProvider returns a provider. It contacts and opens nothing.
func NewProvider(cfg Config, env Environment) *Provider {
	return &Provider{cfg: cfg, env: env}
}

// Credentials returns credentials that are valid now, from memory where it can.
func (p *Provider) Credentials(context.Context) (Credentials, error) {
	return Credentials{}, errors.New("not implemented")
}

// Invalidate makes the next call of Credentials fetch anew. It is called when
// the cloud refuses the current ones as expired or revoked.
func (p *Provider) Invalidate() {}

// Variable returns the value of a variable from the location's credentials file where that
// is a dotenv file that sets it, else from the process environment, else "".
func (p *Provider) Variable(_ context.Context, name string) string {
	return p.env.Getenv(name)
}
