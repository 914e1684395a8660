// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// What the account of the file systems has.
const (
	nasID      = "31a8e4ab12"
	nasServer  = nasID + "-abc34.cn-hangzhou.nas.aliyuncs.com"
	cpfsServer = "cpfs-0a1b2c3d-000001.cn-hangzhou.cpfs.aliyuncs.com"
	// fileBucket is the one of OSS volumes.
	fileBucket = "shop-files"
	// fileInstance is what disks are attached to.
	fileInstance = "i-files"
)

// workers is how many nodes the cluster has. Of a backup one job runs on a node at a time.
const workers = 10

// worker is the name of a node.
func worker(number int) string { return fmt.Sprintf("worker-%d", number) }

// localRoot is the directory of each node that has its local volumes.
const localRoot = "/mnt/disks"

// fileSuite is a suite whose cloud has NAS, OSS and Cloud Backup, and whose cluster has nodes that run Pods and the Cloud
// Backup client.
type fileSuite struct {
	*suite

	nodes *node.Cluster
	// orphans are the snapshots that no backup has any more, and that Cloud Backup deletes when their retention is over.
	orphans *names
}

// TestFileSystems runs all cases of file systems that need a Velero server, on one that they share.
func TestFileSystems(t *testing.T) { //nolint:tparallel // What follows the cases disturbs others.
	t.Parallel()
	skipShort(t)
	s := &fileSuite{suite: startSuite(t, cloudWithFiles()), orphans: &names{}}
	s.startNodes(t)
	s.installClient(t)
	s.newDiskLocation(t)
	t.Run("case", func(t *testing.T) {
		t.Run("NAS and OSS volumes are restored into directories of their own", s.testAgentless)
		t.Run("of 50 volumes of all kinds each is taken by one snapshotter", s.testAllKinds)
		t.Run("volumes are backed up and restored through nodes", s.testOnNodes)
		t.Run("volumes are restored as those of another kind", s.testFileConversions)
		t.Run("disks that are not snapshotted are backed up by files, and block devices are refused", s.testDisksByFiles)
		t.Run("the deletion of a backup deletes its snapshots and leaves the vault", s.testFileDeletion)
		t.Run("a backup tells what jobs could not read, and restores what they could", s.testUnsuccessfulJobs)
	})
	t.Run("ten slow volumes are filled side by side and held back until they are whole", s.testTenSlowFiles)
	t.Run("nothing is left", s.testNothingIsLeft)
	t.Run("a backup whose server is killed leaves nothing after the next one", s.testKilledFileBackup)
	t.Run("a backup whose plugin is killed while it waits has its data, and leaves nothing", s.testKilledFilePoll)
	t.Run("a restore that is killed leaves nothing after the next one", s.testKilledFileRestores)
	t.Run("nothing is left after kills", s.testNothingIsLeft)
	t.Run("no secret is in what the CLI says", func(t *testing.T) { must(t, s.secrets.in("the CLI's output", s.said.String())) })
}

// testNothingIsLeft looks at what the cases before have left in the account and in the cluster.
func (s *fileSuite) testNothingIsLeft(t *testing.T) {
	has, err := s.cloud.HBR().Inventory(accountID)
	must(t, err)
	orphans := s.orphans.all()
	slices.Sort(orphans)
	wantEqual(t, "what Cloud Backup has", has, hbr.Inventory{Vaults: has.Vaults, Clusters: has.Clusters, Snapshots: orphans})
	wantEqual(t, "how many vaults there are", len(has.Vaults), 1)
	wantEqual(t, "how many clusters are registered", len(has.Clusters), 1)
	left, err := s.leftovers(t.Context())
	must(t, err)
	wantEqual(t, "what is left in the cluster", left, []string{})
}

// cloudWithFiles is a cloud outside of which the clients are, in which accountID has file systems, a bucket, and an
// instance that disks are attached to.
func cloudWithFiles() cloudsim.Config {
	config := bareCloud()
	config.ECS = ecs.Config{
		Regions:   []ecs.Region{{ID: region, Zones: []ecs.Zone{{ID: zoneH}}}},
		Instances: []ecs.Instance{{ID: fileInstance, Account: accountID, Zone: zoneH}},
		Durations: briefly(),
	}
	config.NAS.FileSystems = []nas.FileSystemConfig{
		{ID: nasID, Account: accountID, Region: region, MountTargets: []string{nasServer}},
		{ID: "cpfs-0a1b2c3d", Account: accountID, Region: region, Type: nas.TypeCPFS, MountTargets: []string{cpfsServer}},
	}
	config.Buckets = []oss.BucketConfig{{Name: fileBucket, Owner: accountID, Region: region}}
	config.HBR.Durations = quickly()
	return config
}

// quickly is how long jobs take by default.
func quickly() hbr.Durations {
	second := metav1.Duration{Duration: time.Second}
	return hbr.Durations{Vault: second, Backup: second, Restore: second, Cancel: second}
}

// startNodes starts the nodes. They end with the test.
func (s *fileSuite) startNodes(t *testing.T) {
	t.Helper()
	var nodes []node.Config
	for number := range workers {
		nodes = append(nodes, node.Config{Name: worker(number), Zone: zoneH, Directories: []string{localRoot}})
	}
	var err error
	s.nodes, err = node.Start(t.Context(), s.cp.Client, node.Options{
		Cloud: s.cloud, Account: accountID, Dir: t.TempDir(), Nodes: nodes,
	})
	must(t, err)
	t.Cleanup(func() {
		if err := s.nodes.Close(); err != nil {
			t.Error(err)
		}
	})
}

// installClient applies deploy/hbr-client with an image.
func (s *fileSuite) installClient(t *testing.T) {
	t.Helper()
	class, set := &schedulingv1.PriorityClass{}, &appsv1.DaemonSet{}
	readManifest(t, "priorityclass.yaml", class)
	readManifest(t, "daemonset.yaml", set)
	set.Spec.Template.Spec.Containers[0].Image = "registry.cn-hangzhou.aliyuncs.com/my-namespace/hbr-client:1"
	s.create(t, class, set)
}

// readManifest reads a file of deploy/hbr-client.
func readManifest(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile("../../deploy/hbr-client/" + file)
	must(t, err)
	must(t, yaml.UnmarshalStrict([]byte(strings.TrimSpace(string(content))), into))
}
