//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// testDataProtection backs some volumes of a namespace up with their data, and the namespace without, as
// docs/exclude-volumes.md describes. Both are restored in the other cluster, in that order.
func (e *environment) testDataProtection(t *testing.T) {
	t.Parallel()
	const namespace, protected, application = "protection", "protection-volumes", "protection-application"
	s, away := e.home, e.away
	s.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	claims := map[string]string{"scratch": diskClass, "shared": nasClass, "orders": diskClass}
	all := []string{"scratch", "shared", "orders", "ledgers"}
	data := []string{"orders", "ledgers"}
	for name, class := range claims {
		s.create(t, newClaim(namespace, name, class))
	}
	s.createDisk(t, namespace, "ledgers")
	for _, name := range data {
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		s.change(t, claim, func() { claim.Labels = map[string]string{"data": "keep"} })
	}
	s.writeRecords(t, namespace, records, all...)
	shared := s.volumeOf(t, namespace, "shared")
	s.change(t, shared, func() { shared.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain })
	s.create(t, newReader(namespace, all...))
	s.awaitPod(t, namespace, reader)
	was := s.filesOf(t, namespace, all...)

	s.backup(t, protected, "--include-namespaces", namespace, "--selector", "data=keep",
		"--include-resources", "persistentvolumeclaims,persistentvolumes")
	s.backup(t, application, "--include-namespaces", namespace, "--snapshot-volumes=false")
	away.awaitSynced(t, protected)
	away.awaitSynced(t, application)

	away.restore(t, protected, protected)
	if diff := cmp.Diff(map[string]map[string]file{"orders": was["orders"], "ledgers": was["ledgers"]}, away.filesOf(t, namespace, data...)); diff != "" {
		t.Errorf("files of the volumes with their data (-want +got):\n%s", diff)
	}
	away.verifyRecords(t, namespace, records, data...)
	away.writeRecords(t, namespace, 1, data...) // A second restore that overwrote them would lose it.
	want := away.filesOf(t, namespace, data...)
	want["scratch"] = map[string]file{".": {Mode: fs.ModeDir | 0o755}}
	want["shared"] = was["shared"]

	away.restore(t, application, application)
	away.awaitPod(t, namespace, reader)
	if diff := cmp.Diff(want, away.filesOf(t, namespace, all...)); diff != "" {
		t.Errorf("files of all volumes (-want +got):\n%s", diff)
	}
	if policy := away.volumeOf(t, namespace, "ledgers").Spec.PersistentVolumeReclaimPolicy; policy != corev1.PersistentVolumeReclaimRetain {
		t.Errorf("the reclaim policy of the volume of ledgers is %s, want Retain", policy)
	}
	for _, cluster := range []*site{s, away} {
		cluster.deleteNamespace(t, namespace)
	}
}

// createDisk creates a disk, with the volume of it and a claim, as ACK has them: the volume is named after the disk.
func (s *site) createDisk(t *testing.T, namespace, name string) {
	t.Helper()
	id, err := s.cloud.ECS().AddDisk(ecs.DiskConfig{Account: accountID, Zone: s.zone, Category: "cloud_essd", Size: 20})
	must(t, err)
	claim := newClaim(namespace, name, diskClass)
	claim.Spec.VolumeName = id
	s.create(t, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: id},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: claim.Spec.AccessModes, Capacity: claim.Spec.Resources.Requests, StorageClassName: diskClass,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: provisioner.DiskDriver, VolumeHandle: id, FSType: "ext4",
			}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: provisioner.DiskZoneLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{s.zone},
				}},
			}}}},
		},
	}, claim)
}
