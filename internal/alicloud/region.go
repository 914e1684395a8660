// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"errors"
	"fmt"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
)

// ErrNoRegion is returned where neither the location nor the endpoint nor the instance names a region.
var ErrNoRegion = errors.New("no region")

// region returns given, or else the region of the instance. It is asked for in a
// location with notOnECS too, as by the official plugin: there is no other answer,
// and where there is no instance, that is known within seconds.
func (c *Cloud) region(ctx context.Context, given string) (string, error) {
	const remedy = `set the location's config key "region", for example region: cn-hangzhou`
	if given != "" {
		return given, nil
	}
	identity, err := c.metadata.Identity(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %s; asking the instance metadata service for it: %w", ErrNoRegion, remedy, err)
	}
	return identity.RegionID, nil
}

// inRegion tells whether this machine is an instance of the region, from which the
// endpoints on Alibaba Cloud's own network can be reached.
func (c *Cloud) inRegion(ctx context.Context, region string, notOnECS bool) bool {
	if notOnECS {
		return false
	}
	identity, err := c.metadata.Identity(ctx)
	if err != nil {
		c.env.Log.WithError(err).Debug("Not on an ECS instance, using the public network")
		return false
	}
	return identity.RegionID == region
}

// stsNear names the STS endpoint that is reachable where the location's endpoint
// is: a node that needs one on Alibaba Cloud's own network (internal) seldom has a
// way to the Internet.
func (c *Cloud) stsNear(cfg credentials.Config, region string, internal bool) credentials.Config {
	if internal && cfg.STSEndpoint == "" && c.env.Getenv(stsEndpointVariable) == "" {
		cfg.STSEndpoint = fmt.Sprintf("sts-vpc.%s.aliyuncs.com", region)
	}
	return cfg
}
