// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/tea/dara"
)

// The APIs of NAS (2017-06-26) that the plugin uses, under their own names, without an
// SDK. Each waits for its turn, is repeated as its failure allows, for all can be, and
// returns a *CallError.

// DescribeFileSystems lists file systems, up to 100 for each call.
func (n *NAS) DescribeFileSystems(ctx context.Context, request *DescribeFileSystemsRequest) (*DescribeFileSystemsResponseBody, error) {
	answer, err := send(ctx, n.service, "DescribeFileSystems", repeatable, nasAPI[DescribeFileSystemsRequest, DescribeFileSystemsResponseBody]("DescribeFileSystems"), request)
	if err != nil {
		return nil, err
	}
	return &answer.Body, nil
}

// nasAnswer is an answer in the form of the SDK's.
type nasAnswer[Body any] struct {
	Body Body `json:"body"`
}

// nasAPI is what a method of an SDK would be.
func nasAPI[Request, Body any](name string) func(*openapi.Client, *Request, *dara.RuntimeOptions) (*nasAnswer[Body], error) {
	return func(client *openapi.Client, request *Request, runtime *dara.RuntimeOptions) (*nasAnswer[Body], error) {
		return callAPI[nasAnswer[Body]](client, api{version: "2017-06-26", name: name}, request, runtime)
	}
}
