// SPDX-License-Identifier: Apache-2.0

package cloudcontroller

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// setFinalizer adds a finalizer to a Service, or removes it.
func (c *Controller) setFinalizer(ctx context.Context, service *corev1.Service, name string, present bool) error {
	before := service.DeepCopy()
	set := controllerutil.RemoveFinalizer
	if present {
		set = controllerutil.AddFinalizer
	}
	if !set(service, name) {
		return nil
	}
	// Finalizers are replaced as a whole: not those that another controller has changed meanwhile.
	return c.client.Patch(ctx, service, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// setLabels sets labels of a Service; those with an empty value are removed.
func (c *Controller) setLabels(ctx context.Context, service *corev1.Service, labels map[string]string) error {
	before := service.DeepCopy()
	for key, value := range labels {
		if value == "" {
			delete(service.Labels, key)
		} else {
			metav1.SetMetaDataLabel(&service.ObjectMeta, key, value)
		}
	}
	if maps.Equal(before.Labels, service.Labels) {
		return nil
	}
	return c.client.Patch(ctx, service, client.MergeFrom(before))
}

// setStatus tells of the load balancer in the status of a Service.
func (c *Controller) setStatus(ctx context.Context, service *corev1.Service, ingress []corev1.LoadBalancerIngress) error {
	if slices.EqualFunc(service.Status.LoadBalancer.Ingress, ingress, func(a, b corev1.LoadBalancerIngress) bool {
		return a.IP == b.IP && a.Hostname == b.Hostname // The API server adds an ipMode.
	}) {
		return nil
	}
	before := service.DeepCopy()
	service.Status.LoadBalancer.Ingress = ingress
	return c.client.Status().Patch(ctx, service, client.MergeFrom(before))
}

// event makes an event about a Service, once for each message.
func (c *Controller) event(ctx context.Context, service *corev1.Service, kind, reason, message string) error {
	key := strings.Join([]string{string(service.UID), reason, message}, "\n")
	if c.told[key] {
		return nil
	}
	now := metav1.NewTime(c.options.Now())
	name := fmt.Sprintf("%s.%x", service.Name, sha256.Sum256([]byte(key)))
	err := c.client.Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: service.Namespace, Name: name[:len(service.Name)+17]},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "v1", Kind: "Service", Namespace: service.Namespace, Name: service.Name, UID: service.UID,
		},
		Type: kind, Reason: reason, Message: message, Count: 1, FirstTimestamp: now, LastTimestamp: now,
		Source: corev1.EventSource{Component: "service-controller"},
	})
	// In a namespace that is being deleted nothing is made any more.
	if err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return fmt.Errorf("tell of %s: %w", reason, err)
	}
	c.told[key] = true
	return nil
}
