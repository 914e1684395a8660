// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Resources that several actions are for.
const (
	resourceVolumes        = "persistentvolumes"
	resourceClaims         = "persistentvolumeclaims"
	resourceStatefulSets   = "statefulsets.apps"
	resourceStorageClasses = "storageclasses.storage.k8s.io"
	resourceServices       = "services"
)

// resourceOf returns an object's resource as Velero writes it, such as
// deployments.apps.
func resourceOf(object *unstructured.Unstructured) string {
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	return plural.GroupResource().String()
}

// fieldsOf names object in a log line, by the fields that Velero's own actions use.
func fieldsOf(object *unstructured.Unstructured) logrus.Fields {
	return logrus.Fields{
		"resource": resourceOf(object), "namespace": object.GetNamespace(), "name": object.GetName(),
	}
}

// targetNamespace returns where the objects of a backed-up namespace are restored to.
func targetNamespace(restore *velerov1.Restore, namespace string) string {
	if target, ok := restore.Spec.NamespaceMapping[namespace]; ok {
		return target
	}
	return namespace
}

// mapsIn returns the maps in the list that parent has under the key. They are the
// parent's own.
func mapsIn(parent any, key string) []map[string]any {
	object, _ := parent.(map[string]any)
	list, _ := object[key].([]any)
	found := make([]map[string]any, 0, len(list))
	for _, element := range list {
		if element, ok := element.(map[string]any); ok {
			found = append(found, element)
		}
	}
	return found
}
