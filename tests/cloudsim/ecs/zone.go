// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"maps"
	"slices"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

type regionView struct {
	RegionID       string `json:"RegionId"`
	LocalName      string `json:"LocalName"`
	RegionEndpoint string `json:"RegionEndpoint"`
	Status         string `json:"Status"`
}

type regionsAnswer struct {
	Regions struct {
		Region []regionView `json:"Region"`
	} `json:"Regions"`
}

func (s *Service) describeRegions(*request) (any, error) {
	var answer regionsAnswer
	for _, id := range slices.Sorted(maps.Keys(s.regions)) {
		answer.Regions.Region = append(answer.Regions.Region, regionView{
			RegionID: id, LocalName: id, RegionEndpoint: Product + "." + id + rpc.Domain, Status: "available",
		})
	}
	return answer, nil
}

type diskCategories struct {
	DiskCategories []string `json:"DiskCategories"`
}

type resourceTypes struct {
	ResourceTypes []string `json:"ResourceTypes"`
}

type zoneView struct {
	ZoneID                    string         `json:"ZoneId"`
	LocalName                 string         `json:"LocalName"`
	ZoneType                  string         `json:"ZoneType"`
	AvailableDiskCategories   diskCategories `json:"AvailableDiskCategories"`
	AvailableResourceCreation resourceTypes  `json:"AvailableResourceCreation"`
}

type zonesAnswer struct {
	Zones struct {
		Zone []zoneView `json:"Zone"`
	} `json:"Zones"`
}

func (s *Service) describeZones(r *request) (any, error) {
	var answer zonesAnswer
	for _, z := range r.region.zones {
		view := zoneView{
			ZoneID: z.ID, LocalName: z.ID, ZoneType: "AvailabilityZone",
			AvailableDiskCategories:   diskCategories{DiskCategories: []string{}},
			AvailableResourceCreation: resourceTypes{ResourceTypes: []string{"Instance", "Disk", "VSwitch"}},
		}
		for _, name := range categoryNames() {
			if z.inStock(name) {
				view.AvailableDiskCategories.DiskCategories = append(view.AvailableDiskCategories.DiskCategories, name)
			}
		}
		answer.Zones.Zone = append(answer.Zones.Zone, view)
	}
	return answer, nil
}

// supportedResource is a disk category of a zone, with its sizes in GiB.
type supportedResource struct {
	Value          string `json:"Value"`
	Status         string `json:"Status"`
	StatusCategory string `json:"StatusCategory"`
	Min            int64  `json:"Min"`
	Max            int64  `json:"Max"`
	Unit           string `json:"Unit"`
}

type supportedResources struct {
	SupportedResource []supportedResource `json:"SupportedResource"`
}

type availableResource struct {
	Type               string             `json:"Type"`
	SupportedResources supportedResources `json:"SupportedResources"`
}

type availableResources struct {
	AvailableResource []availableResource `json:"AvailableResource"`
}

type availableZone struct {
	RegionID           string             `json:"RegionId"`
	ZoneID             string             `json:"ZoneId"`
	Status             string             `json:"Status"`
	StatusCategory     string             `json:"StatusCategory"`
	AvailableResources availableResources `json:"AvailableResources"`
}

type availableZonesAnswer struct {
	AvailableZones struct {
		AvailableZone []availableZone `json:"AvailableZone"`
	} `json:"AvailableZones"`
}

// destinationDataDisk is the one DestinationResource that is simulated.
const destinationDataDisk = "DataDisk"

func (s *Service) describeAvailableResource(r *request) (any, error) {
	if r.Params.String("DestinationResource") != destinationDataDisk {
		return nil, rpc.BadRequest("NotSimulated", "The simulator knows the DestinationResource DataDisk alone.")
	}
	if id := r.Params.String("ZoneId"); id != "" && r.region.zone(id) == nil {
		return nil, zoneNotFound()
	}
	var answer availableZonesAnswer
	for _, z := range r.region.zones {
		if id := r.Params.String("ZoneId"); id != "" && id != z.ID {
			continue
		}
		if view := z.available(r); len(view.AvailableResources.AvailableResource[0].SupportedResources.SupportedResource) > 0 {
			answer.AvailableZones.AvailableZone = append(answer.AvailableZones.AvailableZone, view)
		}
	}
	return answer, nil
}

// available lists the categories that the zone sells, those that are out of stock among them.
func (z *Zone) available(r *request) availableZone {
	view := availableZone{RegionID: r.region.id, ZoneID: z.ID}
	view.Status, view.StatusCategory = stockOf(false)
	var supported supportedResources
	for _, name := range categoryNames() {
		if asked := r.Params.String("DataDiskCategory"); !z.sells(name) || asked != "" && asked != name {
			continue
		}
		c, _ := categoryNamed(name)
		item := supportedResource{Value: name, Min: c.minSize, Max: c.maxSize, Unit: "GiB"}
		item.Status, item.StatusCategory = stockOf(z.inStock(name))
		if z.inStock(name) {
			view.Status, view.StatusCategory = stockOf(true)
		}
		supported.SupportedResource = append(supported.SupportedResource, item)
	}
	view.AvailableResources.AvailableResource = []availableResource{{
		Type: destinationDataDisk, SupportedResources: supported,
	}}
	return view
}

func stockOf(inStock bool) (status, category string) {
	if inStock {
		return "Available", "WithStock"
	}
	return "SoldOut", "WithoutStock"
}
