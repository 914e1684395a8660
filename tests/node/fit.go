// SPDX-License-Identifier: Apache-2.0

package node

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// unfit says what keeps a Pod with volumes from a node, in the words of the scheduler; "" if nothing does.
func unfit(pod *corev1.Pod, node *corev1.Node, volumes []*corev1.PersistentVolume) string {
	for _, taint := range taintsOf(node) {
		if !tolerates(pod, &taint) {
			return "node(s) had untolerated taint {" + taint.Key + ": " + taint.Value + "}"
		}
	}
	if !labels.SelectorFromSet(pod.Spec.NodeSelector).Matches(labels.Set(node.Labels)) {
		return "node(s) didn't match Pod's node affinity/selector"
	}
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil && !selects(a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution, node) {
		return "node(s) didn't match Pod's node affinity/selector"
	}
	for _, pv := range volumes {
		if pv.Spec.NodeAffinity != nil && !selects(pv.Spec.NodeAffinity.Required, node) {
			return "node(s) had volume node affinity conflict"
		}
	}
	return ""
}

// repels says whether one of the Pods is on a node where a Pod wants to be without it. Every
// topology is taken for that of nodes.
func repels(node string, pod *corev1.Pod, pods []corev1.Pod) bool {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAntiAffinity == nil {
		return false
	}
	return slices.ContainsFunc(pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, func(term corev1.PodAffinityTerm) bool {
		selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
		return err != nil || slices.ContainsFunc(pods, func(other corev1.Pod) bool {
			return other.UID != pod.UID && other.Namespace == pod.Namespace && other.Spec.NodeName == node && !hasEnded(&other) &&
				selector.Matches(labels.Set(other.Labels))
		})
	})
}

// taintsOf returns the taints that keep Pods from a node, with those that the controller of nodes gives it. Here that does not
// run: an API server makes Nodes with the taint of those that are not ready, and nobody takes it away.
func taintsOf(node *corev1.Node) []corev1.Taint {
	taints := slices.DeleteFunc(slices.Clone(node.Spec.Taints), func(t corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectPreferNoSchedule || t.Key == corev1.TaintNodeNotReady
	})
	if node.Spec.Unschedulable {
		taints = append(taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	if !isReady(node) {
		taints = append(taints, corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule})
	}
	return taints
}

func tolerates(pod *corev1.Pod, taint *corev1.Taint) bool {
	return slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool { return t.ToleratesTaint(taint) })
}

// selects says whether a node selector is for a node. nil is for all, and one without terms for none.
func selects(selector *corev1.NodeSelector, node *corev1.Node) bool {
	return selector == nil || slices.ContainsFunc(selector.NodeSelectorTerms, func(t corev1.NodeSelectorTerm) bool { return matches(t, node) })
}

// matches says whether a term is for a node. An empty one is for none.
func matches(term corev1.NodeSelectorTerm, node *corev1.Node) bool {
	if len(term.MatchExpressions)+len(term.MatchFields) == 0 {
		return false
	}
	fields := labels.Set{metav1.ObjectNameField: node.Name}
	return meets(term.MatchExpressions, node.Labels) && meets(term.MatchFields, fields)
}

func meets(requirements []corev1.NodeSelectorRequirement, set labels.Set) bool {
	operators := map[corev1.NodeSelectorOperator]selection.Operator{
		corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
		corev1.NodeSelectorOpExists: selection.Exists, corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist,
		corev1.NodeSelectorOpGt: selection.GreaterThan, corev1.NodeSelectorOpLt: selection.LessThan,
	}
	return !slices.ContainsFunc(requirements, func(r corev1.NodeSelectorRequirement) bool {
		requirement, err := labels.NewRequirement(r.Key, operators[r.Operator], r.Values)
		return err != nil || !requirement.Matches(set)
	})
}

// preference is how much a Pod prefers a node.
func preference(pod *corev1.Pod, node *corev1.Node) int {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.NodeAffinity == nil {
		return 0
	}
	sum := 0
	for _, p := range pod.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
		if matches(p.Preference, node) {
			sum += int(p.Weight)
		}
	}
	return sum
}
