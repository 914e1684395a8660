// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscredentials "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
)

// AddressingStyle is where the bucket's name stands in a URL.
type AddressingStyle string

// The addressing styles.
const (
	// AddressingAuto is virtual, but path for an endpoint that is an address or has no domain.
	AddressingAuto AddressingStyle = "auto"
	// AddressingPath is https://endpoint/bucket/key. OSS itself refuses it on its own domains.
	AddressingPath AddressingStyle = "path"
	// AddressingVirtual is https://bucket.endpoint/key.
	AddressingVirtual AddressingStyle = "virtual"
	// AddressingCNAME is https://endpoint/key: the endpoint is a domain of its owner's, bound to the bucket
	// (PutCname).
	AddressingCNAME AddressingStyle = "cname"
)

// sdkConfig returns a configuration of the SDK for requests to an endpoint.
func (s AddressingStyle) sdkConfig(to *url.URL) *oss.Config {
	config := oss.LoadDefaultConfig().WithEndpoint(to.String())
	switch s {
	case AddressingPath:
		return config.WithUsePathStyle(true)
	case AddressingVirtual:
		return config
	case AddressingCNAME:
		return config.WithUseCName(true)
	case AddressingAuto:
	}
	return config.WithUsePathStyle(endpoint.NeedsPathStyle(to))
}

// OSSConfig is what a location says about its OSS. It is comparable: equal
// configs share one client.
type OSSConfig struct {
	// Region of the bucket; empty means that of Endpoint, else that of the instance.
	Region string
	// Network is the way to OSS where Endpoint is empty.
	Network endpoint.Network
	// Endpoint is a URL that replaces the one of region and network.
	Endpoint string
	// PublicEndpoint is a URL for signed URLs; empty means the public one of the region where Endpoint or Network is internal.
	PublicEndpoint string
	// AddressingStyle says where the bucket's name stands.
	AddressingStyle AddressingStyle
	// PublicAddressingStyle is that of PublicEndpoint; empty means AddressingStyle.
	PublicAddressingStyle AddressingStyle
	// CACert is a PEM bundle that is trusted besides the system's.
	CACert string
	// InsecureSkipVerify accepts any server certificate.
	InsecureSkipVerify bool
	// NotOnECS forbids looking for what this machine is: the role of the node, and for auto its region.
	NotOnECS bool
	// Credentials says where the location's credentials come from.
	Credentials credentials.Config
}

// OSS is the OSS of one location.
type OSS struct {
	// Client sends requests to Endpoint.
	Client *OSSClient
	// Patient is Client for requests at which OSS works for minutes without a sign
	// of life: it assembles or copies large objects.
	Patient *OSSClient
	// Presigner signs URLs for the public endpoint, for whoever holds them may be anywhere.
	Presigner *oss.Client
	// Credentials are those of all of them.
	Credentials *credentials.Provider
	// Retry is the delay between attempts of all of them.
	Retry retry.Policy
	// Endpoint is where requests go.
	Endpoint *url.URL
}

// OSS returns the clients for cfg, the same ones for an equal cfg. It contacts
// nothing but the instance metadata service, and that only where the region is
// not given or the network is auto.
func (c *Cloud) OSS(ctx context.Context, cfg OSSConfig) (*OSS, error) {
	return c.oss.Get(cfg, func() (*OSS, error) { return c.newOSS(ctx, cfg) })
}

func (c *Cloud) newOSS(ctx context.Context, cfg OSSConfig) (*OSS, error) {
	where, err := c.locateOSS(ctx, cfg)
	if err != nil {
		return nil, err
	}
	trust, err := TLS{CACert: []byte(cfg.CACert), InsecureSkipVerify: cfg.InsecureSkipVerify}.config()
	if err != nil {
		return nil, fmt.Errorf("reading caCert: %w", err)
	}
	quick, patient := c.newHTTPClient(trust, idleTimeout), c.newHTTPClient(trust, workTimeout)
	var clock cloudClock
	for _, client := range []*http.Client{quick, patient} {
		client.Transport = observingTransport{next: client.Transport, clock: &clock}
	}
	provider := credentials.NewProvider(c.stsNear(cfg.Credentials, where.region, where.internal), c.credentialsEnvironment(cfg.NotOnECS))
	client := func(at *url.URL, style AddressingStyle, over *http.Client) *OSSClient {
		sent := &ossCredentials{provider: provider}
		return &OSSClient{policy: c.env.Retry, credentials: sent, sdk: oss.NewClient(style.sdkConfig(at).
			WithRegion(where.region).
			WithHttpClient(over).
			WithCredentialsProvider(sent),
			func(o *oss.Options) {
				o.Signer = clockSigner{Signer: o.Signer, clock: &clock}
				o.FeatureFlags &^= oss.FeatureCorrectClockSkew
			})}
	}
	return &OSS{
		Client:      client(where.endpoint, cfg.AddressingStyle, quick),
		Patient:     client(where.endpoint, cfg.AddressingStyle, patient),
		Presigner:   client(where.publicEndpoint, cmp.Or(cfg.PublicAddressingStyle, cfg.AddressingStyle), quick).sdk,
		Credentials: provider,
		Retry:       c.env.Retry,
		Endpoint:    where.endpoint,
	}, nil
}

// ossPlace is where the bucket of a location is.
type ossPlace struct {
	region         string
	endpoint       *url.URL
	publicEndpoint *url.URL
	// internal tells whether endpoint is on Alibaba Cloud's own network.
	internal bool
}

func (c *Cloud) locateOSS(ctx context.Context, cfg OSSConfig) (ossPlace, error) {
	if cfg.Endpoint != "" {
		return c.locateOSSByEndpoint(ctx, cfg)
	}
	region, err := c.region(ctx, cfg.Region)
	if err != nil {
		return ossPlace{}, err
	}
	network := cfg.Network
	if network == endpoint.Auto {
		network = endpoint.Public
		if c.inRegion(ctx, region, cfg.NotOnECS) {
			network = endpoint.Internal
		}
	}
	place := ossPlace{
		region:         region,
		endpoint:       endpoint.OSS(region, network),
		publicEndpoint: endpoint.OSS(region, network),
		internal:       network == endpoint.Internal,
	}
	return place.withPublicEndpoint(cfg.PublicEndpoint)
}

func (c *Cloud) locateOSSByEndpoint(ctx context.Context, cfg OSSConfig) (ossPlace, error) {
	at, err := endpoint.Parse(cfg.Endpoint)
	if err != nil {
		return ossPlace{}, fmt.Errorf("reading the endpoint: %w", err)
	}
	region, internal := endpoint.RegionOfOSS(at)
	if cfg.Region != "" {
		region = cfg.Region
	}
	if region, err = c.region(ctx, region); err != nil {
		return ossPlace{}, err
	}
	place := ossPlace{region: region, endpoint: at, publicEndpoint: at, internal: internal}
	return place.withPublicEndpoint(cfg.PublicEndpoint)
}

// withPublicEndpoint sets the endpoint of signed URLs: the given one, else the
// region's public one where the endpoint is a region's internal one.
func (p ossPlace) withPublicEndpoint(given string) (ossPlace, error) {
	if given != "" {
		at, err := endpoint.Parse(given)
		if err != nil {
			return ossPlace{}, fmt.Errorf("reading the public endpoint: %w", err)
		}
		p.publicEndpoint = at
		return p, nil
	}
	// The public endpoint of an irregular internal one cannot be derived.
	if region, internal := endpoint.RegionOfOSS(p.endpoint); internal && region != "" {
		p.publicEndpoint = endpoint.OSS(region, endpoint.Public)
	}
	return p, nil
}

// ossCredentials gives the credentials of a provider to the SDK of one client,
// and takes back those that OSS refuses.
type ossCredentials struct {
	provider *credentials.Provider
	// last are those that were given out last: the SDK does not tell which ones a
	// refused request was signed with.
	last atomic.Pointer[credentials.Credentials]
}

// GetCredentials implements the SDK's CredentialsProvider. The expiry is not
// passed on: the provider renews them, and the SDK does nothing with it.
func (c *ossCredentials) GetCredentials(ctx context.Context) (osscredentials.Credentials, error) {
	found, err := c.provider.Credentials(ctx)
	if err != nil {
		return osscredentials.Credentials{}, err
	}
	c.last.Store(&found)
	return osscredentials.Credentials{
		AccessKeyID:     found.AccessKeyID,
		AccessKeySecret: found.AccessKeySecret,
		SecurityToken:   found.SecurityToken,
	}, nil
}

// Invalidate makes the provider fetch anew what this client was given last,
// unless another client's refusal did so already.
func (c *ossCredentials) Invalidate() {
	if last := c.last.Load(); last != nil {
		c.provider.Invalidate(*last)
	}
}
