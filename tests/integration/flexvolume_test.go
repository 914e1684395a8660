// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
)

// oldAPIServer makes the API server one that serves Ingress by a CustomResourceDefinition alone, in the version of the
// time of FlexVolume. The feature and the admission plugin need the version that is not served then.
func oldAPIServer() []string {
	return []string{
		"--runtime-config=networking.k8s.io/v1=false",
		"--feature-gates=MultiCIDRServiceAllocator=false",
		"--disable-admission-plugins=DefaultIngressClass",
	}
}

// testFlexVolumeApplication restores an application of the time of FlexVolume into an empty cluster of today, in another
// namespace. Every action changes something.
func (s *diskSuite) testFlexVolumeApplication(t *testing.T) {
	t.Parallel()
	old := &diskSuite{suite: s.startOther(t, oldAPIServer()...), accounts: s.accounts, settled: s.settled}
	old.serveOldIngresses(t)
	b := old.newBench(t, "flexvolume", nil)
	old.newNamespace(t, b.name)
	v, secret := b.createFlexVolumeApplication(t)
	backup := b.backup(t, b.name, b.name, "--volume-snapshot-locations", b.name,
		"--include-cluster-scoped-resources", "persistentvolumes,storageclasses.storage.k8s.io")
	wantEqual(t, "the phase of the backup", backup.Status.Phase, velerov1.BackupPhaseCompleted)
	// Upstream warns of each volume that no snapshotter takes: that of NAS and that of OSS.
	wantEqual(t, "the warnings of the backup", backup.Status.Warnings, 2)

	v.overwrite(t)
	there := b.inOtherCluster(t, region, zoneH, nil)
	there.createClass(t, alltype, map[string]string{"type": "cloud_essd", "performanceLevel": "PL0"})
	for action, data := range flexVolumeSettings() {
		there.createSettings(t, action, b.name, data)
	}
	there.completedRestore(t, b.name, b.name, "--namespace-mappings", b.name+":modern")

	want := v.essd()
	want.PerformanceLevel = "PL0"
	pv := v.wantRestoredIn(t, there.suite, "modern", want)
	for _, expected := range readObjects(t, "flexvolume-restored.yaml", "DISK", diskOf(pv), "SECRET", base64.StdEncoding.EncodeToString([]byte(secret))) {
		there.wantObject(t, expected)
	}
	there.wantVolumeBoundAgain(t, b.name, "modern")
	b.settle(t, v.disk, diskOf(pv))
}

// wantVolumeBoundAgain restores the Deployment of the backup once more, into a namespace that was deleted: the
// PersistentVolume of its FlexVolume is there still, of the claim that was deleted.
func (s *suite) wantVolumeBoundAgain(t *testing.T, backup, namespace string) {
	t.Helper()
	s.waitAllBound(t, namespace, 4)
	s.deleteNamespace(t, namespace)
	s.completedRestore(t, backup+"-again", backup, "--namespace-mappings", backup+":"+namespace, "--include-resources", "deployments.apps")
	s.waitAllBound(t, namespace, 1)
}

// flexVolumeSettings are those of the actions that have any, by action.
func flexVolumeSettings() map[string]map[string]string {
	return map[string]map[string]string{
		"image-mapping":         {"imageRegistryMapping": "docker.io/library: registry.cn-beijing.aliyuncs.com/my-registry\n"},
		"storage-class-mapping": {"alicloud-disk-ssd": "alicloud-disk"},
		"load-balancer":         {"reuse": "keep"},
		"annotations": {"rules": `
- kinds: [Service]
  overwrite: {service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type: intranet}
- kinds: [Ingress]
  remove: [nginx.ingress.kubernetes.io/ssl-redirect]
`},
	}
}

// createFlexVolumeApplication creates the application. It returns its disk, and the secret of the AccessKey that is in
// the clear in a PersistentVolume.
func (b *bench) createFlexVolumeApplication(t *testing.T) (disk *diskVolume, secret string) {
	t.Helper()
	disk = b.newVolume(t, "data", volumeOptions{
		disk: ecs.DiskConfig{Size: 10, PerformanceLevel: "PL0"}, pv: "pv-data", flex: true, mode: corev1.ReadWriteMany, class: "alicloud-disk-ssd",
	})
	secret = b.secrets.keep("the-secret-key-of-docs")
	for _, object := range readObjects(t, "flexvolume.yaml", "SECRET", secret) {
		b.create(t, object)
	}
	return disk, secret
}

// serveOldIngresses makes the API server serve Ingress in its old version, and Velero know it.
func (s *suite) serveOldIngresses(t *testing.T) {
	t.Helper()
	s.createOldIngresses(t)
	// A server that runs already learns of new kinds with some delay.
	must(t, s.velero.Restart(t.Context()))
}

// createOldIngresses makes the API server serve Ingress in its old version.
func (s *suite) createOldIngresses(t *testing.T) {
	t.Helper()
	s.createDefinition(t, "ingress-v1beta1.yaml", "networking.k8s.io/v1beta1", "Ingress")
}

// createDefinition creates the CustomResourceDefinition in a file of testdata, and waits until its kind is served.
func (s *suite) createDefinition(t *testing.T, file, apiVersion, kind string) {
	t.Helper()
	s.create(t, readObject(t, file))
	eventually(t, kind+" to be served", func(ctx context.Context) error {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(apiVersion)
		list.SetKind(kind + "List")
		return s.cp.Client.List(ctx, list)
	})
}

// readObjects reads the objects of a file of testdata, in which words are replaced: each by the one behind it.
func readObjects(t *testing.T, file string, words ...string) []*unstructured.Unstructured {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", file))
	must(t, err)
	text := strings.NewReplacer(words...).Replace(string(content))
	var objects []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), len(text)); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
}

// wantObject fails unless the cluster has the object, but for what it alone decides.
func (s *suite) wantObject(t *testing.T, want *unstructured.Unstructured) {
	t.Helper()
	got := s.object(t, want.GetAPIVersion(), want.GetKind(), want.GetNamespace(), want.GetName())
	for _, path := range [][]string{
		{"metadata", "uid"},
		{"metadata", "resourceVersion"},
		{"metadata", "creationTimestamp"},
		{"metadata", "managedFields"},
		{"metadata", "generation"},
		{"spec", "claimRef", "uid"},
		{"spec", "claimRef", "resourceVersion"},
		{"spec", "clusterIP"},
		{"spec", "clusterIPs"},
		{"status"},
	} {
		unstructured.RemoveNestedField(got.Object, path...)
	}
	if ports, found, _ := unstructured.NestedSlice(got.Object, "spec", "ports"); found {
		for _, port := range ports {
			if port, ok := port.(map[string]any); ok {
				delete(port, "nodePort")
			}
		}
		must(t, unstructured.SetNestedSlice(got.Object, ports, "spec", "ports"))
	}
	wantEqual(t, "the restored "+want.GetKind()+" "+want.GetName(), got.Object, want.Object)
}
