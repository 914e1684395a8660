// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
)

func TestTheProgressOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/app")
	made := w.backedUp(t, pv)
	volume := w.beginRestore(t, made, pv)
	id, err := parseSnapshotID(made)
	if err != nil {
		t.Fatal(err)
	}
	wanted, _ := parsePendingID(volume)
	another := "job-none"
	for text, want := range map[string]string{
		strings.Replace(made, id.job, another, 1): "neither the job nor its snapshot",
		"s-123":                "is not the id of a Cloud Backup snapshot",
		refusedPrefix + " why": "why",
	} {
		if got := w.progressOfID(t, text); !got.Completed || !strings.Contains(got.Err, want) {
			t.Errorf("%s: progress %+v, want the error %q", text, got, want)
		}
	}
	if err := notes.New(cluster.New(w.api, veleroNamespace), notesKeeper).Note(t.Context(), notes.OfRestore(theRestore()), wanted.mark, `{"job":"`+another+`"}`); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		volume:  "the restore job job-none is not there",
		"d-123": "is not the id of a volume that is being restored",
	} {
		if got := w.progress(t, text, pv); !got.Completed || !strings.Contains(got.Err, want) {
			t.Errorf("%s: progress %+v, want the error %q", text, got, want)
		}
	}
	if got := w.snapshotProgress(t, "nas-2"); !got.Completed || got.Err != "" {
		t.Errorf("progress %+v of a volume that was never asked for", got)
	}
	if err := w.CancelSnapshot(t.Context(), backupNamed("b-1", ""), w.config, "nas-2", ""); err != nil {
		t.Error(err)
	}
	if _, err := w.Finish(t.Context(), theRestore(), w.config, "d-123", nasDirectory("nas-1", "/app")); err == nil {
		t.Error("a volume that is not being restored was finished")
	}
	if _, err := w.SetVolumeID(item(t, nasDirectory("nas-1", "/app")), "d-123"); err == nil {
		t.Error("a volume became one that is not being restored")
	}
	if err := w.Settle(t.Context(), theRestore(), w.config, "d-123"); err == nil {
		t.Error("a volume that is not being restored was settled")
	}
	if err := w.Discard(t.Context(), theRestore(), w.config, "d-123"); err != nil {
		t.Error(err)
	}
}

func TestAnErrorThatMayPassIsNoEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/app")
	w.create(t, pv)
	snapshot := w.backUp(t, w.Snapshotter, pv)
	w.End(t.Context())
	w.fault(t, refusal("DescribeBackupJobs2", http.StatusServiceUnavailable, "ServiceUnavailable", "x"))
	if got, err := w.SnapshotProgress(t.Context(), backupNamed("b-1", ""), w.config, pv.Name, ""); err == nil || got.Completed {
		t.Errorf("progress %+v, error %v, want an error", got, err)
	}
	w.sim.Faults().Clear()
	w.sim.HBR().Advance(time.Minute)
	if got := w.snapshotProgress(t, pv.Name); !got.Completed || got.Err != "" {
		t.Fatalf("progress %+v", got)
	}
	volume := w.beginRestore(t, snapshot, pv)
	for code, final := range map[string]bool{"ServiceUnavailable": false, "NoPermission": true} {
		w.sim.Faults().Clear()
		w.fault(t, refusal("DescribeRestoreJobs2", map[bool]int{false: 503, true: 403}[final], code, "x"))
		got, err := w.Progress(t.Context(), theRestore(), w.config, volume, pv)
		if got.Completed != final || (err == nil) != final {
			t.Errorf("%s: progress %+v, error %v", code, got, err)
		}
	}
}

func TestARefusalToCancelIsASuccessWhereTheJobHasEnded(t *testing.T) {
	t.Parallel()
	illegal := answered("hbr:CancelBackupJob", http.StatusBadRequest, "BadRequest", "Illegal request")
	for name, test := range map[string]struct {
		refusal error
		found   *job
		look    error
		want    error
	}{
		"it was canceled":             {},
		"it is not there":             {refusal: answered("hbr:CancelBackupJob", http.StatusNotFound, "ResourceNotFound", "x")},
		"it has ended meanwhile":      {refusal: illegal, found: &job{status: statusComplete}},
		"it has gone meanwhile":       {refusal: illegal},
		"it is still running":         {refusal: illegal, found: &job{status: "RUNNING"}, want: illegal},
		"nobody knows whether it has": {refusal: illegal, look: errors.New("x"), want: illegal},
		"the service has failed":      {refusal: unavailable(), found: &job{status: statusComplete}, want: unavailable()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := canceledOr(test.refusal, func() (*job, error) { return test.found, test.look })
			if (got == nil) != (test.want == nil) || got != nil && got.Error() != test.want.Error() {
				t.Errorf("error %v, want %v", got, test.want)
			}
		})
	}
}

func unavailable() error {
	return answered("hbr:CancelBackupJob", http.StatusServiceUnavailable, "ServiceUnavailable", "x")
}
