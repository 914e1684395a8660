// SPDX-License-Identifier: Apache-2.0

package hbr_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
)

// createdAt is when the file system was created, in the unit of the API.
func createdAt(t *testing.T, c *cloudsim.Cloud) int64 {
	t.Helper()
	f, err := c.NAS().FileSystem(fileSystem)
	if err != nil {
		t.Fatal(err)
	}
	return f.Created.Unix()
}

// backUpNAS makes a plan for a path and executes it. It returns the ids of plan and job.
func backUpNAS(t *testing.T, c *cloudsim.Cloud, path string) (planID, jobID string) {
	t.Helper()
	api := client(t, c)
	plan, err := api.CreateBackupPlan(&sdk.CreateBackupPlanRequest{
		SourceType: dara.String("NAS"), VaultId: dara.String(vaultID), PlanName: dara.String(newName()),
		BackupType: dara.String("COMPLETE"), FileSystemId: dara.String(fileSystem),
		CreateTime: dara.Int64(createdAt(t, c)), Path: []*string{dara.String(path)},
		Retention: dara.Int64(7), Schedule: dara.String("I|1631685600|P1D"),
	})
	if err != nil {
		t.Fatal(err)
	}
	planID = dara.StringValue(plan.Body.PlanId)
	return planID, execute(t, c, planID, "NAS")
}

// newName returns a name that no other plan has.
func newName() string { return "plan-" + rand.Text() }

// execute runs a plan and returns the job's id.
func execute(t *testing.T, c *cloudsim.Cloud, planID, kind string) string {
	t.Helper()
	run, err := client(t, c).ExecuteBackupPlan(&sdk.ExecuteBackupPlanRequest{
		PlanId: dara.String(planID), VaultId: dara.String(vaultID), SourceType: dara.String(kind),
	})
	if err != nil {
		t.Fatal(err)
	}
	return dara.StringValue(run.Body.JobId)
}

// backupJob describes a job.
func backupJob(t *testing.T, c *cloudsim.Cloud, jobID string) *sdk.DescribeBackupJobs2ResponseBodyBackupJobsBackupJob {
	t.Helper()
	jobs, err := client(t, c).DescribeBackupJobs2(&sdk.DescribeBackupJobs2Request{
		Filters: []*sdk.DescribeBackupJobs2RequestFilters{{
			Key: dara.String("JobId"), Operator: dara.String("IN"), Values: []*string{dara.String(jobID)},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(jobs.Body.BackupJobs.BackupJob) != 1 {
		t.Fatalf("job %s: %d are described", jobID, len(jobs.Body.BackupJobs.BackupJob))
	}
	return jobs.Body.BackupJobs.BackupJob[0]
}

// snapshotOf finds the snapshot of a job, or nil.
func snapshotOf(
	t *testing.T, c *cloudsim.Cloud, kind, jobID string, query ...any,
) *sdk.SearchHistoricalSnapshotsResponseBodySnapshotsSnapshot {
	t.Helper()
	query = append(query, map[string]any{"field": "VaultId", "value": vaultID, "operation": "MATCH_TERM"})
	found, err := client(t, c).SearchHistoricalSnapshots(&sdk.SearchHistoricalSnapshotsRequest{
		SourceType: dara.String(kind), Query: query, Limit: dara.Int32(100),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range found.Body.Snapshots.Snapshot {
		if dara.StringValue(s.JobId) == jobID {
			return s
		}
	}
	return nil
}

// ofFileSystem are the conditions that a search for NAS must have.
func ofFileSystem(t *testing.T, c *cloudsim.Cloud) []any {
	t.Helper()
	return []any{
		map[string]any{"field": "FileSystemId", "value": fileSystem, "operation": "MATCH_TERM"},
		map[string]any{"field": "CreateTime", "value": createdAt(t, c), "operation": "MATCH_TERM"},
	}
}

// restoreNAS starts a restore of a snapshot into a path of the same file system.
func restoreNAS(
	t *testing.T, c *cloudsim.Cloud, s *sdk.SearchHistoricalSnapshotsResponseBodySnapshotsSnapshot, path string,
) string {
	t.Helper()
	job, err := client(t, c).CreateRestoreJob(&sdk.CreateRestoreJobRequest{
		RestoreType: dara.String("NAS"), SourceType: dara.String("NAS"), VaultId: dara.String(vaultID),
		SnapshotId: s.SnapshotId, SnapshotHash: s.SnapshotHash, TargetFileSystemId: dara.String(fileSystem),
		TargetCreateTime: dara.Int64(createdAt(t, c)), TargetPath: dara.String(path),
	})
	if err != nil {
		t.Fatal(err)
	}
	return dara.StringValue(job.Body.RestoreId)
}

// restoreJob describes a restore.
func restoreJob(t *testing.T, c *cloudsim.Cloud, id string) *sdk.DescribeRestoreJobs2ResponseBodyRestoreJobsRestoreJob {
	t.Helper()
	jobs, err := client(t, c).DescribeRestoreJobs2(&sdk.DescribeRestoreJobs2Request{
		Filters: []*sdk.DescribeRestoreJobs2RequestFilters{{
			Key: dara.String("RestoreId"), Values: []*string{dara.String(id)},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(jobs.Body.RestoreJobs.RestoreJob) != 1 {
		t.Fatalf("restore %s: %d are described", id, len(jobs.Body.RestoreJobs.RestoreJob))
	}
	return jobs.Body.RestoreJobs.RestoreJob[0]
}

// dirOf is a directory of the file system on this machine.
func dirOf(t *testing.T, c *cloudsim.Cloud, path string) string {
	t.Helper()
	f, err := c.NAS().FileSystem(fileSystem)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(f.Dir, path)
}

// fillOddly makes a tree with what is hard to copy.
func fillOddly(t *testing.T, dir string) {
	t.Helper()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "empty"), 0o755),
		os.MkdirAll(filepath.Join(dir, "deep/er/and/deeper"), 0o750),
		os.WriteFile(filepath.Join(dir, "deep/er/and/deeper/odd\nname \xff*?"), []byte("odd"), 0o600),
		os.WriteFile(filepath.Join(dir, "run.sh"), []byte("#!/bin/sh"), 0o755),
		os.Symlink("/etc/passwd", filepath.Join(dir, "absolute")),
		os.Symlink("gone", filepath.Join(dir, "dangling")),
		os.Chmod(filepath.Join(dir, "run.sh"), 0o755|os.ModeSetuid),
		os.Chmod(filepath.Join(dir, "deep"), 0o555),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := os.Chmod(filepath.Join(dir, "deep"), 0o755); err != nil {
			t.Error(err)
		}
	})
}

func TestNASRoundTrip(t *testing.T) {
	t.Parallel()
	c := start(t)
	source := dirOf(t, c, "shop")
	fillOddly(t, source)
	want := content(t, source)

	planID, jobID := backUpNAS(t, c, "/shop")
	job := backupJob(t, c, jobID)
	if got := dara.StringValue(job.Status); got != "COMPLETE" {
		t.Fatalf("the job is %s: %s", got, dara.StringValue(job.ErrorMessage))
	}
	if err := os.WriteFile(filepath.Join(source, "later"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	snapshot := snapshotOf(t, c, "NAS", jobID, ofFileSystem(t, c)...)
	if snapshot == nil {
		t.Fatal("the job has no snapshot")
	}
	must(t, c, "DeleteBackupPlan", params{"PlanId": planID, "VaultId": vaultID, "SourceType": "NAS"}, "")

	restored := restoreJob(t, c, restoreNAS(t, c, snapshot, "/shop-restore-1/data"))
	if got := dara.StringValue(restored.Status); got != "COMPLETE" {
		t.Fatalf("the restore is %s: %s", got, dara.StringValue(restored.ErrorMessage))
	}
	if diff := cmp.Diff(want, content(t, dirOf(t, c, "shop-restore-1/data"))); diff != "" {
		t.Errorf("restored tree (-want +got):\n%s", diff)
	}
}

// checkBegun holds that a snapshot tells when its job began.
func checkBegun(t *testing.T, c *cloudsim.Cloud) {
	t.Helper()
	jobs, err := c.HBR().BackupJobs()
	if err != nil {
		t.Fatal(err)
	}
	snapshots, err := c.HBR().Snapshots()
	if err != nil {
		t.Fatal(err)
	}
	if len(jobs) != 1 || len(snapshots) != 1 || !snapshots[0].Begun.Equal(jobs[0].Created) || !snapshots[0].Begun.Before(jobs[0].Finished) {
		t.Errorf("the snapshots are %+v, want one that began with the job of %+v", snapshots, jobs)
	}
}

func TestJobsTakeTimeAndShowProgress(t *testing.T) {
	t.Parallel()
	c := start(t, taking)
	_, jobID := backUpNAS(t, c, "/shop")
	type state struct {
		Status   string
		Progress int32
	}
	watch := func(status func() (string, int32)) []state {
		var seen []state
		for range 4 {
			s, p := status()
			seen = append(seen, state{s, p})
			c.HBR().Advance(20 * time.Second)
		}
		return seen
	}
	want := []state{{"RUNNING", 0}, {"RUNNING", 3333}, {"RUNNING", 6666}, {"COMPLETE", 10000}}
	got := watch(func() (string, int32) {
		job := backupJob(t, c, jobID)
		return dara.StringValue(job.Status), dara.Int32Value(job.Progress)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the backup (-want +got):\n%s", diff)
	}
	checkBegun(t, c)
	id := restoreNAS(t, c, snapshotOf(t, c, "NAS", jobID, ofFileSystem(t, c)...), "/restored")
	var whole []bool
	got = watch(func() (string, int32) {
		job := restoreJob(t, c, id)
		_, err := os.Stat(dirOf(t, c, "restored/orders.csv"))
		whole = append(whole, err == nil)
		return dara.StringValue(job.Status), dara.Int32Value(job.Progress)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the restore (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]bool{false, false, false, true}, whole); diff != "" {
		t.Errorf("whether the last file is there (-want +got):\n%s", diff)
	}
}
