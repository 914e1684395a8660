// SPDX-License-Identifier: Apache-2.0

// Package resourcefilter tells whether the lists of resources and namespaces in a Backup
// or a Restore have a resource.
package resourcefilter

import (
	"slices"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/util/boolptr"
	"github.com/vmware-tanzu/velero/pkg/util/collections"
)

// Resource is what a Backup or a Restore may call a resource. Velero resolves names as
// kubectl does.
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

// Verdict is what Velero makes of an object that an action returns as an additional item.
type Verdict int

const (
	// Taken is an object that Velero takes.
	Taken Verdict = iota
	// LeftOut is one that is not in the lists of resources and namespaces to include. Velero
	// takes it if the action says that it must.
	LeftOut
	// Excluded is one of a resource or in a namespace that the user has said no to. Velero
	// would take it too if the action said that it must.
	Excluded
)

// InBackup tells what a Backup makes of an object of the resource in a namespace, which is
// empty for an object in none. It follows itemInclusionChecks in pkg/backup/item_backupper.go
// of Velero. What volume policies say of resources it does not know.
func (r Resource) InBackup(spec *velerov1.BackupSpec, namespace string) Verdict {
	var included, excluded []string
	switch {
	case collections.UseOldResourceFilters(*spec):
		included, excluded = spec.IncludedResources, spec.ExcludedResources
	case namespace != "":
		included, excluded = spec.IncludedNamespaceScopedResources, spec.ExcludedNamespaceScopedResources
	default:
		// The list of cluster-scoped resources is of those that are taken by themselves.
		excluded = spec.ExcludedClusterScopedResources
	}
	return r.verdict(lists{
		included: included, excluded: excluded, noClusterResources: boolptr.IsSetToFalse(spec.IncludeClusterResources),
		namespaces: spec.IncludedNamespaces, excludedNamespaces: spec.ExcludedNamespaces,
	}, namespace)
}

// InRestore tells what a Restore makes of an object of the resource that was backed up in
// a namespace, which is empty for an object in none. It follows restoreItem in
// pkg/restore/restore.go of Velero.
func (r Resource) InRestore(spec *velerov1.RestoreSpec, namespace string) Verdict {
	return r.verdict(lists{
		included: spec.IncludedResources, excluded: spec.ExcludedResources, noClusterResources: boolptr.IsSetToFalse(spec.IncludeClusterResources),
		namespaces: spec.IncludedNamespaces, excludedNamespaces: spec.ExcludedNamespaces,
	}, namespace)
}

// lists are those of a Backup or a Restore.
type lists struct {
	included, excluded             []string
	noClusterResources             bool
	namespaces, excludedNamespaces []string
}

func (r Resource) verdict(l lists, namespace string) Verdict {
	switch {
	case !r.In(nil, l.excluded), namespace == "" && l.noClusterResources,
		namespace != "" && !isIn(namespace, nil, l.excludedNamespaces):
		return Excluded
	case !r.In(l.included, nil), namespace != "" && !isIn(namespace, l.namespaces, nil):
		return LeftOut
	default:
		return Taken
	}
}

func isIn(namespace string, included, excluded []string) bool {
	return collections.NewIncludesExcludes().Includes(included...).Excludes(excluded...).ShouldInclude(namespace)
}
