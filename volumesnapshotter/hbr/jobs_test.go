// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	simhbr "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
)

// lastingAnHour makes jobs ones that end in no poll of a test.
func lastingAnHour(config *cloudsim.Config) {
	config.HBR.Durations.Backup = metav1.Duration{Duration: time.Hour}
}

// TestAPollAsksOnceForAllJobsOfASourceType is about what Velero does every ten seconds: it asks
// for one operation of a backup after the other, in a process of its own.
func TestAPollAsksOnceForAllJobsOfASourceType(t *testing.T) {
	t.Parallel()
	const volumes, polls = 15, 20
	w := newWorld(t, nil, lastingAnHour)
	var names []string
	for i := range volumes {
		directory := fmt.Sprintf("/data-%d", i)
		pv := nasDirectory(fmt.Sprintf("nas-%d", i), directory)
		if i%3 == 0 {
			pv = bucketDirectory(fmt.Sprintf("oss-%d", i), directory)
		}
		w.fill(t, directory)
		w.create(t, pv)
		w.backUp(t, w.Snapshotter, pv)
		names = append(names, pv.Name)
	}
	before := len(w.calls())
	for range polls {
		poller := w.process(t)
		for _, name := range names {
			got, err := poller.SnapshotProgress(t.Context(), backupNamed("b-1", ""), w.config, name, "")
			if err != nil || got.Completed {
				t.Fatalf("%s: progress %+v, error %v", name, got, err)
			}
		}
	}
	calls := w.calls()[before:]
	if want := slices.Repeat([]string{"DescribeBackupJobs2"}, 2*polls); !slices.Equal(want, calls) {
		t.Errorf("%d calls in %d polls, want two in each, one for each source type: %q", len(calls), polls, slices.Compact(calls))
	}
}

// calls returns the operations of Cloud Backup that were called.
func (w *world) calls() []string {
	var calls []string
	for _, entry := range w.sim.Journal().Entries() {
		if entry.Service == simhbr.Product {
			calls = append(calls, entry.Operation)
		}
	}
	return calls
}

func TestAJobThatWasBegunAfterTheListWasRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, lastingAnHour)
	poller := w.process(t)
	for i := range 3 {
		directory := fmt.Sprintf("/data-%d", i)
		pv := nasDirectory(fmt.Sprintf("nas-%d", i), directory)
		w.fill(t, directory)
		w.create(t, pv)
		w.backUp(t, w.Snapshotter, pv)
		got, err := poller.SnapshotProgress(t.Context(), backupNamed("b-1", ""), w.config, pv.Name, "")
		if err != nil || got.Completed || got.Started.IsZero() {
			t.Errorf("progress %+v, error %v, want that of the job", got, err)
		}
	}
}
