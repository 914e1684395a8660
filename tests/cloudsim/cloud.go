// SPDX-License-Identifier: Apache-2.0

// Package cloudsim is what an Alibaba Cloud account looks like to a client: OSS, ECS, NAS, Cloud Backup (HBR), STS and
// the instance metadata service, on loopback addresses and, through a proxy, under their real names. See README.md.
package cloudsim

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ca"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/front"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/imds"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ossfs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/proxy"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/sts"
)

const defaultRegion = "cn-hangzhou"

// caFile is the name of the file in the state directory that holds the authority's certificate.
const caFile = "ca.pem"

// Cloud is a simulated cloud that serves. It is safe for concurrent use.
type Cloud struct {
	now       func() time.Time
	accounts  *account.Registry
	journal   *journal.Journal
	faults    *fault.Injector
	oss       *oss.Service
	mounts    *ossfs.Mounts
	ecs       *ecs.Service
	nas       *nas.Service
	hbr       *hbr.Service
	authority *ca.Authority
	issuers   map[string]*sts.Issuer
	servers   *servers
	addresses Addresses
	// stateDir holds the bytes of objects, disks, file systems and snapshots. It is removed by Close when the simulator
	// has made it.
	stateDir       string
	removeStateDir bool
}

// Addresses are the URLs at which a cloud serves.
type Addresses struct {
	// OSS and OSSTLS take both addressing styles; on an address it is path style.
	OSS    string `json:"oss"`
	OSSTLS string `json:"ossTLS"`
	// RPC is STS, ECS, NAS and HBR. Calls are told apart by their version.
	RPC string `json:"rpc"`
	// Metadata is the instance metadata service. It is empty when there is no instance.
	Metadata string `json:"metadata,omitempty"`
	// Proxy is for HTTP_PROXY and HTTPS_PROXY. Behind it the services have their real names.
	Proxy string `json:"proxy"`
	// Admin serves /journal, /faults, /healthz, and below /ecs/, /nas/, /ossfs/ and /hbr/ what Admin of those
	// packages says.
	Admin string `json:"admin"`
	// CAFile is for SSL_CERT_FILE.
	CAFile string `json:"caFile"`
}

// Listen says at which addresses to listen. Empty means a free port on 127.0.0.1.
type Listen struct {
	OSS, RPC, Metadata, Proxy, Admin string
}

type options struct {
	now      func() time.Time
	stateDir string
	listen   Listen
}

// Option changes how a cloud is started.
type Option func(*options)

// WithClock replaces the real clock, by which signatures, sessions and tokens are checked.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithStateDir keeps the bytes of objects and disks below a directory, which is made when it is missing. By default it is a
// temporary one.
func WithStateDir(dir string) Option { return func(o *options) { o.stateDir = dir } }

// WithListen sets the addresses at which to listen.
func WithListen(l Listen) Option { return func(o *options) { o.listen = l } }

// Start starts a cloud. The caller must Close it.
func Start(config Config, opts ...Option) (*Cloud, error) {
	o := options{now: time.Now}
	for _, opt := range opts {
		opt(&o)
	}
	if config.Region == "" {
		config.Region = defaultRegion
	}
	c := &Cloud{now: o.now, journal: journal.New(), faults: fault.NewInjector(config.Seed), servers: newServers()}
	if err := c.start(config, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start the simulated cloud: %w", err), c.Close())
	}
	return c, nil
}

func (c *Cloud) start(config Config, o options) (err error) {
	if err := c.makeStateDir(o.stateDir); err != nil {
		return err
	}
	if c.accounts, err = newRegistry(config.Accounts, c.now); err != nil {
		return err
	}
	for _, rule := range config.Faults {
		if _, err := c.faults.Add(rule); err != nil {
			return err
		}
	}
	c.oss, err = oss.New(oss.Config{
		StateDir: c.stateDir, Region: config.Region, Buckets: config.Buckets,
		RestoreDelay: config.RestoreDelay.Duration,
	}, c.accounts, c.now)
	if err != nil {
		return err
	}
	c.mounts = ossfs.NewMounts(c.oss, filepath.Join(c.stateDir, "ossfs"))
	if c.ecs, err = ecs.New(config.ECS, c.stateDir, c.now); err != nil {
		return err
	}
	if c.nas, err = nas.New(config.NAS, c.stateDir, c.now); err != nil {
		return err
	}
	c.hbr, err = hbr.New(config.HBR, c.stateDir, hbr.Cloud{
		FileSystems: c.nas, Buckets: c.oss, Faults: c.faults, Now: c.now,
	})
	if err != nil {
		return err
	}
	gateway, err := c.newGateway(config)
	if err != nil {
		return err
	}
	handlers := map[proxy.Service]http.Handler{proxy.OSS: c.behindFront(c.oss), proxy.RPC: gateway}
	if config.Instance != nil {
		handlers[proxy.Metadata] = c.behindFront(imds.New(config.Instance.metadata(), c.accounts, c.now))
	}
	return c.serve(handlers, config.Network, o.listen)
}

func (c *Cloud) makeStateDir(dir string) (err error) {
	if dir != "" {
		c.stateDir = dir
		return os.MkdirAll(dir, 0o755)
	}
	c.stateDir, err = os.MkdirTemp("", "cloudsim-")
	c.removeStateDir = err == nil
	return err
}

func (c *Cloud) behindFront(s front.Service) http.Handler {
	return front.New(s, c.journal, c.faults, c.now)
}

// newGateway makes the RPC services.
func (c *Cloud) newGateway(config Config) (http.Handler, error) {
	specification, err := rpc.LoadSpecification()
	if err != nil {
		return nil, err
	}
	providers, issuers, err := newProviders(config.Accounts)
	if err != nil {
		return nil, err
	}
	c.issuers = issuers
	verifier := rpc.NewVerifier(c.accounts, c.now)
	mux := rpc.NewMux(c.behindFront(rpc.NewNowhere()))
	for _, product := range []struct {
		name       string
		denial     rpc.DenialCode
		operations []rpc.Operation
	}{
		{sts.Product, rpc.NoPermission, sts.Operations(c.accounts, providers, c.now)},
		{ecs.Product, cmp.Or(config.ECS.DenialCode, rpc.ForbiddenRAM), c.ecs.Operations()},
		{nas.Product, cmp.Or(config.NAS.DenialCode, rpc.ForbiddenRAM), c.nas.Operations()},
		{hbr.Product, cmp.Or(config.HBR.DenialCode, rpc.NoPermission), c.hbr.Operations()},
	} {
		service, err := rpc.NewService(rpc.Config{
			Product: product.name, Region: config.Region, Verifier: verifier, Authorizer: c.accounts,
			Specification: specification, DenialCode: product.denial,
		}, product.operations...)
		if err != nil {
			return nil, err
		}
		mux.Handle(service, c.behindFront(service))
	}
	return mux, nil
}

func (i Instance) metadata() imds.Instance {
	return imds.Instance{
		Region: i.Region, Zone: i.Zone, ID: i.ID, AccountID: i.Account, Role: i.Role, Hardened: i.Hardened,
		CredentialLifetime: i.CredentialLifetime.Duration,
	}
}

// serve opens the listeners.
func (c *Cloud) serve(handlers map[proxy.Service]http.Handler, network Network, listen Listen) (err error) {
	internal, err := network.internal()
	if err != nil {
		return err
	}
	if c.authority, err = ca.New(); err != nil {
		return err
	}
	c.addresses.CAFile = filepath.Join(c.stateDir, caFile)
	if err := os.WriteFile(c.addresses.CAFile, c.authority.PEM(), 0o644); err != nil {
		return fmt.Errorf("write the certificate of the authority: %w", err)
	}
	var ossTLS, rpcTLS string
	for _, l := range []struct {
		address string
		handler http.Handler
		tls     bool
		bound   *string
	}{
		{listen.OSS, handlers[proxy.OSS], false, &c.addresses.OSS},
		{listen.RPC, handlers[proxy.RPC], false, &c.addresses.RPC},
		{listen.Metadata, handlers[proxy.Metadata], false, &c.addresses.Metadata},
		{listen.Admin, c.admin(), false, &c.addresses.Admin},
		{"", handlers[proxy.OSS], true, &ossTLS},
		{"", handlers[proxy.RPC], true, &rpcTLS},
	} {
		if l.handler == nil {
			continue
		}
		if *l.bound, err = c.listen(l.address, l.handler, l.tls); err != nil {
			return err
		}
	}
	c.addresses.OSSTLS = "https://" + ossTLS
	p := proxy.New(proxy.Config{
		Handlers:     handlers,
		TLSAddresses: map[proxy.Service]string{proxy.OSS: ossTLS, proxy.RPC: rpcTLS},
		Internal:     internal,
	})
	c.addresses.Proxy, err = c.listen(listen.Proxy, p, false)
	return err
}

// listen opens a listener. It returns a URL, or for TLS the address.
func (c *Cloud) listen(address string, h http.Handler, tls bool) (string, error) {
	if tls {
		return c.servers.listen(address, h, c.authority.TLSConfig())
	}
	bound, err := c.servers.listen(address, h, nil)
	return "http://" + bound, err
}

// admin serves what is not part of the cloud.
func (c *Cloud) admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/journal", c.journal)
	mux.Handle("/faults", c.faults)
	mux.Handle("/ecs/", c.ecs.Admin())
	mux.Handle("/nas/", c.nas.Admin())
	mux.Handle("/ossfs/", c.mounts.Admin())
	mux.Handle("/hbr/", c.hbr.Admin())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	return mux
}

// Addresses returns where the cloud serves.
func (c *Cloud) Addresses() Addresses { return c.addresses }

// OSSURL returns the URL of OSS over plain HTTP.
func (c *Cloud) OSSURL() string { return c.addresses.OSS }

// OSSTLSURL returns the URL of OSS over TLS, with a certificate of CACert for 127.0.0.1.
func (c *Cloud) OSSTLSURL() string { return c.addresses.OSSTLS }

// RPCURL returns the URL of the RPC services.
func (c *Cloud) RPCURL() string { return c.addresses.RPC }

// MetadataURL returns the URL of the instance metadata service, or "" when there is no instance.
func (c *Cloud) MetadataURL() string { return c.addresses.Metadata }

// ProxyURL returns the URL of the proxy behind which services have their real names.
func (c *Cloud) ProxyURL() string { return c.addresses.Proxy }

// AdminURL returns the URL that serves what is not part of the cloud, see Addresses.Admin.
func (c *Cloud) AdminURL() string { return c.addresses.Admin }

// CACert returns the certificate of the authority that signs all others, in PEM form.
func (c *Cloud) CACert() []byte { return c.authority.PEM() }

// Journal returns the journal of all requests.
func (c *Cloud) Journal() *journal.Journal { return c.journal }

// Faults returns the fault rules.
func (c *Cloud) Faults() *fault.Injector { return c.faults }

// Accounts returns the accounts.
func (c *Cloud) Accounts() *account.Registry { return c.accounts }

// OSS returns the OSS service, for looking at buckets and changing them by hand.
func (c *Cloud) OSS() *oss.Service { return c.oss }

// Mounts returns the directories as which buckets are mounted.
func (c *Cloud) Mounts() *ossfs.Mounts { return c.mounts }

// ECS returns the ECS service, for looking at disks and snapshots and changing them by hand.
func (c *Cloud) ECS() *ecs.Service { return c.ecs }

// NAS returns the NAS service, for looking at file systems and changing them by hand.
func (c *Cloud) NAS() *nas.Service { return c.nas }

// HBR returns the Cloud Backup service, for looking at vaults, jobs and snapshots and changing them by hand, and for the
// agents of container clusters.
func (c *Cloud) HBR() *hbr.Service { return c.hbr }

// MintToken returns an OIDC token of a provider whose key the simulator has.
func (c *Cloud) MintToken(providerARN, subject, audience string, lifetime time.Duration) (string, error) {
	issuer, ok := c.issuers[providerARN]
	if !ok {
		return "", fmt.Errorf("mint a token of %s: the simulator does not have its key", providerARN)
	}
	return issuer.Mint(subject, audience, c.now(), lifetime)
}

// Close ends all connections and removes the bytes of objects, disks, file systems and snapshots.
func (c *Cloud) Close() error {
	err := c.servers.close()
	if c.oss != nil {
		err = errors.Join(err, c.oss.Close(), c.mounts.Close())
	}
	if c.ecs != nil {
		err = errors.Join(err, c.ecs.Close())
	}
	if c.nas != nil {
		err = errors.Join(err, c.nas.Close())
	}
	if c.hbr != nil {
		err = errors.Join(err, c.hbr.Close())
	}
	if c.removeStateDir {
		err = errors.Join(err, os.RemoveAll(c.stateDir))
	}
	return err
}
