// SPDX-License-Identifier: Apache-2.0

package settings_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// menuForms are those of the types that a menu has.
func menuForms() settings.Forms {
	return settings.Forms{
		reflect.TypeFor[dishes](): {"items": settings.Schema{"minProperties": 2}},
		reflect.TypeFor[dish]():   {"not": settings.Schema{"const": "stone"}},
		reflect.TypeFor[size]():   {"enum": []string{"small", "large"}},
		reflect.TypeFor[price]():  {"pattern": "^[0-9]+c$"},
		reflect.TypeFor[menu]():   {"propertyNames": settings.Schema{"pattern": "^[a-z]+$"}},
	}
}

const dishSchema = `{
  "type": "object",
  "properties": {
    "name": {"type": ["string", "number", "boolean"]},
    "with": {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
    "vegan": {"enum": [true, false, "true", "false"]},
    "size": {"type": ["string", "number", "boolean"], "enum": ["small", "large"]},
    "cents": {"type": ["integer", "string"], "pattern": "^[+-]?[0-9]+$"}
  },
  "required": ["name"],
  "additionalProperties": false,
  "not": {"const": "stone"}`

const menuSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "ConfigMap with the settings of alibabacloud.com/menu",
  "type": "object",
  "required": ["apiVersion", "kind", "metadata"],
  "properties": {
    "apiVersion": {"const": "v1"},
    "kind": {"const": "ConfigMap"},
    "metadata": {
      "type": "object",
      "required": ["labels"],
      "properties": {
        "labels": {
          "type": "object",
          "required": ["velero.io/plugin-config", "alibabacloud.com/menu"],
          "properties": {
            "velero.io/plugin-config": {"type": "string"},
            "alibabacloud.com/menu": {"const": "RestoreItemAction"}
          }
        },
        "annotations": {"type": "object", "properties": {"alibabacloud.com/restore": {"type": "string"}}}
      }
    },
    "data": {
      "type": "object",
      "properties": {
        "title": {"type": "string"},
        "open": {"type": "string", "enum": ["true", "false"]},
        "seats": {"type": "string", "pattern": "^[+-]?[0-9]+$"},
        "soup": {"type": "string", "contentMediaType": "application/yaml", "contentSchema": {"$ref": "#/$defs/soup"}},
        "list": {"type": "string", "contentMediaType": "application/yaml", "contentSchema": {"$ref": "#/$defs/list"}},
        "notes": {"type": "string", "contentMediaType": "application/yaml", "contentSchema": {"$ref": "#/$defs/notes"}},
        "tips": {"type": "string", "enum": ["true", "false"]},
        "bowls": {"type": "string", "contentMediaType": "application/yaml", "contentSchema": {"$ref": "#/$defs/bowls"}}
      },
      "additionalProperties": {"type": "string", "pattern": "^[0-9]+c$"},
      "propertyNames": {"anyOf": [{"enum": ["bowls", "list", "notes", "open", "seats", "soup", "tips", "title"]}, {"pattern": "^[a-z]+$"}]}
    },
    "binaryData": {"maxProperties": 0}
  },
  "$defs": {
    "soup": ` + dishSchema + `},
    "list": {"type": "array", "items": ` + dishSchema + `, "minProperties": 2}},
    "notes": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    "bowls": {
      "type": "object",
      "propertyNames": {"enum": ["small", "large"]},
      "additionalProperties": {"type": ["integer", "string"], "pattern": "^[+-]?[0-9]+$"}
    }
  }
}`

func TestSchemaOfHasEveryFieldAndForm(t *testing.T) {
	t.Parallel()
	schema, err := settings.SchemaOf[menu](settings.RestoreItemAction, "alibabacloud.com/menu", menuForms())
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(untyped(t, menuSchema), untyped(t, string(got))); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}

func untyped(t *testing.T, document string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(document), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// code is the key of a map that is not every text.
type code string

// table has what a menu has not: a required key, a pointer to a plain value, and keys
// of another type.
type table struct {
	Seats *bool           `json:"seats"`
	Costs map[code]*price `json:"costs,omitempty"`
}

func TestSchemaOfDataThatHasARequiredKey(t *testing.T) {
	t.Parallel()
	schema, err := settings.SchemaOf[table](settings.RestoreItemAction, "alibabacloud.com/table", settings.Forms{
		reflect.TypeFor[code]():  {"pattern": "^[A-Z]$"},
		reflect.TypeFor[price](): {"type": "string"},
	})
	if err != nil {
		t.Fatal(err)
	}
	properties, _ := schema["properties"].(settings.Schema)
	got := settings.Schema{"required": schema["required"], "data": properties["data"], "$defs": schema["$defs"]}
	want := settings.Schema{
		"required": []string{"apiVersion", "kind", "metadata", "data"},
		"data": settings.Schema{
			"type": "object",
			"properties": settings.Schema{
				"seats": settings.Schema{"type": "string", "enum": []any{"true", "false"}},
				"costs": settings.Schema{
					"type":             "string",
					"contentMediaType": "application/yaml",
					"contentSchema":    settings.Schema{"$ref": "#/$defs/costs"},
				},
			},
			"required":             []string{"seats"},
			"additionalProperties": false,
		},
		"$defs": settings.Schema{
			"costs": settings.Schema{
				"type":                 "object",
				"propertyNames":        settings.Schema{"pattern": "^[A-Z]$"},
				"additionalProperties": settings.Schema{"type": "string"},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}

func TestSchemaOfATypeThatRefusesValuesNeedsItsForm(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		without reflect.Type
		want    string
	}{
		"one that validates a value":  {reflect.TypeFor[size](), "settings_test.size"},
		"one that validates a list":   {reflect.TypeFor[dishes](), "settings_test.dishes"},
		"one that reads itself":       {reflect.TypeFor[price](), "settings_test.price"},
		"one that validates a struct": {reflect.TypeFor[dish](), "settings_test.dish"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forms := menuForms()
			delete(forms, test.without)
			_, err := settings.SchemaOf[menu](settings.RestoreItemAction, "alibabacloud.com/menu", forms)
			want := "the schema of alibabacloud.com/menu: the type " + test.want + " refuses values, and has no form"
			if diff := cmp.Diff(want, text(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}
