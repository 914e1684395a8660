// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// group is a snapshot group: snapshots that were cut together.
type group struct {
	resource
	instance string
}

// Limits of a snapshot group, of the document "Snapshot-consistent groups".
const (
	maxGroupDisks = 16
	maxGroupSize  = 32 << 10 // GiB
)

func (s *Service) createSnapshotGroup(r *request) (any, error) {
	disks, err := groupDisks(r)
	if err != nil {
		return nil, err
	}
	if err := checkGroup(disks); err != nil {
		return nil, err
	}
	common, err := readResource(r, "ssg-", groupFields())
	if err != nil {
		return nil, err
	}
	if err := s.checkCut(r, disks); err != nil {
		return nil, err
	}
	made := &group{resource: common, instance: r.Params.String("InstanceId")}
	if err := s.cutAll(r, made, disks); err != nil {
		return nil, err
	}
	made.sequence = s.next()
	r.region.groups[made.id] = made
	return map[string]string{"SnapshotGroupId": made.id}, nil
}

// cutAll makes the members of a group. When one fails, none is left. Name, description, tags and resource group are the
// group's alone: so the parameters of CreateSnapshotGroup are described, none of which is about the members.
func (s *Service) cutAll(r *request, in *group, disks []*disk) error {
	for _, d := range disks {
		member, err := s.cut(r, d, resource{id: newID("s-"), account: in.account, created: r.now})
		if err != nil {
			return errors.Join(err, s.removeMembers(r.region, in.id))
		}
		member.group = in.id
	}
	return nil
}

func (s *Service) removeMembers(r *region, groupID string) error {
	var err error
	for _, member := range r.members(groupID) {
		err = errors.Join(err, s.removeSnapshot(r, member))
	}
	return err
}

// groupDisks finds the disks that a group is asked for: those that are named, or those of an instance.
func groupDisks(r *request) ([]*disk, error) {
	named, excluded, instanceID := r.Params.List("DiskId"), r.Params.List("ExcludeDiskId"), r.Params.String("InstanceId")
	if instanceID != "" {
		if _, ok := find(r.region.instances, r.Caller.AccountID, instanceID); !ok {
			return nil, instanceNotFound()
		}
	}
	switch {
	case len(named) > 0 && len(excluded) > 0:
		return nil, rpc.BadRequest("InvalidParam.ExcludeDiskIdsAndDiskIds.Conflict",
			"The use of parameter 'ExcludeDiskIds' and 'DiskIds' at the same time is not supported.")
	case len(named) == 0 && instanceID == "":
		// The code is spelt so by the API.
		return nil, rpc.BadRequest("MissingParamter.InstanceId", "The specified InstanceId should not be null.")
	case len(named) == 0:
		return instanceDisks(r, instanceID, excluded)
	}
	var disks []*disk
	for _, id := range named {
		d, ok := find(r.region.disks, r.Caller.AccountID, id)
		if !ok || instanceID != "" && !slices.Contains(d.instances, instanceID) {
			return nil, diskNotFound()
		}
		if !slices.Contains(disks, d) {
			disks = append(disks, d)
		}
	}
	return disks, nil
}

func instanceDisks(r *request, instanceID string, excluded []string) ([]*disk, error) {
	disks := newestFirst(r.region.disks, r.Caller.AccountID, func(d *disk) bool {
		return slices.Contains(d.instances, instanceID) && !slices.Contains(excluded, d.id)
	})
	if len(disks) == 0 {
		return nil, rpc.Forbidden("InvalidInstance.NoDisk", "There is no disk mounted on the instance.")
	}
	return disks, nil
}

// checkGroup says why disks can not be in a group together.
func checkGroup(disks []*disk) error {
	if len(disks) > maxGroupDisks {
		return rpc.Forbidden("NumberExceed.TooManyDisks", "The number of all disks in the request exceeds.")
	}
	var size int64
	for _, d := range disks {
		size += d.size
		c, _ := categoryNamed(d.category)
		switch {
		case (d.zone == "") != (disks[0].zone == ""):
			return rpc.Forbidden("InvalidDisk.DiskCategoryInconsistent", "If any specified disk is of a regional disk "+
				"category, then all disks must also be of that regional disk category.")
		case d.zone != disks[0].zone:
			return rpc.BadRequest("InvalidDiskIds.NotInSameZone", "The specified disks are not in the same availability zone.")
		case !c.instant:
			return categoryCannot()
		case d.shared:
			return rpc.Forbidden("InvalidOperation.MultiAttachDisk", "Multi attach disk does not support this operation.")
		}
	}
	if size > maxGroupSize {
		return rpc.Forbidden("CapacityExceed.TooManyDisks", "The capacity of all disks in the request exceeds.")
	}
	return nil
}

// members are the snapshots of a group that still exist.
func (r *region) members(groupID string) []*snapshot {
	var some []*snapshot
	for _, s := range r.snapshots {
		if s.group == groupID {
			some = append(some, s)
		}
	}
	slices.SortFunc(some, func(a, b *snapshot) int { return strings.Compare(a.disk, b.disk) })
	return some
}

func (s *Service) deleteSnapshotGroup(r *request) (any, error) {
	found, ok := find(r.region.groups, r.Caller.AccountID, r.Params.String("SnapshotGroupId"))
	if !ok {
		return nil, groupNotFound()
	}
	var answer deletedGroupAnswer
	for _, member := range r.region.members(found.id) {
		answer.OperationProgressSet.OperationProgress = append(
			answer.OperationProgressSet.OperationProgress, deletedMember(member.id),
		)
	}
	err := s.removeMembers(r.region, found.id)
	delete(r.region.groups, found.id)
	return answer, err
}

// deletedGroupAnswer tells of each member of a group how its deletion went.
type deletedGroupAnswer struct {
	OperationProgressSet struct {
		OperationProgress []operationProgress `json:"OperationProgress"`
	} `json:"OperationProgressSet"`
}

type operationProgress struct {
	OperationStatus string       `json:"OperationStatus"`
	ErrorCode       string       `json:"ErrorCode"`
	ErrorMsg        string       `json:"ErrorMsg"`
	RelatedItemSet  relatedItems `json:"RelatedItemSet"`
}

type relatedItems struct {
	RelatedItem []relatedItem `json:"RelatedItem"`
}

type relatedItem struct {
	Name  string `json:"Name"`
	Value string `json:"Value"`
}

func deletedMember(id string) operationProgress {
	return operationProgress{
		OperationStatus: "Success",
		RelatedItemSet:  relatedItems{RelatedItem: []relatedItem{{Name: "SnapshotId", Value: id}}},
	}
}

// memberView is a snapshot in the answer of DescribeSnapshotGroups.
type memberView struct {
	SnapshotID     string         `json:"SnapshotId"`
	SourceDiskID   string         `json:"SourceDiskId"`
	SourceDiskType string         `json:"SourceDiskType"`
	Progress       string         `json:"Progress"`
	Available      bool           `json:"Available"`
	Tags           memberTagViews `json:"Tags"`
}

type memberViews struct {
	Snapshot []memberView `json:"Snapshot"`
}

// memberTagViews are tags as the API writes them in snapshot groups: there they are Key and Value.
type memberTagViews struct {
	Tag []memberTagView `json:"Tag"`
}

type memberTagView struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

func viewMemberTags(tags map[string]string) memberTagViews {
	views := memberTagViews{Tag: []memberTagView{}}
	for _, t := range viewTags(tags).Tag {
		views.Tag = append(views.Tag, memberTagView(t))
	}
	return views
}

type groupView struct {
	SnapshotGroupID string         `json:"SnapshotGroupId"`
	Name            string         `json:"Name"`
	Description     string         `json:"Description"`
	InstanceID      string         `json:"InstanceId"`
	Status          string         `json:"Status"`
	ProgressStatus  string         `json:"ProgressStatus,omitempty"`
	CreationTime    string         `json:"CreationTime"`
	ResourceGroupID string         `json:"ResourceGroupId"`
	Snapshots       memberViews    `json:"Snapshots"`
	Tags            memberTagViews `json:"Tags"`
}

func (g *group) view(r *request) groupView {
	members := r.region.members(g.id)
	view := groupView{
		SnapshotGroupID: g.id, Name: g.name, Description: g.description, InstanceID: g.instance,
		Status: groupStatus(members, r.now), CreationTime: timeOf(g.created), ResourceGroupID: g.resourceGroupID,
		Snapshots: memberViews{Snapshot: make([]memberView, 0, len(members))}, Tags: viewMemberTags(g.tags),
	}
	for _, m := range members {
		view.Snapshots.Snapshot = append(view.Snapshots.Snapshot, memberView{
			SnapshotID: m.id, SourceDiskID: m.disk, SourceDiskType: "data", Progress: percent(m.progress(r.now)),
			Available: m.available(r.now), Tags: viewMemberTags(m.tags),
		})
	}
	return view
}

// groupStatus is failed when one member has failed, and accomplished when all members are.
func groupStatus(members []*snapshot, now time.Time) string {
	status := statusAccomplished
	for _, m := range members {
		switch m.status(now) {
		case statusFailed:
			return statusFailed
		case statusProgressing:
			status = statusProgressing
		}
	}
	return status
}

type groupsAnswer struct {
	NextToken      string `json:"NextToken"`
	SnapshotGroups struct {
		SnapshotGroup []groupView `json:"SnapshotGroup"`
	} `json:"SnapshotGroups"`
}

func (s *Service) describeSnapshotGroups(r *request) (any, error) {
	const smallest, largest = 1, 100
	page, err := readPage(r.Params, smallest, largest)
	if err != nil {
		return nil, err
	}
	ids, statuses, tags := r.Params.List("SnapshotGroupId"), r.Params.List("Status"), readTagFilter(r.Params)
	groups, paging := paginate(page, newestFirst(r.region.groups, r.Caller.AccountID, func(g *group) bool {
		return (len(ids) == 0 || slices.Contains(ids, g.id)) && matchTags(g.tags, tags) &&
			(len(statuses) == 0 || slices.Contains(statuses, groupStatus(r.region.members(g.id), r.now))) &&
			matchAll(r.Params, map[string]string{
				"Name": g.name, "InstanceId": g.instance, "ResourceGroupId": g.resourceGroupID,
			})
	}))
	answer := groupsAnswer{NextToken: paging.NextToken}
	answer.SnapshotGroups.SnapshotGroup = make([]groupView, 0, len(groups))
	for _, g := range groups {
		answer.SnapshotGroups.SnapshotGroup = append(answer.SnapshotGroups.SnapshotGroup, g.view(r))
	}
	return answer, nil
}
