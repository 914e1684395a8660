// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
)

// sinceAnnotation is on temporary claims and Pods: since when they are waited for. A Pod
// that was made again has that of the one before.
const sinceAnnotation = "alibabacloud.com/hbr-since"

// temporary are the temporary objects of an owner.
type temporary struct {
	*Mounts

	api   client.Client
	owner Owner
}

func (m *Mounts) of(owner Owner) (temporary, error) {
	api, err := m.cluster.Client()
	return temporary{Mounts: m, api: api, owner: owner}, err
}

// meta returns the metadata of a temporary object in Velero's namespace that is waited
// for since a time.
func (t temporary) meta(since time.Time) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: t.cluster.Namespace(), Name: t.owner.name(), Labels: t.owner.labels(),
		Annotations: map[string]string{sinceAnnotation: since.UTC().Format(time.RFC3339)},
	}
}

// since returns since when an object is waited for.
func since(object metav1.Object) time.Time {
	started, err := time.Parse(time.RFC3339, object.GetAnnotations()[sinceAnnotation])
	if err != nil {
		return object.GetCreationTimestamp().Time // Somebody has changed ours.
	}
	return started
}

// late tells whether an object has been waited for too long.
func (t temporary) late(object metav1.Object) bool {
	return time.Since(since(object)) > t.config.Timeout
}

// IsTemporary tells whether an object is there for a job alone.
func IsTemporary(object metav1.Object) bool { return object.GetLabels()[kindLabel] != "" }

// String names the temporary objects in Velero's namespace.
func (t temporary) String() string { return t.cluster.Namespace() + "/" + t.owner.name() }

// find reads the temporary object of a type, and tells whether it is there. One of the
// same name that is somebody else's is a final error.
func (t temporary) find(ctx context.Context, kind string, object client.Object) (bool, error) {
	key := client.ObjectKey{Name: t.owner.name()}
	if _, ok := object.(*corev1.PersistentVolume); !ok {
		key.Namespace = t.cluster.Namespace()
	}
	err := t.api.Get(ctx, key, object)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the temporary %s %s: %w", kind, t.owner.name(), err)
	case !t.owner.owns(object):
		return false, &foreignError{final.Errorf("the %s %s is there and was not made for this %s: delete it", kind, t.owner.name(), t.owner.Kind)}
	default:
		return true, nil
	}
}

// foreignError is an object of somebody else that has the name of a temporary one.
type foreignError struct{ error }

// Unwrap returns the error.
func (e *foreignError) Unwrap() error { return e.error }

func (t temporary) pod(ctx context.Context) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	found, err := t.find(ctx, "Pod", pod)
	return there(pod, found), err
}

func (t temporary) claim(ctx context.Context) (*corev1.PersistentVolumeClaim, error) {
	claim := &corev1.PersistentVolumeClaim{}
	found, err := t.find(ctx, "PersistentVolumeClaim", claim)
	return there(claim, found), err
}

func (t temporary) copy(ctx context.Context) (*corev1.PersistentVolume, error) {
	pv := &corev1.PersistentVolume{}
	found, err := t.find(ctx, "PersistentVolume", pv)
	return there(pv, found), err
}

// there returns an object that was found, else nil.
func there[T any](object *T, found bool) *T {
	if !found {
		return nil
	}
	return object
}

// create creates an object. One that another process has created meanwhile is no error;
// one that the API server never takes is a final one. What is forbidden now may be allowed
// later: for a quota, or a PriorityClass that has just been made.
func create(ctx context.Context, api client.Client, kind string, object client.Object) error {
	err := api.Create(ctx, object)
	switch {
	case err == nil || apierrors.IsAlreadyExists(err):
		return nil
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return final.Errorf("creating the %s %s: %w", kind, object.GetName(), err)
	default:
		return fmt.Errorf("creating the %s %s: %w", kind, object.GetName(), err)
	}
}

// remove deletes an object as it was read. One that is not there any more is no error.
func remove(ctx context.Context, api client.Client, kind string, object client.Object, options ...client.DeleteOption) error {
	uid := object.GetUID()
	err := api.Delete(ctx, object, append(options, client.Preconditions{UID: &uid})...)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the temporary %s %s: %w", kind, object.GetName(), err)
	}
	return nil
}
