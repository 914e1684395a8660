//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudcontroller"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/expose"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/csidriver"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/images"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

const (
	accountID  = "1000000000000001"
	userName   = "velero"
	homeRegion = "cn-hangzhou"
	homeZone   = "cn-hangzhou-h"
	otherZone  = "cn-hangzhou-i" // of the first region: no node is there
	awayRegion = "cn-beijing"
	awayZone   = "cn-beijing-k"

	// The access keys are made up: only the simulated cloud knows them.
	accessKeyID, accessKeySecret   = "LTAIe2e", "made-up"
	driverKeyID, driverKeySecret   = "LTAIdriver", "made-up-too"
	bucketsPrefix                  = "cnfs-oss-" // deploy/ram/oss.json is for such buckets
	homeFileSystem, awayFileSystem = "0a1b2c3d4e", "9f8e7d6c5b"

	ledgerImage = "ledger:e2e"
	driverImage = "csidriver:e2e"
)

// slotVariable is an environment variable with a number from 1 to 9: suites of different slots run side by side.
const slotVariable = "E2E_SLOT"

// environment is an account of the simulated cloud, and a cluster in each of two of its regions. Tests share it, and have
// namespaces, buckets and names of their own.
type environment struct {
	cloud      *simulated
	balancers  *slb.Account
	home, away *site
}

// simulated is the simulated cloud on an address that nodes reach.
type simulated struct{ *cloudsim.Cloud }

// authority is the certificate by which its endpoints are certified.
func (c *simulated) authority(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(c.Addresses().CAFile)
	must(t, err)
	return string(data)
}

// site is a cluster with the drivers and controllers that clusters of Alibaba Cloud have.
type site struct {
	*cluster.Cluster
	region, zone string
	fileSystem   string
	cloud        *simulated
	balancers    *slb.Account
	// namespace is that of Velero, by default veleroNamespace.
	namespace string
	// cli is the Velero CLI, and kubectl that of Kubernetes.
	cli, kubectl string
	// proxyURL is that of the cloud's proxy as Pods reach it.
	proxyURL string
}

// TestE2E runs all scenarios, on two clusters that they share. Those that disturb others come last, one by one.
func TestE2E(t *testing.T) {
	e := start(t)
	t.Run("install", e.testInstallation)
	if t.Failed() {
		t.FailNow() // Nothing of the others would work.
	}
	t.Run("case", func(t *testing.T) {
		t.Run("schedules make backups when their time comes", e.testSchedules)
		t.Run("a schedule whose namespaces are gone", e.testSchedulesWithoutNamespaces)
		t.Run("files of NAS become those of a disk, and those of a disk NAS", e.testConversion)
		t.Run("a backup that expires leaves nothing", e.testExpiry)
		t.Run("backups of the official plugin are restored", e.testUpgrade)
		t.Run("some volumes are backed up with their data and the others without", e.testDataProtection)
		t.Run("Velero backs files up by itself", e.testFileSystemBackup)
		t.Run("Velero moves snapshots to the bucket", e.testDataMover)
	})
}

// start starts everything, which ends with the test.
func start(t *testing.T) *environment {
	t.Helper()
	builder, err := tools.NewBuilder(t.Context(), os.LookupEnv, os.Stderr)
	must(t, err)
	cli, err := builder.Path(t.Context(), tools.Velero)
	must(t, err)
	kubectl, err := builder.Path(t.Context(), tools.Kubectl)
	must(t, err)
	slot := slot(t)
	e := &environment{
		home: &site{region: homeRegion, zone: homeZone, fileSystem: homeFileSystem, cli: cli, kubectl: kubectl},
		away: &site{region: awayRegion, zone: awayZone, fileSystem: awayFileSystem, cli: cli, kubectl: kubectl},
	}
	for i, s := range []*site{e.home, e.away} {
		s.Cluster = startCluster(t, cluster.Options{
			Name: fmt.Sprintf("e2e%d%c", slot, 'a'+i), Index: 2*slot - 1 + i, Region: s.region, Zone: s.zone, Progress: os.Stderr,
		})
	}
	e.cloud = startCloud(t, e.home.HostAddress)
	e.balancers = startBalancers(t, slot)
	archives := buildImages(t, builder)
	for _, s := range []*site{e.home, e.away} {
		s.cloud, s.balancers = e.cloud, e.balancers
		s.equip(t, archives)
	}
	return e
}

// slot is the number of this suite among those of the machine.
func slot(t *testing.T) int {
	t.Helper()
	text := os.Getenv(slotVariable)
	if text == "" {
		return 1
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > 9 {
		t.Fatalf("%s is %q, and not a number from 1 to 9", slotVariable, text)
	}
	return number
}

// startCluster starts a cluster that is empty, and ends with the test.
func startCluster(t *testing.T, options cluster.Options) *cluster.Cluster {
	t.Helper()
	must(t, cluster.Down(t.Context(), options.Name))
	c, err := cluster.Up(t.Context(), options)
	must(t, err)
	t.Cleanup(func() {
		if os.Getenv("KEEP") != "" {
			t.Logf("kept for you: export KUBECONFIG=%s", c.Kubeconfig)
			return
		}
		if err := cluster.Down(context.WithoutCancel(t.Context()), options.Name); err != nil {
			t.Error(err)
		}
	})
	return c
}

// startCloud starts a cloud at an address of this machine.
func startCloud(t *testing.T, address string) *simulated {
	t.Helper()
	at := net.JoinHostPort(address, "0")
	cloud, err := cloudsim.Start(cloudConfig(t), cloudsim.WithStateDir(t.TempDir()), cloudsim.WithListen(cloudsim.Listen{
		OSS: at, RPC: at, Metadata: at, Proxy: at, Admin: at,
	}))
	must(t, err)
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	return &simulated{cloud}
}

// cloudConfig is an account with the RAM user that Velero is, who has the policies that this repository recommends, and
// one that the CSI drivers are.
func cloudConfig(t *testing.T) cloudsim.Config {
	t.Helper()
	unreachable := false
	second := metav1.Duration{Duration: time.Second}
	region := func(id string, zones ...string) ecs.Region {
		r := ecs.Region{ID: id}
		for _, zone := range zones {
			r.Zones = append(r.Zones, ecs.Zone{ID: zone})
		}
		return r
	}
	files := func(id, region string) nas.FileSystemConfig {
		return nas.FileSystemConfig{ID: id, Account: accountID, Region: region, MountTargets: []string{mountTarget(id, region)}}
	}
	return cloudsim.Config{
		Region: homeRegion,
		Accounts: []cloudsim.Account{{ID: accountID, Users: []cloudsim.User{
			{Name: userName, Keys: []cloudsim.AccessKey{{ID: accessKeyID, Secret: accessKeySecret}}, Policies: policies(t)},
			{Name: "csi", Keys: []cloudsim.AccessKey{{ID: driverKeyID, Secret: driverKeySecret}}, Policies: []account.Policy{driverPolicy(t)}},
		}}},
		ECS: ecs.Config{
			Regions: []ecs.Region{region(homeRegion, homeZone, otherZone), region(awayRegion, awayZone)},
			Instances: []ecs.Instance{
				{ID: instanceOf(homeRegion), Account: accountID, Zone: homeZone}, {ID: instanceOf(awayRegion), Account: accountID, Zone: awayZone},
			},
			Durations: ecs.Durations{CreateDisk: second, Snapshot: second, Copy: second},
		},
		NAS: nas.Config{FileSystems: []nas.FileSystemConfig{files(homeFileSystem, homeRegion), files(awayFileSystem, awayRegion)}},
		HBR: hbr.Config{Durations: hbr.Durations{Backup: second, Restore: second}},
		// The clusters are outside of the cloud's own network.
		Network: cloudsim.Network{InternalReachable: &unreachable},
	}
}

func instanceOf(region string) string { return "i-" + region }

func mountTarget(fileSystem, region string) string {
	return fileSystem + "-e2e." + region + ".nas.aliyuncs.com"
}

// policies are those that deploy/ram recommends.
func policies(t *testing.T) []account.Policy {
	t.Helper()
	var all []account.Policy
	for _, name := range []string{"oss.json", "ecs.json", "hbr.json"} {
		data, err := os.ReadFile(filepath.Join("../../deploy/ram", name))
		must(t, err)
		// It is for one bucket, and tests have several.
		policy, err := account.ParsePolicy(bytes.ReplaceAll(data, []byte("cnfs-oss-backup"), []byte(bucketsPrefix+"*")))
		must(t, err)
		all = append(all, policy)
	}
	return all
}

func driverPolicy(t *testing.T) account.Policy {
	t.Helper()
	policy, err := account.ParsePolicy([]byte(`{"Version": "1", "Statement": [{"Effect": "Allow", "Action": ["ecs:*", "nas:*"], "Resource": "*"}]}`))
	must(t, err)
	return policy
}

// credentialsFile is the content of the file that `velero install` takes.
func credentialsFile() string {
	return fmt.Sprintf("ALIBABA_CLOUD_ACCESS_KEY_ID=%s\nALIBABA_CLOUD_ACCESS_KEY_SECRET=%s\n", accessKeyID, accessKeySecret)
}

// bucket makes an empty bucket in the first region.
func (c *simulated) bucket(t *testing.T, name string) string {
	t.Helper()
	must(t, c.OSS().CreateBucket(oss.BucketConfig{Name: bucketsPrefix + name, Region: homeRegion, Owner: accountID}))
	return bucketsPrefix + name
}

// startBalancers gives the account load balancers, at addresses of this machine that nodes reach.
func startBalancers(t *testing.T, slot int) *slb.Account {
	t.Helper()
	addresses := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 234, byte(slot), 0}), 24)
	command(t, "ip", "route", "replace", "local", addresses.String(), "dev", "lo")
	t.Cleanup(func() { command(t, "ip", "route", "del", "local", addresses.String(), "dev", "lo") })
	balancers, err := slb.New(slb.Options{Addresses: addresses, Serve: true})
	must(t, err)
	t.Cleanup(func() {
		if err := balancers.Close(); err != nil {
			t.Error(err)
		}
	})
	return balancers
}

// buildImages builds the images that tests run, and returns their archives.
func buildImages(t *testing.T, builder *tools.Builder) []string {
	t.Helper()
	velero, err := images.BuildVelero(t.Context(), builder)
	must(t, err)
	plugin, err := images.BuildPlugin(t.Context(), "../..", t.TempDir())
	must(t, err)
	busyBox, err := images.BuildBusyBox(t.Context())
	must(t, err)
	archives := []string{velero, plugin, busyBox}
	for _, image := range []cluster.Image{
		{Name: ledgerImage, Programs: map[string]string{"/ledger": "./tests/e2e/ledger/cmd/ledger"}, Entrypoint: []string{"/ledger"}},
		{Name: driverImage, Programs: map[string]string{"/csidriver": "./tests/csidriver/cmd/csidriver"}, Entrypoint: []string{"/csidriver"}},
	} {
		archive, err := cluster.BuildImage(t.Context(), image)
		must(t, err)
		archives = append(archives, archive)
	}
	return archives
}

// equip makes of a cluster one of Alibaba Cloud: it has the images, the way to the cloud, CSI drivers and the cloud
// controller manager.
func (s *site) equip(t *testing.T, archives []string) {
	t.Helper()
	for _, archive := range archives {
		must(t, s.LoadImage(t.Context(), archive))
	}
	reached, err := expose.Apply(t.Context(), s.Client, s.cloud.Addresses())
	must(t, err)
	s.proxyURL = reached.Proxy
	must(t, csidriver.Install(t.Context(), s.Client, csidriver.Options{
		Image: driverImage, AdminURL: s.cloud.Addresses().Admin, ProxyURL: s.cloud.Addresses().Proxy,
		StateDir: filepath.Dir(s.cloud.Addresses().CAFile), KubeletDir: s.KubeletDir,
		Region: s.region, Zone: s.zone, Instance: instanceOf(s.region),
		Account:     csidriver.Account{ID: accountID, AccessKeyID: driverKeyID, AccessKeySecret: driverKeySecret},
		FileSystems: map[string]string{csidriver.CNFS: mountTarget(s.fileSystem, s.region)},
	}))
	controller, err := cloudcontroller.Start(t.Context(), s.Client, cloudcontroller.Options{
		LoadBalancers: s.balancers.In(s.region), ClusterID: "c-" + s.Name,
	})
	must(t, err)
	t.Cleanup(func() {
		// A controller that is cut off from the API server says so, which is no failure.
		if err := controller.Close(); err != nil && !errors.Is(err, context.Canceled) {
			t.Logf("the cloud controller: %v", err)
		}
	})
}

// command runs a command of the system.
func command(t *testing.T, name string, args ...string) {
	t.Helper()
	output, err := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
}
