// SPDX-License-Identifier: Apache-2.0

package csidriver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// controller looks after the claims of a cluster.
type controller struct{ *provisioner.Controller }

// look does all that there is to do now. What can be done twice is: several nodes may look at once.
func (c *controller) look(ctx context.Context) error {
	var nodes corev1.NodeList
	var claims corev1.PersistentVolumeClaimList
	var volumes corev1.PersistentVolumeList
	for _, list := range []client.ObjectList{&nodes, &claims, &volumes} {
		if err := c.Client.List(ctx, list); err != nil {
			return fmt.Errorf("list %T: %w", list, err)
		}
	}
	slices.SortFunc(nodes.Items, func(a, b corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	_, provisioning := c.Provision(ctx, provisioner.Scene{Nodes: nodes.Items, Claims: claims.Items, Volumes: volumes.Items}, nil)
	_, reclaiming := c.Reclaim(ctx, volumes.Items, nil)
	return errors.Join(provisioning, reclaiming)
}
