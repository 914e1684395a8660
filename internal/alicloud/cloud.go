// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/metadata"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/throttle"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
)

const (
	// metadataEndpointVariable replaces the address of the instance metadata service.
	metadataEndpointVariable = "ALIBABA_CLOUD_ECS_METADATA_ENDPOINT"
	// stsEndpointVariable replaces the endpoint of STS for all locations.
	stsEndpointVariable = "ALIBABA_CLOUD_STS_ENDPOINT"
)

// Environment is what a Cloud may use of the process and the machine around it.
type Environment struct {
	// Getenv reads an environment variable.
	Getenv func(string) string
	// AddonTokenSecret reads the value of the ACK addon token from its Secret in
	// kube-system through the Kubernetes API; nil where there is no cluster.
	AddonTokenSecret func(context.Context) ([]byte, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Sleep passes time until the duration is over or the context ends, whose error
	// it then returns; nil means retry.Sleep.
	Sleep func(context.Context, time.Duration) error
	// RPC carries the calls to ECS, HBR, NAS and STS; nil means connections that go through
	// the proxies of the environment.
	RPC *http.Client
	// Retry is the delay between attempts of every client; the zero value means retry.Default.
	Retry retry.Policy
	// Log is told what a person may want to know of credentials and connections.
	Log logrus.FieldLogger
}

// Cloud makes the clients of all locations that one plugin process serves. A
// location's client, its connections and its credentials are made once and kept,
// for Velero initialises a plugin again for every location and every backup.
type Cloud struct {
	env      Environment
	metadata *metadata.Client
	// answered are the hosts that have answered any of the clients.
	answered *hosts

	oss      once.Values[OSSConfig, *OSS]
	ecs      once.Values[ECSConfig, *ECS]
	hbr      once.Values[HBRConfig, *HBR]
	nas      once.Values[NASConfig, *NAS]
	limiters once.Values[limitedAPI, *throttle.Limiter]
}

// New returns a Cloud. It contacts nothing.
func New(env Environment) *Cloud {
	if env.Retry == (retry.Policy{}) {
		env.Retry = retry.Default()
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Sleep == nil {
		env.Sleep = retry.Sleep
	}
	return &Cloud{
		env:      env,
		metadata: metadata.New(env.Getenv(metadataEndpointVariable), nil),
		answered: newHosts(),
	}
}

// newHTTPClient is newHTTPClient for any of the clients.
func (c *Cloud) newHTTPClient(trust *tls.Config, idle time.Duration) *http.Client {
	return newHTTPClient(trust, idle, c.answered, c.env.Log)
}

// credentialsEnvironment is the part of the environment that a location's credentials may come from.
func (c *Cloud) credentialsEnvironment(notOnECS bool) credentials.Environment {
	return credentials.Environment{
		Getenv:           c.env.Getenv,
		Metadata:         c.metadata,
		NotOnECS:         notOnECS,
		AddonTokenSecret: c.env.AddonTokenSecret,
		HTTPClient:       c.env.RPC,
		Now:              c.env.Now,
		Log:              c.env.Log,
	}
}
