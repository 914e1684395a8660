// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"
)

// TestVelero runs all cases that need a Velero server, on one that they share.
func TestVelero(t *testing.T) {
	skipShort(t)
	s := startSuite(t)
	t.Run("case", func(t *testing.T) {
		for _, c := range []struct {
			name string
			test func(*testing.T, *suite)
		}{
			{"the server lists the plugin", testPluginIsListed},
			{"a backup can be described, its logs read and its contents downloaded", testBackupIsReadableByTheCLI},
			{"deleting a backup leaves the bucket empty", testDeletionLeavesNothing},
			{"a backup in a read-only location is not deleted", testReadOnlyLocationRefusesDeletion},
			{"an expired backup is deleted", testExpiredBackupIsDeleted},
			{"a backup whose name is in the bucket already is refused", testTakenNameIsRefused},
			{"a location of which something is wrong says what", testWrongLocations},
			{"a location with an unreachable internal endpoint is mended by the patch of the FAQ", testUnreachableEndpointIsMended},
			{"locations with credentials of their own keep to them", testLocationsKeepToTheirCredentials},
			{"rotated credentials are used without a restart", testRotatedCredentials},
			{"an expired token makes the location unavailable until there is a new one", testExpiredToken},
			{"the policies that are documented suffice", testDocumentedPoliciesSuffice},
			{"the restore of archived objects says what to do", testArchivedObjects},
			{"a bucket that archives by default works", testArchiveBucketWorks},
			{"a bucket that takes no standard objects is unavailable", testBucketWithoutStandardIsUnavailable},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.test(t, s)
			})
		}
	})
	t.Run("no secret is in any log", func(t *testing.T) { testNoSecretInAnyLog(t, s) })
}
