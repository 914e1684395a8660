// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// fallbackTypes are those that a disk may have instead of its own where no zone
// sells that, and those of a disk whose own is not known. They are in the order in
// which the CSI driver tries them for a StorageClass that leaves it the choice.
func fallbackTypes() []volume.DiskType {
	return []volume.DiskType{
		{Category: diskspec.ESSD, PerformanceLevel: "PL1"},
		{Category: diskspec.AutoPL},
		{Category: "cloud_essd_entry"},
		{Category: "cloud_ssd"},
		{Category: "cloud_efficiency"},
	}
}

// plan returns the disks that may be made of a snapshot of the region, the preferred
// one first: the target's types, else the location's for the recorded one, else the
// recorded one, each in the zones that it may be in.
func (s *site) plan(ctx context.Context, region string, r record, source snapshot, target diskspec.Target) ([]diskspec.Spec, error) {
	base := target.Apply(r.disk)
	switch {
	case source.encrypted:
		base.Encrypted = true // ECS decrypts nothing.
	case !base.Encrypted:
		base.KMSKeyID = ""
	case target.KMSKeyID == "":
		base.KMSKeyID = s.kmsKeyID
	}
	zones := s.zonesFor(ctx, region, r.disk, target)
	least := max(base.SizeGiB, diskspec.MinGiB)
	var planned, larger []diskspec.Spec
	var unfit []error
	for _, kind := range s.typesFor(r.disk.Type, base.MultiAttach, target) {
		in := zones
		if kind.Category == diskspec.Regional {
			in = []string{""}
		}
		for _, zone := range in {
			spec := base
			spec.Type, spec.Zone = kind, zone
			spec, err := spec.Fit()
			if err != nil {
				unfit = append(unfit, err)
				break
			}
			// Of the types of a class, one that needs a larger disk, such as PL2 with its 461
			// GiB, comes after those that do not, as the CSI driver has it.
			if spec.SizeGiB > least && len(target.Types) > 0 {
				larger = append(larger, spec)
				continue
			}
			planned = append(planned, spec)
		}
	}
	planned = append(planned, larger...)
	switch {
	case len(planned) > 0:
		return planned, nil
	case len(unfit) > 0:
		return nil, final.Errorf("%w", errors.Join(unfit...))
	default:
		return nil, final.Errorf("%w (it was in zone %q)", errNoZone, r.disk.Zone)
	}
}

// typesFor returns the types that a disk may have. A shared one must be attached to
// several instances, also where it becomes of another type than its own.
func (s *site) typesFor(recorded volume.DiskType, shared bool, target diskspec.Target) []volume.DiskType {
	if len(target.Types) > 0 {
		return target.Types // The class says so, and what it does not name it does not want.
	}
	wanted := recorded
	for _, name := range []string{recorded.String(), recorded.Category} {
		if mapped, ok := s.types[name]; ok {
			wanted = mapped
			break
		}
	}
	others := slices.DeleteFunc(fallbackTypes(), func(t volume.DiskType) bool {
		category, _ := diskspec.CategoryOf(t.Category)
		return t == wanted || shared && !category.Shared
	})
	if wanted.Category == "" {
		return others
	}
	return append([]volume.DiskType{wanted}, others...)
}

// errNoZone is returned where nothing tells the zone of a disk.
var errNoZone = errors.New("no zone is known for the disk: set the location's config key zoneMapping, such as cn-hangzhou-h=cn-beijing-k, or zone")

// zonesFor returns the zones in which a disk may be: the one that the location maps
// its recorded zone to, else the recorded one if it is in the region, then those of
// the cluster's nodes. A target that names zones allows no others.
func (s *site) zonesFor(ctx context.Context, region string, recorded diskspec.Spec, target diskspec.Target) []string {
	ofCluster := s.clusterZones(ctx)
	var zones []string
	switch mapped := s.zones[recorded.Zone]; {
	case mapped != "":
		zones = append(zones, mapped)
	case isIn(region, recorded.Zone):
		zones = append(zones, recorded.Zone)
		if len(ofCluster) > 0 && !slices.Contains(ofCluster, recorded.Zone) {
			s.log.WithField("zone", recorded.Zone).
				Warn("The disk is made in the zone that it was in, where the cluster has no node now; the location's config key zoneMapping names another one")
		}
	}
	zones = append(zones, slices.DeleteFunc(slices.Clone(ofCluster), func(zone string) bool { return !isIn(region, zone) })...)
	if s.zone != "" {
		zones = append(zones, s.zone)
	}
	if len(target.Zones) > 0 {
		zones = append(slices.DeleteFunc(zones, func(zone string) bool { return !slices.Contains(target.Zones, zone) }), target.Zones...)
	}
	return unique(zones)
}

// clusterZones returns the zones of the cluster's nodes, read once.
func (s *site) clusterZones(ctx context.Context) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.zonesOfCluster == nil {
		zones, err := s.cluster.Zones(ctx)
		if err != nil {
			s.log.WithError(err).Warn("The zones of the cluster's nodes could not be read: a disk whose zone is sold out is made in no other")
		}
		s.zonesOfCluster = append([]string{}, zones...)
	}
	return s.zonesOfCluster
}

// isIn tells whether a zone is one of the region: cn-hangzhou-h is in cn-hangzhou and
// us-west-1a in us-west-1, but cn-shanghai-finance-1a is not in cn-shanghai.
func isIn(region, zone string) bool {
	const longestName = 2 // Of a zone within its region.
	name, ok := strings.CutPrefix(zone, region)
	name = strings.TrimPrefix(name, "-")
	return ok && name != "" && len(name) <= longestName
}

// unique returns the texts without repetitions, in their order.
func unique(texts []string) []string {
	var found []string
	for _, text := range texts {
		if !slices.Contains(found, text) {
			found = append(found, text)
		}
	}
	return found
}

// describeSpec writes a disk for people.
func describeSpec(spec diskspec.Spec) string {
	where := "any zone"
	if spec.Zone != "" {
		where = spec.Zone
	}
	return fmt.Sprintf("%s of %d GiB in %s", spec.Type, spec.SizeGiB, where)
}
