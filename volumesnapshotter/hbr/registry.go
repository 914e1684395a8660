// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// registry is Cloud Backup as far as it knows container clusters.
type registry struct{ api *alicloud.HBR }

// Register makes a cluster known by an identifier, unless it is.
func (r registry) Register(ctx context.Context, identifier string) (agent.Registration, error) {
	known, err := r.find(ctx, identifier)
	if err != nil || known.ID != "" {
		return known, err
	}
	_, err = createOnce(ctx, r.api, func(ctx context.Context) (string, error) {
		answer, err := r.api.AddContainerCluster(ctx, &sdk.AddContainerClusterRequest{
			ClusterType: tea.String("ACK"), NetworkType: tea.String("VPC"), Identifier: tea.String(identifier), Name: tea.String(identifier),
		})
		if err != nil {
			return "", err
		}
		return tea.StringValue(answer.ClusterId), nil
	}, func(ctx context.Context) (string, error) {
		found, err := r.find(ctx, identifier)
		return found.ID, err
	})
	if err != nil {
		return agent.Registration{}, err
	}
	return r.find(ctx, identifier)
}

// find returns what is known of a cluster, with an empty ID for nothing.
func (r registry) find(ctx context.Context, identifier string) (agent.Registration, error) {
	request := &alicloud.DescribeContainerClusterRequest{Identifier: tea.String(identifier)}
	request.PageNumber, request.PageSize = tea.Int32(1), tea.Int32(maxPage)
	answer, err := r.api.DescribeContainerCluster(ctx, request)
	if err != nil {
		return agent.Registration{}, err
	}
	for _, c := range answer.Clusters {
		if tea.StringValue(c.Identifier) == identifier {
			return agent.Registration{ID: tea.StringValue(c.ClusterId), Token: tea.StringValue(c.Token)}, nil
		}
	}
	return agent.Registration{}, nil
}
