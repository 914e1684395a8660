// SPDX-License-Identifier: Apache-2.0

package digest

import (
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// revisionAnnotation is the count that the Deployment controller keeps, some time after a Deployment was created
// (k8s.io/kubernetes/pkg/controller/deployment/util).
const revisionAnnotation = "deployment.kubernetes.io/revision"

// originalNameAnnotation is Velero's mark of a volume that was made of a snapshot (pkg/restore of Velero).
const originalNameAnnotation = "velero.io/original-pv-name"

// The marks of the controller that binds claims (k8s.io/component-helpers/storage/volume).
const (
	bindCompletedAnnotation     = "pv.kubernetes.io/bind-completed"
	boundByControllerAnnotation = "pv.kubernetes.io/bound-by-controller"
)

// Normalize returns a copy of an object without what a restore must change, also where it restores into another
// namespace, and nothing else:
//   - what the server writes into every object's metadata, and its status;
//   - owner references, which hold uids and which Velero removes;
//   - the labels by which Velero marks what it has restored;
//   - the name of the namespace, also in the Namespace, in the subjects of a RoleBinding and in the claimRef of a volume;
//   - of Services the addresses and node ports that the server chose (those that a user chose cannot be told apart);
//   - of Deployments the number of the rollout;
//   - of claims the volume that they are bound to, of volumes the name, and the controller's marks on both.
func Normalize(object *unstructured.Unstructured) *unstructured.Unstructured {
	n := object.DeepCopy()
	unstructured.RemoveNestedField(n.Object, "status")
	for _, field := range []string{
		"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "ownerReferences", "namespace",
	} {
		unstructured.RemoveNestedField(n.Object, "metadata", field)
	}
	removeKeys(n, "labels", velerov1.BackupNameLabel, velerov1.RestoreNameLabel)
	switch n.GroupVersionKind().GroupKind() {
	case schema.GroupKind{Kind: "Namespace"}:
		unstructured.RemoveNestedField(n.Object, "metadata", "name")
		removeKeys(n, "labels", corev1.LabelMetadataName)
	case schema.GroupKind{Kind: "Service"}:
		normalizeService(n)
	case schema.GroupKind{Group: appsv1.GroupName, Kind: "Deployment"}:
		removeKeys(n, "annotations", revisionAnnotation)
	case schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		unstructured.RemoveNestedField(n.Object, "spec", "volumeName")
		removeKeys(n, "annotations", bindCompletedAnnotation, boundByControllerAnnotation)
	case schema.GroupKind{Kind: "PersistentVolume"}:
		normalizeVolume(n)
	case schema.GroupKind{Group: rbacv1.GroupName, Kind: "RoleBinding"}:
		normalizeSubjects(n, object.GetNamespace())
	}
	return n
}

// removeKeys removes keys of a map in the metadata, and the map when it is empty then.
func removeKeys(object *unstructured.Unstructured, field string, keys ...string) {
	for _, key := range keys {
		unstructured.RemoveNestedField(object.Object, "metadata", field, key)
	}
	if rest, found, err := unstructured.NestedMap(object.Object, "metadata", field); found && err == nil && len(rest) == 0 {
		unstructured.RemoveNestedField(object.Object, "metadata", field)
	}
}

// normalizeService keeps the address "None" of a headless Service, which its user chose.
func normalizeService(service *unstructured.Unstructured) {
	if address, _, _ := unstructured.NestedString(service.Object, "spec", "clusterIP"); address != corev1.ClusterIPNone {
		unstructured.RemoveNestedField(service.Object, "spec", "clusterIP")
		unstructured.RemoveNestedField(service.Object, "spec", "clusterIPs")
	}
	unstructured.RemoveNestedField(service.Object, "spec", "healthCheckNodePort")
	for _, port := range entries(service, "spec", "ports") {
		delete(port, "nodePort")
	}
}

// normalizeVolume keeps which claim has the volume. Its name is that of a disk, or another where that is taken; Velero
// notes the old one.
func normalizeVolume(pv *unstructured.Unstructured) {
	unstructured.RemoveNestedField(pv.Object, "metadata", "name")
	for _, field := range []string{"namespace", "uid", "resourceVersion"} {
		unstructured.RemoveNestedField(pv.Object, "spec", "claimRef", field)
	}
	removeKeys(pv, "annotations", boundByControllerAnnotation, originalNameAnnotation)
}

// normalizeSubjects removes the binding's own namespace from its subjects. Another one stays.
func normalizeSubjects(binding *unstructured.Unstructured, namespace string) {
	for _, subject := range entries(binding, "subjects") {
		if subject["namespace"] == namespace {
			delete(subject, "namespace")
		}
	}
}

// entries returns the objects in a list of an object, to be changed in place.
func entries(object *unstructured.Unstructured, path ...string) []map[string]any {
	value, _, _ := unstructured.NestedFieldNoCopy(object.Object, path...)
	list, _ := value.([]any)
	var objects []map[string]any
	for _, item := range list {
		if entry, ok := item.(map[string]any); ok {
			objects = append(objects, entry)
		}
	}
	return objects
}
