// SPDX-License-Identifier: Apache-2.0

// Package endpoint knows where the services of Alibaba Cloud are.
package endpoint

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// Network is the way to a cloud service.
type Network string

// The networks of a backup storage location.
const (
	// Public is the Internet.
	Public Network = "public"
	// Internal is Alibaba Cloud's own network, reachable in the bucket's region alone.
	Internal Network = "internal"
	// Accelerate is OSS transfer acceleration, which the bucket must have enabled.
	Accelerate Network = "accelerate"
	// Auto is internal where the instance's region is the bucket's, else public.
	Auto Network = "auto"
)

// VPC is the endpoint of an RPC service inside a region's VPCs, reachable in that
// region alone.
const VPC Network = "vpc"

// ossHost matches the regional endpoints of OSS, with or without a bucket in front:
// those of IPv4, and the dual-stack ones.
var ossHost = regexp.MustCompile(`(?:^|\.)(?:oss-([a-z0-9-]+?)(-internal)?|([a-z]+-[a-z0-9-]+)\.oss)\.aliyuncs\.com$`)

// otherService matches what names no region in a host that looks like an endpoint of
// OSS: acceleration, OSS accelerators (cn-hangzhou-internal.oss-data-acc) and CloudBoxes.
var otherService = regexp.MustCompile(`^(?:accelerate|data-acc|cloudbox)`)

// OSS returns the endpoint of a region's OSS in a network, which must not be auto.
// Finance regions have irregular names: they need the key "endpoint".
// Source: OSS documentation, "Regions and endpoints".
func OSS(region string, network Network) *url.URL {
	host := fmt.Sprintf("oss-%s.aliyuncs.com", region)
	switch network {
	case Internal:
		host = fmt.Sprintf("oss-%s-internal.aliyuncs.com", region)
	case Accelerate:
		host = "oss-accelerate.aliyuncs.com"
	case Public, Auto, VPC:
	}
	return &url.URL{Scheme: "https", Host: host}
}

// irregular matches what the endpoints of finance regions have in place of the
// region's id, such as oss-cn-hzfinance and oss-cn-hzjbp-a-internal for
// cn-hangzhou-finance. Those of the government region are like any other's.
var irregular = regexp.MustCompile(`finance|hzjbp|szfin|-pub$`)

// RegionOfOSS returns the region that the host of an OSS endpoint names,
// and whether it is an internal one. The region is "" for any other host, and for
// irregular ones.
func RegionOfOSS(endpoint *url.URL) (region string, internal bool) {
	match := ossHost.FindStringSubmatch(strings.ToLower(endpoint.Hostname()))
	if match == nil || otherService.MatchString(match[1]) {
		return "", false
	}
	region, internal = match[1]+match[3], match[2] != "" // One of the two forms matched.
	if irregular.MatchString(region) {
		region = ""
	}
	return region, internal
}

// Product is an RPC service, by its name in endpoints and in RAM's actions.
type Product string

// The RPC services of the plugin.
const (
	// ECS has the disks and their snapshots.
	ECS Product = "ecs"
	// HBR is Cloud Backup.
	HBR Product = "hbr"
	// NAS has the file systems.
	NAS Product = "nas"
)

// rpcHost matches the regional endpoints of RPC services.
var rpcHost = regexp.MustCompile(`^([a-z]+)(-vpc)?\.([a-z0-9-]+)\.aliyuncs\.com$`)

// RPC returns the endpoint of an RPC service in a region: the one inside its VPCs for
// VPC, the public one for any other network.
// Source: API references of ECS, Cloud Backup and NAS, "Endpoints". Regions that have no
// endpoint of that form need the key "endpoint".
func RPC(product Product, region string, network Network) *url.URL {
	host := string(product)
	if network == VPC {
		host += "-vpc"
	}
	return &url.URL{Scheme: "https", Host: fmt.Sprintf("%s.%s.aliyuncs.com", host, region)}
}

// RegionOfRPC returns the region that the host of an endpoint of the product names, and
// whether it is the one inside VPCs. The region is "" for any other host.
func RegionOfRPC(product Product, endpoint *url.URL) (region string, vpc bool) {
	match := rpcHost.FindStringSubmatch(strings.ToLower(endpoint.Hostname()))
	if match == nil || match[1] != string(product) {
		return "", false
	}
	return match[3], match[2] != ""
}

// Parse parses an endpoint as users write it, with or without a scheme.
// Without one it is https. Anything but a host, and optionally a port, is refused.
func Parse(text string) (*url.URL, error) {
	trimmed := strings.TrimSuffix(strings.TrimSpace(text), "/")
	if !strings.Contains(trimmed, "://") {
		trimmed = "https://" + trimmed
	}
	endpoint, err := url.Parse(trimmed)
	if err != nil {
		return nil, fmt.Errorf("not a URL: %q", text)
	}
	if endpoint.Scheme != "https" && endpoint.Scheme != "http" {
		return nil, fmt.Errorf("the scheme must be https or http, not %q", endpoint.Scheme)
	}
	if endpoint.Hostname() == "" || endpoint.Path != "" || endpoint.RawQuery != "" || endpoint.User != nil {
		return nil, fmt.Errorf("want a host such as oss-cn-hangzhou.aliyuncs.com, without bucket, path or query: %q", text)
	}
	return endpoint, nil
}

// IsLoopback tells whether the endpoint is this machine, where plain HTTP leaks nothing.
func IsLoopback(endpoint *url.URL) bool {
	host := endpoint.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// NeedsPathStyle tells whether a bucket cannot be put in front of the host: it is an address or has no domain.
func NeedsPathStyle(endpoint *url.URL) bool {
	host := endpoint.Hostname()
	return net.ParseIP(host) != nil || !strings.Contains(host, ".")
}
