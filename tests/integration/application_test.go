// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/client-go/rest"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample/digest"
)

// multipart is a part size below the size of the sample application's backup.
const multipart = "100Ki"

// newApplication creates the sample application and returns the digests of its objects.
func (s *suite) newApplication(t *testing.T, namespace string) map[string]string {
	t.Helper()
	must(t, sample.Create(t.Context(), s.cp.Client, namespace))
	s.excludeClusterCA(t, namespace)
	return digests(t, s.cp.Config, namespace)
}

func digests(t *testing.T, config *rest.Config, namespace string) map[string]string {
	t.Helper()
	found, err := digest.Namespace(t.Context(), config, namespace)
	must(t, err)
	delete(found, "configmaps/"+clusterCA) // It is not in the backup, and another cluster has another.
	return found
}

// wantApplication fails unless every object of the application is in the namespace as it was.
func (s *suite) wantApplication(t *testing.T, namespace string, before map[string]string) {
	t.Helper()
	if differences := digest.Compare(before, digests(t, s.cp.Config, namespace)); len(differences) > 0 {
		t.Errorf("of %d objects in %s these differ: %v", len(before), namespace, differences)
	}
}

func (s *suite) testApplicationIsRestored(t *testing.T) {
	t.Parallel()
	v := s.newAvailableVault(t, "shop", vaultOptions{config: map[string]string{"partSize": multipart}})
	before := s.newApplication(t, "shop")
	v.completedBackup(t, "shop", "shop")
	wantEqual(t, "the bucket's files", v.keys(""), backupFiles("shop"))
	wantEqual(t, "uploads that are left", s.cloud.OSS().Uploads(v.bucket), []oss.UploadInfo{})

	s.deleteNamespace(t, "shop")
	// Velero warns of a CustomResourceDefinition that exists, so it is left out.
	const namespaced = "--include-cluster-resources=false"
	s.completedRestore(t, "shop", "shop", namespaced)
	s.wantApplication(t, "shop", before)

	s.completedRestore(t, "shop-mapped", "shop", namespaced, "--namespace-mappings", "shop:shop-mapped")
	s.wantApplication(t, "shop-mapped", before)
}

func (s *suite) testBackupIsSynced(t *testing.T) {
	t.Parallel()
	v := s.newAvailableVault(t, "synced", vaultOptions{config: map[string]string{"partSize": multipart}})
	before := s.newApplication(t, "synced")
	v.completedBackup(t, "synced", "synced")

	other := s.startOther(t)
	there := &vault{suite: other, name: v.name, bucket: v.bucket, key: v.key}
	there.writeSecret(t, dotenv(v.key))
	there.createLocation(t, vaultOptions{})
	there.waitAvailable(t)
	// A server looks for backups when it starts, and then once a minute.
	must(t, other.velero.Restart(t.Context()))
	eventually(t, "the backup to be synced", func(ctx context.Context) error {
		return other.get(ctx, "synced", &velerov1.Backup{})
	})
	other.completedRestore(t, "synced", "synced")
	other.wantApplication(t, "synced", before)
}
