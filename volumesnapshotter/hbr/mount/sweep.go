// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Sweep discards the temporary objects of runs that are over, which processes that were
// killed have left. live returns the runs that are not; it is asked after the objects were
// listed, so that of a run that begins meanwhile none is discarded. What cannot be
// discarded does not keep the others.
func (m *Mounts) Sweep(ctx context.Context, live func(context.Context) (map[types.UID]bool, error)) error {
	api, err := m.cluster.Client()
	if err != nil {
		return err
	}
	owners, err := m.owners(ctx, api)
	if err != nil {
		return err
	}
	if len(owners) == 0 {
		return nil
	}
	going, err := live(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, owner := range owners {
		if going[owner.Run] {
			continue
		}
		m.log.WithField("kind", owner.Kind).WithField("run", owner.Run).WithField("name", owner.name()).
			Info("Removing the temporary objects that an ended run has left")
		if err := m.Discard(ctx, owner); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// owners returns those of all temporary objects of this Velero, each once, sorted.
func (m *Mounts) owners(ctx context.Context, api client.Client) ([]Owner, error) {
	namespace := m.cluster.Namespace()
	pods, claims, volumes := &corev1.PodList{}, &corev1.PersistentVolumeClaimList{}, &corev1.PersistentVolumeList{}
	for _, list := range []client.ObjectList{pods, claims, volumes} {
		options := []client.ListOption{client.HasLabels{kindLabel, runLabel}}
		if list != volumes {
			options = append(options, client.InNamespace(namespace))
		}
		if err := api.List(ctx, list, options...); err != nil {
			return nil, fmt.Errorf("listing temporary objects: %w", err)
		}
	}
	found := map[Owner]bool{}
	for i := range pods.Items {
		add(found, pods.Items[i].Name, &pods.Items[i])
	}
	for i := range claims.Items {
		add(found, claims.Items[i].Name, &claims.Items[i])
	}
	for i := range volumes.Items {
		// A volume that was provisioned is known by its claim.
		if ref := volumes.Items[i].Spec.ClaimRef; ref != nil && ref.Namespace == namespace {
			add(found, ref.Name, &volumes.Items[i])
		}
	}
	owners := make([]Owner, 0, len(found))
	for owner := range found {
		owners = append(owners, owner)
	}
	slices.SortFunc(owners, func(a, b Owner) int { return cmp.Compare(a.Mark, b.Mark) })
	return owners, nil
}

func add(owners map[Owner]bool, name string, object client.Object) {
	if owner, ok := ownerOf(name, object); ok {
		owners[owner] = true
	}
}
