// SPDX-License-Identifier: Apache-2.0

package hbr_test

import (
	"os"
	"sync"
	"testing"
	"time"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
)

func newVault(name string) params {
	return params{"VaultName": name, "VaultRegionId": hangzhou, "VaultType": "STANDARD", "VaultStorageClass": "STANDARD"}
}

// vaultStatus is "" for a vault that there is not.
func vaultStatus(t *testing.T, c *cloudsim.Cloud, id string) string {
	t.Helper()
	found, err := client(t, c).DescribeVaults(&sdk.DescribeVaultsRequest{VaultId: dara.String(id)})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Body.Vaults.Vault) == 0 {
		return ""
	}
	return dara.StringValue(found.Body.Vaults.Vault[0].Status)
}

func TestVaults(t *testing.T) {
	t.Parallel()
	c := start(t, taking)
	fail(t, c, fault.Rule{Service: hbr.FaultJobs, Operation: hbr.FaultInitVault, Resource: "broken", Status: 500})
	good := must(t, c, "CreateVault", newVault("good"), "VaultId")
	broken := must(t, c, "CreateVault", newVault("broken"), "VaultId")
	got := []string{vaultStatus(t, c, good), vaultStatus(t, c, broken)}
	_, early := call(t, c, ownerKey(), "CreateBackupJob", params{"VaultId": good, "SourceType": "CONTAINER"})
	c.HBR().Advance(10 * time.Second)
	got = append(got, vaultStatus(t, c, good), vaultStatus(t, c, broken))
	_, onBroken := call(t, c, ownerKey(), "CreateBackupJob", params{"VaultId": broken, "SourceType": "CONTAINER"})
	must(t, c, "DeleteVault", params{"VaultId": good}, "")
	got = append(got, vaultStatus(t, c, good))
	_, onDeleted := call(t, c, ownerKey(), "CreateBackupJob", params{"VaultId": good, "SourceType": "CONTAINER"})
	if diff := cmp.Diff([]string{"INITIALIZING", "INITIALIZING", "CREATED", "ERROR", ""}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	want := []*refusal{{400, "BadRequest"}, {500, "InitVaultError"}, {400, "BadRequest"}}
	if diff := cmp.Diff(want, []*refusal{early, onBroken, onDeleted}); diff != "" {
		t.Errorf("jobs in vaults that can not be used (-want +got):\n%s", diff)
	}
}

func TestOfManyVaultsOfOneNameOneIsMade(t *testing.T) {
	t.Parallel()
	c := start(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			_, refusal := call(t, c, ownerKey(), "CreateVault", newVault("ack-backup-data"))
			if refusal != nil && refusal.Code != "BadRequest" {
				t.Errorf("refused with %v", *refusal)
			}
		})
	}
	group.Wait()
	var names []string
	for _, v := range c.HBR().Vaults() {
		names = append(names, v.Name)
	}
	if diff := cmp.Diff([]string{"shop", "ack-backup-data"}, names); diff != "" {
		t.Errorf("vaults (-want +got):\n%s", diff)
	}
}

func TestEqualVaultNamesWhereTheyAreAllowed(t *testing.T) {
	t.Parallel()
	c := start(t, func(c *cloudsim.Config) { c.HBR.AllowEqualVaultNames = true })
	must(t, c, "CreateVault", newVault("shop"), "VaultId")
	if got := len(c.HBR().Vaults()); got != 2 {
		t.Errorf("%d vaults", got)
	}
}

// rule is one on jobs.
func rule(r fault.Rule) *fault.Rule {
	r.Service = hbr.FaultJobs
	return &r
}

func TestFaultsOfJobs(t *testing.T) {
	t.Parallel()
	type state struct {
		Status, Error string
		Progress      int32
		Restorable    bool
	}
	tests := map[string]struct {
		rule *fault.Rule
		// after is how long after the beginning the job is looked at.
		after time.Duration
		want  state
	}{
		"no rule": {nil, time.Minute, state{"COMPLETE", "", 10000, true}},
		"a job that will fail does not show it": {
			rule(fault.Rule{Status: 500, Message: "SOURCE_NOT_EXIST"}), 30 * time.Second, state{"RUNNING", "", 5000, false},
		},
		"a job that fails": {
			rule(fault.Rule{Status: 500, Message: "internal"}), time.Minute, state{"FAILED", "internal", 5000, false},
		},
		"a job that expires": {
			rule(fault.Rule{Status: 500, Code: "EXPIRED"}), time.Minute, state{"EXPIRED", "", 5000, false},
		},
		"a job that is partially complete": {
			rule(fault.Rule{Status: 500, Code: "PARTIAL_COMPLETE", Message: "1 file"}), time.Minute,
			state{"PARTIAL_COMPLETE", "1 file", 10000, true},
		},
		"a slow job": {rule(fault.Rule{Latency: time.Minute}), time.Minute, state{"RUNNING", "", 5000, false}},
		"a job that hangs": {
			rule(fault.Rule{Stall: time.Second}), time.Hour, state{"RUNNING", "", 5000, false},
		},
		"a rule on another source": {
			rule(fault.Rule{Resource: "other:*", Status: 500}), time.Minute, state{"COMPLETE", "", 10000, true},
		},
		"a rule on this source": {
			rule(fault.Rule{Operation: hbr.FaultBackup, Resource: fileSystem + ":/shop", Status: 500}), time.Minute,
			state{"FAILED", "", 5000, false},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, taking)
			if tt.rule != nil {
				fail(t, c, *tt.rule)
			}
			_, jobID := backUpNAS(t, c, "/shop")
			c.HBR().Advance(tt.after)
			job := backupJob(t, c, jobID)
			got := state{
				Status: dara.StringValue(job.Status), Error: dara.StringValue(job.ErrorMessage),
				Progress: dara.Int32Value(job.Progress), Restorable: snapshotOf(t, c, "NAS", jobID, ofFileSystem(t, c)...) != nil,
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("the job (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFilesDeletedDuringABackup(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		gone string
		want string
	}{
		"one of them makes it a partial one": {"shop/orders.csv", "PARTIAL_COMPLETE"},
		"all of them make it fail":           {"shop", "FAILED"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, taking)
			_, jobID := backUpNAS(t, c, "/shop")
			if err := os.RemoveAll(dirOf(t, c, tt.gone)); err != nil {
				t.Fatal(err)
			}
			c.HBR().Advance(time.Minute)
			if got := dara.StringValue(backupJob(t, c, jobID).Status); got != tt.want {
				t.Errorf("the job is %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAnswersWithoutSuccess(t *testing.T) {
	t.Parallel()
	c := start(t)
	fail(t, c, fault.Rule{
		Service: hbr.FaultAnswers, Operation: "CreateVault", Count: 1, Status: 500, Code: "InternalError", Message: "no luck",
	})
	body, failure := call(t, c, ownerKey(), "CreateVault", newVault("new"))
	if failure != nil {
		t.Fatalf("refused with %v", *failure)
	}
	delete(body, "RequestId")
	want := map[string]any{"Code": "InternalError", "Message": "no luck", "Success": false}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
	must(t, c, "CreateVault", newVault("new"), "VaultId")
}

func TestAnswersWithANumericCode(t *testing.T) {
	t.Parallel()
	c := start(t, func(c *cloudsim.Config) { c.HBR.NumericCode = true })
	found, err := client(t, c).DescribeVaults(&sdk.DescribeVaultsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{dara.StringValue(found.Body.Code), dara.StringValue(found.Body.Message), dara.BoolValue(found.Body.Success)}
	if diff := cmp.Diff([]any{"200", "successful", true}, got); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	c := start(t, taking)
	_, first := backUpNAS(t, c, "/shop")
	c.HBR().Advance(time.Minute)
	id := restoreNAS(t, c, snapshotOf(t, c, "NAS", first, ofFileSystem(t, c)...), "/restored")
	_, second := backUpNAS(t, c, "/shop")
	c.HBR().Advance(50 * time.Second)
	cancel := func() []*refusal {
		_, ended := call(t, c, ownerKey(), "CancelBackupJob", params{"JobId": first, "VaultId": vaultID})
		_, backup := call(t, c, ownerKey(), "CancelBackupJob", params{"JobId": second, "VaultId": vaultID})
		_, restore := call(t, c, ownerKey(), "CancelRestoreJob", params{"RestoreId": id, "VaultId": vaultID})
		return []*refusal{ended, backup, restore}
	}
	statuses := func() []string {
		return []string{
			dara.StringValue(backupJob(t, c, first).Status), dara.StringValue(backupJob(t, c, second).Status),
			dara.StringValue(restoreJob(t, c, id).Status),
		}
	}
	ended := &refusal{400, "BadRequest"}
	if diff := cmp.Diff([]*refusal{ended, nil, nil}, cancel()); diff != "" {
		t.Errorf("canceled (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]*refusal{ended, nil, nil}, cancel()); diff != "" {
		t.Errorf("canceled twice (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"COMPLETE", "CANCELING", "CANCELING"}, statuses()); diff != "" {
		t.Errorf("at once (-want +got):\n%s", diff)
	}
	c.HBR().Advance(time.Hour)
	if diff := cmp.Diff([]string{"COMPLETE", "CANCELED", "CANCELED"}, statuses()); diff != "" {
		t.Errorf("later (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]*refusal{ended, ended, ended}, cancel()); diff != "" {
		t.Errorf("canceled when it had ended (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(dirOf(t, c, "restored/orders.csv")); err == nil {
		t.Error("the canceled restore is whole")
	}
	if snapshotOf(t, c, "NAS", second, ofFileSystem(t, c)...) != nil {
		t.Error("the canceled job has a snapshot")
	}
}

func TestDeletingAPlan(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		keep    bool
		running bool
		extra   params
		want    *refusal
		// jobs and snapshots are how many are left, when the job has had its time.
		jobs, snapshots int
	}{
		"takes its ended jobs, not their snapshots": {snapshots: 1},
		"takes its running jobs":                    {running: true},
		"is refused on demand while they run": {
			running: true, extra: params{"RequireNoRunningJobs": "true"}, want: &refusal{400, "BadRequest"}, jobs: 1, snapshots: 1,
		},
		"leaves its jobs where that is configured": {keep: true, running: true, jobs: 1, snapshots: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, taking, func(c *cloudsim.Config) { c.HBR.KeepJobsOfDeletedPlans = tt.keep })
			planID, _ := backUpNAS(t, c, "/shop")
			if !tt.running {
				c.HBR().Advance(time.Minute)
			}
			p := params{"PlanId": planID, "VaultId": vaultID, "SourceType": "NAS"}
			for name, value := range tt.extra {
				p[name] = value
			}
			_, got := call(t, c, ownerKey(), "DeleteBackupPlan", p)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			c.HBR().Advance(time.Minute)
			jobs, err := c.HBR().BackupJobs()
			if err != nil {
				t.Fatal(err)
			}
			snapshots, err := c.HBR().Snapshots()
			if err != nil {
				t.Fatal(err)
			}
			if len(jobs) != tt.jobs || len(snapshots) != tt.snapshots {
				t.Errorf("%d jobs and %d snapshots are left, want %d and %d", len(jobs), len(snapshots), tt.jobs, tt.snapshots)
			}
		})
	}
}

func TestDeletingSnapshots(t *testing.T) {
	t.Parallel()
	c := start(t)
	_, first := backUpNAS(t, c, "/shop")
	_, second := backUpNAS(t, c, "/shop")
	remove := func(jobID, force string) *refusal {
		t.Helper()
		s := snapshotOf(t, c, "NAS", jobID, ofFileSystem(t, c)...)
		_, refusal := call(t, c, ownerKey(), "DeleteSnapshot", params{
			"SnapshotId": dara.StringValue(s.SnapshotId), "VaultId": vaultID, "SourceType": "NAS", "Force": force,
		})
		return refusal
	}
	s := dara.StringValue(snapshotOf(t, c, "NAS", first, ofFileSystem(t, c)...).SnapshotId)
	dir, err := c.HBR().SnapshotDir(s)
	if err != nil {
		t.Fatal(err)
	}
	got := []*refusal{remove(second, "false"), remove(first, "false"), remove(second, "false"), remove(second, "true")}
	_, gone := call(t, c, ownerKey(), "DeleteSnapshot", params{"SnapshotId": s, "VaultId": vaultID, "SourceType": "NAS"})
	want := []*refusal{
		{400, "CannotDeleteLatestSnapshot"}, nil, {400, "CannotDeleteLatestSnapshot"}, nil, {404, "ResourceNotFound"},
	}
	if diff := cmp.Diff(want, append(got, gone)); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the content of a deleted snapshot is there: %v", err)
	}
	inventory, err := c.HBR().Inventory(owner)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hbr.Inventory{
		Vaults: []string{"cn-hangzhou/" + vaultID}, Clusters: []string{"cn-hangzhou/" + clusterID}, Plans: inventory.Plans,
	}, inventory); diff != "" || len(inventory.Plans) != 2 {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	c := start(t, func(c *cloudsim.Config) { c.HBR.Durations.Backup = metav1.Duration{Duration: time.Hour} })
	_, jobID := backUpNAS(t, c, "/shop")
	c.HBR().Advance(time.Hour)
	s := snapshotOf(t, c, "NAS", jobID, ofFileSystem(t, c)...)
	if got := dara.Int64Value(s.ExpireTime) - dara.Int64Value(s.CompleteTime); got != 7*24*60*60 {
		t.Errorf("the snapshot expires %d s after it was complete", got)
	}
	c.HBR().Advance(7*24*time.Hour - time.Second)
	if snapshotOf(t, c, "NAS", jobID, ofFileSystem(t, c)...) == nil {
		t.Error("the snapshot is gone before its time")
	}
	c.HBR().Advance(time.Second)
	if snapshotOf(t, c, "NAS", jobID, ofFileSystem(t, c)...) != nil {
		t.Error("the snapshot is there after its time")
	}
}

func TestASnapshotIsListedSomeTimeAfterItsJob(t *testing.T) {
	t.Parallel()
	c := start(t, taking, func(c *cloudsim.Config) { c.HBR.Durations.Listing = metav1.Duration{Duration: 3 * time.Minute} })
	_, jobID := backUpNAS(t, c, "/shop")
	c.HBR().Advance(time.Minute)
	if got := dara.StringValue(backupJob(t, c, jobID).Status); got != "COMPLETE" {
		t.Errorf("the job is %s", got)
	}
	c.HBR().Advance(3*time.Minute - time.Second)
	if snapshotOf(t, c, "NAS", jobID, ofFileSystem(t, c)...) != nil {
		t.Error("the snapshot is listed before its time")
	}
	c.HBR().Advance(time.Second)
	if snapshotOf(t, c, "NAS", jobID, ofFileSystem(t, c)...) == nil {
		t.Error("the snapshot is not listed after its time")
	}
}

func TestADeletedVaultTakesAllThatIsInIt(t *testing.T) {
	t.Parallel()
	c := start(t)
	backUpNAS(t, c, "/shop")
	if err := c.HBR().DeleteVault(vaultID); err != nil {
		t.Fatal(err)
	}
	got, err := c.HBR().Inventory(owner)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hbr.Inventory{Clusters: []string{"cn-hangzhou/" + clusterID}}, got); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
}
