//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	velerov2alpha1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v2alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/expose"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/writer"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/s3"
)

// s3Service is the name of the Service, and of its namespace, by which Pods reach a bucket by its S3 interface.
const s3Service = "oss-s3"

// testFileSystemBackup has Velero back the files of Pods up by itself, as docs/file-system-backup.md describes: a volume of a
// disk, one of NAS, and an emptyDir.
func (e *environment) testFileSystemBackup(t *testing.T) {
	t.Parallel()
	const namespace, cache = "filesystem", "cache"
	s := e.away.beside("velero-filesystem")
	bucket := e.cloud.bucket(t, namespace)
	interfaceS3, url := s.serveS3(t, bucket)
	s.install(t, installation{
		bucket: bucket, prefix: "cluster-1", nodeAgent: true,
		credentials:    s3Credentials(),
		locationConfig: []string{"s3Url=" + url},
		args:           []string{"--cacert", interfaceS3.authority},
	})
	s.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		newClaim(namespace, "nas", nasClass), newClaim(namespace, "disk", diskClass))
	s.writeRecords(t, namespace, records, "nas", "disk")
	s.create(t, newReader(namespace, "nas", "disk"), newCache(namespace, cache))
	s.awaitPod(t, namespace, reader)
	s.awaitPod(t, namespace, cache)
	was := s.filesOf(t, namespace, "nas", "disk")
	written := s.position(t, namespace, cache).Last

	s.backup(t, namespace, "--include-namespaces", namespace, "--default-volumes-to-fs-backup")
	if refused := interfaceS3.Refusals(); len(refused) > 0 {
		t.Errorf("the S3 interface has refused %q", refused)
	}
	for _, key := range interfaceS3.Keys() {
		if !strings.HasPrefix(key, "cluster-1/kopia/"+namespace+"/") {
			t.Errorf("kopia has put %s into the bucket, which is outside of its folder", key)
		}
	}
	uploads := &velerov1.PodVolumeBackupList{}
	must(t, s.Client.List(t.Context(), uploads, client.InNamespace(s.veleroNamespace())))
	var volumes []string
	for _, upload := range uploads.Items {
		volumes = append(volumes, upload.Spec.Volume+" "+string(upload.Status.Phase))
	}
	slices.Sort(volumes)
	if diff := cmp.Diff([]string{"cache Completed", "disk Completed", "nas Completed"}, volumes); diff != "" {
		t.Errorf("volumes that were backed up (-want +got):\n%s", diff)
	}
	s.deleteNamespace(t, namespace)

	s.restore(t, namespace, namespace)
	s.awaitPod(t, namespace, reader)
	now := s.filesOf(t, namespace, "nas", "disk")
	for _, files := range now {
		// Velero's own mark that the volume is restored stays there.
		maps.DeleteFunc(files, func(name string, _ file) bool { return name == ".velero" || strings.HasPrefix(name, ".velero/") })
	}
	if diff := cmp.Diff(was, now); diff != "" {
		t.Errorf("files of the volumes (-want +got):\n%s", diff)
	}
	s.awaitPod(t, namespace, cache)
	position := s.position(t, namespace, cache)
	if position.Found < written || position.Torn > 0 {
		t.Errorf("the cache was found with %d records, %d torn, want %d", position.Found, position.Torn, written)
	}
	s.deleteNamespace(t, namespace)
}

// testDataMover has Velero take VolumeSnapshots of disks and move their files to the bucket, and make disks of them in
// a namespace that has none.
func (e *environment) testDataMover(t *testing.T) {
	t.Parallel()
	const namespace = "moved"
	s := e.home.beside("velero-datamover")
	s.installSnapshots(t)
	bucket := e.cloud.bucket(t, namespace)
	interfaceS3, url := s.serveS3(t, bucket)
	s.install(t, installation{
		bucket: bucket, prefix: "cluster-1", nodeAgent: true,
		credentials:    s3Credentials(),
		locationConfig: []string{"s3Url=" + url},
		args:           []string{"--cacert", interfaceS3.authority, "--features", velerov1.CSIFeatureFlag},
	})
	s.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, newClaim(namespace, "disk", diskClass))
	s.writeRecords(t, namespace, records, "disk")
	s.create(t, newReader(namespace, "disk"))
	s.awaitPod(t, namespace, reader)
	was := s.filesOf(t, namespace, "disk")
	disk := s.volumeOf(t, namespace, "disk").Spec.CSI.VolumeHandle

	s.backup(t, namespace, "--include-namespaces", namespace, "--snapshot-move-data")
	uploads := &velerov2alpha1.DataUploadList{}
	must(t, s.Client.List(t.Context(), uploads, client.InNamespace(s.veleroNamespace())))
	var phases []velerov2alpha1.DataUploadPhase
	for _, upload := range uploads.Items {
		phases = append(phases, upload.Status.Phase)
	}
	if diff := cmp.Diff([]velerov2alpha1.DataUploadPhase{velerov2alpha1.DataUploadPhaseCompleted}, phases); diff != "" {
		t.Errorf("DataUploads (-want +got):\n%s", diff)
	}
	s.eventually(t, podTimeout, "the end of the snapshots of the disk "+disk, func(context.Context) error {
		for _, snapshot := range e.cloud.ECS().Snapshots() {
			if snapshot.DiskID == disk {
				return fmt.Errorf("the snapshot %s is left", snapshot.ID)
			}
		}
		return nil
	})
	s.deleteNamespace(t, namespace)

	s.restore(t, namespace, namespace)
	s.awaitPod(t, namespace, reader)
	if diff := cmp.Diff(was, s.filesOf(t, namespace, "disk")); diff != "" {
		t.Errorf("files of the disk (-want +got):\n%s", diff)
	}
	s.verifyRecords(t, namespace, records, "disk")
	if refused := interfaceS3.Refusals(); len(refused) > 0 {
		t.Errorf("the S3 interface has refused %q", refused)
	}
	s.deleteNamespace(t, namespace)
}

// installSnapshots makes VolumeSnapshots known to the cluster, and installs the class of them that this repository has.
func (s *site) installSnapshots(t *testing.T) {
	t.Helper()
	must(t, provisioner.InstallSnapshots(t.Context(), s.Client))
	command(t, s.kubectl, "--kubeconfig="+s.Kubeconfig, "apply", "-f", "../../deploy/volumesnapshotclass/disk.yaml")
}

// s3Credentials is the content of a credentials file that kopia reads too.
func s3Credentials() string {
	return fmt.Sprintf("[default]\naws_access_key_id=%s\naws_secret_access_key=%s\n", accessKeyID, accessKeySecret)
}

// newCache is a Pod with an emptyDir, in which it writes a record when it starts.
func newCache(namespace, name string) *corev1.Pod {
	pod := newPod(namespace, name, corev1.Container{
		Image: ledgerImage, Args: []string{"serve", "--dir=/" + name, "--interval=1h"},
		VolumeMounts: []corev1.VolumeMount{{Name: name, MountPath: "/" + name}},
	})
	pod.Spec.Volumes = []corev1.Volume{{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	return pod
}

// position is how far the ledger in a Pod has written, which is all well.
func (s *site) position(t *testing.T, namespace, name string) writer.Position {
	t.Helper()
	var position writer.Position
	ask := clientAt(s.awaitPod(t, namespace, name).Status.PodIP)
	s.eventually(t, podTimeout, "a record of the Pod "+name, func(ctx context.Context) error {
		status, err := ask.Status(ctx)
		if err != nil {
			return err
		}
		position = status.Directories[ledger.Path(name)]
		if position.Last == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	reports, err := ask.Verify(t.Context(), position.Last)
	must(t, err)
	for _, report := range reports {
		if !report.OK {
			t.Errorf("the ledger in the Pod %s: %+v", name, report)
		}
	}
	return position
}

// interfaceS3 is a bucket as clients of S3 see it.
type interfaceS3 struct {
	*s3.Server

	// authority is a file with the certificate of who certifies it.
	authority string
}

// serveS3 serves a bucket as the simulated OSS does not, and returns its URL in the cluster.
func (s *site) serveS3(t *testing.T, bucket string) (served interfaceS3, url string) {
	t.Helper()
	owner := cloudsim.AccessKey{ID: accessKeyID, Secret: accessKeySecret}
	server, err := s3.Serve(t.Context(), net.JoinHostPort(s.HostAddress, "0"), s3.New(bucket, homeRegion, owner))
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	served = interfaceS3{Server: server, authority: filepath.Join(t.TempDir(), "ca.pem")}
	must(t, os.WriteFile(served.authority, server.Authority, 0o600))
	key := client.ObjectKey{Namespace: s3Service, Name: s3Service}
	_, err = expose.Service(t.Context(), s.Client, key, expose.Port{Name: "https", At: server.Address})
	must(t, err)
	return served, fmt.Sprintf("https://%s.%s.svc:%d", key.Name, key.Namespace, server.Address.Port())
}
