// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
)

// snapshotOfVolume is the snapshot of newVolume that newBackup takes.
func snapshotOfVolume() taken {
	return taken{Backup: "backup-1", Location: "files", PersistentVolume: pvName, Volume: server}
}

func TestSnapshotProgressTellsWhatTheSnapshotterTells(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		want velero.OperationProgress
	}{
		{
			name: "a snapshot that is being taken",
			want: velero.OperationProgress{NCompleted: 40, NTotal: 100, OperationUnits: "%", Description: "job j", Started: began, Updated: began.Add(time.Minute)},
		},
		{name: "one that is whole", want: velero.OperationProgress{Completed: true, NCompleted: 100, NTotal: 100}},
		{name: "one that has failed", want: velero.OperationProgress{Completed: true, Err: "PROCESS hbr partially completed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			files := &snapshots{progress: map[taken]velero.OperationProgress{snapshotOfVolume(): tt.want}}
			got, err := w.process(backupitemaction.Server{}, map[string]backupitemaction.Snapshots{filesProvider: files}).Progress(operationID, newBackup())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("the progress (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSnapshotProgressWaitsWhereItCannotAsk(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		files   *snapshots
		refused string
		want    string
	}{
		{name: "the cloud refuses", files: &snapshots{failure: errors.New("throttled")}, want: "throttled"},
		{
			name: "the location cannot be read", files: &snapshots{}, refused: "get VolumeSnapshotLocation",
			want: "finding the volume snapshot location of the Backup backup-1: reading the VolumeSnapshotLocation velero/files: the API server is down",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tt.refused != "" {
				w.refused[tt.refused] = errors.New("the API server is down")
			}
			action := w.process(backupitemaction.Server{}, map[string]backupitemaction.Snapshots{filesProvider: tt.files})
			for range 3 {
				got, err := action.Progress(operationID, newBackup())
				if err != nil {
					t.Fatalf("Progress() error = %v, which fails the operation for good", err)
				}
				if diff := cmp.Diff(velero.OperationProgress{Description: tt.want}, got); diff != "" {
					t.Errorf("the progress (-want +got):\n%s", diff)
				}
			}
			// What has passed is forgotten.
			delete(w.refused, tt.refused)
			want := velero.OperationProgress{Completed: true}
			tt.files.progress = map[taken]velero.OperationProgress{snapshotOfVolume(): want}
			got, err := action.Progress(operationID, newBackup())
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("Progress() error = %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestSnapshotProgressReadsTheLocationOnceInAPoll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	files := &snapshots{failure: errors.New("not yet")}
	action := w.process(backupitemaction.Server{}, map[string]backupitemaction.Snapshots{filesProvider: files})
	for range 30 {
		if _, err := action.Progress(operationID, newBackup()); err != nil {
			t.Fatal(err)
		}
	}
	w.wantCalls(t, map[string]int{"get VolumeSnapshotLocation": 1})
	if files.asked != 30 {
		t.Errorf("the snapshotter was asked %d times, want 30", files.asked)
	}
}

func TestSnapshotProgressAsksASilentCloudOnceInAPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		files := &snapshots{}
		action := w.process(backupitemaction.Server{}, map[string]backupitemaction.Snapshots{filesProvider: files})
		began := time.Now()
		for range 30 {
			got, err := action.Progress(operationID, newBackup())
			if err != nil || got.Completed || got.Description == "" {
				t.Fatalf("Progress() = %v, %v: want that it goes on, and why", got, err)
			}
		}
		if took := time.Since(began); files.asked != 1 || took != 2*time.Minute {
			t.Errorf("the cloud was asked %d times in %s, want once in two minutes", files.asked, took)
		}
	})
}

func TestSnapshotProgressRefusesWhatIsNoOperation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, id, want string
	}{
		{name: "an id that is no JSON", id: "pv-1", want: `the operation id "pv-1" is none of alibabacloud.com/snapshot-progress: invalid character 'p' looking for beginning of value`},
		{
			name: "an id without a volume", id: `{"persistentVolume":"pv-1","provider":"alibabacloud.com/hbr"}`,
			want: "is none of alibabacloud.com/snapshot-progress: it lacks the PersistentVolume or the volume",
		},
		{
			name: "an id of a provider that is not there", id: `{"persistentVolume":"pv-1","provider":"aws","volume":"v"}`,
			want: `is none of alibabacloud.com/snapshot-progress: there is no provider "aws"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			action := w.process(backupitemaction.Server{}, onlyFiles())
			if _, err := action.Progress(tt.id, newBackup()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Progress() error = %v, want %s", err, tt.want)
			}
			if err := action.Cancel(tt.id, newBackup()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Cancel() error = %v, want %s", err, tt.want)
			}
			w.wantCalls(t, map[string]int{})
		})
	}
}

func TestSnapshotProgressCancels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		failure error
		refused error
		want    []taken
		warning []string
	}{
		{name: "the snapshot", want: []taken{snapshotOfVolume()}},
		{
			name: "and says what it cannot cancel", failure: errors.New("throttled"),
			warning: []string{"Cannot cancel a snapshot, which may go on: throttled"},
		},
		{
			name: "and says which location it cannot read", refused: errors.New("down"),
			warning: []string{"Cannot cancel a snapshot, which may go on: finding the volume snapshot location of the Backup backup-1: " +
				"reading the VolumeSnapshotLocation velero/files: down"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.refused["get VolumeSnapshotLocation"] = tt.refused
			files := &snapshots{failure: tt.failure}
			if err := w.process(backupitemaction.Server{}, map[string]backupitemaction.Snapshots{filesProvider: files}).Cancel(operationID, newBackup()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, files.canceled); diff != "" {
				t.Errorf("what was canceled (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.warning, w.lines(logrus.WarnLevel)); diff != "" {
				t.Errorf("the warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzOperationID shows that what is taken for an id is one of Execute's: it is refused,
// or the snapshotter is asked for the snapshot that it names.
func FuzzOperationID(f *testing.F) {
	f.Add(operationID)
	f.Add(`{"persistentVolume":"","provider":"alibabacloud.com/hbr","volume":"v"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, id string) {
		log, _ := logrustest.NewNullLogger()
		files := &snapshots{failure: errors.New("asked")}
		providers := map[string]backupitemaction.Snapshots{filesProvider: files}
		got, err := backupitemaction.NewSnapshotProgress(log, oneLocation{}, backupitemaction.Server{}, providers).Progress(id, newBackup())
		refused := err != nil && files.asked == 0
		asked := err == nil && files.asked == 1 && got.Description == "asked"
		if !refused && !asked {
			t.Errorf("Progress(%q) = %v, %v after %d calls", id, got, err, files.asked)
		}
	})
}

// oneLocation is a cluster of which nothing but its location is asked for.
type oneLocation struct{ backupitemaction.Cluster }

// SnapshotLocationOf returns the location of any Backup and provider.
func (oneLocation) SnapshotLocationOf(context.Context, *velerov1.Backup, string) (map[string]string, error) {
	return map[string]string{"of": "files"}, nil
}
