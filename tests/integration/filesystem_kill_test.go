// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// The cases of this file kill all processes of the plugin. They are not run beside others.

// waitBackup waits until a backup is in one of the phases.
func (s *suite) waitBackup(t *testing.T, name string, phases ...velerov1.BackupPhase) {
	t.Helper()
	eventually(t, fmt.Sprintf("the backup %s to be %v", name, phases), func(ctx context.Context) error {
		backup := &velerov1.Backup{}
		if err := s.get(ctx, name, backup); err != nil {
			return err
		}
		if !slices.Contains(phases, backup.Status.Phase) {
			return fmt.Errorf("it is %s", backup.Status.Phase)
		}
		return nil
	})
}

// wantLeftovers fails unless a killed run has left objects of the kinds in the cluster, which are the next one's to remove.
func (s *fileSuite) wantLeftovers(t *testing.T, run types.UID, kinds ...string) {
	t.Helper()
	left, err := s.leftoversOf(t.Context(), string(run))
	must(t, err)
	for _, kind := range kinds {
		if !slices.ContainsFunc(left, func(object string) bool { return strings.HasPrefix(object, kind+" ") }) {
			t.Errorf("the killed run has left %q, without a %s: it was killed too early or too late", left, kind)
		}
	}
}

// waitNothingLeft waits until nothing is left of any run. What is left of a killed one is removed beside the next.
func (s *fileSuite) waitNothingLeft(t *testing.T) {
	t.Helper()
	eventually(t, "nothing to be left", func(ctx context.Context) error {
		has, err := s.cloud.HBR().Inventory(accountID)
		if err != nil {
			return err
		}
		left, err := s.leftovers(ctx)
		if err != nil {
			return err
		}
		if len(left)+len(has.Plans)+len(has.Running) > 0 {
			return fmt.Errorf("there are %q in the cluster, and the plans %q and jobs %q", left, has.Plans, has.Running)
		}
		return nil
	})
}

// keepOrphans notes the snapshots that the account has when all backups are deleted. A backup that Velero did not finish
// does not know its own.
func (s *fileSuite) keepOrphans(t *testing.T) {
	t.Helper()
	has, err := s.cloud.HBR().Inventory(accountID)
	must(t, err)
	s.orphans = &names{list: has.Snapshots}
}

// testKilledFileBackup kills server and plugin while the second of two volumes is asked for, and the first is mounted by
// a Pod of our own.
func (s *fileSuite) testKilledFileBackup(t *testing.T) {
	b := s.newFileBench(t, "fs-killed", nil, policyAgentless, policyNode)
	s.newNamespace(t, b.name)
	b.newFileVolume(t, "a-nfs", onNFS("fs-killed"), fileOptions{})
	b.newFileVolume(t, "b-nas", onNAS("fs-killed"), fileOptions{})
	hanging := s.addFault(t, fault.Rule{Service: "hbr", Operation: "ExecuteBackupPlan", Latency: hang, Count: 1})
	b.beginBackup(t, "fs-killed-first")
	waitHit(t, hanging)
	run := s.backupUID(t, "fs-killed-first")
	s.killVelero(t)
	s.waitBackup(t, "fs-killed-first", velerov1.BackupPhaseFailed)
	s.wantLeftovers(t, run, "Pod", "PersistentVolumeClaim", "PersistentVolume", "note")
	has, err := s.cloud.HBR().Inventory(accountID)
	must(t, err)
	wantEqual(t, "how many plans the killed backup has left", len(has.Plans), 1)

	b.completedAfterKill(t, "fs-killed-next", 2)
	s.waitNothingLeft(t)
	b.settle(t)
	s.keepOrphans(t)
}

// completedAfterKill is completedFileBackup, as soon as the location is Available again: a kill of all of the plugin's
// processes hits the one, too, by which Velero looks at it.
func (b *fileBench) completedAfterKill(t *testing.T, name string, jobs int) {
	t.Helper()
	b.waitAvailable(t)
	b.completedFileBackup(t, name, jobs)
}

// testKilledFilePoll kills the plugin while it asks for a job on a node. The job goes on, and its data can be restored.
func (s *fileSuite) testKilledFilePoll(t *testing.T) {
	b := s.newFileBench(t, "fs-polled", nil, policyNode)
	s.newNamespace(t, b.name)
	v := b.newFileVolume(t, "nfs", onNFS("fs-polled"), fileOptions{})
	s.slowJobs(t, slowBackups)
	b.beginBackup(t, "fs-polled-first")
	s.waitJobs(t, 1)
	s.waitBackup(t, "fs-polled-first", velerov1.BackupPhaseWaitingForPluginOperations)
	waitHit(t, s.addFault(t, fault.Rule{Service: "hbr", Operation: "DescribeBackupJobs2", Latency: hang, Count: 1}))
	s.killPlugin(t)
	s.waitBackup(t, "fs-polled-first", velerov1.BackupPhasePartiallyFailed)
	needed := []string{"Pod", "PersistentVolumeClaim", "PersistentVolume", "note"}
	s.wantLeftovers(t, s.backupUID(t, "fs-polled-first"), needed...)

	s.cloud.HBR().SetDurations(quickly())
	b.completedAfterKill(t, "fs-polled-meanwhile", 1)
	s.wantLeftovers(t, s.backupUID(t, "fs-polled-first"), needed...)
	s.cloud.HBR().Advance(slowly)
	b.completedFileBackup(t, "fs-polled-next", 1)
	s.waitNothingLeft(t)
	b.restoreFiles(t, velerov1.RestorePhaseCompleted, "fs-polled-to", "fs-polled-first", "--namespace-mappings", b.name+":fs-polled-to")
	v.wantFilesIn(t, "fs-polled-to")
	b.settle(t)
	s.keepOrphans(t)
}

// testKilledFileRestores kills restores of a volume that no Pod mounts, and of one that is provisioned.
func (s *fileSuite) testKilledFileRestores(t *testing.T) {
	b := s.newFileBench(t, "fs-restores", map[string]string{"method": "node"}, policyNode)
	s.newNamespace(t, b.name)
	s.createClassOf(t, "fs-restores-csi", classOptions{provisioner: "file.csi.example.com"})
	volumes := []*fileVolume{
		b.newFileVolume(t, "csi", csiSource("file.csi.example.com", "fs-restores", nil), fileOptions{class: "fs-restores-csi"}),
		b.newFileVolume(t, "nfs", onNFS("fs-restores"), fileOptions{}),
	}
	b.completedFileBackup(t, b.name, len(volumes))

	for _, c := range []struct {
		name string
		// kill returns when the restore has come to the point and was killed.
		kill func(t *testing.T, restore string)
		// ends are the phases in one of which it ends then.
		ends []velerov1.RestorePhase
	}{
		{
			name: "server-while-asking",
			kill: func(t *testing.T, _ string) {
				t.Helper()
				waitHit(t, s.addFault(t, fault.Rule{Service: "hbr", Operation: "CreateRestoreJob", Latency: hang, Count: 1}))
				s.killVelero(t)
			},
			ends: []velerov1.RestorePhase{velerov1.RestorePhaseFailed, velerov1.RestorePhaseWaitingForPluginOperations},
		},
		{
			name: "plugin-while-held",
			kill: func(t *testing.T, restore string) {
				t.Helper()
				s.waitJobs(t, len(volumes))
				s.waitPhase(t, restore, velerov1.RestorePhaseWaitingForPluginOperations)
				waitHit(t, s.addFault(t, fault.Rule{Service: "hbr", Operation: "DescribeRestoreJobs2", Latency: hang, Count: 1}))
				s.killPlugin(t)
			},
			ends: []velerov1.RestorePhase{velerov1.RestorePhasePartiallyFailed, velerov1.RestorePhaseWaitingForPluginOperationsPartiallyFailed},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.slowJobs(t, slowRestores)
			killed, again := b.name+"-"+c.name, b.name+"-"+c.name+"-again"
			s.begin(t, killed, b.name, "--namespace-mappings", b.name+":"+killed)
			c.kill(t, killed)
			s.waitPhase(t, killed, c.ends...)
			restore := &velerov1.Restore{}
			must(t, s.get(t.Context(), killed, restore))
			t.Logf("The killed restore is %s", restore.Status.Phase)
			s.wantLeftovers(t, restore.UID, "Pod", "PersistentVolumeClaim", "PersistentVolume")

			s.cloud.HBR().SetDurations(quickly())
			s.cloud.HBR().Advance(slowly)
			s.beginAfterKill(t, again, b.name, "--namespace-mappings", b.name+":"+again)
			s.waitPhase(t, again, velerov1.RestorePhaseCompleted)
			for _, v := range volumes {
				v.wantFilesIn(t, again)
			}
			s.waitNothingLeft(t)
		})
	}
	b.settle(t)
}
