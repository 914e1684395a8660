// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"
)

func (s *diskSuite) testSameRegion(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "disk-same", nil)
	s.newNamespace(t, b.name)
	v := b.newVolume(t, "data", volumeOptions{mountOptions: []string{"noatime"}})
	b.completedDiskBackup(t, b.name)
	b.wantInventory(t, "after the backup", 1, 1, 0)

	v.overwrite(t)
	b.lose(t, v)
	s.completedRestore(t, b.name, b.name)
	pv := v.wantRestored(t, v.essd())
	wantEqual(t, "the mount options", pv.Spec.MountOptions, []string{"noatime"})
	wantEqual(t, "the name of the volume, which is that of the disk", pv.Name, diskOf(pv))
	b.wantInventory(t, "after the restore", 1, 1, 0)
}
