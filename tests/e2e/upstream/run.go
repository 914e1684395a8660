// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/images"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

const (
	provider      = "alibabacloud"
	veleroVersion = "v1.18.3"
	// suiteTimeout ends a run that hangs: upstream's longest suites wait for an hour.
	suiteTimeout = 3 * time.Hour
	// killDelay is how long upstream's program has to clean up after an interrupt.
	killDelay = 30 * time.Second
)

// program is upstream's test program, and where it runs.
type program struct {
	path string
	// kubectl and velero are the programs that it calls.
	kubectl, velero string
	// dir is the working directory, beside which is the folder testdata.
	dir, testdata string
	// output is the folder of logs and reports.
	output string
}

// findProgram builds the program and what it calls. It leaves `velero debug` of each spec that fails where it runs.
func findProgram(ctx context.Context, builder *tools.Builder, output string) (program, error) {
	p := program{dir: filepath.Join(output, "e2e"), testdata: filepath.Join(output, "testdata"), output: output}
	var err error
	for name, path := range map[string]*string{tools.VeleroE2E: &p.path, tools.Kubectl: &p.kubectl, tools.Velero: &p.velero} {
		if *path, err = builder.Path(ctx, name); err != nil {
			return program{}, err
		}
	}
	return p, errors.Join(
		os.RemoveAll(p.dir), os.RemoveAll(p.testdata), os.MkdirAll(p.dir, 0o755), writeTestdata(ctx, p.testdata))
}

// storageClass is upstream's for our provider: test/testdata/storage-class has one for each of theirs. The claims of the
// suites are for 1 GiB, which of the ESSDs only those of PL0 can be.
const storageClass = `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: e2e-storage-class
parameters:
  type: cloud_essd
  performanceLevel: PL0
provisioner: diskplugin.csi.alibabacloud.com
reclaimPolicy: Delete
volumeBindingMode: WaitForFirstConsumer
allowVolumeExpansion: true
`

// snapshotClass is upstream's for our provider: test/testdata/volume-snapshot-class has one for each of theirs.
const snapshotClass = `apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotClass
metadata:
  name: e2e-volume-snapshot-class
  labels:
    velero.io/csi-volumesnapshot-class: "true"
driver: diskplugin.csi.alibabacloud.com
deletionPolicy: Delete
`

// kibishii is what installs a double of Kibishii, laid out as upstream's folder of manifests (--kibishii-directory).
//
//go:embed kibishii
var kibishii embed.FS

// writeTestdata makes the folder from which the suites read manifests: upstream's, with a StorageClass for our provider,
// and a double of Kibishii.
func writeTestdata(ctx context.Context, dir string) error {
	velero, err := tools.ModuleDir(ctx, "github.com/vmware-tanzu/velero")
	if err != nil {
		return err
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(velero, "test", "testdata"))); err != nil {
		return err
	}
	if err := os.CopyFS(dir, kibishii); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "storage-class", provider+".yaml"), []byte(storageClass), 0o600),
		os.WriteFile(filepath.Join(dir, "volume-snapshot-class", provider+".yaml"), []byte(snapshotClass), 0o600))
}

// list returns the specs that upstream has.
func (p program) list(ctx context.Context) ([]spec, error) {
	// It reads a kubeconfig, but asks no cluster.
	kubeconfig := filepath.Join(p.dir, "none")
	const none = "apiVersion: v1\nkind: Config\nclusters: [{name: none, cluster: {server: 'http://127.0.0.1:1'}}]\n" +
		"contexts: [{name: none, context: {cluster: none}}]\ncurrent-context: none\n"
	if err := os.WriteFile(kubeconfig, []byte(none), 0o600); err != nil {
		return nil, err
	}
	return p.run(ctx, "list", kubeconfig, nil, "--ginkgo.dry-run", "--cloud-provider="+provider)
}

// uninstall removes a Velero that an interrupted run may have left. The suites would take it for theirs.
func (p program) uninstall(ctx context.Context, kubeconfig string) error {
	cmd := exec.CommandContext(ctx, p.velero, "uninstall", "--force", "--wait", "--kubeconfig", kubeconfig)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("uninstalling Velero: %w\n%s", err, output)
	}
	return nil
}

// run runs the program, and returns what became of the specs. That some have failed is no error.
func (p program) run(ctx context.Context, name, kubeconfig string, env []string, args ...string) ([]spec, error) {
	report, logFile := filepath.Join(p.output, name+".json"), filepath.Join(p.output, name+".log")
	log, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	if err := os.RemoveAll(report); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, p.path, slices.Concat([]string{
		"--ginkgo.json-report=" + report, "--ginkgo.seed=1", "--ginkgo.no-color", "--ginkgo.timeout=" + suiteTimeout.String(),
	}, args)...)
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = slices.Concat(os.Environ(), []string{
		"KUBECONFIG=" + kubeconfig, "HOME=" + p.dir,
		"PATH=" + strings.Join([]string{filepath.Dir(p.kubectl), filepath.Dir(p.velero), os.Getenv("PATH")}, string(os.PathListSeparator)),
	}, env)
	// An interrupt makes Ginkgo write its report, and say of a spec that it was interrupted.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = killDelay
	runErr := cmd.Run()
	specs, err := readReport(report)
	if err != nil {
		return nil, fmt.Errorf("upstream's test program has left no report (%w): %w; see %s", runErr, err, logFile)
	}
	return specs, ctx.Err()
}

// settings are the flags that upstream's README asks for (test/e2e/README.md), and the environment.
func (i installation) settings(at *cloud, testdata string) (flags, env []string) {
	location := func(u user) string {
		config := "region=" + region + ",endpoint=" + at.OSSURL() + ",addressingStyle=path"
		if i != plain {
			config += ",s3Url=" + u.s3URL + ",s3ForcePathStyle=true,insecureSkipTLSVerify=true"
		}
		return config
	}
	flags = []string{
		"--cloud-provider=" + provider,
		"--object-store-provider=" + provider,
		"--velero-image=" + images.Velero,
		"--velero-version=" + veleroVersion,
		"--plugins=" + images.Plugin,
		"--bucket=" + bucket,
		"--prefix=" + prefix,
		"--bsl-config=" + location(at.velero),
		"--vsl-config=region=" + region + ",endpoint=" + at.RPCURL(),
		"--credentials-file=" + at.velero.credentials,
		"--additional-bsl-object-store-provider=" + provider,
		"--additional-bsl-plugins=" + images.Plugin,
		"--additional-bsl-bucket=" + bucket,
		"--additional-bsl-prefix=additional",
		"--additional-bsl-config=" + location(at.additional),
		"--additional-bsl-credentials-file=" + at.additional.credentials,
		"--kibishii-directory=" + filepath.Join(testdata, "kibishii") + "/",
		fmt.Sprintf("--use-node-agent=%t", i != plain),
		fmt.Sprintf("--use-volume-snapshots=%t", i != plain),
		"--fail-fast=false",
	}
	if i == snapshots {
		flags = append(flags, "--features="+velerov1.CSIFeatureFlag)
	}
	if i == migration {
		flags = append(flags,
			"--default-cluster-context="+home, "--standby-cluster-context="+away,
			"--standby-cluster-cloud-provider="+provider, "--standby-cluster-object-store-provider="+provider,
			"--standby-cluster-plugins="+images.Plugin, "--migrate-from-velero-version="+veleroVersion)
	}
	return flags, []string{"ALIBABA_CLOUD_ECS_ENDPOINT=" + at.RPCURL()}
}

// The contexts of a kubeconfig of two clusters.
const home, away = "home", "away"
