// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// The ways in which a volume comes back.
const (
	// provisioned anew: its data was not backed up, and its reclaim policy is Delete.
	provisioned = "provisioned"
	// ofFiles is provisioned anew: its data comes from a file-system backup. Its reclaim policy is Retain.
	ofFiles = "provisioned, and filled"
	// ofSnapshot is a disk that is made of a snapshot.
	ofSnapshot = "made of a snapshot"
	// reattached is the volume that it was: its data was not backed up, and its reclaim policy is Retain.
	reattached = "reattached"
)

const (
	ebsDriver = "ebs.csi.aws.com"
	efsDriver = "efs.csi.aws.com"
)

// source is a claim with its volume, as it is backed up.
type source struct {
	// comes is how the volume comes back.
	comes  string
	driver string
	// class is "" for none.
	class string
	// annotated says that an annotation names the class, as of old.
	annotated bool
	// mode is by default ReadWriteOnce.
	mode  corev1.PersistentVolumeAccessMode
	size  string
	block bool
}

// target is what a claim is after a conversion.
type target struct {
	// driver is that of its volume.
	driver string
	class  string
	modes  []corev1.PersistentVolumeAccessMode
	size   string
	// disk is the category, and the performance level where there are any.
	disk string
}

// conversion is one that the rules allow.
type conversion struct {
	name  string
	claim string
	from  source
	// rule is what the rule for the claim asks for; "" if none names it.
	rule string
	want target
}

// refusal is a conversion that the rules do not allow.
type refusal struct {
	name  string
	claim string
	from  source
	rule  string
	// message is a part of what the restore says of it.
	message string
}

// createConversionClasses creates the classes of the cluster that is restored to. Those of the claims are not there.
func (s *diskSuite) createConversionClasses(t *testing.T) {
	t.Helper()
	for name, options := range map[string]classOptions{
		"conversion-essd":   {provisioner: diskDriver, parameters: map[string]string{"type": "cloud_essd"}},
		"conversion-ssd":    {provisioner: diskDriver, parameters: map[string]string{"type": "cloud_ssd"}},
		"conversion-pl2":    {provisioner: diskDriver, parameters: map[string]string{"type": "cloud_essd", "performanceLevel": "PL2"}},
		"conversion-shared": {provisioner: diskDriver, parameters: map[string]string{"type": "cloud_essd", "multiAttach": "true"}},
		"conversion-now":    {provisioner: diskDriver, parameters: map[string]string{"type": "cloud_essd"}, immediate: true},
		"conversion-nas":    {provisioner: nasDriver, immediate: true},
		"conversion-oss":    {provisioner: ossDriver, immediate: true},
		"conversion-ebs":    {provisioner: ebsDriver},
	} {
		s.createClassOf(t, name, options)
	}
}

// allowedConversions are of each kind that docs/restore-settings.md has under "What is converted".
func allowedConversions() []conversion {
	once := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	oncePod := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}
	many := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
	read := []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany}
	disk := source{comes: provisioned, driver: diskDriver, class: "ssd-there", size: "20Gi"}
	nas := source{comes: provisioned, driver: nasDriver, class: "nas-there", mode: corev1.ReadWriteMany, size: "10Gi"}
	ebs := source{comes: provisioned, driver: ebsDriver, class: "gp2", size: "4Gi"}
	efs := source{comes: provisioned, driver: efsDriver, class: "efs", mode: corev1.ReadWriteMany, size: "5Gi"}
	snapshot := source{comes: ofSnapshot, driver: diskDriver, class: "ssd-there", size: "20Gi"}
	old := source{comes: reattached, driver: diskDriver, class: "ssd-there", size: "20Gi"}
	oldNAS := source{comes: reattached, driver: nasDriver, class: "nas-there", mode: corev1.ReadWriteMany, size: "10Gi"}
	essd := target{driver: diskDriver, class: "conversion-essd", modes: once, size: "20Gi", disk: "cloud_essd.PL1"}
	return []conversion{
		{
			name: "a disk becomes a NAS file system", claim: "disk-to-nas", from: disk, rule: "class: conversion-nas",
			want: target{driver: nasDriver, class: "conversion-nas", modes: once, size: "20Gi"},
		},
		{
			name: "a disk becomes one of another category that is larger", claim: "disk-to-ssd", from: disk,
			rule: "class: conversion-ssd, capacity: 40Gi",
			want: target{driver: diskDriver, class: "conversion-ssd", modes: once, size: "40Gi", disk: "cloud_ssd"},
		},
		{
			name: "a disk gets the least size of its new performance level", claim: "disk-to-pl2", from: disk, rule: "class: conversion-pl2",
			want: target{driver: diskDriver, class: "conversion-pl2", modes: once, size: "461Gi", disk: "cloud_essd.PL2"},
		},
		{
			name: "a block device stays one", claim: "block-to-essd", from: disk.asBlock(), rule: "class: conversion-essd", want: essd,
		},
		{
			name: "a NAS file system becomes a disk that one node mounts, of the least size", claim: "nas-to-disk", from: nas,
			rule: "class: conversion-essd", want: essd,
		},
		{
			name: "a NAS file system becomes a bucket", claim: "nas-to-oss", from: nas, rule: "class: conversion-oss",
			want: target{driver: ossDriver, class: "conversion-oss", modes: many, size: "10Gi"},
		},
		{
			name: "a NAS file system that is read becomes a disk that several nodes attach", claim: "nas-to-shared", from: nas,
			rule: "class: conversion-shared, accessModes: [ReadOnlyMany]",
			want: target{driver: diskDriver, class: "conversion-shared", modes: read, size: "20Gi", disk: "cloud_essd.PL1"},
		},
		{
			name: "a volume of another cloud becomes a disk by the short form", claim: "gp2-to-disk", from: ebs, want: essd,
		},
		{
			name: "a volume of another cloud becomes a file system that is shared", claim: "gp2-to-nas", from: ebs,
			rule: "class: conversion-nas, accessModes: [ReadWriteMany]",
			want: target{driver: nasDriver, class: "conversion-nas", modes: many, size: "4Gi"},
		},
		{
			name: "a volume of another cloud that is shared becomes a disk as the rule has it", claim: "efs-to-disk", from: efs,
			rule: "class: conversion-essd, convertToAccessModes: [ReadWriteOncePod]",
			want: target{driver: diskDriver, class: "conversion-essd", modes: oncePod, size: "20Gi", disk: "cloud_essd.PL1"},
		},
		{
			name: "a volume without a class becomes a disk", claim: "none-to-disk",
			from: source{comes: provisioned, driver: ebsDriver, size: "4Gi"}, rule: "class: conversion-essd", want: essd,
		},
		{
			name: "a class that an old annotation names is found", claim: "beta-to-disk",
			from: source{comes: provisioned, driver: ebsDriver, class: "gp2", annotated: true, size: "4Gi"},
			rule: "class: conversion-essd, capacity: 30Gi",
			want: target{driver: diskDriver, class: "conversion-essd", modes: once, size: "30Gi", disk: "cloud_essd.PL1"},
		},
		{
			name: "a missing class of another cloud gives way to that for disks", claim: "missing-to-disk",
			from: source{comes: provisioned, driver: ebsDriver, class: "gp3", size: "4Gi"}, want: essd,
		},
		{
			name: "a missing class whose volumes are shared gives way to that for file systems", claim: "missing-to-nas", from: efs,
			want: target{driver: nasDriver, class: "conversion-nas", modes: many, size: "5Gi"},
		},
		{
			name: "a disk whose files were backed up becomes a file system", claim: "files-to-nas",
			from: source{comes: ofFiles, driver: diskDriver, class: "ssd-there", size: "20Gi"},
			rule: "class: conversion-nas, accessModes: [ReadWriteMany]",
			want: target{driver: nasDriver, class: "conversion-nas", modes: many, size: "20Gi"},
		},
		{
			name: "a file system whose files were backed up becomes a disk", claim: "files-to-disk",
			from: source{comes: ofFiles, driver: nasDriver, class: "nas-there", mode: corev1.ReadWriteMany, size: "10Gi"},
			rule: "class: conversion-essd", want: essd,
		},
		{
			name: "the disk of a snapshot is made as one of another category that is larger", claim: "snapshot-to-ssd", from: snapshot,
			rule: "class: conversion-ssd, capacity: 40Gi",
			want: target{driver: diskDriver, class: "conversion-ssd", modes: once, size: "40Gi", disk: "cloud_ssd"},
		},
		{
			name: "the disk of a snapshot is made with the least size of its new performance level", claim: "snapshot-to-pl2", from: snapshot,
			rule: "class: conversion-pl2",
			want: target{driver: diskDriver, class: "conversion-pl2", modes: once, size: "461Gi", disk: "cloud_essd.PL2"},
		},
		{
			name: "the disk of a snapshot gets the modes of the rule", claim: "snapshot-modes", from: snapshot.inMode(corev1.ReadWriteMany),
			rule: "class: conversion-essd, accessModes: [ReadWriteOncePod]",
			want: target{driver: diskDriver, class: "conversion-essd", modes: oncePod, size: "20Gi", disk: "cloud_essd.PL1"},
		},
		{
			name: "the disk of a snapshot gets the class in place of a missing one, and modes that it has", claim: "snapshot-missing",
			from: snapshot.inMode(corev1.ReadWriteMany), want: essd,
		},
		{
			name: "a disk that is reattached keeps its class where the new one is of disks", claim: "kept", from: old, rule: "class: conversion-essd",
			want: target{driver: diskDriver, class: "ssd-there", modes: once, size: "20Gi", disk: "cloud_essd.PL1"},
		},
		{
			name: "a disk that is reattached is asked to grow", claim: "grown", from: old, rule: "capacity: 40Gi",
			want: target{driver: diskDriver, class: "ssd-there", modes: once, size: "40Gi", disk: "cloud_essd.PL1"},
		},
		{
			name: "a disk that is reattached gets the modes of the rule", claim: "old-modes", from: old.inMode(corev1.ReadWriteMany),
			rule: "accessModes: [ReadWriteOnce]",
			want: target{driver: diskDriver, class: "ssd-there", modes: once, size: "20Gi", disk: "cloud_essd.PL1"},
		},
		{
			name: "a file system that is reattached gets the modes of the rule", claim: "old-nas", from: oldNAS,
			rule: "class: conversion-nas, accessModes: [ReadOnlyMany]",
			want: target{driver: nasDriver, class: "nas-there", modes: read, size: "10Gi"},
		},
	}
}

// refusedConversions are of each kind that docs/restore-settings.md has under "What is converted".
func refusedConversions() []refusal {
	const provisioner = "only support convert to storageclass with CSI diskplugin or nasplugin provisioner"
	disk := source{comes: provisioned, driver: diskDriver, class: "ssd-there", size: "20Gi"}
	snapshot := source{comes: ofSnapshot, driver: diskDriver, class: "ssd-there", size: "20Gi"}
	return []refusal{
		{
			name: "a snapshot of a disk does not become a file system", claim: "refused-snapshot", from: snapshot,
			rule: "class: conversion-nas", message: provisioner,
		},
		{
			name: "a disk that is reattached does not become a file system", claim: "refused-old-disk",
			from: source{comes: reattached, driver: diskDriver, class: "ssd-there", size: "20Gi"},
			rule: "class: conversion-nas", message: provisioner,
		},
		{
			name: "a file system that is reattached does not become a disk", claim: "refused-old-nas",
			from: source{comes: reattached, driver: nasDriver, class: "nas-there", mode: corev1.ReadWriteMany, size: "10Gi"},
			rule: "class: conversion-essd", message: provisioner,
		},
		{
			name: "a block device does not become a file system", claim: "refused-block", from: disk.asBlock(),
			rule: "class: conversion-nas", message: provisioner,
		},
		{
			name: "nothing becomes a volume of another cloud", claim: "refused-ebs", from: disk,
			rule: "class: conversion-ebs", message: provisioner,
		},
		{
			name: "a class must be there", claim: "refused-missing", from: disk,
			rule: "class: conversion-nowhere", message: "storageclass conversion-nowhere not exists",
		},
		{
			name: "a class must be there for a snapshot", claim: "refused-snapshot-missing", from: snapshot,
			rule: "class: conversion-nowhere", message: "storageclass conversion-nowhere not exists",
		},
		{
			name: "in several zones a class must wait for the Pod", claim: "refused-zones", from: disk,
			rule: "class: conversion-now", message: "current cluster is multi-zoned",
		},
		{
			name: "a disk is not shared", claim: "refused-shared", from: disk, rule: "class: conversion-essd, accessModes: [ReadWriteMany]",
			message: "accessMode of PVC conversion/refused-shared is ReadWriteMany",
		},
		{
			name: "the disk of a snapshot is not shared", claim: "refused-snapshot-shared", from: snapshot,
			rule:    "class: conversion-essd, accessModes: [ReadWriteMany]",
			message: "accessMode of PVC conversion/refused-snapshot-shared is ReadWriteMany",
		},
		{
			name: "the disk of a snapshot is not shared with its file system, whatever its class", claim: "refused-snapshot-writers", from: snapshot,
			rule:    "class: conversion-shared, accessModes: [ReadWriteMany]",
			message: "accessMode of PVC conversion/refused-snapshot-writers is ReadWriteMany",
		},
		{
			name: "a volume does not shrink", claim: "refused-smaller", from: source{comes: provisioned, driver: ebsDriver, class: "gp2", size: "50Gi"},
			rule: "class: conversion-essd, capacity: 40Gi", message: "a volume does not become smaller than it was",
		},
		{
			name: "a disk that is reattached does not shrink", claim: "refused-old-smaller",
			from: source{comes: reattached, driver: diskDriver, class: "ssd-there", size: "50Gi"},
			rule: "capacity: 40Gi", message: "a volume does not become smaller than it was",
		},
		{
			name: "the disk of a snapshot does not shrink", claim: "refused-snapshot-smaller",
			from: source{comes: ofSnapshot, driver: diskDriver, class: "ssd-there", size: "50Gi"},
			rule: "capacity: 40Gi", message: "a volume does not become smaller than it was",
		},
	}
}

func (from source) asBlock() source {
	from.block = true
	return from
}

func (from source) inMode(mode corev1.PersistentVolumeAccessMode) source {
	from.mode = mode
	return from
}
