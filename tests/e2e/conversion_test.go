//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

const (
	clientImage = "hbrclient:e2e"
	// backupCenter is the namespace of the backup center's Cloud Backup client. It may read the node's files, which Pods in
	// the namespace of a restricted Velero may not.
	backupCenter = "csdr"
)

// testConversion restores the files of a NAS volume to a disk and those of a disk to NAS. Cloud Backup reads and writes
// them on the node, through its client there.
func (e *environment) testConversion(t *testing.T) {
	t.Parallel()
	const namespace, converted = "files", "converted"
	s := e.home.beside("velero-conversion")
	s.install(t, installation{
		bucket: e.cloud.bucket(t, namespace), snapshotConfig: []string{"enableECSSnapshot=false"},
		filesConfig: []string{"enableECSSnapshot=false", "method=node"},
	})
	s.installBackupClient(t)

	volumes := map[string]string{"nas": cnfsClass, "disk": diskClass}
	s.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	for name, class := range volumes {
		s.create(t, newClaim(namespace, name, class))
	}
	s.writeRecords(t, namespace, records, "nas", "disk")
	s.create(t, newReader(namespace, "nas", "disk"))
	s.awaitPod(t, namespace, reader)
	s.backup(t, namespace, "--include-namespaces", namespace)

	s.configure(t, "storage-class-mapping", map[string]string{"rules": strings.Join([]string{
		"- {from: " + cnfsClass + ", to: {class: " + diskClass + ", accessModes: [ReadWriteOnce]}}",
		"- {from: " + diskClass + ", to: {class: " + cnfsClass + ", accessModes: [ReadWriteMany]}}",
	}, "\n")})
	s.restore(t, converted, namespace, "--namespace-mappings", namespace+":"+converted)
	s.awaitPod(t, converted, reader)
	for name, want := range map[string]volumeState{
		"nas":  {Driver: provisioner.DiskDriver, Class: diskClass, Modes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}},
		"disk": {Driver: provisioner.NASDriver, Class: cnfsClass, Modes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}},
	} {
		to := s.volumeOf(t, converted, name)
		got := volumeState{Driver: to.Spec.CSI.Driver, Class: to.Spec.StorageClassName, Modes: to.Spec.AccessModes}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the volume of the claim %s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(s.filesOf(t, namespace, "nas", "disk"), s.filesOf(t, converted, "nas", "disk")); diff != "" {
		t.Errorf("files in the converted volumes (-want +got):\n%s", diff)
	}
	s.verifyRecords(t, converted, records, "nas", "disk")
	s.writeRecords(t, converted, 1, "nas", "disk")
	s.verifyRecords(t, converted, records+1, "nas", "disk")
	for _, name := range []string{namespace, converted} {
		s.deleteNamespace(t, name)
	}
	s.deleteBackup(t, namespace)
}

// volumeState is what a conversion changes of a volume.
type volumeState struct {
	Driver, Class string
	Modes         []corev1.PersistentVolumeAccessMode
}

// installBackupClient installs the Cloud Backup client as docs/volumesnapshotter-hbr.md says, with an image of tests.
func (s *site) installBackupClient(t *testing.T) {
	t.Helper()
	archive, err := cluster.BuildImage(t.Context(), cluster.Image{
		Name: clientImage, Programs: map[string]string{"/hbrclient": "./tests/e2e/hbrclient"}, Entrypoint: []string{"/hbrclient"},
	})
	must(t, err)
	must(t, s.LoadImage(t.Context(), archive))
	s.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: backupCenter, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "privileged"},
	}})
	dir := t.TempDir()
	checkout, err := filepath.Abs("../..")
	must(t, err)
	base, err := filepath.Rel(dir, filepath.Join(checkout, "deploy/hbr-client"))
	must(t, err)
	name, tag, _ := strings.Cut(clientImage, ":")
	// The client of tests has to know its process's number on the machine, and where the simulated cloud is.
	overlay := `
resources: [` + base + `]
namespace: ` + backupCenter + `
images: [{name: registry.cn-hangzhou.aliyuncs.com/my-namespace/hbr-client, newName: ` + name + `, newTag: ` + tag + `}]
patches:
- target: {kind: DaemonSet, name: hbr-client}
  patch: |-
    - {op: add, path: /spec/template/spec/hostPID, value: true}
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: ADMIN_URL, value: "` + s.cloud.Addresses().Admin + `"}}
`
	must(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(overlay), 0o600))
	command(t, s.kubectl, "--kubeconfig="+s.Kubeconfig, "apply", "-k", dir)
}
