// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/tea"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

const (
	// labelGroup on a claim names the consistency group, within its namespace.
	labelGroup = tagPrefix + "consistency-group"
	// annotationConsistency on a claim says what happens where its group cannot be cut together.
	annotationConsistency = tagPrefix + "consistency"
	bestEffort            = "best-effort"
)

// Limits of a snapshot group (CreateSnapshotGroup).
const (
	maxGroupDisks   = 16
	maxGroupSizeGiB = 32 << 10
)

// group names the consistency group of the claim, "" if it is in none.
func (v subject) group() string {
	if v.claim == nil || v.claim.Labels[labelGroup] == "" {
		return ""
	}
	return v.claim.Namespace + "/" + v.claim.Labels[labelGroup]
}

// bestEffort tells whether the disk may be cut alone.
func (v subject) bestEffort() bool {
	return v.claim != nil && v.claim.Annotations[annotationConsistency] == bestEffort
}

// groupMaker makes each group of a backup once.
type groupMaker struct {
	mu   sync.Mutex
	made map[string]*madeGroup
}

// madeGroup is what became of a group.
type madeGroup struct {
	id string
	// snapshots are the ids of the snapshots by that of their disk.
	snapshots map[string]string
	err       error

	mu sync.Mutex
	// given are the snapshots that Velero has.
	given map[string]bool
	// marking tells whether the members can be tagged; the first that is given decides.
	marking marking
}

// marking tells whether the snapshots of a group carry tags.
type marking int

const (
	markingUnknown marking = iota
	marked
	unmarked
)

// snapshotInGroup returns the disk's snapshot of its group, which is cut when the
// first of its disks is asked for.
func (s *site) snapshotInGroup(ctx context.Context, api *alicloud.ECS, wanted subject) (madeSnapshot, error) {
	made := s.groupOf(ctx, api, wanted)
	id, ok := made.snapshots[wanted.disk.id]
	switch {
	case made.err != nil && wanted.bestEffort():
		s.log.WithField("group", wanted.group()).WithField("disk", wanted.disk.id).WithError(made.err).
			Warn("The disks of the consistency group are not cut at the same moment")
		return s.snapshotAlone(ctx, api, wanted)
	case made.err != nil:
		return madeSnapshot{}, fmt.Errorf("consistency group %s: %w", wanted.group(), made.err)
	case !ok:
		return madeSnapshot{}, fmt.Errorf("consistency group %s: it was cut without the disk %s, whose claim got the label %s later, or is left out by the backup's label selector: back up again", wanted.group(), wanted.disk.id, labelGroup)
	}
	return s.give(ctx, api, made, wanted, id)
}

// groupOf returns the group of the disk. Of a backup, each is made once.
func (s *site) groupOf(ctx context.Context, api *alicloud.ECS, wanted subject) *madeGroup {
	key := groupKey(wanted.tags[tagBackup], wanted.group())
	s.groups.mu.Lock()
	defer s.groups.mu.Unlock()
	if made, ok := s.groups.made[key]; ok {
		return made
	}
	made := &madeGroup{given: map[string]bool{}}
	made.id, made.snapshots, made.err = s.makeGroup(ctx, api, wanted)
	if s.groups.made == nil {
		s.groups.made = map[string]*madeGroup{}
	}
	s.groups.made[key] = made
	return made
}

func groupKey(backup, group string) string { return backup + " " + group }

// makeGroup cuts all disks of a group and returns its id and the snapshots by disk.
func (s *site) makeGroup(ctx context.Context, api *alicloud.ECS, wanted subject) (id string, snapshots map[string]string, err error) {
	disks, err := s.groupDisks(ctx, wanted)
	if err != nil {
		return "", nil, err
	}
	if err := checkGroup(disks); err != nil {
		return "", nil, err
	}
	ids := make([]*string, 0, len(disks))
	for _, d := range disks {
		ids = append(ids, tea.String(d.id))
	}
	common, _ := record{
		clusterID: wanted.clusterID, backup: wanted.tags[tagBackup], backupUID: wanted.record().backupUID, group: wanted.group(),
	}.tags()
	request := &sdk.CreateSnapshotGroupRequest{
		Name:        tea.String(nameOf(wanted.tags[tagBackup], wanted.group())),
		DiskId:      ids,
		ClientToken: tea.String(clientToken("CreateSnapshotGroup", wanted.backupID(), wanted.group())),
		Tag: sdkTags(common, func(key, value *string) *sdk.CreateSnapshotGroupRequestTag {
			return &sdk.CreateSnapshotGroupRequestTag{Key: key, Value: value}
		}),
	}
	if s.resourceGroupID != "" {
		request.ResourceGroupId = tea.String(s.resourceGroupID)
	}
	answer, err := api.CreateSnapshotGroup(ctx, request)
	if err != nil {
		return "", nil, err
	}
	id = tea.StringValue(answer.SnapshotGroupId)
	members, err := membersOf(ctx, api, id, disks)
	if err != nil {
		// None of its snapshots will be in a backup, and a group has no retention.
		return "", nil, errors.Join(err, deleteGroup(ctx, api, id))
	}
	return id, members, nil
}

// membersOf returns the snapshots of a group by their disk, once all of its disks have
// one: a list may lag behind what was created.
func membersOf(ctx context.Context, api *alicloud.ECS, groupID string, disks []disk) (map[string]string, error) {
	for begun := api.Now(); ; {
		answer, err := api.DescribeSnapshotGroups(ctx, &sdk.DescribeSnapshotGroupsRequest{SnapshotGroupId: []*string{&groupID}})
		if err != nil {
			return nil, fmt.Errorf("snapshot group %s was made and cannot be read: %w", groupID, err)
		}
		members := map[string]string{}
		if answer.SnapshotGroups != nil && len(answer.SnapshotGroups.SnapshotGroup) == 1 {
			members = groupOf(answer.SnapshotGroups.SnapshotGroup[0]).members
		}
		missing := slices.IndexFunc(disks, func(d disk) bool { return members[d.id] == "" })
		if missing < 0 {
			return members, nil
		}
		if api.Now().Sub(begun) >= visibleAfter {
			return nil, fmt.Errorf("snapshot group %s was made and has no snapshot of disk %s", groupID, disks[missing].id)
		}
		if err := api.Sleep(ctx, pollInterval); err != nil {
			return nil, err
		}
	}
}

// groupDisks returns the disks of the claims in the group that the backup takes.
func (s *site) groupDisks(ctx context.Context, wanted subject) ([]disk, error) {
	claims, err := s.claimsIn(ctx, wanted.claim.Namespace)
	if err != nil {
		return nil, fmt.Errorf("reading the claims of the group: %w", err)
	}
	selected, err := selectorOf(wanted.backup)
	if err != nil {
		return nil, err
	}
	if !selected(wanted.claim) {
		// It came with its Pod, as others may.
		selected = func(claim *corev1.PersistentVolumeClaim) bool { return !isExcluded(claim) }
	}
	var disks []disk
	for i := range claims {
		claim := &claims[i]
		if claim.Labels[labelGroup] != wanted.claim.Labels[labelGroup] || claim.Spec.VolumeName == "" || !selected(claim) {
			continue
		}
		id, err := s.diskNamed(ctx, claim.Spec.VolumeName)
		if err != nil {
			return nil, fmt.Errorf("claim %s of the group: %w", claim.Name, err)
		}
		if err := isMade(id); err != nil {
			return nil, fmt.Errorf("claim %s of the group: %w", claim.Name, err)
		}
		disks = append(disks, s.describe(ctx, id))
	}
	slices.SortFunc(disks, func(a, b disk) int { return strings.Compare(a.id, b.id) })
	return disks, nil
}

// selectorOf returns whether a backup takes a claim, as far as its labels decide.
func selectorOf(backup *velerov1.Backup) (func(*corev1.PersistentVolumeClaim) bool, error) {
	selectors := []labels.Selector{}
	if backup != nil {
		for _, wanted := range append([]*metav1.LabelSelector{backup.Spec.LabelSelector}, backup.Spec.OrLabelSelectors...) {
			if wanted == nil {
				continue
			}
			selector, err := metav1.LabelSelectorAsSelector(wanted)
			if err != nil {
				return nil, fmt.Errorf("reading the backup's label selector: %w", err)
			}
			selectors = append(selectors, selector)
		}
	}
	return func(claim *corev1.PersistentVolumeClaim) bool {
		if isExcluded(claim) {
			return false
		}
		return len(selectors) == 0 || slices.ContainsFunc(selectors, func(s labels.Selector) bool { return s.Matches(labels.Set(claim.Labels)) })
	}, nil
}

// isExcluded tells whether no backup takes the claim.
func isExcluded(claim *corev1.PersistentVolumeClaim) bool {
	return claim.Labels[velerov1.ExcludeFromBackupLabel] == "true"
}

// diskNamed returns the id of the disk behind a PersistentVolume.
func (s *site) diskNamed(ctx context.Context, name string) (string, error) {
	s.disks.mu.Lock()
	defer s.disks.mu.Unlock()
	volumes, err := s.volumes(ctx)
	if err != nil {
		return "", err
	}
	for i := range volumes {
		if volumes[i].Name != name {
			continue
		}
		if id := volume.DiskID(&volumes[i]); id != "" {
			return id, nil
		}
		return "", fmt.Errorf("the volume %s is no ECS disk", name)
	}
	return "", fmt.Errorf("the volume %s does not exist", name)
}

// checkGroup says which disk cannot be cut with the others, and for which limit
// (CreateSnapshotGroup). What is not known of a disk, ECS checks.
func checkGroup(disks []disk) error {
	var size int64
	var placed disk // The first whose zone is known: a regional disk has none.
	for _, d := range disks {
		size += d.spec.SizeGiB
		if placed.spec.Zone == "" {
			placed = d
		}
		category, known := diskspec.CategoryOf(d.spec.Type.Category)
		switch {
		case d.spec.Zone != "" && d.spec.Zone != placed.spec.Zone:
			return fmt.Errorf("disk %s is in zone %s and disk %s in zone %s: a group is in one zone", placed.id, placed.spec.Zone, d.id, d.spec.Zone)
		case known && !category.Grouped:
			return fmt.Errorf("disk %s is of the category %s: a group takes ESSD, ESSD AutoPL, ESSD Entry and regional ESSD disks alone", d.id, d.spec.Type.Category)
		case d.spec.MultiAttach:
			return fmt.Errorf("disk %s can be attached to several instances: a group takes no such disk", d.id)
		}
	}
	switch {
	case len(disks) > maxGroupDisks:
		return fmt.Errorf("disk %s is one too many: a group has at most %d disks, and this one would have %d", disks[maxGroupDisks].id, maxGroupDisks, len(disks))
	case size > maxGroupSizeGiB:
		return fmt.Errorf("disk %s makes it too large: a group has at most %d GiB, and this one would have %d", disks[len(disks)-1].id, maxGroupSizeGiB, size)
	}
	return nil
}

// give lets Velero have the snapshot of a group, with the tags that a snapshot of its
// own is created with. That of the volume tells the members that the backup asked for
// from the others, which are deleted when it has ended: where one member is marked so,
// all must be, and one that cannot be marked is no backup. Only where the very first
// may not be tagged, none is. The retention of a member cannot be set: ECS keeps groups
// until they are deleted ("Snapshot-consistent groups"). One that Velero has already stays
// as it is, for another volume of its disk.
func (s *site) give(ctx context.Context, api *alicloud.ECS, made *madeGroup, wanted subject, id string) (madeSnapshot, error) {
	made.mu.Lock()
	defer made.mu.Unlock()
	if made.given[id] {
		return madeSnapshot{id: id}, nil
	}
	if made.marking != unmarked {
		err := addTags(ctx, api, resourceSnapshot, id, s.snapshotTags(wanted))
		switch {
		case err == nil:
			made.marking = marked
		case made.marking == markingUnknown && failure.Classify(err) == failure.Denied:
			made.marking = unmarked
			s.log.WithError(s.fail(backingUp, "snapshots of a consistency group", err)).
				Warn("Snapshots of consistency groups do not tell what they are of: a restore knows their size and encryption alone")
		default:
			return madeSnapshot{}, errors.Join(err, deleteSnapshot(ctx, api, id))
		}
	}
	made.given[id] = true
	return madeSnapshot{id, func() { made.takeBack(id) }}, nil
}

// takeBack makes a snapshot one that Velero does not have.
func (g *madeGroup) takeBack(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.given, id)
}
