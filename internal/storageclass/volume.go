// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"context"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"

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
	claim := diskspec.Claim{StorageClass: className(fromBackup.Annotations, fromBackup.Spec.StorageClassName)}
	if ref := fromBackup.Spec.ClaimRef; ref != nil {
		claim.Namespace, claim.Name = ref.Namespace, ref.Name
	}
	plan := p.reattached
	if isNewDisk(fromBackup, item) {
		plan = p.newDisk
	}
	planned, err := plan(ctx, v, claim, fromBackup)
	if err != nil {
		return Plan{}, err
	}
	v.volumes[fromBackup.Name] = planned.on(item)
	return planned, nil
}

// on returns what becomes of a PersistentVolume by the plan.
func (p *Plan) on(pv *corev1.PersistentVolume) restored {
	planned := restored{
		class: className(pv.Annotations, pv.Spec.StorageClassName), size: pv.Spec.Capacity[corev1.ResourceStorage], disk: diskOf(pv),
	}
	if p.Class != "" {
		planned.class = p.Class
	}
	for _, size := range []*resource.Quantity{p.Capacity, p.LeastSize} {
		if size != nil && size.Cmp(planned.size) > 0 {
			planned.size = *size
		}
	}
	if planned.disk != nil && p.MultiAttach != nil {
		planned.disk.multiAttach = *p.MultiAttach
	}
	return planned
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
	conversion, substitute, err := p.targets.conversion(ctx, settings.ForRestore(v.restore), claim, v.StorageClass)
	if err != nil && !mayNotRead(err) {
		return Plan{}, err
	}
	target, err := diskTarget(ctx, conversion, claim, v)
	if err != nil && !mayNotRead(err) {
		return Plan{}, p.targets.refused.note(v.restore, claim, conversion.wrap(claim, err))
	}
	plan := Plan{
		At: conversion.At, Class: string(conversion.Class), Modes: conversion.Modes(),
		MultiAttach: target.MultiAttach, LeastSize: leastSize(target.Types),
	}
	if conversion.Capacity != nil {
		plan.Capacity = &conversion.Capacity.Quantity
	}
	if volume.FormOf(pv) == volume.FormFlexVolume {
		plan.MultiAttach = nil // It would be an attribute that FlexVolumes do not have.
	}
	disk := sharingOf(pv)
	if plan.MultiAttach != nil {
		disk.multiAttach = *plan.MultiAttach
	}
	// Modes that a rule asks for and that the disk cannot have are refused for the claim:
	// the disk is made, and is not to be left without its PersistentVolume.
	plan.OneNode = plan.Modes == nil && !disk.allowsAll(pv.Spec.AccessModes)
	if substitute || conversion.Class == "" && v.lacks(ctx, claim.StorageClass) {
		plan.Missing = claim.StorageClass
	}
	return plan, nil
}

// reattached plans the PersistentVolume of a volume that is the one that was backed up.
func (p *Planner) reattached(ctx context.Context, v *view, claim diskspec.Claim, pv *corev1.PersistentVolume) (Plan, error) {
	mapping, err := p.mapping(ctx, v.restore)
	if err != nil {
		return Plan{}, err
	}
	conversion, _ := mapping.FindByName(claim)
	plan := Plan{At: conversion.At}
	if err := checkReattached(ctx, conversion.Class, pv, v); err != nil && !mayNotRead(err) {
		return Plan{}, p.targets.refused.note(v.restore, claim, conversion.wrap(claim, err))
	}
	if string(conversion.Class) != claim.StorageClass {
		plan.Kept = string(conversion.Class)
	}
	if err := plan.setModes(claim, conversion, pv.Spec.AccessModes, diskOf(pv)); err != nil {
		return Plan{}, p.targets.refused.note(v.restore, claim, conversion.wrap(claim, err))
	}
	if err := conversion.checkCapacity(pv.Spec.Capacity[corev1.ResourceStorage]); err != nil {
		return Plan{}, p.targets.refused.note(v.restore, claim, conversion.wrap(claim, err))
	}
	return plan, nil
}

// checkReattached refuses a class of another storage than that of pv.
func checkReattached(ctx context.Context, name TargetClass, pv *corev1.PersistentVolume, classes Classes) error {
	if name == "" {
		return nil
	}
	class, err := targetClass(ctx, name, classes)
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
	return fmt.Errorf("%w: the volume is restored as the %s that it was, because it has no snapshot and its reclaim policy is not Delete, and the provisioner of %s is %s: "+
		"back it up with its data, or leave it out of the rule", ErrProvisioner, kind, class.Name, class.Provisioner)
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

// lacks tells whether the cluster has no class of that name, as far as it may be read.
func (v *view) lacks(ctx context.Context, name string) bool {
	if name == "" {
		return false
	}
	_, err := v.StorageClass(ctx, name)
	return apierrors.IsNotFound(err)
}
