// SPDX-License-Identifier: Apache-2.0

package apiversion

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// References returns those parts of an object by which Kubernetes looks for another
// one: autoscaling's CrossVersionObjectReferences, with apiVersion, kind and name. An
// autoscaler, whatever version it is served in, finds nothing in a group that has lost
// the kind. What is changed in them is changed in the object.
func References(object map[string]any) []map[string]any {
	version, _ := object["apiVersion"].(string)
	if object["kind"] != "HorizontalPodAutoscaler" || !strings.HasPrefix(version, "autoscaling/") {
		return nil
	}
	places := []any{field(object, "spec", "scaleTargetRef")}
	for _, metric := range mapsIn(field(object, "spec", "metrics")) {
		places = append(places, field(metric, "object", "describedObject"))
	}
	return mapsIn(places)
}

// field returns what is in a field, nil if there is no such field.
func field(object map[string]any, path ...string) any {
	value, _, _ := unstructured.NestedFieldNoCopy(object, path...) // Where it is not of maps, there is no such field.
	return value
}
