// SPDX-License-Identifier: Apache-2.0

// Package storageclass has the rules of the restore item action
// alibabacloud.com/storage-class-mapping, and what follows from them: what a claim,
// its volume, and the storage that is made for it are to be where they are restored.
//
// Three actions and the snapshotters of disks and of files work on that answer, each
// on its own part of it (see Plan, Targets.DiskTarget and Targets.FileSystemTarget).
// It is computed from what was backed up, the settings and the cluster, so that it is
// the same for all of them in whichever order they ask.
package storageclass

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/selection"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// Action is the name of the restore item action whose settings these are.
const Action = "alibabacloud.com/storage-class-mapping"

// Mapping is what a ConfigMap of the action says.
type Mapping struct {
	At settings.Position
	// Classes is the short form: for a class in the backup the one that takes its place.
	Classes map[string]TargetClass `json:",inline"`
	Rules   []Rule                 `json:"rules,omitempty"`
	// MissingClasses are for claims that no class is named for and whose own is not in
	// the cluster; nil leaves these as they are. No class can have the key's name.
	MissingClasses *MissingClasses `json:"missingClasses,omitempty"`
}

// MissingClasses are the classes that take the place of one that is not in the
// cluster, by what the volume is. Where one is empty, such claims stay as they are.
type MissingClasses struct {
	At   settings.Position
	Disk TargetClass `json:"disk,omitempty"`
	NAS  TargetClass `json:"nas,omitempty"`
}

// Rule says which claims it is about, all by their names in the cluster that was
// backed up, and what becomes of them.
type Rule struct {
	At settings.Position
	// From is the class of the claims.
	From SourceClass `json:"from"`
	// Namespaces, Names and Selector are for those of the claims; nil means all.
	Namespaces selection.Namespaces `json:"namespaces,omitempty"`
	Names      selection.Names      `json:"names,omitempty"`
	Selector   *selection.Selector  `json:"selector,omitempty"`
	To         Conversion           `json:"to"`
}

// Conversion is what becomes of a claim and its volume. What is empty stays as it was.
type Conversion struct {
	// At is where it is written, for messages.
	At    settings.Position
	Class TargetClass `json:"class,omitempty"`
	// ClassAt is where Class is written if not there: for missing classes, or, with
	// Upstream, in the settings of Velero's own action.
	ClassAt  *settings.Position `json:"-"`
	Upstream bool               `json:"-"`
	// AccessModes replace those of the claim.
	AccessModes []AccessMode `json:"accessModes,omitempty"`
	// ConvertToAccessModes is the backup center's name for AccessModes. Modes returns either.
	ConvertToAccessModes []AccessMode `json:"convertToAccessModes,omitempty"`
	// Capacity is the new size of the volume.
	Capacity *Capacity `json:"capacity,omitempty"`
}

// SourceClass is a class in the backup, "" for claims that have none.
type SourceClass string

// TargetClass is a StorageClass of the cluster that is restored to.
type TargetClass string

// AccessMode is one of corev1.PersistentVolumeAccessMode.
type AccessMode string

// Capacity is the size of a volume.
type Capacity struct {
	resource.Quantity
}

// Modes returns the access modes that the claim gets, nil for those that it has.
func (c *Conversion) Modes() []corev1.PersistentVolumeAccessMode {
	all := slices.Concat(c.AccessModes, c.ConvertToAccessModes)
	if all == nil {
		return nil
	}
	modes := make([]corev1.PersistentVolumeAccessMode, 0, len(all))
	for _, mode := range all {
		modes = append(modes, corev1.PersistentVolumeAccessMode(mode))
	}
	return modes
}

const gibibyte = 1 << 30

// GiB returns the capacity in GiB, rounded up.
func (c *Capacity) GiB() int64 {
	size := c.Value()
	if size%gibibyte == 0 {
		return size / gibibyte
	}
	return size/gibibyte + 1
}

// Find returns what becomes of a claim with these labels: the conversion of the
// rule that says most about the claim, and whether there is one. A rule by names
// says more than one by namespaces, that more than one by labels, and that more
// than one by class alone; between equals the first one holds.
func (m *Mapping) Find(claim diskspec.Claim, claimLabels map[string]string) (Conversion, bool) {
	return m.best(func(rule *Rule) bool {
		return rule.covers(claim) && rule.Selector.Matches(claimLabels)
	}, claim.StorageClass)
}

// FindByName is Find where the claim's labels are not known. A rule with a
// selector does not hold there.
func (m *Mapping) FindByName(claim diskspec.Claim) (Conversion, bool) {
	return m.best(func(rule *Rule) bool {
		return rule.covers(claim) && rule.Selector == nil
	}, claim.StorageClass)
}

func (m *Mapping) best(holds func(*Rule) bool, class string) (Conversion, bool) {
	var best *Rule
	for i := range m.Rules {
		rule := &m.Rules[i]
		if holds(rule) && (best == nil || rule.precision() > best.precision()) {
			best = rule
		}
	}
	if best != nil {
		return best.To, true
	}
	if _, ok := m.Classes[class]; !ok {
		return Conversion{}, false
	}
	return m.row(class), true
}

// row returns what the short form says about a class.
func (m *Mapping) row(class string) Conversion {
	return Conversion{At: m.At.ValueUnder(class), Class: m.Classes[class]}
}

// covers reports whether the rule is about claim as far as its labels do not matter.
func (r *Rule) covers(claim diskspec.Claim) bool {
	return string(r.From) == claim.StorageClass &&
		r.Namespaces.Include(claim.Namespace) && r.Names.Include(claim.Name)
}

// precision orders rules by how much they say about a claim.
func (r *Rule) precision() int {
	precision := 0
	if r.Names != nil {
		precision += 4
	}
	if r.Namespaces != nil {
		precision += 2
	}
	if r.Selector != nil {
		precision++
	}
	return precision
}
