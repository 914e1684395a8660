// SPDX-License-Identifier: Apache-2.0

package hbr_test

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// with returns the parameters with some replaced. An empty value takes one away.
func (p params) with(changes params) params {
	all := maps.Clone(p)
	for name, value := range changes {
		if value == "" {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
	return all
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c := start(t)
	_, jobID := backUpNAS(t, c, "/shop")
	snapshot := snapshotOf(t, c, "NAS", jobID, ofFileSystem(t, c)...)
	created := strconv.FormatInt(createdAt(t, c), 10)
	var (
		bad        = &refusal{http.StatusBadRequest, "BadRequest"}
		notFound   = &refusal{http.StatusNotFound, "ResourceNotFound"}
		noVault    = &refusal{http.StatusNotFound, "VaultNotExist"}
		notHere    = &refusal{http.StatusBadRequest, "NotSimulated"}
		vault      = newVault("another")
		backupPlan = params{
			"SourceType": "NAS", "VaultId": vaultID, "PlanName": "one", "FileSystemId": fileSystem, "CreateTime": created,
			"Path.1": "/shop", "Retention": "1", "Schedule": "I|1631685600|PT1H",
		}
		volume = params{
			"SourceType": "CONTAINER", "VaultId": vaultID, "ContainerClusterId": clusterID,
			"ContainerResources": containerResources(t, node, hostPrefix),
		}
		restored = params{
			"RestoreType": "NAS", "SourceType": "NAS", "VaultId": vaultID, "SnapshotId": dara.StringValue(snapshot.SnapshotId),
			"SnapshotHash": dara.StringValue(snapshot.SnapshotHash), "TargetFileSystemId": fileSystem,
			"TargetCreateTime": created, "TargetPath": "/restored",
			"Options": `{"includes":[],"excludes":[],"conflictPolicy":"OVERWRITE_EXISTING"}`,
		}
		search = params{"SourceType": "CONTAINER", "Query": `[{"field":"VaultId","value":"` + vaultID + `","operation":"MATCH_TERM"}]`}
	)
	tests := map[string]struct {
		action string
		params params
		want   *refusal
	}{
		"a vault without its name":       {"CreateVault", vault.with(params{"VaultName": ""}), &refusal{400, "MissingVaultName"}},
		"a vault of another region":      {"CreateVault", vault.with(params{"VaultRegionId": beijing}), bad},
		"a vault with a long name":       {"CreateVault", vault.with(params{"VaultName": strings.Repeat("v", 65)}), bad},
		"a vault with the name of one":   {"CreateVault", vault.with(params{"VaultName": "shop"}), bad},
		"a vault with KMS without a key": {"CreateVault", vault.with(params{"EncryptType": "KMS"}), bad},
		"a vault with a key without KMS": {"CreateVault", vault.with(params{"KmsKeyId": "k"}), bad},
		"a vault with KMS":               {"CreateVault", vault.with(params{"EncryptType": "KMS", "KmsKeyId": "k"}), nil},
		"too many vaults on a page":      {"DescribeVaults", params{"PageSize": "100"}, bad},
		"a page that is no number":       {"DescribeVaults", params{"PageSize": "x"}, &refusal{400, "InvalidPageSize"}},

		"a plan":                                {"CreateBackupPlan", backupPlan, nil},
		"a plan without a vault":                {"CreateBackupPlan", backupPlan.with(params{"VaultId": ""}), bad},
		"a plan in a vault that there is not":   {"CreateBackupPlan", backupPlan.with(params{"VaultId": "v-none"}), noVault},
		"a plan without a name":                 {"CreateBackupPlan", backupPlan.with(params{"PlanName": ""}), bad},
		"a plan with a schedule that is none":   {"CreateBackupPlan", backupPlan.with(params{"Schedule": "daily"}), bad},
		"a plan with a retention of no day":     {"CreateBackupPlan", backupPlan.with(params{"Retention": "0"}), bad},
		"a plan with a path that is relative":   {"CreateBackupPlan", backupPlan.with(params{"Path.1": "shop"}), bad},
		"a plan with two paths":                 {"CreateBackupPlan", backupPlan.with(params{"Path.2": "/other"}), notHere},
		"a plan without the time of creation":   {"CreateBackupPlan", backupPlan.with(params{"CreateTime": ""}), bad},
		"a plan for no file system":             {"CreateBackupPlan", backupPlan.with(params{"FileSystemId": "none"}), notFound},
		"a plan for a foreign file system":      {"CreateBackupPlan", backupPlan.with(params{"FileSystemId": "foreign"}), notFound},
		"a plan for one of another region":      {"CreateBackupPlan", backupPlan.with(params{"FileSystemId": "beijing"}), notFound},
		"a plan for an ECS instance":            {"CreateBackupPlan", backupPlan.with(params{"SourceType": "ECS_FILE"}), notHere},
		"a plan that excludes something":        {"CreateBackupPlan", backupPlan.with(params{"Exclude": `["/x"]`}), notHere},
		"a plan for a bucket that there is not": {"CreateBackupPlan", params{"SourceType": "OSS", "VaultId": vaultID, "PlanName": "o", "Bucket": "none"}, notFound},
		"a plan that there is not, run":         {"ExecuteBackupPlan", params{"PlanId": "plan-none", "VaultId": vaultID}, notFound},
		"a plan that there is not, deleted":     {"DeleteBackupPlan", params{"PlanId": "plan-none", "VaultId": vaultID}, notFound},

		"a job on a node":                  {"CreateBackupJob", volume, nil},
		"a job of another source type":     {"CreateBackupJob", volume.with(params{"SourceType": "NAS"}), bad},
		"a job in no cluster":              {"CreateBackupJob", volume.with(params{"ContainerClusterId": "cc-none"}), notFound},
		"a job of no volume":               {"CreateBackupJob", volume.with(params{"ContainerResources": "[]"}), notHere},
		"a job of what is no list":         {"CreateBackupJob", volume.with(params{"ContainerResources": "x"}), bad},
		"a job with a member not known":    {"CreateBackupJob", volume.with(params{"ContainerResources": `[{"path":"/"}]`}), bad},
		"a job of a volume without a node": {"CreateBackupJob", volume.with(params{"ContainerResources": containerResources(t, "", hostPrefix)}), bad},
		"a job of a type not known":        {"CreateBackupJob", volume.with(params{"BackupType": "FULL"}), bad},
		"a job that there is not":          {"CancelBackupJob", params{"JobId": "job-none"}, notFound},

		"a restore":                               {"CreateRestoreJob", restored, nil},
		"a restore to another type":               {"CreateRestoreJob", restored.with(params{"RestoreType": "OSS"}), bad},
		"a restore without the hash":              {"CreateRestoreJob", restored.with(params{"SnapshotHash": ""}), bad},
		"a restore of no snapshot":                {"CreateRestoreJob", restored.with(params{"SnapshotId": "s-none"}), notFound},
		"a restore to a relative path":            {"CreateRestoreJob", restored.with(params{"TargetPath": "restored"}), bad},
		"a restore with another time":             {"CreateRestoreJob", restored.with(params{"TargetCreateTime": "1"}), bad},
		"a restore of a part":                     {"CreateRestoreJob", restored.with(params{"Options": `{"includes":["/x"]}`}), notHere},
		"a restore with options that are no JSON": {"CreateRestoreJob", restored.with(params{"Options": "x"}), bad},
		"a restore that there is not":             {"CancelRestoreJob", params{"RestoreId": "r-none"}, notFound},

		"a search":                            {"SearchHistoricalSnapshots", search, nil},
		"a search without a query":            {"SearchHistoricalSnapshots", search.with(params{"Query": ""}), &refusal{400, "MissingQuery"}},
		"a search without a vault":            {"SearchHistoricalSnapshots", search.with(params{"Query": "[]"}), bad},
		"a search for NAS without its fields": {"SearchHistoricalSnapshots", search.with(params{"SourceType": "NAS"}), bad},
		"a search for OSS without its bucket": {"SearchHistoricalSnapshots", search.with(params{"SourceType": "OSS"}), bad},
		"a search without a type":             {"SearchHistoricalSnapshots", search.with(params{"SourceType": ""}), bad},
		"a search by job": {
			"SearchHistoricalSnapshots",
			search.with(params{"Query": `[{"field":"JobId","value":"job-1","operation":"MATCH_TERM"}]`}), bad,
		},
		"a search with an unknown operation": {
			"SearchHistoricalSnapshots", search.with(params{"Query": `[{"field":"VaultId","value":"v","operation":"LIKE"}]`}), bad,
		},
		"a search in a vault that there is not": {
			"SearchHistoricalSnapshots",
			search.with(params{"Query": `[{"field":"VaultId","value":"v-none","operation":"MATCH_TERM"}]`}), noVault,
		},
		"a filter with an unknown key":      {"DescribeBackupJobs2", params{"Filters.1.Key": "Name", "Filters.1.Values.1": "x"}, bad},
		"a filter with an unknown operator": {"DescribeBackupJobs2", params{"Filters.1.Key": "JobId", "Filters.1.Operator": "LIKE", "Filters.1.Values.1": "x"}, bad},
		"a filter without values":           {"DescribeBackupJobs2", params{"Filters.1.Key": "JobId"}, bad},
		"a filter on CompleteTime with IN":  {"DescribeBackupJobs2", params{"Filters.1.Key": "CompleteTime", "Filters.1.Values.1": "1"}, bad},

		"a cluster that is not of ACK":         {"AddContainerCluster", params{"Identifier": "c", "ClusterType": "K3S", "NetworkType": "VPC"}, bad},
		"a cluster without its network":        {"AddContainerCluster", params{"Identifier": "c", "ClusterType": "ACK"}, &refusal{400, "MissingNetworkType"}},
		"a cluster that there is not, changed": {"UpdateContainerCluster", params{"ClusterId": "cc-none"}, notFound},
		"a cluster that there is not, deleted": {"DeleteContainerCluster", params{"ClusterId": "cc-none"}, notFound},
		"an operation that is not simulated":   {"DescribeRegions", nil, &refusal{404, "InvalidAction.NotFound"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := call(t, c, ownerKey(), tt.action, tt.params)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s %v: refused (-want +got):\n%s", tt.action, tt.params, diff)
			}
		})
	}
}

func TestAPlansNameIsUniqueInItsVault(t *testing.T) {
	t.Parallel()
	c := start(t)
	p := params{"SourceType": "OSS", "VaultId": vaultID, "PlanName": "one", "Bucket": bucket}
	must(t, c, "CreateBackupPlan", p, "PlanId")
	_, got := call(t, c, ownerKey(), "CreateBackupPlan", p)
	if diff := cmp.Diff(&refusal{400, "BadRequest"}, got); diff != "" {
		t.Errorf("the second (-want +got):\n%s", diff)
	}
}

func TestPermissionsAreForActionsNotForVaults(t *testing.T) {
	t.Parallel()
	c := start(t)
	denied := &refusal{http.StatusForbidden, "NoPermission"}
	for action, want := range map[string]*refusal{"DescribeVaults": nil, "CreateBackupPlan": denied, "DeleteVault": denied} {
		_, got := call(t, c, limitedKey(), action, params{"VaultId": vaultID, "SourceType": "NAS"})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
	_, got := call(t, c, strangerKey(), "DeleteVault", params{"VaultId": vaultID})
	if diff := cmp.Diff(&refusal{http.StatusNotFound, "VaultNotExist"}, got); diff != "" {
		t.Errorf("another account (-want +got):\n%s", diff)
	}
}

func TestErrorsByFaultRule(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status  int
		code    string
		message string
	}{
		"the service is not activated": {403, "ServiceNotActivated", "The service is not activated yet."},
		"the account owes money":       {403, "InDebt", "The user account is in debt."},
		"a role is missing":            {403, "AssumeRoleFail", "Failed to assume role."},
		"API Gateway is not granted": {
			403, "MagpieBridgeSlrNotExist", "AliyunServiceRoleForHbrMagpieBridge doesn't exist, please create this role.",
		},
		"the vault can not be initialized": {500, "InitVaultError", "Failed to initialize a repository."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t)
			fail(t, c, fault.Rule{
				Service: "hbr", Operation: "CreateVault", Status: tt.status, Code: tt.code, Message: tt.message,
			})
			_, got := call(t, c, ownerKey(), "CreateVault", newVault("new"))
			if diff := cmp.Diff(&refusal{tt.status, tt.code}, got); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRegionsByTheirEndpoints(t *testing.T) {
	t.Parallel()
	c := start(t)
	for _, endpoint := range []string{"hbr.cn-beijing.aliyuncs.com", "hbr-vpc.cn-beijing.aliyuncs.com"} {
		settings := clientConfig(c, ownerKey())
		settings.Endpoint, settings.RegionId = dara.String(endpoint), dara.String(beijing)
		settings.HttpProxy = dara.String(c.ProxyURL())
		api, err := sdk.NewClient(settings)
		if err != nil {
			t.Fatal(err)
		}
		created, err := api.CreateVault(&sdk.CreateVaultRequest{
			VaultName: dara.String(endpoint), VaultRegionId: dara.String(beijing),
		})
		if err != nil {
			t.Fatal(err)
		}
		found, err := api.DescribeVaults(&sdk.DescribeVaultsRequest{VaultId: created.Body.VaultId})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(found.Body.Vaults.Vault); got != 1 {
			t.Errorf("%s: %d vaults are found", endpoint, got)
		}
		if got := vaultStatus(t, c, dara.StringValue(created.Body.VaultId)); got != "" {
			t.Errorf("%s: the vault is %s in another region", endpoint, got)
		}
	}
}
