//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
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

	"golang.org/x/sync/errgroup"
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
		t.Run("an application that is lost comes back with all that it had written", e.testApplication)
		t.Run("an application migrates while it serves", e.testMigration)
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
	e := &environment{
		home: &site{region: homeRegion, zone: homeZone, fileSystem: homeFileSystem},
		away: &site{region: awayRegion, zone: awayZone, fileSystem: awayFileSystem},
	}
	startSites(t, e.home, e.away)
	e.cloud, e.balancers = e.home.cloud, e.home.balancers
	return e
}

// startSites starts clusters of one account, which end with the test.
func startSites(t *testing.T, sites ...*site) {
	t.Helper()
	builder, err := tools.NewBuilder(t.Context(), os.LookupEnv, os.Stderr)
	must(t, err)
	slot := slot(t)
	var archives []string
	// All of this waits for one thing or another most of the time.
	var group errgroup.Group
	group.Go(func() (err error) {
		archives, err = buildImages(t.Context(), builder, t.TempDir())
		return err
	})
	for i, s := range sites {
		s.cli, err = builder.Path(t.Context(), tools.Velero)
		must(t, err)
		s.kubectl, err = builder.Path(t.Context(), tools.Kubectl)
		must(t, err)
		options := cluster.Options{
			Name: fmt.Sprintf("e2e%d%c", slot, 'a'+i), Index: 2*slot - 1 + i, Region: s.region, Zone: s.zone, Progress: os.Stderr,
		}
		t.Cleanup(func() { endCluster(t, options.Name) })
		group.Go(func() (err error) {
			s.Cluster, err = startCluster(t.Context(), options)
			return err
		})
	}
	must(t, group.Wait())
	cloud, balancers := startCloud(t, sites[0].HostAddress), startBalancers(t, slot)
	for _, s := range sites {
		// Clusters end before the cloud: Pods write to it until then.
		t.Cleanup(func() { endCluster(t, s.Name) })
		s.cloud, s.balancers = cloud, balancers
		group.Go(func() error { return s.equip(t.Context(), archives) })
	}
	must(t, group.Wait())
	for _, s := range sites {
		s.startController(t)
	}
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

// startCluster starts a cluster that is empty.
func startCluster(ctx context.Context, options cluster.Options) (*cluster.Cluster, error) {
	if err := cluster.Down(ctx, options.Name); err != nil {
		return nil, err
	}
	return cluster.Up(ctx, options)
}

// endCluster ends a cluster, unless KEEP is set.
func endCluster(t *testing.T, name string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if os.Getenv("KEEP") != "" {
		if c, err := cluster.Open(ctx, name); err == nil {
			t.Logf("kept for you: export KUBECONFIG=%s", c.Kubeconfig)
		}
		return
	}
	if err := cluster.Down(ctx, name); err != nil {
		t.Error(err)
	}
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
		// It is for one bucket, and tests have several.
		policy, err := account.ReadPolicy(filepath.Join("../../deploy/ram", name), "cnfs-oss-backup", bucketsPrefix+"*")
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

// buildImages builds the images that tests run, and returns their archives. That of the plugin is made in dir.
func buildImages(ctx context.Context, builder *tools.Builder, dir string) ([]string, error) {
	velero, err := images.BuildVelero(ctx, builder)
	if err != nil {
		return nil, err
	}
	plugin, err := images.BuildPlugin(ctx, "../..", dir)
	if err != nil {
		return nil, err
	}
	busyBox, err := images.BuildBusyBox(ctx)
	if err != nil {
		return nil, err
	}
	driver, err := images.BuildCSIDriver(ctx)
	if err != nil {
		return nil, err
	}
	ledger, err := cluster.BuildImage(ctx, ledgerIn(""))
	if err != nil {
		return nil, err
	}
	return []string{velero, plugin, busyBox, driver, ledger}, nil
}

// ledgerIn is the image of the ledger in a registry and a path there, none for Docker Hub.
func ledgerIn(registry string) cluster.Image {
	return cluster.Image{
		Name: registry + ledgerImage, Programs: map[string]string{"/ledger": "./tests/e2e/ledger/cmd/ledger"}, Entrypoint: []string{"/ledger"},
	}
}

// equip makes of a cluster one of Alibaba Cloud: it has the images, the way to the cloud, and CSI drivers.
func (s *site) equip(ctx context.Context, archives []string) error {
	for _, archive := range archives {
		if err := s.LoadImage(ctx, archive); err != nil {
			return err
		}
	}
	addresses := s.cloud.Addresses()
	reached, err := expose.Apply(ctx, s.Client, addresses)
	if err != nil {
		return err
	}
	s.proxyURL = reached.Proxy
	err = csidriver.Install(ctx, s.Client, csidriver.Options{
		Image: images.CSIDriver, AdminURL: addresses.Admin, ProxyURL: addresses.Proxy,
		StateDir: filepath.Dir(addresses.CAFile), KubeletDir: s.KubeletDir,
		Region: s.region, Zone: s.zone, Instance: instanceOf(s.region),
		Account:     csidriver.Account{ID: accountID, AccessKeyID: driverKeyID, AccessKeySecret: driverKeySecret},
		FileSystems: s.fileSystems(),
	})
	if err != nil {
		return err
	}
	return s.Client.Create(ctx, s.newNASClass())
}

// fileSystems are the mount targets that CNFS objects of the cluster stand for.
func (s *site) fileSystems() map[string]string {
	return map[string]string{csidriver.CNFS: mountTarget(s.fileSystem, s.region)}
}

// startController starts the cloud controller manager's double, which ends with the test.
func (s *site) startController(t *testing.T) {
	t.Helper()
	controller, err := cloudcontroller.Start(t.Context(), s.Client, cloudcontroller.Options{
		LoadBalancers: s.balancers.In(s.region), ClusterID: "c-" + s.Name,
		// A cluster that ends, or is cut off, is out of reach.
		Report: func(err error) { t.Logf("the cloud controller of %s: %v", s.Name, err) },
	})
	must(t, err)
	t.Cleanup(func() {
		if err := controller.Close(); err != nil {
			t.Error(err)
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
