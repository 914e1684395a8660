// SPDX-License-Identifier: Apache-2.0

package apiversion_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/apiversion"
)

func TestConversions(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		old, want string
		// shape is the type that the result must be one of, without unknown fields.
		shape any
	}{
		"an Ingress of extensions": {
			old: `
apiVersion: extensions/v1beta1
kind: Ingress
metadata:
  name: shop
  annotations: {kubernetes.io/ingress.class: nginx, nginx.ingress.kubernetes.io/ssl-redirect: "false"}
spec:
  backend: {serviceName: default, servicePort: 80}
  tls: [{hosts: [shop.example.com], secretName: tls}]
  rules:
  - host: shop.example.com
    http:
      paths:
      - backend: {serviceName: web, servicePort: http}
      - path: /quoted
        pathType: Prefix
        backend: {serviceName: web, servicePort: "8080"}
      - path: /resource
        pathType: Exact
        backend: {resource: {apiGroup: example.com, kind: Bucket, name: b}}
  - host: empty.example.com
`,
			want: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  annotations: {nginx.ingress.kubernetes.io/ssl-redirect: "false"}
spec:
  ingressClassName: nginx
  defaultBackend: {service: {name: default, port: {number: 80}}}
  tls: [{hosts: [shop.example.com], secretName: tls}]
  rules:
  - host: shop.example.com
    http:
      paths:
      - pathType: ImplementationSpecific
        backend: {service: {name: web, port: {name: http}}}
      - path: /quoted
        pathType: Prefix
        backend: {service: {name: web, port: {number: 8080}}}
      - path: /resource
        pathType: Exact
        backend: {resource: {apiGroup: example.com, kind: Bucket, name: b}}
  - host: empty.example.com
`,
			shape: &networkingv1.Ingress{},
		},
		"of an Ingress with annotation and field the annotation counts, as controllers had it": {
			old: `
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: shop, annotations: {kubernetes.io/ingress.class: alb}}
spec: {ingressClassName: nginx, backend: {serviceName: default, servicePort: 80}}
`,
			want: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec: {ingressClassName: alb, defaultBackend: {service: {name: default, port: {number: 80}}}}
`,
			shape: &networkingv1.Ingress{},
		},
		"an Ingress whose backend is a resource has the port 0, as the API server writes it, and no Service": {
			old: `
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: shop}
spec:
  backend: {servicePort: 0, resource: {apiGroup: example.com, kind: Bucket, name: a}}
  rules:
  - http:
      paths:
      - path: /resource
        pathType: Exact
        backend: {servicePort: 0, resource: {apiGroup: example.com, kind: Bucket, name: b}}
`,
			want: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  defaultBackend: {resource: {apiGroup: example.com, kind: Bucket, name: a}}
  rules:
  - http:
      paths:
      - path: /resource
        pathType: Exact
        backend: {resource: {apiGroup: example.com, kind: Bucket, name: b}}
`,
			shape: &networkingv1.Ingress{},
		},
		"a disruption budget without a selector has none": {
			old:   `{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {minAvailable: 1}}`,
			want:  `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {minAvailable: 1}}`,
			shape: &policyv1.PodDisruptionBudget{},
		},
		"a class that is no name stays an annotation": {
			old: `
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: shop, annotations: {kubernetes.io/ingress.class: ""}}
spec: {backend: {serviceName: default, servicePort: 80}}
`,
			want: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, annotations: {kubernetes.io/ingress.class: ""}}
spec: {defaultBackend: {service: {name: default, port: {number: 80}}}}
`,
			shape: &networkingv1.Ingress{},
		},
		"an Ingress without a spec": {
			old:   `{apiVersion: networking.k8s.io/v1beta1, kind: Ingress, metadata: {name: shop}}`,
			want:  `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: shop}}`,
			shape: &networkingv1.Ingress{},
		},
		"a network policy of extensions has the shape of its new group": {
			old:   `{apiVersion: extensions/v1beta1, kind: NetworkPolicy, metadata: {name: p}, spec: {podSelector: {}}}`,
			want:  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, spec: {podSelector: {}}}`,
			shape: &networkingv1.NetworkPolicy{},
		},
		"a Deployment has no order to roll back, and keeps its selector": {
			old: `
apiVersion: extensions/v1beta1
kind: Deployment
metadata: {name: web}
spec:
  rollbackTo: {revision: 2}
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web, tier: front}}, spec: {containers: []}}
`,
			want: `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web, tier: front}}, spec: {containers: []}}
`,
			shape: &appsv1.Deployment{},
		},
		"a DaemonSet without a selector selects its template's labels, and has no generation": {
			old: `
apiVersion: extensions/v1beta1
kind: DaemonSet
metadata: {name: agent}
spec: {templateGeneration: 3, template: {metadata: {labels: {app: agent}}, spec: {containers: []}}}
`,
			want: `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec: {selector: {matchLabels: {app: agent}}, template: {metadata: {labels: {app: agent}}, spec: {containers: []}}}
`,
			shape: &appsv1.DaemonSet{},
		},
		"a CronJob has the same shape": {
			old:   `{apiVersion: batch/v1beta1, kind: CronJob, metadata: {name: c}, spec: {schedule: "* * * * *", jobTemplate: {spec: {template: {spec: {containers: []}}}}}}`,
			want:  `{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}, spec: {schedule: "* * * * *", jobTemplate: {spec: {template: {spec: {containers: []}}}}}}`,
			shape: &batchv1.CronJob{},
		},
		"a disruption budget that selects nothing still does": {
			old: `{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {minAvailable: 1, selector: {}}}`,
			want: `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: b}
spec:
  minAvailable: 1
  selector: {matchExpressions: [{key: pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match, operator: Exists}]}
`,
			shape: &policyv1.PodDisruptionBudget{},
		},
		"a disruption budget that selects everything still does": {
			old: `
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: b}
spec:
  selector: {matchExpressions: [{key: pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match, operator: DoesNotExist}]}
`,
			want:  `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {selector: {}}}`,
			shape: &policyv1.PodDisruptionBudget{},
		},
		"a disruption budget for some Pods selects them": {
			old:   `{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {maxUnavailable: 50%, selector: {matchLabels: {app: web}}}}`,
			want:  `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {maxUnavailable: 50%, selector: {matchLabels: {app: web}}}}`,
			shape: &policyv1.PodDisruptionBudget{},
		},
		"an autoscaler with every metric, and its behavior in an annotation": {
			old: `
apiVersion: autoscaling/v2beta1
kind: HorizontalPodAutoscaler
metadata:
  name: web
  annotations:
    autoscaling.alpha.kubernetes.io/behavior: '{"ScaleUp":{"StabilizationWindowSeconds":30,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":60}]},"ScaleDown":null}'
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 10
  metrics:
  - {type: Resource, resource: {name: cpu, targetAverageUtilization: 70}}
  - {type: Resource, resource: {name: memory, targetAverageValue: 100Mi}}
  - {type: ContainerResource, containerResource: {name: cpu, container: app, targetAverageUtilization: 60}}
  - {type: Pods, pods: {metricName: qps, targetAverageValue: "100", selector: {matchLabels: {a: b}}}}
  - {type: Object, object: {target: {apiVersion: v1, kind: Service, name: web}, metricName: hits, targetValue: "5"}}
  - {type: Object, object: {target: {apiVersion: v1, kind: Service, name: web}, metricName: hits, targetValue: "9", averageValue: "2", selector: {matchLabels: {a: b}}}}
  - {type: External, external: {metricName: queue, metricSelector: {matchLabels: {q: x}}, targetValue: "30"}}
  - {type: External, external: {metricName: queue, targetAverageValue: "3"}}
`,
			want: `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 10
  behavior:
    scaleUp: {stabilizationWindowSeconds: 30, selectPolicy: Max, policies: [{type: Pods, value: 4, periodSeconds: 60}]}
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}
  - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 100Mi}}}
  - {type: ContainerResource, containerResource: {name: cpu, container: app, target: {type: Utilization, averageUtilization: 60}}}
  - {type: Pods, pods: {metric: {name: qps, selector: {matchLabels: {a: b}}}, target: {type: AverageValue, averageValue: "100"}}}
  - {type: Object, object: {describedObject: {apiVersion: v1, kind: Service, name: web}, metric: {name: hits}, target: {type: Value, value: "5"}}}
  - type: Object
    object:
      describedObject: {apiVersion: v1, kind: Service, name: web}
      metric: {name: hits, selector: {matchLabels: {a: b}}}
      target: {type: AverageValue, value: "9", averageValue: "2"}
  - {type: External, external: {metric: {name: queue, selector: {matchLabels: {q: x}}}, target: {type: Value, value: "30"}}}
  - {type: External, external: {metric: {name: queue}, target: {type: AverageValue, averageValue: "3"}}}
`,
			shape: &autoscalingv2.HorizontalPodAutoscaler{},
		},
		"an autoscaler of v2beta2 has the same shape": {
			old: `
apiVersion: autoscaling/v2beta2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {kind: Deployment, name: web}
  maxReplicas: 10
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
`,
			want: `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {kind: Deployment, name: web}
  maxReplicas: 10
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
`,
			shape: &autoscalingv2.HorizontalPodAutoscaler{},
		},
		"an empty behavior in the annotation is none": {
			old: `
apiVersion: autoscaling/v2beta1
kind: HorizontalPodAutoscaler
metadata: {name: web, annotations: {autoscaling.alpha.kubernetes.io/behavior: "{}", a: b}}
spec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 10}
`,
			want: `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, annotations: {a: b}}
spec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 10}
`,
			shape: &autoscalingv2.HorizontalPodAutoscaler{},
		},
		"a webhook that says what else it does": {
			old: `
apiVersion: admissionregistration.k8s.io/v1beta1
kind: ValidatingWebhookConfiguration
metadata: {name: w}
webhooks: [{name: w.example.com, sideEffects: None, clientConfig: {url: "https://w"}, admissionReviewVersions: [v1beta1]}]
`,
			want: `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: w}
webhooks: [{name: w.example.com, sideEffects: None, clientConfig: {url: "https://w"}, admissionReviewVersions: [v1beta1]}]
`,
			shape: &admissionv1.ValidatingWebhookConfiguration{},
		},
		"a role binding has the same shape": {
			old:   `{apiVersion: rbac.authorization.k8s.io/v1beta1, kind: RoleBinding, metadata: {name: b}, roleRef: {kind: Role, name: r, apiGroup: rbac.authorization.k8s.io}}`,
			want:  `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b}, roleRef: {kind: Role, name: r, apiGroup: rbac.authorization.k8s.io}}`,
			shape: &rbacv1.RoleBinding{},
		},
		"an EndpointSlice": {
			old: `
apiVersion: discovery.k8s.io/v1beta1
kind: EndpointSlice
metadata: {name: web-abc}
addressType: IPv4
endpoints:
- addresses: [10.0.0.1]
  nodeName: n1
  topology: {kubernetes.io/hostname: n1, topology.kubernetes.io/zone: cn-hangzhou-h}
- addresses: [10.0.0.2]
  topology: {kubernetes.io/hostname: n2, topology.kubernetes.io/zone: cn-hangzhou-h, topology.kubernetes.io/region: cn-hangzhou}
- addresses: [10.0.0.3]
ports: [{name: http, port: 80}]
`,
			want: `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-abc}
addressType: IPv4
endpoints:
- {addresses: [10.0.0.1], nodeName: n1, zone: cn-hangzhou-h}
- addresses: [10.0.0.2]
  zone: cn-hangzhou-h
  deprecatedTopology: {kubernetes.io/hostname: n2, topology.kubernetes.io/region: cn-hangzhou}
- addresses: [10.0.0.3]
ports: [{name: http, port: 80}]
`,
			shape: &discoveryv1.EndpointSlice{},
		},
		"an endpoint slice without endpoints, which the API server writes as null": {
			old:   `{apiVersion: discovery.k8s.io/v1beta1, kind: EndpointSlice, metadata: {name: e}, addressType: IPv4, endpoints: null, ports: null}`,
			want:  `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: e}, addressType: IPv4, endpoints: null, ports: null}`,
			shape: &discoveryv1.EndpointSlice{},
		},
		"an EndpointSlice of nothing": {
			old:   `{apiVersion: discovery.k8s.io/v1beta1, kind: EndpointSlice, metadata: {name: web-abc}, addressType: IPv4}`,
			want:  `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-abc}, addressType: IPv4}`,
			shape: &discoveryv1.EndpointSlice{},
		},
		"a priority level of v1beta2": {
			old: `
apiVersion: flowcontrol.apiserver.k8s.io/v1beta2
kind: PriorityLevelConfiguration
metadata: {name: batch}
spec: {type: Limited, limited: {assuredConcurrencyShares: 5, limitResponse: {type: Reject}}}
`,
			want: `
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {name: batch}
spec: {type: Limited, limited: {nominalConcurrencyShares: 5, limitResponse: {type: Reject}}}
`,
			shape: &flowcontrolv1.PriorityLevelConfiguration{},
		},
		"a priority level without limits": {
			old:   `{apiVersion: flowcontrol.apiserver.k8s.io/v1beta1, kind: PriorityLevelConfiguration, metadata: {name: e}, spec: {type: Exempt}}`,
			want:  `{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: PriorityLevelConfiguration, metadata: {name: e}, spec: {type: Exempt}}`,
			shape: &flowcontrolv1.PriorityLevelConfiguration{},
		},
		"a priority level of v1beta3 with no shares": {
			old: `
apiVersion: flowcontrol.apiserver.k8s.io/v1beta3
kind: PriorityLevelConfiguration
metadata: {name: batch, annotations: {flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares: ""}}
spec: {type: Limited, limited: {nominalConcurrencyShares: 0, limitResponse: {type: Reject}}}
`,
			want: `
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {name: batch}
spec: {type: Limited, limited: {nominalConcurrencyShares: 0, limitResponse: {type: Reject}}}
`,
			shape: &flowcontrolv1.PriorityLevelConfiguration{},
		},
		"a FlowSchema": {
			old:   `{apiVersion: flowcontrol.apiserver.k8s.io/v1beta2, kind: FlowSchema, metadata: {name: f}, spec: {matchingPrecedence: 100, priorityLevelConfiguration: {name: batch}}}`,
			want:  `{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: FlowSchema, metadata: {name: f}, spec: {matchingPrecedence: 100, priorityLevelConfiguration: {name: batch}}}`,
			shape: &flowcontrolv1.FlowSchema{},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := object(t, test.old)
			conversion, ok := apiversion.NewTable().Find(got.GroupVersionKind())
			if !ok {
				t.Fatalf("no conversion for %s", got.GroupVersionKind())
			}
			if err := conversion.Apply(got.Object); err != nil {
				t.Fatal(err)
			}
			want := object(t, test.want)
			if diff := cmp.Diff(want.Object, got.Object); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
			if conversion.To != want.GroupVersionKind().GroupVersion() {
				t.Errorf("converted to %s, want %s", conversion.To, want.GroupVersionKind().GroupVersion())
			}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(got.Object, test.shape, true); err != nil {
				t.Errorf("this is no %T: %v", test.shape, err)
			}
		})
	}
}

// object reads YAML as a plugin gets it from Velero.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	read := &unstructured.Unstructured{}
	if err := read.UnmarshalJSON(content); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestWhatCannotBeConverted(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ object, want string }{
		"a workload that selects nothing": {
			object: `{apiVersion: apps/v1beta2, kind: ReplicaSet, metadata: {name: r}, spec: {template: {spec: {}}}}`,
			want:   "neither a selector nor labels of the Pods",
		},
		"a webhook that does not say what else it does": {
			object: `{apiVersion: admissionregistration.k8s.io/v1beta1, kind: MutatingWebhookConfiguration, metadata: {name: w}, webhooks: [{name: w.example.com, sideEffects: Unknown}]}`,
			want:   "sideEffects of the webhook w.example.com is Unknown: allowed are None and NoneOnDryRun",
		},
		"a behavior that is no JSON": {
			object: `{apiVersion: autoscaling/v2beta1, kind: HorizontalPodAutoscaler, metadata: {name: h, annotations: {autoscaling.alpha.kubernetes.io/behavior: "x"}}, spec: {}}`,
			want:   "reading the annotation autoscaling.alpha.kubernetes.io/behavior: invalid character 'x' looking for beginning of value",
		},
		"metrics that are no list": {
			object: `{apiVersion: autoscaling/v2beta1, kind: HorizontalPodAutoscaler, metadata: {name: h}, spec: {metrics: many}}`,
			want:   "reading the metrics: .spec.metrics accessor error: many is of the type string, expected []interface{}",
		},
		"webhooks that are no list": {
			object: `{apiVersion: admissionregistration.k8s.io/v1beta1, kind: MutatingWebhookConfiguration, metadata: {name: w}, webhooks: many}`,
			want:   "reading the webhooks: .webhooks accessor error: many is of the type string, expected []interface{}",
		},
		"an Ingress whose spec is text": {
			object: `{apiVersion: networking.k8s.io/v1beta1, kind: Ingress, metadata: {name: i}, spec: none}`,
			want:   "reading the spec: .spec accessor error: none is of the type string, expected map[string]interface{}",
		},
		"an Ingress whose class is a number": {
			object: `{apiVersion: networking.k8s.io/v1beta1, kind: Ingress, metadata: {name: i, annotations: {kubernetes.io/ingress.class: 1}}, spec: {}}`,
			want:   "reading the annotations: .metadata.annotations.kubernetes.io/ingress.class accessor error: 1 is of the type int64, expected string",
		},
		"endpoints that are no list": {
			object: `{apiVersion: discovery.k8s.io/v1beta1, kind: EndpointSlice, metadata: {name: e}, endpoints: many}`,
			want:   "reading the endpoints: .endpoints accessor error: many is of the type string, expected []interface{}",
		},
		"a priority level whose limits are text": {
			object: `{apiVersion: flowcontrol.apiserver.k8s.io/v1beta2, kind: PriorityLevelConfiguration, metadata: {name: p}, spec: {limited: few}}`,
			want:   "reading the limits: .spec.limited accessor error: few is of the type string, expected map[string]interface{}",
		},
		"a disruption budget whose selector is text": {
			object: `{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {selector: all}}`,
			want:   "reading the selector: .spec.selector accessor error: all is of the type string, expected map[string]interface{}",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old := object(t, test.object)
			conversion, _ := apiversion.NewTable().Find(old.GroupVersionKind())
			err := conversion.Apply(old.Object)
			if err == nil || strings.TrimSpace(err.Error()) != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

// TestTable holds the table to the types of client-go: each version that it names
// has existed, and what takes its place is the newest.
func TestTable(t *testing.T) {
	t.Parallel()
	table := apiversion.NewTable()
	// Types of another module.
	unknown := map[string]bool{"apiservices.apiregistration.k8s.io": true}
	seen := 0
	for _, resource := range table.Resources() {
		group := schema.ParseGroupResource(resource).Group
		if unknown[resource] {
			continue
		}
		for _, version := range scheme.Scheme.VersionsForGroupKind(schema.GroupKind{Group: group, Kind: kindOf(t, resource)}) {
			conversion, ok := table.Find(version.WithKind(kindOf(t, resource)))
			if !ok {
				continue
			}
			seen++
			if !scheme.Scheme.Recognizes(conversion.To.WithKind(kindOf(t, resource))) {
				t.Errorf("%s of %s does not exist", conversion.To, resource)
			}
			if _, again := table.Find(conversion.To.WithKind(kindOf(t, resource))); again {
				t.Errorf("%s of %s is converted again", conversion.To, resource)
			}
		}
	}
	if seen < 32 {
		t.Errorf("%d versions, want them all", seen)
	}
	if diff := cmp.Diff(table.Resources(), apiversion.NewTable().Resources()); diff != "" {
		t.Errorf("resources in another order (-first +second):\n%s", diff)
	}
	if _, ok := table.Find(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}); ok {
		t.Error("Pods are converted")
	}
}

// kindOf returns the kind of a resource that client-go knows.
func kindOf(t *testing.T, resource string) string {
	t.Helper()
	name := schema.ParseGroupResource(resource).Resource
	for kind := range scheme.Scheme.AllKnownTypes() {
		plural := strings.ToLower(kind.Kind) + "s"
		switch {
		case strings.HasSuffix(kind.Kind, "s"):
			plural = strings.ToLower(kind.Kind) + "es"
		case strings.HasSuffix(kind.Kind, "y"):
			plural = strings.ToLower(strings.TrimSuffix(kind.Kind, "y")) + "ies"
		}
		if plural == name {
			return kind.Kind
		}
	}
	t.Fatalf("no kind for %s", resource)
	return ""
}

// FuzzApply holds that any content is converted or refused, never more.
func FuzzApply(f *testing.F) {
	f.Add(`{"spec":{"backend":{"serviceName":"a","servicePort":"80"},"rules":[{"http":{"paths":[{}]}}]}}`)
	f.Add(`{"spec":{"metrics":[{"resource":{"name":"cpu"}}]},"webhooks":[1]}`)
	f.Add(`{"spec":{"scaleTargetRef":{},"metrics":[{"object":{"describedObject":1}}]}}`)
	f.Add(`{"spec":null,"metadata":{"annotations":null}}`)
	f.Add(`{"endpoints":[{"topology":{"topology.kubernetes.io/zone":1}},{"topology":[]}],"spec":{"limited":{"assuredConcurrencyShares":1}}}`)
	table := apiversion.NewTable()
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []schema.GroupVersionKind{
			{Group: "extensions", Version: "v1beta1", Kind: "Ingress"},
			{Group: "extensions", Version: "v1beta1", Kind: "Deployment"},
			{Group: "extensions", Version: "v1beta1", Kind: "DaemonSet"},
			{Group: "autoscaling", Version: "v2beta1", Kind: "HorizontalPodAutoscaler"},
			{Group: "policy", Version: "v1beta1", Kind: "PodDisruptionBudget"},
			{Group: "discovery.k8s.io", Version: "v1beta1", Kind: "EndpointSlice"},
			{Group: "flowcontrol.apiserver.k8s.io", Version: "v1beta2", Kind: "PriorityLevelConfiguration"},
			{Group: "admissionregistration.k8s.io", Version: "v1beta1", Kind: "MutatingWebhookConfiguration"},
		} {
			var content map[string]any
			if json.Unmarshal([]byte(text), &content) != nil || content == nil {
				return
			}
			conversion, ok := table.Find(kind)
			if !ok {
				t.Fatalf("no conversion for %s", kind)
			}
			content["apiVersion"], content["kind"] = kind.GroupVersion().String(), kind.Kind
			for _, reference := range apiversion.References(content) {
				reference["apiVersion"] = "apps/v1"
			}
			if err := conversion.Apply(content); err == nil && content["apiVersion"] != conversion.To.String() {
				t.Errorf("%s has the version %v", kind, content["apiVersion"])
			}
		}
	})
}
