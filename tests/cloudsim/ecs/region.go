// SPDX-License-Identifier: Apache-2.0

package ecs

import "slices"

// region is the store of one region.
type region struct {
	id        string
	zones     []*Zone
	disks     map[string]*disk
	snapshots map[string]*snapshot
	groups    map[string]*group
	instances map[string]*instance
	keys      map[string]KMSKey
}

func newRegion(id string) *region {
	return &region{
		id: id, disks: map[string]*disk{}, snapshots: map[string]*snapshot{}, groups: map[string]*group{},
		instances: map[string]*instance{}, keys: map[string]KMSKey{},
	}
}

func (r *region) zone(id string) *Zone {
	if i := slices.IndexFunc(r.zones, func(z *Zone) bool { return z.ID == id }); i >= 0 {
		return r.zones[i]
	}
	return nil
}

// zone finds a zone among those of all regions.
func (s *Service) zone(id string) (*region, *Zone, bool) {
	for _, r := range s.regions {
		if z := r.zone(id); z != nil {
			return r, z, true
		}
	}
	return nil, nil, false
}

// sells says whether the zone sells a category, be it out of stock or not.
func (z *Zone) sells(category string) bool {
	return !z.Closed && (len(z.Categories) == 0 || slices.Contains(z.Categories, category))
}

func (z *Zone) inStock(category string) bool {
	return z.sells(category) && !slices.Contains(z.SoldOut, category)
}

// checkSale says why a disk of a category can not be had in the zone. The reason decides the error, unless the zone
// has a Refusal of its own.
func (z *Zone) checkSale(category string) error {
	refusal := z.Refusal
	switch {
	case z.inStock(category):
		return nil
	case refusal != "":
	case z.Closed:
		refusal = ZoneNotOnSale
	case !z.sells(category):
		refusal = CategoryNotSupported
	default:
		refusal = NoStock
	}
	return refusal.err()
}
