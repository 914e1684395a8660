// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"context"
	"errors"
	"maps"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/tea"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// blueprint is all that a disk is made from.
type blueprint struct {
	wanted order
	// source is the snapshot in this region.
	source snapshot
	told   record
	// restore is the one that the disk is for.
	restore *velerov1.Restore
	planned []diskspec.Spec
	// asked is the size in GiB that is wanted, whatever the type of the disk needs.
	asked int64
}

// soldOut is what a zone does not sell: it may sell the type without encryption, or
// for one instance.
type soldOut struct {
	zone      string
	kind      volume.DiskType
	encrypted bool
	shared    bool
}

func soldOutKey(spec diskspec.Spec) soldOut {
	return soldOut{zone: spec.Zone, kind: spec.Type, encrypted: spec.Encrypted, shared: spec.MultiAttach}
}

// errSoldOut is returned where no zone sells what the disk may be.
var errSoldOut = errors.New("none of the zones sells a disk of a category that the volume may have")

// makeDisk returns the id of the disk of a blueprint: the one that this restore has
// made already, one that an earlier restore has left unused, else a new one.
func (s *site) makeDisk(ctx context.Context, api *alicloud.ECS, b blueprint) (string, error) {
	clusterID, err := s.cluster.ID(ctx)
	if err != nil {
		return "", err
	}
	found, err := s.adopt(ctx, api, b, clusterID)
	if err != nil || found != "" {
		return found, err
	}
	var refusal error
	for i, spec := range b.planned {
		if refused := s.refusalOf(spec); refused != nil {
			refusal = refused
			continue
		}
		id, err := s.createDisk(ctx, api, b, spec, clusterID)
		if failure.Classify(err) == failure.SoldOut {
			s.markSoldOut(spec, err)
			refusal = err
			continue
		}
		if err != nil {
			return "", err
		}
		s.remember(api, id, spec)
		s.tell(b, id, i)
		return id, nil
	}
	return "", final.Errorf("%w: tried %d, first %s: %w", errSoldOut, len(b.planned), describeSpec(b.planned[0]), refusal)
}

// tell logs what disk was made, and warns where it is not the preferred one.
func (s *site) tell(b blueprint, id string, chosen int) {
	log := s.log.WithField("disk", id).WithField("snapshot", b.wanted.snapshot.String()).WithField("persistentVolume", b.told.volume)
	made := b.planned[chosen]
	if chosen > 0 {
		trap := ""
		if made.Zone != b.planned[0].Zone {
			trap = "; a Pod with disks in several zones cannot be scheduled"
		}
		log.Warnf("The disk is %s, for ECS does not sell %s%s", describeSpec(made), describeSpec(b.planned[0]), trap)
		return
	}
	if least := max(b.asked, diskspec.MinGiB); made.SizeGiB > least {
		log.Warnf("The disk is %s, for ECS makes none of this type with %d GiB", describeSpec(made), least)
		return
	}
	log.Infof("ECS makes the disk: %s", describeSpec(made))
}

// refusalOf returns the answer with which ECS has refused such a disk to this process, nil if it has not.
func (s *site) refusalOf(spec diskspec.Spec) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.soldOut[soldOutKey(spec)]
}

func (s *site) markSoldOut(spec diskspec.Spec, refusal error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.soldOut[soldOutKey(spec)] = refusal
}

func (s *site) createDisk(ctx context.Context, api *alicloud.ECS, b blueprint, spec diskspec.Spec, clusterID string) (string, error) {
	request := newDiskRequest(spec, b.source)
	request.DiskName = tea.String(nameOf(b.restore.Name, b.told.volume))
	request.ClientToken = tea.String(clientToken("CreateDisk", b.restore.UID, b.source.id, spec))
	request.Tag = sdkTags(s.diskTags(b, clusterID), func(key, value *string) *sdk.CreateDiskRequestTag {
		return &sdk.CreateDiskRequestTag{Key: key, Value: value}
	})
	if request.ResourceGroupId == nil && s.resourceGroupID != "" {
		request.ResourceGroupId = tea.String(s.resourceGroupID)
	}
	answer, err := api.CreateDisk(ctx, request)
	if err != nil {
		return "", err
	}
	if tea.StringValue(answer.DiskId) == "" {
		return "", errors.New("ECS accepted the disk and did not tell its id")
	}
	return tea.StringValue(answer.DiskId), nil
}

// newDiskRequest writes a disk as CreateDisk takes it, with no parameter that the
// disk's category does not allow.
func newDiskRequest(spec diskspec.Spec, source snapshot) *sdk.CreateDiskRequest {
	request := &sdk.CreateDiskRequest{
		SnapshotId:   tea.String(source.id),
		Size:         tea.Int32(int32(spec.SizeGiB)),
		DiskCategory: tea.String(spec.Type.Category),
	}
	if spec.Zone != "" {
		request.ZoneId = tea.String(spec.Zone)
	}
	if spec.Type.PerformanceLevel != "" {
		request.PerformanceLevel = tea.String(spec.Type.PerformanceLevel)
	}
	if spec.ProvisionedIOPS > 0 {
		request.ProvisionedIops = tea.Int64(spec.ProvisionedIOPS)
	}
	if spec.Bursting {
		request.BurstingEnabled = tea.Bool(true)
	}
	if spec.MultiAttach {
		request.MultiAttach = tea.String("Enabled")
	}
	if spec.ResourceGroupID != "" {
		request.ResourceGroupId = tea.String(spec.ResourceGroupID)
	}
	if spec.Encrypted {
		request.Encrypted = tea.Bool(true)
		// The key of an encrypted snapshot is the disk's own.
		if spec.KMSKeyID != "" && spec.KMSKeyID != source.kmsKeyID {
			request.KMSKeyId = tea.String(spec.KMSKeyID)
		}
	}
	return request
}

// asMade returns the type of the disk that ECS makes where a type is asked for.
func asMade(asked volume.DiskType) volume.DiskType {
	if asked.Category == diskspec.ESSD {
		asked.PerformanceLevel = cmp.Or(asked.PerformanceLevel, "PL1") // CreateDisk's default.
	}
	return asked
}

// diskTags are those that the disk had, and what tells later restores whose it is.
func (s *site) diskTags(b blueprint, clusterID string) map[string]string {
	tags := map[string]string{
		tagCluster: clusterID, tagVelero: s.cluster.Namespace(), tagSnapshot: b.wanted.snapshot.String(), tagRestoreUID: string(b.restore.UID),
	}
	if b.told.backupUID != "" {
		tags[tagBackupUID] = b.told.backupUID
	}
	optional := map[string]string{tagRestore: b.restore.Name, tagClaim: claimText(b.told.claim)}
	maps.DeleteFunc(optional, func(_, value string) bool { return value == "" || len(value) > maxTagLength })
	left := fillTags(tags, maxTags, b.told.diskTags, s.tags, optional)
	if len(left) > 0 {
		s.log.WithField("tags", left).Info("ECS allows 20 tags: the disk does not carry all that it had")
	}
	return tags
}
