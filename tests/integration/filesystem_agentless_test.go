// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"
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
