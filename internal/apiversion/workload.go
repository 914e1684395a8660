// SPDX-License-Identifier: Apache-2.0

package apiversion

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// deployment drops the one-time order to roll back, which apps/v1 leaves to clients.
func deployment(object map[string]any) error {
	unstructured.RemoveNestedField(object, "spec", "rollbackTo")
	return selectTemplate(object)
}

// daemonSet drops a counter that apps/v1 keeps to itself.
func daemonSet(object map[string]any) error {
	unstructured.RemoveNestedField(object, "spec", "templateGeneration")
	return selectTemplate(object)
}

// selectTemplate gives a workload without a selector that of its template's
// labels, which was the default before apps/v1.
func selectTemplate(object map[string]any) error {
	if _, found, _ := unstructured.NestedMap(object, "spec", "selector"); found {
		return nil
	}
	labels, found, err := unstructured.NestedStringMap(object, "spec", "template", "metadata", "labels")
	if err != nil || !found {
		return errors.Join(errors.New("neither a selector nor labels of the Pods"), err)
	}
	if err := unstructured.SetNestedStringMap(object, labels, "spec", "selector", "matchLabels"); err != nil {
		return fmt.Errorf("writing the selector: %w", err)
	}
	return nil
}

// webhooks refuses those that v1 has no place for: their author has to say what
// they do beside their answer.
func webhooks(object map[string]any) error {
	list, _, err := unstructured.NestedSlice(object, "webhooks")
	if err != nil {
		return fmt.Errorf("reading the webhooks: %w", err)
	}
	for _, entry := range list {
		webhook, _ := entry.(map[string]any)
		switch webhook["sideEffects"] {
		case "None", "NoneOnDryRun":
		default:
			return fmt.Errorf("sideEffects of the webhook %v is %v: allowed are None and NoneOnDryRun", webhook["name"], webhook["sideEffects"])
		}
	}
	return nil
}
