// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"

	ram "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
)

// maxPolls is how many polls begin a job at most.
const maxPolls = 12

// attempt is something that the plugin does on the volume of a shop.
type attempt struct {
	*shop

	snapshot string
	// filled is the id of the volume that is being restored.
	filled string
}

// operation is what the plugin does by calls of the cloud.
type operation struct {
	name   string
	config map[string]string
	// ofBucket says that the volume is one of OSS.
	ofBucket bool
	// prepare is done by one who may do everything; nil for nothing.
	prepare func(*attempt, *testing.T)
	// do returns what is said of what could not be done, "" for nothing.
	do func(*attempt, *testing.T) string
}

// try does an operation under a policy.
func (o operation) try(t *testing.T, way method, policy ram.Policy) string {
	t.Helper()
	config := map[string]string{"method": string(way)}
	maps.Copy(config, o.config)
	a := &attempt{shop: newShop(t, config)}
	if o.ofBucket {
		a.pv = volumeOf(t, "oss-1", ossSpec)
	}
	a.open(t)
	if way != agentless {
		a.install(t, nil)
		a.serve(t)
	}
	if o.prepare != nil {
		o.prepare(a, t)
	}
	a.End(t.Context())
	a.logged.Reset()
	a.Snapshotter = a.process(t)
	a.grant(t, policy)
	return o.do(a, t)
}

// grant replaces the policy of Velero's user.
func (a *attempt) grant(t *testing.T, policy ram.Policy) {
	t.Helper()
	if err := a.sim.Accounts().SetPolicy(ram.UserARN(theAccount, "velero"), policy); err != nil {
		t.Fatal(err)
	}
}

// backUp backs the volume up. What keeps it from being begun is in the log.
func (a *attempt) backUp(t *testing.T) string {
	t.Helper()
	a.snapshot = a.world.backUp(t, a.Snapshotter, a.pv)
	if said := a.said(logrus.ErrorLevel); said != "" {
		return said
	}
	return a.awaitBackup(t)
}

// awaitBackup waits until the backup has ended.
func (a *attempt) awaitBackup(t *testing.T) string {
	t.Helper()
	return a.outcome(t, func() (velero.OperationProgress, error) { return a.backupProgress(t) })
}

func (a *attempt) backupProgress(t *testing.T) (velero.OperationProgress, error) {
	t.Helper()
	a.settle(t)
	return a.process(t).SnapshotProgress(t.Context(), backupNamed("b-1", ""), a.config, a.pv.Name, "")
}

// backedUp has the volume backed up.
func (a *attempt) backedUp(t *testing.T) {
	t.Helper()
	if said := a.backUp(t); said != "" {
		t.Fatal(said)
	}
}

// begunBackup has the backup of the volume under way.
func (a *attempt) begunBackup(t *testing.T) {
	t.Helper()
	a.snapshot = a.world.backUp(t, a.Snapshotter, a.pv)
	for range maxPolls {
		if jobs, err := a.sim.HBR().BackupJobs(); err != nil || len(jobs) > 0 {
			return
		}
		if _, err := a.backupProgress(t); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the backup does not begin")
}

// cancelBackup cancels the backup that is under way.
func (a *attempt) cancelBackup(t *testing.T) string {
	t.Helper()
	return errorText(a.CancelSnapshot(t.Context(), backupNamed("b-1", ""), a.config, a.pv.Name, ""))
}

// made has the vault made.
func (a *attempt) made(t *testing.T) {
	t.Helper()
	site, api := current(t, a.Snapshotter)
	if _, err := site.usableVault(t.Context(), api); err != nil {
		t.Fatal(err)
	}
}

// madeWithALoss has the vault made, and the answer to the plan of the next backup lost.
func (a *attempt) madeWithALoss(t *testing.T) {
	t.Helper()
	a.made(t)
	a.fault(t, lost("CreateBackupPlan"))
}

// abandoned has the backup of the volume ended without anybody who asked how far it is.
func (a *attempt) abandoned(t *testing.T) {
	t.Helper()
	a.begunBackup(t)
	for range maxPolls { // It takes less than that.
		a.pass(t)
	}
	a.end(t)
	a.create(t, backupNamed("b-2", velerov1.BackupPhaseInProgress), nasDirectory("nas-2", "/app"))
}

// sweep begins a backup of another volume, which removes what the one before has left.
// What is removed beside the backup is told by the log alone.
func (a *attempt) sweep(t *testing.T) string {
	t.Helper()
	before := a.plans(t)
	id, err := a.GetVolumeID(item(t, nasDirectory("nas-2", "/app")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.CreateSnapshot(id, "", map[string]string{tagBackup: "b-2", tagVolume: "nas-2"}); err != nil {
		t.Fatal(err)
	}
	a.End(t.Context())
	return a.saidOfPlans(t, before)
}

// awaitPlan waits until the backup has ended, and its plan is gone.
func (a *attempt) awaitPlan(t *testing.T) string {
	t.Helper()
	before := a.plans(t)
	if failed := a.awaitBackup(t); failed != "" {
		return failed
	}
	return a.saidOfPlans(t, before)
}

// saidOfPlans returns what was logged where one of the plans is left.
func (a *attempt) saidOfPlans(t *testing.T, before []string) string {
	t.Helper()
	if len(before) == 0 {
		t.Fatal("there was no plan to remove")
	}
	if !slices.ContainsFunc(a.plans(t), func(id string) bool { return slices.Contains(before, id) }) {
		return ""
	}
	return a.said(logrus.InfoLevel)
}

// restore restores the volume.
func (a *attempt) restore(t *testing.T) string {
	t.Helper()
	if said := a.order(t); said != "" {
		return said
	}
	return a.outcome(t, func() (velero.OperationProgress, error) { return a.restoreProgress(t) })
}

// order asks for the restored volume.
func (a *attempt) order(t *testing.T) string {
	t.Helper()
	var err error
	a.filled, err = a.CreateVolumeFromSnapshot(a.snapshot, "", "", nil)
	return errorText(err)
}

func (a *attempt) restoreProgress(t *testing.T) (velero.OperationProgress, error) {
	t.Helper()
	a.settle(t)
	s := a.process(t)
	return s.Progress(t.Context(), theRestore(), a.config, a.filled, hold(t, s, a.pv, a.filled))
}

// begunRestore has the restore of the volume under way.
func (a *attempt) begunRestore(t *testing.T) {
	t.Helper()
	a.backedUp(t)
	if said := a.order(t); said != "" {
		t.Fatal(said)
	}
	for range maxPolls {
		if jobs, err := a.sim.HBR().RestoreJobs(); err != nil || len(jobs) > 0 {
			return
		}
		if _, err := a.restoreProgress(t); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the restore does not begin")
}

// discard gives the restore up that is under way.
func (a *attempt) discard(t *testing.T) string {
	t.Helper()
	return errorText(a.Discard(t.Context(), theRestore(), a.config, a.filled))
}

// delete deletes the backup. What is left to the retention is a warning.
func (a *attempt) delete(t *testing.T) string {
	t.Helper()
	if err := a.DeleteSnapshot(a.snapshot); err != nil {
		return err.Error()
	}
	return a.said(logrus.WarnLevel)
}

// agentlessBefore has the volume backed up without a client, by a location that does so.
func (a *attempt) agentlessBefore(t *testing.T) {
	t.Helper()
	config := maps.Clone(a.config)
	a.config["method"] = string(agentless)
	a.Snapshotter = a.process(t)
	a.backedUp(t)
	if !strings.Contains(a.snapshot, "/agentless/") {
		t.Fatalf("the backup has the id %q", a.snapshot)
	}
	maps.Copy(a.config, config)
}
