// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

// backup runs "velero backup create" for a namespace, waits for its end, and returns what became of it. args are added.
func (v *vault) backup(t *testing.T, name, namespace string, args ...string) *velerov1.Backup {
	t.Helper()
	v.cli(t, slices.Concat([]string{
		"backup", "create", name, "--storage-location", v.name, "--include-namespaces", namespace, "--wait",
	}, args)...)
	backup := &velerov1.Backup{}
	must(t, v.get(t.Context(), name, backup))
	return backup
}

// completedBackup is backup, and fails unless it is Completed without an error or a warning.
func (v *vault) completedBackup(t *testing.T, name, namespace string, args ...string) {
	t.Helper()
	backup := v.backup(t, name, namespace, args...)
	if status := backup.Status; status.Phase != velerov1.BackupPhaseCompleted || status.Errors+status.Warnings > 0 {
		logs, err := v.tryCLI(t.Context(), "backup", "logs", name)
		t.Fatalf("backup %s is %s with %d errors and %d warnings: %s %v\n%s (%v)",
			name, status.Phase, status.Errors, status.Warnings, status.FailureReason, status.ValidationErrors, logs, err)
	}
}

// restore runs "velero restore create", waits for its end, and returns what became of it. args are added.
func (s *suite) restore(t *testing.T, name, backup string, args ...string) *velerov1.Restore {
	t.Helper()
	s.cli(t, slices.Concat([]string{"restore", "create", name, "--from-backup", backup, "--wait"}, args)...)
	restore := &velerov1.Restore{}
	must(t, s.get(t.Context(), name, restore))
	return restore
}

// completedRestore is restore, and fails unless it is Completed without an error or a warning.
func (s *suite) completedRestore(t *testing.T, name, backup string, args ...string) {
	t.Helper()
	restore := s.restore(t, name, backup, args...)
	if status := restore.Status; status.Phase != velerov1.RestorePhaseCompleted || status.Errors+status.Warnings > 0 {
		described, err := s.tryCLI(t.Context(), "restore", "describe", name, "--details")
		t.Fatalf("restore %s is %s with %d errors and %d warnings: %s %v\n%s (%v)",
			name, status.Phase, status.Errors, status.Warnings, status.FailureReason, status.ValidationErrors, described, err)
	}
}

// delete runs "velero backup delete" and waits until the backup is gone. It fails as soon as Velero says why it is not
// deleted, but asks again where the location is Unavailable: a kill of all of the plugin's processes hits the one, too,
// by which Velero looks at it.
func (s *suite) delete(t *testing.T, backup string) {
	t.Helper()
	ask := func() error {
		_, err := s.tryCLI(t.Context(), "backup", "delete", backup, "--confirm")
		return err
	}
	must(t, ask())
	eventually(t, "the backup "+backup+" to be gone", func(ctx context.Context) error {
		if err := s.get(ctx, backup, &velerov1.Backup{}); err != nil {
			return client.IgnoreNotFound(err)
		}
		refused, err := s.deletionErrors(ctx, backup)
		switch {
		case err != nil:
			return err
		case len(refused) == 0:
			return errors.New("it was deleted between two looks")
		case strings.Contains(strings.Join(refused, ""), "is currently in Unavailable state"):
			return errors.Join(fmt.Errorf("its deletion was refused: %q", refused), ask())
		}
		return poll.Permanent(fmt.Errorf("its deletion failed: %q", refused))
	})
}

// failedDeletion asks for the deletion of a backup that must fail, and returns why it did.
func (s *suite) failedDeletion(t *testing.T, backup string) []string {
	t.Helper()
	s.cli(t, "backup", "delete", backup, "--confirm")
	var found []string
	eventually(t, "the deletion of "+backup+" to be processed", func(ctx context.Context) (err error) {
		found, err = s.deletionErrors(ctx, backup)
		return err
	})
	return found
}

// deletionErrors returns why the deletion of a backup that is there failed. It is an error if it goes on.
func (s *suite) deletionErrors(ctx context.Context, backup string) ([]string, error) {
	var requests velerov1.DeleteBackupRequestList
	if err := s.cp.Client.List(ctx, &requests, client.MatchingLabels{velerov1.BackupNameLabel: backup}); err != nil {
		return nil, err
	}
	if len(requests.Items) != 1 || requests.Items[0].Status.Phase != velerov1.DeleteBackupRequestPhaseProcessed {
		return nil, fmt.Errorf("there are %d requests for its deletion, none of them processed", len(requests.Items))
	}
	return requests.Items[0].Status.Errors, nil
}

// waitGone waits until an object is gone.
func (s *suite) waitGone(t *testing.T, what string, object client.Object) {
	t.Helper()
	eventually(t, what+" to be gone", func(ctx context.Context) error {
		err := s.cp.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		return errors.New("it is still there")
	})
}

// createSettings creates the ConfigMap of an action for one restore alone.
func (s *suite) createSettings(t *testing.T, action, restore string, data map[string]string) {
	t.Helper()
	s.createSettingsOf(t, "RestoreItemAction", action, "restore", restore, data)
}

// createBackupSettings creates the ConfigMap of an action for one backup alone.
func (s *suite) createBackupSettings(t *testing.T, action, backup string, data map[string]string) {
	t.Helper()
	s.createSettingsOf(t, "BackupItemAction", action, "backup", backup, data)
}

// createSettingsOf creates the ConfigMap of an action of a kind for one run alone.
func (s *suite) createSettingsOf(t *testing.T, kind, action, run, name string, data map[string]string) {
	t.Helper()
	settings := &corev1.ConfigMap{ObjectMeta: inVelero(action + "-of-" + name), Data: data}
	settings.Labels = map[string]string{"velero.io/plugin-config": "", "alibabacloud.com/" + action: kind}
	settings.Annotations = map[string]string{"alibabacloud.com/" + run: name}
	s.create(t, settings)
}

// newNamespace creates a namespace with a small ConfigMap.
func (s *suite) newNamespace(t *testing.T, name string) {
	t.Helper()
	s.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, settings(name))
	s.excludeClusterCA(t, name)
}

// clusterCA is the ConfigMap with the cluster's certificate that Kubernetes puts into every namespace.
const clusterCA = "kube-root-ca.crt"

// excludeClusterCA keeps clusterCA out of backups. It is there before a restore into a new namespace comes to it, and
// Velero warns that it is not the one in the backup.
func (s *suite) excludeClusterCA(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, "the cluster's certificate in "+namespace, func(ctx context.Context) error {
		certificate := &corev1.ConfigMap{}
		if err := s.cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: clusterCA}, certificate); err != nil {
			return err
		}
		certificate.Labels = map[string]string{velerov1.ExcludeFromBackupLabel: "true"}
		return s.cp.Client.Update(ctx, certificate)
	})
}

// settings is what newNamespace puts into a namespace.
func settings(namespace string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "settings"},
		Data:       map[string]string{"greeting": "hello"},
	}
}

// deleteNamespace deletes a namespace and waits until it is gone.
func (s *suite) deleteNamespace(t *testing.T, name string) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	must(t, s.cp.Client.Delete(t.Context(), namespace))
	s.waitGone(t, "the namespace "+name, namespace)
}

// wantSettings fails unless the namespace holds what newNamespace made.
func (s *suite) wantSettings(t *testing.T, namespace string) {
	t.Helper()
	got, want := &corev1.ConfigMap{}, settings(namespace)
	must(t, s.cp.Client.Get(t.Context(), client.ObjectKeyFromObject(want), got))
	wantEqual(t, "the data of the restored ConfigMap", got.Data, want.Data)
}

// backupFiles are the files of a completed backup, as pkg/persistence/object_store.go of Velero puts them.
func backupFiles(backup string) []string {
	files := []string{"velero-backup.json", backup + ".tar.gz", backup + "-logs.gz", backup + "-results.gz"}
	for _, kind := range []string{"itemoperations", "podvolumebackups", "resource-list", "volumeinfo", "volumesnapshots"} {
		files = append(files, backup+"-"+kind+".json.gz")
	}
	for i, file := range files {
		files[i] = "backups/" + backup + "/" + file
	}
	slices.Sort(files)
	return files
}

// incompressible is a Secret of random bytes, as many MiB as etcd takes in one request of 1.5 MiB.
func incompressible(namespace string, number int) *corev1.Secret {
	content := make([]byte, 700<<10)
	_, _ = rand.Read(content) // It never fails.
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("random-%d", number)},
		Data:       map[string][]byte{"content": content},
	}
}
