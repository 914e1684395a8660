// SPDX-License-Identifier: Apache-2.0

// Package storageclass has the rules of the restore item action
// alibabacloud.com/storage-class-mapping: which StorageClass a claim of the
// cluster that was backed up gets where it is restored, and what that class asks
// of the disk that is made for the claim.
package storageclass

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// Action is the name of the restore item action whose settings these are.
const Action = "storage-class-mapping"

// Mapping is what a ConfigMap of the action says.
type Mapping struct {
	At settings.Position
	// Classes is the short form: for a class in the backup the one that takes its place.
	Classes map[string]TargetClass `json:",inline"`
	Rules   []Rule                 `json:"rules,omitempty"`
}

// Rule says which claims it is about, all by their names in the cluster that was
// backed up, and what becomes of them.
type Rule struct {
	At settings.Position
	// From is the class of the claims.
	From SourceClass `json:"from"`
	// Namespaces and Names are those of the claims; nil means all.
	Namespaces []string `json:"namespaces,omitempty"`
	Names      []string `json:"names,omitempty"`
	// Selector is for the labels of the claims; nil means all.
	Selector *Selector  `json:"selector,omitempty"`
	To       Conversion `json:"to"`
}

// Conversion is what becomes of a claim and its volume. What is empty stays as it was.
type Conversion struct {
	// At is where it is written, for messages.
	At    settings.Position
	Class TargetClass `json:"class,omitempty"`
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

// Selector selects claims by their labels.
type Selector metav1.LabelSelector

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
		return rule.covers(claim) && (rule.Selector == nil || rule.Selector.matches(claimLabels))
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
	at := m.At
	at.Key = class
	return Conversion{At: at, Class: m.Classes[class]}
}

// covers reports whether the rule is about claim as far as its labels do not matter.
func (r *Rule) covers(claim diskspec.Claim) bool {
	return string(r.From) == claim.StorageClass &&
		(r.Namespaces == nil || slices.Contains(r.Namespaces, claim.Namespace)) &&
		(r.Names == nil || slices.Contains(r.Names, claim.Name))
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

func (s *Selector) matches(claimLabels map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector((*metav1.LabelSelector)(s))
	// Validate has refused what is no selector.
	return err == nil && selector.Matches(labels.Set(claimLabels))
}
