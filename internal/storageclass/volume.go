// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"context"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Volume plans a PersistentVolume, which is item by now. Its error is that of the
// settings or of the API server, or says why the conversion that the settings ask
// for cannot be carried out; the claim of the volume is then refused too.
func (p *Planner) Volume(ctx context.Context, restore *velerov1.Restore, fromBackup, item *corev1.PersistentVolume) (Plan, error) {
	v, done := p.look(restore)
	defer done()
	had := claimOfVolume(fromBackup)
	claim := had.Claim
	becomes := restoredOf(item)
	var plan Plan
	var err error
	switch {
	case isFilled(fromBackup, item):
		had.into = item.Annotations[volume.AnnotationProvisioner]
		plan, becomes.disk, err = p.filled(ctx, v, had)
	case !isNewDisk(fromBackup, item):
		plan, becomes, err = p.reattached(ctx, v, claim, fromBackup, item)
	case p.targets.keptAsItWas(restore, volume.DiskID(item)):
		plan, err = p.madeAsItWas(ctx, v, claim, fromBackup)
	default:
		plan, err = p.newDisk(ctx, v, claim, fromBackup)
	}
	if err != nil {
		return Plan{}, err
	}
	v.volumes[fromBackup.Name] = plan.on(fromBackup, becomes)
	return plan, nil
}

// on returns what becomes of a PersistentVolume by the plan.
func (p *Plan) on(fromBackup *corev1.PersistentVolume, planned restored) restored {
	planned.at = p.At
	if p.Class != "" {
		planned.class = p.Class
	}
	if planned.class == volume.ClassOf(fromBackup) {
		planned.class = ""
	}
	planned.size = p.sizeOf(planned.size)
	if planned.disk != nil && p.MultiAttach != nil {
		planned.disk.multiAttach = *p.MultiAttach
	}
	return planned
}

// isFilled tells whether the files of a PersistentVolume are restored. One that was
// backed up while an earlier restore filled it has the id of that.
func isFilled(fromBackup, item *corev1.PersistentVolume) bool {
	id := volume.PendingID(item)
	return id != "" && id != volume.PendingID(fromBackup)
}

// filled plans the PersistentVolume of a file system, as Targets.FileSystemTarget
// answers, and returns how its disk is shared, nil if it becomes none.
func (p *Planner) filled(ctx context.Context, v *view, had claimed) (Plan, *sharing, error) {
	filled, err := p.targets.fill(ctx, v.restore, had, v)
	return filled.plan, filled.disk, err
}

// isNewDisk tells whether the disk of a PersistentVolume is not the one that was
// backed up. One that is still to be made has an id that says so.
func isNewDisk(fromBackup, item *corev1.PersistentVolume) bool {
	id := volume.DiskID(item)
	return id != "" && id != volume.DiskID(fromBackup)
}

// newDisk plans the PersistentVolume of a disk that is made of a snapshot, with what
// Targets.DiskTarget asked of the disk.
func (p *Planner) newDisk(ctx context.Context, v *view, claim diskspec.Claim, pv *corev1.PersistentVolume) (Plan, error) {
	conversion, substitute, err := p.targets.conversion(ctx, settings.ForRestore(v.restore), claimOfDisk(claim), v.StorageClass)
	if err != nil && !mayNotRead(err) {
		return Plan{}, err
	}
	target, err := diskTarget(ctx, conversion, v)
	known := err == nil
	if !known && !mayNotRead(err) {
		return Plan{}, p.targets.refused.note(v.restore, claim, pv.Name, conversion.wrapClass(claim, err))
	}
	if volume.FormOf(pv) == volume.FormFlexVolume {
		target.MultiAttach = nil // It would be an attribute that FlexVolumes do not have.
	}
	disk := sharingOf(pv)
	if target.MultiAttach != nil {
		disk.multiAttach = *target.MultiAttach
	}
	if err := conversion.check(claim, pv.Spec.Capacity[corev1.ResourceStorage], disk); known && err != nil {
		return Plan{}, p.targets.refused.note(v.restore, claim, pv.Name, conversion.wrap(claim, err))
	}
	plan := Plan{
		At: conversion.classAt(), Class: string(conversion.Class), Modes: conversion.Modes(), Capacity: conversion.size(),
		MultiAttach: target.MultiAttach, LeastSize: leastSize(target.Types),
	}
	plan.OneNode = plan.Modes == nil && !disk.allowsAll(pv.Spec.AccessModes)
	if substitute || conversion.Class == "" && v.lacks(ctx, claim.StorageClass) {
		plan.Missing = claim.StorageClass
	}
	return plan, nil
}

// reattached plans the PersistentVolume of a volume that is the one that was backed
// up, and returns the one that its claim will find. Velero restores none over another
// of that name in the cluster: a restore before this one may have made that, and a
// new disk for it.
func (p *Planner) reattached(ctx context.Context, v *view, claim diskspec.Claim, fromBackup, item *corev1.PersistentVolume) (Plan, restored, error) {
	here, err := v.volumeNamed(ctx, item.Name)
	if err != nil {
		return Plan{}, restored{}, fmt.Errorf("looking for the PersistentVolume %s in the cluster: %w", item.Name, err)
	}
	pv, there := fromBackup, item
	if here != nil {
		pv, there = here, here
	}
	plan, err := p.asItWas(ctx, v, claim, fromBackup, pv)
	return plan, restoredOf(there), err
}

// madeAsItWas plans the PersistentVolume of a disk that was made of a snapshot when
// nothing told of which claim it is. The disk is there, and is not to be left without
// its PersistentVolume: what is refused is refused for the claim alone.
func (p *Planner) madeAsItWas(ctx context.Context, v *view, claim diskspec.Claim, pv *corev1.PersistentVolume) (Plan, error) {
	plan, err := p.asItWas(ctx, v, claim, pv, pv)
	if err != nil && p.targets.refused.find(v.restore, claim, pv.Name) == nil {
		return Plan{}, err
	}
	plan.LeastSize = leastSize(nil)
	return plan, nil
}

// asItWas plans the PersistentVolume of a volume that no conversion reaches: that of pv.
func (p *Planner) asItWas(ctx context.Context, v *view, claim diskspec.Claim, fromBackup, pv *corev1.PersistentVolume) (Plan, error) {
	mapping, err := p.mapping(ctx, v.restore)
	if err != nil {
		return Plan{}, err
	}
	conversion, _ := mapping.FindByName(claim)
	plan := Plan{At: conversion.At}
	if err := checkKind(ctx, conversion.Class, pv, v); err != nil && !mayNotRead(err) {
		return Plan{}, p.targets.refused.note(v.restore, claim, fromBackup.Name, conversion.wrap(claim, err))
	}
	if string(conversion.Class) != volume.ClassOf(pv) {
		plan.Kept = string(conversion.Class)
	}
	if err := plan.setModes(claim, conversion, fromBackup.Spec.AccessModes, diskOf(pv)); err != nil {
		return Plan{}, p.targets.refused.note(v.restore, claim, fromBackup.Name, conversion.wrap(claim, err))
	}
	if err := conversion.checkCapacity(pv.Spec.Capacity[corev1.ResourceStorage]); err != nil {
		return Plan{}, p.targets.refused.note(v.restore, claim, fromBackup.Name, conversion.wrap(claim, err))
	}
	return plan, nil
}

// checkKind refuses a class of another storage than that of pv. Nothing is made of the
// class: it may be missing, and its disks need not wait for their Pods.
func checkKind(ctx context.Context, name TargetClass, pv *corev1.PersistentVolume, classes Classes) error {
	if name == "" {
		return nil
	}
	class, err := classes.StorageClass(ctx, string(name))
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	kind := volume.KindOf(pv)
	switch class.Provisioner {
	case volume.DriverDisk:
		if kind == volume.KindDisk {
			return nil
		}
	case volume.DriverNAS:
		if kind == volume.KindNAS || kind == volume.KindCPFS {
			return nil
		}
	case volume.DriverOSS:
		if kind == volume.KindOSS {
			return nil
		}
	}
	return fmt.Errorf("%w: the volume is restored as the %s that it was, and the provisioner of %s is %s: "+
		"back its data up with a file-system backup, or leave it out of the rule", ErrProvisioner, kind, class.Name, class.Provisioner)
}

// diskOf returns by how many nodes the disk of pv can be mounted, nil if it is none.
func diskOf(pv *corev1.PersistentVolume) *sharing {
	if volume.KindOf(pv) != volume.KindDisk {
		return nil
	}
	disk := sharingOf(pv)
	return &disk
}

// sharingOf returns what pv tells of the sharing of its disk. The driver looks for it
// there when it attaches the disk; FlexVolumes have no such option.
func sharingOf(pv *corev1.PersistentVolume) sharing {
	disk := sharing{block: volume.IsBlock(pv)}
	if pv.Spec.CSI != nil {
		disk.multiAttach = isTrue(multiAttach(pv.Spec.CSI.VolumeAttributes))
	}
	return disk
}
