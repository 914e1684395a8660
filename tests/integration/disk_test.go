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
}

// TestDisks runs all cases of disks that need a Velero server, on one that they share.
func TestDisks(t *testing.T) {
	skipShort(t)
	s := &diskSuite{suite: startSuite(t, cloudWithDisks()), accounts: &benchAccounts{}}
	s.createNode(t, zoneH)
	s.createNode(t, zoneI)
	t.Run("case", func(t *testing.T) {
		t.Run("a disk is restored as it was when it was backed up", s.testSameRegion)
	})
	t.Run("no secret is in any log", s.testNoSecretInAnyLog)
}

// createNode creates a Node in a zone. Nothing runs on it.
func (s *suite) createNode(t *testing.T, zone string) {
	t.Helper()
	s.create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name:   "node-" + zone,
		Labels: map[string]string{corev1.LabelTopologyZone: zone, corev1.LabelTopologyRegion: regionOf(zone)},
	}})
}
