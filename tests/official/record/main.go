// SPDX-License-Identifier: Apache-2.0

// Record makes the backup of package official anew, with the executable that OFFICIAL_PLUGIN names:
//
//	OFFICIAL_PLUGIN=/path/to/velero-plugin-alibabacloud go run ./tests/official/record
//
// It runs the real Velero server with that plugin in the simulated cloud of testdata/cloud.yaml, as if on one of its
// nodes, creates the objects of testdata/application.yaml, has them backed up, and writes what is in the bucket and in
// ECS then into testdata. It is run from the root of the repository, needs no root, and calls nobody.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/official"
)

const (
	// pluginVariable names the executable of the official plugin.
	pluginVariable = "OFFICIAL_PLUGIN"
	// pluginName is the name of the executable in its image.
	pluginName = "velero-plugin-alibabacloud"
	// target is where the recording is kept.
	target = "tests/official/testdata"
	// ttl keeps Velero from deleting the backup as an expired one wherever it is loaded.
	ttl = "876000h"
	// waitTimeout bounds the wait for what takes Velero or Kubernetes some seconds.
	waitTimeout = 2 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Getenv(pluginVariable), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1) //nolint:gocritic // exitAfterDefer: the process ends here, and its signal handler with it
	}
}

// recorder is a simulated cloud and a cluster whose Velero has the official plugin.
type recorder struct {
	out    io.Writer
	config cloudsim.Config
	cloud  *cloudsim.Cloud
	cp     *controlplane.ControlPlane
	velero *controlplane.Velero
}

// run makes the recording. It writes the commands that it runs on out.
func run(ctx context.Context, plugin string, out io.Writer) (err error) {
	if plugin == "" {
		return errors.New(pluginVariable + " must name the executable of the official plugin")
	}
	dir, err := os.MkdirTemp("", "record-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &recorder{out: out}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.start(ctx, dir, plugin); err != nil {
		return err
	}
	if err := r.createApplication(ctx); err != nil {
		return err
	}
	if err := r.backUp(ctx); err != nil {
		return err
	}
	return errors.Join(r.writeObjects(), r.writeSnapshots())
}

// start starts the cloud, the control plane and Velero, with the plugin alone in a folder.
func (r *recorder) start(ctx context.Context, dir, plugin string) (err error) {
	if r.config, err = official.Cloud(); err != nil {
		return err
	}
	if r.cloud, err = cloudsim.Start(r.config, cloudsim.WithStateDir(filepath.Join(dir, "cloud"))); err != nil {
		return err
	}
	pluginDir := filepath.Join(dir, "plugins")
	if err := copyExecutable(plugin, filepath.Join(pluginDir, pluginName)); err != nil {
		return fmt.Errorf("the official plugin: %w", err)
	}
	key := r.config.Accounts[0].Users[0].Keys[0]
	credentials := filepath.Join(dir, "credentials-velero")
	text := fmt.Sprintf("ALIBABA_CLOUD_ACCESS_KEY_ID=%s\nALIBABA_CLOUD_ACCESS_KEY_SECRET=%s\n", key.ID, key.Secret)
	if err := os.WriteFile(credentials, []byte(text), 0o600); err != nil {
		return err
	}
	tools, err := controlplane.FindTools(ctx, os.Stderr)
	if err != nil {
		return err
	}
	// Each line of the backup's log names the executable: not by a path of this machine.
	velero := filepath.Join(dir, "velero")
	if err := os.Symlink(tools.Velero, velero); err != nil {
		return err
	}
	tools.Velero = velero
	if r.cp, err = controlplane.Start(ctx, controlplane.Options{Tools: tools, Dir: filepath.Join(dir, "cluster")}); err != nil {
		return err
	}
	r.velero, err = r.cp.StartVelero(ctx, controlplane.VeleroOptions{
		PluginDir: pluginDir,
		Env: []string{
			// "velero install --secret-file" mounts the file and says so.
			"ALIBABA_CLOUD_CREDENTIALS_FILE=" + credentials,
			// Its clients of ECS and of the metadata service know the real endpoints only. Go uses no proxy for loopback.
			"HTTP_PROXY=" + r.cloud.ProxyURL(), "HTTPS_PROXY=" + r.cloud.ProxyURL(),
			"SSL_CERT_FILE=" + r.cloud.Addresses().CAFile,
		},
		// Velero's default, which is not package controlplane's.
		Args: []string{"--log-level=info"},
	})
	return err
}

func (r *recorder) close() error {
	var errs []error
	if r.cp != nil {
		errs = append(errs, r.cp.Stop())
	}
	if r.cloud != nil {
		errs = append(errs, r.cloud.Close())
	}
	return errors.Join(errs...)
}

func copyExecutable(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o700)
}

// createApplication creates what is backed up, and waits until all claims are bound.
func (r *recorder) createApplication(ctx context.Context) error {
	objects, err := official.Application()
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := r.cp.Client.Create(ctx, object); err != nil {
			return fmt.Errorf("creating the %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return poll.Until(ctx, waitTimeout, "the claims to be bound", func(ctx context.Context) error {
		var claims corev1.PersistentVolumeClaimList
		if err := r.cp.Client.List(ctx, &claims, client.InNamespace(official.Namespace)); err != nil {
			return err
		}
		for _, claim := range claims.Items {
			if claim.Status.Phase != corev1.ClaimBound {
				return fmt.Errorf("%s is %q", claim.Name, claim.Status.Phase)
			}
		}
		return nil
	})
}

// backUp creates the locations as the official plugin's README has them, and the backup, which must complete.
func (r *recorder) backUp(ctx context.Context) error {
	// Its client of OSS takes no proxy from the environment.
	storage := official.BackupLocationConfig()
	storage["endpoint"] = r.cloud.OSSURL()
	locations := [][]string{
		{
			"backup-location", "create", official.Location, "--default", "--provider", "alibabacloud",
			"--bucket", r.bucket(), "--prefix", official.Prefix, "--config", config(storage),
		},
		{
			"snapshot-location", "create", official.Location, "--provider", "alibabacloud",
			"--config", config(official.SnapshotLocationConfig()),
		},
	}
	for _, command := range locations {
		if err := r.cli(ctx, command...); err != nil {
			return err
		}
	}
	if err := poll.Until(ctx, waitTimeout, "the location to be Available", r.locationAvailable); err != nil {
		return err
	}
	err := r.cli(ctx, "backup", "create", official.Backup, "--include-namespaces", official.Namespace, "--ttl", ttl, "--wait")
	if err != nil {
		return err
	}
	backup := &velerov1.Backup{}
	if err := r.cp.Client.Get(ctx, inVelero(official.Backup), backup); err != nil {
		return err
	}
	log, err := r.velero.CLI(ctx, "backup", "logs", official.Backup)
	if err != nil {
		return err
	}
	for line := range strings.Lines(log) {
		if strings.Contains(line, "level=warning") || strings.Contains(line, "level=error") {
			fmt.Fprint(r.out, line)
		}
	}
	if phase := backup.Status.Phase; phase != velerov1.BackupPhaseCompleted {
		return fmt.Errorf("the backup is %s: %s", phase, backup.Status.FailureReason)
	}
	return nil
}

// cli runs the Velero CLI and writes the command.
func (r *recorder) cli(ctx context.Context, args ...string) error {
	fmt.Fprintln(r.out, "velero", strings.Join(args, " "))
	_, err := r.velero.CLI(ctx, args...)
	return err
}

func (r *recorder) locationAvailable(ctx context.Context) error {
	location := &velerov1.BackupStorageLocation{}
	if err := r.cp.Client.Get(ctx, inVelero(official.Location), location); err != nil {
		return err
	}
	if phase := location.Status.Phase; phase != velerov1.BackupStorageLocationPhaseAvailable {
		return fmt.Errorf("it is %q: %s", phase, location.Status.Message)
	}
	return nil
}

func (r *recorder) bucket() string { return r.config.Buckets[0].Name }

// writeObjects writes the bucket's objects in place of those that were recorded before.
func (r *recorder) writeObjects() error {
	root := filepath.Join(target, official.BucketDir)
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	for _, object := range r.cloud.OSS().Objects(r.bucket()) {
		data, err := r.cloud.OSS().Read(r.bucket(), object.Key)
		if err != nil {
			return err
		}
		file := filepath.Join(root, filepath.FromSlash(object.Key))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// writeSnapshots writes the snapshots with the tags that they have, and the bytes of the disks' files as they were cut.
func (r *recorder) writeSnapshots() error {
	var snapshots []ecs.SnapshotConfig
	for _, taken := range r.cloud.ECS().Snapshots() {
		snapshot := ecs.SnapshotConfig{
			ID: taken.ID, Name: taken.Name, Region: taken.Region, Disk: taken.DiskID, Size: taken.Size,
			Encrypted: taken.Encrypted, RetentionDays: taken.RetentionDays, Tags: taken.Tags, Files: map[string]string{},
		}
		for _, disk := range r.config.ECS.Disks {
			if disk.ID != taken.DiskID {
				continue
			}
			for name := range disk.Files {
				data, err := r.cloud.ECS().ReadSnapshotFile(taken.ID, name)
				if err != nil {
					return err
				}
				snapshot.Files[name] = string(data)
			}
		}
		snapshots = append(snapshots, snapshot)
	}
	slices.SortFunc(snapshots, func(a, b ecs.SnapshotConfig) int { return cmp.Compare(a.Disk, b.Disk) })
	data, err := json.MarshalIndent(snapshots, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(target, official.SnapshotsFile), append(data, '\n'), 0o600)
}

// config is a location's config as the CLI takes it.
func config(values map[string]string) string {
	pairs := make([]string, 0, len(values))
	for key, value := range values {
		pairs = append(pairs, key+"="+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

// inVelero is the key of an object in Velero's namespace.
func inVelero(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: controlplane.VeleroNamespace, Name: name}
}
