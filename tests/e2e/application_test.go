//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger"
)

// testApplication backs an application up while it writes to a disk and to NAS, loses it with all that it had written, and
// restores it in the same cluster.
func (e *environment) testApplication(t *testing.T) {
	t.Parallel()
	const namespace, name = "ledger", "application"
	s := e.home
	volumes := []ledger.Volume{onDisk(diskClass), onNAS()}
	app := s.startLedger(t, ledger.Options{Namespace: namespace, Volumes: volumes})
	s.backupChanging(t, name, "--include-namespaces", namespace)
	cuts := app.cuts(t, name, volumes...)
	status, err := app.ask(t.Context())
	must(t, err)

	lost := s.volumesOf(t, namespace)
	if len(lost) != len(volumes) {
		t.Fatalf("%d volumes, want %d", len(lost), len(volumes))
	}
	s.deleteNamespace(t, namespace)
	for _, volume := range lost {
		s.awaitDestroyed(t, &volume)
	}

	s.restore(t, name, name)
	app.awaitRestored(t, cuts)
	restored, err := app.ask(t.Context())
	must(t, err)
	if diff := cmp.Diff(status.Token, restored.Token); diff != "" {
		t.Errorf("the content of the Secret (-want +got):\n%s", diff)
	}
	for _, volume := range lost {
		s.elsewhere(t, app, &volume)
	}
}

// backupChanging makes a backup of files that come and go. Cloud Backup reads them one by one, so that it may miss some that
// were there when it began: that, and nothing else, may make the backup PartiallyFailed.
func (s *site) backupChanging(t *testing.T, name string, args ...string) {
	t.Helper()
	s.velero(t, append([]string{"backup", "create", name}, args...)...)
	backup := s.awaitEnd(t, name)
	told := s.describe(t.Context(), "backup", name)
	// A failed operation is counted among the errors too if the backup itself finds it failed, and not a later poll.
	missed := backup.Status.Phase == velerov1.BackupPhasePartiallyFailed && backup.Status.Errors <= 1 &&
		backup.Status.BackupItemOperationsFailed == 1 && strings.Contains(told, "PROCESS hbr partially completed")
	if backup.Status.Phase != velerov1.BackupPhaseCompleted && !missed {
		t.Fatalf("the backup %s is %s\n%s", name, backup.Status.Phase, told)
	}
	t.Logf("the backup %s is %s", name, backup.Status.Phase)
}

// elsewhere holds that a restored volume is other storage than the lost one.
func (s *site) elsewhere(t *testing.T, app *application, lost *corev1.PersistentVolume) {
	t.Helper()
	restored := s.volumeOf(t, app.namespace, lost.Spec.ClaimRef.Name)
	dir, err := s.storageOf(restored)
	must(t, err)
	if old, err := s.storageOf(lost); err == nil {
		t.Errorf("the lost storage of %s is there again: %s, and %s that of the restored one", lost.Spec.ClaimRef.Name, old, dir)
	}
}
