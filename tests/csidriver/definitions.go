// SPDX-License-Identifier: Apache-2.0

package csidriver

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/process"
)

// InstallSnapshots makes VolumeSnapshots known to a cluster, by the definitions in the module of the client for them. From
// then on the driver makes those of disks. kubectl is the program.
func InstallSnapshots(ctx context.Context, kubectl, kubeconfig string) error {
	const module = "github.com/kubernetes-csi/external-snapshotter/client/v8"
	dir, err := process.Output(exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module))
	if err != nil {
		return fmt.Errorf("find the definitions of VolumeSnapshots: %w", err)
	}
	for _, args := range [][]string{
		{"apply", "-k", filepath.Join(strings.TrimSpace(dir), "config/crd")},
		{
			"wait", "--for=condition=Established", "crd/volumesnapshotclasses.snapshot.storage.k8s.io",
			"crd/volumesnapshots.snapshot.storage.k8s.io", "crd/volumesnapshotcontents.snapshot.storage.k8s.io",
		},
	} {
		if _, err := process.Output(exec.CommandContext(ctx, kubectl, append(args, "--kubeconfig="+kubeconfig)...)); err != nil {
			return fmt.Errorf("install the definitions of VolumeSnapshots: %w", err)
		}
	}
	return nil
}
