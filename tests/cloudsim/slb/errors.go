// SPDX-License-Identifier: Apache-2.0

package slb

import (
	"crypto/rand"
	"fmt"
)

// Error is an answer of the API that refuses. Its text is the one that the cloud controller manager makes of it
// (`SDKError` in kubernetes/cloud-provider-alibaba-cloud), of which it shows the message in events.
type Error struct {
	API     string
	Code    string
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("[SDKError] API: %s, ErrorCode: %s, RequestId: %s, Message: %s", e.API, e.Code, rand.Text(), e.Message)
}

// noBalancer is the error for an id that is none in the region: see the error codes of DescribeLoadBalancerAttribute (Slb
// 2014-05-15) and GetLoadBalancerAttribute (Nlb 2022-04-30).
func noBalancer(api string, kind Kind) error {
	if kind == NLB {
		return &Error{API: api, Code: "ResourceNotFound.loadBalancer", Message: "The specified resource of loadbalancer is not found."}
	}
	return &Error{API: api, Code: "InvalidLoadBalancerId.NotFound", Message: "The specified LoadBalancerId does not exist."}
}

func noGroup(api string) error {
	return &Error{API: api, Code: "VServerGroupNotFound", Message: "The specified VServerGroupId does not exist."}
}

func noListener(api string) error {
	return &Error{API: api, Code: "InvalidParameter", Message: "The specified resource does not exist."}
}
