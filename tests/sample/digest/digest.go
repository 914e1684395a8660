// SPDX-License-Identifier: Apache-2.0

// Package digest tells whether the objects of a namespace came back from a backup as they were.
package digest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// Namespace returns a digest of each object in a namespace, and of the Namespace itself: of all kinds that the
// server has, custom ones included, but for those that controllers make from others (Derived). The keys are like
// "deployments.apps/web" and do not hold the namespace, so that those of two namespaces can be compared. A digest is
// the hexadecimal SHA-256 of what Normalize leaves.
func Namespace(ctx context.Context, config *rest.Config, namespace string) (map[string]string, error) {
	resources, err := namespacedResources(config)
	if err != nil {
		return nil, fmt.Errorf("finding the kinds of objects of the server: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	itself, err := objects.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Get(ctx, namespace, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", namespace, err)
	}
	digests := map[string]string{}
	if digests[NamespaceKey], err = sum(itself); err != nil {
		return nil, err
	}
	for _, resource := range resources {
		list, err := objects.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("listing %s of namespace %s: %w", resource.GroupResource(), namespace, err)
		}
		for i := range list.Items {
			if err := add(digests, resource.GroupResource(), &list.Items[i]); err != nil {
				return nil, err
			}
		}
	}
	return digests, nil
}

// add adds the digest of an object, unless it is derived.
func add(digests map[string]string, resource schema.GroupResource, object *unstructured.Unstructured) (err error) {
	if Derived(resource, object) {
		return nil
	}
	digests[resource.String()+"/"+object.GetName()], err = sum(object)
	return err
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

// sum returns the digest of one object. JSON of Go has the keys of an object in order.
func sum(object *unstructured.Unstructured) (string, error) {
	data, err := json.Marshal(Normalize(object).Object)
	if err != nil {
		return "", fmt.Errorf("digesting %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:]), nil
}
