// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// diskSuite is a suite whose cloud has disks, and whose cluster has nodes in zoneH and zoneI.
type diskSuite struct {
	*suite

	accounts *benchAccounts
	settled  *settledAccounts
}

// TestDisks runs all cases of disks that need a Velero server, on one that they share.
func TestDisks(t *testing.T) { //nolint:tparallel // What follows the cases disturbs others.
	t.Parallel()
	skipShort(t)
	s := &diskSuite{suite: startSuite(t, cloudWithDisks()), accounts: &benchAccounts{}, settled: &settledAccounts{}}
	s.createNode(t, zoneH)
	s.createNode(t, zoneI)
	t.Run("case", func(t *testing.T) {
		t.Run("a disk is restored as it was when it was backed up", s.testSameRegion)
		t.Run("a disk is restored in the zone that its own is mapped to", s.testOtherZone)
		t.Run("a disk is restored in another region from a copy", s.testOtherRegion)
		t.Run("disks of all kinds come back as what they were", s.testKinds)
		t.Run("a FlexVolume stays one in a cluster that has its driver", s.testFlexVolumeStays)
		t.Run("a disk becomes one of the class that its own is mapped to", s.testOtherClass)
		t.Run("the StatefulSet of the documentation is restored with four changes at once", s.testDocumentedStatefulSet)
		t.Run("volumes come back as their reclaim policies have it", s.testReclaimPolicies)
		t.Run("volumes are converted as the rules have it, or refused", s.testConversions)
		t.Run("an application of the time of FlexVolume is restored into a cluster of today", s.testFlexVolumeApplication)
		t.Run("a claim is restored alone beside a volume of another vendor", s.testClaimAlone)
		t.Run("a backup that hits the quota of snapshots keeps all objects and what it could take", s.testQuota)
		t.Run("a snapshot that is refused costs no object", s.testRefusedSnapshot)
		t.Run("the disks of a consistency group are cut together", s.testConsistencyGroup)
	})
	t.Run("ten slow disks are made side by side and held back until they are whole", s.testTenSlowDisks)
	t.Run("disks that never become whole are removed, and the next restore has its own", s.testUnfinishedDisks)
	t.Run("a disk that its zone does not sell is made in the next zone of the cluster", s.testSoldOutZone)
	t.Run("a backup that is killed while it is uploaded leaves no snapshot after the next one", s.testKilledUpload)
	t.Run("a restore whose plugin is killed is repeated with one disk", s.testKilledRestores)
	t.Run("a restore whose server is killed is repeated with the disks that it has left", s.testKilledServer)
	t.Run("a restore whose plugin is killed while it releases a volume is repeated with one disk", s.testKilledRelease)
	t.Run("no secret is in what the CLI says", func(t *testing.T) { must(t, s.secrets.in("the CLI's output", s.said.String())) })
	t.Run("nothing is orphaned", s.testNothingIsOrphaned)
}

// createNode creates a Node in a zone. Nothing runs on it.
func (s *suite) createNode(t *testing.T, zone string) {
	t.Helper()
	s.create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name:   "node-" + zone,
		Labels: map[string]string{corev1.LabelTopologyZone: zone, corev1.LabelTopologyRegion: regionOf(zone)},
	}})
}
