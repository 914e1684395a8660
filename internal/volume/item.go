// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// FromItem reads a PersistentVolume as Velero hands it to plugins.
func FromItem(item runtime.Unstructured) (*corev1.PersistentVolume, error) {
	pv := &corev1.PersistentVolume{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.UnstructuredContent(), pv); err != nil {
		return nil, fmt.Errorf("reading a PersistentVolume: %w", err)
	}
	return pv, nil
}

// ToItem returns pv as Velero takes it from plugins.
func ToItem(pv *corev1.PersistentVolume) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pv)
	if err != nil {
		return nil, fmt.Errorf("writing the PersistentVolume %s: %w", pv.Name, err)
	}
	return &unstructured.Unstructured{Object: content}, nil
}
