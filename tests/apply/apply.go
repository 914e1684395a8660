// SPDX-License-Identifier: Apache-2.0

// Package apply makes objects in a cluster, or what they are to be of those that are there.
package apply

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Objects applies objects in their order.
func Objects(ctx context.Context, api client.Client, objects ...client.Object) error {
	for _, object := range objects {
		if err := one(ctx, api, object); err != nil {
			return fmt.Errorf("apply the %T %s: %w", object, client.ObjectKeyFromObject(object), err)
		}
	}
	return nil
}

func one(ctx context.Context, api client.Client, object client.Object) error {
	wanted, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("a copy of %T is none", object)
	}
	if err := api.Create(ctx, object); !apierrors.IsAlreadyExists(err) {
		return err
	}
	if err := api.Get(ctx, client.ObjectKeyFromObject(wanted), object); err != nil {
		return err
	}
	wanted.SetResourceVersion(object.GetResourceVersion())
	return api.Update(ctx, wanted)
}
