// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	hbr "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	simhbr "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
)

// fileSystems is an account with a file system, a vault, and a user for each method of
// backing up, who may do what the policy of the method allows.
const fileSystems = `
accounts:
- id: "1000000000000001"
  users:
  - {name: agentless, keys: [{id: LTAIagentless, secret: secret}], policies: [%s]}
  - {name: node, keys: [{id: LTAInode, secret: secret}], policies: [%s]}
nas:
  timeForm: CST
  fileSystems:
  - {id: fs1, account: "1000000000000001", region: cn-hangzhou, age: 1h, files: {data/a: one, data/b/c: two}}
hbr:
  numericCode: true
  vaults:
  - {id: v-1, name: kept, account: "1000000000000001", region: cn-hangzhou}
`

// method is a world of file systems, seen by the user of a method of backing up.
type method struct {
	*world
	hbr *HBR
	nas *NAS
}

func newMethod(t *testing.T, accessKeyID string) *method {
	t.Helper()
	var policies []any
	for _, file := range []string{agentlessPolicy, nodePolicy} {
		policy, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		policies = append(policies, policy)
	}
	w := newWorldOf(t, fmt.Sprintf(fileSystems, policies...), nil)
	config := ServiceConfig{
		Region: "cn-hangzhou", Network: endpoint.VPC, NotOnECS: true, Credentials: credentials.Config{File: file(t, accessKeyID, "secret")},
	}
	backups, err := w.HBR(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	files, err := w.NAS(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return &method{world: w, hbr: backups, nas: files}
}

// fileSystem returns the file system's time of creation as HBR has it.
func (m *method) fileSystem(t *testing.T) int64 {
	t.Helper()
	found, err := m.nas.DescribeFileSystems(t.Context(), &DescribeFileSystemsRequest{FileSystemID: "fs1", PageSize: 100})
	if err != nil || len(found.FileSystems.FileSystem) != 1 {
		t.Fatalf("file systems %+v, error %v", found, err)
	}
	got := found.FileSystems.FileSystem[0]
	created, err := got.Created()
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(created); age < 59*time.Minute || age > 61*time.Minute {
		t.Errorf("the file system is %v old, want an hour", age)
	}
	got.CreateTime, got.ZoneID = "", ""
	want := NASFileSystem{FileSystemID: "fs1", FileSystemType: "standard", ProtocolType: "NFS", RegionID: "cn-hangzhou", Status: "Running"}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("file system (-want +got):\n%s", diff)
	}
	return created.Unix()
}

// vault makes a vault and returns its id.
func (m *method) vault(t *testing.T, name string) *string {
	t.Helper()
	made, err := m.hbr.CreateVault(t.Context(), &hbr.CreateVaultRequest{
		VaultName: &name, VaultRegionId: new("cn-hangzhou"), VaultType: new("STANDARD"), VaultStorageClass: new("STANDARD"),
	})
	if err != nil {
		t.Fatal(err)
	}
	found, err := m.hbr.DescribeVaults(t.Context(), &DescribeVaultsRequest{VaultName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if vaults := found.Vaults.Vault; len(vaults) != 1 || *vaults[0].VaultId != *made.VaultId || *vaults[0].Status != "CREATED" {
		t.Errorf("vaults %v, want %s", vaults, *made.VaultId)
	}
	return made.VaultId
}

// backup returns a backup job.
func (m *method) backup(t *testing.T, id *string) *hbr.DescribeBackupJobs2ResponseBodyBackupJobsBackupJob {
	t.Helper()
	found, err := m.hbr.DescribeBackupJobs2(t.Context(), &hbr.DescribeBackupJobs2Request{
		Filters: []*hbr.DescribeBackupJobs2RequestFilters{{Key: new("JobId"), Operator: new("IN"), Values: []*string{id}}},
	})
	if err != nil || len(found.BackupJobs.BackupJob) != 1 {
		t.Fatalf("jobs %v, error %v", found, err)
	}
	return found.BackupJobs.BackupJob[0]
}

func TestAgentlessUnderItsPolicy(t *testing.T) {
	t.Parallel()
	m := newMethod(t, "LTAIagentless")
	ctx := t.Context()
	created, vault := m.fileSystem(t), m.vault(t, "ack-backup-data")

	plan, err := m.hbr.CreateBackupPlan(ctx, &hbr.CreateBackupPlanRequest{
		SourceType: new("NAS"), VaultId: vault, PlanName: new("b-1-hbr"), BackupType: new("COMPLETE"), Retention: new(int64(30)),
		Schedule: new("I|4102444800|P1D"), FileSystemId: new("fs1"), CreateTime: &created, Path: []*string{new("/data")},
	})
	if err != nil {
		t.Fatal(err)
	}
	plans, err := m.hbr.DescribeBackupPlans(ctx, &hbr.DescribeBackupPlansRequest{
		SourceType: new("NAS"), Filters: []*hbr.DescribeBackupPlansRequestFilters{{Key: new("vaultId"), Values: []*string{vault}}},
	})
	if err != nil || len(plans.BackupPlans.BackupPlan) != 1 || *plans.BackupPlans.BackupPlan[0].PlanId != *plan.PlanId {
		t.Errorf("plans %v, error %v, want %s", plans, err, *plan.PlanId)
	}
	job, err := m.hbr.ExecuteBackupPlan(ctx, &hbr.ExecuteBackupPlanRequest{PlanId: plan.PlanId, SourceType: new("NAS"), VaultId: vault})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.backup(t, job.JobId); *got.Status != "COMPLETE" || *got.PlanId != *plan.PlanId {
		t.Errorf("job %v, want that it is complete", got)
	}
	_, err = m.hbr.CancelBackupJob(ctx, &hbr.CancelBackupJobRequest{JobId: new("job-none"), VaultId: vault})
	wantClass(t, "canceling a job that is not there", err, failure.NotFound)
	deletion := &hbr.DeleteBackupPlanRequest{PlanId: plan.PlanId, SourceType: new("NAS"), VaultId: vault}
	if _, err := m.hbr.DeleteBackupPlan(ctx, deletion); err != nil {
		t.Error(err)
	}
	_, err = m.hbr.DeleteBackupPlan(ctx, deletion)
	wantClass(t, "deleting a plan again", err, failure.NotFound)
	m.restoreNAS(t, vault, job.JobId, created)

	_, err = m.hbr.CreateBackupJob(ctx, &hbr.CreateBackupJobRequest{SourceType: new("CONTAINER"), VaultId: vault})
	wantDenied(t, err, "hbr:CreateBackupJob")
}

// restoreNAS restores the snapshot of a job into a new directory, and deletes it.
func (m *method) restoreNAS(t *testing.T, vault, job *string, created int64) {
	t.Helper()
	ctx := t.Context()
	snapshots, err := m.hbr.SearchHistoricalSnapshots(ctx, &hbr.SearchHistoricalSnapshotsRequest{
		SourceType: new("NAS"), Query: []any{
			map[string]string{"field": "VaultId", "value": *vault, "operation": "MATCH_TERM"},
			map[string]string{"field": "FileSystemId", "value": "fs1", "operation": "MATCH_TERM"},
			map[string]string{"field": "CreateTime", "value": strconv.FormatInt(created, 10), "operation": "MATCH_TERM"},
		},
	})
	if err != nil || len(snapshots.Snapshots.Snapshot) != 1 || *snapshots.Snapshots.Snapshot[0].JobId != *job {
		t.Fatalf("snapshots %v, error %v", snapshots, err)
	}
	snapshot := snapshots.Snapshots.Snapshot[0]
	restore, err := m.hbr.CreateRestoreJob(ctx, &CreateRestoreJobRequest{
		CreateRestoreJobRequest: hbr.CreateRestoreJobRequest{
			RestoreType: new("NAS"), SourceType: new("NAS"), VaultId: vault, SnapshotId: snapshot.SnapshotId, SnapshotHash: snapshot.SnapshotHash,
			TargetFileSystemId: new("fs1"), TargetCreateTime: &created, TargetPath: new("/new/target"),
		},
		Options: new(`{"includes":[],"excludes":[],"conflictPolicy":"OVERWRITE_EXISTING"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	restores, err := m.hbr.DescribeRestoreJobs2(ctx, &hbr.DescribeRestoreJobs2Request{
		RestoreType: new("NAS"),
		Filters:     []*hbr.DescribeRestoreJobs2RequestFilters{{Key: new("RestoreId"), Operator: new("IN"), Values: []*string{restore.RestoreId}}},
	})
	if err != nil || len(restores.RestoreJobs.RestoreJob) != 1 || *restores.RestoreJobs.RestoreJob[0].Status != "COMPLETE" {
		t.Errorf("restores %v, error %v, want one that is complete", restores, err)
	}
	_, err = m.hbr.CancelRestoreJob(ctx, &hbr.CancelRestoreJobRequest{RestoreId: new("r-none"), VaultId: vault})
	wantClass(t, "canceling a restore that is not there", err, failure.NotFound)
	deletion := &hbr.DeleteSnapshotRequest{SnapshotId: snapshot.SnapshotId, VaultId: vault, SourceType: new("NAS")}
	_, err = m.hbr.DeleteSnapshot(ctx, deletion)
	wantClass(t, "deleting the latest snapshot without Force", err, failure.Conflict)
	deletion.Force = new(true)
	if _, err := m.hbr.DeleteSnapshot(ctx, deletion); err != nil {
		t.Error(err)
	}
	_, err = m.hbr.DeleteSnapshot(ctx, deletion)
	wantClass(t, "deleting a snapshot again", err, failure.NotFound)
}

func TestOnNodeUnderItsPolicy(t *testing.T) {
	t.Parallel()
	m := newMethod(t, "LTAInode")
	ctx := t.Context()
	vault := m.vault(t, "ack-backup-data")
	added, err := m.hbr.AddContainerCluster(ctx, &hbr.AddContainerClusterRequest{
		Identifier: new("c1"), ClusterType: new("ACK"), NetworkType: new("VPC"), Name: new("one"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for identifier, want := range map[string]int{"c1": 1, "c2": 0} {
		found, err := m.hbr.DescribeContainerCluster(ctx, &DescribeContainerClusterRequest{Identifier: &identifier})
		if err != nil || len(found.Clusters) != want {
			t.Errorf("%s: clusters %v, error %v, want %d", identifier, found, err, want)
			continue
		}
		for _, cluster := range found.Clusters {
			got := []string{*cluster.ClusterId, *cluster.Token, *cluster.AgentStatus}
			if diff := gocmp.Diff([]string{*added.ClusterId, *added.Token, "MISS"}, got); diff != "" {
				t.Errorf("cluster (-want +got):\n%s", diff)
			}
		}
	}
	job, err := m.hbr.CreateBackupJob(ctx, containerJob(vault, added.ClusterId))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.backup(t, job.JobId); *got.Status != "FAILED" || *got.ErrorMessage != "ClientNotExist" {
		t.Errorf("job %v, want that there is no client", got)
	}
	_, err = m.hbr.CreateBackupPlan(ctx, &hbr.CreateBackupPlanRequest{SourceType: new("NAS"), VaultId: vault})
	wantDenied(t, err, "hbr:CreateBackupPlan")
	_, err = m.nas.DescribeFileSystems(ctx, &DescribeFileSystemsRequest{})
	wantDenied(t, err, "nas:DescribeFileSystems")
}

// containerJob is a backup of a volume on a node.
func containerJob(vault, cluster *string) *hbr.CreateBackupJobRequest {
	return &hbr.CreateBackupJobRequest{
		SourceType: new("CONTAINER"), VaultId: vault, ContainerClusterId: cluster, JobName: new("b-1-hbr"), Retention: new(int64(30)),
		BackupType: new("COMPLETE"), InitiatedByAck: new(true), Options: new(`{"UseVSS":false}`),
		ContainerResources: new(`[{"resourceType":"PV","backupMethod":"FILE","resourceId":"u-1",` +
			`"resourceInfo":"{\"pv_name\":\"pv-1\"}","host":"n1","hostPrefix":"p1/volumes/kubernetes.io~csi/pv-1/mount","pvPath":"/"}]`),
	}
}

func TestAJobWhoseAnswerIsLostIsMadeOnce(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]fault.Rule{
		"the connection broke":   {Reset: true},
		"the answer was cut":     {Truncate: true, After: 10},
		"the service failed":     {Status: http.StatusInternalServerError, Code: "InternalError"},
		"the front end was away": {Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMethod(t, "LTAInode")
			added, err := m.hbr.AddContainerCluster(t.Context(), &hbr.AddContainerClusterRequest{
				Identifier: new("c1"), ClusterType: new("ACK"), NetworkType: new("VPC"),
			})
			if err != nil {
				t.Fatal(err)
			}
			rule.Service, rule.Operation = simhbr.Product, "CreateBackupJob"
			if _, err := m.sim.Faults().Add(rule); err != nil {
				t.Fatal(err)
			}
			_, err = m.hbr.CreateBackupJob(t.Context(), containerJob(new("v-1"), added.ClusterId))
			var call *CallError
			if !errors.As(err, &call) || !call.MayBeDone {
				t.Errorf("error %v, want that it may be done", err)
			}
			want := 1
			if rule.Status != 0 {
				want = 0 // Then the simulated service did nothing, which nobody can know.
			}
			if jobs, err := m.sim.HBR().BackupJobs(); err != nil || len(jobs) != want {
				t.Errorf("jobs %v, error %v, want %d", jobs, err, want)
			}
		})
	}
}

func TestAFailureOfHBRWithTheStatusOfASuccess(t *testing.T) {
	t.Parallel()
	m := newMethod(t, "LTAInode")
	_, err := m.sim.Faults().Add(fault.Rule{
		Service: simhbr.FaultAnswers, Operation: "DescribeVaults", Status: http.StatusForbidden, Code: "ServiceNotActivated", Message: "Not yet.",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.hbr.DescribeVaults(t.Context(), &DescribeVaultsRequest{})
	wantClass(t, "listing vaults", err, failure.NotActivated)
	answer, _ := failure.Of(err)
	if answer.StatusCode != http.StatusOK || answer.RequestID == "" || answer.Message != "Not yet." {
		t.Errorf("answer %+v, want what HBR said, with a request id", answer)
	}
}

func TestCallsOfHBRGoThroughTheVPC(t *testing.T) {
	t.Parallel()
	m := newMethod(t, "LTAIagentless")
	m.fileSystem(t)
	m.vault(t, "ack-backup-data")
	var got []string
	for _, entry := range m.sim.Journal().Entries() {
		got = append(got, entry.Operation+" at "+entry.Host+cmp.Or(entry.Code, ""))
	}
	want := []string{
		"DescribeFileSystems at nas-vpc.cn-hangzhou.aliyuncs.com",
		"CreateVault at hbr-vpc.cn-hangzhou.aliyuncs.com",
		"DescribeVaults at hbr-vpc.cn-hangzhou.aliyuncs.com",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// wantClass holds that what was done failed with an error of the class.
func wantClass(t *testing.T, doing string, err error, want failure.Class) {
	t.Helper()
	if got := failure.Classify(err); err == nil || got != want {
		t.Errorf("%s: error %v of class %v, want %v", doing, err, got, want)
	}
}

// wantDenied holds that RAM denied an action, and says which.
func wantDenied(t *testing.T, err error, action string) {
	t.Helper()
	wantClass(t, action, err, failure.Denied)
	var call *CallError
	if answer, _ := failure.Of(err); !errors.As(err, &call) || call.Action != action || cmp.Or(answer.DeniedAction, action) != action {
		t.Errorf("error %v does not name %s", err, tea.StringValue(&action))
	}
}
