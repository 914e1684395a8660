// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// podFinalizer stands in for the grace period of a Pod that is deleted, in which its kubelet ends it.
const podFinalizer = "tests/kubelet"

// NewClient returns a fake client of controller-runtime with what it lacks of an API server that a Cluster needs: objects
// get UIDs and times of creation, Pods are bound by the scheduler and deleted by their kubelets, and claims and volumes in
// use stay until they are not. now is called for each object that is made, also during Settle.
func NewClient(fake client.WithWatch, now func() time.Time) client.WithWatch {
	return interceptor.NewClient(fake, interceptor.Funcs{
		Create: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if object.GetUID() == "" {
				object.SetUID(newUID())
			}
			if created := object.GetCreationTimestamp(); created.IsZero() {
				object.SetCreationTimestamp(metav1.NewTime(now().Truncate(time.Second)))
			}
			switch object.(type) {
			case *corev1.PersistentVolumeClaim:
				controllerutil.AddFinalizer(object, claimProtection)
			case *corev1.PersistentVolume:
				controllerutil.AddFinalizer(object, volumeProtection)
			}
			return api.Create(ctx, object, options...)
		},
		Delete: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			pod, ok := object.(*corev1.Pod)
			if !ok {
				return api.Delete(ctx, object, options...)
			}
			return deletePod(ctx, api, pod, options)
		},
		SubResourceCreate: func(
			ctx context.Context, api client.Client, name string, object, created client.Object, options ...client.SubResourceCreateOption,
		) error {
			binding, ok := created.(*corev1.Binding)
			if !ok {
				return api.SubResource(name).Create(ctx, object, created, options...)
			}
			pod := &corev1.Pod{}
			if err := api.Get(ctx, client.ObjectKeyFromObject(object), pod); err != nil {
				return err
			}
			before := pod.DeepCopy()
			pod.Spec.NodeName = binding.Target.Name
			return api.Patch(ctx, pod, client.MergeFrom(before))
		},
	})
}

// deletePod lets a Pod that has a node wait for its kubelet, unless it is to be deleted at once.
func deletePod(ctx context.Context, api client.Client, object *corev1.Pod, options []client.DeleteOption) error {
	pod := &corev1.Pod{}
	if err := api.Get(ctx, client.ObjectKeyFromObject(object), pod); err != nil {
		return err
	}
	chosen := (&client.DeleteOptions{}).ApplyOptions(options)
	atOnce := pod.Spec.NodeName == "" || chosen.GracePeriodSeconds != nil && *chosen.GracePeriodSeconds == 0
	before, waits := pod.DeepCopy(), pod.DeletionTimestamp != nil
	switch {
	case atOnce:
		controllerutil.RemoveFinalizer(pod, podFinalizer)
	case !waits:
		controllerutil.AddFinalizer(pod, podFinalizer)
	}
	if err := api.Patch(ctx, pod, client.MergeFrom(before)); err != nil || waits {
		return err // One that waits goes with its last finalizer.
	}
	return api.Delete(ctx, object, options...)
}

// newUID returns an id in the form of those of an API server.
func newUID() types.UID {
	digits := fmt.Sprintf("%x", rand.Text())[:32]
	return types.UID(strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-"))
}
