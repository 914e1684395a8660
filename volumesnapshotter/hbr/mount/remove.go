// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Remove deletes all temporary objects of the owner, and waits for nothing. The storage of
// a volume that was provisioned is deleted, unless it was kept or another
// PersistentVolume has it.
func (m *Mounts) Remove(ctx context.Context, owner Owner) error {
	return m.remove(ctx, owner, func(kept, shared bool) bool { return kept || shared })
}

// Discard is Remove for a volume that is of no use: its storage is deleted though it was
// kept, unless another PersistentVolume has it.
func (m *Mounts) Discard(ctx context.Context, owner Owner) error {
	return m.remove(ctx, owner, func(_, shared bool) bool { return shared })
}

// remove deletes all temporary objects of the owner. stays tells whether the storage of a
// provisioned volume is to stay.
func (m *Mounts) remove(ctx context.Context, owner Owner, stays func(kept, shared bool) bool) error {
	t, err := m.of(owner)
	if err != nil {
		return err
	}
	if _, err := t.unmount(ctx); err != nil {
		return err
	}
	// What becomes of the storage is said before the claim goes.
	leftover, err := t.release(ctx, stays)
	if err != nil {
		return err
	}
	claim, err := own(t.claim(ctx))
	if err != nil {
		return err
	}
	if claim != nil {
		if err := remove(ctx, t.api, "PersistentVolumeClaim", claim); err != nil {
			return err
		}
	}
	copied, err := own(t.copy(ctx))
	if err != nil {
		return err
	}
	for _, pv := range []*corev1.PersistentVolume{leftover, copied} {
		if pv == nil {
			continue
		}
		if err := remove(ctx, t.api, "PersistentVolume", pv); err != nil {
			return err
		}
	}
	return nil
}

// release has the provisioned volume, if there is one, keep its storage or lose it with
// its claim. It returns a PersistentVolume that is to be deleted as an object alone.
func (t temporary) release(ctx context.Context, stays func(kept, shared bool) bool) (*corev1.PersistentVolume, error) {
	pv, err := t.provisioned(ctx)
	if err != nil || pv == nil {
		return nil, err
	}
	shared, err := t.shared(ctx, pv)
	if err != nil {
		return nil, err
	}
	if stays(t.owner.owns(pv), shared) {
		return pv, t.keep(ctx, pv)
	}
	return nil, t.reclaim(ctx, pv)
}

// reclaim has the storage of a provisioned volume deleted when its claim is. A volume that
// somebody else has made, and that the claim happened to get, stays as it is, but that
// a driver does not delete it: it was not to be deleted before.
func (t temporary) reclaim(ctx context.Context, pv *corev1.PersistentVolume) error {
	return t.patch(ctx, pv, func() {
		for key := range t.owner.labels() {
			delete(pv.Labels, key)
		}
		switch {
		case pv.Annotations[volume.AnnotationProvisionedBy] == "":
		case !wasThere(pv):
			pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
		case pv.Spec.CSI != nil:
			pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
		}
	})
}

func (t temporary) patch(ctx context.Context, pv *corev1.PersistentVolume, change func()) error {
	before := pv.DeepCopy()
	change()
	if err := t.api.Patch(ctx, pv, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("changing the PersistentVolume %s of the temporary claim %s: %w", pv.Name, t, err)
	}
	return nil
}

// provisioned returns the volume that was made for the owner's claim, nil if there is none.
// That of a claim that is gone is known by its labels alone, which kept ones have.
func (t temporary) provisioned(ctx context.Context) (*corev1.PersistentVolume, error) {
	claim, err := own(t.claim(ctx))
	if err != nil {
		return nil, err
	}
	if claim != nil {
		return t.volumeOf(ctx, claim.Spec.VolumeName)
	}
	kept := &corev1.PersistentVolumeList{}
	if err := t.api.List(ctx, kept, client.MatchingLabels{runLabel: string(t.owner.Run)}); err != nil {
		return nil, fmt.Errorf("listing the temporary PersistentVolumes: %w", err)
	}
	for i := range kept.Items {
		if pv := &kept.Items[i]; t.isProvisioned(pv) {
			return pv, nil
		}
	}
	return nil, nil //nolint:nilnil // none is no error
}

func (t temporary) volumeOf(ctx context.Context, name string) (*corev1.PersistentVolume, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	pv := &corev1.PersistentVolume{}
	err := t.api.Get(ctx, client.ObjectKey{Name: name}, pv)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // none is no error
	case err != nil:
		return nil, fmt.Errorf("reading the PersistentVolume %s: %w", name, err)
	case !t.isProvisioned(pv):
		return nil, nil //nolint:nilnil // none is no error
	}
	return pv, nil
}

// isProvisioned tells whether pv is of the owner's claim, and not the copy of another.
func (t temporary) isProvisioned(pv *corev1.PersistentVolume) bool {
	ref := pv.Spec.ClaimRef
	return pv.Name != t.owner.name() && ref != nil && ref.Namespace == t.cluster.Namespace() && ref.Name == t.owner.name()
}

// own returns a temporary object, nil for one that is somebody else's.
func own[T any](object *T, err error) (*T, error) {
	var foreign *foreignError
	if errors.As(err, &foreign) {
		return nil, nil //nolint:nilnil // none is no error
	}
	return object, err
}
