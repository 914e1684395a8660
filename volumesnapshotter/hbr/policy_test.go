// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	ram "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
)

// backupCenterPolicy is what the backup center has its own account granted, verbatim.
// Source: ACK documentation, FAQ about the backup center, "Cause 2 and solution: Cluster
// snapshot permissions are not configured for disk volume backup".
const backupCenterPolicy = "testdata/backup-center-policy.json"

// statement is one of a policy.
type statement struct {
	Effect, Resource string
	Action           []string
}

// statementsOf reads a policy.
func statementsOf(t *testing.T, file string) []statement {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var policy struct{ Statement []statement }
	if err := json.Unmarshal(content, &policy); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return policy.Statement
}

// permissions are the actions of statements with their resources.
func permissions(statements []statement) map[string]string {
	found := map[string]string{}
	for _, s := range statements {
		for _, action := range s.Action {
			found[action] = s.Resource
		}
	}
	return found
}

// policyOf is the policy of statements without an action, which may be "".
func policyOf(t *testing.T, statements []statement, without string) ram.Policy {
	t.Helper()
	var rest []statement
	for _, s := range statements {
		s.Action = slices.DeleteFunc(slices.Clone(s.Action), func(action string) bool { return action == without })
		if len(s.Action) > 0 {
			rest = append(rest, s)
		}
	}
	content, err := json.Marshal(map[string]any{"Version": "1", "Statement": rest})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := ram.ParsePolicy(content)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

func TestThePolicyOfBothMethodsIsThoseOfEach(t *testing.T) {
	t.Parallel()
	both := permissions(statementsOf(t, agentlessPolicy))
	maps.Copy(both, permissions(statementsOf(t, nodePolicy)))
	if diff := gocmp.Diff(both, permissions(statementsOf(t, bothPolicies))); diff != "" {
		t.Errorf("actions with their resources (-of each +of %s):\n%s", bothPolicies, diff)
	}
}

// What the plugin does, whichever the method.
func opVault() operation {
	return operation{name: "making the vault", do: (*attempt).backUp}
}

func opBackup() operation {
	return operation{name: "backing up", prepare: (*attempt).made, do: (*attempt).backUp}
}

func opProgress() operation {
	return operation{name: "telling how far a backup is", prepare: (*attempt).begunBackup, do: (*attempt).awaitBackup}
}

func opCancel() operation {
	return operation{name: "canceling a backup", prepare: (*attempt).begunBackup, do: (*attempt).cancelBackup}
}

func opRestore() operation {
	return operation{name: "restoring", prepare: (*attempt).backedUp, do: (*attempt).restore}
}

func opDiscard() operation {
	return operation{name: "giving a restore up", prepare: (*attempt).begunRestore, do: (*attempt).discard}
}

func opDelete() operation {
	return operation{name: "deleting", prepare: (*attempt).backedUp, do: (*attempt).delete}
}

// needs are the actions of a method, each with what fails without it.
func needs(way method) map[string]operation {
	needed := map[string]operation{
		"hbr:CreateVault": opVault(), "hbr:DescribeVaults": opVault(),
		"hbr:DescribeBackupJobs2": opProgress(), "hbr:CancelBackupJob": opCancel(),
		"hbr:SearchHistoricalSnapshots": opRestore(), "hbr:CreateRestoreJob": opRestore(), "hbr:DescribeRestoreJobs2": opRestore(),
		"hbr:CancelRestoreJob": opDiscard(), "hbr:DeleteSnapshot": opDelete(),
	}
	if way == onNode {
		maps.Copy(needed, map[string]operation{
			"hbr:AddContainerCluster": opBackup(), "hbr:DescribeContainerCluster": opBackup(), "hbr:CreateBackupJob": opBackup(),
		})
		return needed
	}
	maps.Copy(needed, map[string]operation{
		"nas:DescribeFileSystems": opBackup(), "hbr:CreateBackupPlan": opBackup(), "hbr:ExecuteBackupPlan": opBackup(),
		"hbr:DescribeBackupPlans": {name: "backing up where an answer is lost", prepare: (*attempt).madeWithALoss, do: (*attempt).backUp},
		"hbr:DeleteBackupPlan":    {name: "removing the plan of a backup", prepare: (*attempt).begunBackup, do: (*attempt).awaitPlan},
	})
	return needed
}

// TestThePoliciesAreTheLeast holds that each method does all that it does under its
// policy, and that without any of its actions something fails, which names the action.
func TestThePoliciesAreTheLeast(t *testing.T) {
	t.Parallel()
	for way, file := range map[method]string{agentless: agentlessPolicy, onNode: nodePolicy} {
		needed, statements := needs(way), statementsOf(t, file)
		if diff := gocmp.Diff(slices.Sorted(maps.Keys(needed)), slices.Sorted(maps.Keys(permissions(statements)))); diff != "" {
			t.Errorf("actions of %s (-needed +granted):\n%s", file, diff)
		}
		whole := map[string]operation{}
		for action, op := range needed {
			whole[op.name] = op
			t.Run(string(way)+", "+op.name+" without "+action, func(t *testing.T) {
				t.Parallel()
				if said := op.try(t, way, policyOf(t, statements, action)); !strings.Contains(said, action) {
					t.Errorf("said %q, want that %s is missing", said, action)
				}
			})
		}
		for name, op := range whole {
			t.Run(string(way)+", "+name, func(t *testing.T) {
				t.Parallel()
				if said := op.try(t, way, policyOf(t, statements, "")); said != "" {
					t.Errorf("said %q", said)
				}
			})
		}
	}
}

// TestUnderTheBackupCentersPolicy holds what a location does whose account may do what
// the backup center's may, and what it lacks for the rest.
func TestUnderTheBackupCentersPolicy(t *testing.T) {
	t.Parallel()
	policy := policyOf(t, statementsOf(t, backupCenterPolicy), "")
	agentlessBefore := operation{prepare: (*attempt).agentlessBefore, do: (*attempt).restore}
	elsewhere := agentlessBefore
	elsewhere.config = map[string]string{"restoreMountTarget": otherTarget}
	ofBucket := opBackup()
	ofBucket.ofBucket = true
	for name, test := range map[string]struct {
		way     method
		do      operation
		missing string // Empty where all is done.
	}{
		"making the vault":                                      {auto, opVault(), ""},
		"backing NAS up without a client":                       {agentless, opBackup(), "nas:DescribeFileSystems"},
		"backing OSS up without a client":                       {agentless, ofBucket, "hbr:CreateBackupPlan"},
		"backing NAS up by the method that there is":            {auto, opBackup(), ""},
		"backing OSS up by the method that there is":            {auto, ofBucket, ""},
		"registering the cluster and backing up through a node": {onNode, opBackup(), ""},
		"telling how far a backup through a node is":            {onNode, opProgress(), ""},
		"telling how far a backup without a client is":          {agentless, opProgress(), ""},
		"canceling a backup through a node":                     {onNode, opCancel(), ""},
		"canceling a backup without a client":                   {agentless, opCancel(), "hbr:DeleteBackupPlan"},
		"restoring a backup through a node":                     {onNode, opRestore(), ""},
		"restoring a backup without a client":                   {auto, agentlessBefore, ""},
		"restoring such a one into another file system":         {auto, elsewhere, "nas:DescribeFileSystems"},
		"giving a restore through a node up":                    {onNode, opDiscard(), ""},
		"giving a restore without a client up":                  {agentless, opDiscard(), ""},
		"deleting a backup, which is left to its retention":     {onNode, opDelete(), "hbr:DeleteSnapshot"},
		"removing the plans that others have left":              {agentless, operation{prepare: (*attempt).abandoned, do: (*attempt).sweep}, "hbr:DescribeBackupPlans"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := test.do.try(t, test.way, policy)
			if (said == "") != (test.missing == "") || !strings.Contains(said, test.missing) {
				t.Errorf("said %q, want that %q is missing", said, test.missing)
			}
		})
	}
}
