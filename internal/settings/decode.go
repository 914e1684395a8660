// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"encoding"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
)

// Validator is a type that refuses some of its values. Validate is called when a
// value, with all that is in it, has been read. Its error leaves the place out,
// or is of the type *Error where another place is meant.
type Validator interface {
	Validate() error
}

// Decode reads the data of a ConfigMap into a T, as Of says. Every mistake is in
// the error, each of the type *Error.
func Decode[T any](configMap *corev1.ConfigMap) (T, error) {
	var value T
	d := &decoder{}
	at := Position{ConfigMap: nameOf(configMap)}
	for _, key := range slices.Sorted(maps.Keys(configMap.BinaryData)) {
		d.fail(at.Under(key), errors.New("binaryData is not read: write it as data"))
	}
	d.data(reflect.ValueOf(&value).Elem(), configMap.Data, at)
	if err := errors.Join(d.problems...); err != nil {
		return *new(T), err
	}
	return value, nil
}

// decoder writes data into a Go value by reflection. The decoders of the YAML
// libraries tell neither the line of a value that a type refuses nor what is
// allowed there.
type decoder struct {
	problems []error
}

func (d *decoder) fail(at Position, err error) {
	d.problems = append(d.problems, &Error{Position: at, Err: err})
}

// data reads a ConfigMap's data into the struct v.
func (d *decoder) data(v reflect.Value, data map[string]string, at Position) {
	before := len(d.problems)
	fields := fieldsOf(v.Type())
	fields.locate(v, at)
	for _, key := range slices.Sorted(maps.Keys(data)) {
		at := at.Under(key)
		if index, ok := fields.named[key]; ok {
			d.value(v.Field(index), data[key], at)
			continue
		}
		if fields.inline < 0 {
			d.fail(at, fields.unknown())
			continue
		}
		d.entry(v.Field(fields.inline), key, at, func(element reflect.Value) { d.value(element, data[key], at) })
	}
	for _, key := range fields.required {
		if _, ok := data[key]; !ok {
			d.fail(at, fmt.Errorf("the key %q is missing", key))
		}
	}
	d.validate(v, at, before)
}

// value reads what is under a key of the data: text as it is, anything else as YAML.
func (d *decoder) value(v reflect.Value, text string, at Position) {
	v = pointed(v)
	at.Line = 1
	if isScalar(v.Type()) {
		d.scalar(v, strings.TrimSpace(text), at)
		return
	}
	if document := d.document(text, at); document != nil {
		d.node(v, document, at)
	}
}

// pointed returns what v points to, made for it, and v itself where it is no pointer.
func pointed(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	v.Set(reflect.New(v.Type().Elem()))
	return v.Elem()
}

// document returns the one YAML document in text, nil if there is none.
func (d *decoder) document(text string, at Position) *yaml.Node {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var document, more yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		d.fail(at, errors.New("no value: leave the key out, or write one"))
		return nil
	} else if err != nil {
		at.Line = 0 // The error tells the line.
		d.fail(at, err)
		return nil
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		at.Line = max(more.Line, at.Line)
		d.fail(at, errors.New("more than one YAML document: write one"))
		return nil
	}
	return document.Content[0]
}

// node reads a YAML node into v.
func (d *decoder) node(v reflect.Value, n *yaml.Node, at Position) {
	at.Line = n.Line
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		// They would let a small document become a large value.
		d.fail(at, errors.New("YAML anchors and aliases are not read: write the value out"))
		return
	}
	if n.ShortTag() == "!!null" {
		d.fail(at, errors.New(`no value: leave the key out, or write one, or "" for the empty text`))
		return
	}
	v = pointed(v)
	switch {
	case isScalar(v.Type()):
		if n.Kind != yaml.ScalarNode {
			d.fail(at, fmt.Errorf("%s found: allowed is %s", shapeOf(n), kindOf(v.Type())))
			return
		}
		d.scalar(v, n.Value, at)
	case v.Kind() == reflect.Slice:
		d.sequence(v, n, at)
	default:
		d.mapping(v, n, at)
	}
}

func (d *decoder) sequence(v reflect.Value, n *yaml.Node, at Position) {
	if n.Kind != yaml.SequenceNode {
		d.fail(at, fmt.Errorf("%s found: allowed is a list", shapeOf(n)))
		return
	}
	before := len(d.problems)
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, element := range n.Content {
		d.node(v.Index(i), element, at)
	}
	d.validate(v, at, before)
}

// mapping reads a YAML map into a struct or a Go map.
func (d *decoder) mapping(v reflect.Value, n *yaml.Node, at Position) {
	if n.Kind != yaml.MappingNode {
		d.fail(at, fmt.Errorf("%s found: allowed is a map", shapeOf(n)))
		return
	}
	before := len(d.problems)
	fields := fieldsOf(v.Type())
	fields.locate(v, at)
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := at
		at.Line = key.Line
		index, named := fields.named[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(at, fmt.Errorf("%s found as a key: allowed is text", shapeOf(key)))
		case seen[key.Value]:
			d.fail(at, fmt.Errorf("the key %q is there twice", key.Value))
		case named:
			d.node(v.Field(index), value, at)
		case v.Kind() == reflect.Map:
			d.entry(v, key.Value, at, func(element reflect.Value) { d.node(element, value, at) })
		default:
			d.fail(at, fmt.Errorf("key %q: %w", key.Value, fields.unknown()))
		}
		seen[key.Value] = true
	}
	for _, key := range fields.required {
		if !seen[key] {
			d.fail(at, fmt.Errorf("the key %q is missing", key))
		}
	}
	d.validate(v, at, before)
}

// entry adds what read reads to the map v. The type of the keys may refuse the key,
// which is at the position at.
func (d *decoder) entry(v reflect.Value, text string, at Position, read func(element reflect.Value)) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
	d.scalar(key, text, at)
	read(element)
	v.SetMapIndex(key, element)
}

// scalar reads text into v, whose type isScalar.
func (d *decoder) scalar(v reflect.Value, text string, at Position) {
	before := len(d.problems)
	fieldsOf(v.Type()).locate(v, at)
	if unmarshaler, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := unmarshaler.UnmarshalText([]byte(text)); err != nil {
			d.fail(at, fmt.Errorf("%q: %w", text, err))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			d.fail(at, fmt.Errorf("%q: allowed is %s", text, kindOf(v.Type())))
		}
		v.SetBool(text == "true")
	default:
		number, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			d.fail(at, fmt.Errorf("%q: allowed is %s", text, kindOf(v.Type())))
		}
		v.SetInt(number)
	}
	d.validate(v, at, before)
}

// validate asks v's type about a value that is whole: before is how many problems
// there were before it was read.
func (d *decoder) validate(v reflect.Value, at Position, before int) {
	if len(d.problems) > before {
		return
	}
	validator, ok := v.Addr().Interface().(Validator)
	if !ok {
		return
	}
	err := validator.Validate()
	var located *Error
	switch {
	case err == nil:
	case errors.As(err, &located):
		d.problems = append(d.problems, err)
	case isScalar(v.Type()):
		d.fail(at, fmt.Errorf("%q: %w", fmt.Sprint(v), err))
	default:
		d.fail(at, err)
	}
}

// shapeOf is what a node is called where it is not allowed.
func shapeOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	default:
		return fmt.Sprintf("%q", n.Value)
	}
}
