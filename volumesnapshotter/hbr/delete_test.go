// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

func TestDeletingASnapshot(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(*testing.T, *world)
		// after is when the deletion is asked for.
		after time.Duration
		warns bool
		err   string
		left  int // Snapshots.
	}{
		"its job has ended, and its plan is still there": {after: time.Minute},
		"its job is running":                             {after: 30 * time.Second},
		"its retention is over":                          {after: 31 * 24 * time.Hour},
		"its vault was deleted": {after: time.Minute, before: func(t *testing.T, w *world) {
			t.Helper()
			if err := w.sim.HBR().DeleteVault(w.sim.HBR().Vaults()[0].ID); err != nil {
				t.Fatal(err)
			}
		}},
		"it may not be deleted": {after: time.Minute, warns: true, left: 1, before: func(t *testing.T, w *world) {
			t.Helper()
			w.fault(t, refusal("DeleteSnapshot", http.StatusForbidden, "NoPermission", "x"))
		}},
		"its plan was deleted meanwhile": {after: time.Minute, before: func(t *testing.T, w *world) {
			t.Helper()
			w.fault(t, lost("DeleteBackupPlan"))
		}},
		"its answer is lost": {after: time.Minute, before: func(t *testing.T, w *world) {
			t.Helper()
			w.fault(t, lost("DeleteSnapshot"))
		}},
		"the service fails": {after: time.Minute, left: 1, err: "HBRError: delete Cloud Backup snapshot failed", before: func(t *testing.T, w *world) {
			t.Helper()
			w.fault(t, refusal("DeleteSnapshot", http.StatusInternalServerError, "InternalError", "x"))
		}},
		"the vault is there and refuses": {after: time.Minute, left: 1, err: "Illegal request", before: func(t *testing.T, w *world) {
			t.Helper()
			w.fault(t, refusal("SearchHistoricalSnapshots", http.StatusBadRequest, "BadRequest", "Illegal request. Please modify the parameters"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.fill(t, "app")
			pv := nasDirectory("nas-1", "/app")
			w.create(t, pv)
			id := w.backUp(t, w.Snapshotter, pv)
			w.End(t.Context())
			w.sim.HBR().Advance(test.after)
			if test.before != nil {
				test.before(t, w)
			}
			for range 2 {
				err := w.process(t).DeleteSnapshot(id)
				if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
			}
			w.wantInventory(t, 0, test.left, 0)
			if got := w.messages(logrus.WarnLevel); (len(got) > 0) != test.warns {
				t.Errorf("warnings %q, want some: %v", got, test.warns)
			}
		})
	}
}

func TestThereIsNothingToDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for id, want := range map[string]bool{"": true, "failed: it could not be begun": true, "s-123": false} {
		if err := w.DeleteSnapshot(id); (err == nil) != want {
			t.Errorf("deleting %q gives the error %v", id, err)
		}
	}
}

func TestASnapshotOfAnotherRegionIsDeletedThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	id := w.backedUp(t, nasDirectory("nas-1", "/app"))
	w.config["region"] = "cn-beijing"
	away := w.process(t)
	if _, err := away.CreateVolumeFromSnapshot(id, "", "", nil); err == nil || !strings.Contains(err.Error(), errOtherRegion.Error()) {
		t.Errorf("restoring in another region gives the error %v", err)
	}
	if got := w.progressOfID(t, id); !got.Completed || got.Err != "" {
		t.Errorf("progress %+v", got)
	}
	if err := away.DeleteSnapshot(id); err != nil {
		t.Error(err)
	}
	w.wantInventory(t, 0, 0, 0)
}
