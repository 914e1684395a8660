// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// levels returns the levels of what was logged.
func (o *oldVersions) levels() []logrus.Level {
	var levels []logrus.Level
	for _, entry := range o.logged.AllEntries() {
		levels = append(levels, entry.Level)
	}
	return levels
}

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
		levels []logrus.Level
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
			levels: []logrus.Level{logrus.InfoLevel},
		},
		"a version that has lost the kind is gone for it, though it is served": {
			object: `{apiVersion: networking.k8s.io/v1beta1, kind: IngressClass, metadata: {name: alb}, spec: {controller: c}}`,
			want:   `{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: alb}, spec: {controller: c}}`,
			levels: []logrus.Level{logrus.InfoLevel},
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
		"an object that the new version has no place for stays, with a warning": {
			object: `{apiVersion: extensions/v1beta1, kind: Deployment, metadata: {namespace: shop, name: web}, spec: {template: {}}}`,
			levels: []logrus.Level{logrus.WarnLevel},
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
			if diff := cmp.Diff(test.levels, versions.levels()); diff != "" {
				t.Errorf("levels of what is logged (-want +got):\n%s", diff)
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
	if diff := cmp.Diff([]logrus.Level{logrus.WarnLevel}, versions.levels()); diff != "" {
		t.Errorf("levels of what is logged (-want +got):\n%s", diff)
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
	for _, resource := range []string{
		"ingresses.extensions", "ingresses.networking.k8s.io", "cronjobs.batch", "poddisruptionbudgets.policy",
		"horizontalpodautoscalers.autoscaling", "deployments.extensions", "deployments.apps",
	} {
		if !slices.Contains(got.IncludedResources, resource) {
			t.Errorf("it does not apply to %s", resource)
		}
	}
	got.IncludedResources = nil
	if diff := cmp.Diff(velero.ResourceSelector{}, got); diff != "" {
		t.Errorf("selector beside the resources (-want +got):\n%s", diff)
	}
}
