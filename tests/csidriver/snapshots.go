// SPDX-License-Identifier: Apache-2.0

package csidriver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// snapshotter makes the snapshots of VolumeSnapshots and deletes them. It does what the snapshot controller of a cluster
// and the external-snapshotter beside the driver of disks do. It does nothing in a cluster without VolumeSnapshots.
type snapshotter struct {
	client client.Client
	cloud  *Cloud
}

// look does all that there is to do now.
func (s *snapshotter) look(ctx context.Context) error {
	var contents snapshotv1.VolumeSnapshotContentList
	var snapshots snapshotv1.VolumeSnapshotList
	// In this order: a content of which the VolumeSnapshot is not found has none any more.
	for _, list := range []client.ObjectList{&contents, &snapshots} {
		if err := s.client.List(ctx, list); apimeta.IsNoMatchError(err) {
			return nil
		} else if err != nil {
			return fmt.Errorf("list %T: %w", list, err)
		}
	}
	there := map[types.UID]bool{}
	var errs []error
	for i := range snapshots.Items {
		there[snapshots.Items[i].UID] = true
		if err := s.make(ctx, &snapshots.Items[i], contents.Items); err != nil {
			errs = append(errs, fmt.Errorf("make the VolumeSnapshot %s: %w", client.ObjectKeyFromObject(&snapshots.Items[i]), err))
		}
	}
	for i := range contents.Items {
		if err := s.end(ctx, &contents.Items[i], there); err != nil {
			errs = append(errs, fmt.Errorf("delete the VolumeSnapshotContent %s: %w", contents.Items[i].Name, err))
		}
	}
	return errors.Join(errs...)
}

// make gives a VolumeSnapshot its content: the one that it names, or a new one with a snapshot of its claim's disk.
func (s *snapshotter) make(ctx context.Context, wanted *snapshotv1.VolumeSnapshot, contents []snapshotv1.VolumeSnapshotContent) error {
	if wanted.Status != nil || wanted.DeletionTimestamp != nil {
		return nil
	}
	var content *snapshotv1.VolumeSnapshotContent
	if name := wanted.Spec.Source.VolumeSnapshotContentName; name != nil {
		i := slices.IndexFunc(contents, func(c snapshotv1.VolumeSnapshotContent) bool { return c.Name == *name })
		if i < 0 {
			return nil // It waits.
		}
		content = &contents[i]
	} else {
		var err error
		if content, err = s.cut(ctx, wanted); err != nil || content == nil {
			return err
		}
	}
	if content.Spec.Driver != provisioner.DiskDriver {
		return nil
	}
	ready := content.DeepCopy()
	controllerutil.AddFinalizer(ready, provisioner.ContentProtection)
	ready.Spec.VolumeSnapshotRef.UID = wanted.UID
	if err := s.client.Patch(ctx, ready, client.MergeFrom(content)); err != nil {
		return err
	}
	id, size, err := s.handle(ctx, ready)
	if err != nil {
		return err
	}
	bare := ready.DeepCopy()
	ready.Status = &snapshotv1.VolumeSnapshotContentStatus{SnapshotHandle: &id, ReadyToUse: new(true), RestoreSize: &size}
	if err := s.client.Status().Patch(ctx, ready, client.MergeFrom(bare)); err != nil {
		return err
	}
	done := wanted.DeepCopy()
	done.Status = &snapshotv1.VolumeSnapshotStatus{
		BoundVolumeSnapshotContentName: &ready.Name, ReadyToUse: new(true), RestoreSize: resource.NewQuantity(size, resource.BinarySI),
	}
	return s.client.Status().Patch(ctx, done, client.MergeFrom(wanted))
}

// cut makes the content of a VolumeSnapshot of a claim, nil as long as the claim has no disk.
func (s *snapshotter) cut(ctx context.Context, wanted *snapshotv1.VolumeSnapshot) (*snapshotv1.VolumeSnapshotContent, error) {
	class, err := provisioner.SnapshotClass(ctx, s.client, wanted)
	if err != nil {
		return nil, err
	}
	claim := &corev1.PersistentVolumeClaim{}
	if err := s.client.Get(ctx, client.ObjectKey{Namespace: wanted.Namespace, Name: *wanted.Spec.Source.PersistentVolumeClaimName}, claim); err != nil {
		return nil, err
	}
	if claim.Spec.VolumeName == "" || class.Driver != provisioner.DiskDriver {
		return nil, nil
	}
	volume := &corev1.PersistentVolume{}
	if err := s.client.Get(ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, volume); err != nil {
		return nil, err
	}
	content, err := provisioner.SnapshotContent(wanted, class, volume)
	if err != nil {
		return nil, err
	}
	return content, client.IgnoreAlreadyExists(s.client.Create(ctx, content))
}

// handle is the snapshot of a content, which is made if it has none, and the size of its disk in bytes.
func (s *snapshotter) handle(ctx context.Context, content *snapshotv1.VolumeSnapshotContent) (id string, size int64, err error) {
	if source := content.Spec.Source; source.SnapshotHandle != nil {
		id = *source.SnapshotHandle
	} else if id, err = s.cloud.createSnapshot(ctx, *source.VolumeHandle, content.Name); err != nil {
		return "", 0, err
	}
	size, err = s.cloud.snapshotSize(ctx, id)
	return id, size, err
}

// end deletes what goes with a VolumeSnapshot that has gone, as the policy of its content says.
func (s *snapshotter) end(ctx context.Context, content *snapshotv1.VolumeSnapshotContent, there map[types.UID]bool) error {
	uid := content.Spec.VolumeSnapshotRef.UID
	remove := content.Spec.DeletionPolicy == snapshotv1.VolumeSnapshotContentDelete
	switch {
	case content.Spec.Driver != provisioner.DiskDriver:
		return nil
	case content.DeletionTimestamp == nil && remove && uid != "" && !there[uid]:
		return client.IgnoreNotFound(s.client.Delete(ctx, content))
	case content.DeletionTimestamp == nil || !controllerutil.ContainsFinalizer(content, provisioner.ContentProtection):
		return nil
	}
	if remove && content.Status != nil && content.Status.SnapshotHandle != nil {
		if err := s.cloud.deleteSnapshot(ctx, *content.Status.SnapshotHandle); err != nil {
			return err
		}
	}
	released := content.DeepCopy()
	controllerutil.RemoveFinalizer(released, provisioner.ContentProtection)
	return client.IgnoreNotFound(s.client.Patch(ctx, released, client.MergeFrom(content)))
}

// source is the snapshot that a claim asks its volume to be made of, "" for an empty volume.
func (s *snapshotter) source(ctx context.Context, claim *corev1.PersistentVolumeClaim) (string, error) {
	from := claim.Spec.DataSource
	if from == nil || from.Kind != "VolumeSnapshot" {
		return "", nil
	}
	snapshot, content := &snapshotv1.VolumeSnapshot{}, &snapshotv1.VolumeSnapshotContent{}
	if err := s.client.Get(ctx, client.ObjectKey{Namespace: claim.Namespace, Name: from.Name}, snapshot); err != nil {
		return "", err
	}
	if snapshot.Status == nil || snapshot.Status.BoundVolumeSnapshotContentName == nil {
		return "", fmt.Errorf("the VolumeSnapshot %s is not ready", from.Name)
	}
	if err := s.client.Get(ctx, client.ObjectKey{Name: *snapshot.Status.BoundVolumeSnapshotContentName}, content); err != nil {
		return "", err
	}
	if content.Status == nil || content.Status.SnapshotHandle == nil {
		return "", fmt.Errorf("the VolumeSnapshotContent %s is not ready", content.Name)
	}
	return *content.Status.SnapshotHandle, nil
}
