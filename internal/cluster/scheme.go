// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// AlbConfig is the kind that ACK's ALB Ingress Controller makes a load balancer of. A
// Cluster's client reads its metadata.
func AlbConfig() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "alibabacloud.com", Version: "v1", Kind: "AlbConfig"}
}

// Scheme returns the types that a Cluster's client knows: those of the groups
// core, apps, networking.k8s.io, scheduling.k8s.io, storage.k8s.io and velero.io,
// version v1.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	builder := runtime.NewSchemeBuilder(
		appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, schedulingv1.AddToScheme, storagev1.AddToScheme,
		velerov1.AddToScheme)
	if err := builder.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("collecting the types of the Kubernetes API: %w", err)
	}
	return scheme, nil
}

// mapper tells the resources of the scheme's kinds, and of AlbConfig, for which there is no
// type. The API server could be asked for them; but a plugin process is started about once
// a minute and often makes a single call, and what a cluster does not serve is as little
// there as an object that it does not have.
func mapper(scheme *runtime.Scheme) meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(scheme.PrioritizedVersionsAllGroups())
	for _, version := range scheme.PrioritizedVersionsAllGroups() {
		for kind := range scheme.KnownTypes(version) {
			mapper.Add(version.WithKind(kind), scopeOf(version.WithKind(kind)))
		}
	}
	mapper.Add(AlbConfig(), meta.RESTScopeRoot)
	return mapper
}

func scopeOf(kind schema.GroupVersionKind) meta.RESTScope {
	switch {
	case kind.Group == corev1.GroupName && (kind.Kind == "Namespace" || kind.Kind == "Node" || kind.Kind == "PersistentVolume"),
		kind.Group == networkingv1.GroupName && kind.Kind != "Ingress" && kind.Kind != "NetworkPolicy",
		kind.Group == schedulingv1.GroupName,
		kind.Group == storagev1.GroupName && kind.Kind != "CSIStorageCapacity":
		return meta.RESTScopeRoot
	default:
		return meta.RESTScopeNamespace
	}
}
