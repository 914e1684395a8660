// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"net"
	"strings"
)

// Domain is the domain of Alibaba Cloud's endpoints.
const Domain = ".aliyuncs.com"

// Endpoint is what the name of an RPC endpoint says.
type Endpoint struct {
	// Product is the first part: ecs, sts, hbr, nas.
	Product string
	// Region is empty for a central endpoint, such as sts.aliyuncs.com.
	Region string
	// VPC says that the endpoint can be reached from inside of the region alone.
	VPC bool
}

// ParseEndpoint reads the forms <product>[-vpc].<region>.aliyuncs.com, <product>-<region>.aliyuncs.com and
// <product>.aliyuncs.com, with or without a port.
func ParseEndpoint(host string) (Endpoint, bool) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	name, ok := strings.CutSuffix(strings.ToLower(host), Domain)
	if !ok {
		return Endpoint{}, false
	}
	first, region, _ := strings.Cut(name, ".")
	product, rest, _ := strings.Cut(first, "-")
	switch {
	case product == "" || strings.Contains(region, "."):
		return Endpoint{}, false
	case rest == "":
		return Endpoint{Product: product, Region: region}, true
	case rest == "vpc" && region != "":
		return Endpoint{Product: product, Region: region, VPC: true}, true
	case region == "":
		return Endpoint{Product: product, Region: rest}, true
	default:
		return Endpoint{}, false
	}
}
