// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// podSpecPaths returns for each resource whose objects run Pods where they have
// their PodSpec. Those of the group extensions, which Kubernetes served until 1.15,
// are in old backups.
func podSpecPaths() map[string][]string {
	template := []string{"spec", "template", "spec"}
	return map[string][]string{
		"pods":                   {"spec"},
		"replicationcontrollers": template,
		"daemonsets.apps":        template,
		"deployments.apps":       template,
		"replicasets.apps":       template,
		"statefulsets.apps":      template,
		"daemonsets.extensions":  template,
		"deployments.extensions": template,
		"replicasets.extensions": template,
		"jobs.batch":             template,
		"cronjobs.batch":         {"spec", "jobTemplate", "spec", "template", "spec"},
	}
}

// podSpecResources returns the resources whose objects run Pods, as a
// velero.ResourceSelector takes them.
func podSpecResources() []string {
	return slices.Sorted(maps.Keys(podSpecPaths()))
}

// podSpecPath returns where an object has its PodSpec, nil where it has none.
func podSpecPath(object *unstructured.Unstructured) []string {
	return podSpecPaths()[resourceOf(object)]
}

// containersOf returns the containers of an object whose PodSpec is at path, of
// every kind, as they are in the object. What has not the form of a container is
// left out: the API server refuses it.
func containersOf(object *unstructured.Unstructured, path []string) []map[string]any {
	spec, _, _ := unstructured.NestedFieldNoCopy(object.Object, path...)
	return slices.Concat(mapsIn(spec, "initContainers"), mapsIn(spec, "containers"), mapsIn(spec, "ephemeralContainers"))
}

// volumesOf returns the volumes of an object whose PodSpec is at path, as they are in the object.
func volumesOf(object *unstructured.Unstructured, path []string) []map[string]any {
	spec, _, _ := unstructured.NestedFieldNoCopy(object.Object, path...)
	return mapsIn(spec, "volumes")
}
