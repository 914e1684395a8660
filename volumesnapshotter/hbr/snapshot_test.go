// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"net/http"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	simhbr "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
)

// lost is an answer that does not arrive, of a call that is done.
func lost(operation string) fault.Rule {
	return fault.Rule{Operation: operation, Reset: true, Count: 1}
}

// refusal is an error of a call that is not done.
func refusal(operation string, status int, code, message string) fault.Rule {
	return fault.Rule{Operation: operation, Status: status, Code: code, Message: message}
}

// oneTime ends a rule after one call.
func oneTime(rule fault.Rule) fault.Rule {
	rule.Count = 1
	return rule
}

func TestABackupIsBegunOnceWhateverHappensToTheAnswer(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string][]fault.Rule{
		"nothing happens":                 nil,
		"the answer of the vault is lost": {lost("CreateVault")},
		"the answer of the plan is lost":  {lost("CreateBackupPlan")},
		"the answer of the job is lost":   {lost("ExecuteBackupPlan")},
		"all of them are":                 {lost("CreateVault"), lost("CreateBackupPlan"), lost("ExecuteBackupPlan")},
		"the service fails at the vault":  {oneTime(refusal("CreateVault", http.StatusInternalServerError, "InternalError", "x"))},
		"the service fails at the plan":   {oneTime(refusal("CreateBackupPlan", http.StatusInternalServerError, "InternalError", "x"))},
		"the service fails at the job":    {oneTime(refusal("ExecuteBackupPlan", http.StatusServiceUnavailable, "ServiceUnavailable", "x"))},
		"the service throttles":           {oneTime(refusal("*", http.StatusTooManyRequests, "Throttling.User", "x"))},
		"the service fails with the status of a success": {
			{Service: simhbr.FaultAnswers, Operation: "ExecuteBackupPlan", Status: http.StatusInternalServerError, Code: "InternalError", Count: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.fill(t, "app")
			for _, rule := range rules {
				w.fault(t, rule)
			}
			pv := nasDirectory("nas-1", "/app")
			w.create(t, pv)
			id := w.backUp(t, w.Snapshotter, pv)
			if _, err := parseSnapshotID(id); err != nil {
				t.Fatal(err)
			}
			w.wantInventory(t, 1, 0, 1)
			if diff := gocmp.Diff([]string{theVault}, w.vaultNames()); diff != "" {
				t.Errorf("vaults (-want +got):\n%s", diff)
			}
			if got := w.snapshotProgress(t, pv.Name); got.Completed || got.NTotal != whole {
				t.Errorf("progress %+v at once", got)
			}
			w.sim.HBR().Advance(30 * time.Second)
			if got := w.snapshotProgress(t, pv.Name); got.Completed || got.NCompleted < 40 || got.NCompleted > 60 {
				t.Errorf("progress %+v, want that it is half done", got)
			}
			w.wantInventory(t, 1, 0, 1)
			w.sim.HBR().Advance(30 * time.Second)
			for range 2 { // When the plan is gone, so is the job.
				if got := w.progressOfID(t, id); !got.Completed || got.Err != "" || got.NCompleted != whole {
					t.Errorf("progress %+v, want that it is done", got)
				}
				w.wantInventory(t, 0, 1, 0)
			}
			for range 2 { // Who was told may have been killed.
				if got := w.snapshotProgress(t, pv.Name); !got.Completed || got.Err != "" {
					t.Errorf("progress %+v, want that it is done", got)
				}
			}
			w.wantNoNotes(t)
			snapshots, err := w.sim.HBR().Snapshots()
			if err != nil {
				t.Fatal(err)
			}
			if days := snapshots[0].Expires.Sub(w.time.Now()).Hours() / 24; days < 29 || days > 31 {
				t.Errorf("the snapshot expires in %.1f days, the backup in 30", days)
			}
		})
	}
}

func TestABackupThatCannotBeBegun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rules  []fault.Rule
		config map[string]string
		policy string
		before func(*testing.T, *world)
		pv     *corev1.PersistentVolume
		want   []string // Parts of the reason.
	}{
		"the service is not activated": {
			rules: []fault.Rule{{Service: simhbr.FaultAnswers, Operation: "DescribeVaults", Status: http.StatusForbidden, Code: "ServiceNotActivated", Message: "Not yet."}},
			want:  []string{"HBRError: check HBR vault error", "Not yet.", "activate it in the Cloud Backup console"},
		},
		"the service role is missing": {
			rules: []fault.Rule{refusal("CreateVault", http.StatusForbidden, "AssumeRoleFail", "x")},
			want:  []string{"HBRError: check HBR vault error", "may not assume its service role"},
		},
		"the API gateway is not granted": {
			rules: []fault.Rule{refusal("CreateVault", http.StatusForbidden, "MagpieBridgeSlrNotExist", "x")},
			want:  []string{"HBRError: check HBR vault error", "AliyunServiceRoleForHbrMagpieBridge"},
		},
		"the account is overdue": {
			rules: []fault.Rule{refusal("CreateBackupPlan", http.StatusForbidden, "InDebt", "x")},
			want:  []string{"HBRError: HBR backup request failed", "billing console"},
		},
		"the vault cannot be initialised": {
			rules: []fault.Rule{{Service: simhbr.FaultJobs, Operation: simhbr.FaultInitVault, Status: http.StatusInternalServerError}},
			want:  []string{"HBRError: check HBR vault error", "InitVaultError"},
		},
		"the vault stays in initialisation": {
			rules: []fault.Rule{{Service: simhbr.FaultJobs, Operation: simhbr.FaultInitVault, Latency: time.Hour}},
			want:  []string{"HBRError: check HBR vault error", "still INITIALIZING after 5m0s"},
		},
		"there is no vault and none may be made": {
			config: map[string]string{"createVault": "false"},
			want:   []string{"HBRError: check HBR vault error", "config key createVault"},
		},
		"there is no vault of the id": {
			config: map[string]string{"vaultId": "v-none"},
			want:   []string{"HBRError: check HBR vault error", "vault v-none", "the vault is not there"},
		},
		"the service fails every attempt": {
			rules: []fault.Rule{refusal("CreateBackupPlan", http.StatusInternalServerError, "InternalError", "x")},
			want:  []string{"HBRError: HBR backup request failed", "HBR backup/restore internal error"},
		},
		"the plan cannot be run": {
			rules: []fault.Rule{refusal("ExecuteBackupPlan", http.StatusForbidden, "RiskControlProhibited", "x")},
			// Such a denial is one for which another method may be tried.
			config: map[string]string{"method": "agentless"},
			want:   []string{"HBRError: HBR backup request failed", "risk control"},
		},
		"the file system is not there": {
			before: func(t *testing.T, w *world) {
				t.Helper()
				if err := w.sim.NAS().RemoveFileSystem("fs1"); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"HBRError: HBR backup request failed", "InvalidFileSystem.NotFound"},
		},
		"the account may not use plans": {
			policy: nodePolicy, config: map[string]string{"method": "agentless"},
			want: []string{"HBRError: HBR backup request failed", "grant it nas:DescribeFileSystems"},
		},
		"the account may not use plans, and may be able to use nodes": {
			policy: nodePolicy,
			want:   []string{"HBRError: addon status is abnormal", "the Cloud Backup client is not installed"},
		},
		"the volume is a block device": {
			pv: func() *corev1.PersistentVolume {
				pv := nasDirectory("nas-1", "/app")
				pv.Spec.VolumeMode = new(corev1.PersistentVolumeBlock)
				return pv
			}(),
			want: []string{"HBRError: HBR backup request failed", reasonBlock},
		},
		"the volume is not in the cluster any more": {
			before: func(t *testing.T, w *world) {
				t.Helper()
				if err := w.api.Delete(t.Context(), nasDirectory("nas-1", "/app")); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"nas-1", "not found"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var changes []func(*cloudsim.Config)
			if test.policy != "" {
				changes = append(changes, withPolicy(t, test.policy))
			}
			w := newWorld(t, test.config, changes...)
			pv := test.pv
			if pv == nil {
				pv = nasDirectory("nas-1", "/app")
			}
			w.fill(t, "app")
			w.create(t, pv)
			for _, rule := range test.rules {
				w.fault(t, rule)
			}
			if test.before != nil {
				test.before(t, w)
			}
			id := w.backUp(t, w.Snapshotter, pv)
			logged := w.messages(logrus.ErrorLevel)
			if len(logged) != 1 || !strings.HasPrefix(id, refusedPrefix) {
				t.Fatalf("id %q, logged %q, want one error", id, logged)
			}
			for _, part := range test.want {
				if !strings.Contains(id, part) || !strings.Contains(logged[0], part) {
					t.Errorf("%q is missing from the id %q or the log %q", part, id, logged)
				}
			}
			w.wantInventory(t, 0, 0, 0)
			for range 2 {
				if got := w.snapshotProgress(t, pv.Name); !got.Completed || got.Err == "" || !strings.Contains(id, got.Err) {
					t.Errorf("progress %+v, want the reason", got)
				}
			}
			if err := w.DeleteSnapshot(id); err != nil {
				t.Error(err)
			}
			if _, err := w.CreateVolumeFromSnapshot(id, "", "", nil); err == nil || !strings.Contains(err.Error(), test.want[0]) {
				t.Errorf("restoring gives the error %v, want the reason", err)
			}
		})
	}
}

func TestABackupJobThatDoesNotSucceed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule      fault.Rule
		after     time.Duration
		want      string
		snapshots int
	}{
		"it fails": {
			rule: fault.Rule{Status: 500, Message: "SOURCE_NOT_EXIST"}, after: time.Minute,
			want: "hbr task finished with unexpected status: FAILED, errMsg SOURCE_NOT_EXIST",
		},
		"it expires":                 {rule: fault.Rule{Status: 500, Code: "EXPIRED"}, after: time.Minute, want: "hbr task finished with unexpected status: EXPIRED"},
		"somebody cancels it":        {rule: fault.Rule{Status: 500, Code: "CANCELED"}, after: time.Minute, want: "hbr task finished with unexpected status: CANCELED"},
		"it leaves something out":    {rule: fault.Rule{Status: 500, Code: "PARTIAL_COMPLETE"}, after: time.Minute, want: "PROCESS hbr partially completed: ", snapshots: 1},
		"it stops halfway":           {rule: fault.Rule{Stall: time.Hour}, after: 5 * time.Hour, want: "had not ended after 4h0m0s (config key backupTimeout)"},
		"it has a status of its own": {rule: fault.Rule{Status: 500, Code: "FAILED", Message: "odd"}, after: time.Minute, want: "errMsg odd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.fill(t, "app")
			pv := nasDirectory("nas-1", "/app")
			w.create(t, pv)
			test.rule.Service, test.rule.Operation = simhbr.FaultJobs, simhbr.FaultBackup
			w.fault(t, test.rule)
			id := w.backUp(t, w.Snapshotter, pv)
			w.sim.HBR().Advance(test.after)
			if err := w.time.Sleep(t.Context(), test.after); err != nil {
				t.Fatal(err)
			}
			got := w.snapshotProgress(t, pv.Name)
			if !got.Completed || !strings.Contains(got.Err, test.want) {
				t.Errorf("progress %+v, want the error %q", got, test.want)
			}
			w.wantInventory(t, 0, test.snapshots, 0)
			if test.snapshots > 0 {
				w.restored(t, id, pv)
				return
			}
			if _, err := w.CreateVolumeFromSnapshot(id, "", "", nil); err == nil || !strings.Contains(err.Error(), "HBRError: HBR restore request failed") {
				t.Errorf("restoring gives the error %v", err)
			}
		})
	}
}

func TestACanceledBackupLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/app")
	w.create(t, pv)
	w.backUp(t, w.Snapshotter, pv)
	for range 2 {
		if err := w.process(t).CancelSnapshot(t.Context(), backupNamed("b-1", ""), w.config, pv.Name, ""); err != nil {
			t.Error(err)
		}
		w.wantInventory(t, 0, 0, 0)
	}
	if got := w.snapshotProgress(t, pv.Name); !got.Completed || !strings.Contains(got.Err, "neither the job nor its snapshot") {
		t.Errorf("progress %+v", got)
	}
}

func TestTheNextBackupDeletesThePlansThatWereLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	left, running := nasDirectory("nas-1", "/app"), nasDirectory("nas-2", "/app")
	w.create(t, left, running, backupNamed("b-0", velerov1.BackupPhasePartiallyFailed))
	backUp := func(backup string, pv *corev1.PersistentVolume) {
		t.Helper()
		s := w.process(t)
		id, err := s.GetVolumeID(item(t, pv))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.CreateSnapshot(id, "", map[string]string{tagBackup: backup, tagVolume: pv.Name}); err != nil {
			t.Fatal(err)
		}
		s.End(t.Context())
	}
	backUp("b-0", left)
	w.sim.HBR().Advance(50 * time.Second)
	backUp("b-1", running)
	w.wantInventory(t, 2, 0, 2) // A plan is not deleted before its job has ended.
	w.sim.HBR().Advance(time.Minute)
	backUp("b-1", left)
	w.wantInventory(t, 2, 2, 1) // Those of a backup that goes on stay.
}

// leavePlan leaves a plan without a job, as one does that is killed after CreateBackupPlan, of
// the backup b-1, which is not there any more.
func (w *world) leavePlan(t *testing.T, pv *corev1.PersistentVolume) {
	t.Helper()
	w.create(t, pv)
	w.fault(t, refusal("ExecuteBackupPlan", http.StatusForbidden, "InDebt", "x"))
	w.fault(t, refusal("DeleteBackupPlan", http.StatusForbidden, "InDebt", "x"))
	if id := w.backUp(t, w.Snapshotter, pv); !strings.HasPrefix(id, refusedPrefix) {
		t.Errorf("the backup has the id %q", id)
	}
	w.End(t.Context())
	w.wantInventory(t, 1, 0, 0)
	w.sim.Faults().Clear()
	if err := w.api.Delete(t.Context(), backupNamed("b-1", "")); err != nil {
		t.Fatal(err)
	}
}

func TestTheNextBackupDeletesThePlanOfAProcessThatWasKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/app")
	w.leavePlan(t, pv)
	w.create(t, backupNamed("b-1", velerov1.BackupPhasePartiallyFailed), backupNamed("b-2", velerov1.BackupPhaseInProgress))
	s := w.process(t)
	id, err := s.GetVolumeID(item(t, pv))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateSnapshot(id, "", map[string]string{tagBackup: "b-2", tagVolume: pv.Name}); err != nil {
		t.Fatal(err)
	}
	s.End(t.Context())
	w.wantInventory(t, 1, 0, 1)
}

// TestAPlanOfAnotherVeleroIsLeftUntilItsJobCanHaveBegun has a backup that is not known in
// Velero's namespace be between the making of a plan and its job.
func TestAPlanOfAnotherVeleroIsLeftUntilItsJobCanHaveBegun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	w.leavePlan(t, nasDirectory("nas-1", "/app"))
	sweep := func() {
		t.Helper()
		site, api := current(t, w.process(t))
		site.sweepAll(t.Context(), api, w.sim.HBR().Vaults()[0].ID, "3fa1f1c2")
	}
	sweep()
	w.wantInventory(t, 1, 0, 0)
	if err := w.time.Sleep(t.Context(), requestTimeout+time.Minute); err != nil {
		t.Fatal(err)
	}
	sweep()
	w.wantInventory(t, 0, 0, 0)
}

func TestVolumesOfOthersAreLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	disk := nasDirectory("d-1", "/")
	disk.Spec.CSI.Driver = "diskplugin.csi.alibabacloud.com"
	host := &corev1.PersistentVolume{}
	host.Name = "host"
	host.Spec.HostPath = &corev1.HostPathVolumeSource{Path: "/data"}
	for _, pv := range []*corev1.PersistentVolume{disk, host} {
		if id, err := w.GetVolumeID(item(t, pv)); err != nil || id != "" {
			t.Errorf("%s has the id %q, error %v", pv.Name, id, err)
		}
	}
	if got := w.messages(logrus.WarnLevel); len(got) != 1 || !strings.Contains(got[0], reasonHostPath) {
		t.Errorf("warnings %q, want one of the hostPath volume", got)
	}
}
