// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
)

// sweepTimeout bounds how long a process looks for the leftovers of others.
const sweepTimeout = 5 * time.Minute

// sweeper sweeps once for each process, beside the backup: the application may be
// frozen by a hook while its backups are begun.
type sweeper struct {
	once  sync.Once
	group sync.WaitGroup
}

// begin begins the sweep, if it has not begun.
func (s *sweeper) begin(sweep func()) { s.once.Do(func() { s.group.Go(sweep) }) }

// End waits for the sweep of each location. Velero ends the process when the backup is
// over: what is not done in time, the next backup does.
func (s *Snapshotter) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, found := range s.sites {
		found.sweep.group.Wait()
	}
}

// sweepPlans deletes the plans that ended backups of this cluster have left in a vault,
// unless the cluster is not known. The retention is for their snapshots.
func (s *site) sweepPlans(ctx context.Context, api *alicloud.HBR, vaultID, clusterID string) {
	if clusterID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	if err := s.sweepVault(ctx, api, vaultID, clusterID); err != nil {
		s.log.WithError(err).Info("Plans of ended backups may be left: the next backup looks for them again")
	}
}

func (s *site) sweepVault(ctx context.Context, api *alicloud.HBR, vaultID, clusterID string) error {
	for _, kind := range sourceTypes() {
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
			if err := s.sweepPlan(ctx, api, vaultID, kind, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// isLeft tells whether a plan is of this cluster and of no backup that goes on.
func isLeft(p plan, clusterID string, backups []velerov1.Backup) bool {
	return strings.Contains(p.name, planMark(clusterID)) && !slices.ContainsFunc(backups, func(b velerov1.Backup) bool {
		return goesOn(b.Status.Phase) && strings.HasPrefix(p.name, planPrefix(clusterID, b.Name))
	})
}

// goesOn tells whether a backup in the phase has not ended.
func goesOn(phase velerov1.BackupPhase) bool {
	switch phase {
	case velerov1.BackupPhaseCompleted, velerov1.BackupPhasePartiallyFailed, velerov1.BackupPhaseFailed,
		velerov1.BackupPhaseFailedValidation, velerov1.BackupPhaseDeleting:
		return false
	default:
		return true
	}
}

// sweepPlan deletes a plan unless its job is still running.
func (s *site) sweepPlan(ctx context.Context, api *alicloud.HBR, vaultID, kind string, p plan) error {
	jobs, err := backupJobs(ctx, api, kind, "PlanId", p.id)
	if err != nil || slices.ContainsFunc(jobs, func(j job) bool { return !j.hasEnded() }) {
		return err
	}
	s.log.WithField("plan", p.name).Info("Deleting the plan that an ended backup has left")
	return deletePlan(ctx, api, vaultID, kind, p.id)
}
