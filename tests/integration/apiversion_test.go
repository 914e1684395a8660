// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/controlplanetest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

// everyVersion turns on the feature of Velero by which a backup holds the objects in every version that is served, and
// a restore chooses one.
const everyVersion = "--features=EnableAPIGroupVersions"

// testOldVersions restores objects of API versions that have ceased into a cluster of today, with and without
// everyVersion in the backup and in the restore. The objects are the same in all cases; those that the plugin has to
// convert are not.
func (s *suite) testOldVersions(t *testing.T) {
	t.Parallel()
	old := s.startOldVersions(t, apiServer124(t))
	here := old.newAvailableVault(t, "old", vaultOptions{})
	old.newNamespace(t, "old")
	for _, object := range readObjects(t, "old-versions.yaml") {
		old.create(t, object)
	}
	here.completedBackup(t, "preferred", "old")
	old.restartVelero(t, everyVersion)
	here.completedBackup(t, "every", "old")

	today := s.startOther(t)
	there := &vault{suite: today, name: here.name, bucket: here.bucket, key: here.key}
	there.writeSecret(t, dotenv(here.key))
	there.createLocation(t, vaultOptions{})
	there.waitAvailable(t)

	// Of the two PodDisruptionBudgets a backup with everyVersion holds also policy/v1, which the cluster of today serves.
	ceased := []string{"autoscaling/v2beta1", "batch/v1beta1", "discovery.k8s.io/v1beta1", "networking.k8s.io/v1beta1"}
	all := append(slices.Clone(ceased), "policy/v1beta1", "policy/v1beta1")
	for _, server := range []struct {
		name string
		args []string
		// The versions of the objects that the plugin has to convert, by backup.
		preferred, every []string
	}{
		{name: "without", preferred: all, every: all},
		{name: "with", args: []string{everyVersion}, preferred: all, every: ceased},
	} {
		// A server looks for backups when it starts.
		today.restartVelero(t, server.args...)
		today.wantRestored(t, "preferred", server.name, server.preferred)
		today.wantRestored(t, "every", server.name, server.every)
	}
}

// wantRestored restores a backup, and fails unless all objects are there, some of which were converted by the plugin.
func (s *suite) wantRestored(t *testing.T, backup, server string, converted []string) {
	t.Helper()
	eventually(t, "the backup to be synced", func(ctx context.Context) error {
		return s.get(ctx, backup, &velerov1.Backup{})
	})
	restore := backup + "-" + server
	s.completedRestore(t, restore, backup, "--namespace-mappings", "old:"+restore)
	for _, want := range readObjects(t, "old-versions-restored.yaml", "RESTORE", restore, "BACKUP", backup) {
		s.wantObject(t, want)
	}
	wantEqual(t, "what is converted in the restore "+restore, s.convertedVersions(t, restore), converted)
}

// apiServer124 is the kube-apiserver of Kubernetes 1.24. The test is skipped where it was not built: CI starts from an
// empty cache, and has no time for it. What an API server of today can serve of old, testFlexVolumeApplication restores.
func apiServer124(t *testing.T) string {
	t.Helper()
	builder, err := tools.NewBuilder(t.Context(), os.LookupEnv, os.Stderr)
	must(t, err)
	built, err := builder.Built(t.Context(), tools.KubeAPIServer124)
	must(t, err)
	if !built {
		t.Skip("skipped: the kube-apiserver of Kubernetes 1.24 is not built, which takes five minutes once: make test-old-versions")
	}
	path, err := builder.Path(t.Context(), tools.KubeAPIServer124)
	must(t, err)
	return path
}

// startOldVersions starts a cluster of Kubernetes 1.24. Its API server, the program server, serves the objects of
// old-versions.yaml in their versions: PodDisruptionBudgets also in that of today, which it does not prefer, and the
// others in no version of today. What had ceased by then, Ingress, a CustomResourceDefinition serves; no earlier API
// server can be built from its module.
func (s *suite) startOldVersions(t *testing.T, server string) *suite {
	t.Helper()
	old := s.sibling()
	programs := controlplanetest.FindTools(t)
	programs.APIServer = server
	old.cp = controlplanetest.Start(t, controlplane.Options{
		Tools: programs,
		APIServerArgs: []string{
			"--runtime-config=networking.k8s.io/v1=false,batch/v1=false,autoscaling/v1=false,autoscaling/v2=false,discovery.k8s.io/v1=false",
			"--disable-admission-plugins=DefaultIngressClass", // It needs networking.k8s.io/v1.
		},
	})
	old.createOldIngresses(t)
	old.prefer(t, "v1beta1.policy")
	old.startVelero(t)
	return old
}

// prefer makes a version the one that the API server prefers of its group, in place of the newest. It is named as its
// APIService is.
func (s *suite) prefer(t *testing.T, version string) {
	t.Helper()
	service := &unstructured.Unstructured{}
	service.SetAPIVersion("apiregistration.k8s.io/v1")
	service.SetKind("APIService")
	service.SetName(version)
	must(t, s.cp.Client.Patch(t.Context(), service, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"versionPriority":1000}}`))))
	asker, err := discovery.NewDiscoveryClientForConfig(s.cp.Config)
	must(t, err)
	eventually(t, version+" to be preferred", func(context.Context) error {
		groups, err := asker.ServerGroups()
		if err != nil {
			return err
		}
		var preferred []string
		for _, group := range groups.Groups {
			preferred = append(preferred, group.PreferredVersion.Version+"."+group.Name)
		}
		return wantText(strings.Join(preferred, " "), version)
	})
}

// convertedVersions are the versions of the objects that the plugin has converted in a restore, sorted.
func (s *suite) convertedVersions(t *testing.T, restore string) []string {
	t.Helper()
	var versions []string
	converted := regexp.MustCompile(`msg="Converted an object to an API version .* old=(\S+)`)
	for _, line := range converted.FindAllStringSubmatch(s.cli(t, "restore", "logs", restore), -1) {
		versions = append(versions, line[1])
	}
	slices.Sort(versions)
	return versions
}

// restartVelero ends the server and starts one with flags.
func (s *suite) restartVelero(t *testing.T, args ...string) {
	t.Helper()
	must(t, s.velero.Stop())
	s.startVelero(t, args...)
}
