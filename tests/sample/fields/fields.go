// SPDX-License-Identifier: Apache-2.0

// Package fields tells in which fields objects differ from what they were.
package fields

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// None stands for the value of a field that is not there.
const None = "(none)"

// Change is one field that is not as it was.
type Change struct {
	// Object is its key, see Compare.
	Object string
	// Field is like "spec.ports[0].port" or "metadata.labels[example.com/tier]". It is empty where the whole object came
	// or went.
	Field string
	// Before and After are the values, as JSON unless they are text.
	Before, After string
}

// String is like "deployments.apps/web: spec.replicas: 1 -> 2".
func (c Change) String() string {
	return fmt.Sprintf("%s: %s: %s -> %s", c.Object, c.Field, c.Before, c.After)
}

// Order compares changes by object, field and values.
func Order(a, b Change) int {
	return cmp.Or(
		cmp.Compare(a.Object, b.Object), cmp.Compare(a.Field, b.Field),
		cmp.Compare(a.Before, b.Before), cmp.Compare(a.After, b.After),
	)
}

// Compare returns every field in which the objects of after differ from those of before with the same keys, in Order.
// A list of plain values is one field.
func Compare(before, after map[string]*unstructured.Unstructured) ([]Change, error) {
	var changes []Change
	for _, object := range keys(before, after) {
		old, err := fieldsOf(object, before[object])
		if err != nil {
			return nil, err
		}
		now, err := fieldsOf(object, after[object])
		if err != nil {
			return nil, err
		}
		switch {
		case old == nil || now == nil:
			changes = append(changes, Change{Object: object, Before: presence(old), After: presence(now)})
		default:
			changes = append(changes, compare(object, old, now)...)
		}
	}
	return changes, nil
}

// compare compares the fields of one object.
func compare(object string, before, after map[string]string) []Change {
	var changes []Change
	for _, field := range keys(before, after) {
		change := Change{Object: object, Field: field, Before: None, After: None}
		if value, ok := before[field]; ok {
			change.Before = value
		}
		if value, ok := after[field]; ok {
			change.After = value
		}
		if change.Before != change.After {
			changes = append(changes, change)
		}
	}
	return changes
}

// presence says whether there is an object with these fields.
func presence(fields map[string]string) string {
	if fields == nil {
		return None
	}
	return "(there)"
}

// keys are those of both maps, in order.
func keys[V any](a, b map[string]V) []string {
	all := map[string]struct{}{}
	for _, m := range []map[string]V{a, b} {
		for key := range m {
			all[key] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// fieldsOf returns the values of an object by field, nil for no object.
func fieldsOf(key string, object *unstructured.Unstructured) (map[string]string, error) {
	if object == nil {
		return nil, nil
	}
	found := map[string]string{}
	if err := flatten(found, "", object.Object); err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	return found, nil
}

// flatten notes what is in value, by its path. Empty objects and lists are values too.
func flatten(found map[string]string, path string, value any) error {
	switch value := value.(type) {
	case map[string]any:
		if len(value) == 0 {
			break
		}
		for key, inner := range value {
			if err := flatten(found, path+step(path, key), inner); err != nil {
				return err
			}
		}
		return nil
	case []any:
		if !ofObjects(value) {
			break
		}
		for i, inner := range value {
			if err := flatten(found, fmt.Sprintf("%s[%d]", path, i), inner); err != nil {
				return err
			}
		}
		return nil
	case string:
		found[path] = value
		return nil
	}
	text, err := json.Marshal(value)
	found[path] = string(text)
	return err
}

// ofObjects says whether a list has objects, and nothing else.
func ofObjects(list []any) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(item any) bool {
		_, ok := item.(map[string]any)
		return !ok
	})
}

// step is the last part of the path of a key.
func step(path, key string) string {
	switch {
	case !isWord(key):
		return "[" + key + "]"
	case path == "":
		return key
	default:
		return "." + key
	}
}

// isWord says whether a key can be told from the path around it.
func isWord(key string) bool { return key != "" && !strings.ContainsAny(key, ".[]") }
