// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"
)

// TestVelero runs all cases that need a Velero server, on one that they share.
func TestVelero(t *testing.T) { //nolint:tparallel // What follows the cases disturbs others.
	t.Parallel()
	skipShort(t)
	s := startSuite(t, bareCloud())
	t.Run("case", func(t *testing.T) {
		t.Run("the server lists the plugin", s.testPluginIsListed)
		t.Run("a backup can be described, its logs read and its contents downloaded", s.testBackupIsReadableByTheCLI)
		t.Run("an application is restored into its own and into another namespace, object by object", s.testApplicationIsRestored)
		t.Run("a backup is synced into an empty cluster and restored there", s.testBackupIsSynced)
		t.Run("deleting a backup leaves the bucket empty", s.testDeletionLeavesNothing)
		t.Run("a backup in a read-only location is not deleted", s.testReadOnlyLocationRefusesDeletion)
		t.Run("an expired backup is deleted", s.testExpiredBackupIsDeleted)
		t.Run("a backup whose name is in the bucket already is refused", s.testTakenNameIsRefused)
		t.Run("a location of which something is wrong says what", s.testWrongLocations)
		t.Run("a location with an unreachable internal endpoint is mended by the patch of the FAQ", s.testUnreachableEndpointIsMended)
		t.Run("locations with credentials of their own keep to them", s.testLocationsKeepToTheirCredentials)
		t.Run("rotated credentials are used without a restart", s.testRotatedCredentials)
		t.Run("an expired token makes the location unavailable until there is a new one", s.testExpiredToken)
		t.Run("the policies that are documented suffice", s.testDocumentedPoliciesSuffice)
		t.Run("objects of API versions that have ceased are restored in those of today", s.testOldVersions)
		t.Run("the restore of archived objects says what to do", s.testArchivedObjects)
		t.Run("a bucket that archives by default works", s.testArchiveBucketWorks)
		t.Run("a bucket that takes no standard objects is unavailable", s.testBucketWithoutStandardIsUnavailable)
		t.Run("file-system backup of Velero's own works with the location's credentials file", s.testFileSystemBackup)
		t.Run("file-system backup of Velero's own addresses the bucket as OSS demands", s.testRepositoryAddressesOSS)
	})
	t.Run("a backup whose plugin is killed leaves nothing behind", s.testKilledPlugin)
	// All of the above has ended.
	t.Run("no secret is in any log", s.testNoSecretInAnyLog)
}
