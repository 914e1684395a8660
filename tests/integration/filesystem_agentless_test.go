// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"maps"
	"slices"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
)

func (s *fileSuite) testAgentless(t *testing.T) {
	t.Parallel()
	b := s.newFileBench(t, "fs-agentless", nil, policyAgentless)
	s.newNamespace(t, b.name)
	volumes := []*fileVolume{
		b.newFileVolume(t, "nas", onNAS("fs-agentless/nas"), fileOptions{mounted: true}),
		b.newFileVolume(t, "oss", onOSS("fs-agentless/oss"), fileOptions{}),
	}
	b.completedFileBackup(t, b.name, len(volumes))
	described := s.cli(t, "backup", "describe", b.name, "--details")
	must(t, wantText(described, "alibabacloud.com/snapshot-progress", "100 of 100 complete (%)"))

	// While the application is there, its copy shares nothing with it.
	const other = "fs-agentless-copy"
	s.completedRestore(t, other, b.name, "--namespace-mappings", b.name+":"+other)
	for _, v := range volumes {
		v.wantFilesIn(t, other)
	}
	s.waitRunning(t, other, "nas")
	must(t, wantText(s.cli(t, "restore", "describe", other, "--details"), "alibabacloud.com/volume-ready", "100 of 100 complete (%)"))

	b.loseApplication(t, volumes...)
	s.completedRestore(t, b.name, b.name)
	for _, v := range volumes {
		v.wantFilesIn(t, b.name)
	}
	s.waitRunning(t, b.name, "nas")
	b.settle(t)
}

// testFileDeletion deletes a backup whose user may delete snapshots, and one whose user may not.
func (s *fileSuite) testFileDeletion(t *testing.T) {
	t.Parallel()
	policy := ramPolicy(t, policyAgentless)
	denied := strings.Replace(policy, `"hbr:DeleteSnapshot",`, "", 1)
	for name, may := range map[string]bool{"fs-deleted": true, "fs-undeleted": false} {
		given := policy
		if !may {
			given = denied
		}
		b := s.newFileBenchWith(t, name, nil, given)
		s.newNamespace(t, name)
		b.newFileVolume(t, "nas", onNAS(name), fileOptions{})
		b.newFileVolume(t, "oss", onOSS(name), fileOptions{})
		b.completedFileBackup(t, name, 2)
		before := b.stored(t, name)
		wantEqual(t, "how many snapshots the backup has", len(before), 2)

		b.delete(t, name)
		all, err := s.cloud.HBR().Inventory(accountID)
		must(t, err)
		left := []string{}
		for _, id := range before {
			if slices.Contains(all.Snapshots, id) {
				left = append(left, id)
			}
		}
		wantEqual(t, "the vaults that are left", len(all.Vaults), 1)
		wantEqual(t, "the backups in the bucket", b.keys("backups/"), []string{})
		if may {
			wantEqual(t, "the snapshots that are left", left, []string{})
			continue
		}
		wantEqual(t, "the snapshots that are left without the permission", left, before)
		for _, id := range left {
			b.orphans.add(id)
		}
		logs, err := s.velero.Logs()
		must(t, err)
		must(t, wantText(lineWith(logs, "level=warning", "The snapshot is not deleted: Cloud Backup deletes it when its retention is over", name),
			"delete Cloud Backup snapshot failed", "grant it hbr:DeleteSnapshot"))
	}
}

// testUnsuccessfulJobs has one job leave out an item, and another fail.
func (s *fileSuite) testUnsuccessfulJobs(t *testing.T) {
	t.Parallel()
	b := s.newFileBench(t, "fs-unsuccessful", nil, policyAgentless)
	s.newNamespace(t, b.name)
	partial := b.newFileVolume(t, "partial", onNAS("fs-unsuccessful/partial"), fileOptions{})
	failed := b.newFileVolume(t, "failed", onNAS("fs-unsuccessful/failed"), fileOptions{})
	whole := b.newFileVolume(t, "whole", onOSS("fs-unsuccessful/whole"), fileOptions{})
	s.addFault(t, fault.Rule{
		Service: hbr.FaultJobs, Operation: hbr.FaultBackup, Resource: nasID + ":/fs-unsuccessful/partial*",
		Status: 500, Code: "PARTIAL_COMPLETE", Message: "some files could not be read",
	})
	s.addFault(t, fault.Rule{
		Service: hbr.FaultJobs, Operation: hbr.FaultBackup, Resource: nasID + ":/fs-unsuccessful/failed*",
		Status: 500, Message: "the mount target does not answer",
	})
	backup := b.backUp(t, b.name)
	wantEqual(t, "the phase of the backup", backup.Status.Phase, velerov1.BackupPhasePartiallyFailed)
	must(t, wantText(s.cli(t, "backup", "describe", b.name, "--details"),
		"PROCESS hbr partially completed: 15 of 16 items",
		"hbr task finished with unexpected status: FAILED, errMsg the mount target does not answer"))

	const target = "fs-unsuccessful-to"
	b.restoreFiles(t, velerov1.RestorePhasePartiallyFailed, target, b.name, "--namespace-mappings", b.name+":"+target)
	must(t, wantText(s.cli(t, "restore", "describe", target, "--details"), failed.pv.Name, "there is neither the job"))
	whole.wantFilesIn(t, target)
	// The job has left out what is last.
	wanted := maps.Clone(partial.files)
	delete(wanted, "orders.csv")
	wantEqual(t, "the files of the volume that was backed up in part", b.filesOf(t, partial.waitBound(t, target)), wanted)
	b.settle(t)
}
