// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
)

// delete deletes a snapshot and what was made of it. An id of a snapshot that was
// refused, or of none at all, has nothing to delete: an error would keep the backup for ever.
func (s *site) delete(ctx context.Context, text string) error {
	if text == "" || strings.HasPrefix(text, refusedPrefix) {
		return nil
	}
	home, err := s.api(ctx)
	if err != nil {
		return err
	}
	id, err := parseSnapshotID(text, home.Region())
	if err != nil {
		return err
	}
	api := home.In(id.region)
	found, err := describeSnapshots(ctx, api, id.id)
	if err != nil {
		return err
	}
	var tags map[string]string
	if len(found) > 0 {
		tags = found[0].tags
	}
	// The copies come first: the snapshot is what tells of them.
	if err := s.deleteCopies(ctx, home, id, tags); err != nil {
		return err
	}
	if tags[tagGroup] != "" {
		return s.deleteMember(ctx, api, id.id, tags)
	}
	// Not being in the list is no proof: without the permission, ECS used to answer an empty one.
	return deleteSnapshot(ctx, api, id.id)
}

// deleteCopies deletes a snapshot's copies in the regions that it names, and in the location's own.
func (s *site) deleteCopies(ctx context.Context, home *alicloud.ECS, id snapshotID, tags map[string]string) error {
	regions := append(strings.Fields(tags[tagCopiedTo]), home.Region())
	slices.Sort(regions)
	var failed []error
	for _, region := range slices.Compact(regions) {
		if region == id.region {
			continue
		}
		api := home.In(region)
		copies, err := findSnapshots(ctx, api, map[string]string{tagCopyOf: id.String()})
		failed = append(failed, err)
		for _, found := range copies {
			failed = append(failed, deleteSnapshot(ctx, api, found.id))
		}
	}
	return errors.Join(failed...)
}

// deleteMember deletes a snapshot of a group, and the group where no other of its
// snapshots is one that the backup asked for, or where nothing is left of it.
func (s *site) deleteMember(ctx context.Context, api *alicloud.ECS, id string, tags map[string]string) error {
	groups, err := findGroups(ctx, api, map[string]string{tagGroup: tags[tagGroup], tagBackupUID: tags[tagBackupUID]})
	if err != nil {
		return err
	}
	var failed []error
	for _, group := range groups {
		switch {
		case len(group.asked) == 1 && group.asked[0] == id:
			return errors.Join(append(failed, deleteGroup(ctx, api, group.id))...)
		case len(group.members) == 0:
			failed = append(failed, deleteGroup(ctx, api, group.id))
		}
	}
	return errors.Join(append(failed, deleteSnapshot(ctx, api, id))...)
}
