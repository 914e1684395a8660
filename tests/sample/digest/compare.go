// SPDX-License-Identifier: Apache-2.0

package digest

import (
	"cmp"
	"slices"
)

// Change is how an object differs.
type Change string

// The ways in which an object can differ.
const (
	Missing Change = "missing"
	Added   Change = "added"
	Altered Change = "altered"
)

// Difference is one object that is not as it was.
type Difference struct {
	// Object is its key, see Namespace.
	Object string
	Change Change
}

// String is like "deployments.apps/web: altered".
func (d Difference) String() string { return d.Object + ": " + string(d.Change) }

// Compare returns how the objects of after differ from those of before, in the order of their keys.
func Compare(before, after map[string]string) []Difference {
	var differences []Difference
	for object, digest := range before {
		switch now, ok := after[object]; {
		case !ok:
			differences = append(differences, Difference{Object: object, Change: Missing})
		case now != digest:
			differences = append(differences, Difference{Object: object, Change: Altered})
		}
	}
	for object := range after {
		if _, ok := before[object]; !ok {
			differences = append(differences, Difference{Object: object, Change: Added})
		}
	}
	slices.SortFunc(differences, func(a, b Difference) int { return cmp.Compare(a.Object, b.Object) })
	return differences
}
