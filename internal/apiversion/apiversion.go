// SPDX-License-Identifier: Apache-2.0

// Package apiversion rewrites objects of API versions that Kubernetes has ceased
// to serve into the versions that took their place.
//
// The rules are those of the Kubernetes API server's own conversions
// (k8s.io/kubernetes, pkg/apis) and of the Deprecated API Migration Guide,
// https://kubernetes.io/docs/reference/using-api/deprecation-guide/. They expect
// objects as an API server has returned them, with their defaults filled in.
package apiversion

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Conversion says what takes the place of a version of a kind.
type Conversion struct {
	// To is the version that is served instead.
	To schema.GroupVersion
	// change makes the object's content what To expects, nil where the shape is the
	// same.
	change func(object map[string]any) error
}

// Apply makes object, of the version that the conversion is for, one of the
// version To. After an error, which says what To has no place for, the object is
// not to be used.
func (c Conversion) Apply(object map[string]any) error {
	object["apiVersion"] = c.To.String()
	if c.change == nil {
		return nil
	}
	return c.change(object)
}

// row is the history of a resource.
type row struct {
	kind, resource string
	to             schema.GroupVersion
	change         func(object map[string]any) error
	from           []schema.GroupVersion
}

// Table has the conversions of this package.
type Table struct {
	conversions map[schema.GroupVersionKind]Conversion
	resources   []string
}

// NewTable returns all of them.
func NewTable() *Table {
	t := &Table{conversions: map[schema.GroupVersionKind]Conversion{}}
	resources := map[string]bool{}
	for _, row := range slices.Concat(workloads(), policies(), networks(), clusters()) {
		for _, from := range row.from {
			t.conversions[from.WithKind(row.kind)] = Conversion{To: row.to, change: row.change}
			resources[schema.GroupResource{Group: from.Group, Resource: row.resource}.String()] = true
		}
	}
	t.resources = slices.Sorted(maps.Keys(resources))
	return t
}

// Find returns the conversion for a kind in a version, and whether there is one.
func (t *Table) Find(kind schema.GroupVersionKind) (Conversion, bool) {
	conversion, ok := t.conversions[kind]
	return conversion, ok
}

// Resources returns the resources that there are conversions for, with the groups
// that they were in, such as ingresses.extensions; sorted.
func (t *Table) Resources() []string {
	return slices.Clone(t.resources)
}

// workloads were served in extensions and the betas of apps until 1.15, CronJobs
// in v1beta1 until 1.24.
func workloads() []row {
	extensions := version("extensions", "v1beta1")
	beta1, beta2, apps := version("apps", "v1beta1"), version("apps", "v1beta2"), version("apps", "v1")
	return []row{
		{"DaemonSet", "daemonsets", apps, daemonSet, []schema.GroupVersion{extensions, beta2}},
		{"Deployment", "deployments", apps, deployment, []schema.GroupVersion{extensions, beta1, beta2}},
		{"ReplicaSet", "replicasets", apps, selectTemplate, []schema.GroupVersion{extensions, beta2}},
		{"StatefulSet", "statefulsets", apps, selectTemplate, []schema.GroupVersion{beta1, beta2}},
		{"CronJob", "cronjobs", version("batch", "v1"), nil, []schema.GroupVersion{version("batch", "v1beta1"), version("batch", "v2alpha1")}},
	}
}

// policies say how workloads are scaled, disrupted and scheduled. The betas were
// served until 1.24 and 1.25, v2beta2 of autoscaling until 1.25.
func policies() []row {
	scaling := version("autoscaling", "v2")
	return []row{
		{"HorizontalPodAutoscaler", "horizontalpodautoscalers", scaling, nil, []schema.GroupVersion{version("autoscaling", "v2beta2")}},
		{"HorizontalPodAutoscaler", "horizontalpodautoscalers", scaling, autoscaler, []schema.GroupVersion{version("autoscaling", "v2beta1")}},
		{"PodDisruptionBudget", "poddisruptionbudgets", version("policy", "v1"), disruptionBudget, []schema.GroupVersion{version("policy", "v1beta1")}},
		same("PriorityClass", "priorityclasses", "scheduling.k8s.io", "v1beta1", "v1alpha1"),
		same("RuntimeClass", "runtimeclasses", "node.k8s.io", "v1beta1"),
	}
}

// networks were served in extensions and in v1beta1 until 1.21, endpoint slices
// until 1.24, network policies in extensions until 1.15.
func networks() []row {
	extensions, networking := version("extensions", "v1beta1"), version("networking.k8s.io", "v1")
	return []row{
		{"Ingress", "ingresses", networking, ingress, []schema.GroupVersion{extensions, version("networking.k8s.io", "v1beta1")}},
		{"NetworkPolicy", "networkpolicies", networking, nil, []schema.GroupVersion{extensions}},
		same("IngressClass", "ingressclasses", "networking.k8s.io", "v1beta1"),
		{"EndpointSlice", "endpointslices", version("discovery.k8s.io", "v1"), endpointSlice, []schema.GroupVersion{version("discovery.k8s.io", "v1beta1")}},
	}
}

// clusters are what is there once for a cluster, with what binds it. The betas
// were served until 1.21, those of flow control until 1.25, 1.28 and 1.31.
func clusters() []row {
	const rbac, storage, registration = "rbac.authorization.k8s.io", "storage.k8s.io", "admissionregistration.k8s.io"
	const flow, level, levels = "flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", "prioritylevelconfigurations"
	return []row{
		same("ClusterRole", "clusterroles", rbac, "v1beta1"),
		same("ClusterRoleBinding", "clusterrolebindings", rbac, "v1beta1"),
		same("Role", "roles", rbac, "v1beta1"),
		same("RoleBinding", "rolebindings", rbac, "v1beta1"),
		same("StorageClass", "storageclasses", storage, "v1beta1"),
		same("CSIDriver", "csidrivers", storage, "v1beta1"),
		same("APIService", "apiservices", "apiregistration.k8s.io", "v1beta1"),
		same("FlowSchema", "flowschemas", flow, "v1beta1", "v1beta2", "v1beta3"),
		{level, levels, version(flow, "v1"), concurrencyShares, []schema.GroupVersion{version(flow, "v1beta1"), version(flow, "v1beta2")}},
		{level, levels, version(flow, "v1"), zeroShares, []schema.GroupVersion{version(flow, "v1beta3")}},
		{
			"MutatingWebhookConfiguration", "mutatingwebhookconfigurations",
			version(registration, "v1"), webhooks,
			[]schema.GroupVersion{version(registration, "v1beta1")},
		},
		{
			"ValidatingWebhookConfiguration", "validatingwebhookconfigurations",
			version(registration, "v1"), webhooks,
			[]schema.GroupVersion{version(registration, "v1beta1")},
		},
	}
}

// same is the row of a kind that has one shape in v1 and the versions before it.
func same(kind, resource, group string, before ...string) row {
	r := row{kind: kind, resource: resource, to: version(group, "v1")}
	for _, v := range before {
		r.from = append(r.from, version(group, v))
	}
	return r
}

func version(group, v string) schema.GroupVersion {
	return schema.GroupVersion{Group: group, Version: v}
}
