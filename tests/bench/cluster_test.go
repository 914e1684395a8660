// SPDX-License-Identifier: Apache-2.0

// Package bench measures the plugin in the real Velero, against the simulated cloud. `make bench` runs it.
package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/controlplanetest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

const (
	region    = "cn-hangzhou"
	bucket    = "cnfs-oss-backup"
	accountID = "1000000000000001"
	keyID     = "LTAIbench"
	keySecret = "made-up"

	// location is the name of the storage location, its Secret and its user.
	location   = "bench"
	backupName = "bench"
	namespace  = "bench"

	// timeout bounds the wait for whatever Velero or Kubernetes does.
	timeout = 5 * time.Minute
	// tick is how precisely the end of a run is seen.
	tick = 10 * time.Millisecond
)

// The plugins that are compared.
const (
	bundle    = "velero-plugin-alibabacloud"
	storeOnly = "storeonly"
	// asked has actions that do nothing.
	asked = "asked"
)

// sources are the folders of the plugins.
func sources() map[string]string {
	return map[string]string{bundle: "../..", storeOnly: "./storeonly", asked: "./asked"}
}

// cluster is a control plane whose Velero has one plugin at a time.
type cluster struct {
	// loaded is that plugin.
	loaded string
	cp     *controlplane.ControlPlane
	velero *controlplane.Velero
	cloud  *cloudsim.Cloud
	// built and plugins are the folders of the plugins, and of the one that is loaded.
	built, plugins string
	// audit is the API server's log of the requests that auditRules are for.
	audit string
}

// auditPolicy is a policy of the API server's log of requests without its rules.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
`

// startCluster starts everything with the object store alone. It ends with the benchmark. The
// rules say which requests the API server logs.
func startCluster(b *testing.B, auditRules string) *cluster {
	b.Helper()
	dir := b.TempDir()
	c := &cluster{built: filepath.Join(dir, "built"), plugins: filepath.Join(dir, "plugins"), audit: filepath.Join(dir, "audit.log")}
	for plugin, source := range sources() {
		cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-o", filepath.Join(c.built, plugin), source)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("building %s: %v\n%s", plugin, err, out)
		}
	}
	must(b, os.Mkdir(c.plugins, 0o700))
	c.startCloud(b, filepath.Join(dir, "cloud"))
	c.startControlPlane(b, dir, auditRules)
	c.load(b, storeOnly)
	c.createLocation(b)
	return c
}

func (c *cluster) startCloud(b *testing.B, dir string) {
	b.Helper()
	policy, err := account.ReadPolicy("../../deploy/ram/oss.json")
	must(b, err)
	user := cloudsim.User{
		Name: location, Keys: []cloudsim.AccessKey{{ID: keyID, Secret: keySecret}}, Policies: []account.Policy{policy},
	}
	c.cloud, err = cloudsim.Start(cloudsim.Config{
		Region:   region,
		Accounts: []cloudsim.Account{{ID: accountID, Users: []cloudsim.User{user}}},
		Buckets:  []oss.BucketConfig{{Name: bucket, Region: region, Owner: accountID}},
	}, cloudsim.WithStateDir(dir))
	must(b, err)
	b.Cleanup(func() { must(b, c.cloud.Close()) })
}

func (c *cluster) startControlPlane(b *testing.B, dir, auditRules string) {
	b.Helper()
	policy := filepath.Join(dir, "audit.yaml")
	must(b, os.WriteFile(policy, []byte(auditPolicy+auditRules), 0o600))
	c.cp = controlplanetest.Start(b, controlplane.Options{
		Dir:           filepath.Join(dir, "controlplane"),
		APIServerArgs: []string{"--audit-policy-file=" + policy, "--audit-log-path=" + c.audit},
	})
}

// load gives Velero one of the plugins in place of the one that it has.
func (c *cluster) load(b *testing.B, plugin string) {
	b.Helper()
	if c.loaded == plugin {
		return
	}
	c.loaded = plugin
	for other := range sources() {
		if err := os.Remove(filepath.Join(c.plugins, other)); err != nil && !os.IsNotExist(err) {
			b.Fatal(err)
		}
	}
	must(b, os.Link(filepath.Join(c.built, plugin), filepath.Join(c.plugins, plugin)))
	if c.velero != nil {
		must(b, c.velero.Restart(b.Context()))
		return
	}
	var err error
	c.velero, err = c.cp.StartVelero(b.Context(), controlplane.VeleroOptions{
		PluginDir: c.plugins,
		Env: []string{
			// Port 1 of loopback refuses: nothing outside of this machine is asked.
			"ALIBABA_CLOUD_ECS_METADATA_ENDPOINT=http://127.0.0.1:1",
			"HTTPS_PROXY=" + c.cloud.ProxyURL(),
			"KUBECONFIG=" + c.cp.Kubeconfig,
		},
		Args: []string{
			// The level of a server that is installed.
			"--log-level=info",
			// By default Velero waits for its own limit of 100 requests a second, which would hide what a plugin costs.
			"--client-qps=1000", "--client-burst=2000",
		},
	})
	must(b, err)
}

func (c *cluster) createLocation(b *testing.B) {
	b.Helper()
	secret := &corev1.Secret{ObjectMeta: inVelero(location), StringData: map[string]string{
		"cloud": fmt.Sprintf("ALIBABA_CLOUD_ACCESS_KEY_ID=%s\nALIBABA_CLOUD_ACCESS_KEY_SECRET=%s\n", keyID, keySecret),
	}}
	must(b, c.cp.Client.Create(b.Context(), secret))
	_, err := c.velero.CLI(b.Context(), "backup-location", "create", location, "--default", "--provider", "alibabacloud",
		"--bucket", bucket, "--credential", location+"=cloud", "--config", "region="+region+",endpoint="+c.cloud.OSSURL())
	must(b, err)
	must(b, poll.Until(b.Context(), timeout, "the location to be Available", func(ctx context.Context) error {
		found := &velerov1.BackupStorageLocation{}
		if err := c.cp.Client.Get(ctx, client.ObjectKey{Namespace: controlplane.VeleroNamespace, Name: location}, found); err != nil {
			return err
		}
		if found.Status.Phase != velerov1.BackupStorageLocationPhaseAvailable {
			return fmt.Errorf("it is %q: %s", found.Status.Phase, found.Status.Message)
		}
		return nil
	}))
}

func (c *cluster) backUp(b *testing.B) {
	b.Helper()
	_, err := c.velero.CLI(b.Context(), "backup", "create", backupName, "--include-namespaces", namespace,
		"--snapshot-volumes=false", "--wait")
	must(b, err)
	backup := &velerov1.Backup{}
	must(b, c.cp.Client.Get(b.Context(), client.ObjectKey{Namespace: controlplane.VeleroNamespace, Name: backupName}, backup))
	if backup.Status.Phase != velerov1.BackupPhaseCompleted {
		b.Fatalf("the backup is %s: %s", backup.Status.Phase, backup.Status.FailureReason)
	}
}

// restore restores the objects into a namespace of the restore's name and returns how long that took.
func (c *cluster) restore(b *testing.B, name string) time.Duration {
	b.Helper()
	restore := &velerov1.Restore{
		ObjectMeta: inVelero(name),
		Spec:       velerov1.RestoreSpec{BackupName: backupName, NamespaceMapping: map[string]string{namespace: name}},
	}
	took := c.run(b, restore, func() bool { return restore.Status.CompletionTimestamp != nil })
	if restore.Status.Phase != velerov1.RestorePhaseCompleted || restore.Status.Errors > 0 {
		logs, _ := c.velero.CLI(b.Context(), "restore", "describe", name)
		b.Fatalf("the restore %s is %s with %d errors\n%s", name, restore.Status.Phase, restore.Status.Errors, logs)
	}
	return took
}

// run creates a Backup or a Restore and returns how long it took until it had ended, by what the cluster then says of it.
func (c *cluster) run(b *testing.B, object client.Object, ended func() bool) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), timeout)
	defer cancel()
	start := time.Now()
	must(b, c.cp.Client.Create(ctx, object))
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for !ended() {
		select {
		case <-ctx.Done():
			b.Fatalf("%s has not ended: %v", object.GetName(), ctx.Err())
		case <-ticker.C:
		}
		must(b, c.cp.Client.Get(ctx, client.ObjectKeyFromObject(object), object))
	}
	return time.Since(start)
}

func (c *cluster) deleteNamespace(b *testing.B, name string) {
	b.Helper()
	deleted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	must(b, c.cp.Client.Delete(b.Context(), deleted))
	must(b, poll.Until(b.Context(), timeout, "the namespace "+name+" to be gone", func(ctx context.Context) error {
		err := c.cp.Client.Get(ctx, client.ObjectKeyFromObject(deleted), deleted)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is still there (%w)", err)
	}))
}

// inVelero is the metadata of an object in Velero's namespace.
func inVelero(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: controlplane.VeleroNamespace, Name: name}
}
