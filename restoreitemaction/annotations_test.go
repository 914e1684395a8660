// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

var _ riav1.RestoreItemAction = (*restoreitemaction.Annotations)(nil)

// annotated returns an object shop/web with the label app: web, as YAML.
func annotated(apiVersion, kind, annotations string) string {
	if annotations != "" {
		annotations = ", annotations: " + annotations
	}
	return `{apiVersion: ` + apiVersion + `, kind: ` + kind + `, metadata: {name: web, namespace: shop, labels: {app: web}` +
		annotations + `}, spec: {}}`
}

func TestAnnotationRules(t *testing.T) {
	t.Parallel()
	const before = `{a: "1", example.com/b: "2"}`
	tests := []struct{ name, rules, want string }{
		{name: "without rules they stay", want: before},
		{name: "some are set, whether or not they are there", rules: `[{set: {a: x, example.com/c: "1.10"}}]`, want: `{a: x, example.com/b: "2", example.com/c: "1.10"}`},
		{name: "some are overwritten where they are there", rules: `[{overwrite: {a: x, c: x}}]`, want: `{a: x, example.com/b: "2"}`},
		{name: "some are removed", rules: `[{remove: [a, c]}]`, want: `{example.com/b: "2"}`},
		{name: "all may be removed", rules: `[{remove: [a, example.com/b]}]`},
		{name: "of two rules the later one decides", rules: `[{remove: [a]}, {set: {a: x, c: x}}, {remove: [c]}]`, want: `{a: x, example.com/b: "2"}`},
		{name: "what an earlier rule has set is there for the next one", rules: `[{set: {c: x}, remove: [a]}, {overwrite: {a: z, c: z}}]`, want: `{c: z, example.com/b: "2"}`},
		{
			name:  "a rule with conditions holds where all of them do",
			rules: `[{kinds: [Service, Ingress], namespaces: [bank, shop], names: [web], selector: {matchLabels: {app: web}}, set: {a: x}}]`,
			want:  `{a: x, example.com/b: "2"}`,
		},
		{name: "a rule for another namespace does not hold", rules: `[{namespaces: [bank], set: {a: x}}]`, want: before},
		{name: "a rule for another name does not hold", rules: `[{names: [api], set: {a: x}}]`, want: before},
		{name: "a rule for other labels does not hold", rules: `[{selector: {matchLabels: {app: api}}, set: {a: x}}]`, want: before},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for apiVersion, kind := range map[string]string{
				"v1": "Service", "networking.k8s.io/v1": "Ingress", "extensions/v1beta1": "Ingress",
			} {
				n := newNetwork(t, nowhere(), networkSettings(nil, tt.rules))
				// The rules are about the namespace that was backed up.
				n.restore.Spec.NamespaceMapping = map[string]string{"shop": "bank"}
				backup := readObject(t, annotated(apiVersion, kind, before))
				wantObject(t, annotated(apiVersion, kind, tt.want), n.run(t, backup, n.annotations, n.annotations))
			}
		})
	}
}

func TestAnnotationRulesOfAKind(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, nowhere(), networkSettings(nil, `[{kinds: [Ingress], set: {a: x}}]`))
	got := make(map[string]map[string]string)
	for apiVersion, kind := range map[string]string{"v1": "Service", "networking.k8s.io/v1beta1": "Ingress"} {
		got[kind] = n.run(t, readObject(t, annotated(apiVersion, kind, `{a: "1"}`)), n.annotations).GetAnnotations()
	}
	want := map[string]map[string]string{"Service": {"a": "1"}, "Ingress": {"a": "x"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

// TestAnnotationRulesOfAnIngressClass holds that it does not matter whether
// api-version moves the class to its field before or after the rules.
func TestAnnotationRulesOfAnIngressClass(t *testing.T) {
	t.Parallel()
	const old = "{apiVersion: extensions/v1beta1, kind: Ingress, metadata: {name: web, namespace: shop%s}%s}"
	const converted = "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: shop%s}%s}"
	const nginx, alb = ", annotations: {kubernetes.io/ingress.class: nginx}", ", spec: {ingressClassName: alb}"
	tests := []struct{ name, metadata, spec, rules, wantMetadata, wantSpec string }{
		{
			name: "a class that is set is in the field", metadata: nginx, spec: ", spec: {ingressClassName: nginx}",
			rules: "[{set: {kubernetes.io/ingress.class: alb}}]", wantSpec: alb,
		},
		{
			name:  "it is where there was no class and no spec",
			rules: "[{set: {kubernetes.io/ingress.class: alb}}]", wantSpec: alb,
		},
		{
			name: "a class that is removed is in neither", metadata: nginx, spec: ", spec: {}",
			rules: "[{remove: [kubernetes.io/ingress.class]}]", wantSpec: ", spec: {}",
		},
		{
			name: "the field comes back where the annotation is removed", metadata: nginx, spec: alb,
			rules: "[{remove: [kubernetes.io/ingress.class]}]", wantSpec: alb,
		},
		{
			name: "what is no name of a class stays in the annotation", metadata: nginx, spec: alb,
			rules:        "[{overwrite: {kubernetes.io/ingress.class: a b}}]",
			wantMetadata: ", annotations: {kubernetes.io/ingress.class: a b}", wantSpec: alb,
		},
		{
			name: "a class that no rule is about is moved", metadata: nginx,
			rules: "[{set: {a: x}}]", wantMetadata: ", annotations: {a: x}", wantSpec: ", spec: {ingressClassName: nginx}",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, nowhere(), networkSettings(nil, tt.rules))
			versions := newOldVersions(kubernetes122()).action
			for _, order := range [][]riav1.RestoreItemAction{
				{n.annotations, versions},
				{versions, n.annotations},
				{versions, n.annotations, versions, n.annotations},
			} {
				got := n.run(t, readObject(t, fmt.Sprintf(old, tt.metadata, tt.spec)), order...)
				wantObject(t, fmt.Sprintf(converted, tt.wantMetadata, tt.wantSpec), got)
			}
		})
	}
}

func TestAnnotationsLeaveAloneWhatNoRuleChanges(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, rules, annotations string }{
		{name: "without settings", annotations: `{a: "1"}`},
		{name: "where the values are those asked for", rules: `[{set: {a: "1"}, remove: [b]}]`, annotations: `{a: "1"}`},
		{name: "where there are no annotations", rules: `[{overwrite: {a: "1"}, remove: [b]}]`},
		{name: "where the map of annotations is empty", rules: `[{remove: [b]}]`, annotations: `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, nowhere(), networkSettings(nil, tt.rules))
			item := readObject(t, annotated("v1", "Service", tt.annotations))
			want := item.DeepCopy()
			output, err := n.annotations.Execute(n.input(item, item))
			if err != nil {
				t.Fatal(err)
			}
			if output.UpdatedItem != item {
				t.Error("the item is not the one that came")
			}
			if diff := cmp.Diff(want.Object, item.Object); diff != "" {
				t.Errorf("the item differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnnotationsDoNotChangeTheirInput(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, nowhere(), networkSettings(nil, `[{set: {a: x}}]`))
	item := readObject(t, annotated("v1", "Service", `{a: "1"}`))
	want := item.DeepCopy()
	if _, err := n.annotations.Execute(n.input(item, item)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Object, item.Object); diff != "" {
		t.Errorf("the input differs (-want +got):\n%s", diff)
	}
}

func TestAnnotationsSayWhatTheyChange(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, nowhere(), networkSettings(nil, `[{set: {a: x, b: y, c: z}, remove: [d, e]}]`))
	item := readObject(t, annotated("networking.k8s.io/v1", "Ingress", `{a: "1", c: z, d: "4"}`))
	if _, err := n.annotations.Execute(n.input(item, item)); err != nil {
		t.Fatal(err)
	}
	fields := func(key string, more logrus.Fields) logrus.Fields {
		all := logrus.Fields{"resource": "ingresses.networking.k8s.io", "namespace": "shop", "name": "web", "annotation": key}
		for name, value := range more {
			all[name] = value
		}
		return all
	}
	want := []line{
		{logrus.InfoLevel, "Set an annotation", fields("a", logrus.Fields{"old": "1", "new": "x"})},
		{logrus.InfoLevel, "Set an annotation", fields("b", logrus.Fields{"old": "", "new": "y"})},
		{logrus.InfoLevel, "Removed an annotation", fields("d", logrus.Fields{"old": "4"})},
	}
	if diff := cmp.Diff(want, linesOf(n.logged)); diff != "" {
		t.Errorf("the log differs (-want +got):\n%s", diff)
	}
}

func TestAnnotationsRefuseWrongSettings(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, rules, want string }{
		{
			name: "a rule that asks nothing", rules: "\n- names: [web]",
			want: `key "rules", line 2: nothing is asked: allowed are set, overwrite and remove`,
		},
		{
			name: "an annotation that is both set and removed", rules: "[{set: {a: x}, remove: [a]}]",
			want: `key "rules", line 1: the annotation "a" is there twice: a rule does one thing with it`,
		},
		{
			name: "what is no key", rules: "- set:\n    a b: x",
			want: `key "rules", line 2: annotation "a b": name part must consist of alphanumeric characters, '-', '_' or '.', ` +
				`and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', ` +
				`regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
		},
		{
			name: "what is no key among those that are removed", rules: `[{remove: [""]}]`,
			want: `key "rules", line 1: annotation "": name part must be non-empty; name part must consist of alphanumeric characters, '-', '_' or '.', ` +
				`and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', ` +
				`regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
		},
		{
			name: "another kind", rules: "[{kinds: [Pod], remove: [a]}]",
			want: `key "rules", line 1: "Pod": allowed are Service, Ingress`,
		},
		{
			name: "no kind", rules: "[{kinds: [], remove: [a]}]",
			want: `key "rules", line 1: an empty list of kinds holds for no object: leave it out for all`,
		},
		{
			name: "a value that is no text", rules: "- set:\n    a: [x]",
			want: `key "rules", line 2: a list found: allowed is text`,
		},
		{
			name: "an unknown key", rules: "- add: {a: x}",
			want: `key "rules", line 1: key "add": unknown: allowed are kinds, names, namespaces, overwrite, remove, selector, set`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, nowhere(), networkSettings(nil, tt.rules))
			item := readObject(t, annotated("v1", "Service", ""))
			_, err := n.annotations.Execute(n.input(item, item))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff("ConfigMap velero/annotations, "+tt.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnnotationsApplyTo(t *testing.T) {
	t.Parallel()
	got, err := newNetwork(t, nowhere(), nil).annotations.AppliesTo()
	if err != nil {
		t.Fatal(err)
	}
	want := velero.ResourceSelector{IncludedResources: []string{"services", "ingresses.networking.k8s.io", "ingresses.extensions"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("AppliesTo() differs (-want +got):\n%s", diff)
	}
}

// FuzzNetwork holds that the actions for Services give the same object in any order
// and twice, whatever the settings and annotations are.
func FuzzNetwork(f *testing.F) {
	const prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
	f.Add("[{set: {"+prefix+"id: lb-2}}]", "new", prefix+"id", "lb-1")
	f.Add("[{overwrite: {"+prefix+"force-override-listeners: x}}, {remove: [a]}]", "keep", prefix+"force-override-listeners", "true")
	f.Add("[{remove: [velero.io/restore-status]}]", "keep", "velero.io/restore-status", "true")
	f.Fuzz(func(t *testing.T, rules, reuse, key, value string) {
		n := newNetwork(t, nowhere(), map[string]map[string]string{
			"annotations": {"rules": rules}, "load-balancer": {"reuse": reuse},
		})
		service := readObject(t, managed)
		annotations := service.GetAnnotations()
		annotations[key] = value
		service.SetAnnotations(annotations)
		if _, err := n.annotations.Execute(n.input(service, service)); err != nil {
			if !strings.HasPrefix(err.Error(), "ConfigMap velero/annotations, key ") {
				t.Errorf("error %q does not say where", err)
			}
			return
		}
		if _, err := n.loadBalancer.Execute(n.input(service, service)); err != nil {
			if !strings.HasPrefix(err.Error(), "ConfigMap velero/load-balancer, key ") {
				t.Errorf("error %q does not say where", err)
			}
			return
		}
		n.restored(t, service)
	})
}
