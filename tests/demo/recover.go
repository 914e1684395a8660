// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/process"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample/digest"
)

const (
	namespace     = "shop"
	copyNamespace = "shop-copy"

	backupName      = "shop"
	restoreName     = "shop"
	copyRestoreName = "shop-copy"

	// alteredConfigMap is what --alter alters.
	alteredConfigMap = "settings"
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

// createApplication creates the sample application and remembers what it is.
func (d *demo) createApplication(ctx context.Context) (err error) {
	if err = sample.Create(ctx, d.cp.Client, namespace); err != nil {
		return err
	}
	if d.before, err = digest.Namespace(ctx, d.cp.Config, namespace); err != nil {
		return err
	}
	kinds := map[string]int{}
	for object := range d.before {
		kind, _, _ := strings.Cut(object, "/")
		kinds[kind]++
	}
	var rows [][]string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		rows = append(rows, []string{strconv.Itoa(kinds[kind]), kind})
	}
	d.say("%d objects in the namespace %s:", len(d.before), namespace)
	d.table(rows)
	return nil
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

// showBucket prints what is in the bucket, and the requests that were needed so far.
func (d *demo) showBucket(context.Context) error {
	objects := d.cloud.OSS().Objects(bucket)
	if len(objects) == 0 {
		return errors.New("the bucket is empty")
	}
	rows := [][]string{{"SIZE", "KEY"}}
	for _, object := range objects {
		rows = append(rows, []string{strconv.FormatInt(object.Size, 10), object.Key})
	}
	d.table(rows)
	d.say("Requests for the bucket since it is known to Velero:")
	d.table(requestTable(d.cloud.Journal().Entries()))
	return nil
}

// traffic sums requests up.
type traffic struct {
	operation            string
	requests             int
	requested, responded int64
}

// requestTable sums the requests of OSS up by operation.
func requestTable(entries []journal.Entry) [][]string {
	sums := map[string]*traffic{}
	for _, entry := range entries {
		if entry.Service != "oss" {
			continue
		}
		sum, ok := sums[entry.Operation]
		if !ok {
			sum = &traffic{operation: entry.Operation}
			sums[entry.Operation] = sum
		}
		sum.requests++
		sum.requested += entry.RequestBytes
		sum.responded += entry.ResponseBytes
	}
	rows := [][]string{{"REQUESTS", "OPERATION", "BYTES SENT", "BYTES RECEIVED"}}
	byName := func(a, b *traffic) int { return cmp.Compare(a.operation, b.operation) }
	for _, sum := range slices.SortedFunc(maps.Values(sums), byName) {
		rows = append(rows, []string{
			strconv.Itoa(sum.requests), sum.operation,
			strconv.FormatInt(sum.requested, 10), strconv.FormatInt(sum.responded, 10),
		})
	}
	return rows
}

// deleteApplication deletes the application's namespace and waits until it is gone.
func (d *demo) deleteApplication(ctx context.Context) error {
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := d.cp.Client.Delete(ctx, object); err != nil {
		return fmt.Errorf("deleting the namespace %s: %w", namespace, err)
	}
	err := poll.Until(ctx, waitTimeout, "the namespace "+namespace+" to be gone", func(ctx context.Context) error {
		err := d.cp.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
		if err == nil {
			return errors.New("it is still there")
		}
		return client.IgnoreNotFound(err)
	})
	if err != nil {
		return err
	}
	d.say("The namespace %s is gone.", namespace)
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
	return d.compare(ctx, namespace)
}

// restoreCopy restores the application into another namespace, beside the first.
func (d *demo) restoreCopy(ctx context.Context) error {
	if err := d.restoreFromBackup(ctx, copyRestoreName, "--namespace-mappings", namespace+":"+copyNamespace); err != nil {
		return err
	}
	return d.compare(ctx, copyNamespace)
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

// alterObject alters one object, so that the comparison has something to find.
func (d *demo) alterObject(ctx context.Context) error {
	settings := &corev1.ConfigMap{}
	if err := d.cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: alteredConfigMap}, settings); err != nil {
		return err
	}
	settings.Data["altered"] = "yes"
	if err := d.cp.Client.Update(ctx, settings); err != nil {
		return err
	}
	d.say("Altered the ConfigMap %s, as asked for.", alteredConfigMap)
	return nil
}

// compare compares the digests of all objects in a namespace with those before the backup.
func (d *demo) compare(ctx context.Context, restored string) error {
	after, err := digest.Namespace(ctx, d.cp.Config, restored)
	if err != nil {
		return err
	}
	differences := digest.Compare(d.before, after)
	counts := map[digest.Change]int{}
	var names []string
	for _, difference := range differences {
		counts[difference.Change]++
		names = append(names, difference.String())
	}
	same := len(d.before) - counts[digest.Missing] - counts[digest.Altered]
	d.table([][]string{
		{"BEFORE", "AFTER", "SAME", "ALTERED", "MISSING", "ADDED"},
		counted(len(d.before), len(after), same, counts[digest.Altered], counts[digest.Missing], counts[digest.Added]),
	})
	if len(differences) > 0 {
		return fmt.Errorf("what was restored into the namespace %s differs:\n%s", restored, strings.Join(names, "\n"))
	}
	return nil
}

// counted is a row of numbers.
func counted(numbers ...int) []string {
	row := make([]string, 0, len(numbers))
	for _, number := range numbers {
		row = append(row, strconv.Itoa(number))
	}
	return row
}
