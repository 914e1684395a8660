// SPDX-License-Identifier: Apache-2.0

package fields_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample/fields"
)

// objects reads objects by their keys from YAML.
func objects(t *testing.T, text string) map[string]*unstructured.Unstructured {
	t.Helper()
	contents := map[string]map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &contents); err != nil {
		t.Fatal(err)
	}
	all := map[string]*unstructured.Unstructured{}
	for key, content := range contents {
		all[key] = &unstructured.Unstructured{Object: content}
	}
	return all
}

func TestCompare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, before, after string
		want                []fields.Change
	}{
		{name: "the same", before: `a: {spec: {b: [1, 2], c: {}}}`, after: `a: {spec: {c: {}, b: [1, 2]}}`},
		{
			name:   "objects that came and went",
			before: `a: {kind: A}`,
			after:  `b: {kind: B}`,
			want: []fields.Change{
				{Object: "a", Before: "(there)", After: fields.None},
				{Object: "b", Before: fields.None, After: "(there)"},
			},
		},
		{
			name:   "text, other values, and fields that came and went, in order",
			before: `a: {spec: {d: p, c: 1, b: true}}`,
			after:  `a: {spec: {d: q, c: 2, a: null}}`,
			want: []fields.Change{
				{Object: "a", Field: "spec.a", Before: fields.None, After: "null"},
				{Object: "a", Field: "spec.b", Before: "true", After: fields.None},
				{Object: "a", Field: "spec.c", Before: "1", After: "2"},
				{Object: "a", Field: "spec.d", Before: "p", After: "q"},
			},
		},
		{
			name:   "a list of plain values is one field",
			before: `a: {spec: {modes: [p, q]}}`,
			after:  `a: {spec: {modes: [q]}}`,
			want:   []fields.Change{{Object: "a", Field: "spec.modes", Before: `["p","q"]`, After: `["q"]`}},
		},
		{
			name:   "a list of objects is compared in its order",
			before: `a: {spec: {containers: [{name: p, image: one}, {name: q}]}}`,
			after:  `a: {spec: {containers: [{name: p, image: two}, {name: z}]}}`,
			want: []fields.Change{
				{Object: "a", Field: "spec.containers[0].image", Before: "one", After: "two"},
				{Object: "a", Field: "spec.containers[1].name", Before: "q", After: "z"},
			},
		},
		{
			name:   "keys with dots are in brackets",
			before: `a: {metadata: {labels: {example.com/tier: front, team: p}}}`,
			after:  `a: {metadata: {labels: {team: q}}}`,
			want: []fields.Change{
				{Object: "a", Field: "metadata.labels.team", Before: "p", After: "q"},
				{Object: "a", Field: "metadata.labels[example.com/tier]", Before: "front", After: fields.None},
			},
		},
		{
			name:   "an empty object is not none",
			before: `a: {spec: {emptyDir: {}}}`,
			after:  `a: {spec: {}}`,
			want: []fields.Change{
				{Object: "a", Field: "spec", Before: fields.None, After: "{}"},
				{Object: "a", Field: "spec.emptyDir", Before: "{}", After: fields.None},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := fields.Compare(objects(t, tt.before), objects(t, tt.after))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChangeNamesObjectFieldAndValues(t *testing.T) {
	t.Parallel()
	got := fields.Change{Object: "deployments.apps/web", Field: "spec.replicas", Before: "1", After: "2"}.String()
	if want := "deployments.apps/web: spec.replicas: 1 -> 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
