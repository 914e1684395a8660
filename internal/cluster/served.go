// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

var errNoDiscovery = errors.New("this cluster is one of a client alone, which cannot ask for what is served")

// ServedKinds returns the kinds that the API server serves in a version of a group
// other than core, nil where it does not serve the version.
func (c *Cluster) ServedKinds(ctx context.Context, version schema.GroupVersion) ([]string, error) {
	if c.config == nil {
		return nil, fmt.Errorf("asking for what is served of %s: %w", version, errNoDiscovery)
	}
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	config.Timeout = callTimeout
	asker, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a discovery client of the Kubernetes API server: %w", err)
	}
	list := &metav1.APIResourceList{}
	// The methods of the client take no context.
	err = asker.RESTClient().Get().AbsPath("/apis", version.Group, version.Version).Do(ctx).Into(list)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("asking for what is served of %s: %w", version, err)
	}
	kinds := []string{}
	for _, resource := range list.APIResources {
		if !strings.Contains(resource.Name, "/") {
			kinds = append(kinds, resource.Kind)
		}
	}
	return kinds, nil
}
