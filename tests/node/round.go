// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// round is one look at all that there is, in which everybody does the next thing that is to be done.
type round struct {
	*Cluster

	nodes  []corev1.Node
	pods   []corev1.Pod
	claims []corev1.PersistentVolumeClaim
	// volumes are all: what is whose, the claims tell.
	volumes []corev1.PersistentVolume
	// classes are those that were looked up. nil is one that there is not.
	classes map[string]*storagev1.StorageClass
	// changed says that another round has something to do.
	changed bool
}

// run makes the round. What one cannot do does not keep the others from their work.
func (r *round) run(ctx context.Context) error {
	if err := r.read(ctx); err != nil {
		return err
	}
	steps := []func(context.Context) error{r.provision, r.reclaim, r.schedule, r.runPods}
	if r.options.ControllerManager {
		steps = append([]func(context.Context) error{r.bind, r.release, r.makeDaemons}, steps...)
	}
	if r.options.Snapshots {
		steps = append(steps, r.cutSnapshots, r.endSnapshots)
	}
	errs := make([]error, 0, len(steps))
	for _, step := range steps {
		errs = append(errs, step(ctx))
	}
	return errors.Join(errs...)
}

func (r *round) read(ctx context.Context) error {
	var nodes corev1.NodeList
	var pods corev1.PodList
	var claims corev1.PersistentVolumeClaimList
	var volumes corev1.PersistentVolumeList
	for _, list := range []client.ObjectList{&nodes, &pods, &claims, &volumes} {
		if err := r.client.List(ctx, list); err != nil {
			return fmt.Errorf("list %T: %w", list, err)
		}
	}
	r.nodes, r.pods, r.claims, r.volumes = nodes.Items, pods.Items, claims.Items, volumes.Items
	r.pods = slices.DeleteFunc(r.pods, func(p corev1.Pod) bool { return !r.concerns(p.Namespace) })
	r.claims = slices.DeleteFunc(r.claims, func(c corev1.PersistentVolumeClaim) bool { return !r.concerns(c.Namespace) })
	slices.SortFunc(r.nodes, func(a, b corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	for i := range r.pods {
		if r.pods[i].UID == "" {
			return fmt.Errorf("the pod %s/%s has no UID: a fake client must be one of NewClient", r.pods[i].Namespace, r.pods[i].Name)
		}
	}
	return nil
}

// claim returns a claim, nil if there is none.
func (r *round) claim(namespace, name string) *corev1.PersistentVolumeClaim {
	for i := range r.claims {
		if r.claims[i].Namespace == namespace && r.claims[i].Name == name {
			return &r.claims[i]
		}
	}
	return nil
}

// volume returns a PersistentVolume, nil if there is none.
func (r *round) volume(name string) *corev1.PersistentVolume {
	for i := range r.volumes {
		if r.volumes[i].Name == name {
			return &r.volumes[i]
		}
	}
	return nil
}

// class returns the StorageClass of a claim, nil if it has none or there is none.
func (r *round) class(ctx context.Context, claim *corev1.PersistentVolumeClaim) (*storagev1.StorageClass, error) {
	if claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName == "" {
		return nil, nil
	}
	name := *claim.Spec.StorageClassName
	if class, known := r.classes[name]; known {
		return class, nil
	}
	class := &storagev1.StorageClass{}
	switch err := r.client.Get(ctx, client.ObjectKey{Name: name}, class); {
	case apierrors.IsNotFound(err):
		class = nil
	case err != nil:
		return nil, fmt.Errorf("read the storage class %s: %w", name, err)
	}
	r.classes[name] = class
	return class, nil
}

// waits says whether volumes of a class are made when a Pod needs them.
func waits(class *storagev1.StorageClass) bool {
	return class != nil && class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
}

// patch writes what a function changes of an object. One that has gone meanwhile is left so.
func patch[T client.Object](ctx context.Context, r *round, object T, change func(T)) error {
	before, ok := object.DeepCopyObject().(T)
	if !ok {
		return fmt.Errorf("a copy of %T is none", object)
	}
	change(object)
	r.changed = true
	return client.IgnoreNotFound(r.client.Patch(ctx, object, client.MergeFrom(before)))
}

// patchStatus is patch for the status.
func patchStatus[T client.Object](ctx context.Context, r *round, object T, change func(T)) error {
	before, ok := object.DeepCopyObject().(T)
	if !ok {
		return fmt.Errorf("a copy of %T is none", object)
	}
	change(object)
	r.changed = true
	return client.IgnoreNotFound(r.client.Status().Patch(ctx, object, client.MergeFrom(before)))
}

// create makes an object that may be there already.
func (r *round) create(ctx context.Context, object client.Object) error {
	err := r.client.Create(ctx, object)
	if apierrors.IsAlreadyExists(err) || endsWithItsNamespace(err) {
		return nil
	}
	r.changed = true
	return err
}

// endsWithItsNamespace says whether an object can not be made because its namespace is being deleted.
func endsWithItsNamespace(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// remove deletes an object at once. It may have gone.
func (r *round) remove(ctx context.Context, object client.Object) error {
	uid := object.GetUID()
	r.changed = true
	err := r.client.Delete(ctx, object, client.GracePeriodSeconds(0), client.Preconditions{UID: &uid})
	if apierrors.IsConflict(err) {
		return nil // Another one has its name now.
	}
	return client.IgnoreNotFound(err)
}
