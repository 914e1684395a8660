// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"cmp"
	"context"

	ecs "github.com/alibabacloud-go/ecs-20140526/v4/client"
)

// The APIs of ECS (2014-05-26) that the plugin uses, under their own names. Each
// waits for its turn, is repeated as its failure allows, and returns a *CallError.
// A request without a RegionId is sent with that of the ECS; the given one is not changed.
// Where an API makes something, the request is to have a ClientToken, and the *CallError
// tells by MayBeDone that it may be there although the call failed.

// CreateSnapshot begins a snapshot of a disk. The cut is made when it returns.
func (e *ECS) CreateSnapshot(ctx context.Context, request *ecs.CreateSnapshotRequest) (*ecs.CreateSnapshotResponseBody, error) {
	answer, err := send(ctx, e.service, "CreateSnapshot", tokened, (*ecs.Client).CreateSnapshotWithOptions, request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DescribeSnapshots lists snapshots, up to 100 for each call.
func (e *ECS) DescribeSnapshots(ctx context.Context, request *ecs.DescribeSnapshotsRequest) (*ecs.DescribeSnapshotsResponseBody, error) {
	filled := *request
	filled.RegionId = cmp.Or(filled.RegionId, &e.region)
	answer, err := send(ctx, e.service, "DescribeSnapshots", repeatable, (*ecs.Client).DescribeSnapshotsWithOptions, &filled)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DeleteSnapshot deletes a snapshot, or ends one that is being made.
func (e *ECS) DeleteSnapshot(ctx context.Context, request *ecs.DeleteSnapshotRequest) (*ecs.DeleteSnapshotResponseBody, error) {
	answer, err := send(ctx, e.service, "DeleteSnapshot", repeatable, (*ecs.Client).DeleteSnapshotWithOptions, request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// CopySnapshot begins the copy of a snapshot of this region in another one.
func (e *ECS) CopySnapshot(ctx context.Context, request *ecs.CopySnapshotRequest) (*ecs.CopySnapshotResponseBody, error) {
	filled := *request
	filled.RegionId = cmp.Or(filled.RegionId, &e.region)
	answer, err := send(ctx, e.service, "CopySnapshot", tokened, (*ecs.Client).CopySnapshotWithOptions, &filled)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// CreateSnapshotGroup begins snapshots of several disks, all cut at one moment.
func (e *ECS) CreateSnapshotGroup(ctx context.Context, request *ecs.CreateSnapshotGroupRequest) (*ecs.CreateSnapshotGroupResponseBody, error) {
	filled := *request
	filled.RegionId = cmp.Or(filled.RegionId, &e.region)
	answer, err := send(ctx, e.service, "CreateSnapshotGroup", tokened, (*ecs.Client).CreateSnapshotGroupWithOptions, &filled)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DescribeSnapshotGroups lists snapshot groups with their snapshots.
func (e *ECS) DescribeSnapshotGroups(ctx context.Context, request *ecs.DescribeSnapshotGroupsRequest) (*ecs.DescribeSnapshotGroupsResponseBody, error) {
	filled := *request
	filled.RegionId = cmp.Or(filled.RegionId, &e.region)
	answer, err := send(ctx, e.service, "DescribeSnapshotGroups", repeatable, (*ecs.Client).DescribeSnapshotGroupsWithOptions, &filled)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DeleteSnapshotGroup deletes a snapshot group with its snapshots.
func (e *ECS) DeleteSnapshotGroup(ctx context.Context, request *ecs.DeleteSnapshotGroupRequest) (*ecs.DeleteSnapshotGroupResponseBody, error) {
	filled := *request
	filled.RegionId = cmp.Or(filled.RegionId, &e.region)
	answer, err := send(ctx, e.service, "DeleteSnapshotGroup", repeatable, (*ecs.Client).DeleteSnapshotGroupWithOptions, &filled)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// CreateDisk begins a disk, empty or from a snapshot.
func (e *ECS) CreateDisk(ctx context.Context, request *ecs.CreateDiskRequest) (*ecs.CreateDiskResponseBody, error) {
	filled := *request
	filled.RegionId = cmp.Or(filled.RegionId, &e.region)
	answer, err := send(ctx, e.service, "CreateDisk", tokened, (*ecs.Client).CreateDiskWithOptions, &filled)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DescribeDisks lists disks, up to 100 for each call.
func (e *ECS) DescribeDisks(ctx context.Context, request *ecs.DescribeDisksRequest) (*ecs.DescribeDisksResponseBody, error) {
	filled := *request
	filled.RegionId = cmp.Or(filled.RegionId, &e.region)
	answer, err := send(ctx, e.service, "DescribeDisks", repeatable, (*ecs.Client).DescribeDisksWithOptions, &filled)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DeleteDisk deletes a disk that is attached to nothing.
func (e *ECS) DeleteDisk(ctx context.Context, request *ecs.DeleteDiskRequest) (*ecs.DeleteDiskResponseBody, error) {
	answer, err := send(ctx, e.service, "DeleteDisk", repeatable, (*ecs.Client).DeleteDiskWithOptions, request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// TagResources sets tags on disks, snapshots or snapshot groups.
func (e *ECS) TagResources(ctx context.Context, request *ecs.TagResourcesRequest) (*ecs.TagResourcesResponseBody, error) {
	filled := *request
	filled.RegionId = cmp.Or(filled.RegionId, &e.region)
	answer, err := send(ctx, e.service, "TagResources", repeatable, (*ecs.Client).TagResourcesWithOptions, &filled)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}
