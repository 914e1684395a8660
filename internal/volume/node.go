// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// MountableOn reports whether pv's node affinity allows node, as the scheduler
// decides it: one of its terms must match, and a term without requirements matches
// none. A volume without affinity can be mounted everywhere.
func MountableOn(pv *corev1.PersistentVolume, node *corev1.Node) bool {
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return true
	}
	return slices.ContainsFunc(pv.Spec.NodeAffinity.Required.NodeSelectorTerms, func(term corev1.NodeSelectorTerm) bool {
		return len(term.MatchExpressions)+len(term.MatchFields) > 0 &&
			matchesLabels(term.MatchExpressions, labels.Set(node.Labels)) && matchesName(term.MatchFields, node.Name)
	})
}

func matchesLabels(requirements []corev1.NodeSelectorRequirement, set labels.Set) bool {
	for _, r := range requirements {
		requirement, err := labels.NewRequirement(r.Key, operatorOf(r.Operator), r.Values)
		if err != nil || !requirement.Matches(set) {
			return false // The API server lets no malformed requirement pass.
		}
	}
	return true
}

// matchesName tells whether a node of that name meets requirements on fields, of which
// the API server allows these alone.
func matchesName(requirements []corev1.NodeSelectorRequirement, name string) bool {
	for _, r := range requirements {
		named := slices.Contains(r.Values, name)
		if r.Key != metav1.ObjectNameField || named != (r.Operator == corev1.NodeSelectorOpIn) {
			return false
		}
	}
	return true
}

func operatorOf(operator corev1.NodeSelectorOperator) selection.Operator {
	switch operator {
	case corev1.NodeSelectorOpIn:
		return selection.In
	case corev1.NodeSelectorOpNotIn:
		return selection.NotIn
	case corev1.NodeSelectorOpExists:
		return selection.Exists
	case corev1.NodeSelectorOpDoesNotExist:
		return selection.DoesNotExist
	case corev1.NodeSelectorOpGt:
		return selection.GreaterThan
	case corev1.NodeSelectorOpLt:
		return selection.LessThan
	default:
		return selection.Operator(operator)
	}
}

// OnlyNode returns the value of the label kubernetes.io/hostname that pv's node
// affinity asks for, which is the node's name but for rare set-ups, and "" if it
// asks for none or for several.
func OnlyNode(pv *corev1.PersistentVolume) string {
	values := affinityValues(pv, func(key string) bool { return key == corev1.LabelHostname })
	if len(values) != 1 {
		return ""
	}
	return values[0]
}
