// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"errors"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
)

// neverScheduled is a schedule whose first run is in 2100: the plan is run at once, and
// must not be run again where it is left.
const neverScheduled = "I|4102444800|P1D"

// beginAgentless begins a job of Cloud Backup that reads the storage by itself. Such a
// job is one of a plan, which is deleted when the job has ended: to delete it before
// would delete the job.
func (s *site) beginAgentless(ctx context.Context, api *alicloud.HBR, made snapshotID, of subject) (snapshotID, error) {
	var err error
	if made.source.fileSystem != "" {
		if made.source.created, err = s.createdAt(ctx, api.Region(), made.source.fileSystem); err != nil {
			return snapshotID{}, err
		}
	}
	kind := agentlessType(made.kind)
	request := s.planRequest(api, made, of)
	planID, err := createOnce(ctx, api, func(ctx context.Context) (string, error) {
		answer, err := api.CreateBackupPlan(ctx, request)
		if err != nil {
			return "", err
		}
		return tea.StringValue(answer.PlanId), nil
	}, func(ctx context.Context) (string, error) {
		return planOfName(ctx, api, made.vault, kind, *request.PlanName)
	})
	if err != nil {
		return snapshotID{}, err
	}
	if made.job, err = execute(ctx, api, made.vault, kind, planID); err == nil {
		err = made.check()
	}
	if err != nil {
		return snapshotID{}, errors.Join(err, deletePlan(context.WithoutCancel(ctx), api, made.vault, kind, planID))
	}
	return made, nil
}

// planRequest is the plan for one run.
func (s *site) planRequest(api *alicloud.HBR, made snapshotID, of subject) *sdk.CreateBackupPlanRequest {
	request := &sdk.CreateBackupPlanRequest{
		SourceType: tea.String(agentlessType(made.kind)), VaultId: tea.String(made.vault), PlanName: tea.String(of.planName()),
		BackupType: tea.String("COMPLETE"), Schedule: tea.String(neverScheduled),
		Retention: s.retentionDays(api, of),
	}
	if s.speedLimit != "" {
		request.SpeedLimit = tea.String(s.speedLimit)
	}
	if made.source.bucket != "" {
		request.Bucket, request.Prefix = tea.String(made.source.bucket), tea.String(made.source.prefix)
		return request
	}
	request.FileSystemId, request.CreateTime = tea.String(made.source.fileSystem), seconds(made.source.created)
	request.Path = []*string{tea.String(made.source.path)}
	return request
}

// planOfName returns the id of the plan of a name, "" for none.
func planOfName(ctx context.Context, api *alicloud.HBR, vaultID, kind, name string) (string, error) {
	found, err := plansIn(ctx, api, vaultID, kind)
	if err != nil {
		return "", err
	}
	for _, p := range found {
		if p.name == name {
			return p.id, nil
		}
	}
	return "", nil
}

// execute runs a plan and returns its job.
func execute(ctx context.Context, api *alicloud.HBR, vaultID, kind, planID string) (string, error) {
	return createOnce(ctx, api, func(ctx context.Context) (string, error) {
		answer, err := api.ExecuteBackupPlan(ctx, &sdk.ExecuteBackupPlanRequest{
			PlanId: tea.String(planID), SourceType: tea.String(kind), VaultId: tea.String(vaultID),
		})
		if err != nil {
			return "", err
		}
		return tea.StringValue(answer.JobId), nil
	}, func(ctx context.Context) (string, error) {
		found, err := first(backupJobs(ctx, api, kind, "PlanId", planID))
		if err != nil || found == nil {
			return "", err
		}
		return found.id, nil
	})
}
