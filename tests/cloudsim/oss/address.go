// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"net"
	"net/http"
	"strings"
	"unicode/utf8"
)

const domain = ".aliyuncs.com"

// address is what the host and the path of a request say.
type address struct {
	// region is the region of the endpoint. It is empty for the accelerate endpoints and for IP addresses, which
	// serve every region.
	region string
	// accelerate says that it is an endpoint of transfer acceleration.
	accelerate bool
	// internal says that it is an endpoint for the cloud's own network.
	internal bool
	// bucket and key are empty where the request names none.
	bucket string
	key    string
}

// addressOf reads the address of a request: /<key> on a host name that is bound to a bucket, else one of parseAddress.
func (s *Service) addressOf(r *http.Request) (address, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name, b := range s.buckets.values {
		if b.config.Domain != "" && b.config.Domain == hostOf(r) {
			return address{bucket: name, key: strings.TrimPrefix(r.URL.Path, "/")}, nil
		}
	}
	return parseAddress(r)
}

// hostOf is the host name of a request, in lower case.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(host)
}

// parseAddress reads the address of a request. The forms are <bucket>.oss-<region>[-internal].aliyuncs.com,
// <bucket>.<region>[-internal].oss.aliyuncs.com (dual stack), <bucket>.oss-accelerate[-overseas].aliyuncs.com, and
// /<bucket>/<key> on an IP address or localhost.
func parseAddress(r *http.Request) (address, error) {
	host, path := hostOf(r), strings.TrimPrefix(r.URL.Path, "/")
	if host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil {
		var a address
		a.bucket, a.key, _ = strings.Cut(path, "/")
		return a, nil
	}
	a, err := parseHost(host)
	if err != nil {
		return address{}, err
	}
	if a.bucket == "" && path != "" {
		bucket, _, _ := strings.Cut(path, "/")
		return a, newError(http.StatusForbidden, "SecondLevelDomainForbidden", "The bucket you are attempting to "+
			"access must be addressed using OSS third level domain.").with("Bucket", bucket)
	}
	a.key = path
	return a, nil
}

func parseHost(host string) (address, error) {
	var a address
	labels, ok := strings.CutSuffix(host, domain)
	if !ok {
		return a, newError(http.StatusForbidden, "NonStandardHostForbidden",
			"Your host is invalid. Please use Open Storage Service standard host.")
	}
	endpoint := labels
	if rest, dualStack := strings.CutSuffix(labels, ".oss"); dualStack {
		if i := strings.LastIndexByte(rest, '.'); i >= 0 {
			a.bucket, rest = rest[:i], rest[i+1:]
		}
		endpoint = "oss-" + rest
	} else if i := strings.LastIndexByte(labels, '.'); i >= 0 {
		a.bucket, endpoint = labels[:i], labels[i+1:]
	}
	region, ok := strings.CutPrefix(endpoint, "oss-")
	if !ok {
		return a, newError(http.StatusForbidden, "NonStandardHostForbidden",
			"Your host is invalid. Please use Open Storage Service standard host.")
	}
	if region == "accelerate" || region == "accelerate-overseas" {
		a.accelerate = true
		return a, nil
	}
	a.region, a.internal = strings.CutSuffix(region, "-internal")
	return a, nil
}

// publicEndpoint and internalEndpoint return the names under which a region is reached from outside and from inside
// the cloud's own network.
func publicEndpoint(region string) string   { return "oss-" + region + domain }
func internalEndpoint(region string) string { return "oss-" + region + "-internal" + domain }

// checkNames says what is wrong with the bucket's or the object's name.
func (a address) checkNames() error {
	if a.bucket != "" && !validBucketName(a.bucket) {
		return invalidBucketName(a.bucket)
	}
	if a.key == "" {
		return nil
	}
	return checkKey(a.key)
}

// maxKeyBytes is the longest name of an object.
const maxKeyBytes = 1023

func checkKey(key string) error {
	switch {
	case key == "":
		return invalidObjectName(key, "The Object name can not be empty.")
	case len(key) > maxKeyBytes:
		return invalidObjectName(key, "The length of object name must be less than 1024.")
	case key[0] == '/' || key[0] == '\\' || !utf8.ValidString(key):
		return invalidObjectName(key, "The specified object is not valid.")
	}
	return nil
}
