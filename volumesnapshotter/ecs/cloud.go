// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/tea"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// This file is what the snapshotter reads of ECS, in types of its own: the SDK's
// have a pointer for every field, and other types for the same thing in each call.

// maxIDs is how many ids a call of DescribeDisks or DescribeSnapshots takes, and
// how many results a page of theirs has at most.
const maxIDs = 100

// disk is an ECS disk.
type disk struct {
	id     string
	status string
	spec   diskspec.Spec
	// attached tells whether the disk is or ever was attached.
	attached bool
	source   string
	created  time.Time
	tags     map[string]string
}

// Statuses of disks (DescribeDisks).
const (
	diskCreating = "Creating"
	diskInUse    = "In_use"
)

// snapshot is an ECS snapshot.
type snapshot struct {
	id       string
	diskID   string
	status   string
	progress string
	// available says that disks can be made of the snapshot, though it may not be accomplished.
	available     bool
	sizeGiB       int64
	encrypted     bool
	kmsKeyID      string
	created       time.Time
	retentionDays int
	tags          map[string]string
}

// Statuses of snapshots (DescribeSnapshots).
const (
	snapshotAccomplished = "accomplished"
	snapshotFailed       = "failed"
)

// usable tells whether disks can be made of the snapshot.
func (s snapshot) usable() bool { return s.available || s.status == snapshotAccomplished }

// percent is how far the snapshot is; 0 where ECS does not say.
func (s snapshot) percent() int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(s.progress, "%"), 10, 64)
	return n
}

// describeDisks returns the disks of those ids, at most maxIDs, that exist.
func describeDisks(ctx context.Context, api *alicloud.ECS, ids ...string) ([]disk, error) {
	return listDisks(ctx, api, &sdk.DescribeDisksRequest{DiskIds: jsonArray(ids), MaxResults: tea.Int32(maxIDs)})
}

// findDisks returns the disks that carry all of the tags.
func findDisks(ctx context.Context, api *alicloud.ECS, tags map[string]string) ([]disk, error) {
	return listDisks(ctx, api, &sdk.DescribeDisksRequest{
		MaxResults: tea.Int32(maxIDs),
		Tag: sdkTags(tags, func(key, value *string) *sdk.DescribeDisksRequestTag {
			return &sdk.DescribeDisksRequestTag{Key: key, Value: value}
		}),
	})
}

func listDisks(ctx context.Context, api *alicloud.ECS, request *sdk.DescribeDisksRequest) ([]disk, error) {
	var found []disk
	for {
		answer, err := api.DescribeDisks(ctx, request)
		if err != nil {
			return nil, err
		}
		if answer.Disks != nil {
			for _, d := range answer.Disks.Disk {
				found = append(found, diskOf(d))
			}
		}
		if tea.StringValue(answer.NextToken) == "" {
			return found, nil
		}
		request.NextToken = answer.NextToken
	}
}

func diskOf(d *sdk.DescribeDisksResponseBodyDisksDisk) disk {
	found := disk{
		id:     tea.StringValue(d.DiskId),
		status: tea.StringValue(d.Status),
		spec: diskspec.Spec{
			Type:            volume.DiskType{Category: tea.StringValue(d.Category), PerformanceLevel: tea.StringValue(d.PerformanceLevel)},
			Zone:            tea.StringValue(d.ZoneId),
			SizeGiB:         int64(tea.Int32Value(d.Size)),
			Encrypted:       tea.BoolValue(d.Encrypted),
			KMSKeyID:        tea.StringValue(d.KMSKeyId),
			ProvisionedIOPS: tea.Int64Value(d.ProvisionedIops),
			Bursting:        tea.BoolValue(d.BurstingEnabled),
			MultiAttach:     tea.StringValue(d.MultiAttach) == "Enabled",
			ResourceGroupID: tea.StringValue(d.ResourceGroupId),
		},
		// A disk that several instances have need not name one.
		attached: tea.StringValue(d.Status) == diskInUse ||
			tea.StringValue(d.InstanceId)+tea.StringValue(d.AttachedTime)+tea.StringValue(d.DetachedTime) != "",
		source:  tea.StringValue(d.SourceSnapshotId),
		created: timeOf(d.CreationTime),
		tags:    map[string]string{},
	}
	if d.Tags != nil {
		for _, t := range d.Tags.Tag {
			found.tags[tea.StringValue(t.TagKey)] = tea.StringValue(t.TagValue)
		}
	}
	return found
}

// describeSnapshots returns the snapshots of those ids, at most maxIDs, that exist.
func describeSnapshots(ctx context.Context, api *alicloud.ECS, ids ...string) ([]snapshot, error) {
	return listSnapshots(ctx, api, &sdk.DescribeSnapshotsRequest{SnapshotIds: jsonArray(ids), MaxResults: tea.Int32(maxIDs)})
}

// findSnapshots returns the snapshots that carry all of the tags.
func findSnapshots(ctx context.Context, api *alicloud.ECS, tags map[string]string) ([]snapshot, error) {
	return listSnapshots(ctx, api, &sdk.DescribeSnapshotsRequest{
		MaxResults: tea.Int32(maxIDs),
		Tag: sdkTags(tags, func(key, value *string) *sdk.DescribeSnapshotsRequestTag {
			return &sdk.DescribeSnapshotsRequestTag{Key: key, Value: value}
		}),
	})
}

func listSnapshots(ctx context.Context, api *alicloud.ECS, request *sdk.DescribeSnapshotsRequest) ([]snapshot, error) {
	var found []snapshot
	for {
		answer, err := api.DescribeSnapshots(ctx, request)
		if err != nil {
			return nil, err
		}
		if answer.Snapshots != nil {
			for _, s := range answer.Snapshots.Snapshot {
				found = append(found, snapshotOf(s))
			}
		}
		if tea.StringValue(answer.NextToken) == "" {
			return found, nil
		}
		request.NextToken = answer.NextToken
	}
}

func snapshotOf(s *sdk.DescribeSnapshotsResponseBodySnapshotsSnapshot) snapshot {
	size, _ := strconv.ParseInt(tea.StringValue(s.SourceDiskSize), 10, 64) // 0 for none
	found := snapshot{
		id:            tea.StringValue(s.SnapshotId),
		diskID:        tea.StringValue(s.SourceDiskId),
		status:        tea.StringValue(s.Status),
		progress:      tea.StringValue(s.Progress),
		available:     tea.BoolValue(s.Available),
		sizeGiB:       size,
		encrypted:     tea.BoolValue(s.Encrypted),
		kmsKeyID:      tea.StringValue(s.KMSKeyId),
		created:       timeOf(s.CreationTime),
		retentionDays: int(tea.Int32Value(s.RetentionDays)),
		tags:          map[string]string{},
	}
	if s.Tags != nil {
		for _, t := range s.Tags.Tag {
			found.tags[tea.StringValue(t.TagKey)] = tea.StringValue(t.TagValue)
		}
	}
	return found
}

// snapshotGroup is a group of snapshots that were cut together.
type snapshotGroup struct {
	id string
	// members are the ids of the snapshots by that of their disk.
	members map[string]string
	// asked are those of the members that a backup has asked for.
	asked []string
	tags  map[string]string
}

// findGroups returns the snapshot groups that carry all of the tags.
func findGroups(ctx context.Context, api *alicloud.ECS, tags map[string]string) ([]snapshotGroup, error) {
	request := &sdk.DescribeSnapshotGroupsRequest{
		MaxResults: tea.Int32(maxIDs),
		Tag: sdkTags(tags, func(key, value *string) *sdk.DescribeSnapshotGroupsRequestTag {
			return &sdk.DescribeSnapshotGroupsRequestTag{Key: key, Value: value}
		}),
	}
	var found []snapshotGroup
	for {
		answer, err := api.DescribeSnapshotGroups(ctx, request)
		if err != nil {
			return nil, err
		}
		if answer.SnapshotGroups != nil {
			for _, g := range answer.SnapshotGroups.SnapshotGroup {
				found = append(found, groupOf(g))
			}
		}
		if tea.StringValue(answer.NextToken) == "" {
			return found, nil
		}
		request.NextToken = answer.NextToken
	}
}

func groupOf(g *sdk.DescribeSnapshotGroupsResponseBodySnapshotGroupsSnapshotGroup) snapshotGroup {
	found := snapshotGroup{id: tea.StringValue(g.SnapshotGroupId), members: map[string]string{}, tags: map[string]string{}}
	if g.Tags != nil {
		for _, t := range g.Tags.Tag {
			found.tags[tea.StringValue(t.Key)] = tea.StringValue(t.Value)
		}
	}
	if g.Snapshots == nil {
		return found
	}
	for _, s := range g.Snapshots.Snapshot {
		id := tea.StringValue(s.SnapshotId)
		found.members[tea.StringValue(s.SourceDiskId)] = id
		if s.Tags != nil && slices.ContainsFunc(s.Tags.Tag, func(t *sdk.DescribeSnapshotGroupsResponseBodySnapshotGroupsSnapshotGroupSnapshotsSnapshotTagsTag) bool {
			return tea.StringValue(t.Key) == tagVolume
		}) {
			found.asked = append(found.asked, id)
		}
	}
	return found
}

// addTags tags a disk or a snapshot; kind is the API's ResourceType.
func addTags(ctx context.Context, api *alicloud.ECS, kind, id string, tags map[string]string) error {
	_, err := api.TagResources(ctx, &sdk.TagResourcesRequest{
		ResourceType: tea.String(kind),
		ResourceId:   []*string{tea.String(id)},
		Tag: sdkTags(tags, func(key, value *string) *sdk.TagResourcesRequestTag {
			return &sdk.TagResourcesRequestTag{Key: key, Value: value}
		}),
	})
	return err
}

// The API's names of what can be tagged.
const (
	resourceDisk     = "disk"
	resourceSnapshot = "snapshot"
)

// sdkTags makes the tags of a request, in the order of their keys, so that a
// request that is sent twice is the same.
func sdkTags[T any](tags map[string]string, newTag func(key, value *string) T) []T {
	made := make([]T, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		made = append(made, newTag(tea.String(key), tea.String(tags[key])))
	}
	return made
}

// jsonArray writes ids as the API takes them.
func jsonArray(ids []string) *string {
	text, _ := json.Marshal(ids) //nolint:errchkjson // Strings can always be written.
	return tea.String(string(text))
}

// timeOf reads a time of ECS, which has seconds in some answers alone. The zero
// time is for one that is not there.
func timeOf(text *string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z"} {
		if parsed, err := time.Parse(layout, tea.StringValue(text)); err == nil {
			return parsed
		}
	}
	return time.Time{}
}

// deleteSnapshot deletes a snapshot, also one that is being made or of which disks
// were made. One that is not there is no error.
func deleteSnapshot(ctx context.Context, api *alicloud.ECS, id string) error {
	_, err := api.DeleteSnapshot(ctx, &sdk.DeleteSnapshotRequest{SnapshotId: tea.String(id), Force: tea.Bool(true)})
	return ignoreNotFound(err)
}

// deleteGroup deletes a snapshot group with its members. One that is not there is no error.
// The answer tells of each member whether it was deleted: one that was not stays without its
// group, and is deleted by itself, or its error tells why it cannot be.
func deleteGroup(ctx context.Context, api *alicloud.ECS, id string) error {
	answer, err := api.DeleteSnapshotGroup(ctx, &sdk.DeleteSnapshotGroupRequest{SnapshotGroupId: tea.String(id)})
	if err != nil || answer.OperationProgressSet == nil {
		return ignoreNotFound(err)
	}
	var failed []error
	for _, member := range answer.OperationProgressSet.OperationProgress {
		if tea.StringValue(member.ErrorCode) == "" {
			continue
		}
		left := snapshotsIn(member)
		if len(left) == 0 {
			failed = append(failed, fmt.Errorf("a member of the snapshot group %s is left: %s: %s", id, tea.StringValue(member.ErrorCode), tea.StringValue(member.ErrorMsg)))
		}
		for _, snapshotID := range left {
			failed = append(failed, deleteSnapshot(ctx, api, snapshotID))
		}
	}
	return errors.Join(failed...)
}

// snapshotsIn returns the ids of the snapshots that a part of an answer is about.
func snapshotsIn(part *sdk.DeleteSnapshotGroupResponseBodyOperationProgressSetOperationProgress) []string {
	if part.RelatedItemSet == nil {
		return nil
	}
	var ids []string
	for _, item := range part.RelatedItemSet.RelatedItem {
		if tea.StringValue(item.Name) == "SnapshotId" && tea.StringValue(item.Value) != "" {
			ids = append(ids, tea.StringValue(item.Value))
		}
	}
	return ids
}

func ignoreNotFound(err error) error {
	if failure.Classify(err) == failure.NotFound {
		return nil
	}
	return err
}

// deleteDisk deletes a disk that is not attached. One that is not there is no error.
func deleteDisk(ctx context.Context, api *alicloud.ECS, id string) error {
	_, err := api.DeleteDisk(ctx, &sdk.DeleteDiskRequest{DiskId: tea.String(id)})
	return ignoreNotFound(err)
}
