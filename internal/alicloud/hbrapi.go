// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"

	hbr "github.com/alibabacloud-go/hbr-20170908/v2/client"
)

// The APIs of HBR (2017-09-08) that the plugin uses, under their own names. Each waits
// for its turn and returns a *CallError; an answer without Success is a failure with the
// code that it has. Each is repeated as its failure allows, but HBR takes no
// ClientToken: where a comment says so, a call that may have been done is not made again,
// and the *CallError has MayBeDone.

// CreateVault begins a vault; it can be used when DescribeVaults says CREATED. It is not
// repeated when it may have been done: DescribeVaults tells, by the name.
func (h *HBR) CreateVault(ctx context.Context, request *hbr.CreateVaultRequest) (*hbr.CreateVaultResponseBody, error) {
	answer, err := send(ctx, h.service, "CreateVault", unrepeatable, judged((*hbr.Client).CreateVaultWithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DescribeVaults lists vaults, up to 99 for each call.
func (h *HBR) DescribeVaults(ctx context.Context, request *DescribeVaultsRequest) (*hbr.DescribeVaultsResponseBody, error) {
	answer, err := send(ctx, h.service, "DescribeVaults", repeatable, judged(describeVaults), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// AddContainerCluster registers a cluster and returns its id and the token of its clients. It
// is not repeated when it may have been done: DescribeContainerCluster tells, by the identifier.
func (h *HBR) AddContainerCluster(ctx context.Context, request *hbr.AddContainerClusterRequest) (*hbr.AddContainerClusterResponseBody, error) {
	answer, err := send(ctx, h.service, "AddContainerCluster", unrepeatable, judged((*hbr.Client).AddContainerClusterWithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DescribeContainerCluster lists clusters that are registered, with their tokens.
func (h *HBR) DescribeContainerCluster(ctx context.Context, request *DescribeContainerClusterRequest) (*hbr.DescribeContainerClusterResponseBody, error) {
	answer, err := send(ctx, h.service, "DescribeContainerCluster", repeatable, judged(describeContainerCluster), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// CreateBackupPlan makes a plan, which runs by its schedule until it is deleted. It is not
// repeated when it may have been done: DescribeBackupPlans tells, with the filters vaultId
// and planName. A name is that of one plan for each vault and type of source.
func (h *HBR) CreateBackupPlan(ctx context.Context, request *hbr.CreateBackupPlanRequest) (*hbr.CreateBackupPlanResponseBody, error) {
	answer, err := send(ctx, h.service, "CreateBackupPlan", unrepeatable, judged((*hbr.Client).CreateBackupPlanWithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DescribeBackupPlans lists plans, up to 99 for each call. The keys of its filters are
// regionId, planId, sourceType, vaultId, instanceName, instanceId and planName.
func (h *HBR) DescribeBackupPlans(ctx context.Context, request *hbr.DescribeBackupPlansRequest) (*hbr.DescribeBackupPlansResponseBody, error) {
	answer, err := send(ctx, h.service, "DescribeBackupPlans", repeatable, judged((*hbr.Client).DescribeBackupPlansWithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// ExecuteBackupPlan begins a job of a plan now and returns its id. It is not repeated when it
// may have been done: DescribeBackupJobs2 tells, by the plan.
func (h *HBR) ExecuteBackupPlan(ctx context.Context, request *hbr.ExecuteBackupPlanRequest) (*hbr.ExecuteBackupPlanResponseBody, error) {
	answer, err := send(ctx, h.service, "ExecuteBackupPlan", unrepeatable, judged((*hbr.Client).ExecuteBackupPlanWithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DeleteBackupPlan deletes a plan with the jobs that it began, which DescribeBackupJobs2
// then does not list; their snapshots stay. A plan that is gone, which may be by an earlier
// call whose answer was lost, is failure.NotFound.
func (h *HBR) DeleteBackupPlan(ctx context.Context, request *hbr.DeleteBackupPlanRequest) (*hbr.DeleteBackupPlanResponseBody, error) {
	answer, err := send(ctx, h.service, "DeleteBackupPlan", repeatable, judged((*hbr.Client).DeleteBackupPlanWithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// CreateBackupJob begins a backup on a node and returns its id. It is not repeated when it may
// have been done: DescribeBackupJobs2 tells, by the job's name among those of the vault.
func (h *HBR) CreateBackupJob(ctx context.Context, request *hbr.CreateBackupJobRequest) (*hbr.CreateBackupJobResponseBody, error) {
	answer, err := send(ctx, h.service, "CreateBackupJob", unrepeatable, judged((*hbr.Client).CreateBackupJobWithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// CancelBackupJob ends a backup that is under way.
func (h *HBR) CancelBackupJob(ctx context.Context, request *hbr.CancelBackupJobRequest) (*hbr.CancelBackupJobResponseBody, error) {
	answer, err := send(ctx, h.service, "CancelBackupJob", repeatable, judged((*hbr.Client).CancelBackupJobWithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DescribeBackupJobs2 lists backups, up to 99 for each call.
func (h *HBR) DescribeBackupJobs2(ctx context.Context, request *hbr.DescribeBackupJobs2Request) (*hbr.DescribeBackupJobs2ResponseBody, error) {
	answer, err := send(ctx, h.service, "DescribeBackupJobs2", repeatable, judged((*hbr.Client).DescribeBackupJobs2WithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// SearchHistoricalSnapshots lists the snapshots that backups made. The fields of its query
// are VaultId, which is required, for NAS FileSystemId and CreateTime and for OSS Bucket,
// which are too, PlanId and CompleteTime. The one of a job is found by the answer's JobId.
func (h *HBR) SearchHistoricalSnapshots(ctx context.Context, request *hbr.SearchHistoricalSnapshotsRequest) (*hbr.SearchHistoricalSnapshotsResponseBody, error) {
	answer, err := send(ctx, h.service, "SearchHistoricalSnapshots", repeatable, judged((*hbr.Client).SearchHistoricalSnapshotsWithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// CreateRestoreJob begins a restore and returns its id. It is not repeated when it may have
// been done: DescribeRestoreJobs2 tells, by the snapshot and the target among those of the vault.
func (h *HBR) CreateRestoreJob(ctx context.Context, request *CreateRestoreJobRequest) (*hbr.CreateRestoreJobResponseBody, error) {
	answer, err := send(ctx, h.service, "CreateRestoreJob", unrepeatable, judged(createRestoreJob), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// CancelRestoreJob ends a restore that is under way. What it has written stays.
func (h *HBR) CancelRestoreJob(ctx context.Context, request *hbr.CancelRestoreJobRequest) (*hbr.CancelRestoreJobResponseBody, error) {
	answer, err := send(ctx, h.service, "CancelRestoreJob", repeatable, judged((*hbr.Client).CancelRestoreJobWithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DescribeRestoreJobs2 lists restores, up to 99 for each call.
func (h *HBR) DescribeRestoreJobs2(ctx context.Context, request *hbr.DescribeRestoreJobs2Request) (*hbr.DescribeRestoreJobs2ResponseBody, error) {
	answer, err := send(ctx, h.service, "DescribeRestoreJobs2", repeatable, judged((*hbr.Client).DescribeRestoreJobs2WithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DeleteSnapshot deletes a snapshot; the latest one of a data source only with Force. One
// that is gone, which may be by an earlier call whose answer was lost, is failure.NotFound.
func (h *HBR) DeleteSnapshot(ctx context.Context, request *hbr.DeleteSnapshotRequest) (*hbr.DeleteSnapshotResponseBody, error) {
	answer, err := send(ctx, h.service, "DeleteSnapshot", repeatable, judged((*hbr.Client).DeleteSnapshotWithOptions), request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}
