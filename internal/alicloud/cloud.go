// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/metadata"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
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

	mu        sync.Mutex
	ossByConf map[OSSConfig]*ossEntry
}

// New returns a Cloud. It contacts nothing.
func New(env Environment) *Cloud {
	if env.Retry == (retry.Policy{}) {
		env.Retry = retry.Default()
	}
	return &Cloud{
		env:       env,
		metadata:  metadata.New(env.Getenv(metadataEndpointVariable), nil),
		ossByConf: map[OSSConfig]*ossEntry{},
	}
}

// credentialsEnvironment is the part of the environment that a location's credentials may come from.
func (c *Cloud) credentialsEnvironment(notOnECS bool) credentials.Environment {
	env := credentials.Environment{
		Getenv:           c.env.Getenv,
		Metadata:         c.metadata,
		AddonTokenSecret: c.env.AddonTokenSecret,
		Now:              c.env.Now,
		Log:              c.env.Log,
	}
	if notOnECS {
		env.Metadata = nil
	}
	return env
}
