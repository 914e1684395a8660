// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// MultiAttachParameter is the parameter of a class, and the attribute of its volumes,
// that lets several nodes attach a disk.
const MultiAttachParameter = "multiAttach"

// defaultLevel is the performance level of a cloud_essd disk for which none is
// asked (CreateDisk, parameter PerformanceLevel).
const defaultLevel = "PL1"

// TargetOf returns what a class of the disk driver asks of its disks. It takes the
// parameters as the driver does: their names are case-sensitive, what is absent
// is not asked. Only that several nodes may attach a disk it always decides: who makes
// use of that asks for it, and disks of some types do not allow it. Its error names the parameter that the driver would refuse too.
// Source: github.com/kubernetes-sigs/alibaba-cloud-csi-driver, pkg/disk/utils.go,
// getDiskVolumeOptions.
func TargetOf(class *storagev1.StorageClass) (diskspec.Target, error) {
	target := diskspec.Target{
		StorageClass:    class.Name,
		ResourceGroupID: class.Parameters["resourceGroupId"],
		Encrypted:       flag(class.Parameters, "encrypted", "true", "yes", "1"),
		Bursting:        flag(class.Parameters, "burstingEnabled", "true", "yes", "1"),
	}
	if target.Encrypted != nil && *target.Encrypted {
		target.KMSKeyID = class.Parameters["kmsKeyId"]
	}
	var err, iopsErr, zonesErr error
	target.Types, err = diskTypes(class.Parameters)
	shared := isTrue(multiAttach(class.Parameters))
	if shared {
		target.Types, shared = shareable(target.Types)
	}
	target.MultiAttach = &shared
	target.ProvisionedIOPS, iopsErr = provisionedIOPS(class.Parameters)
	target.Zones, zonesErr = zones(class)
	if err := errors.Join(err, iopsErr, zonesErr); err != nil {
		return diskspec.Target{}, fmt.Errorf("StorageClass %s: %w", class.Name, err)
	}
	return target, nil
}

// flag returns whether the parameter has one of the values that mean yes, in any
// case; nil where it is absent. Everything else means no, as the driver has it.
func flag(parameters map[string]string, name string, yes ...string) *bool {
	value, ok := parameters[name]
	if !ok {
		return nil
	}
	on := slices.Contains(yes, strings.ToLower(value))
	return &on
}

// multiAttach returns whether several nodes may attach a disk: of a class, and of a
// PersistentVolume, whose attributes are the parameters of its class.
func multiAttach(parameters map[string]string) *bool {
	return flag(parameters, MultiAttachParameter, "true", "enabled")
}

// shareable returns those of the types whose disks several nodes can attach, and
// whether there are any; else all of them.
func shareable(types []volume.DiskType) ([]volume.DiskType, bool) {
	var shared []volume.DiskType
	for _, kind := range types {
		if category, known := diskspec.CategoryOf(kind.Category); !known || category.Shared {
			shared = append(shared, kind)
		}
	}
	if shared == nil {
		return types, false
	}
	return shared, true
}

func isTrue(flag *bool) bool { return flag != nil && *flag }

// diskTypes returns the types that a class allows: each category in order, and of
// cloud_essd each performance level in order.
func diskTypes(parameters map[string]string) ([]volume.DiskType, error) {
	categories, err := list(parameters, "type")
	if err != nil {
		return nil, err
	}
	if categories == nil || slices.Equal(categories, []string{"available"}) {
		// The driver's own order, which has not changed since ESSD came.
		categories = []string{"cloud_ssd", "cloud_efficiency"}
	}
	levels, err := performanceLevels(parameters)
	if err != nil {
		return nil, err
	}
	var types []volume.DiskType
	for _, category := range categories {
		if category != diskspec.ESSD {
			types = append(types, volume.DiskType{Category: category})
			continue
		}
		for _, level := range levels {
			types = append(types, volume.DiskType{Category: category, PerformanceLevel: level})
		}
	}
	return types, nil
}

func performanceLevels(parameters map[string]string) ([]string, error) {
	const name = "performanceLevel"
	if parameters[name] == "" {
		return []string{defaultLevel}, nil
	}
	levels, err := list(parameters, name)
	if err != nil {
		return nil, err
	}
	essd, _ := diskspec.CategoryOf(diskspec.ESSD)
	for _, level := range levels {
		if _, ok := essd.Levels[level]; !ok {
			return nil, fmt.Errorf("parameter %s: %q: allowed are PL0, PL1, PL2 and PL3, separated by commas", name, level)
		}
	}
	return levels, nil
}

func provisionedIOPS(parameters map[string]string) (*int64, error) {
	const name = "provisionedIops"
	value, ok := parameters[name]
	if !ok {
		return nil, nil
	}
	iops, err := strconv.ParseInt(value, 10, 64)
	if err != nil || iops < 0 {
		return nil, fmt.Errorf("parameter %s: %q: allowed is a whole number from 0", name, value)
	}
	return &iops, nil
}

// zones returns the zones that a class allows, nil for all: those of its
// parameter zoneId, those of its allowedTopologies, or those in both.
func zones(class *storagev1.StorageClass) ([]string, error) {
	const name = "zoneId"
	parameters := class.Parameters
	if _, ok := parameters[name]; !ok {
		// The driver takes this spelling too.
		parameters = map[string]string{}
		if value, ok := class.Parameters[strings.ToLower(name)]; ok {
			parameters[name] = value
		}
	}
	chosen, err := list(parameters, name)
	if err != nil {
		return nil, err
	}
	allowed := allowedZones(class.AllowedTopologies)
	switch {
	case chosen == nil:
		return allowed, nil
	case allowed == nil:
		return chosen, nil
	}
	both := intersection(chosen, allowed)
	if len(both) == 0 {
		return nil, fmt.Errorf("parameter %s: none of the zones %v is in allowedTopologies %v", name, chosen, allowed)
	}
	return both, nil
}

// allowedZones returns the zones of any of the terms, nil if one leaves the zone open.
func allowedZones(terms []corev1.TopologySelectorTerm) []string {
	var allowed []string
	for _, term := range terms {
		zones := zonesOf(term)
		if zones == nil {
			return nil
		}
		for _, zone := range zones {
			if !slices.Contains(allowed, zone) {
				allowed = append(allowed, zone)
			}
		}
	}
	return allowed
}

// zonesOf returns the zones that meet every requirement of the term, nil if it has
// none about zones.
func zonesOf(term corev1.TopologySelectorTerm) []string {
	var zones []string
	for _, requirement := range term.MatchLabelExpressions {
		switch {
		case !volume.IsZoneKey(requirement.Key):
		case zones == nil:
			zones = slices.Clone(requirement.Values)
		default:
			zones = intersection(zones, requirement.Values)
		}
	}
	return zones
}

// intersection returns the elements of a that are in b too; not nil.
func intersection(a, b []string) []string {
	both := []string{}
	for _, element := range a {
		if slices.Contains(b, element) {
			both = append(both, element)
		}
	}
	return both
}

// list returns the elements of a parameter, which commas separate, nil where it is absent.
func list(parameters map[string]string, name string) ([]string, error) {
	value, ok := parameters[name]
	if !ok {
		return nil, nil
	}
	elements := strings.Split(value, ",")
	for _, element := range elements {
		// The driver takes a space as part of the name, which nothing in the cloud has.
		if element == "" || strings.ContainsAny(element, " \t\n") {
			return nil, fmt.Errorf("parameter %s: %q: allowed are names separated by commas, without spaces", name, value)
		}
	}
	return elements, nil
}
