// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	simhbr "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
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

// snapshotsOf is a way to the cloud by which all snapshots have a status.
type snapshotsOf struct {
	http.RoundTripper

	status string
}

func (s snapshotsOf) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := s.RoundTripper.RoundTrip(request)
	if err != nil || !slices.Contains(request.Header["x-acs-action"], "SearchHistoricalSnapshots") { //nolint:staticcheck // So the SDK writes it.
		return answer, err
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	changed := strings.ReplaceAll(string(text), `"Status":"COMPLETE"`, `"Status":"`+s.status+`"`)
	answer.Body, answer.ContentLength = io.NopCloser(strings.NewReader(changed)), int64(len(changed))
	answer.Header.Del("Content-Length")
	return answer, nil
}

// haveStatus gives all snapshots a status, for the processes that begin from now on.
func (w *world) haveStatus(status string) {
	changed := *w.environment.RPC
	changed.Transport = snapshotsOf{RoundTripper: changed.Transport, status: status}
	environment := w.environment
	environment.RPC = &changed
	w.clients = alicloud.New(environment)
}

func TestWhatTheStatusOfASnapshotMeans(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status string
		// backup is the error of a backup whose job is not listed any more, restore that of a restore.
		backup, restore string
	}{
		"it is whole":                    {status: "COMPLETE"},
		"it lacks items":                 {status: "PARTIAL_COMPLETE", backup: "PROCESS hbr partially completed"},
		"its job has failed":             {status: "FAILED", backup: "unexpected status: FAILED", restore: "unexpected status: FAILED"},
		"its job was canceled":           {status: "CANCELED", backup: "unexpected status: CANCELED", restore: "unexpected status: CANCELED"},
		"it is one that nobody knows of": {status: "ODD"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.fill(t, "app")
			pv := nasDirectory("nas-1", "/app")
			id := w.backedUp(t, pv) // Its job has gone with the plan.
			w.haveStatus(test.status)
			if got := w.progressOfID(t, id); !got.Completed || (got.Err == "") != (test.backup == "") || !strings.Contains(got.Err, test.backup) {
				t.Errorf("progress %+v of the backup, want the error %q", got, test.backup)
			}
			_, err := w.process(t).CreateVolumeFromSnapshot(id, "", "", nil)
			if (err == nil) != (test.restore == "") || err != nil && !strings.Contains(err.Error(), test.restore) {
				t.Errorf("error %v of the restore, want %q", err, test.restore)
			}
		})
	}
}

// TestAJobIsKeptUntilItsSnapshotIsListed restores the backup of a volume whenever Velero is told of it: by the job, or by
// the snapshot.
func TestAJobIsKeptUntilItsSnapshotIsListed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		listing time.Duration
		rule    fault.Rule
		// waits is for how long the backup is not done after its job has ended.
		waits time.Duration
		// outcome is its error, restore that of a restore when the backup is done.
		outcome, restore string
	}{
		"it is listed at once": {},
		"it is listed later":   {listing: 3 * time.Minute, waits: 3 * time.Minute},
		"it is listed later, and lacks items": {
			listing: 3 * time.Minute, waits: 3 * time.Minute, rule: fault.Rule{Status: 500, Code: "PARTIAL_COMPLETE"}, outcome: "PROCESS hbr partially completed",
		},
		"it is never listed": {listing: time.Hour, waits: listedAfter, restore: "there is neither the job"},
		"its job has failed": {listing: time.Hour, rule: fault.Rule{Status: 500}, outcome: "unexpected status: FAILED", restore: "there is neither the job"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil, func(config *cloudsim.Config) { config.HBR.Durations.Listing = metav1.Duration{Duration: test.listing} })
			w.fill(t, "app")
			pv := nasDirectory("nas-1", "/app")
			w.create(t, pv)
			if test.rule.Status != 0 {
				test.rule.Service, test.rule.Operation = simhbr.FaultJobs, simhbr.FaultBackup
				w.fault(t, test.rule)
			}
			snapshot := w.backUp(t, w.Snapshotter, pv)
			pass := func(d time.Duration) {
				if err := w.time.Sleep(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			pass(time.Minute)
			if test.waits > 0 {
				for _, d := range []time.Duration{0, test.waits - 10*time.Second} {
					pass(d)
					if got := w.snapshotProgress(t, pv.Name); got.Completed || !strings.Contains(got.Description, "waiting for the snapshot of the job, which has just ended, to be listed") {
						t.Errorf("progress %+v", got)
					}
					if _, err := w.process(t).CreateVolumeFromSnapshot(snapshot, "", "", nil); err != nil {
						t.Errorf("error %v of a restore", err)
					}
				}
				pass(20 * time.Second)
			}
			before := len(w.calls())
			if got := w.snapshotProgress(t, pv.Name); !got.Completed || (got.Err == "") != (test.outcome == "") || !strings.Contains(got.Err, test.outcome) {
				t.Errorf("progress %+v, want the error %q", got, test.outcome)
			}
			if calls := w.calls()[before:]; len(calls) > 3 {
				t.Errorf("calls %q, want one each for the job, the snapshot and the plan", calls)
			}
			if left, err := w.sim.HBR().Inventory(theAccount); err != nil || len(left.Plans) > 0 {
				t.Errorf("left are %+v, error %v", left, err)
			}
			_, err := w.process(t).CreateVolumeFromSnapshot(snapshot, "", "", nil)
			if (err == nil) != (test.restore == "") || err != nil && !strings.Contains(err.Error(), test.restore) {
				t.Errorf("error %v of the restore, want %q", err, test.restore)
			}
		})
	}
}

// TestWhoMayNotLookForASnapshotDoesNotWaitForIt has the backup be what its job is.
func TestWhoMayNotLookForASnapshotDoesNotWaitForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/app")
	w.create(t, pv)
	w.fault(t, fault.Rule{Service: "hbr", Operation: "SearchHistoricalSnapshots", Status: 403, Code: "Forbidden.RAM"})
	w.backUp(t, w.Snapshotter, pv)
	if err := w.time.Sleep(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := w.snapshotProgress(t, pv.Name); !got.Completed || got.Err != "" {
		t.Errorf("progress %+v", got)
	}
	if left, err := w.sim.HBR().Inventory(theAccount); err != nil || len(left.Plans) > 0 {
		t.Errorf("left are %+v, error %v", left, err)
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
