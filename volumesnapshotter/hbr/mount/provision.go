// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// Claim is a volume, with a file system, that is to be provisioned.
type Claim struct {
	// Class is the name of its StorageClass.
	Class string
	Size  resource.Quantity
	Modes []corev1.PersistentVolumeAccessMode
	// Mounted says that the volume is to be mounted on a node too.
	Mounted bool
}

// Provisioned is a volume that was provisioned.
type Provisioned struct {
	Volume *corev1.PersistentVolume
	// Place is where it is mounted; empty unless that was asked for.
	Place Place
}

// Provision makes a volume by a temporary claim, and returns it once it is bound and, where
// that is asked for, mounted. Before that it says what is waited for, and is to be called
// again. where has the policy and the nodes that are busy by other jobs of the run.
//
// Errors that no other attempt helps are final, as those of Mount.
func (m *Mounts) Provision(ctx context.Context, owner Owner, claim Claim, where agent.Search) (made Provisioned, waiting string, err error) {
	t, err := m.of(owner)
	if err != nil {
		return Provisioned{}, "", err
	}
	current, err := t.claim(ctx)
	switch {
	case err != nil:
		return Provisioned{}, "", err
	case current != nil && current.DeletionTimestamp != nil:
		return Provisioned{}, fmt.Sprintf("the former claim %s to be gone", t), nil
	case current != nil && current.Status.Phase == corev1.ClaimBound:
		return t.provisionedBy(ctx, current, claim, where)
	}
	waiting, err = t.bind(ctx, current, claim, where)
	return Provisioned{}, waiting, err
}

// bind makes the claim where it is missing, and what else its class needs to bind it.
func (t temporary) bind(ctx context.Context, current *corev1.PersistentVolumeClaim, claim Claim, where agent.Search) (waiting string, err error) {
	toBeBound := fmt.Sprintf("the claim %s to be bound", t)
	class, err := t.class(ctx, claim.Class)
	if err != nil {
		return "", err
	}
	ensure := func(ctx context.Context) (string, error) {
		if current != nil {
			return "", nil
		}
		return "", create(ctx, t.api, "PersistentVolumeClaim", t.claimOf(claim, class))
	}
	if class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer {
		where.PV = nil // Any node will do that the policy allows.
		_, waiting, err := t.running(ctx, where, ensure)
		if err == nil {
			waiting = cmp.Or(waiting, toBeBound)
		}
		return waiting, err
	}
	if current != nil && t.late(current) {
		return "", t.unbound(ctx)
	}
	if _, err := ensure(ctx); err != nil {
		return "", err
	}
	return toBeBound, nil
}

// class returns the StorageClass of a name.
func (t temporary) class(ctx context.Context, name string) (*storagev1.StorageClass, error) {
	class := &storagev1.StorageClass{}
	err := t.api.Get(ctx, client.ObjectKey{Name: name}, class)
	switch {
	case apierrors.IsNotFound(err):
		return nil, final.Errorf("storageclass %s not exists: %w", name, err) // So the backup center says it.
	case err != nil:
		return nil, fmt.Errorf("reading the StorageClass %s: %w", name, err)
	default:
		return class, nil
	}
}

// claimOf returns the temporary claim, whose volume is written into.
func (t temporary) claimOf(claim Claim, class *storagev1.StorageClass) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: t.meta(time.Now()),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      writableModes(claim.Modes, writerOf(class.Provisioner)),
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: claim.Size}},
			StorageClassName: &claim.Class,
		},
	}
}

// provisionedBy returns the volume of a claim that is bound, once it is mounted if that is
// asked for.
func (t temporary) provisionedBy(ctx context.Context, bound *corev1.PersistentVolumeClaim, claim Claim, where agent.Search) (made Provisioned, waiting string, err error) {
	pv := &corev1.PersistentVolume{}
	if err := t.api.Get(ctx, client.ObjectKey{Name: bound.Spec.VolumeName}, pv); err != nil {
		return Provisioned{}, "", fmt.Errorf("reading the PersistentVolume of the temporary claim %s: %w", t, err)
	}
	if err := t.checkMade(ctx, pv, claim); err != nil {
		return Provisioned{}, "", err
	}
	if !claim.Mounted {
		_, err := t.unmount(ctx) // A Pod that the claim has waited for is not needed any more.
		return Provisioned{Volume: pv}, "", err
	}
	if err := t.config.visible(pv); err != nil {
		return Provisioned{}, "", err
	}
	where.PV = pv
	pod, waiting, err := t.running(ctx, where, func(context.Context) (string, error) { return "", nil })
	if pod == nil {
		return Provisioned{}, waiting, err
	}
	place, err := placeIn(t.config.KubeletRoot, pod, pv)
	return Provisioned{Volume: pv, Place: place}, "", err
}

const (
	// boundByController is on a PersistentVolume that was nobody's when its claim got it: one
	// that is provisioned for a claim has that from the beginning
	// (k8s.io/component-helpers/storage/volume, GetBindVolumeToClaim).
	boundByController = "pv.kubernetes.io/bound-by-controller"
	// noProvisioner is that of a class whose volumes are made by hand.
	noProvisioner = "kubernetes.io/no-provisioner"
)

// wasThere tells whether pv was there before the claim that has got it.
func wasThere(pv *corev1.PersistentVolume) bool { return pv.Annotations[boundByController] != "" }

// checkMade returns a final error for a volume that was there already, where one was to be
// provisioned: it may have files, which would be overwritten or come to be among the restored.
func (t temporary) checkMade(ctx context.Context, pv *corev1.PersistentVolume, claim Claim) error {
	if !wasThere(pv) {
		return nil
	}
	class, err := t.class(ctx, claim.Class)
	if err != nil || class.Provisioner == noProvisioner {
		return err
	}
	return final.Errorf("no volume was provisioned for the data: Kubernetes has bound the temporary claim %s to the PersistentVolume %s of the class %s, "+
		"which nobody had claimed, and whose files would be overwritten; delete what the class has of unclaimed PersistentVolumes, or give each a claimRef, and restore again",
		t, pv.Name, claim.Class)
}
