// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"cmp"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/singleflight"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/metadata"
)

const (
	// Credentials are renewed between earliest and latest ahead of their end, at
	// random, so that the locations of one process do not renew them together.
	earliestRefresh = 15 * time.Minute
	latestRefresh   = 5 * time.Minute
	// shortLived is the part of a short session that is left when it is renewed:
	// one of 15 minutes lives for 11.
	shortLived = 4
	// retryInterval is how long still valid credentials are used before the next
	// attempt to renew them, after one that failed or gave nothing newer.
	retryInterval = 30 * time.Second
	// fetchTimeout bounds one search through all sources, with its retries.
	fetchTimeout = 90 * time.Second
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
	cfg  Config
	env  Environment
	http *http.Client
	log  logrus.FieldLogger

	// The files that credentials may be read from; nil where none is named.
	locationFile, environmentFile, addonFile *file

	// flight lets concurrent callers share one search.
	flight singleflight.Group

	mu      sync.Mutex
	current Credentials
	// refreshAt is when current is to be renewed; zero means never.
	refreshAt time.Time
	// revision is that of the files when current was fetched.
	revision int
	// generation counts the calls of Invalidate, so that the result of a search
	// that began before one is not kept.
	generation int
}

// NewProvider returns a provider. It contacts and opens nothing.
func NewProvider(cfg Config, env Environment) *Provider {
	p := &Provider{cfg: cfg, env: env, http: env.HTTPClient, log: env.Log}
	if p.http == nil {
		p.http = newSTSHTTPClient()
	}
	if p.log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		p.log = silent
	}
	if cfg.File != "" {
		p.locationFile = &file{path: cfg.File, profile: cfg.Profile}
	}
	if path := p.getenv(variableCredentialsFile); path != "" {
		p.environmentFile = &file{path: path, profile: cfg.Profile}
	}
	p.addonFile = &file{path: cmp.Or(env.AddonTokenFile, defaultAddonTokenFile)}
	return p
}

// Credentials returns credentials that are valid now, from memory where it can.
// They are fetched anew ahead of their end, and when the file that they came from
// changes; while that fails, the old ones are returned for as long as they are
// valid. Concurrent callers share one search, which outlives the context of the
// caller that began it. The error wraps ErrNotFound where no source is configured.
func (p *Provider) Credentials(ctx context.Context) (Credentials, error) {
	if err := ctx.Err(); err != nil {
		return Credentials{}, err
	}
	if current, fresh := p.cached(); fresh {
		return current, nil
	}
	result := p.flight.DoChan("", func() (any, error) {
		search, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		return p.refresh(search)
	})
	select {
	case <-ctx.Done():
		return Credentials{}, ctx.Err()
	case r := <-result:
		found, _ := r.Val.(Credentials)
		return found, r.Err
	}
}

// Invalidate makes the next call of Credentials fetch anew, files included. It is
// called when the cloud refuses the current credentials as expired or revoked.
func (p *Provider) Invalidate() {
	for _, f := range p.files() {
		f.forget()
	}
	p.mu.Lock()
	p.generation++
	p.current, p.refreshAt = Credentials{}, time.Time{}
	p.mu.Unlock()
	p.flight.Forget("")
}

// Variable returns the value of a variable from the location's credentials file
// (else the one that ALIBABA_CLOUD_CREDENTIALS_FILE names) where that is a dotenv
// file that sets it, else from the process environment, else "". A file that
// cannot be read sets nothing here; Credentials says what is wrong with it.
func (p *Provider) Variable(_ context.Context, name string) string {
	from := p.locationFile
	if from == nil {
		from = p.environmentFile
	}
	if from != nil {
		if doc, err := from.load(p.now()); err == nil && doc.variables[name] != "" {
			return doc.variables[name]
		}
	}
	return p.getenv(name)
}

// cached returns the credentials in memory, and whether they need no renewal.
func (p *Provider) cached() (current Credentials, fresh bool) {
	now := p.now()
	revision := p.filesRevision(now)
	p.mu.Lock()
	defer p.mu.Unlock()
	due := !p.refreshAt.IsZero() && !now.Before(p.refreshAt)
	return p.current, p.current.usableAt(now) && !due && p.revision == revision
}

// refresh searches for credentials and keeps what it finds.
func (p *Provider) refresh(ctx context.Context) (Credentials, error) {
	old, fresh := p.cached()
	if fresh {
		return old, nil // Another search ended since the caller looked.
	}
	p.mu.Lock()
	generation := p.generation
	p.mu.Unlock()
	// Before the search, so that a change during it is seen after it.
	revision := p.filesRevision(p.now())

	found, err := p.find(ctx)
	now := p.now()
	refreshAt := refreshTime(found, now)
	switch {
	case err != nil && !old.usableAt(now):
		return Credentials{}, err
	case err != nil:
		// Not a warning, which Velero would count against the backup: nothing is wrong with it yet.
		p.log.WithError(err).WithField("credentials", old.String()).
			Info("Could not renew the credentials, using those that are still valid")
		found, refreshAt = old, now.Add(retryInterval)
	default:
		p.log.WithField("credentials", found.String()).Debug("Fetched credentials")
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.generation == generation {
		p.current, p.refreshAt, p.revision = found, refreshAt, revision
	}
	return found, nil
}

// refreshTime returns when to renew credentials that were fetched now.
func refreshTime(found Credentials, now time.Time) time.Time {
	if found.Expiration.IsZero() {
		return time.Time{}
	}
	ahead := latestRefresh + rand.N(earliestRefresh-latestRefresh) //nolint:gosec // Spreading load needs no secrecy.
	ahead = min(ahead, found.Expiration.Sub(now)/shortLived)
	at := found.Expiration.Add(-ahead)
	if soonest := now.Add(retryInterval); at.Before(soonest) {
		return soonest
	}
	return at
}

// files returns those files that exist for this provider.
func (p *Provider) files() []*file {
	files := []*file{p.addonFile}
	for _, f := range []*file{p.locationFile, p.environmentFile} {
		if f != nil {
			files = append(files, f)
		}
	}
	return files
}

// filesRevision changes when one of the files does that credentials were read from.
func (p *Provider) filesRevision(now time.Time) int {
	revision := 0
	for _, f := range p.files() {
		revision += f.revision(now)
	}
	return revision
}

// sts returns a client of the endpoint that is configured, for the location first.
func (p *Provider) sts() stsClient {
	return stsClient{
		endpoint: cmp.Or(p.cfg.STSEndpoint, p.getenv(variableSTSEndpoint), defaultSTSEndpoint),
		http:     p.http,
	}
}

func (p *Provider) getenv(name string) string {
	if p.env.Getenv == nil {
		return os.Getenv(name)
	}
	return p.env.Getenv(name)
}

func (p *Provider) now() time.Time {
	if p.env.Now == nil {
		return time.Now()
	}
	return p.env.Now()
}
