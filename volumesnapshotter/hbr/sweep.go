// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

// sweepTimeout bounds how long a process looks for the leftovers of others.
const sweepTimeout = 5 * time.Minute

// End waits for the sweep of each location. Velero ends the process when the backup is
// over: what is not done in time, the next backup does.
func (s *Snapshotter) End(ctx context.Context) {
	for _, found := range s.sites.All() {
		found.sweep.Wait(ctx)
	}
}

// sweepAll removes what ended backups of this cluster have left in a vault, unless the
// cluster is not known, and what ended backups and restores have left in the cluster. The
// retention is for their snapshots.
func (s *site) sweepAll(ctx context.Context, api *alicloud.HBR, vaultID, clusterID string) {
	s.sweepCluster(ctx)
	if clusterID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	if err := s.sweepVault(ctx, api, vaultID, clusterID); err != nil {
		s.log.WithError(err).Info("Plans of ended backups may be left: the next backup looks for them again")
	}
}

// sweepCluster removes temporary objects and notes of runs that have ended.
func (s *site) sweepCluster(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	going := map[types.UID]bool{} // Runs of which jobs go on.
	// Most sweeps find no note, and ask nothing.
	failedBackups := sync.OnceValues(func() (map[types.UID]bool, error) { return s.failedBackups(ctx) })
	err := s.notes.Sweep(ctx, s.cluster.LiveRuns, func(ctx context.Context, run types.UID, text string) error {
		failed, err := failedBackups()
		if err == nil {
			err = s.endLeft(ctx, failed[run], text)
		}
		going[run] = going[run] || err != nil
		return err
	})
	err = errors.Join(err, s.mounts.Sweep(ctx, func(ctx context.Context) (map[types.UID]bool, error) {
		live, err := s.cluster.LiveRuns(ctx)
		if err != nil {
			return nil, err
		}
		for run, goes := range going {
			live[run] = live[run] || goes
		}
		return live, nil
	}))
	if err != nil {
		s.log.WithError(err).Info("What ended backups and restores have made in the cluster may be left: the next one looks for it again")
	}
}

// errGoesOn is for a job that is not to be disturbed.
var errGoesOn = errors.New("the job goes on")

// endLeft ends what a note tells of that a backup has left which is over. If it failed
// nothing is worth having: Velero has no list of its snapshots, so that deleting it leaves
// them. Of another one a job that goes on is left, with all that it needs: Velero fails the
// operation of a poll that was killed, and cancels nothing; the data is worth having. A note
// of a restore tells of no snapshot.
func (s *site) endLeft(ctx context.Context, failed bool, text string) error {
	id, err := parseSnapshotID(text)
	if err != nil {
		return nil //nolint:nilerr // There is nothing to end.
	}
	api, err := s.apiIn(ctx, id.region)
	if err != nil {
		return err
	}
	if failed {
		s.log.WithField("snapshot", text).Info("Deleting what a failed backup has in Cloud Backup")
		err := deleteAll(ctx, api, id)
		if err != nil && (isDenied(err) || vaultIsGone(ctx, api, id.vault, err)) {
			return nil // Its retention ends it, or there is nothing any more.
		}
		return err
	}
	if id, err = begunLater(ctx, api, id); err != nil || id.waits() {
		return err
	}
	found, err := backupJob(ctx, api, id)
	if err != nil || found == nil {
		return err
	}
	if !found.hasEnded() {
		return errGoesOn
	}
	return deletePlanOf(ctx, api, id, *found)
}

// failedBackups are the Backups that are Failed.
func (s *site) failedBackups(ctx context.Context) (map[types.UID]bool, error) {
	backups, err := s.cluster.Backups(ctx)
	if err != nil {
		return nil, err
	}
	failed := map[types.UID]bool{}
	for i := range backups {
		failed[backups[i].UID] = backups[i].Status.Phase == velerov1.BackupPhaseFailed
	}
	return failed, nil
}

func (s *site) sweepVault(ctx context.Context, api *alicloud.HBR, vaultID, clusterID string) error {
	for _, kind := range agentlessTypes() {
		plans, err := plansIn(ctx, api, vaultID, kind)
		if err != nil {
			return err
		}
		// They are read after the plans: those of a backup that begins meanwhile are not left.
		backups, err := s.cluster.Backups(ctx)
		if err != nil {
			return err
		}
		for _, p := range plans {
			if !isLeft(p, clusterID, backups) {
				continue
			}
			if err := s.sweepPlan(ctx, api, vaultID, kind, p, isOf(p, clusterID, backups)); err != nil {
				return err
			}
		}
	}
	return nil
}

// isLeft tells whether a plan is of this cluster and of no backup that goes on.
func isLeft(p plan, clusterID string, backups []velerov1.Backup) bool {
	return strings.Contains(p.name, planMark(clusterID)) && !isOf(p, clusterID, slices.DeleteFunc(slices.Clone(backups), func(b velerov1.Backup) bool {
		return cluster.BackupHasEnded(b.Status.Phase)
	}))
}

// isOf tells whether a plan is of one of the backups.
func isOf(p plan, clusterID string, backups []velerov1.Backup) bool {
	return slices.ContainsFunc(backups, func(b velerov1.Backup) bool { return strings.HasPrefix(p.name, planPrefix(clusterID, b.Name)) })
}

// sweepPlan deletes a plan unless its job is still running, or is yet to begin. That is so for
// a moment of one of another Velero in this cluster, whose Backups are not known here.
func (s *site) sweepPlan(ctx context.Context, api *alicloud.HBR, vaultID, kind string, p plan, ours bool) error {
	jobs, err := backupJobs(ctx, api, kind, "PlanId", p.id)
	if err != nil || slices.ContainsFunc(jobs, func(j job) bool { return !j.hasEnded() }) {
		return err
	}
	if !ours && len(jobs) == 0 && api.Now().Sub(p.created) < requestTimeout {
		return nil
	}
	s.log.WithField("plan", p.name).Info("Deleting the plan that an ended backup has left")
	return deletePlan(ctx, api, vaultID, kind, p.id)
}
