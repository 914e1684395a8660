// SPDX-License-Identifier: Apache-2.0

package digest

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Derived says whether an object is made by the control plane and will be made again, so that it is no state of the
// application and cannot be expected to come back as it was.
func Derived(resource schema.GroupResource, object *unstructured.Unstructured) bool {
	if derivedKind(resource) || controlled(object) {
		return true
	}
	// Signed for a ServiceAccount by its uid.
	kind, _, _ := unstructured.NestedString(object.Object, "type")
	return resource == schema.GroupResource{Resource: "secrets"} && kind == string(corev1.SecretTypeServiceAccountToken)
}

// derivedKind says whether all objects of a kind are derived.
func derivedKind(resource schema.GroupResource) bool {
	switch resource {
	case schema.GroupResource{Resource: "events"},
		schema.GroupResource{Group: eventsv1.GroupName, Resource: "events"}:
		return true // What has happened, forgotten after an hour.
	case schema.GroupResource{Resource: "endpoints"},
		schema.GroupResource{Group: discoveryv1.GroupName, Resource: "endpointslices"}:
		return true // Made from Services and the addresses of Pods.
	case schema.GroupResource{Group: coordinationv1.GroupName, Resource: "leases"}:
		return true // The heartbeat of a process.
	case schema.GroupResource{Group: appsv1.GroupName, Resource: "controllerrevisions"}:
		return true // Made from the templates of StatefulSets and DaemonSets.
	}
	return false
}

// controlled says whether a controller made the object: a ReplicaSet of a Deployment, a Pod, a Job of a CronJob. It is
// not enough to look for the owner, which a restore removes and the controller sets again later; the label by which the
// controller finds what is its own stays.
func controlled(object *unstructured.Unstructured) bool {
	if metav1.GetControllerOf(object) != nil {
		return true
	}
	for _, label := range []string{
		appsv1.DefaultDeploymentUniqueLabelKey, appsv1.ControllerRevisionHashLabelKey, batchv1.ControllerUidLabel,
	} {
		if _, ok := object.GetLabels()[label]; ok {
			return true
		}
	}
	return false
}
