// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Controller makes and deletes the volumes of a cluster. It does what external-provisioner does beside a driver.
type Controller struct {
	Provisioner

	Client client.Client
	// Warn tells of a failure by an event.
	Warn func(ctx context.Context, who string, about corev1.ObjectReference, reason, message string) error
	// Source returns the snapshot that a claim asks its volume to be made of, "" for an empty one. nil makes all empty.
	Source func(ctx context.Context, claim *corev1.PersistentVolumeClaim) (snapshot string, err error)
	// Drivers are whose volumes are made. None means all.
	Drivers []string
}

// Scene is what there is in a cluster.
type Scene struct {
	Nodes   []corev1.Node
	Claims  []corev1.PersistentVolumeClaim
	Volumes []corev1.PersistentVolume
}

// Provision makes the volumes of claims that have been handed to their drivers, and says whether it changed something. An
// event tells of a failure. refuse says why a claim shall get none; nil refuses nothing.
func (c *Controller) Provision(ctx context.Context, scene Scene, refuse func(*corev1.PersistentVolumeClaim) error) (changed bool, err error) {
	var errs []error
	classes := map[string]*storagev1.StorageClass{}
	for i := range scene.Claims {
		claim := &scene.Claims[i]
		if !c.waits(claim) || slices.ContainsFunc(scene.Volumes, func(pv corev1.PersistentVolume) bool { return pv.Name == Name(claim) }) {
			continue
		}
		made, err := c.provisionFor(ctx, claim, scene.Nodes, classes, refuse)
		changed = changed || made
		if err != nil {
			errs = append(errs, fmt.Errorf("provision for the claim %s/%s: %w", claim.Namespace, claim.Name, err))
		}
	}
	return changed, errors.Join(errs...)
}

// waits says whether a claim waits for one of the drivers.
func (c *Controller) waits(claim *corev1.PersistentVolumeClaim) bool {
	driver := claim.Annotations[ProvisionerKey]
	return claim.DeletionTimestamp == nil && claim.Spec.VolumeName == "" && c.concerns(driver) &&
		claim.Spec.StorageClassName != nil && *claim.Spec.StorageClassName != ""
}

func (c *Controller) concerns(driver string) bool {
	return driver != "" && !strings.HasPrefix(driver, inTree) && (len(c.Drivers) == 0 || slices.Contains(c.Drivers, driver))
}

// class returns the StorageClass of a claim, nil if there is none.
func (c *Controller) class(ctx context.Context, name string, known map[string]*storagev1.StorageClass) (*storagev1.StorageClass, error) {
	if class, ok := known[name]; ok {
		return class, nil
	}
	class := &storagev1.StorageClass{}
	switch err := c.Client.Get(ctx, client.ObjectKey{Name: name}, class); {
	case apierrors.IsNotFound(err):
		class = nil
	case err != nil:
		return nil, fmt.Errorf("read the storage class %s: %w", name, err)
	}
	known[name] = class
	return class, nil
}

// provisionFor makes a volume as a claim and its class ask for it.
func (c *Controller) provisionFor(
	ctx context.Context, claim *corev1.PersistentVolumeClaim, nodes []corev1.Node, classes map[string]*storagev1.StorageClass,
	refuse func(*corev1.PersistentVolumeClaim) error,
) (made bool, err error) {
	class, err := c.class(ctx, *claim.Spec.StorageClassName, classes)
	if err != nil || class == nil || claim.Annotations[ProvisionerKey] != class.Provisioner {
		return false, err
	}
	var pv *corev1.PersistentVolume
	if refuse != nil {
		err = refuse(claim)
	}
	if err == nil && claim.Spec.Selector != nil {
		// As external-provisioner says it. Velero's data mover keeps a claim from being provisioned so.
		err = errors.New("claim Selector is not supported")
	}
	snapshot := ""
	if err == nil && c.Source != nil {
		snapshot, err = c.Source(ctx, claim)
	}
	if err == nil {
		pv, err = c.Volume(ctx, claim, class, nodes, snapshot)
	}
	if err != nil {
		about := corev1.ObjectReference{
			APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
		}
		message := fmt.Sprintf("failed to provision volume with StorageClass %q: %v", class.Name, err)
		return false, c.Warn(ctx, class.Provisioner, about, "ProvisioningFailed", message)
	}
	if err := c.Client.Create(ctx, pv); err != nil {
		return false, client.IgnoreAlreadyExists(err)
	}
	return true, nil
}

// Reclaim deletes the provisioned volumes whose claims have gone, with their storage, where their policy is Delete, and says
// whether it changed something. An event tells of a failure. What keep says yes to stays for now; nil keeps nothing.
func (c *Controller) Reclaim(ctx context.Context, volumes []corev1.PersistentVolume, keep func(*corev1.PersistentVolume) bool) (changed bool, err error) {
	var errs []error
	for i := range volumes {
		pv := &volumes[i]
		if !c.isLeft(pv) || keep != nil && keep(pv) {
			continue
		}
		if err := c.Delete(ctx, pv); err != nil {
			about := corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolume", Name: pv.Name, UID: pv.UID}
			errs = append(errs, c.Warn(ctx, pv.Spec.CSI.Driver, about, "VolumeFailedDelete", err.Error()))
			continue
		}
		changed = true
		err := c.Client.Delete(ctx, pv, client.Preconditions{UID: &pv.UID})
		if err = client.IgnoreNotFound(err); err != nil && !apierrors.IsConflict(err) {
			errs = append(errs, fmt.Errorf("delete the volume %s: %w", pv.Name, err))
		}
	}
	return changed, errors.Join(errs...)
}

// isLeft says whether a volume was provisioned for a claim that has gone, and is to go too.
func (c *Controller) isLeft(pv *corev1.PersistentVolume) bool {
	return pv.Status.Phase == corev1.VolumeReleased && pv.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete &&
		pv.DeletionTimestamp == nil && pv.Spec.CSI != nil && c.concerns(pv.Spec.CSI.Driver) &&
		pv.Annotations[provisionedKey] == pv.Spec.CSI.Driver && pv.Spec.ClaimRef != nil
}
