// SPDX-License-Identifier: Apache-2.0

// Package cluster reads from the API server of the cluster that Velero runs in.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// ErrNone is returned by Find where this process runs in no cluster.
var ErrNone = errors.New("no cluster: neither KUBECONFIG nor the service account of a pod is there")

// Cluster is the cluster that this process runs in. It connects when it is first used.
type Cluster struct {
	connect func() (kubernetes.Interface, error)
}

// Find returns the cluster of the file that KUBECONFIG names, else that of the
// pod. It contacts nothing.
func Find(getenv func(string) string) (*Cluster, error) {
	kubeconfig := getenv("KUBECONFIG")
	if kubeconfig == "" && getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil, ErrNone
	}
	return &Cluster{connect: sync.OnceValues(func() (kubernetes.Interface, error) {
		config, err := configuration(kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("finding the Kubernetes API server: %w", err)
		}
		return kubernetes.NewForConfig(config)
	})}, nil
}

// configuration reads the file, or the service account of the pod if it is empty.
func configuration(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", kubeconfig)
}

// SecretValue returns the value of a key of a Secret, with the errors of the API server.
func (c *Cluster) SecretValue(ctx context.Context, namespace, name, key string) ([]byte, error) {
	client, err := c.connect()
	if err != nil {
		return nil, err
	}
	secret, err := client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	value, ok := secret.Data[key]
	if !ok {
		return nil, fmt.Errorf("the Secret %s/%s has no key %s", namespace, name, key)
	}
	return value, nil
}
