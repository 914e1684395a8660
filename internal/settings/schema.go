// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Schema is a JSON Schema of the draft 2020-12, by its keywords.
type Schema map[string]any

// add adds the keywords of more, which win over those that are there. Where both
// have a schema it is added to.
func (s Schema) add(more Schema) {
	for keyword, value := range more {
		inner, ok := s[keyword].(Schema)
		if added, both := value.(Schema); ok && both {
			inner.add(added)
			continue
		}
		s[keyword] = value
	}
}

// Forms say what the types accept that read themselves from text or refuse some of
// their values, in keywords that are added to those of the Go type. In the form of a
// T that has a map for the keys that no field has, propertyNames is about those
// alone.
type Forms map[reflect.Type]Schema

// SchemaOf returns the schema of the ConfigMaps that Decode reads into a T, for the
// action of that kind and name. It follows the same fields as Decode.
//
// Values that are YAML documents are strings with a contentSchema, and each of those
// is one of the schema's $defs, by its key. Where Decode takes the text of a value,
// whatever YAML makes of it, so does the schema: numbers and bools as well. It does
// not take the space that Decode allows around a plain value of the data.
//
// Its error names a type that is a Validator or an encoding.TextUnmarshaler and has
// no form.
func SchemaOf[T any](kind Kind, action string, forms Forms) (Schema, error) {
	w := &schemaWriter{forms: forms, documents: Schema{}}
	data := w.data(reflect.TypeFor[T]())
	if w.err != nil {
		return nil, fmt.Errorf("the schema of %s: %w", action, w.err)
	}
	required := []string{"apiVersion", "kind", "metadata"}
	if _, ok := data["required"]; ok {
		required = append(required, "data")
	}
	return Schema{
		"$schema":  "https://json-schema.org/draft/2020-12/schema",
		"title":    "ConfigMap with the settings of " + action,
		"type":     "object",
		"required": required,
		"properties": Schema{
			"apiVersion": Schema{"const": "v1"},
			"kind":       Schema{"const": "ConfigMap"},
			"metadata":   metadataSchema(kind, action),
			"data":       data,
			"binaryData": Schema{"maxProperties": 0},
		},
		"$defs": w.documents,
	}, nil
}

// metadataSchema is that of the labels and annotations by which a ConfigMap is chosen.
func metadataSchema(kind Kind, action string) Schema {
	return Schema{
		"type":     "object",
		"required": []string{"labels"},
		"properties": Schema{
			"labels": Schema{
				"type":     "object",
				"required": []string{LabelPluginConfig, action},
				"properties": Schema{
					LabelPluginConfig: Schema{"type": "string"},
					action:            Schema{"const": string(kind)},
				},
			},
			"annotations": Schema{
				"type":       "object",
				"properties": Schema{kind.annotation(): Schema{"type": "string"}},
			},
		},
	}
}

// schemaWriter writes schemas of Go types by reflection, as decoder reads values.
type schemaWriter struct {
	forms Forms
	// documents are the schemas of the YAML documents, by their key of the data.
	documents Schema
	err       error
}

// data is the schema for the data that is read into the struct t.
func (w *schemaWriter) data(t reflect.Type) Schema {
	schema := w.object(t, w.value)
	schema.add(w.form(t))
	if fields := fieldsOf(t); fields.inline >= 0 {
		schema["additionalProperties"] = w.text(pointee(t.Field(fields.inline).Type.Elem()))
		if names, ok := schema["propertyNames"]; ok {
			named := Schema{"enum": slices.Sorted(maps.Keys(fields.named))}
			schema["propertyNames"] = Schema{"anyOf": []any{named, names}}
		}
	}
	return schema
}

// value is the schema for what is under a key of the data.
func (w *schemaWriter) value(key string, t reflect.Type) Schema {
	t = pointee(t)
	if isScalar(t) {
		return w.text(t)
	}
	w.documents[key] = w.node(t)
	return Schema{
		"type":             "string",
		"contentMediaType": "application/yaml",
		"contentSchema":    Schema{"$ref": "#/$defs/" + key},
	}
}

// text is the schema for a value of t, which isScalar, as a value of the data. These
// are strings.
func (w *schemaWriter) text(t reflect.Type) Schema {
	schema := w.scalar(t)
	schema["type"] = "string"
	switch t.Kind() {
	case reflect.Bool:
		schema["enum"] = []any{"true", "false"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		schema["pattern"] = wholeNumber
	default:
	}
	return schema
}

// wholeNumber is what strconv.ParseInt takes in the base 10.
const wholeNumber = `^[+-]?[0-9]+$`

// scalar is the schema for a value of t, which isScalar, within a YAML document.
func (w *schemaWriter) scalar(t reflect.Type) Schema {
	schema := Schema{}
	switch t.Kind() {
	case reflect.Bool:
		schema["enum"] = []any{true, false, "true", "false"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		schema["type"] = []string{"integer", "string"}
		schema["pattern"] = wholeNumber
	default:
		schema["type"] = []string{"string", "number", "boolean"}
	}
	schema.add(w.form(t))
	return schema
}

// node is the schema for a value of t within a YAML document.
func (w *schemaWriter) node(t reflect.Type) Schema {
	t = pointee(t)
	if isScalar(t) {
		return w.scalar(t)
	}
	var schema Schema
	switch t.Kind() {
	case reflect.Slice:
		schema = Schema{"type": "array", "items": w.node(t.Elem())}
	case reflect.Map:
		schema = Schema{"type": "object", "additionalProperties": w.node(t.Elem())}
		if names := w.form(t.Key()); names != nil {
			schema["propertyNames"] = names
		}
	default:
		schema = w.object(t, func(_ string, field reflect.Type) Schema { return w.node(field) })
	}
	schema.add(w.form(t))
	return schema
}

// object is the schema for the keys of the struct t, whose values are as value says.
func (w *schemaWriter) object(t reflect.Type, value func(key string, field reflect.Type) Schema) Schema {
	fields := fieldsOf(t)
	properties := Schema{}
	for key, index := range fields.named {
		properties[key] = value(key, t.Field(index).Type)
	}
	schema := Schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(fields.required) > 0 {
		schema["required"] = fields.required
	}
	return schema
}

// form returns what the type itself accepts, nil where it accepts whatever its Go
// type does.
func (w *schemaWriter) form(t reflect.Type) Schema {
	form, ok := w.forms[t]
	pointer := reflect.PointerTo(t)
	refuses := pointer.Implements(reflect.TypeFor[Validator]()) ||
		pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	if refuses && !ok && w.err == nil {
		w.err = fmt.Errorf("the type %s refuses values, and has no form", t)
	}
	return form
}
