// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Keep returns the volume that was provisioned for the owner, whose storage outlives its
// PersistentVolume from now on: another one takes it over. It returns nil where nothing
// was provisioned.
func (m *Mounts) Keep(ctx context.Context, owner Owner) (*corev1.PersistentVolume, error) {
	t, err := m.of(owner)
	if err != nil {
		return nil, err
	}
	pv, err := t.provisioned(ctx)
	if err != nil || pv == nil {
		return nil, err
	}
	return pv, t.keep(ctx, pv)
}

// keep marks a provisioned volume as one that its storage outlives.
func (t temporary) keep(ctx context.Context, pv *corev1.PersistentVolume) error {
	return t.patch(ctx, pv, func() {
		for key, value := range t.owner.labels() {
			metav1.SetMetaDataLabel(&pv.ObjectMeta, key, value)
		}
		pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	})
}

// Unmount deletes the owner's Pod alone, and says what is waited for until it is gone.
func (m *Mounts) Unmount(ctx context.Context, owner Owner) (waiting string, err error) {
	t, err := m.of(owner)
	if err != nil {
		return "", err
	}
	return t.unmount(ctx)
}

func (t temporary) unmount(ctx context.Context) (waiting string, err error) {
	pod, err := own(t.pod(ctx))
	if err != nil || pod == nil {
		return "", err
	}
	if err := remove(ctx, t.api, "Pod", pod); err != nil {
		return "", err
	}
	if pod, err = own(t.pod(ctx)); err != nil || pod == nil {
		return "", err
	}
	return fmt.Sprintf("the pod %s to be gone", t), nil
}
