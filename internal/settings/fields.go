// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// fields are the keys of a struct, as its json tags name them. A map has none.
type fields struct {
	// named has the index of each key's field.
	named map[string]int
	// required are the keys without omitempty.
	required []string
	// inline is the index of the map for the keys that no field has, -1 without one.
	inline int
	// position is the index of the field that is told where the struct is written, -1 without one.
	position int
}

func fieldsOf(t reflect.Type) fields {
	f := fields{named: make(map[string]int), inline: -1, position: -1}
	if t.Kind() != reflect.Struct {
		return f
	}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		switch {
		case t.Field(i).Type == reflect.TypeFor[Position]():
			f.position = i
		case options == "inline":
			f.inline = i
		case name != "" && name != "-":
			f.named[name] = i
			if !strings.Contains(options, "omitempty") {
				f.required = append(f.required, name)
			}
		}
	}
	return f
}

// locate tells the struct v where it is written, if it has a field for that.
func (f fields) locate(v reflect.Value, at Position) {
	if f.position >= 0 {
		v.Field(f.position).Set(reflect.ValueOf(at))
	}
}

// unknown is the error for a key that is none of these.
func (f fields) unknown() error {
	if len(f.named) == 0 {
		return errors.New("unknown: no key is allowed")
	}
	return fmt.Errorf("unknown: allowed are %s", strings.Join(slices.Sorted(maps.Keys(f.named)), ", "))
}

// pointee returns the type that t points to, and t itself where it is no pointer.
func pointee(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// isScalar reports whether values of t are written as text, a number or a bool.
func isScalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64:
		return true
	default:
		return false
	}
}

// kindOf says how a value of t, which isScalar, is written.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	default:
		return "text"
	}
}
