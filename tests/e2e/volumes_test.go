//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/images"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

const (
	// diskClass is of ACK, and makes disks when a Pod needs them.
	diskClass = "alicloud-disk-topology-alltype"
	// nasClass is one that administrators make: each volume is a directory, and names the file system. Cloud Backup takes them
	// without a client on nodes.
	nasClass = "alicloud-nas-subpath"
	// cnfsClass is of ACK. Its volumes name a CNFS object that stands for the file system, and Cloud Backup cannot read them
	// without its client.
	cnfsClass = "alibabacloud-cnfs-nas"

	// records is how many a volume has.
	records = 200
	// reader is the name of a Pod.
	reader = "reader"
)

// newClaim is a claim for a volume of a class.
func newClaim(namespace, name, class string) *corev1.PersistentVolumeClaim {
	mode := corev1.ReadWriteMany
	if class == diskClass {
		mode = corev1.ReadWriteOnce
	}
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{mode}, StorageClassName: &class,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}},
		},
	}
}

// newReader is a Pod that has claims mounted and changes nothing, so that their files can be compared. It runs as root: for
// any other user, whose group the files of a disk must be of, the kubelet would change their modes.
func newReader(namespace string, claims ...string) *corev1.Pod {
	return newPod(namespace, reader, corev1.Container{Image: images.BusyBox, Command: []string{"sleep", "infinity"}}, claims...)
}

// newPod is a Pod that has each claim mounted at its name.
func newPod(namespace, name string, container corev1.Container, claims ...string) *corev1.Pod {
	container.Name = name
	container.ImagePullPolicy = corev1.PullIfNotPresent
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: new(false), TerminationGracePeriodSeconds: new(int64(1)),
		},
	}
	for _, claim := range claims {
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: claim, MountPath: "/" + claim})
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
		}})
	}
	pod.Spec.Containers = []corev1.Container{container}
	return pod
}

// writeRecords writes records to the volumes of claims, after those that are there.
func (s *site) writeRecords(t *testing.T, namespace string, number int, claims ...string) {
	t.Helper()
	s.runLedger(t, namespace, "write", fmt.Sprint("--records=", number), claims)
}

// verifyRecords fails unless a number of records is in each of the volumes of claims, none of them torn.
func (s *site) verifyRecords(t *testing.T, namespace string, number int, claims ...string) {
	t.Helper()
	s.runLedger(t, namespace, "verify", fmt.Sprint("--at-least=", number), claims)
}

func (s *site) runLedger(t *testing.T, namespace, command, flag string, claims []string) {
	t.Helper()
	args := []string{command}
	for _, claim := range claims {
		args = append(args, "--dir=/"+claim, flag)
	}
	s.runToEnd(t, newPod(namespace, "ledger-"+command, corev1.Container{Image: ledgerImage, Args: args}, claims...))
}

// storageOf is the directory of the simulated cloud that has the files of a volume. The error is ecs.ErrNotFound or
// os.ErrNotExist where there is none any more.
func (s *site) storageOf(volume *corev1.PersistentVolume) (string, error) {
	source := volume.Spec.CSI
	switch {
	case source == nil:
		return "", fmt.Errorf("%s is no volume of a CSI driver", volume.Name)
	case source.Driver == provisioner.DiskDriver:
		return s.cloud.ECS().DiskDir(source.VolumeHandle)
	}
	server, name := provisioner.Provisioner{FileSystems: s.fileSystems()}.Export(source.VolumeAttributes)
	id, _, _ := strings.Cut(server, "-")
	system, err := s.cloud.NAS().FileSystem(id)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(system.Dir, name)
	_, err = os.Stat(dir)
	return dir, err
}

// filesOf are the files of the volumes of claims, by claim and path.
func (s *site) filesOf(t *testing.T, namespace string, claims ...string) map[string]map[string]file {
	t.Helper()
	all := map[string]map[string]file{}
	for _, claim := range claims {
		dir, err := s.storageOf(s.volumeOf(t, namespace, claim))
		must(t, err)
		all[claim] = filesIn(t, dir)
	}
	return all
}

// file is what a directory of this machine has under a name. The content of a link is its target.
type file struct {
	Mode    fs.FileMode
	Content string
}

// filesIn are the files below a directory, by path, the directory itself too.
func filesIn(t *testing.T, dir string) map[string]file {
	t.Helper()
	entries, err := tree.List(dir)
	must(t, err)
	files := map[string]file{}
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name)
		info, err := os.Lstat(name)
		must(t, err)
		var content string
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			content, err = os.Readlink(name)
		case info.Mode().IsRegular():
			var data []byte
			data, err = os.ReadFile(name)
			content = string(data)
		}
		must(t, err)
		files[path.Clean(entry.Name)] = file{Mode: info.Mode(), Content: content}
	}
	return files
}
