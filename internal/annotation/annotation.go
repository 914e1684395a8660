// SPDX-License-Identifier: Apache-2.0

// Package annotation changes the annotations of objects that are read as they are written,
// in place: who must leave an object alone hands in a copy.
//
// An object that loses its last annotation loses the map of them, as the API server writes
// one without annotations. So it does not matter which of several removes which one first.
package annotation

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// Set gives the object of that content an annotation.
func Set(content map[string]any, key, value string) {
	if annotations, ok := of(content); ok {
		annotations[key] = value
		return
	}
	// It fails for what has no metadata that could hold it, and is no object.
	_ = unstructured.SetNestedField(content, map[string]any{key: value}, "metadata", "annotations")
}

// Remove removes annotations from the object of that content, where it has them.
func Remove(content map[string]any, keys ...string) {
	annotations, _ := of(content)
	had := len(annotations)
	for _, key := range keys {
		delete(annotations, key)
	}
	if had > 0 && len(annotations) == 0 {
		unstructured.RemoveNestedField(content, "metadata", "annotations")
	}
}

// of returns the object's own map of annotations, and whether it has one.
func of(content map[string]any) (map[string]any, bool) {
	found, _, _ := unstructured.NestedFieldNoCopy(content, "metadata", "annotations")
	annotations, ok := found.(map[string]any)
	return annotations, ok && annotations != nil
}
