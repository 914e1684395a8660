// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"slices"
	"time"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// This file is what the snapshotter reads of Cloud Backup, in types of its own:
// the SDK's have a pointer for every field, and other types for the same thing in each call.

const (
	// maxPage is how many results a page of the Describe calls has at most.
	maxPage = 99
	// maxFound is the same of SearchHistoricalSnapshots.
	maxFound = 100
)

// agentlessType is what Cloud Backup calls a kind of volume that it reads by itself.
func agentlessType(kind volume.Kind) string {
	if kind == volume.KindOSS {
		return "OSS"
	}
	return "NAS"
}

// agentlessTypes are those of volumes that Cloud Backup reads by itself.
func agentlessTypes() []string {
	return []string{agentlessType(volume.KindNAS), agentlessType(volume.KindOSS)}
}

// sourceType is what Cloud Backup calls the source of a snapshot.
func (s snapshotID) sourceType() string {
	if s.method == onNode {
		return sourceContainer
	}
	return agentlessType(s.kind)
}

// job is a backup or a restore.
type job struct {
	id, name, status, message string
	// done is how much of it is done, of wholeJob.
	done                  int64
	itemsDone, itemsTotal int64
	created               time.Time
	// ended is when it did, zero where that is not told.
	ended time.Time
	// plan is that of a backup, empty for none.
	plan string
	// target is where a restore writes, and snapshot the id of what it restores.
	target   storage
	snapshot string
}

// wholeJob is the Progress of a job that is done.
const wholeJob = 10000

// Statuses of jobs and of their snapshots (DescribeBackupJobs2, DescribeRestoreJobs2).
const (
	statusComplete = "COMPLETE"
	statusPartial  = "PARTIAL_COMPLETE"
	statusFailed   = "FAILED"
	statusCanceled = "CANCELED"
	statusExpired  = "EXPIRED"
)

// hasEnded tells whether nothing more becomes of the job. A status that is not known is
// one of a job that is under way.
func (j job) hasEnded() bool {
	return slices.Contains([]string{statusComplete, statusPartial, statusFailed, statusCanceled, statusExpired}, j.status)
}

// hasData tells whether there is something to restore of a backup that has ended.
func (j job) hasData() bool { return j.status == statusComplete || j.status == statusPartial }

// backupJobs returns the backups of a source type whose key has one of the values, the
// latest first.
func backupJobs(ctx context.Context, api *alicloud.HBR, kind, key string, values ...string) ([]job, error) {
	return backupJobsSince(ctx, api, kind, time.Time{}, key, values...)
}

// backupJobsSince is backupJobs for those that were begun since a time. There may be
// some older ones among them.
func backupJobsSince(ctx context.Context, api *alicloud.HBR, kind string, since time.Time, key string, values ...string) ([]job, error) {
	return pages(func(page int32) ([]job, int64, error) {
		answer, err := api.DescribeBackupJobs2(ctx, &sdk.DescribeBackupJobs2Request{
			SourceType: tea.String(kind), PageNumber: tea.Int32(page), PageSize: tea.Int32(maxPage), SortDirection: tea.String("DESCEND"),
			Filters: []*sdk.DescribeBackupJobs2RequestFilters{{Key: tea.String(key), Operator: tea.String("IN"), Values: tea.StringSlice(values)}},
		})
		if err != nil || answer.BackupJobs == nil {
			return nil, 0, err
		}
		found := make([]job, 0, len(answer.BackupJobs.BackupJob))
		for _, j := range answer.BackupJobs.BackupJob {
			found = append(found, job{
				id: tea.StringValue(j.JobId), name: tea.StringValue(j.JobName), status: tea.StringValue(j.Status), message: tea.StringValue(j.ErrorMessage),
				done: int64(tea.Int32Value(j.Progress)), itemsDone: tea.Int64Value(j.ItemsDone), itemsTotal: tea.Int64Value(j.ItemsTotal),
				created: time.Unix(tea.Int64Value(j.CreatedTime), 0), ended: time.Unix(tea.Int64Value(j.CompleteTime), 0), plan: tea.StringValue(j.PlanId),
			})
		}
		if len(found) > 0 && found[len(found)-1].created.Before(since) {
			return found, 0, nil // What follows is older.
		}
		return found, tea.Int64Value(answer.TotalCount), nil
	})
}

// restoreJobs returns the restores that a filter lets through.
func restoreJobs(ctx context.Context, api *alicloud.HBR, kind, key, value string) ([]job, error) {
	return pages(func(page int32) ([]job, int64, error) {
		answer, err := api.DescribeRestoreJobs2(ctx, &sdk.DescribeRestoreJobs2Request{
			RestoreType: tea.String(kind), PageNumber: tea.Int32(page), PageSize: tea.Int32(maxPage),
			Filters: []*sdk.DescribeRestoreJobs2RequestFilters{{Key: tea.String(key), Operator: tea.String("IN"), Values: []*string{tea.String(value)}}},
		})
		if err != nil || answer.RestoreJobs == nil {
			return nil, 0, err
		}
		found := make([]job, 0, len(answer.RestoreJobs.RestoreJob))
		for _, j := range answer.RestoreJobs.RestoreJob {
			found = append(found, job{
				id: tea.StringValue(j.RestoreId), status: tea.StringValue(j.Status), message: tea.StringValue(j.ErrorMessage),
				done: int64(tea.Int32Value(j.Progress)), itemsDone: tea.Int64Value(j.ItemsDone), itemsTotal: tea.Int64Value(j.ItemsTotal),
				created:  time.Unix(tea.Int64Value(j.CreatedTime), 0),
				snapshot: tea.StringValue(j.SnapshotId),
				target: storage{
					fileSystem: tea.StringValue(j.TargetFileSystemId), path: tea.StringValue(j.TargetPath),
					bucket: tea.StringValue(j.TargetBucket), prefix: tea.StringValue(j.TargetPrefix),
				},
			})
		}
		return found, int64(tea.Int32Value(answer.TotalCount)), nil
	})
}

// plan is a backup plan.
type plan struct {
	id, name string
	created  time.Time
}

// plansIn returns the plans of a vault.
func plansIn(ctx context.Context, api *alicloud.HBR, vaultID, kind string) ([]plan, error) {
	return pages(func(page int32) ([]plan, int64, error) {
		answer, err := api.DescribeBackupPlans(ctx, &sdk.DescribeBackupPlansRequest{
			SourceType: tea.String(kind), PageNumber: tea.Int32(page), PageSize: tea.Int32(maxPage),
			Filters: []*sdk.DescribeBackupPlansRequestFilters{{Key: tea.String("vaultId"), Values: []*string{tea.String(vaultID)}}},
		})
		if err != nil || answer.BackupPlans == nil {
			return nil, 0, err
		}
		found := make([]plan, 0, len(answer.BackupPlans.BackupPlan))
		for _, p := range answer.BackupPlans.BackupPlan {
			found = append(found, plan{id: tea.StringValue(p.PlanId), name: tea.StringValue(p.PlanName), created: time.Unix(tea.Int64Value(p.CreatedTime), 0)})
		}
		return found, tea.Int64Value(answer.TotalCount), nil
	})
}

// pages returns the results of all pages, which count from 1. page returns those of one,
// and how many there are in all.
func pages[T any](page func(number int32) ([]T, int64, error)) ([]T, error) {
	var all []T
	for number := int32(1); ; number++ {
		some, total, err := page(number)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) == 0 || int64(len(all)) >= total {
			return all, nil
		}
	}
}

// deletePlan deletes a plan with its jobs. One that is not there is no error.
func deletePlan(ctx context.Context, api *alicloud.HBR, vaultID, kind, planID string) error {
	_, err := api.DeleteBackupPlan(ctx, &sdk.DeleteBackupPlanRequest{
		VaultId: tea.String(vaultID), SourceType: tea.String(kind), PlanId: tea.String(planID),
	})
	return ignoreNotFound(err)
}

// snapshot is what a backup has made.
type snapshot struct {
	id, hash, status      string
	itemsDone, itemsTotal int64
}

// findSnapshot returns the snapshot that a job has made, nil if there is none. Cloud
// Backup cannot be asked by the job: the job is in its answers alone.
func findSnapshot(ctx context.Context, api *alicloud.HBR, of snapshotID) (*snapshot, error) {
	request := &sdk.SearchHistoricalSnapshotsRequest{
		SourceType: tea.String(of.sourceType()), Limit: tea.Int32(maxFound), Query: snapshotQuery(of),
	}
	for {
		answer, err := api.SearchHistoricalSnapshots(ctx, request)
		if err != nil || answer.Snapshots == nil {
			return nil, err
		}
		for _, s := range answer.Snapshots.Snapshot {
			if tea.StringValue(s.JobId) == of.job {
				return &snapshot{
					id: tea.StringValue(s.SnapshotId), hash: tea.StringValue(s.SnapshotHash), status: tea.StringValue(s.Status),
					itemsDone: tea.Int64Value(s.ItemsDone), itemsTotal: tea.Int64Value(s.ItemsTotal),
				}, nil
			}
		}
		if tea.StringValue(answer.NextToken) == "" {
			return nil, nil //nolint:nilnil // none is no error
		}
		request.NextToken = answer.NextToken
	}
}

// snapshotQuery is what SearchHistoricalSnapshots requires for a source.
func snapshotQuery(of snapshotID) []any {
	match := func(field, value string) any {
		return map[string]string{"field": field, "value": value, "operation": "MATCH_TERM"}
	}
	switch of.sourceType() {
	case sourceContainer:
		return []any{match("VaultId", of.vault)}
	case agentlessType(volume.KindOSS):
		return []any{match("VaultId", of.vault), match("Bucket", of.source.bucket)}
	}
	return []any{match("VaultId", of.vault), match("FileSystemId", of.source.fileSystem), match("CreateTime", of.source.created)}
}

// first returns the first of what was found, nil for none.
func first[T any](found []T, err error) (*T, error) {
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

func ignoreNotFound(err error) error {
	if failure.Classify(err) == failure.NotFound {
		return nil
	}
	return err
}
