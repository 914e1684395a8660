// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"
)

// TestBackupActions runs all cases of backup item actions that need a Velero server, on one that they share. Some of them
// back up all namespaces, and change how long snapshots take, for all.
func TestBackupActions(t *testing.T) { //nolint:tparallel // The cases disturb each other.
	t.Parallel()
	skipShort(t)
	s := &fileSuite{suite: newSuite(t, cloudWithFiles()), orphans: &names{}}
	// A server that runs already learns of new kinds with some delay.
	s.createDefinition(t, "albconfigs.yaml", "alibabacloud.com/v1", "AlbConfig")
	s.startVelero(t)
	s.startNodes(t)
	t.Run("backups have what applications need of others, and leave out what they do not", s.testBackupContents)
	t.Run("a backup waits for its snapshots, whatever happens meanwhile, and tells how far they are", s.testBackupWaits)
	t.Run("a backup tells which snapshots have failed, and keeps all objects", s.testSnapshotsThatFail)
	t.Run("snapshots that take too long are canceled in the cloud", s.testSnapshotsThatTakeTooLong)
	t.Run("no secret is in what the CLI says", func(t *testing.T) { must(t, s.secrets.in("the CLI's output", s.said.String())) })
}
