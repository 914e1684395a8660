// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

// create creates objects in the cluster.
func (d *demo) create(ctx context.Context, objects ...client.Object) error {
	for _, object := range objects {
		if err := d.cp.Client.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	return nil
}

// boundVolume waits until a claim is bound, and returns its volume.
func (d *demo) boundVolume(ctx context.Context, in, name string) (*corev1.PersistentVolume, error) {
	pv := &corev1.PersistentVolume{}
	err := poll.Until(ctx, waitTimeout, "the claim "+name+" to be Bound", func(ctx context.Context) error {
		claim := &corev1.PersistentVolumeClaim{}
		if err := d.cp.Client.Get(ctx, client.ObjectKey{Namespace: in, Name: name}, claim); err != nil {
			return err
		}
		if claim.Status.Phase != corev1.ClaimBound {
			return fmt.Errorf("it is %s", claim.Status.Phase)
		}
		return d.cp.Client.Get(ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, pv)
	})
	return pv, err
}

// deleteVolume deletes a volume, and waits until it is gone.
func (d *demo) deleteVolume(ctx context.Context, pv *corev1.PersistentVolume) error {
	if err := d.cp.Client.Delete(ctx, pv); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the volume %s: %w", pv.Name, err)
	}
	return poll.Until(ctx, waitTimeout, "the volume "+pv.Name+" to be gone", func(ctx context.Context) error {
		err := d.cp.Client.Get(ctx, client.ObjectKeyFromObject(pv), pv)
		if err == nil {
			return errors.New("it is still there")
		}
		return client.IgnoreNotFound(err)
	})
}
