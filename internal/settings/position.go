// SPDX-License-Identifier: Apache-2.0

package settings

import "fmt"

// Position is where something is written. A struct that is read from settings and
// has a field of this type is told its own position, also one that reads itself from
// text.
type Position struct {
	// ConfigMap is namespace/name.
	ConfigMap string
	// Key is the key of its data, "" for the ConfigMap as a whole.
	Key string
	// Line is counted from 1 in the value under the key, 0 for the key as a whole.
	Line int
}

// String is for the person who looks for the place.
func (p Position) String() string {
	switch {
	case p.Key == "":
		return "ConfigMap " + p.ConfigMap
	case p.Line == 0:
		return fmt.Sprintf("ConfigMap %s, key %q", p.ConfigMap, p.Key)
	default:
		return fmt.Sprintf("ConfigMap %s, key %q, line %d", p.ConfigMap, p.Key, p.Line)
	}
}

// Under is the position of a key of the same ConfigMap.
func (p Position) Under(key string) Position {
	return Position{ConfigMap: p.ConfigMap, Key: key}
}

// ValueUnder is the position of the value under a key of the same ConfigMap, which
// begins in line 1.
func (p Position) ValueUnder(key string) Position {
	return Position{ConfigMap: p.ConfigMap, Key: key, Line: 1}
}

// Error is a mistake in the settings.
type Error struct {
	Position

	Err error
}

// Error names the place, and what is wrong and allowed there.
func (e *Error) Error() string {
	return e.String() + ": " + e.Err.Error()
}

// Unwrap returns the mistake alone.
func (e *Error) Unwrap() error {
	return e.Err
}
