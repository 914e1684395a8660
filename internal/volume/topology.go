// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// LabelDiskZone is the topology key of the disk driver: the zone of a node, and of
// the disks that can be attached to it.
const LabelDiskZone = "topology.diskplugin.csi.alibabacloud.com/zone"

// AnnotationZone is on a PersistentVolume to which a backup has added the label
// topology.kubernetes.io/zone, with its value. The label is there for Velero alone, which
// notes it with the snapshot: on a restored volume it would keep Pods in a zone that the new
// storage need not be in. DropBackupMarks removes both from what is restored.
const AnnotationZone = "alibabacloud.com/zone-of-backup"

// Location is where a disk lives. Zone is empty for a regional disk; either is
// empty where it is not known.
type Location struct {
	Region string
	Zone   string
}

// Zones returns the zones that pv names, each once: those that its node affinity
// allows, then those of its labels. A volume is in one zone; several mean that the
// volume contradicts itself.
func Zones(pv *corev1.PersistentVolume) []string {
	return topologyValues(pv, IsZoneKey)
}

// Regions returns the regions that pv names, as Zones does the zones.
func Regions(pv *corev1.PersistentVolume) []string {
	return topologyValues(pv, isRegionKey)
}

// IsZoneKey reports whether nodes and volumes name their zone by the topology key.
func IsZoneKey(key string) bool {
	switch key {
	case LabelDiskZone, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone:
		return true
	default:
		return false
	}
}

func isRegionKey(key string) bool {
	switch key {
	case corev1.LabelTopologyRegion, corev1.LabelFailureDomainBetaRegion:
		return true
	default:
		return false
	}
}

func topologyValues(pv *corev1.PersistentVolume, isKey func(string) bool) []string {
	values := affinityValues(pv, isKey)
	for _, key := range slices.Sorted(maps.Keys(pv.Labels)) {
		if isKey(key) {
			values = appendNew(values, pv.Labels[key])
		}
	}
	return values
}

func affinityValues(pv *corev1.PersistentVolume, isKey func(string) bool) []string {
	var values []string
	for _, requirement := range requirements(pv, isKey) {
		for _, value := range requirement.Values {
			values = appendNew(values, value)
		}
	}
	return values
}

// setTopology makes value the one that pv's labels and node affinity name for the
// keys that isKey accepts, where they name any. An empty value changes nothing.
func setTopology(pv *corev1.PersistentVolume, isKey func(string) bool, value string) {
	if value == "" {
		return
	}
	for key := range pv.Labels {
		if isKey(key) {
			pv.Labels[key] = value
		}
	}
	for _, requirement := range requirements(pv, isKey) {
		requirement.Values = []string{value}
	}
}

// leaveZone makes pv one that any zone of the region can have, as the driver makes regional
// disks: the zone of the disk before would hold its Pods there, or in another region keep
// them from running at all. An empty region changes nothing.
func leaveZone(pv *corev1.PersistentVolume, region string) {
	if region == "" {
		return
	}
	maps.DeleteFunc(pv.Labels, func(key, _ string) bool { return IsZoneKey(key) })
	for i := range terms(pv) {
		term := &terms(pv)[i]
		isRegional := slices.ContainsFunc(term.MatchExpressions, names(isRegionKey))
		left := slices.DeleteFunc(term.MatchExpressions, names(IsZoneKey))
		if len(left) < len(term.MatchExpressions) && !isRegional {
			left = append(left, in(corev1.LabelTopologyRegion, region))
		}
		term.MatchExpressions = left
	}
}

// enterZone adds a zone to every term of pv's node affinity that names a region and no
// zone, as that of a regional disk does: a Pod in another zone of the region could not
// attach the disk. An empty zone changes nothing.
func enterZone(pv *corev1.PersistentVolume, zone string) {
	if zone == "" {
		return
	}
	for i := range terms(pv) {
		term := &terms(pv)[i]
		if slices.ContainsFunc(term.MatchExpressions, names(isRegionKey)) && !slices.ContainsFunc(term.MatchExpressions, names(IsZoneKey)) {
			term.MatchExpressions = append(term.MatchExpressions, in(LabelDiskZone, zone))
		}
	}
}

// terms returns the terms of pv's node affinity. They are pv's own.
func terms(pv *corev1.PersistentVolume) []corev1.NodeSelectorTerm {
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return nil
	}
	return pv.Spec.NodeAffinity.Required.NodeSelectorTerms
}

// names returns what tells whether a requirement lists values of a key that isKey accepts.
func names(isKey func(string) bool) func(corev1.NodeSelectorRequirement) bool {
	return func(r corev1.NodeSelectorRequirement) bool {
		return r.Operator == corev1.NodeSelectorOpIn && isKey(r.Key)
	}
}

func in(key, value string) corev1.NodeSelectorRequirement {
	return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}
}

// requirements returns, out of every term of pv's node affinity, the requirements
// that a key which isKey accepts has one of the listed values. They are pv's own.
func requirements(pv *corev1.PersistentVolume, isKey func(string) bool) []*corev1.NodeSelectorRequirement {
	isNamed := names(isKey)
	var found []*corev1.NodeSelectorRequirement
	for _, term := range terms(pv) {
		for i := range term.MatchExpressions {
			if requirement := &term.MatchExpressions[i]; isNamed(*requirement) {
				found = append(found, requirement)
			}
		}
	}
	return found
}

func appendNew(values []string, value string) []string {
	if value == "" || slices.Contains(values, value) {
		return values
	}
	return append(values, value)
}
