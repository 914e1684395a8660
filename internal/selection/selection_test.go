// SPDX-License-Identifier: Apache-2.0

package selection_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/selection"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// conditions are what a rule of an action says about its objects.
type conditions struct {
	Namespaces selection.Namespaces `json:"namespaces,omitempty"`
	Names      selection.Names      `json:"names,omitempty"`
	Selector   *selection.Selector  `json:"selector,omitempty"`
}

func decode(data map[string]string) (conditions, error) {
	return settings.Decode[conditions](&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "rules"},
		Data:       data,
	})
}

func TestWhichObjectsAreMeant(t *testing.T) {
	t.Parallel()
	type answers struct{ Namespace, Name, Labels bool }
	tests := []struct {
		name string
		data map[string]string
		want answers
	}{
		{name: "what is left out holds for all", want: answers{true, true, true}},
		{
			name: "an object in the lists with the labels is meant",
			data: map[string]string{
				"namespaces": "[bank, shop]", "names": "[web, web.example]",
				"selector": "{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: Exists}]}",
			},
			want: answers{true, true, true},
		},
		{
			name: "an object of another namespace and name without the labels is not",
			data: map[string]string{"namespaces": "[bank]", "names": "[api]", "selector": "{matchLabels: {app: api}}"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := decode(tt.data)
			if err != nil {
				t.Fatal(err)
			}
			is := answers{
				Namespace: got.Namespaces.Include("shop"),
				Name:      got.Names.Include("web"),
				Labels:    got.Selector.Matches(map[string]string{"app": "web", "tier": "front"}),
			}
			if diff := cmp.Diff(tt.want, is); diff != "" {
				t.Errorf("what is meant differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConditionsRefuse(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, key, value, want string }{
		{
			name: "an empty list of namespaces", key: "namespaces", value: "[]",
			want: "an empty list holds for no object: leave it out for all",
		},
		{
			name: "an empty list of names", key: "names", value: "[]",
			want: "an empty list holds for no object: leave it out for all",
		},
		{
			name: "what no namespace is called", key: "namespaces", value: "[shop.bank]",
			want: `namespace "shop.bank": must not contain dots`,
		},
		{
			name: "what no object is called", key: "names", value: "[web, Web]",
			want: `name "Web": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', ` +
				"and must start and end with an alphanumeric character (e.g. 'example.com', " +
				`regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
		},
		{
			name: "a selector without a condition", key: "selector", value: "{matchLabels: {}}",
			want: "the selector is empty: leave it out for all objects",
		},
		{
			name: "an operator that there is not", key: "selector", value: "{matchExpressions: [{key: a, operator: Like}]}",
			want: `"Like" is not a valid label selector operator`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := decode(map[string]string{tt.key: tt.value})
			if err == nil {
				t.Fatal("no error")
			}
			want := `ConfigMap velero/rules, key "` + tt.key + `", line 1: ` + tt.want
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}
