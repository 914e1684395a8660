// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
)

// reclaimClaims are the claims of the application of testReclaimPolicies.
var reclaimClaims = []string{"disk-delete", "disk-retain", "nas-delete", "nas-retain"}

// testReclaimPolicies restores volumes of both reclaim policies, of a disk and of NAS, with their data and without, and
// has them bound. Each is lost as its policy has it: what is to be retained is.
func (s *diskSuite) testReclaimPolicies(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, "reclaim", nil)
	s.newNamespace(t, b.name)
	s.createClass(t, "reclaim-disk", map[string]string{"type": "cloud_essd", "performanceLevel": "PL1"})
	s.createClassOf(t, "reclaim-nas", classOptions{
		provisioner: nasDriver, immediate: true,
		parameters: map[string]string{"server": "0cd8b4a576-grs79.cn-hangzhou.nas.aliyuncs.com:/k8s", "volumeAs": "subpath"},
	})
	deleted := b.newVolume(t, "disk-delete", volumeOptions{class: "reclaim-disk"})
	retained := b.newVolume(t, "disk-retain", volumeOptions{class: "reclaim-disk"})
	s.retain(t, retained.pv)
	for _, object := range readObjects(t, "reclaim-nas.yaml") {
		s.create(t, object)
	}
	s.makeReady(t, b.name, "nas")
	s.waitAllBound(t, b.name, len(reclaimClaims))

	b.completedBackup(t, "reclaim-objects", b.name, "--volume-snapshot-locations", b.name, "--snapshot-volumes=false")
	b.backUpEmptyDirectories(t, "nas", "delete,retain")
	b.completedDiskBackup(t, "reclaim-data")

	retained.overwrite(t)
	nas := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: "nas"}}
	must(t, s.cp.Client.Delete(t.Context(), nas, client.GracePeriodSeconds(0)))
	b.lose(t, deleted)
	for _, pv := range []string{retained.pv, "pv-nas-delete", "pv-nas-retain"} {
		(&diskVolume{bench: b, pv: pv}).losePersistentVolume(t)
	}

	var disks []string
	for _, backup := range []string{"reclaim-objects", "reclaim-data"} {
		b.provisionIn(t, backup)
		s.completedRestore(t, backup, backup, "--namespace-mappings", b.name+":"+backup)
		volumes := s.waitAllBound(t, backup, len(reclaimClaims))
		words := []string{"OLD-DISK-DELETE", deleted.disk, "OLD-DISK-RETAIN", retained.disk}
		for _, claim := range reclaimClaims {
			words = append(words,
				"PV-OF-"+strings.ToUpper(claim), volumes[claim].Name,
				"VOLUME-OF-"+strings.ToUpper(claim), volumes[claim].Spec.CSI.VolumeHandle)
		}
		for _, want := range readObjects(t, backup+".yaml", words...) {
			s.wantObject(t, want)
		}
		disks = append(disks, diskOf(volumes["disk-delete"]), diskOf(volumes["disk-retain"]))
		if backup == "reclaim-data" {
			wantEqual(t, "the disk of the claim disk-delete", s.diskState(t, diskOf(volumes["disk-delete"])), deleted.essd())
			wantEqual(t, "the disk of the claim disk-retain", s.diskState(t, diskOf(volumes["disk-retain"])), retained.essd())
		}
	}
	b.settle(t, disks...)
}

// retain makes the reclaim policy of a PersistentVolume Retain.
func (s *suite) retain(t *testing.T, name string) {
	t.Helper()
	pv := s.persistentVolume(t, name)
	before := pv.DeepCopy()
	pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	must(t, s.cp.Client.Patch(t.Context(), pv, client.MergeFrom(before)))
}

// backUpEmptyDirectories has the volumes of a running Pod of the bench taken by Velero's file-system backup from now on.
//
// Velero's node agent reads the volumes in the folders of a kubelet, which there is none of here. The test stands in for
// it, and says of each volume what the agent says of an empty directory: it is done, and there was nothing to keep. The
// server takes that for data as any other: the volumes are provisioned anew by a restore. What the agent would write to
// a repository in the bucket is not what the actions are about.
func (b *bench) backUpEmptyDirectories(t *testing.T, pod, volumes string) {
	t.Helper()
	b.createRepository(t)
	agent := &corev1.Pod{
		ObjectMeta: inVelero("node-agent-of-" + b.name),
		Spec:       corev1.PodSpec{NodeName: "node-" + zoneH, Containers: []corev1.Container{{Name: "node-agent", Image: "velero/velero"}}},
	}
	agent.Labels = map[string]string{"role": "node-agent"}
	b.create(t, agent)
	b.makeReady(t, agent.Namespace, agent.Name)
	t.Cleanup(func() {
		if err := b.cp.Client.Delete(context.WithoutCancel(t.Context()), agent, client.GracePeriodSeconds(0)); err != nil {
			t.Errorf("deleting the node agent: %v", err)
		}
	})
	follow(t, b.suite, &velerov1.PodVolumeBackupList{}, func(ctx context.Context, taken *velerov1.PodVolumeBackup) error {
		if taken.Spec.Pod.Namespace != b.name || taken.Status.Phase == velerov1.PodVolumeBackupPhaseCompleted {
			return nil
		}
		now := metav1.Now()
		before := taken.DeepCopy()
		taken.Status = velerov1.PodVolumeBackupStatus{
			Phase: velerov1.PodVolumeBackupPhaseCompleted, StartTimestamp: &now, CompletionTimestamp: &now,
			Message: "volume was empty so no snapshot was taken",
		}
		return b.cp.Client.Patch(ctx, taken, client.MergeFrom(before))
	}, client.InNamespace(controlplane.VeleroNamespace))

	annotated := &corev1.Pod{}
	must(t, b.cp.Client.Get(t.Context(), client.ObjectKey{Namespace: b.name, Name: pod}, annotated))
	before := annotated.DeepCopy()
	metav1.SetMetaDataAnnotation(&annotated.ObjectMeta, velerov1.VolumesToBackupAnnotation, volumes)
	must(t, b.cp.Client.Patch(t.Context(), annotated, client.MergeFrom(before)))
}

// createRepository creates the repository that Velero looks for before it lets the node agent work, as one that is ready.
// It ends with the test.
func (b *bench) createRepository(t *testing.T) {
	t.Helper()
	now := metav1.Now()
	repository := &velerov1.BackupRepository{
		ObjectMeta: inVelero(b.name + "-kopia"),
		Spec: velerov1.BackupRepositorySpec{
			VolumeNamespace: b.name, BackupStorageLocation: b.name, RepositoryType: velerov1.BackupRepositoryTypeKopia,
			MaintenanceFrequency: metav1.Duration{Duration: 24 * time.Hour},
		},
		Status: velerov1.BackupRepositoryStatus{Phase: velerov1.BackupRepositoryPhaseReady, LastMaintenanceTime: &now},
	}
	repository.Labels = map[string]string{
		velerov1.VolumeNamespaceLabel: b.name, velerov1.StorageLocationLabel: b.name, velerov1.RepositoryTypeLabel: velerov1.BackupRepositoryTypeKopia,
	}
	b.create(t, repository)
	t.Cleanup(func() {
		if err := b.cp.Client.Delete(context.WithoutCancel(t.Context()), repository); err != nil {
			t.Errorf("deleting the repository: %v", err)
		}
	})
}
