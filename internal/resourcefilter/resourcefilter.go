// SPDX-License-Identifier: Apache-2.0

// Package resourcefilter tells whether the lists of resources in a Restore have a
// resource.
package resourcefilter

import (
	"slices"
	"strings"

	"github.com/vmware-tanzu/velero/pkg/util/collections"
)

// Resource is what a Restore may call a resource. Velero resolves names as kubectl
// does.
type Resource struct {
	// Name is the plural, with the group where it has one.
	Name string
	// Aliases are the singular and the short names.
	Aliases []string
}

// In reports whether the resource is among those of included, of which an empty list
// has all, and not among those of excluded. Both may have patterns.
func (r Resource) In(included, excluded []string) bool {
	filter := collections.NewIncludesExcludes()
	filter.Includes(r.named(included)...)
	filter.Excludes(r.named(excluded)...)
	return filter.ShouldInclude(r.Name)
}

// named returns resources with the other names of this one replaced by Name.
func (r Resource) named(resources []string) []string {
	names := slices.Clone(resources)
	for i, name := range names {
		if name = strings.ToLower(name); name == r.Name || slices.Contains(r.Aliases, name) {
			names[i] = r.Name
		}
	}
	return names
}
