// SPDX-License-Identifier: Apache-2.0

package digest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample/digest"
)

// object reads an object from YAML.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, object, want string }{
		{
			name: "what the server writes into the metadata is removed, and the status",
			object: `
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: shop, uid: u, resourceVersion: "1", generation: 2, creationTimestamp: "2026-01-01T00:00:00Z", managedFields: [], selfLink: s, ownerReferences: [{name: o}]}
data: {status: kept, uid: kept}
status: {phase: Active}
`,
			want: `
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {status: kept, uid: kept}
`,
		},
		{
			name: "what a user writes into the metadata stays",
			object: `
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: shop, labels: {app: web}, annotations: {example.com/a: b, deployment.kubernetes.io/revision: "1"}, finalizers: [example.com/f]}
`,
			want: `
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {app: web}, annotations: {example.com/a: b, deployment.kubernetes.io/revision: "1"}, finalizers: [example.com/f]}
`,
		},
		{
			name: "the labels of a restored object are removed",
			object: `
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {app: web, velero.io/backup-name: b, velero.io/restore-name: r, velero.io/other: kept}}
`,
			want: `
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {app: web, velero.io/other: kept}}
`,
		},
		{
			name: "labels that were none before the restore are none again",
			object: `
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {velero.io/backup-name: b, velero.io/restore-name: r}}
`,
			want: `
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
`,
		},
		{
			name: "a namespace has no name",
			object: `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {kubernetes.io/metadata.name: shop, team: a}}
spec: {finalizers: [kubernetes]}
`,
			want: `
apiVersion: v1
kind: Namespace
metadata: {labels: {team: a}}
spec: {finalizers: [kubernetes]}
`,
		},
		{
			name: "a service loses the addresses and ports that the server chose",
			object: `
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {type: LoadBalancer, clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], ipFamilies: [IPv4], healthCheckNodePort: 30001, ports: [{name: a, port: 80, nodePort: 30000}, {name: b, port: 81}]}
`,
			want: `
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {type: LoadBalancer, ipFamilies: [IPv4], ports: [{name: a, port: 80}, {name: b, port: 81}]}
`,
		},
		{
			name: "a headless service stays one",
			object: `
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIP: None, clusterIPs: [None]}
`,
			want: `
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIP: None, clusterIPs: [None]}
`,
		},
		{
			name: "a custom resource named Service is not a service",
			object: `
apiVersion: serving.example.com/v1
kind: Service
metadata: {name: a}
spec: {clusterIP: kept}
`,
			want: `
apiVersion: serving.example.com/v1
kind: Service
metadata: {name: a}
spec: {clusterIP: kept}
`,
		},
		{
			name: "a deployment loses the number of its rollout",
			object: `
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, annotations: {deployment.kubernetes.io/revision: "3"}}
spec: {replicas: 2}
`,
			want: `
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec: {replicas: 2}
`,
		},
		{
			name: "a volume loses its name, the namespace and uid of its claim, and the marks of the controller and of Velero",
			object: `
apiVersion: v1
kind: PersistentVolume
metadata: {name: d-1, finalizers: [kubernetes.io/pv-protection], annotations: {pv.kubernetes.io/bound-by-controller: "yes", velero.io/original-pv-name: d-0, pv.kubernetes.io/provisioned-by: p}}
spec: {claimRef: {kind: PersistentVolumeClaim, namespace: shop, name: a, uid: u, resourceVersion: "1"}, storageClassName: s}
status: {phase: Bound}
`,
			want: `
apiVersion: v1
kind: PersistentVolume
metadata: {finalizers: [kubernetes.io/pv-protection], annotations: {pv.kubernetes.io/provisioned-by: p}}
spec: {claimRef: {kind: PersistentVolumeClaim, name: a}, storageClassName: s}
`,
		},
		{
			name: "the subjects of a role binding lose its own namespace and keep others",
			object: `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a, namespace: shop}
subjects: [{kind: ServiceAccount, namespace: shop, name: web}, {kind: ServiceAccount, namespace: other, name: web}, {kind: Group, name: g}]
`,
			want: `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a}
subjects: [{kind: ServiceAccount, name: web}, {kind: ServiceAccount, namespace: other, name: web}, {kind: Group, name: g}]
`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			input := object(t, tt.object)
			got := digest.Normalize(input)
			if diff := cmp.Diff(object(t, tt.want), got); diff != "" {
				t.Errorf("normalized (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(object(t, tt.object), input); diff != "" {
				t.Errorf("the input was changed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(got, digest.Normalize(got)); diff != "" {
				t.Errorf("normalized twice (-once +twice):\n%s", diff)
			}
		})
	}
}

func TestDerived(t *testing.T) {
	t.Parallel()
	const plain = "{metadata: {name: a}}"
	tests := []struct {
		name            string
		group, resource string
		object          string
		want            bool
	}{
		{name: "an event", resource: "events", object: plain, want: true},
		{name: "an event of the newer group", group: "events.k8s.io", resource: "events", object: plain, want: true},
		{name: "the endpoints of a service", resource: "endpoints", object: plain, want: true},
		{name: "an endpoint slice", group: "discovery.k8s.io", resource: "endpointslices", object: plain, want: true},
		{name: "a lease", group: "coordination.k8s.io", resource: "leases", object: plain, want: true},
		{name: "a controller revision", group: "apps", resource: "controllerrevisions", object: plain, want: true},
		{name: "a token of a service account", resource: "secrets", object: "{type: kubernetes.io/service-account-token}", want: true},
		{name: "another secret", resource: "secrets", object: "{type: Opaque}"},
		{name: "a pod of a replica set", resource: "pods", object: "{metadata: {ownerReferences: [{kind: ReplicaSet, name: a, uid: u, apiVersion: apps/v1, controller: true}]}}", want: true},
		{name: "a restored pod that its replica set has not found yet", resource: "pods", object: "{metadata: {labels: {pod-template-hash: h}}}", want: true},
		{name: "a restored pod of a stateful set", resource: "pods", object: "{metadata: {labels: {controller-revision-hash: h}}}", want: true},
		{name: "a restored pod of a job", resource: "pods", object: "{metadata: {labels: {batch.kubernetes.io/controller-uid: u}}}", want: true},
		{name: "a pod of nobody", resource: "pods", object: plain},
		{name: "an object with an owner that does not control it", resource: "configmaps", object: "{metadata: {ownerReferences: [{kind: Order, name: a, uid: u, apiVersion: shop.example.com/v1}]}}"},
		{name: "a custom resource named like a built-in one", group: "calendar.example.com", resource: "events", object: plain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resource := schema.GroupResource{Group: tt.group, Resource: tt.resource}
			if got := digest.Derived(resource, object(t, tt.object)); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		before, after map[string]string
		want          []digest.Difference
	}{
		{name: "the same", before: map[string]string{"a": "1"}, after: map[string]string{"a": "1"}},
		{
			name:   "each way of differing, in order",
			before: map[string]string{"d": "1", "c": "1", "a": "1"},
			after:  map[string]string{"d": "2", "c": "1", "b": "1"},
			want: []digest.Difference{
				{Object: "a", Change: digest.Missing}, {Object: "b", Change: digest.Added}, {Object: "d", Change: digest.Altered},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, digest.Compare(tt.before, tt.after)); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDifferenceNamesTheObject(t *testing.T) {
	t.Parallel()
	got := digest.Difference{Object: "deployments.apps/web", Change: digest.Altered}.String()
	if want := "deployments.apps/web: altered"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
