// SPDX-License-Identifier: Apache-2.0

// Package cluster reads from the API server of the cluster that Velero runs in.
//
// A missing object is an error for which apierrors.IsNotFound holds.
package cluster

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// namespaceVariable is set by Velero's Deployment.
	namespaceVariable = "VELERO_NAMESPACE"
	// podNamespaceFile holds the namespace of the pod that a process runs in.
	podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
	// defaultNamespace is where `velero install` puts Velero.
	defaultNamespace = "velero"
)

// What one process may ask of the API server. client-go's own 5 calls a second
// would make a restore of hundreds of volumes wait for nothing.
const (
	callsPerSecond = 50
	callsAtOnce    = 100
	callTimeout    = time.Minute
)

// ErrNone is returned by Find where this process runs in no cluster.
var ErrNone = errors.New("no cluster: neither KUBECONFIG nor the service account of a pod is there")

// Cluster is the cluster that this process runs in. It connects when it is first
// used. Its methods may be called at the same time.
type Cluster struct {
	namespace string
	// config is nil where the client is all that is known of the cluster.
	config  func() (*rest.Config, error)
	connect func() (client.Client, error)

	mu     sync.Mutex
	client client.Client
	id     string
}

// New returns the cluster behind a client that knows the types of Scheme, where
// Velero is installed in namespace.
func New(c client.Client, namespace string) *Cluster {
	return &Cluster{namespace: namespace, client: c}
}

// Find returns the cluster of the file that KUBECONFIG names, else that of the
// pod. Velero's namespace is that of VELERO_NAMESPACE, else that of the pod, else
// "velero". Find contacts nothing.
func Find(getenv func(string) string) (*Cluster, error) {
	kubeconfig := getenv("KUBECONFIG")
	if kubeconfig == "" && getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil, ErrNone
	}
	config := func() (*rest.Config, error) { return configuration(kubeconfig) }
	return &Cluster{
		namespace: veleroNamespace(getenv, podNamespaceFile),
		config:    config,
		connect: func() (client.Client, error) {
			config, err := config()
			if err != nil {
				return nil, err
			}
			return newClient(config)
		},
	}, nil
}

// Absent returns a cluster that cannot be read: each of its methods returns err.
func Absent(err error) *Cluster {
	return &Cluster{
		config:  func() (*rest.Config, error) { return nil, err },
		connect: func() (client.Client, error) { return nil, err },
	}
}

func veleroNamespace(getenv func(string) string, podFile string) string {
	if namespace := getenv(namespaceVariable); namespace != "" {
		return namespace
	}
	// Outside of a pod there is no such file.
	if content, err := os.ReadFile(podFile); err == nil && len(content) > 0 {
		return strings.TrimSpace(string(content))
	}
	return defaultNamespace
}

// configuration reads the file, or the service account of the pod if it is empty.
func configuration(kubeconfig string) (config *rest.Config, err error) {
	if kubeconfig == "" {
		config, err = rest.InClusterConfig()
	} else {
		config, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("finding the Kubernetes API server: %w", err)
	}
	return config, nil
}

// newClient returns a client that contacts nothing before its first use.
func newClient(config *rest.Config) (client.Client, error) {
	config.QPS, config.Burst, config.Timeout = callsPerSecond, callsAtOnce, callTimeout
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper(scheme)})
	if err != nil {
		return nil, fmt.Errorf("making a client of the Kubernetes API server: %w", err)
	}
	return c, nil
}

// Namespace returns the namespace that Velero is installed in.
func (c *Cluster) Namespace() string { return c.namespace }

// Client returns the client behind the Cluster, for who writes to it or reads
// what has no method here. It knows the types of Scheme. A failure is not kept:
// the next call tries again.
func (c *Cluster) Client() (client.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		return c.client, nil
	}
	made, err := c.connect()
	if err != nil {
		return nil, err
	}
	c.client = made
	return made, nil
}
