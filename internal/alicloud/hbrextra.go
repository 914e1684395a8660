// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	hbr "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/dara"
)

// What HBR has and the SDK does not.
// Source: Cloud Backup API reference of the API.

// DescribeVaultsRequest is the SDK's with the parameter that it lacks.
type DescribeVaultsRequest struct {
	hbr.DescribeVaultsRequest

	// VaultName is the whole name of a vault.
	VaultName *string
}

func describeVaults(client *hbr.Client, request *DescribeVaultsRequest, runtime *dara.RuntimeOptions) (*hbr.DescribeVaultsResponse, error) {
	addParameter(runtime, "VaultName", request.VaultName)
	return client.DescribeVaultsWithOptions(&request.DescribeVaultsRequest, runtime)
}

// DescribeContainerClusterRequest is the SDK's with the parameter that it lacks.
type DescribeContainerClusterRequest struct {
	hbr.DescribeContainerClusterRequest

	// Identifier is the one that AddContainerCluster was given.
	Identifier *string
}

func describeContainerCluster(
	client *hbr.Client, request *DescribeContainerClusterRequest, runtime *dara.RuntimeOptions,
) (*hbr.DescribeContainerClusterResponse, error) {
	addParameter(runtime, "Identifier", request.Identifier)
	return client.DescribeContainerClusterWithOptions(&request.DescribeContainerClusterRequest, runtime)
}

// CreateRestoreJobRequest is the SDK's with the parameter that it lacks.
type CreateRestoreJobRequest struct {
	hbr.CreateRestoreJobRequest

	// Options is a JSON object with includes, excludes and conflictPolicy.
	Options *string
}

func createRestoreJob(client *hbr.Client, request *CreateRestoreJobRequest, runtime *dara.RuntimeOptions) (*hbr.CreateRestoreJobResponse, error) {
	addParameter(runtime, "Options", request.Options)
	return client.CreateRestoreJobWithOptions(&request.CreateRestoreJobRequest, runtime)
}

// UpdateContainerClusterRequest is what to change of a registered cluster.
type UpdateContainerClusterRequest struct {
	// ClusterID is the cc-… of AddContainerCluster.
	ClusterID string `json:"ClusterId"`
	// Name, Description and NetworkType (CLASSIC or VPC) stay as they are where empty.
	Name        string `json:"Name,omitempty"`
	Description string `json:"Description,omitempty"`
	NetworkType string `json:"NetworkType,omitempty"`
	// RenewToken asks for another token.
	RenewToken bool `json:"RenewToken,omitempty"`
}

// UpdateContainerClusterResponseBody is the answer of UpdateContainerCluster.
type UpdateContainerClusterResponseBody struct {
	// Token is what the cluster's clients register with.
	Token string `json:"Token"`
	// TokenUpdated says that Token is a new one.
	TokenUpdated bool `json:"TokenUpdated"`

	hbrVerdict
}

// updateContainerClusterResponse is the answer in the form of the SDK's.
type updateContainerClusterResponse struct {
	Body *UpdateContainerClusterResponseBody `json:"body"`
}

func updateContainerCluster(
	client *hbr.Client, request *UpdateContainerClusterRequest, runtime *dara.RuntimeOptions,
) (*updateContainerClusterResponse, error) {
	return callAPI[updateContainerClusterResponse](&client.Client, api{version: "2017-09-08", name: "UpdateContainerCluster"}, request, runtime)
}

// addParameter adds a parameter to the call, unless it is nil.
func addParameter(runtime *dara.RuntimeOptions, name string, value *string) {
	if value != nil {
		runtime.ExtendsParameters = &dara.ExtendsParameters{Queries: map[string]*string{name: value}}
	}
}
