// SPDX-License-Identifier: Apache-2.0

package csidriver_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// newSnapshotAPI is a cluster that knows VolumeSnapshots, with a claim for d-1.
func newSnapshotAPI(t *testing.T) client.Client {
	t.Helper()
	known := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(known), snapshotv1.AddToScheme(known)); err != nil {
		t.Fatal(err)
	}
	api := fake.NewClientBuilder().WithScheme(known).
		WithStatusSubresource(&snapshotv1.VolumeSnapshot{}, &snapshotv1.VolumeSnapshotContent{}).Build()
	createIn(
		t, api,
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1", Labels: map[string]string{provisioner.DiskZoneLabel: zone}}},
		&snapshotv1.VolumeSnapshotClass{
			ObjectMeta: metav1.ObjectMeta{Name: "disks"}, Driver: provisioner.DiskDriver, DeletionPolicy: snapshotv1.VolumeSnapshotContentDelete,
		},
		&corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders"}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "d-1"},
		},
		&corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: "d-1"},
			Spec: corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: provisioner.DiskDriver, VolumeHandle: "d-1"},
			}},
		},
	)
	return api
}

func createIn(t *testing.T, api client.Client, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

// ready waits until a VolumeSnapshot is ready, and returns its content.
func ready(t *testing.T, api client.Client, snapshot *snapshotv1.VolumeSnapshot) *snapshotv1.VolumeSnapshotContent {
	t.Helper()
	content := &snapshotv1.VolumeSnapshotContent{}
	wait(t, "the VolumeSnapshot "+snapshot.Name, func(ctx context.Context) error {
		if err := api.Get(ctx, client.ObjectKeyFromObject(snapshot), snapshot); err != nil {
			return err
		}
		if snapshot.Status == nil || !*snapshot.Status.ReadyToUse {
			return errors.New("it is not ready")
		}
		return api.Get(ctx, client.ObjectKey{Name: *snapshot.Status.BoundVolumeSnapshotContentName}, content)
	})
	return content
}

// TestASnapshotIsHandedOn takes the way of Velero's data mover: a snapshot is taken in one namespace, its content is left,
// and in another one there are a content of the same snapshot and a disk of that.
func TestASnapshotIsHandedOn(t *testing.T) {
	t.Parallel()
	api := newSnapshotAPI(t)
	b := start(t, api)
	if err := b.cloud.ECS().Attach("d-1", instance); err != nil { // A disk that never was attached has no snapshots.
		t.Fatal(err)
	}
	taken := &snapshotv1.VolumeSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "taken", UID: "taken-uid"},
		Spec: snapshotv1.VolumeSnapshotSpec{
			VolumeSnapshotClassName: new("disks"), Source: snapshotv1.VolumeSnapshotSource{PersistentVolumeClaimName: new("orders")},
		},
	}
	createIn(t, api, taken)
	content := ready(t, api, taken)
	equal(t, "the size", taken.Status.RestoreSize.String(), "20Gi")
	content.Spec.DeletionPolicy = snapshotv1.VolumeSnapshotContentRetain
	if err := errors.Join(api.Update(t.Context(), content), api.Delete(t.Context(), taken), api.Delete(t.Context(), content)); err != nil {
		t.Fatal(err)
	}
	wait(t, "the end of the content", func(ctx context.Context) error {
		if err := api.Get(ctx, client.ObjectKeyFromObject(content), content); !isGone(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
	equal(t, "how many snapshots there are", len(b.cloud.ECS().Snapshots()), 1)

	handed := &snapshotv1.VolumeSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "handed", UID: "handed-uid"},
		Spec:       snapshotv1.VolumeSnapshotSpec{Source: snapshotv1.VolumeSnapshotSource{VolumeSnapshotContentName: new("handed")}},
	}
	createIn(t, api, handed, &snapshotv1.VolumeSnapshotContent{
		ObjectMeta: metav1.ObjectMeta{Name: "handed"},
		Spec: snapshotv1.VolumeSnapshotContentSpec{
			DeletionPolicy: snapshotv1.VolumeSnapshotContentDelete, Driver: provisioner.DiskDriver,
			Source:            snapshotv1.VolumeSnapshotContentSource{SnapshotHandle: content.Status.SnapshotHandle},
			VolumeSnapshotRef: corev1.ObjectReference{Namespace: "velero", Name: "handed", UID: "handed-uid"},
		},
	})
	ready(t, api, handed)
	if err := b.cloud.ECS().WriteFile("d-1", "a", []byte("changed since")); err != nil {
		t.Fatal(err)
	}
	asked := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "velero", Name: "handed", UID: "claim-uid",
			Annotations: map[string]string{provisioner.ProvisionerKey: provisioner.DiskDriver},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: new("class-1"), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:  corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}},
			DataSource: &corev1.TypedLocalObjectReference{APIGroup: new(snapshotv1.GroupName), Kind: "VolumeSnapshot", Name: "handed"},
		},
	}
	createIn(t, api, asked, &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "class-1"}, Provisioner: provisioner.DiskDriver, Parameters: map[string]string{"type": "cloud_essd"},
	})
	disk := volumeOf(t, api, asked).Spec.CSI.VolumeHandle
	data, err := b.cloud.ECS().ReadFile(disk, "a")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the file on the disk of the snapshot", string(data), "disk")

	if err := api.Delete(t.Context(), handed); err != nil {
		t.Fatal(err)
	}
	wait(t, "the end of the snapshot", func(context.Context) error {
		if left := len(b.cloud.ECS().Snapshots()); left > 0 {
			return fmt.Errorf("there are %d", left)
		}
		return nil
	})
}

func isGone(err error) bool { return err != nil && client.IgnoreNotFound(err) == nil }
