// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"

	ecs "github.com/alibabacloud-go/ecs-20140526/v4/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
)

// ECSConfig is what a location says about its ECS.
type ECSConfig = ServiceConfig

// ECS is the ECS of one account in one region. It is safe for concurrent use.
type ECS struct {
	*service[ecs.Client]
	// home is the ECS of the location's own region.
	home *ECS
}

// ECS returns the client for cfg, the same one for an equal cfg. It contacts
// nothing but the instance metadata service, and that only where the region or the
// network is not given.
func (c *Cloud) ECS(ctx context.Context, cfg ECSConfig) (*ECS, error) {
	return c.ecs.Get(cfg, func() (*ECS, error) {
		located, err := newService(ctx, c, endpoint.ECS, ecs.NewClient, cfg)
		if err != nil {
			return nil, err
		}
		home := &ECS{service: located}
		home.home = home
		return home, nil
	})
}

// In returns the ECS of the same account in another region, by its public
// endpoint: one inside VPCs answers in its own region alone. For the location's own
// region it is that of the location.
func (e *ECS) In(region string) *ECS {
	switch region {
	case e.region:
		return e
	case e.home.region:
		return e.home
	}
	return &ECS{service: e.in(region), home: e.home}
}
