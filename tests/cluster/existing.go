// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
)

// existing returns the cluster that there is.
func existing(ctx context.Context, options Options) (*Cluster, error) {
	kubecontext, err := contextOf(options)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Name: options.Name, Kubeconfig: options.Kubeconfig, KubeletDir: kubeletDir}
	if c.Config, c.Client, err = controlplane.Connect(options.Kubeconfig, kubecontext); err != nil {
		return nil, err
	}
	var nodes corev1.NodeList
	if err := c.Client.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("listing its nodes: %w", err)
	}
	if len(nodes.Items) == 0 {
		return nil, errors.New("it has no node")
	}
	c.NodeName = nodes.Items[0].Name
	for _, address := range nodes.Items[0].Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			c.NodeAddress = address.Address
		}
	}
	return c, nil
}

// contextOf returns the context of a kubeconfig file that is for a cluster.
func contextOf(options Options) (string, error) {
	config, err := clientcmd.LoadFromFile(options.Kubeconfig)
	if err != nil {
		return "", fmt.Errorf("reading it: %w", err)
	}
	if _, ok := config.Contexts[options.Name]; ok {
		return options.Name, nil
	}
	// Two clusters must not turn out to be one.
	if options.Index != 1 || config.CurrentContext == "" {
		return "", fmt.Errorf("it has no context %q", options.Name)
	}
	return config.CurrentContext, nil
}
