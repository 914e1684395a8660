// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// This file is what kube-controller-manager does, for where there is none.

// Annotations and finalizers of claims and volumes.
const (
	bindCompletedKey = "pv.kubernetes.io/bind-completed"
	// boundByControllerKey is on a volume that was nobody's before it was bound.
	boundByControllerKey = "pv.kubernetes.io/bound-by-controller"
	claimProtection      = "kubernetes.io/pvc-protection"
	volumeProtection     = "kubernetes.io/pv-protection"
)

// bind binds claims to their volumes, and hands those without one to the provisioners.
func (r *round) bind(ctx context.Context) error {
	var errs []error
	for i := range r.claims {
		claim := &r.claims[i]
		if claim.DeletionTimestamp != nil || claim.Status.Phase == corev1.ClaimBound {
			continue
		}
		if err := r.bindClaim(ctx, claim); err != nil {
			errs = append(errs, fmt.Errorf("bind the claim %s/%s: %w", claim.Namespace, claim.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (r *round) bindClaim(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if pv := r.volumeFor(claim); pv != nil {
		return r.bindTo(ctx, claim, pv)
	}
	class, err := r.class(ctx, claim)
	if err != nil || class == nil || claim.Spec.VolumeName != "" || claim.Annotations[provisioner.ProvisionerKey] != "" ||
		waits(class) && claim.Annotations[selectedNodeKey] == "" {
		return err
	}
	return patch(ctx, r, claim, func(c *corev1.PersistentVolumeClaim) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, provisioner.ProvisionerKey, class.Provisioner)
	})
}

// volumeFor returns the volume that a claim names or that names it, else a free one that fits, where nothing is
// provisioned; nil if there is none yet.
func (r *round) volumeFor(claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	if claim.Spec.VolumeName != "" {
		if pv := r.volume(claim.Spec.VolumeName); pv != nil && (pv.Spec.ClaimRef == nil || isOf(pv, claim)) {
			return pv
		}
		return nil
	}
	for i := range r.volumes {
		if isOf(&r.volumes[i], claim) {
			return &r.volumes[i]
		}
	}
	for i := range r.volumes {
		if pv := &r.volumes[i]; pv.Spec.ClaimRef == nil && pv.DeletionTimestamp == nil && fits(pv, claim) {
			return pv
		}
	}
	return nil
}

// isOf says whether a volume is reserved for a claim.
func isOf(pv *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) bool {
	ref := pv.Spec.ClaimRef
	return ref != nil && ref.Namespace == claim.Namespace && ref.Name == claim.Name && (ref.UID == "" || ref.UID == claim.UID)
}

// fits says whether a volume that is nobody's does for a claim.
func fits(pv *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) bool {
	class := ""
	if claim.Spec.StorageClassName != nil {
		class = *claim.Spec.StorageClassName
	}
	has, wanted := pv.Spec.Capacity[corev1.ResourceStorage], claim.Spec.Resources.Requests[corev1.ResourceStorage]
	return pv.Spec.StorageClassName == class && has.Cmp(wanted) >= 0 &&
		!slices.ContainsFunc(claim.Spec.AccessModes, func(m corev1.PersistentVolumeAccessMode) bool {
			return !slices.Contains(pv.Spec.AccessModes, m)
		})
}

func (r *round) bindTo(ctx context.Context, claim *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume) error {
	err := patch(ctx, r, pv, func(pv *corev1.PersistentVolume) {
		if pv.Spec.ClaimRef == nil {
			metav1.SetMetaDataAnnotation(&pv.ObjectMeta, boundByControllerKey, "yes")
		}
		pv.Spec.ClaimRef = &corev1.ObjectReference{
			APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
		}
	})
	if err == nil {
		err = patchStatus(ctx, r, pv, func(pv *corev1.PersistentVolume) { pv.Status.Phase = corev1.VolumeBound })
	}
	if err == nil {
		err = patch(ctx, r, claim, func(c *corev1.PersistentVolumeClaim) {
			c.Spec.VolumeName = pv.Name
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, bindCompletedKey, "yes")
		})
	}
	if err == nil {
		err = patchStatus(ctx, r, claim, func(c *corev1.PersistentVolumeClaim) {
			c.Status.Phase, c.Status.AccessModes, c.Status.Capacity = corev1.ClaimBound, pv.Spec.AccessModes, pv.Spec.Capacity
		})
	}
	return err
}

// release gives volumes the phase that they have, and lets go what is to be deleted and is not in use.
func (r *round) release(ctx context.Context) error {
	var errs []error
	for i := range r.claims {
		claim := &r.claims[i]
		if claim.DeletionTimestamp != nil && !r.isUsed(claim) && controllerutil.ContainsFinalizer(claim, claimProtection) {
			errs = append(errs, patch(ctx, r, claim, func(c *corev1.PersistentVolumeClaim) {
				controllerutil.RemoveFinalizer(c, claimProtection)
			}))
		}
	}
	for i := range r.volumes {
		pv := &r.volumes[i]
		if phase := r.phaseOf(pv); phase != pv.Status.Phase {
			errs = append(errs, patchStatus(ctx, r, pv, func(pv *corev1.PersistentVolume) { pv.Status.Phase = phase }))
		}
		if pv.DeletionTimestamp != nil && pv.Status.Phase != corev1.VolumeBound && controllerutil.ContainsFinalizer(pv, volumeProtection) {
			errs = append(errs, patch(ctx, r, pv, func(pv *corev1.PersistentVolume) {
				controllerutil.RemoveFinalizer(pv, volumeProtection)
			}))
		}
	}
	return errors.Join(errs...)
}

// isUsed says whether a Pod that has not ended has a claim.
func (r *round) isUsed(claim *corev1.PersistentVolumeClaim) bool {
	return slices.ContainsFunc(r.pods, func(p corev1.Pod) bool {
		return p.Namespace == claim.Namespace && p.Spec.NodeName != "" && !hasEnded(&p) &&
			slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return claimName(&p, v) == claim.Name })
	})
}

func (r *round) phaseOf(pv *corev1.PersistentVolume) corev1.PersistentVolumePhase {
	ref := pv.Spec.ClaimRef
	if ref == nil || ref.UID == "" {
		return corev1.VolumeAvailable
	}
	if !r.concerns(ref.Namespace) {
		return pv.Status.Phase
	}
	claim := r.claim(ref.Namespace, ref.Name)
	switch {
	case claim == nil || claim.UID != ref.UID:
		return corev1.VolumeReleased
	case claim.Spec.VolumeName == pv.Name:
		return corev1.VolumeBound
	default:
		return pv.Status.Phase
	}
}

// makeDaemons makes the Pods of DaemonSets on the nodes that they are for, and deletes those on others.
func (r *round) makeDaemons(ctx context.Context) error {
	var sets appsv1.DaemonSetList
	if err := r.client.List(ctx, &sets); err != nil {
		return fmt.Errorf("list the DaemonSets: %w", err)
	}
	var errs []error
	alive := map[types.UID]bool{}
	for i := range sets.Items {
		set := &sets.Items[i]
		alive[set.UID] = true
		if !r.concerns(set.Namespace) || set.DeletionTimestamp != nil {
			continue
		}
		for j := range r.nodes {
			if err := r.makeDaemon(ctx, set, &r.nodes[j]); err != nil {
				errs = append(errs, fmt.Errorf("the DaemonSet %s/%s: %w", set.Namespace, set.Name, err))
			}
		}
	}
	for i := range r.pods {
		owner := metav1.GetControllerOf(&r.pods[i])
		if owner != nil && owner.Kind == "DaemonSet" && !alive[owner.UID] && r.pods[i].DeletionTimestamp == nil {
			errs = append(errs, client.IgnoreNotFound(r.client.Delete(ctx, &r.pods[i])))
		}
	}
	return errors.Join(errs...)
}

// makeDaemon makes or deletes the Pod of a DaemonSet on a node.
func (r *round) makeDaemon(ctx context.Context, set *appsv1.DaemonSet, node *corev1.Node) error {
	wanted := daemonPod(set, node)
	fit := unfit(wanted, node, nil) == ""
	has := slices.IndexFunc(r.pods, func(p corev1.Pod) bool {
		return metav1.IsControlledBy(&p, set) && p.Annotations[daemonNodeKey] == node.Name
	})
	switch {
	case has < 0 && fit:
		return r.create(ctx, wanted)
	case has >= 0 && !fit && r.pods[has].DeletionTimestamp == nil:
		r.changed = true
		return client.IgnoreNotFound(r.client.Delete(ctx, &r.pods[has]))
	default:
		return nil
	}
}

// daemonNodeKey is an annotation of these Pods alone: the node that a Pod is for, also before it has one.
const daemonNodeKey = "tests/daemon-node"

// daemonPod is the Pod of a DaemonSet on a node, with what the controller adds for the scheduler.
func daemonPod(set *appsv1.DaemonSet, node *corev1.Node) *corev1.Pod {
	spec := set.Spec.Template.Spec.DeepCopy()
	if spec.Affinity == nil {
		spec.Affinity = &corev1.Affinity{}
	}
	if spec.Affinity.NodeAffinity == nil {
		spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
	}
	required := spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	if required == nil {
		required = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{}}}
		spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = required
	}
	for i := range required.NodeSelectorTerms {
		required.NodeSelectorTerms[i].MatchFields = []corev1.NodeSelectorRequirement{{
			Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node.Name},
		}}
	}
	for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnschedulable} {
		spec.Tolerations = append(spec.Tolerations, corev1.Toleration{Key: taint, Operator: corev1.TolerationOpExists})
	}
	annotations := maps.Clone(set.Spec.Template.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[daemonNodeKey] = node.Name
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: set.Namespace, GenerateName: set.Name + "-", Labels: set.Spec.Template.Labels, Annotations: annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))},
		},
		Spec: *spec,
	}
}
