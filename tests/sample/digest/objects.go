// SPDX-License-Identifier: Apache-2.0

package digest

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// NamespaceKey is the key of the Namespace object itself.
const NamespaceKey = "namespace"

// Objects returns each object in a namespace, the Namespace itself, and the PersistentVolumes that are bound to its
// claims, as Normalize leaves them: of all kinds that the server has, custom ones included, but for those that
// controllers make from others (Derived). The keys are like "deployments.apps/web" and do not hold the namespace, so
// that those of two namespaces can be compared. A PersistentVolume has the name of its claim there.
func Objects(ctx context.Context, config *rest.Config, namespace string) (map[string]*unstructured.Unstructured, error) {
	resources, err := namespacedResources(config)
	if err != nil {
		return nil, fmt.Errorf("finding the kinds of objects of the server: %w", err)
	}
	server, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	itself, err := server.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Get(ctx, namespace, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", namespace, err)
	}
	objects := map[string]*unstructured.Unstructured{NamespaceKey: Normalize(itself)}
	for _, resource := range resources {
		list, err := server.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("listing %s of namespace %s: %w", resource.GroupResource(), namespace, err)
		}
		for i := range list.Items {
			if object := &list.Items[i]; !Derived(resource.GroupResource(), object) {
				objects[resource.GroupResource().String()+"/"+object.GetName()] = Normalize(object)
			}
		}
	}
	if err := addVolumes(ctx, server, namespace, objects); err != nil {
		return nil, err
	}
	return objects, nil
}

// addVolumes adds the PersistentVolumes that are bound to claims of a namespace.
func addVolumes(ctx context.Context, server dynamic.Interface, namespace string, objects map[string]*unstructured.Unstructured) error {
	resource := corev1.SchemeGroupVersion.WithResource("persistentvolumes")
	list, err := server.Resource(resource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing PersistentVolumes: %w", err)
	}
	for i := range list.Items {
		pv := &list.Items[i]
		phase, _, _ := unstructured.NestedString(pv.Object, "status", "phase")
		claim, _, _ := unstructured.NestedStringMap(pv.Object, "spec", "claimRef")
		if phase == string(corev1.VolumeBound) && claim["namespace"] == namespace {
			objects[resource.GroupResource().String()+"/"+claim["name"]] = Normalize(pv)
		}
	}
	return nil
}

// namespacedResources are the namespaced resources that can be listed and are not derived, each in the version that the
// server prefers.
func namespacedResources(config *rest.Config) ([]schema.GroupVersionResource, error) {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	lists, err := discovery.ServerPreferredNamespacedResources(client)
	if err != nil {
		return nil, err
	}
	var resources []schema.GroupVersionResource
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, resource := range list.APIResources {
			named := version.WithResource(resource.Name)
			if slices.Contains(resource.Verbs, "list") && !derivedKind(named.GroupResource()) {
				resources = append(resources, named)
			}
		}
	}
	return resources, nil
}
