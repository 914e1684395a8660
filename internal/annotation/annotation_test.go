// SPDX-License-Identifier: Apache-2.0

package annotation_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	set := func(key, value string) func(map[string]any) {
		return func(content map[string]any) { annotation.Set(content, key, value) }
	}
	remove := func(keys ...string) func(map[string]any) {
		return func(content map[string]any) { annotation.Remove(content, keys...) }
	}
	tests := []struct {
		name, object string
		change       func(map[string]any)
		want         string
	}{
		{
			name: "one is set beside others", object: `{"metadata":{"name":"a","annotations":{"b":"1"}}}`,
			change: set("c", "2"), want: `{"metadata":{"name":"a","annotations":{"b":"1","c":"2"}}}`,
		},
		{
			name: "one is set in place of its old value", object: `{"metadata":{"annotations":{"b":"1","c":"2"}}}`,
			change: set("b", "3"), want: `{"metadata":{"annotations":{"b":"3","c":"2"}}}`,
		},
		{
			name: "the first one is set", object: `{"metadata":{"name":"a"}}`,
			change: set("b", "1"), want: `{"metadata":{"name":"a","annotations":{"b":"1"}}}`,
		},
		{
			name: "one is set where there is a map of none", object: `{"metadata":{"annotations":null}}`,
			change: set("b", "1"), want: `{"metadata":{"annotations":{"b":"1"}}}`,
		},
		{
			name: "one is set in what has no metadata, as a template of claims", object: `{"spec":{}}`,
			change: set("b", "1"), want: `{"metadata":{"annotations":{"b":"1"}},"spec":{}}`,
		},
		{
			name: "what cannot have annotations stays", object: `{"metadata":7}`,
			change: set("b", "1"), want: `{"metadata":7}`,
		},
		{
			name: "several are removed, and others stay", object: `{"metadata":{"annotations":{"a":"1","b":"2","c":"3"}}}`,
			change: remove("a", "c", "d"), want: `{"metadata":{"annotations":{"b":"2"}}}`,
		},
		{
			name: "the map goes with the last one", object: `{"metadata":{"name":"a","annotations":{"b":"1"}}}`,
			change: remove("b"), want: `{"metadata":{"name":"a"}}`,
		},
		{
			name: "none is removed where there are none", object: `{"metadata":{"name":"a"}}`,
			change: remove("b"), want: `{"metadata":{"name":"a"}}`,
		},
		{
			name: "a map of none stays", object: `{"metadata":{"annotations":{}}}`,
			change: remove("b"), want: `{"metadata":{"annotations":{}}}`,
		},
		{
			name: "nothing is removed from what is no map", object: `{"metadata":{"annotations":["b"]}}`,
			change: remove("b"), want: `{"metadata":{"annotations":["b"]}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := decode(t, tt.object)
			tt.change(got)
			if diff := cmp.Diff(decode(t, tt.want), got); diff != "" {
				t.Errorf("the object (-want +got):\n%s", diff)
			}
		})
	}
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	content := map[string]any{}
	if err := json.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	return content
}
