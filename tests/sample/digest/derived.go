// SPDX-License-Identifier: Apache-2.0

package digest

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Derived says whether an object is made by the control plane and will be made again, so that it is no state of the
// application and cannot be expected to come back as it was.
func Derived(resource schema.GroupResource, object *unstructured.Unstructured) bool {
	switch resource {
	case schema.GroupResource{Resource: "events"},
		schema.GroupResource{Group: "events.k8s.io", Resource: "events"}:
		return true // What has happened, forgotten after an hour.
	case schema.GroupResource{Resource: "endpoints"},
		schema.GroupResource{Group: "discovery.k8s.io", Resource: "endpointslices"}:
		return true // Made from Services and the addresses of Pods.
	case schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}:
		return true // The heartbeat of a process.
	case schema.GroupResource{Group: appsv1.GroupName, Resource: "controllerrevisions"}:
		return true // Made from the templates of StatefulSets and DaemonSets.
	case schema.GroupResource{Resource: "secrets"}:
		kind, _, _ := unstructured.NestedString(object.Object, "type")
		return kind == string(corev1.SecretTypeServiceAccountToken) // Signed for a ServiceAccount by its uid.
	}
	return controlled(object)
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
