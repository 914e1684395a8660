// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Scheme returns the types that a Cluster's client knows: those of the groups
// core, apps, scheduling.k8s.io, storage.k8s.io and velero.io, version v1.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	builder := runtime.NewSchemeBuilder(
		appsv1.AddToScheme, corev1.AddToScheme, schedulingv1.AddToScheme, storagev1.AddToScheme, velerov1.AddToScheme)
	if err := builder.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("collecting the types of the Kubernetes API: %w", err)
	}
	return scheme, nil
}

// mapper tells the resources of the scheme's kinds. The API server could be asked
// for them; but a plugin process is started about once a minute and often makes a
// single call, and these groups are always served.
func mapper(scheme *runtime.Scheme) meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(scheme.PrioritizedVersionsAllGroups())
	for _, version := range scheme.PrioritizedVersionsAllGroups() {
		for kind := range scheme.KnownTypes(version) {
			mapper.Add(version.WithKind(kind), scopeOf(version.WithKind(kind)))
		}
	}
	return mapper
}

func scopeOf(kind schema.GroupVersionKind) meta.RESTScope {
	switch {
	case kind.Group == corev1.GroupName && (kind.Kind == "Namespace" || kind.Kind == "Node" || kind.Kind == "PersistentVolume"),
		kind.Group == schedulingv1.GroupName,
		kind.Group == storagev1.GroupName && kind.Kind != "CSIStorageCapacity":
		return meta.RESTScopeRoot
	default:
		return meta.RESTScopeNamespace
	}
}
