// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"net/http"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
)

// TestTheNextBackupEndsWhatOneHasLeft begins a backup of another volume when one has ended of which Velero has
// polled, if at all, before it could store the backup.
func TestTheNextBackupEndsWhatOneHasLeft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		phase velerov1.BackupPhase
		// after is how long the job has run, of a minute that it takes.
		after time.Duration
		// polled says that Velero has asked for the backup of the volume, which was done.
		polled bool
		before func(*testing.T, *world)
		// left are of the first backup.
		left, running int
	}{
		"a Failed one whose job has ended": {phase: velerov1.BackupPhaseFailed, after: 2 * time.Minute},
		"a Failed one that was known to have succeeded": {
			phase: velerov1.BackupPhaseFailed, after: 2 * time.Minute, polled: true,
		},
		"a Failed one whose job is running": {phase: velerov1.BackupPhaseFailed, after: 30 * time.Second},
		"a Failed one whose snapshot may not be deleted": {
			phase: velerov1.BackupPhaseFailed, after: 2 * time.Minute, left: 1, before: func(t *testing.T, w *world) {
				t.Helper()
				w.fault(t, refusal("DeleteSnapshot", http.StatusForbidden, "NoPermission", "x"))
			},
		},
		"a PartiallyFailed one whose job has ended": {phase: velerov1.BackupPhasePartiallyFailed, after: 2 * time.Minute, left: 1},
		"a PartiallyFailed one that was known to have succeeded": {
			phase: velerov1.BackupPhasePartiallyFailed, after: 2 * time.Minute, polled: true, left: 1,
		},
		"a PartiallyFailed one whose job is running": {phase: velerov1.BackupPhasePartiallyFailed, after: 30 * time.Second, running: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.fill(t, "app")
			first, other := nasDirectory("nas-1", "/app"), nasDirectory("nas-2", "/app")
			w.create(t, first, other)
			w.backUp(t, w.Snapshotter, first)
			w.End(t.Context())
			w.sim.HBR().Advance(test.after)
			if test.polled {
				if got := w.snapshotProgressIn(t, velerov1.BackupPhaseInProgress, first.Name); !got.Completed || got.Err != "" {
					t.Fatalf("progress %+v, want that it is done", got)
				}
			}
			if test.before != nil {
				test.before(t, w)
			}
			if err := w.api.Delete(t.Context(), backupNamed("b-1", "")); err != nil {
				t.Fatal(err)
			}
			w.create(t, backupNamed("b-1", test.phase), backupNamed("b-2", velerov1.BackupPhaseInProgress))

			next := w.process(t)
			id, err := next.GetVolumeID(item(t, other))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := next.CreateSnapshot(id, "", map[string]string{tagBackup: "b-2", tagVolume: other.Name}); err != nil {
				t.Fatal(err)
			}
			next.End(t.Context())
			// The other volume has a plan and a job that runs.
			w.wantInventory(t, 1+test.running, test.left, 1+test.running)
			w.wantNotes(t, 1+test.running)
			if got := w.messages(logrus.WarnLevel); len(got) > 0 {
				t.Errorf("the next backup is warned: %q", got)
			}
		})
	}
}
