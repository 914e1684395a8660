// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"strconv"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
)

// TestNoVolumePassesForAnother holds that many volumes have names and temporary objects of
// their own: by those a process finds again what another one has begun.
func TestNoVolumePassesForAnother(t *testing.T) {
	t.Parallel()
	const volumes = 200_000
	backup := backupNamed("b-1", velerov1.BackupPhaseInProgress)
	seen := make(map[string]string, 2*volumes)
	for i := range volumes {
		of := subject{name: "pv-" + strconv.Itoa(i), backupName: backup.Name, backup: backup, clusterID: "3fa1f1c2"}
		for _, name := range []string{of.planName(), of.owner().Mark} {
			if other, taken := seen[name]; taken {
				t.Fatalf("%s and %s are both %s", other, of.name, name)
			}
			seen[name] = of.name
		}
	}
}

func TestTheNameOfAPlanIsWithinItsLimit(t *testing.T) {
	t.Parallel()
	const limit = 64 // CreateBackupPlan: PlanName.
	long := subject{name: "pv-1", backupName: "a-schedule-with-quite-a-long-name-of-its-own-20260102030405", clusterID: "3fa1f1c2"}
	if name := long.planName(); len(name) > limit || !waitingJobName.MatchString(name) {
		t.Errorf("%s has %d characters, or is not known for a name", name, len(name))
	}
}

func TestWhichJobsHadToWait(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		job  string
		want bool
	}{
		"a name":                {job: "b-1-hbr-01234567-abcdefg234", want: true},
		"a name as it once was": {job: "b-1-hbr-01234567-89abcdef", want: true},
		"a job":                 {job: "job-000hbr7pxmf6pqkdxe5af"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (snapshotID{method: onNode, job: test.job}).waits(); got != test.want {
				t.Errorf("it waits: %t, want %t", got, test.want)
			}
		})
	}
}

// TestAJobBeginsByTheNameThatVeleroWasTold holds that a restore finds it, also where an
// earlier version of the plugin had other names.
func TestAJobBeginsByTheNameThatVeleroWasTold(t *testing.T) {
	t.Parallel()
	w, pv := scene{spec: nasSpec}.world(t)
	id, err := parseSnapshotID(w.backUp(t, w.process(t), pv))
	if err != nil || !id.waits() {
		t.Fatalf("%s does not wait, error %v", id, err)
	}
	id.job = "b-1-hbr-01234567-89abcdef"
	kept := notes.New(cluster.New(w.api, veleroNamespace), notesKeeper)
	if err := kept.Note(t.Context(), notes.OfBackup(backupNamed("b-1", "")), pv.Name, id.String()); err != nil {
		t.Fatal(err)
	}
	if got := w.untilSaved(t, pv.Name); got.Err != "" {
		t.Errorf("progress %+v, want that it is done", got)
	}
	if _, err := w.CreateVolumeFromSnapshot(id.String(), "", "", nil); err != nil {
		t.Error(err)
	}
}
