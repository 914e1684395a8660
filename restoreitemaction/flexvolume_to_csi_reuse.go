// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// createVolume creates the PersistentVolume of an inline volume. Where an earlier
// restore has, it stays behind when its claim is deleted, and is made ready for the
// new claim.
func (c *flexVolumeConversion) createVolume(ctx context.Context, pv *corev1.PersistentVolume) {
	const kind = "PersistentVolume"
	created := c.tryCreate(ctx, pv)
	if !apierrors.IsAlreadyExists(created) {
		c.report(kind, pv, created)
		return
	}
	log := c.logOf(kind, pv)
	switch freed, err := c.free(ctx, pv); {
	case err != nil:
		log.WithError(err).Warn("The claim of a converted FlexVolume may stay Pending, for its PersistentVolume is there already: delete that if nothing else needs it, and restore again")
	case freed:
		log.Info("Freed a PersistentVolume of an earlier restore, whose claim is gone, for the new claim")
	default:
		c.report(kind, pv, created)
	}
}

// free makes the PersistentVolume of that name which is there ready for the claim of
// pv. It reports whether it had to be changed. Its error says why it cannot be used.
func (c *flexVolumeConversion) free(ctx context.Context, pv *corev1.PersistentVolume) (bool, error) {
	api, err := c.cluster.Client()
	if err != nil {
		return false, err
	}
	present := &corev1.PersistentVolume{}
	if err := api.Get(ctx, client.ObjectKeyFromObject(pv), present); err != nil {
		return false, fmt.Errorf("reading the PersistentVolume: %w", err)
	}
	if err := usable(present, pv); err != nil {
		return false, err
	}
	bound := present.Spec.ClaimRef
	if bound == nil || bound.UID == "" {
		return false, nil
	}
	claim := &corev1.PersistentVolumeClaim{}
	err = api.Get(ctx, client.ObjectKey{Namespace: bound.Namespace, Name: bound.Name}, claim)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading the claim that the PersistentVolume is bound to: %w", err)
	}
	if claim.UID == bound.UID {
		return false, nil
	}
	// Reserved for a claim of the name, not bound to one that will not come back.
	freed := present.DeepCopy()
	freed.Spec.ClaimRef.UID, freed.Spec.ClaimRef.ResourceVersion = "", ""
	if err := api.Patch(ctx, freed, client.MergeFrom(present)); err != nil {
		return false, fmt.Errorf("freeing the PersistentVolume of a claim that is gone: %w", err)
	}
	return true, nil
}

// usable returns why a PersistentVolume cannot be in the place of want, nil if it can.
func usable(present, want *corev1.PersistentVolume) error {
	switch claim := present.Spec.ClaimRef; {
	case present.DeletionTimestamp != nil:
		return errors.New("the PersistentVolume is being deleted")
	case !equality.Semantic.DeepEqual(present.Spec.CSI, want.Spec.CSI):
		return errors.New("the PersistentVolume is other storage")
	case claim != nil && (claim.Namespace != want.Spec.ClaimRef.Namespace || claim.Name != want.Spec.ClaimRef.Name):
		return fmt.Errorf("the PersistentVolume is of the claim %s/%s", claim.Namespace, claim.Name)
	default:
		return nil
	}
}
