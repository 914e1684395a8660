// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

// served is the discovery of a cluster: the kinds of each version.
type served struct {
	kinds map[string][]string
	err   error
	asked []string
}

func (s *served) ServedKinds(_ context.Context, version schema.GroupVersion) ([]string, error) {
	s.asked = append(s.asked, version.String())
	return s.kinds[version.String()], s.err
}

// kubernetes122 no longer serves the betas of Ingress.
func kubernetes122() *served {
	return &served{kinds: map[string][]string{
		"networking.k8s.io/v1":      {"Ingress", "IngressClass", "NetworkPolicy"},
		"batch/v1":                  {"Job", "CronJob"},
		"batch/v1beta1":             {"CronJob"},
		"networking.k8s.io/v1beta1": {"IPAddress"},
		"apps/v1":                   {"Deployment"},
		"autoscaling/v1":            {"HorizontalPodAutoscaler"},
		"autoscaling/v2":            {"HorizontalPodAutoscaler"},
	}}
}

// oldVersions restores objects with the action.
type oldVersions struct {
	action *restoreitemaction.APIVersion
	logged *logrustest.Hook
}

func newOldVersions(discovery restoreitemaction.Discovery) *oldVersions {
	log, hook := logrustest.NewNullLogger()
	return &oldVersions{action: restoreitemaction.NewAPIVersion(log, discovery), logged: hook}
}

func (o *oldVersions) execute(t *testing.T, restore string, item *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	output, err := o.action.Execute(&velero.RestoreItemActionExecuteInput{
		Item: item, ItemFromBackup: item.DeepCopy(), Restore: newRestore(restore),
	})
	if err != nil {
		t.Fatal(err)
	}
	return asUnstructured(t, output.UpdatedItem)
}

// versionLine is what is logged about an object.
func versionLine(level logrus.Level, message, object, old, now string) line {
	fields := logrus.Fields{"old": old, "new": now}
	for i, part := range strings.Fields(object) {
		fields[[]string{"resource", "namespace", "name"}[i]] = strings.Trim(part, "-")
	}
	return line{level, message, fields}
}

// convertedReference is what is logged of the autoscaler shop/web.
func convertedReference(kind, old, now string) line {
	logged := versionLine(
		logrus.InfoLevel, "Converted a reference to an API version that this cluster serves",
		"horizontalpodautoscalers.autoscaling shop web", old, now,
	)
	logged.Fields["kind"] = kind
	return logged
}

const (
	convertedVersion = "Converted an object to an API version that this cluster serves"
	leftVersion      = "Leaving an object in its API version, which this cluster does not serve"
	unknownVersions  = "Cannot find out which API versions this cluster serves: objects of old ones are restored as they are"
)

const oldIngress = `
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {namespace: shop, name: web, annotations: {kubernetes.io/ingress.class: nginx}}
spec: {rules: [{http: {paths: [{path: /, backend: {serviceName: web, servicePort: 80}}]}}]}
`

func TestAPIVersion(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		object string
		// want is empty for the very object that came.
		want   string
		logged []line
	}{
		"an object of a version that is gone comes in the one that took its place": {
			object: oldIngress,
			want: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {namespace: shop, name: web}
spec:
  ingressClassName: nginx
  rules: [{http: {paths: [{path: /, pathType: ImplementationSpecific, backend: {service: {name: web, port: {number: 80}}}}]}}]
`,
			logged: []line{versionLine(logrus.InfoLevel, convertedVersion, "ingresses.extensions shop web", "extensions/v1beta1", "networking.k8s.io/v1")},
		},
		"a version that has lost the kind is gone for it, though it is served": {
			object: `{apiVersion: networking.k8s.io/v1beta1, kind: IngressClass, metadata: {name: alb}, spec: {controller: c}}`,
			want:   `{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: alb}, spec: {controller: c}}`,
			logged: []line{versionLine(logrus.InfoLevel, convertedVersion, "ingressclasses.networking.k8s.io - alb", "networking.k8s.io/v1beta1", "networking.k8s.io/v1")},
		},
		"an object whose version is served stays": {
			object: `{apiVersion: batch/v1beta1, kind: CronJob, metadata: {namespace: shop, name: report}}`,
		},
		"an object whose kind is not served at all stays": {
			object: `{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {namespace: shop, name: web}}`,
		},
		"a version that is still the newest is not asked for": {
			object: `{apiVersion: apps/v1, kind: Deployment, metadata: {namespace: shop, name: web}}`,
		},
		"a custom resource stays": {
			object: `{apiVersion: example.com/v1beta1, kind: Ingress, metadata: {namespace: shop, name: web}}`,
		},
		"an autoscaler of a version that is served scales what is converted": {
			object: `{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {namespace: shop, name: web}, spec: {scaleTargetRef: {apiVersion: extensions/v1beta1, kind: Deployment, name: web}}}`,
			want:   `{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {namespace: shop, name: web}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}`,
			logged: []line{convertedReference("Deployment", "extensions/v1beta1", "apps/v1")},
		},
		"an autoscaler that is converted looks at what is converted": {
			object: `
apiVersion: autoscaling/v2beta1
kind: HorizontalPodAutoscaler
metadata: {namespace: shop, name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics: [{type: Object, object: {target: {apiVersion: extensions/v1beta1, kind: Ingress, name: web}, metricName: requests, targetValue: "10"}}]
`,
			want: `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {namespace: shop, name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics:
  - type: Object
    object:
      describedObject: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: web}
      metric: {name: requests}
      target: {type: Value, value: "10"}
`,
			logged: []line{
				versionLine(logrus.InfoLevel, convertedVersion, "horizontalpodautoscalers.autoscaling shop web", "autoscaling/v2beta1", "autoscaling/v2"),
				convertedReference("Ingress", "extensions/v1beta1", "networking.k8s.io/v1"),
			},
		},
		"an autoscaler of what is served stays": {
			object: `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {namespace: shop, name: web}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}`,
		},
		"an autoscaler of a custom resource stays": {
			object: `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {namespace: shop, name: web}, spec: {scaleTargetRef: {apiVersion: example.com/v1beta1, kind: Deployment, name: web}}}`,
		},
		"a custom resource that is called as an autoscaler stays": {
			object: `{apiVersion: example.com/v1, kind: HorizontalPodAutoscaler, metadata: {namespace: shop, name: web}, spec: {scaleTargetRef: {apiVersion: extensions/v1beta1, kind: Deployment, name: web}}}`,
		},
		"an object that the new version has no place for stays, with a warning": {
			object: `{apiVersion: extensions/v1beta1, kind: Deployment, metadata: {namespace: shop, name: web}, spec: {template: {}}}`,
			logged: []line{versionLine(logrus.WarnLevel, leftVersion, "deployments.extensions shop web", "extensions/v1beta1", "apps/v1")},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			versions := newOldVersions(kubernetes122())
			item := readObject(t, test.object)
			got := versions.execute(t, "restore-1", item)
			if test.want == "" && got != item {
				t.Errorf("it becomes:\n%s", asYAML(t, got))
			}
			if test.want != "" {
				if diff := cmp.Diff(readObject(t, test.want).Object, got.Object); diff != "" {
					t.Errorf("object (-want +got):\n%s", diff)
				}
			}
			if diff := cmp.Diff(readObject(t, test.object).Object, item.Object); diff != "" {
				t.Errorf("the input was changed (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(test.logged, linesOf(versions.logged), cmpopts.EquateEmpty(), withoutError()); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
			if again := versions.execute(t, "restore-1", got); again != got {
				t.Errorf("a second time it becomes:\n%s", asYAML(t, again))
			}
		})
	}
}

func TestDiscoveryIsAskedOnceInARestore(t *testing.T) {
	t.Parallel()
	discovery := kubernetes122()
	versions := newOldVersions(discovery)
	for _, restore := range []string{"restore-1", "restore-1", "restore-2"} {
		versions.execute(t, restore, readObject(t, oldIngress))
		versions.execute(t, restore, readObject(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}`))
	}
	want := []string{"extensions/v1beta1", "networking.k8s.io/v1", "extensions/v1beta1", "networking.k8s.io/v1"}
	if diff := cmp.Diff(want, discovery.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestWithoutDiscoveryObjectsStayWithOneWarning(t *testing.T) {
	t.Parallel()
	discovery := kubernetes122()
	discovery.err = errors.New("forbidden")
	versions := newOldVersions(discovery)
	for range 2 {
		item := readObject(t, oldIngress)
		if got := versions.execute(t, "restore-1", item); got != item {
			t.Errorf("it becomes:\n%s", asYAML(t, got))
		}
	}
	want := []line{versionLine(logrus.WarnLevel, unknownVersions, "ingresses.extensions shop web", "extensions/v1beta1", "networking.k8s.io/v1")}
	if diff := cmp.Diff(want, linesOf(versions.logged), withoutError()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	discovery.err = nil
	if got := versions.execute(t, "restore-1", readObject(t, oldIngress)); got.GetAPIVersion() != "networking.k8s.io/v1" {
		t.Errorf("after the API server is back it becomes:\n%s", asYAML(t, got))
	}
}

func TestAPIVersionAppliesToResourcesOfNamedGroups(t *testing.T) {
	t.Parallel()
	got, err := newOldVersions(kubernetes122()).action.AppliesTo()
	if err != nil {
		t.Fatal(err)
	}
	want := velero.ResourceSelector{IncludedResources: []string{
		"apiservices.apiregistration.k8s.io",
		"clusterrolebindings.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io",
		"cronjobs.batch", "csidrivers.storage.k8s.io",
		"daemonsets.apps", "daemonsets.extensions", "deployments.apps", "deployments.extensions",
		"endpointslices.discovery.k8s.io", "flowschemas.flowcontrol.apiserver.k8s.io",
		"horizontalpodautoscalers.autoscaling", "ingressclasses.networking.k8s.io",
		"ingresses.extensions", "ingresses.networking.k8s.io",
		"mutatingwebhookconfigurations.admissionregistration.k8s.io", "networkpolicies.extensions",
		"poddisruptionbudgets.policy", "priorityclasses.scheduling.k8s.io",
		"prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
		"replicasets.apps", "replicasets.extensions",
		"rolebindings.rbac.authorization.k8s.io", "roles.rbac.authorization.k8s.io",
		"runtimeclasses.node.k8s.io", "statefulsets.apps", "storageclasses.storage.k8s.io",
		"validatingwebhookconfigurations.admissionregistration.k8s.io",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("selector (-want +got):\n%s", diff)
	}
}
