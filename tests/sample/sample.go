// SPDX-License-Identifier: Apache-2.0

// Package sample is an application to back up and restore: a namespace with objects of the kinds that applications
// consist of, some MiB in all. It needs no nodes, so its Pods stay pending.
package sample

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

// createTimeout bounds the wait for the control plane to react to what Create creates, which takes it about a second.
const createTimeout = time.Minute

// Objects are the application's objects, in an order in which they can be created: the CustomResourceDefinition,
// which is cluster-scoped, the Namespace, and what is in it. Every call makes the same ones anew.
func Objects(namespace string) []client.Object {
	return slices.Concat(
		[]client.Object{definition(), namespaceObject(namespace)},
		access(namespace),
		configuration(namespace),
		catalogueMaps(namespace),
		network(namespace),
		workloads(namespace),
		orders(namespace),
	)
}

// Create creates the application in a namespace that is not there yet, with a client whose scheme has the
// CustomResourceDefinitions. It returns when the control plane has added its own objects to the namespace
// (the default ServiceAccount and the ConfigMap kube-root-ca.crt). The CustomResourceDefinition may exist already.
//
// A Velero server learns of new kinds every 5 minutes (runServer's discovery helper, pkg/cmd/server/server.go): where one
// runs already, a backup would silently lack the custom resources unless CreateDefinition was called before its start.
func Create(ctx context.Context, c client.Client, namespace string) error {
	for _, object := range Objects(namespace) {
		if err := create(ctx, c, object); err != nil {
			return fmt.Errorf("creating the sample application: %T %s: %w", object, object.GetName(), err)
		}
	}
	return poll.Until(ctx, createTimeout, "the control plane to complete the namespace "+namespace, func(ctx context.Context) error {
		for name, object := range map[string]client.Object{
			"default": &corev1.ServiceAccount{}, "kube-root-ca.crt": &corev1.ConfigMap{},
		} {
			if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
				return err
			}
		}
		return nil
	})
}

// create creates one object.
func create(ctx context.Context, c client.Client, object client.Object) error {
	if _, ok := object.(*apiextensionsv1.CustomResourceDefinition); ok {
		return CreateDefinition(ctx, c)
	}
	return c.Create(ctx, object)
}

// CreateDefinition creates the CustomResourceDefinition, unless it exists, and returns when its resources are served.
func CreateDefinition(ctx context.Context, c client.Client) error {
	if err := c.Create(ctx, definition()); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return poll.Until(ctx, createTimeout, "its resources to be served", func(ctx context.Context) error {
		return c.List(ctx, orderList())
	})
}

func namespaceObject(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:        name,
		Labels:      map[string]string{"app.kubernetes.io/part-of": "shop", "team": "storefront"},
		Annotations: map[string]string{"example.com/owner": "storefront@example.com"},
	}}
}

// named is the metadata of an object of the application's component of that name.
func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: component(name)}
}

// component are the labels of the objects and Pods of a component.
func component(name string) map[string]string {
	return map[string]string{"app.kubernetes.io/part-of": "shop", "app.kubernetes.io/component": name}
}
