// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// claimOfVolume returns the claim that has, or had, the PersistentVolume that item is, the
// zero name for none.
func claimOfVolume(item *unstructured.Unstructured) types.NamespacedName {
	reference, _, _ := unstructured.NestedMap(item.Object, "spec", "claimRef")
	namespace, _ := reference["namespace"].(string)
	name, _ := reference["name"].(string)
	return types.NamespacedName{Namespace: namespace, Name: name}
}
