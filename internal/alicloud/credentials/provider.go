// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
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
	// NotOnECS forbids asking Metadata which RAM role the node has. The credentials
	// of a role that is named are asked for all the same.
	NotOnECS bool
	// AddonTokenSecret reads the value of the ACK addon token from its Secret
	// through the Kubernetes API, with that API's errors; nil outside a cluster.
	AddonTokenSecret func(context.Context) ([]byte, error)
	// AddonTokenFile is where the ACK addon token is mounted; empty means /var/addon/token-config.
	AddonTokenFile string
	// HTTPClient carries the calls to STS; nil means one with the proxies of the environment and timeouts.
	HTTPClient *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Sleep passes the short time in which a credentials file is being written; nil means time.Sleep.
	Sleep func(time.Duration)
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
	// files are those of them that are named.
	files []*file

	// flight lets concurrent callers share one search.
	flight singleflight.Group

	mu   sync.Mutex
	held holding
}

// holding is what a provider has in memory.
type holding struct {
	credentials Credentials
	// refreshAt is when they are to be renewed; zero means never.
	refreshAt time.Time
	// revision is that of the files when they were fetched.
	revision int
	// generation counts what Invalidate threw away, so that the result of a search
	// that began before one is not kept.
	generation int
}

// freshAt reports whether the credentials need no renewal while the files have that revision.
func (h holding) freshAt(now time.Time, revision int) bool {
	due := !h.refreshAt.IsZero() && !now.Before(h.refreshAt)
	return h.credentials.usableAt(now) && !due && h.revision == revision
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
	p.locationFile = p.watched(cfg.File)
	p.environmentFile = p.watched(p.getenv(variableCredentialsFile))
	p.addonFile = p.watched(cmp.Or(env.AddonTokenFile, defaultAddonTokenFile))
	return p
}

// watched returns the file at path, whose changes the provider notices once it
// has read it; nil where path is empty.
func (p *Provider) watched(path string) *file {
	if path == "" {
		return nil
	}
	named := &file{path: path, profile: p.cfg.Profile, sleep: p.env.Sleep}
	if named.sleep == nil {
		named.sleep = time.Sleep
	}
	p.files = append(p.files, named)
	return named
}

// Credentials returns credentials that are valid now, from memory where it can.
// They are fetched anew ahead of their end, and when the file that they came from
// changes; while that fails, the old ones are returned for as long as they are
// valid. Concurrent callers share one search, which outlives the context of the
// caller that began it. The error is an *Error, which wraps ErrNotFound where no
// source is configured, or that of a context which ended first.
func (p *Provider) Credentials(ctx context.Context) (Credentials, error) {
	if err := ctx.Err(); err != nil {
		return Credentials{}, err
	}
	if held, fresh := p.look(); fresh {
		return held.credentials, nil
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
		if r.Err != nil {
			return Credentials{}, &Error{Err: r.Err}
		}
		found, _ := r.Val.(Credentials)
		return found, nil
	}
}

// Invalidate makes the next call of Credentials fetch anew, files included. It is
// called when the cloud refuses credentials as expired or revoked, and does
// nothing where others are held by now: requests that were sent at the same time
// are refused one after the other.
func (p *Provider) Invalidate(refused Credentials) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := p.held.credentials
	if held.AccessKeyID != refused.AccessKeyID || held.SecurityToken != refused.SecurityToken {
		return
	}
	for _, f := range p.files {
		f.forget()
	}
	p.held = holding{generation: p.held.generation + 1}
	p.flight.Forget("")
}

// Variable returns the value of a variable from the location's credentials file
// (else the one that ALIBABA_CLOUD_CREDENTIALS_FILE names) where that is a dotenv
// file that sets it, else from the process environment, else "". While the file
// cannot be read, what it last said counts; it is an *Error if it was never read,
// for it may set what the environment does not.
func (p *Provider) Variable(_ context.Context, name string) (string, error) {
	from := p.locationFile
	if from == nil {
		from = p.environmentFile
	}
	if from != nil {
		doc, err := from.lastGood(p.now())
		if from == p.environmentFile && errors.Is(err, fs.ErrNotExist) {
			return p.getenv(name), nil // The variable stays set where other credentials are used.
		}
		if err != nil {
			return "", &Error{Err: err}
		}
		if value := doc.variables[name]; value != "" {
			return value, nil
		}
	}
	return p.getenv(name), nil
}

// look returns what is in memory, brought to the present revision of the files,
// and whether that needs no renewal.
func (p *Provider) look() (held holding, fresh bool) {
	now, revision := p.now(), 0
	for _, f := range p.files {
		revision += f.revision(now)
	}
	p.mu.Lock()
	held = p.held
	p.mu.Unlock()
	fresh = held.freshAt(now, revision)
	held.revision = revision
	return held, fresh
}

// refresh searches for credentials and keeps what it finds, unless Invalidate was
// called meanwhile.
func (p *Provider) refresh(ctx context.Context) (Credentials, error) {
	next, fresh := p.look()
	if fresh {
		return next.credentials, nil // Another search ended since the caller looked.
	}
	found, err := p.find(ctx)
	now := p.now()
	switch {
	case err != nil && !next.credentials.usableAt(now):
		return Credentials{}, err
	case err != nil:
		// Not a warning, which Velero would count against the backup: nothing is wrong with it yet.
		p.log.WithError(err).WithField("credentials", next.credentials.String()).
			Info("Could not renew the credentials, using those that are still valid")
		next.refreshAt = now.Add(retryInterval)
	default:
		p.log.WithField("credentials", found.String()).Debug("Fetched credentials")
		next.credentials, next.refreshAt = found, refreshTime(found, now)
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held.generation == next.generation {
		p.held = next
	}
	return next.credentials, nil
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
