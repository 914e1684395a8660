// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// orderCount is the number of custom resources.
const orderCount = 3

// orderKind is the kind of the custom resources.
func orderKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "shop.example.com", Version: "v1", Kind: "Order"}
}

// definition is the CustomResourceDefinition of the kind Order.
func definition() *apiextensionsv1.CustomResourceDefinition {
	kind := orderKind()
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "orders." + kind.Group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: kind.Group,
			Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{
				Plural: "orders", Singular: "order", Kind: kind.Kind, ListKind: kind.Kind + "List",
			},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: kind.Version, Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{
					OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
						Type: "object",
						Properties: map[string]apiextensionsv1.JSONSchemaProps{
							"spec": {Type: "object", XPreserveUnknownFields: new(true)},
						},
					},
				},
			}},
		},
	}
}

// orders are the custom resources.
func orders(namespace string) []client.Object {
	objects := make([]client.Object, 0, orderCount)
	for i := range orderCount {
		order := &unstructured.Unstructured{Object: map[string]any{
			"spec": map[string]any{"article": fmt.Sprintf("tea-%d", i), "quantity": int64(i + 1), "paid": i%2 == 0},
		}}
		order.SetGroupVersionKind(orderKind())
		order.SetNamespace(namespace)
		order.SetName(fmt.Sprintf("order-%d", i))
		order.SetLabels(component("orders"))
		objects = append(objects, order)
	}
	return objects
}

// orderList is an empty list of custom resources, to be read into.
func orderList() *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	kind := orderKind()
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	return list
}
