// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// ErrOneDirectory is for a class whose volumes are all the same directory, into which
// nothing is restored: others have their files there.
var ErrOneDirectory = errors.New("the volumes of this class are one directory: name a class with the parameter volumeAs: subpath")

// FileSystemTarget is the volume that the files of a snapshot are restored into. The
// zero one is a new directory in the storage that they were in.
type FileSystemTarget struct {
	// Class is the StorageClass that the volume is provisioned by, and Provisioner its driver.
	Class       string `json:"class,omitempty"`
	Provisioner string `json:"provisioner,omitempty"`
	// Size and Modes are those of the claim that is the order for it.
	Size  resource.Quantity                   `json:"size,omitzero"`
	Modes []corev1.PersistentVolumeAccessMode `json:"modes,omitempty"`
	// ByRule says that the settings name the class. Else it is the one that the volume had.
	ByRule bool `json:"byRule,omitempty"`
}

// String returns what is noted on a PersistentVolume as volume.AnnotationTarget.
func (t *FileSystemTarget) String() string {
	text, _ := json.Marshal(t) //nolint:errchkjson // texts, flags and a quantity
	return string(text)
}

// notedTarget returns what is noted on pv, nil where nothing is.
func notedTarget(pv *corev1.PersistentVolume) (*FileSystemTarget, error) {
	text, noted := pv.Annotations[volume.AnnotationTarget]
	if !noted {
		return nil, nil //nolint:nilnil // nothing is noted
	}
	target := &FileSystemTarget{}
	if err := json.Unmarshal([]byte(text), target); err != nil {
		return nil, fmt.Errorf("reading the annotation %s of the PersistentVolume %s: %w", volume.AnnotationTarget, pv.Name, err)
	}
	return target, nil
}

// FileSystemTarget returns what the files of the snapshot of a volume are restored
// into. That is a volume of the class that the settings name, as DiskTarget says, of
// whichever kind; else one of the class that pv has, where this cluster has it and it
// provisions storage of that kind; else a new directory.
//
// pv is the PersistentVolume as it is restored. The action storage-class-mapping notes
// the answer on it (volume.AnnotationTarget), which holds from then on. Before, it is
// to have the names of the backed-up cluster.
//
// Its errors are those of DiskTarget, and ErrOneDirectory.
func (t *Targets) FileSystemTarget(ctx context.Context, restore *velerov1.Restore, pv *corev1.PersistentVolume) (FileSystemTarget, error) {
	noted, err := notedTarget(pv)
	switch {
	case err != nil:
		return FileSystemTarget{}, err
	case noted != nil:
		return *noted, nil
	}
	filled, err := t.fill(ctx, restore, claimOfVolume(pv), t.classes)
	if err == nil {
		err = filled.unread
	}
	if err != nil {
		return FileSystemTarget{}, err
	}
	return *filled.plan.Target, nil
}

// claimOfVolume returns what the claim of pv was.
func claimOfVolume(pv *corev1.PersistentVolume) claimed {
	had := claimed{
		modes:       pv.Spec.AccessModes,
		block:       volume.IsBlock(pv),
		size:        pv.Spec.Capacity[corev1.ResourceStorage],
		provisioner: provisionerOf(pv),
		into:        pv.Annotations[volume.AnnotationProvisioner],
	}
	had.StorageClass = volume.ClassOf(pv)
	if ref := pv.Spec.ClaimRef; ref != nil {
		had.Namespace, had.Name = ref.Namespace, ref.Name
	}
	return had
}

// provisionerOf returns the CSI driver that makes storage of the kind that pv is, ""
// where that is none's.
func provisionerOf(pv *corev1.PersistentVolume) string {
	kind := volume.KindOf(pv)
	switch {
	case pv.Spec.CSI != nil:
		return pv.Spec.CSI.Driver
	case kind == volume.KindDisk:
		return volume.DriverDisk
	case kind == volume.KindNAS:
		return volume.DriverNAS
	case kind == volume.KindOSS:
		return volume.DriverOSS
	default:
		return ""
	}
}

// filling is what becomes of a PersistentVolume whose files are restored.
type filling struct {
	plan Plan
	// disk is how its disk is shared, nil if it will be none.
	disk *sharing
	// unread says why the class is not known. The plan is then without what follows from it.
	unread error
}

// fill plans the volume that the files of a claim are restored into.
func (t *Targets) fill(ctx context.Context, restore *velerov1.Restore, had claimed, classes Classes) (filling, error) {
	conversion, substitute, err := t.conversion(ctx, settings.ForRestore(restore), had, classes.StorageClass)
	if err != nil {
		return filling{}, err
	}
	class, err := fillingClass(ctx, conversion, had, classes)
	unread := conversion.wrapClass(had.Claim, err)
	if unread != nil && !mayNotRead(unread) {
		return filling{}, t.refused.note(restore, had.Claim, "", unread)
	}
	plan := Plan{At: conversion.classAt(), Class: string(conversion.Class), Capacity: conversion.size()}
	if substitute {
		plan.Missing = had.StorageClass
	}
	disk, err := plan.setDisk(conversion, had, class)
	if err == nil {
		err = conversion.checkCapacity(had.size)
	}
	if err != nil {
		return filling{}, t.refused.note(restore, had.Claim, "", conversion.wrap(had.Claim, err))
	}
	if unread == nil {
		plan.Target = plan.target(class, had)
	}
	return filling{plan: plan, disk: disk, unread: unread}, nil
}

// fillingClass returns the class that the volume is provisioned by, nil where it is a
// new directory.
func fillingClass(ctx context.Context, conversion Conversion, had claimed, classes Classes) (*storagev1.StorageClass, error) {
	if conversion.Class == "" {
		return ownClass(ctx, had, classes)
	}
	class, err := targetClass(ctx, conversion.Class, had.provisioner, classes)
	if err == nil && !conversion.Upstream {
		err = checkZones(ctx, class, classes)
	}
	if err == nil {
		err = had.checkClass(class)
	}
	if err == nil && isOneDirectory(class) {
		err = fmt.Errorf("StorageClass %s: %w", class.Name, ErrOneDirectory)
	}
	return class, err
}

// ownClass returns the class that the volume had if that provisions storage of the
// same kind here, else nil.
func ownClass(ctx context.Context, had claimed, classes Classes) (*storagev1.StorageClass, error) {
	if had.StorageClass == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	class, err := classes.StorageClass(ctx, had.StorageClass)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // there is none
	case err != nil:
		return nil, &readError{fmt.Errorf("reading the StorageClass %s: %w", had.StorageClass, err)}
	case class.Provisioner != had.provisioner || isOneDirectory(class):
		return nil, nil //nolint:nilnil // it makes none
	}
	return class, nil
}

// isOneDirectory tells whether all volumes of a class are the same directory, which may
// be the very one that was backed up. Source: github.com/kubernetes-sigs/alibaba-cloud-csi-driver,
// pkg/nas/sharepath_controller.go and pkg/oss/utils.go, parseVolumeAsOptions.
func isOneDirectory(class *storagev1.StorageClass) bool {
	switch class.Provisioner {
	case volume.DriverNAS:
		return class.Parameters["volumeAs"] == "sharepath"
	case volume.DriverOSS:
		as := volume.Parameter(class.Parameters, "volumeAs")
		return as != "subpath" && as != "bucketspace"
	default:
		return false
	}
}

// target returns what is planned for a volume that is provisioned by class, nil for a
// new directory.
func (p *Plan) target(class *storagev1.StorageClass, had claimed) *FileSystemTarget {
	if class == nil {
		return &FileSystemTarget{}
	}
	target := &FileSystemTarget{
		Class: class.Name, Provisioner: class.Provisioner, Size: p.sizeOf(had.size), Modes: had.modes, ByRule: p.Class != "",
	}
	switch {
	case p.Modes != nil:
		target.Modes = p.Modes
	case p.OneNode:
		target.Modes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	return target
}
