// SPDX-License-Identifier: Apache-2.0

package hbr_test

import (
	"strings"
	"testing"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

// objects are the bytes of the objects whose keys begin with a prefix, by the rest of the key.
func objects(t *testing.T, c *cloudsim.Cloud, prefix string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, o := range c.OSS().Objects(bucket) {
		rest, ok := strings.CutPrefix(o.Key, prefix)
		if !ok {
			continue
		}
		data, err := c.OSS().Read(bucket, o.Key)
		if err != nil {
			t.Fatal(err)
		}
		all[rest] = string(data)
	}
	return all
}

func put(t *testing.T, c *cloudsim.Cloud, key, data string) {
	t.Helper()
	if err := c.OSS().Put(bucket, key, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// backUpOSS backs up the objects with a prefix and returns the job's id.
func backUpOSS(t *testing.T, c *cloudsim.Cloud, prefix string) string {
	t.Helper()
	plan, err := client(t, c).CreateBackupPlan(&sdk.CreateBackupPlanRequest{
		SourceType: dara.String("OSS"), VaultId: dara.String(vaultID), PlanName: dara.String(newName()),
		Bucket: dara.String(bucket), Prefix: dara.String(prefix),
	})
	if err != nil {
		t.Fatal(err)
	}
	return execute(t, c, dara.StringValue(plan.Body.PlanId), "OSS")
}

func ofBucket() any {
	return map[string]any{"field": "Bucket", "value": bucket, "operation": "MATCH_TERM"}
}

// restoreOSS restores a snapshot to a prefix and returns the job.
func restoreOSS(
	t *testing.T, c *cloudsim.Cloud, jobID, prefix string,
) *sdk.DescribeRestoreJobs2ResponseBodyRestoreJobsRestoreJob {
	t.Helper()
	s := snapshotOf(t, c, "OSS", jobID, ofBucket())
	if s == nil {
		t.Fatal("the job has no snapshot")
	}
	job, err := client(t, c).CreateRestoreJob(&sdk.CreateRestoreJobRequest{
		RestoreType: dara.String("OSS"), SourceType: dara.String("OSS"), VaultId: dara.String(vaultID),
		SnapshotId: s.SnapshotId, SnapshotHash: s.SnapshotHash, TargetBucket: dara.String(bucket),
		TargetPrefix: dara.String(prefix),
	})
	if err != nil {
		t.Fatal(err)
	}
	return restoreJob(t, c, dara.StringValue(job.Body.RestoreId))
}

func TestOSSRoundTrip(t *testing.T) {
	t.Parallel()
	c := start(t)
	for key, data := range map[string]string{
		"data/a": "1", "data/a/b": "2", "data/empty/": "", "data/odd ?%2F\tname": "3", "data/" + strings.Repeat("k", 900): "4",
		"database": "not of the volume",
	} {
		put(t, c, key, data)
	}
	want := objects(t, c, "data/")
	jobID := backUpOSS(t, c, "data/")
	put(t, c, "data/a", "changed")
	put(t, c, "data/later", "")
	job := restoreOSS(t, c, jobID, "restored-1/")
	if got := dara.StringValue(job.Status); got != "COMPLETE" {
		t.Fatalf("the restore is %s: %s", got, dara.StringValue(job.ErrorMessage))
	}
	if diff := cmp.Diff(want, objects(t, c, "restored-1/")); diff != "" {
		t.Errorf("restored objects (-want +got):\n%s", diff)
	}
}

func TestArchivedObjectsAreNotBackedUp(t *testing.T) {
	t.Parallel()
	c := start(t)
	put(t, c, "data/a", "1")
	put(t, c, "data/b", "2")
	if err := c.OSS().SetStorageClass(bucket, "data/a", oss.ClassArchive); err != nil {
		t.Fatal(err)
	}
	jobID := backUpOSS(t, c, "data/")
	job := backupJob(t, c, jobID)
	got := []any{dara.StringValue(job.Status), dara.Int64Value(job.ItemsDone), dara.Int64Value(job.ItemsTotal)}
	if diff := cmp.Diff([]any{"PARTIAL_COMPLETE", int64(1), int64(2)}, got); diff != "" {
		t.Errorf("the job (-want +got):\n%s", diff)
	}
	restoreOSS(t, c, jobID, "restored/")
	if diff := cmp.Diff(map[string]string{"b": "2"}, objects(t, c, "restored/")); diff != "" {
		t.Errorf("restored objects (-want +got):\n%s", diff)
	}
}

func TestPrefixWithoutObjectsIsAnEmptySnapshot(t *testing.T) {
	t.Parallel()
	c := start(t)
	job := restoreOSS(t, c, backUpOSS(t, c, "nothing/"), "restored/")
	if got := dara.StringValue(job.Status); got != "COMPLETE" {
		t.Errorf("the restore is %s", got)
	}
}
