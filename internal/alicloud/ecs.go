// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/throttle"
)

// answerTimeout is how long an RPC service may be silent. Its calls do little but
// begin what then takes time.
const answerTimeout = 30 * time.Second

// ECSConfig is what a location says about its ECS. It is comparable: equal configs
// share one client.
type ECSConfig struct {
	// Region that calls go to; empty means that of Endpoint, else that of the instance.
	Region string
	// Network is the way to ECS where Endpoint is empty: endpoint.VPC or
	// endpoint.Public; empty means VPC where this machine is an instance of Region, else Public.
	Network endpoint.Network
	// Endpoint is a host or URL that replaces the one of region and network.
	Endpoint string
	// NotOnECS forbids asking the instance metadata service.
	NotOnECS bool
	// Credentials says where the location's credentials come from.
	Credentials credentials.Config
}

// ECS is the ECS of one account in one region. It is safe for concurrent use.
type ECS struct {
	cloud    *Cloud
	region   string
	endpoint *url.URL
	account  *ecsAccount
}

// ecsAccount is what the regions of one config have in common.
type ecsAccount struct {
	// home is the ECS of the location's own region.
	home        *ECS
	source      credentials.Config
	credentials *credentials.Provider
	http        *http.Client
}

// limitedAPI is what the cloud limits the calls of: an API in a region for an
// account. Configs with the same source of credentials are of the same account.
type limitedAPI struct {
	source         credentials.Config
	region, action string
}

// ECS returns the client for cfg, the same one for an equal cfg. It contacts
// nothing but the instance metadata service, and that only where the region or the
// network is not given.
func (c *Cloud) ECS(ctx context.Context, cfg ECSConfig) (*ECS, error) {
	return c.ecs.get(cfg, func() (*ECS, error) { return c.newECS(ctx, cfg) })
}

func (c *Cloud) newECS(ctx context.Context, cfg ECSConfig) (*ECS, error) {
	home := &ECS{cloud: c}
	internal, err := home.locate(ctx, cfg)
	if err != nil {
		return nil, err
	}
	client := c.env.RPC
	if client == nil {
		trust, err := TLS{}.config()
		if err != nil {
			return nil, err
		}
		client = newHTTPClient(trust, answerTimeout)
	}
	home.account = &ecsAccount{
		home:        home,
		source:      cfg.Credentials,
		credentials: credentials.NewProvider(c.stsNear(cfg.Credentials, home.region, internal), c.credentialsEnvironment(cfg.NotOnECS)),
		http:        client,
	}
	return home, nil
}

// locate sets region and endpoint to those of cfg, and tells whether the endpoint
// is on Alibaba Cloud's own network.
func (e *ECS) locate(ctx context.Context, cfg ECSConfig) (internal bool, err error) {
	region := cfg.Region
	if cfg.Endpoint != "" {
		if e.endpoint, err = endpoint.Parse(cfg.Endpoint); err != nil {
			return false, fmt.Errorf("reading the endpoint: %w", err)
		}
		var named string
		if named, internal = endpoint.RegionOfECS(e.endpoint); region == "" {
			region = named
		}
	}
	if e.region, err = e.cloud.region(ctx, region, cfg.NotOnECS); err != nil || e.endpoint != nil {
		return internal, err
	}
	network := cfg.Network
	if network == "" && e.cloud.inRegion(ctx, e.region, cfg.NotOnECS) {
		network = endpoint.VPC
	}
	e.endpoint = endpoint.ECS(e.region, network)
	return network == endpoint.VPC, nil
}

// Region is the region that calls go to, such as cn-hangzhou.
func (e *ECS) Region() string { return e.region }

// In returns the ECS of the same account in another region, by its public
// endpoint: one inside VPCs answers in its own region alone. For the location's own
// region it is that of the location.
func (e *ECS) In(region string) *ECS {
	switch region {
	case e.region:
		return e
	case e.account.home.region:
		return e.account.home
	}
	return &ECS{cloud: e.cloud, region: region, endpoint: endpoint.ECS(region, endpoint.Public), account: e.account}
}

// Now returns the time of the Cloud's clock.
func (e *ECS) Now() time.Time { return e.cloud.env.Now() }

// Sleep waits for d by the Cloud's clock, or returns the error of ctx if it ended before.
func (e *ECS) Sleep(ctx context.Context, d time.Duration) error { return e.cloud.env.Sleep(ctx, d) }

// limiter returns what paces the calls of an API, the same one for all clients of
// the account in the region.
func (e *ECS) limiter(action string) *throttle.Limiter {
	key := limitedAPI{source: e.account.source, region: e.region, action: action}
	limiter, _ := e.cloud.limiters.get(key, func() (*throttle.Limiter, error) {
		return throttle.New(e.cloud.env.Now, e.cloud.env.Sleep), nil
	})
	return limiter
}
