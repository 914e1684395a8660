// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"errors"
	"slices"
	"time"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
)

// sweepTimeout bounds how long a process looks for the leftovers of others.
const sweepTimeout = 5 * time.Minute

// sweepLeftovers deletes the snapshots of this cluster's Failed backups: Velero has
// no list of them, so that deleting the backup leaves them. Of other backups that
// have ended it deletes the members of consistency groups that they did not ask for.
// A backup that is merely absent proves nothing; the retention is for its snapshots.
func (s *site) sweepLeftovers(ctx context.Context, api *alicloud.ECS) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	if err := s.sweepNotes(ctx); err != nil {
		s.log.WithError(err).Info("Notes of backups that have ended may be left; the next backup looks for them again")
	}
	clusterID, err := s.cluster.ID(ctx)
	if err != nil {
		s.log.WithError(err).Debug("Not looking for the snapshots of failed backups")
		return
	}
	backups, err := s.cluster.Backups(ctx)
	if err != nil {
		s.log.WithError(err).Debug("Not looking for the snapshots of failed backups")
		return
	}
	phases := map[string]velerov1.BackupPhase{}
	for i := range backups {
		phases[string(backups[i].UID)] = backups[i].Status.Phase
	}
	err = errors.Join(s.sweepGroups(ctx, api, clusterID, phases), s.sweepFailed(ctx, api, clusterID, backups))
	if err != nil {
		s.log.WithError(s.fail(sweeping, "cluster "+clusterID, err)).
			Info("Snapshots of failed backups may be left; the next backup looks for them again, and their retention ends them")
	}
}

// sweepNotes removes the notes of backups that have ended, whose operations Velero did not
// ask for to the end.
func (s *site) sweepNotes(ctx context.Context) error {
	return s.notes.Sweep(ctx, s.cluster.LiveRuns, func(context.Context, types.UID, string) error { return nil })
}

// sweepFailed deletes the snapshots of Failed backups.
func (s *site) sweepFailed(ctx context.Context, api *alicloud.ECS, clusterID string, backups []velerov1.Backup) error {
	var failed []error
	for i := range backups {
		backup := &backups[i]
		if backup.Status.Phase != velerov1.BackupPhaseFailed {
			continue
		}
		left, err := findSnapshots(ctx, api, map[string]string{tagCluster: clusterID, tagBackupUID: string(backup.UID)})
		if err != nil {
			return err
		}
		for _, snapshot := range left {
			s.log.WithField("backup", backup.Name).WithField("snapshot", snapshot.id).Info("Deleting the snapshot of a failed backup")
			failed = append(failed, deleteSnapshot(ctx, api, snapshot.id))
		}
	}
	return errors.Join(failed...)
}

// sweepGroups deletes the groups of Failed backups, and what other backups that have
// ended did not ask for.
func (s *site) sweepGroups(ctx context.Context, api *alicloud.ECS, clusterID string, phases map[string]velerov1.BackupPhase) error {
	groups, err := findGroups(ctx, api, map[string]string{tagCluster: clusterID})
	if err != nil {
		return err
	}
	var failed []error
	for _, group := range groups {
		switch phases[group.tags[tagBackupUID]] {
		case velerov1.BackupPhaseFailed:
			s.log.WithField("backup", group.tags[tagBackup]).WithField("snapshotGroup", group.id).Info("Deleting the snapshot group of a failed backup")
			failed = append(failed, deleteGroup(ctx, api, group.id))
		case velerov1.BackupPhaseCompleted, velerov1.BackupPhasePartiallyFailed:
			if len(group.members) == 0 {
				failed = append(failed, deleteGroup(ctx, api, group.id))
			}
			failed = append(failed, s.dropUnasked(ctx, api, group, nil))
		default: // It has not ended, or is not known.
		}
	}
	return errors.Join(failed...)
}

// dropUnasked deletes the members of a group that its backup, which has ended, did not
// ask for. A group without any member that was asked for is one whose members could
// not be tagged, and stays. What this process has given to Velero stays, whatever a
// list says of its tags.
func (s *site) dropUnasked(ctx context.Context, api *alicloud.ECS, group snapshotGroup, given map[string]bool) error {
	if len(group.asked) == 0 {
		return nil
	}
	var failed []error
	for _, id := range group.members {
		if !slices.Contains(group.asked, id) && !given[id] {
			s.log.WithField("backup", group.tags[tagBackup]).WithField("snapshot", id).Info("Deleting a snapshot of a consistency group that its backup did not ask for")
			failed = append(failed, deleteSnapshot(ctx, api, id))
		}
	}
	return errors.Join(failed...)
}

// End waits for the sweep, and deletes what the groups of this process hold and its
// backup did not ask for. Velero ends the process when the backup is over, and kills it
// two seconds later: what is not done in time, the next backup does.
func (s *Snapshotter) End(ctx context.Context) {
	for _, found := range s.sites.All() {
		if err := found.endGroups(ctx); err != nil {
			found.log.WithError(err).Debug("Members of consistency groups are left to the next backup")
		}
		found.sweep.Wait(ctx)
	}
}

func (s *site) endGroups(ctx context.Context) error {
	s.groups.mu.Lock()
	defer s.groups.mu.Unlock()
	var failed []error
	for _, made := range s.groups.made {
		if made.err == nil {
			failed = append(failed, s.endGroup(ctx, made))
		}
	}
	return errors.Join(failed...)
}

func (s *site) endGroup(ctx context.Context, made *madeGroup) error {
	made.mu.Lock()
	defer made.mu.Unlock()
	if len(made.given) == len(made.snapshots) || made.marking != marked {
		return nil
	}
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	// A process before this one may have given others, which their tags tell.
	answer, err := api.DescribeSnapshotGroups(ctx, &sdk.DescribeSnapshotGroupsRequest{SnapshotGroupId: []*string{&made.id}})
	if err != nil || answer.SnapshotGroups == nil {
		return err
	}
	for _, found := range answer.SnapshotGroups.SnapshotGroup {
		if err := s.dropUnasked(ctx, api, groupOf(found), made.given); err != nil {
			return err
		}
	}
	return nil
}
