// SPDX-License-Identifier: Apache-2.0

package hbr_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
)

const hostPrefix = "uid-1/volumes/kubernetes.io~csi/pv-1/mount"

// containerResources is the parameter for one volume.
func containerResources(t *testing.T, node, prefix string) string {
	t.Helper()
	data, err := json.Marshal([]map[string]string{{
		"resourceType": "PV", "backupMethod": "FILE", "resourceId": "pv-uid", "resourceInfo": `{"pv_name":"pv-1"}`,
		"host": node, "hostPrefix": prefix, "pvPath": "/",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// backUpVolume starts a job on a node and returns its description.
func backUpVolume(
	t *testing.T, c *cloudsim.Cloud, node string,
) *sdk.DescribeBackupJobs2ResponseBodyBackupJobsBackupJob {
	t.Helper()
	job, err := client(t, c).CreateBackupJob(&sdk.CreateBackupJobRequest{
		SourceType: dara.String("CONTAINER"), VaultId: dara.String(vaultID), JobName: dara.String("nightly-hbr"),
		Retention: dara.Int64(30), BackupType: dara.String("COMPLETE"), InitiatedByAck: dara.Bool(true),
		ContainerClusterId: dara.String(clusterID), Options: dara.String(`{"UseVSS":false}`),
		ContainerResources: dara.String(containerResources(t, node, hostPrefix)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return backupJob(t, c, dara.StringValue(job.Body.JobId))
}

// restoreVolume restores the snapshot of a job to a path of a node and returns the restore's description.
func restoreVolume(
	t *testing.T, c *cloudsim.Cloud, jobID, node, prefix string,
) *sdk.DescribeRestoreJobs2ResponseBodyRestoreJobsRestoreJob {
	t.Helper()
	s := snapshotOf(t, c, "CONTAINER", jobID)
	if s == nil {
		t.Fatal("the job has no snapshot")
	}
	target, err := json.Marshal(map[string]string{"host": node, "hostPrefix": prefix, "pvPath": "/"})
	if err != nil {
		t.Fatal(err)
	}
	job, err := client(t, c).CreateRestoreJob(&sdk.CreateRestoreJobRequest{
		RestoreType: dara.String("CONTAINER"), SourceType: dara.String("CONTAINER"), VaultId: dara.String(vaultID),
		SnapshotId: s.SnapshotId, SnapshotHash: s.SnapshotHash, InitiatedByAck: dara.Bool(true),
		TargetContainer: dara.String(string(target)), TargetContainerClusterId: dara.String(clusterID),
	})
	if err != nil {
		t.Fatal(err)
	}
	return restoreJob(t, c, dara.StringValue(job.Body.RestoreId))
}

// newAgent registers an agent on a new node and returns the node's file system.
func newAgent(t *testing.T, c *cloudsim.Cloud, a hbr.Agent) (root string) {
	t.Helper()
	a.Cluster, a.Node, a.Root = clusterID, node, t.TempDir()
	if err := c.HBR().AddAgent(a); err != nil {
		t.Fatal(err)
	}
	return a.Root
}

// makeDir makes a directory of a node.
func makeDir(t *testing.T, parts ...string) string {
	t.Helper()
	dir := filepath.Join(parts...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestVolumeRoundTrip(t *testing.T) {
	t.Parallel()
	c := start(t)
	root := newAgent(t, c, hbr.Agent{})
	volume := makeDir(t, root, "var/lib/kubelet/pods", hostPrefix)
	fillOddly(t, volume)
	want := content(t, volume)
	job := backUpVolume(t, c, node)
	if got := dara.StringValue(job.Status); got != "COMPLETE" {
		t.Fatalf("the job is %s: %s", got, dara.StringValue(job.ErrorMessage))
	}
	const mount = "/var/lib/kubelet/pods/uid-2/volumes/kubernetes.io~csi/pv-2/mount"
	target := makeDir(t, root, mount)
	restored := restoreVolume(t, c, dara.StringValue(job.JobId), node, mount)
	if got := dara.StringValue(restored.Status); got != "COMPLETE" {
		t.Fatalf("the restore is %s: %s", got, dara.StringValue(restored.ErrorMessage))
	}
	if diff := cmp.Diff(want, content(t, target)); diff != "" {
		t.Errorf("restored tree (-want +got):\n%s", diff)
	}
}

func TestSourceOnANode(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		agent hbr.Agent
		// make makes the node's file system.
		make          func(t *testing.T, root string)
		node          string
		status, error string
	}{
		"no agent on the node": {node: "node-2", status: "FAILED", error: "ClientNotExist"},
		"a volume that is mounted": {
			make: func(t *testing.T, root string) { t.Helper(); makeDir(t, root, "var/lib/kubelet/pods", hostPrefix) },
			node: node, status: "COMPLETE",
		},
		"a volume that is not mounted": {node: node, status: "FAILED", error: "SOURCE_NOT_EXIST"},
		"another kubelet root, of which the agent does not know": {
			make: func(t *testing.T, root string) { t.Helper(); makeDir(t, root, "data/kubelet/pods", hostPrefix) },
			node: node, status: "FAILED", error: "SOURCE_NOT_EXIST",
		},
		"another kubelet root, of which the agent knows": {
			agent: hbr.Agent{Pods: "/data/kubelet/pods"},
			make:  func(t *testing.T, root string) { t.Helper(); makeDir(t, root, "data/kubelet/pods", hostPrefix) },
			node:  node, status: "COMPLETE",
		},
		"a kubelet root behind an absolute symbolic link": {
			make: func(t *testing.T, root string) {
				t.Helper()
				makeDir(t, root, "data/kubelet/pods", hostPrefix)
				makeDir(t, root, "var/lib")
				if err := os.Symlink("/data/kubelet", filepath.Join(root, "var/lib/kubelet")); err != nil {
					t.Fatal(err)
				}
			},
			node: node, status: "COMPLETE",
		},
		"a file in the place of the directory": {
			make: func(t *testing.T, root string) {
				t.Helper()
				dir := makeDir(t, root, "var/lib/kubelet/pods", filepath.Dir(hostPrefix))
				if err := os.WriteFile(filepath.Join(dir, "mount"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			},
			node: node, status: "FAILED", error: "SOURCE_NOT_EXIST",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t)
			root := newAgent(t, c, tt.agent)
			if tt.make != nil {
				tt.make(t, root)
			}
			job := backUpVolume(t, c, tt.node)
			got := []string{dara.StringValue(job.Status), dara.StringValue(job.ErrorMessage)}
			if diff := cmp.Diff([]string{tt.status, tt.error}, got); diff != "" {
				t.Errorf("the job (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTargetOnANode(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		node, prefix  string
		status, error string
	}{
		"a directory":           {node, "/mnt/volume", "COMPLETE", ""},
		"no agent on the node":  {"node-2", "/mnt/volume", "FAILED", "ClientNotExist"},
		"nothing mounted there": {node, "/mnt/other", "FAILED", "TARGET_NOT_EXIST"},
		"a relative path":       {node, "mnt/volume", "FAILED", "TARGET_NOT_EXIST"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t)
			root := newAgent(t, c, hbr.Agent{})
			makeDir(t, root, "var/lib/kubelet/pods", hostPrefix)
			makeDir(t, root, "mnt/volume")
			jobID := dara.StringValue(backUpVolume(t, c, node).JobId)
			job := restoreVolume(t, c, jobID, tt.node, tt.prefix)
			got := []string{dara.StringValue(job.Status), dara.StringValue(job.ErrorMessage)}
			if diff := cmp.Diff([]string{tt.status, tt.error}, got); diff != "" {
				t.Errorf("the restore (-want +got):\n%s", diff)
			}
		})
	}
}

// jobsOf are the statuses and messages of the jobs that there were on a node.
func jobsOf(t *testing.T, c *cloudsim.Cloud) []string {
	t.Helper()
	backups, err := c.HBR().BackupJobs()
	if err != nil {
		t.Fatal(err)
	}
	restores, err := c.HBR().RestoreJobs()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, j := range append(backups, restores...) {
		all = append(all, strings.TrimSpace(j.Status+" "+j.Message))
	}
	return all
}

func TestJobsWhoseAgentGoes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		leaves func(*cloudsim.Cloud) error
		want   []string
	}{
		"alone": {
			func(c *cloudsim.Cloud) error { return c.HBR().RemoveAgent(clusterID, node) },
			[]string{"COMPLETE", "FAILED ClientNotExist", "FAILED ClientNotExist"},
		},
		"from another node": {
			func(c *cloudsim.Cloud) error { return c.HBR().RemoveAgent(clusterID, "node-2") },
			[]string{"COMPLETE", "RUNNING", "RUNNING"},
		},
		"with its cluster": {
			func(c *cloudsim.Cloud) error {
				_, failure := call(t, c, ownerKey(), "DeleteContainerCluster", params{"ClusterId": clusterID, "Force": "true"})
				if failure != nil {
					return errors.New(failure.Code)
				}
				return nil
			},
			[]string{"COMPLETE", "FAILED ClientNotExist", "FAILED ClientNotExist"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, taking)
			root := newAgent(t, c, hbr.Agent{})
			makeDir(t, root, "var/lib/kubelet/pods", hostPrefix)
			makeDir(t, root, "mnt/volume")
			first := dara.StringValue(backUpVolume(t, c, node).JobId)
			c.HBR().Advance(time.Minute)
			backUpVolume(t, c, node)
			restoreVolume(t, c, first, node, "/mnt/volume")
			if err := tt.leaves(c); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, jobsOf(t, c)); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAVolumeThatIsUnmountedWhileJobsCopy(t *testing.T) {
	t.Parallel()
	const mount = "/var/lib/kubelet/pods/" + hostPrefix
	tests := map[string]struct {
		// after is how long after the jobs began.
		after time.Duration
		want  []string
	}{
		"at once":       {0, []string{"COMPLETE", "FAILED SOURCE_NOT_EXIST", "FAILED TARGET_NOT_EXIST"}},
		"in the middle": {30 * time.Second, []string{"COMPLETE", "PARTIAL_COMPLETE some items were not copied", "PARTIAL_COMPLETE some items were not copied"}},
		"at their end":  {time.Minute, []string{"COMPLETE", "COMPLETE", "COMPLETE"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, taking)
			files, volume := tree.NewMachine(t.TempDir()), t.TempDir()
			makeDir(t, volume, "a/b/c")
			if _, err := files.Make(mount); err != nil {
				t.Fatal(err)
			}
			err := errors.Join(files.Mount(mount, volume), c.HBR().AddAgent(hbr.Agent{Cluster: clusterID, Node: node, Files: files}))
			if err != nil {
				t.Fatal(err)
			}
			first := dara.StringValue(backUpVolume(t, c, node).JobId)
			c.HBR().Advance(time.Minute)
			backUpVolume(t, c, node)
			restoreVolume(t, c, first, node, mount)
			c.HBR().Advance(tt.after)
			if err := files.Unmount(mount); err != nil {
				t.Fatal(err)
			}
			c.HBR().Advance(time.Minute)
			if diff := cmp.Diff(tt.want, jobsOf(t, c)); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestContainerClusters(t *testing.T) {
	t.Parallel()
	c := start(t)
	api := client(t, c)
	add := func(identifier string) (id, token string) {
		t.Helper()
		added, err := api.AddContainerCluster(&sdk.AddContainerClusterRequest{
			Identifier: dara.String(identifier), ClusterType: dara.String("ACK"), NetworkType: dara.String("VPC"),
			Name: dara.String("shop"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return dara.StringValue(added.Body.ClusterId), dara.StringValue(added.Body.Token)
	}
	agentStatus := func(id string) string {
		t.Helper()
		found, err := api.DescribeContainerCluster(&sdk.DescribeContainerClusterRequest{ClusterId: dara.String(id)})
		if err != nil {
			t.Fatal(err)
		}
		return dara.StringValue(found.Body.Clusters[0].AgentStatus)
	}
	id, token := add("c-new")
	again, sameToken := add("c-new")
	if diff := cmp.Diff([]string{id, token}, []string{again, sameToken}); diff != "" {
		t.Errorf("registered twice (-want +got):\n%s", diff)
	}
	got := []string{agentStatus(id)}
	if err := c.HBR().AddAgent(hbr.Agent{Cluster: id, Token: "token-1", Node: node, Root: t.TempDir()}); err == nil {
		t.Error("an agent registers with the token of another cluster")
	}
	if err := c.HBR().AddAgent(hbr.Agent{Token: token, Node: node, Root: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	got = append(got, agentStatus(id))
	if err := c.HBR().SilenceAgents(id); err != nil {
		t.Fatal(err)
	}
	got = append(got, agentStatus(id))
	if err := c.HBR().RemoveAgent(id, node); err != nil {
		t.Fatal(err)
	}
	got = append(got, agentStatus(id))
	if diff := cmp.Diff([]string{"MISS", "READY", "UNKNOWN", "MISS"}, got); diff != "" {
		t.Errorf("statuses of the agents (-want +got):\n%s", diff)
	}
	for _, renew := range []string{"false", "true"} {
		answer, failure := call(t, c, ownerKey(), "UpdateContainerCluster", params{"ClusterId": id, "RenewToken": renew, "Name": "shop-2"})
		if failure != nil {
			t.Fatalf("refused with %v", *failure)
		}
		updated := renew == "true"
		if answer["TokenUpdated"] != updated || answer["Token"] == "" || (answer["Token"] != token) != updated {
			t.Errorf("RenewToken %s: the answer is %v, and the token was %s", renew, answer, token)
		}
	}
	must(t, c, "DeleteContainerCluster", params{"ClusterId": id}, "")
}
