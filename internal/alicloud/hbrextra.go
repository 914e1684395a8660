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

// addParameter adds a parameter to the call, unless it is nil.
func addParameter(runtime *dara.RuntimeOptions, name string, value *string) {
	if value != nil {
		runtime.ExtendsParameters = &dara.ExtendsParameters{Queries: map[string]*string{name: value}}
	}
}
