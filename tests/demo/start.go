// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/process"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

const (
	pluginFile = "velero-plugin-alibabacloud"

	// bucket is the one that the policy for OSS is for.
	bucket    = "cnfs-oss-backup"
	region    = "cn-hangzhou"
	zone      = "cn-hangzhou-k"
	accountID = "1000000000000001"
	userName  = "velero"

	// instance is the node that the disks are attached to.
	instance = "i-node1"
	// How long the cloud takes for a disk, and for the files of a volume.
	diskCreation = 5 * time.Second
	filesBackup  = 3 * time.Second
	filesRestore = 5 * time.Second

	// The access key is made up: only the simulated cloud knows it.
	accessKeyID     = "LTAIdemo"
	accessKeySecret = "made-up"

	locationName      = "default"
	filesLocationName = "files"
	secretName        = "cloud-credentials"
	secretKey         = "cloud"

	// partSize is small, so that the tarball of a small application has several parts.
	partSize = "256Ki"

	// nowhere is the instance metadata service of a machine outside of the cloud: port 1 of loopback refuses.
	nowhere = "http://127.0.0.1:1"

	// waitTimeout bounds the wait for what takes Velero or Kubernetes some seconds.
	waitTimeout = 2 * time.Minute
)

// build builds the plugin into its folder, and the other programs into their cache.
func (d *demo) build(ctx context.Context) (err error) {
	d.say("Programs that were built before are taken from the cache.")
	if d.tools, err = controlplane.FindTools(ctx, d); err != nil {
		return err
	}
	if d.root, err = tools.ModuleDir(ctx, tools.Repository); err != nil {
		return err
	}
	path := filepath.Join(d.pluginDir(), pluginFile)
	if _, err := goCommand(ctx, "build", "-trimpath", "-buildvcs=false", "-o", path, tools.Repository); err != nil {
		return fmt.Errorf("building the plugin: %w", err)
	}
	d.say("plugin: %s\nvelero: %s", path, d.tools.Velero)
	return nil
}

// readFile reads a file of this repository.
func (d *demo) readFile(name string) ([]byte, error) { return os.ReadFile(filepath.Join(d.root, name)) }

func (d *demo) pluginDir() string { return filepath.Join(d.dir, "plugins") }

// goCommand runs the go command in the working directory, without cgo, and returns its standard output.
func goCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := process.Output(cmd)
	if err != nil {
		return "", fmt.Errorf("go %s: %w", args[0], err)
	}
	return strings.TrimSpace(out), nil
}

// startCloud starts a cloud with one bucket and one RAM user, who has the policy that this repository recommends.
func (d *demo) startCloud(context.Context) error {
	policies, err := d.recommendedPolicies()
	if err != nil {
		return err
	}
	user := cloudsim.User{
		Name: userName, Keys: []cloudsim.AccessKey{{ID: accessKeyID, Secret: accessKeySecret}},
		Policies: policies,
	}
	d.cloud, err = cloudsim.Start(cloudsim.Config{
		Region:   region,
		Accounts: []cloudsim.Account{{ID: accountID, Users: []cloudsim.User{user}}},
		Buckets:  []oss.BucketConfig{{Name: bucket, Region: region, Owner: accountID}},
		ECS: ecs.Config{
			Regions:   []ecs.Region{{ID: region, Zones: []ecs.Zone{{ID: zone}}}},
			Instances: []ecs.Instance{{ID: instance, Account: accountID, Zone: zone}},
			Durations: ecs.Durations{CreateDisk: metav1.Duration{Duration: diskCreation}},
		},
		NAS: nasConfig(),
		HBR: hbr.Config{Durations: hbr.Durations{
			Backup: metav1.Duration{Duration: filesBackup}, Restore: metav1.Duration{Duration: filesRestore},
		}},
	}, cloudsim.WithStateDir(filepath.Join(d.dir, "cloud")))
	if err != nil {
		return err
	}
	d.table([][]string{
		{"OSS:", d.cloud.OSSURL()},
		{"ECS, NAS, Cloud Backup:", d.cloud.RPCURL()},
		{"bucket:", bucket},
		{"NAS file system:", fileSystem},
		{"RAM user:", userName + ", with the policies " + strings.Join(policyFiles(), ", ")},
		{"journal:", d.cloud.AdminURL() + "/journal"},
	})
	return nil
}

// policyFiles are the policies that this repository recommends, for the bucket, for disks and for file systems.
func policyFiles() []string {
	return []string{"deploy/ram/oss.json", "deploy/ram/ecs.json", "deploy/ram/hbr-agentless.json"}
}

func (d *demo) recommendedPolicies() ([]account.Policy, error) {
	var policies []account.Policy
	for _, file := range policyFiles() {
		policy, err := account.ReadPolicy(filepath.Join(d.root, file))
		if err != nil {
			return nil, err
		}
		policies = append(policies, policy)
	}
	return policies, nil
}

// startKubernetes starts etcd, kube-apiserver and kube-controller-manager.
func (d *demo) startKubernetes(ctx context.Context) (err error) {
	if d.cp, err = controlplane.Start(ctx, controlplane.Options{Tools: d.tools, Dir: d.dir}); err != nil {
		return err
	}
	d.say("kube-apiserver: %s", d.cp.Config.Host)
	return nil
}

// startVelero starts Velero with the plugin.
func (d *demo) startVelero(ctx context.Context) (err error) {
	d.velero, err = d.cp.StartVelero(ctx, controlplane.VeleroOptions{
		PluginDir: d.pluginDir(),
		// How often Velero asks how far volumes are; 10 s by default.
		Args: []string{"--item-operation-sync-frequency=2s"},
		Env: []string{
			"ALIBABA_CLOUD_ECS_METADATA_ENDPOINT=" + nowhere,
			// In a cluster the plugin finds the API server by Velero's service account.
			"KUBECONFIG=" + d.cp.Kubeconfig,
			// Behind the proxy Cloud Backup and NAS have their real names, and a real cloud cannot be reached. Go uses no
			// proxy for loopback.
			"HTTP_PROXY=" + d.cloud.ProxyURL(), "HTTPS_PROXY=" + d.cloud.ProxyURL(),
			"SSL_CERT_FILE=" + d.cloud.Addresses().CAFile,
		},
	})
	if err != nil {
		return err
	}
	plugins, err := d.velero.CLI(ctx, "plugin", "get")
	if err != nil {
		return err
	}
	// The CLI lists actions of the first version twice.
	d.say("$ velero plugin get | grep alibabacloud | uniq")
	var found []string
	for line := range strings.Lines(plugins) {
		if strings.Contains(line, "alibabacloud") {
			found = append(found, line)
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("the Velero server does not list the plugin, only:\n%s", plugins)
	}
	d.say("%s", strings.Join(slices.Compact(found), ""))
	return nil
}

// createLocations creates the credentials' Secret and the locations, and waits until Velero can use them.
func (d *demo) createLocations(ctx context.Context) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: controlplane.VeleroNamespace, Name: secretName},
		StringData: map[string]string{secretKey: fmt.Sprintf(
			"ALIBABA_CLOUD_ACCESS_KEY_ID=%s\nALIBABA_CLOUD_ACCESS_KEY_SECRET=%s\n", accessKeyID, accessKeySecret)},
	}
	if err := d.cp.Client.Create(ctx, secret); err != nil {
		return fmt.Errorf("creating the Secret of the credentials: %w", err)
	}
	err := d.cli(ctx, "backup-location", "create", locationName, "--default", "--provider", "alibabacloud", "--bucket", bucket,
		"--credential", secretName+"="+secretKey,
		"--config", fmt.Sprintf("region=%s,endpoint=%s,partSize=%s", region, d.cloud.OSSURL(), partSize))
	if err != nil {
		return err
	}
	err = d.cli(ctx, "snapshot-location", "create", locationName, "--provider", "alibabacloud", "--credential", secretName+"="+secretKey,
		"--config", fmt.Sprintf("region=%s,endpoint=%s", region, d.cloud.RPCURL()))
	if err != nil {
		return err
	}
	err = d.cli(ctx, "snapshot-location", "create", filesLocationName, "--provider", "alibabacloud.com/hbr", "--credential", secretName+"="+secretKey,
		"--config", "region="+region)
	if err != nil {
		return err
	}
	err = poll.Until(ctx, waitTimeout, "the location to be Available", d.locationAvailable)
	if err != nil {
		return d.withVeleroLog(err)
	}
	return d.cli(ctx, "backup-location", "get")
}

func (d *demo) locationAvailable(ctx context.Context) error {
	location := &velerov1.BackupStorageLocation{}
	key := client.ObjectKey{Namespace: controlplane.VeleroNamespace, Name: locationName}
	if err := d.cp.Client.Get(ctx, key, location); err != nil {
		return err
	}
	if phase := location.Status.Phase; phase != velerov1.BackupStorageLocationPhaseAvailable {
		return fmt.Errorf("it is %q: %s", phase, location.Status.Message)
	}
	return nil
}
