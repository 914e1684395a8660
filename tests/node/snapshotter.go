// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// This file is what the snapshot controller and the snapshotter beside the driver of disks do.

// cutSnapshots makes the snapshots of VolumeSnapshots that have none, once their claims are bound.
func (r *round) cutSnapshots(ctx context.Context) error {
	var all snapshotv1.VolumeSnapshotList
	if err := r.client.List(ctx, &all); err != nil {
		return fmt.Errorf("list the VolumeSnapshots: %w", err)
	}
	var errs []error
	for i := range all.Items {
		wanted := &all.Items[i]
		pv := r.volumeOf(wanted)
		if wanted.DeletionTimestamp != nil || wanted.Status != nil || pv == nil {
			continue
		}
		if err := r.cutSnapshot(ctx, wanted, pv); err != nil {
			errs = append(errs, fmt.Errorf("make the VolumeSnapshot %s/%s: %w", wanted.Namespace, wanted.Name, err))
		}
	}
	return errors.Join(errs...)
}

// volumeOf returns the volume of the claim that a VolumeSnapshot is to be of. It is nil where there is none yet, and for a
// VolumeSnapshot whose content is there.
func (r *round) volumeOf(wanted *snapshotv1.VolumeSnapshot) *corev1.PersistentVolume {
	if wanted.Spec.Source.PersistentVolumeClaimName == nil || !r.concerns(wanted.Namespace) {
		return nil
	}
	claim := r.claim(wanted.Namespace, *wanted.Spec.Source.PersistentVolumeClaimName)
	if claim == nil {
		return nil
	}
	return r.volume(claim.Spec.VolumeName)
}

// cutSnapshot makes the snapshot of a disk, its content, and says in both that it can be used.
func (r *round) cutSnapshot(ctx context.Context, wanted *snapshotv1.VolumeSnapshot, pv *corev1.PersistentVolume) error {
	class, err := provisioner.SnapshotClass(ctx, r.client, wanted)
	if err != nil {
		return err
	}
	content, err := provisioner.SnapshotContent(wanted, class, pv)
	if err != nil {
		return err
	}
	disk, err := r.disk(*content.Spec.Source.VolumeHandle)
	if err != nil {
		return err
	}
	days, err := strconv.ParseInt(cmp.Or(class.Parameters["retentionDays"], "0"), 10, 64)
	if err != nil {
		return fmt.Errorf("the retentionDays of the class %s: %w", class.Name, err)
	}
	id, err := r.options.Cloud.ECS().AddSnapshot(ecs.SnapshotConfig{
		Account: r.options.Account, Region: disk.Region, Disk: disk.ID, Size: disk.Size, RetentionDays: days,
	})
	if err != nil {
		return err
	}
	if err := r.create(ctx, content); err != nil {
		return err
	}
	const gib = 1 << 30
	ready, size := true, disk.Size*gib
	err = patchStatus(ctx, r, content, func(c *snapshotv1.VolumeSnapshotContent) {
		c.Status = &snapshotv1.VolumeSnapshotContentStatus{SnapshotHandle: &id, ReadyToUse: &ready, RestoreSize: &size}
	})
	if err != nil {
		return err
	}
	return patchStatus(ctx, r, wanted, func(s *snapshotv1.VolumeSnapshot) {
		s.Status = &snapshotv1.VolumeSnapshotStatus{BoundVolumeSnapshotContentName: &content.Name, ReadyToUse: &ready}
	})
}

// disk returns a disk of the cloud.
func (r *round) disk(id string) (ecs.DiskInfo, error) {
	for _, disk := range r.options.Cloud.ECS().Disks() {
		if disk.ID == id {
			return disk, nil
		}
	}
	return ecs.DiskInfo{}, fmt.Errorf("there is no disk %s", id)
}

// endSnapshots keeps the contents of VolumeSnapshots that somebody else has made until they are deleted, and deletes the
// snapshots of those whose policy says so.
func (r *round) endSnapshots(ctx context.Context) error {
	var all snapshotv1.VolumeSnapshotContentList
	if err := r.client.List(ctx, &all); err != nil {
		return fmt.Errorf("list the VolumeSnapshotContents: %w", err)
	}
	var errs []error
	for i := range all.Items {
		if err := r.endSnapshot(ctx, &all.Items[i]); err != nil {
			errs = append(errs, fmt.Errorf("keep or delete the VolumeSnapshotContent %s: %w", all.Items[i].Name, err))
		}
	}
	return errors.Join(errs...)
}

func (r *round) endSnapshot(ctx context.Context, content *snapshotv1.VolumeSnapshotContent) error {
	isKept := controllerutil.ContainsFinalizer(content, provisioner.ContentProtection)
	switch {
	case content.Spec.Driver != diskDriver || isKept == (content.DeletionTimestamp == nil):
		return nil
	case !isKept:
		return patch(ctx, r, content, func(c *snapshotv1.VolumeSnapshotContent) {
			controllerutil.AddFinalizer(c, provisioner.ContentProtection)
		})
	}
	if id := snapshotOf(content); content.Spec.DeletionPolicy == snapshotv1.VolumeSnapshotContentDelete && id != "" {
		if err := r.options.Cloud.ECS().RemoveSnapshot(id); err != nil && !errors.Is(err, ecs.ErrNotFound) {
			return err
		}
	}
	return patch(ctx, r, content, func(c *snapshotv1.VolumeSnapshotContent) {
		controllerutil.RemoveFinalizer(c, provisioner.ContentProtection)
	})
}

// snapshotOf returns the id of the snapshot of a content, "" where there is none yet.
func snapshotOf(content *snapshotv1.VolumeSnapshotContent) string {
	switch {
	case content.Spec.Source.SnapshotHandle != nil:
		return *content.Spec.Source.SnapshotHandle
	case content.Status != nil && content.Status.SnapshotHandle != nil:
		return *content.Status.SnapshotHandle
	default:
		return ""
	}
}
