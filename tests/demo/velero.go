// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/process"
)

const (
	backupName         = "shop"
	restoreName        = "shop"
	changedRestoreName = "market"
)

// cli runs the Velero CLI and prints command and output.
func (d *demo) cli(ctx context.Context, args ...string) error {
	d.say("$ velero %s", strings.Join(args, " "))
	out, err := d.velero.CLI(ctx, args...)
	d.say("%s", out)
	return err
}

// withVeleroLog adds the end of the server's log to an error of what Velero does.
func (d *demo) withVeleroLog(err error) error {
	return fmt.Errorf("%w\nthe end of %s:\n%s", err, d.velero.LogFile(), process.Tail(d.velero.LogFile()))
}

// backUp backs the application's namespace up.
func (d *demo) backUp(ctx context.Context) error {
	err := d.cli(ctx, "backup", "create", backupName, "--include-namespaces", namespace, "--wait")
	if err != nil {
		return err
	}
	if err := d.cli(ctx, "backup", "get"); err != nil {
		return err
	}
	backup := &velerov1.Backup{}
	key := client.ObjectKey{Namespace: controlplane.VeleroNamespace, Name: backupName}
	if err := d.cp.Client.Get(ctx, key, backup); err != nil {
		return err
	}
	if status := backup.Status; status.Phase != velerov1.BackupPhaseCompleted {
		return d.withVeleroLog(fmt.Errorf("the backup is %s: %s%s",
			status.Phase, status.FailureReason, strings.Join(status.ValidationErrors, "; ")))
	}
	return nil
}

// restore restores the application where it was.
func (d *demo) restore(ctx context.Context) error {
	if err := d.restoreFromBackup(ctx, restoreName); err != nil {
		return err
	}
	if d.options.alter {
		if err := d.alterObject(ctx); err != nil {
			return err
		}
	}
	return d.compare(ctx, namespace, withoutSettings())
}

// restoreChanged restores the application once more, into another namespace and with settings.
func (d *demo) restoreChanged(ctx context.Context) error {
	if err := d.restoreFromBackup(ctx, changedRestoreName, "--namespace-mappings", namespace+":"+newNamespace); err != nil {
		return err
	}
	return d.compare(ctx, newNamespace, withSettings())
}

// restoreFromBackup makes a restore of the backup.
func (d *demo) restoreFromBackup(ctx context.Context, name string, flags ...string) error {
	args := append([]string{"restore", "create", name, "--from-backup", backupName, "--wait"}, flags...)
	if err := d.cli(ctx, args...); err != nil {
		return err
	}
	if err := d.cli(ctx, "restore", "get", name); err != nil {
		return err
	}
	restore := &velerov1.Restore{}
	key := client.ObjectKey{Namespace: controlplane.VeleroNamespace, Name: name}
	if err := d.cp.Client.Get(ctx, key, restore); err != nil {
		return err
	}
	if status := restore.Status; status.Phase != velerov1.RestorePhaseCompleted {
		return d.withVeleroLog(fmt.Errorf("the restore is %s: %s%s",
			status.Phase, status.FailureReason, strings.Join(status.ValidationErrors, "; ")))
	}
	return nil
}
