// SPDX-License-Identifier: Apache-2.0

package ecs

import "slices"

// instance is an ECS instance, as far as disks are attached to it.
type instance struct {
	resource
	zone string
	kind string
}

type instanceView struct {
	InstanceID   string   `json:"InstanceId"`
	InstanceName string   `json:"InstanceName"`
	InstanceType string   `json:"InstanceType"`
	RegionID     string   `json:"RegionId"`
	ZoneID       string   `json:"ZoneId"`
	Status       string   `json:"Status"`
	CreationTime string   `json:"CreationTime"`
	Tags         tagViews `json:"Tags"`
}

type instancesAnswer struct {
	pageAnswer
	Instances struct {
		Instance []instanceView `json:"Instance"`
	} `json:"Instances"`
}

func (s *Service) describeInstances(r *request) (any, error) {
	const smallest, largest = 1, 100
	page, err := readPage(r.Params, smallest, largest)
	if err != nil {
		return nil, err
	}
	ids, err := readIDs(r.Params, "InstanceIds")
	if err != nil {
		return nil, err
	}
	tags := readTagFilter(r.Params)
	instances, paging := paginate(page, newestFirst(r.region.instances, r.Caller.AccountID, func(i *instance) bool {
		return (ids == nil || slices.Contains(ids, i.id)) && matchTags(i.tags, tags) &&
			matchAll(r.Params, map[string]string{"ZoneId": i.zone, "InstanceType": i.kind})
	}))
	answer := instancesAnswer{pageAnswer: paging}
	answer.Instances.Instance = make([]instanceView, 0, len(instances))
	for _, i := range instances {
		answer.Instances.Instance = append(answer.Instances.Instance, instanceView{
			InstanceID: i.id, InstanceName: i.id, InstanceType: i.kind, RegionID: r.region.id, ZoneID: i.zone,
			Status: "Running", CreationTime: timeOf(i.created), Tags: viewTags(i.tags),
		})
	}
	return answer, nil
}
