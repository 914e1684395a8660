// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// selectedNodeKey is the annotation by which the scheduler says where a claim's first Pod will be.
const selectedNodeKey = provisioner.SelectedNodeKey

// schedule gives Pods nodes.
func (r *round) schedule(ctx context.Context) error {
	errs := []error{r.selectNodes(ctx)}
	for i := range r.pods {
		pod := &r.pods[i]
		if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || hasEnded(pod) {
			continue
		}
		if err := r.schedulePod(ctx, pod); err != nil {
			errs = append(errs, fmt.Errorf("schedule the pod %s/%s: %w", pod.Namespace, pod.Name, err))
		}
	}
	return errors.Join(errs...)
}

// selectNodes gives claims that wait for a Pod a node without one, if that is asked for.
func (r *round) selectNodes(ctx context.Context) error {
	if r.options.FirstConsumer == "" {
		return nil
	}
	var errs []error
	for i := range r.claims {
		claim := &r.claims[i]
		if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil || claim.Annotations[selectedNodeKey] != "" {
			continue
		}
		class, err := r.class(ctx, claim)
		if err == nil && waits(class) {
			err = r.selectNode(ctx, claim, r.options.FirstConsumer)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (r *round) selectNode(ctx context.Context, claim *corev1.PersistentVolumeClaim, node string) error {
	return patch(ctx, r, claim, func(c *corev1.PersistentVolumeClaim) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, selectedNodeKey, node)
	})
}

func (r *round) schedulePod(ctx context.Context, pod *corev1.Pod) error {
	bound, waiting, obstacle, err := r.claimsOf(ctx, pod)
	if err != nil {
		return err
	}
	if obstacle != "" {
		return r.unschedulable(ctx, pod, fmt.Sprintf("0/%d nodes are available: %s.", len(r.nodes), obstacle))
	}
	node, obstacle := r.choose(pod, bound, waiting)
	if obstacle != "" {
		return r.unschedulable(ctx, pod, obstacle)
	}
	for _, claim := range waiting {
		if claim.Annotations[selectedNodeKey] == node {
			continue
		}
		if err := r.selectNode(ctx, claim, node); err != nil {
			return err
		}
	}
	if len(waiting) > 0 {
		return nil // Until they are bound.
	}
	r.changed = true
	err = r.client.SubResource("binding").Create(ctx, pod, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // It was deleted, or has a node now.
	}
	if err == nil {
		pod.Spec.NodeName = node // For those that come after it.
	}
	return err
}

// claimsOf returns the PersistentVolumes of a Pod's claims that are bound, and the claims that wait for the Pod. The
// obstacle is why the Pod can not have a node yet.
func (r *round) claimsOf(ctx context.Context, pod *corev1.Pod) (
	bound []*corev1.PersistentVolume, waiting []*corev1.PersistentVolumeClaim, obstacle string, err error,
) {
	for _, v := range pod.Spec.Volumes {
		name := claimName(pod, v)
		if name == "" {
			continue
		}
		claim := r.claim(pod.Namespace, name)
		switch {
		case claim == nil:
			return nil, nil, fmt.Sprintf("persistentvolumeclaim %q not found", name), nil
		case claim.DeletionTimestamp != nil:
			return nil, nil, fmt.Sprintf("persistentvolumeclaim %q is being deleted", name), nil
		case claim.Status.Phase == corev1.ClaimLost:
			return nil, nil, fmt.Sprintf("persistentvolumeclaim %q bound to non-existent persistentvolume %q", name, claim.Spec.VolumeName), nil
		case claim.Status.Phase == corev1.ClaimBound:
			if pv := r.volume(claim.Spec.VolumeName); pv != nil {
				bound = append(bound, pv)
			}
			continue
		}
		class, err := r.class(ctx, claim)
		if err != nil {
			return nil, nil, "", err
		}
		if claim.Spec.VolumeName != "" || !waits(class) {
			return nil, nil, "pod has unbound immediate PersistentVolumeClaims", nil
		}
		waiting = append(waiting, claim)
	}
	return bound, waiting, "", nil
}

// claimName returns the claim of a Pod's volume, "" if it has none.
func claimName(pod *corev1.Pod, v corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return pod.Name + "-" + v.Name
	default:
		return ""
	}
}

// choose returns the best node for a Pod: that on which its volumes are made already, then by preference, then by name. The
// obstacle is why there is none.
func (r *round) choose(pod *corev1.Pod, bound []*corev1.PersistentVolume, waiting []*corev1.PersistentVolumeClaim) (name, obstacle string) {
	reasons := map[string]int{}
	best, score := "", -1
	for i := range r.nodes {
		node := &r.nodes[i]
		reason := unfit(pod, node, bound)
		if reason == "" && repels(node.Name, pod, r.pods) {
			reason = "node(s) didn't match pod anti-affinity rules"
		}
		if reason != "" {
			reasons[reason]++
			continue
		}
		if slices.ContainsFunc(waiting, func(c *corev1.PersistentVolumeClaim) bool { return c.Annotations[selectedNodeKey] == node.Name }) {
			return node.Name, ""
		}
		if s := preference(pod, node); s > score {
			best, score = node.Name, s
		}
	}
	if best != "" {
		return best, ""
	}
	if len(r.nodes) == 0 {
		return "", "no nodes available to schedule pods"
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		parts = append(parts, fmt.Sprintf("%d %s", reasons[reason], reason))
	}
	return "", fmt.Sprintf("0/%d nodes are available: %s.", len(r.nodes), strings.Join(parts, ", "))
}

// unschedulable says why a Pod has no node.
func (r *round) unschedulable(ctx context.Context, pod *corev1.Pod, message string) error {
	if err := r.warn(ctx, scheduler, podReference(pod), "FailedScheduling", message); err != nil {
		return err
	}
	want := corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message,
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == want.Type && c.Status == want.Status && c.Message == want.Message {
			return nil
		}
	}
	return patchStatus(ctx, r, pod, func(p *corev1.Pod) { setCondition(&p.Status, want) })
}

// setCondition replaces a condition of its type.
func setCondition(status *corev1.PodStatus, want corev1.PodCondition) {
	for i, c := range status.Conditions {
		if c.Type == want.Type {
			status.Conditions[i] = want
			return
		}
	}
	status.Conditions = append(status.Conditions, want)
}

func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
