// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
)

// The cases of this file change how long jobs take, for all. They are not run beside others.

// slowJobs makes the jobs that the test begins take slowly: backup jobs, or restore jobs.
func (s *fileSuite) slowJobs(t *testing.T, change func(*hbr.Durations)) {
	t.Helper()
	durations := quickly()
	change(&durations)
	s.cloud.HBR().SetDurations(durations)
	t.Cleanup(func() { s.cloud.HBR().SetDurations(quickly()) })
}

func slowBackups(d *hbr.Durations) { d.Backup.Duration = slowly }

func slowRestores(d *hbr.Durations) { d.Restore.Duration = slowly }

// waitJobs waits until so many jobs run at a time.
func (s *fileSuite) waitJobs(t *testing.T, number int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d jobs to run at a time", number), func(context.Context) error {
		has, err := s.cloud.HBR().Inventory(accountID)
		if err == nil && len(has.Running) != number {
			err = fmt.Errorf("there are %d", len(has.Running))
		}
		return err
	})
}

// testTenSlowFiles restores ten volumes, two of a StatefulSet among them.
func (s *fileSuite) testTenSlowFiles(t *testing.T) {
	const number, replicas = 10, 2
	b := s.newFileBench(t, "fs-ten", nil, policyAgentless)
	s.newNamespace(t, b.name)
	var volumes []*fileVolume
	for i := range number {
		name := fmt.Sprintf("volume-%d", i)
		if i < replicas {
			name = fmt.Sprintf("data-web-%d", i)
		}
		volumes = append(volumes, b.createFileVolume(t, name, onNAS("fs-ten/"+name), fileOptions{claimless: i < replicas}))
	}
	s.create(t, statefulSet(b.name, replicas))
	s.waitAllBound(t, b.name, number)
	s.waitRunning(t, b.name, "web-1")
	b.completedFileBackup(t, b.name, number)

	for _, c := range []struct {
		name string
		args []string
		// claimed are the volumes whose claims come back.
		claimed []*fileVolume
	}{
		{name: "one-namespace", args: []string{"--include-namespaces", b.name}, claimed: volumes},
		// The StatefulSet makes the claims of its Pods.
		{name: "everything-but-claims", args: []string{"--exclude-resources", "pods,persistentvolumeclaims"}, claimed: volumes[:replicas]},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.slowJobs(t, slowRestores)
			restore := b.name + "-" + c.name
			start := time.Now()
			s.begin(t, restore, b.name, append(c.args, "--namespace-mappings", b.name+":"+restore)...)
			s.waitJobs(t, number)
			s.waitPhase(t, restore, velerov1.RestorePhaseWaitingForPluginOperations)
			for _, v := range c.claimed {
				v.wantPending(t, restore)
			}
			s.cloud.HBR().Advance(slowly)
			s.waitPhase(t, restore, velerov1.RestorePhaseCompleted)
			t.Logf("%d volumes of %s each were restored in that and %s", number, slowly, time.Since(start).Round(time.Second))
			for _, v := range c.claimed {
				v.wantFilesIn(t, restore)
			}
			s.waitRunning(t, restore, "web-1")
		})
	}
	b.settle(t)
}

// wantPending fails unless the claim in a namespace is there, or soon is, and is not bound.
func (v *fileVolume) wantPending(t *testing.T, namespace string) {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{}
	key := client.ObjectKey{Namespace: namespace, Name: v.name}
	eventually(t, "the claim "+v.name+" to be made", func(ctx context.Context) error { return v.bench.cp.Client.Get(ctx, key, claim) })
	wantEqual(t, "the phase of the claim "+v.name+" while its volume is filled", claim.Status.Phase, corev1.ClaimPending)
}

// statefulSet is one whose Pods web-<number> have claims data-web-<number>. All its Pods are started at once.
func statefulSet(namespace string, replicas int32) *appsv1.StatefulSet {
	pod := (&diskVolume{namespace: namespace, name: "data"}).pod(volumeOptions{})
	labels := map[string]string{"app": "web"}
	spec := pod.Spec
	spec.Volumes = nil // They are those of the claim templates.
	class := "of-another-cluster"
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, ServiceName: "web", PodManagementPolicy: appsv1.ParallelPodManagement,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: "data"},
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &class,
					Resources: corev1.VolumeResourceRequirements{Requests: capacity(20)},
				},
			}},
		},
	}
}
