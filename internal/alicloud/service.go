// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/rpc"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/throttle"
)

// answerTimeout is how long an RPC service may be silent. Its calls do little but
// begin what then takes time.
const answerTimeout = 30 * time.Second

// ServiceConfig is what a location says about an RPC service (ECS, HBR or NAS). It is
// comparable: equal configs share one client.
type ServiceConfig struct {
	// Region that calls go to; empty means that of Endpoint, else that of the instance.
	Region string
	// Network is the way to the service where Endpoint is empty: endpoint.VPC or
	// endpoint.Public; empty means VPC where this machine is an instance of Region, else Public.
	Network endpoint.Network
	// Endpoint is a host or URL that replaces the one of region and network.
	Endpoint string
	// NotOnECS forbids looking for what this machine is: the role of the node, and whether
	// it is an instance of Region.
	NotOnECS bool
	// Credentials says where the location's credentials come from.
	Credentials credentials.Config
}

// service is an RPC service of one account in one region, with the SDK's client of it.
type service[Client any] struct {
	cloud *Cloud
	// product is the name of the service in RAM and in its endpoints, such as ecs.
	product   endpoint.Product
	newClient func(*openapiutil.Config) (*Client, error)
	region    string
	endpoint  *url.URL
	account   *serviceAccount
}

// serviceAccount is what the regions of one config have in common.
type serviceAccount struct {
	source      credentials.Config
	credentials *credentials.Provider
	http        *http.Client
}

// newService returns the service that cfg is about. It contacts nothing but the
// instance metadata service, and that only where the region or the network is not given.
func newService[Client any](
	ctx context.Context, c *Cloud, product endpoint.Product, newClient func(*openapiutil.Config) (*Client, error), cfg ServiceConfig,
) (*service[Client], error) {
	s := &service[Client]{cloud: c, product: product, newClient: newClient}
	internal, err := s.locate(ctx, cfg)
	if err != nil {
		return nil, err
	}
	client := c.env.RPC
	if client == nil {
		trust, err := TLS{}.config()
		if err != nil {
			return nil, err
		}
		client = c.newHTTPClient(trust, answerTimeout)
	}
	s.account = &serviceAccount{
		source:      cfg.Credentials,
		credentials: credentials.NewProvider(c.stsNear(cfg.Credentials, s.region, internal), c.credentialsEnvironment(cfg.NotOnECS)),
		http:        client,
	}
	return s, nil
}

// locate sets region and endpoint to those of cfg, and tells whether the endpoint
// is on Alibaba Cloud's own network.
func (s *service[Client]) locate(ctx context.Context, cfg ServiceConfig) (internal bool, err error) {
	region := cfg.Region
	if cfg.Endpoint != "" {
		if s.endpoint, err = endpoint.Parse(cfg.Endpoint); err != nil {
			return false, fmt.Errorf("reading the endpoint: %w", err)
		}
		var named string
		named, internal = endpoint.RegionOfRPC(s.product, s.endpoint)
		region = cmp.Or(region, named)
	}
	if s.region, err = s.cloud.region(ctx, region); err != nil || s.endpoint != nil {
		return internal, err
	}
	network := cfg.Network
	if network == "" && s.cloud.inRegion(ctx, s.region, cfg.NotOnECS) {
		network = endpoint.VPC
	}
	s.endpoint = endpoint.RPC(s.product, s.region, network)
	return network == endpoint.VPC, nil
}

// in returns the service of the same account in another region, by its public
// endpoint: one inside VPCs answers in its own region alone.
func (s *service[Client]) in(region string) *service[Client] {
	other := *s
	other.region, other.endpoint = region, endpoint.RPC(s.product, region, endpoint.Public)
	return &other
}

// Region is the region that calls go to, such as cn-hangzhou.
func (s *service[Client]) Region() string { return s.region }

// Now returns the time of the Cloud's clock.
func (s *service[Client]) Now() time.Time { return s.cloud.env.Now() }

// Sleep waits for d by the Cloud's clock, or returns the error of ctx if it ended before.
func (s *service[Client]) Sleep(ctx context.Context, d time.Duration) error {
	return s.cloud.env.Sleep(ctx, d)
}

// client returns a client of the SDK for one attempt: it knows neither contexts nor
// credentials that change. Its connections are those of all attempts.
func (s *service[Client]) client(ctx context.Context, key credentials.Credentials) (*Client, error) {
	config, err := rpc.ConfigFor(ctx, s.endpoint.String(), s.account.http)
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", s.product, err)
	}
	config.AccessKeyId, config.AccessKeySecret = &key.AccessKeyID, &key.AccessKeySecret
	if key.SecurityToken != "" {
		config.SecurityToken = &key.SecurityToken
	}
	client, err := s.newClient(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", s.product, err)
	}
	return client, nil
}

// limitedAPI is what the cloud limits the calls of: an API in a region for an
// account. Configs with the same source of credentials are of the same account.
type limitedAPI struct {
	source         credentials.Config
	region, action string
}

// limiter returns what paces the calls of an API, the same one for all clients of
// the account in the region. Services have APIs of one name, so that it goes by the
// action as RAM has it.
func (s *service[Client]) limiter(action string) *throttle.Limiter {
	key := limitedAPI{source: s.account.source, region: s.region, action: action}
	limiter, _ := s.cloud.limiters.Get(key, func() (*throttle.Limiter, error) {
		return throttle.New(s.cloud.env.Now, s.cloud.env.Sleep), nil
	})
	return limiter
}
