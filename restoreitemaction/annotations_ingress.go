// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/apiversion"
)

// applyTo changes item, of which fromBackup is what was backed up.
//
// The action api-version moves the class of an Ingress from the annotation to the
// field. Where it came first, a change of the annotation is one of the field: the API
// server refuses an Ingress that has both, and the order of actions must not matter.
func (c annotationChanges) applyTo(item, fromBackup *unstructured.Unstructured) {
	class, asked := c[apiversion.AnnotationIngressClass]
	if item.GetKind() != "Ingress" || item.GetAPIVersion() == fromBackup.GetAPIVersion() || !asked {
		c.apply(item)
		return
	}
	changes := maps.Clone(c)
	moved := !class.removed && apiversion.IsIngressClass(class.value)
	name, named, _ := unstructured.NestedString(fromBackup.Object, "spec", "ingressClassName")
	if moved {
		changes.remove(apiversion.AnnotationIngressClass)
		name, named = class.value, true
	}
	changes.apply(item)
	spec, ok := item.Object["spec"].(map[string]any)
	switch {
	case named && ok:
		spec["ingressClassName"] = name
	case named:
		item.Object["spec"] = map[string]any{"ingressClassName": name}
	default:
		delete(spec, "ingressClassName")
	}
}
