// SPDX-License-Identifier: Apache-2.0

package apiversion

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
)

// AnnotationIngressClass named the class of an Ingress before v1 had a field for it.
// v1 refuses a new Ingress that has both.
const AnnotationIngressClass = "kubernetes.io/ingress.class"

// IngressResources returns the resources of the Ingresses of all groups that have had them.
func IngressResources() []string {
	return []string{"ingresses.networking.k8s.io", "ingresses.extensions"}
}

func ingress(object map[string]any) error {
	if err := ingressClass(object); err != nil {
		return err
	}
	spec, _, err := unstructured.NestedMap(object, "spec")
	if err != nil {
		return fmt.Errorf("reading the spec: %w", err)
	}
	if spec == nil {
		return nil
	}
	if backend, ok := spec["backend"].(map[string]any); ok {
		spec["defaultBackend"] = ingressBackend(backend)
		delete(spec, "backend")
	}
	for _, rule := range mapsIn(spec["rules"]) {
		http, _ := rule["http"].(map[string]any)
		for _, path := range mapsIn(http["paths"]) {
			if path["pathType"] == nil {
				// What v1beta1 meant, and 1.18 filled in.
				path["pathType"] = "ImplementationSpecific"
			}
			if backend, ok := path["backend"].(map[string]any); ok {
				path["backend"] = ingressBackend(backend)
			}
		}
	}
	object["spec"] = spec
	return nil
}

// noPort is what the API server writes where a backend of v1beta1 is a resource and has no
// port: its Go type cannot be left out.
const noPort = int64(0)

// ingressBackend returns a backend as v1 writes it: a resource stays, a Service
// gets a place of its own.
func ingressBackend(backend map[string]any) map[string]any {
	name, port := backend["serviceName"], backend["servicePort"]
	delete(backend, "serviceName")
	delete(backend, "servicePort")
	if name == nil && (port == nil || port == noPort) {
		return backend
	}
	service := map[string]any{"name": name}
	if text, ok := port.(string); ok && !isNumber(text) {
		service["port"] = map[string]any{"name": text}
	} else if ok {
		// Controllers took a number in quotes for the number. v1 does not.
		number, _ := strconv.ParseInt(text, 10, 64)
		service["port"] = map[string]any{"number": number}
	} else if port != nil {
		service["port"] = map[string]any{"number": port}
	}
	backend["service"] = service
	return backend
}

func isNumber(port string) bool {
	_, err := strconv.ParseUint(port, 10, 16)
	return err == nil
}

// ingressClass moves the class from the annotation to the field. The annotation
// was what controllers went by where there were both. One that is no name of an
// IngressClass stays, for the field cannot hold it.
func ingressClass(object map[string]any) error {
	class, found, err := unstructured.NestedString(object, "metadata", "annotations", AnnotationIngressClass)
	if err != nil {
		return fmt.Errorf("reading the annotations: %w", err)
	}
	if !found || !IsIngressClass(class) {
		return nil
	}
	if err := unstructured.SetNestedField(object, class, "spec", "ingressClassName"); err != nil {
		return fmt.Errorf("writing the class: %w", err)
	}
	annotation.Remove(object, AnnotationIngressClass)
	return nil
}

// IsIngressClass reports whether a class that the annotation names can be in the
// field: whether it could be the name of an IngressClass.
func IsIngressClass(name string) bool {
	return len(validation.IsDNS1123Subdomain(name)) == 0
}

// mapsIn returns the maps in a list, which are the list's own.
func mapsIn(list any) []map[string]any {
	elements, _ := list.([]any)
	found := make([]map[string]any, 0, len(elements))
	for _, element := range elements {
		if element, ok := element.(map[string]any); ok {
			found = append(found, element)
		}
	}
	return found
}
