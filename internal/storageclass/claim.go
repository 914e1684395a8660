// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"context"
	"fmt"
	"maps"
	"slices"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Claim plans a claim, which is item by now. Its error is that of the settings or of
// the API server, or says why the conversion that the settings ask for cannot be
// carried out.
func (p *Planner) Claim(ctx context.Context, restore *velerov1.Restore, fromBackup, item *corev1.PersistentVolumeClaim) (Plan, error) {
	v, done := p.look(restore)
	defer done()
	had := claimOf(fromBackup, item)
	if err := p.targets.refused.find(restore, had.Claim, fromBackup.Spec.VolumeName); err != nil {
		return Plan{}, err
	}
	mapping, err := p.mapping(ctx, restore)
	if err != nil {
		return Plan{}, err
	}
	pv, found, err := v.volumeOf(ctx, fromBackup)
	if err != nil {
		return Plan{}, fmt.Errorf("finding the volume of the claim %s/%s: %w", had.Namespace, had.Name, err)
	}
	conversion, _ := mapping.FindByName(had.Claim)
	if found {
		return bound(conversion, had, pv)
	}
	if err := p.targets.refused.find(restore, had.Claim, ""); err != nil {
		// No volume is restored for the claim, so that it is the one that was refused.
		return Plan{}, err
	}
	if pv, found, err = v.volumeHere(ctx, item); err != nil {
		return Plan{}, fmt.Errorf("finding the volume of the claim %s/%s: %w", had.Namespace, had.Name, err)
	}
	if found {
		return boundHere(conversion, had, pv)
	}
	return provisioned(ctx, v, &mapping, had)
}

// Template plans a template of claims of a StatefulSet, which is item by now. What
// is planned is for claims that are yet to be made of it, whose volumes are
// provisioned. Rules see it as the first claim that the StatefulSet makes of it,
// named <template>-<StatefulSet>-0, with that claim's labels.
func (p *Planner) Template(ctx context.Context, restore *velerov1.Restore, set *appsv1.StatefulSet, fromBackup, item *corev1.PersistentVolumeClaim) (Plan, error) {
	v, done := p.look(restore)
	defer done()
	mapping, err := p.mapping(ctx, restore)
	if err != nil {
		return Plan{}, err
	}
	first := fromBackup.DeepCopy()
	ordinal := int32(0)
	if set.Spec.Ordinals != nil {
		ordinal = set.Spec.Ordinals.Start
	}
	first.Namespace, first.Name = set.Namespace, fmt.Sprintf("%s-%s-%d", fromBackup.Name, set.Name, ordinal)
	first.Labels = maps.Clone(fromBackup.Labels)
	if set.Spec.Selector != nil && len(set.Spec.Selector.MatchLabels) > 0 {
		if first.Labels == nil {
			first.Labels = make(map[string]string)
		}
		maps.Copy(first.Labels, set.Spec.Selector.MatchLabels)
	}
	had := claimOf(first, item)
	had.ofOnePod = true
	return provisioned(ctx, v, &mapping, had)
}

// claimed is what a claim was in the backup.
type claimed struct {
	diskspec.Claim
	labels map[string]string
	modes  []corev1.PersistentVolumeAccessMode
	block  bool
	// size is that of its volume, as far as the backup tells, else what it asks for.
	size resource.Quantity
	// provisioner made its volume, "" where that is not known.
	provisioner string
	// into is the provisioner whose volumes alone its files can be restored into, "" for any.
	into string
	// ofSnapshot says that its volume is to be made of a CSI snapshot.
	ofSnapshot bool
	// ofOnePod says that no two Pods have the claim.
	ofOnePod bool
	// selector is what its volume had to match, nil for none.
	selector *metav1.LabelSelector
	// attributesClass is the name of its VolumeAttributesClass, "" for none.
	attributesClass string
	// class is the one that the claim names by now, which Velero's change-storage-class
	// may have changed; nil where the API server chooses.
	class *string
}

func claimOf(fromBackup, item *corev1.PersistentVolumeClaim) claimed {
	had := claimed{
		Claim:  diskspec.Claim{Namespace: fromBackup.Namespace, Name: fromBackup.Name},
		labels: fromBackup.Labels,
		modes:  fromBackup.Spec.AccessModes,
		block:  isBlock(fromBackup.Spec.VolumeMode),
		size:   fromBackup.Spec.Resources.Requests[corev1.ResourceStorage],
		class:  classNamed(item),

		selector: fromBackup.Spec.Selector,

		ofSnapshot: isOfSnapshot(item),
	}
	if name := fromBackup.Spec.VolumeAttributesClassName; name != nil {
		had.attributesClass = *name
	}
	if class := classNamed(fromBackup); class != nil {
		had.StorageClass = *class
	}
	if size, ok := fromBackup.Status.Capacity[corev1.ResourceStorage]; ok {
		had.size = size
	}
	for _, key := range []string{"volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"} {
		if name := fromBackup.Annotations[key]; name != "" {
			had.provisioner = name
			break
		}
	}
	return had
}

// classNamed returns the class that a claim names: in the annotation, which comes first
// where it is, or in the field; nil for none.
func classNamed(claim *corev1.PersistentVolumeClaim) *string {
	if name, ok := claim.Annotations[corev1.BetaStorageClassAnnotation]; ok {
		return &name
	}
	return claim.Spec.StorageClassName
}

// isOfSnapshot tells whether the volume of a claim is to be made of a CSI snapshot.
// Velero's own csi-pvc-restorer, which comes before the actions of plugins, says so.
func isOfSnapshot(item *corev1.PersistentVolumeClaim) bool {
	const group, kind = "snapshot.storage.k8s.io", "VolumeSnapshot"
	if ref := item.Spec.DataSourceRef; ref != nil {
		return ref.Kind == kind && ref.APIGroup != nil && *ref.APIGroup == group
	}
	source := item.Spec.DataSource
	return source != nil && source.Kind == kind && source.APIGroup != nil && *source.APIGroup == group
}

// bound plans a claim whose PersistentVolume is restored: it gets the class that the
// PersistentVolume has got, and the size.
func bound(conversion Conversion, had claimed, pv restored) (Plan, error) {
	plan := Plan{At: conversion.At, Capacity: conversion.size()}
	if pv.class != "" && (had.class == nil || *had.class != pv.class) {
		plan.Class = pv.class
		if conversion.Class == "" {
			plan.At = pv.at
		}
	}
	if err := plan.setModes(had.Claim, conversion, had.modes, pv.disk); err != nil {
		return Plan{}, conversion.wrap(had.Claim, err)
	}
	if err := conversion.checkCapacity(had.size); err != nil {
		return Plan{}, conversion.wrap(had.Claim, err)
	}
	if pv.disk != nil && pv.size.Cmp(had.size) > 0 {
		plan.LeastSize = &pv.size
	}
	return plan, nil
}

// boundHere plans a claim whose PersistentVolume is in the cluster and not restored.
// That binds only a claim of its class that asks for no more than it has, so that no
// rule holds.
func boundHere(conversion Conversion, had claimed, pv restored) (Plan, error) {
	plan, err := bound(Conversion{}, had, pv)
	if err != nil {
		return Plan{}, err
	}
	plan.At = conversion.At
	if string(conversion.Class) != pv.class {
		plan.Kept = string(conversion.Class)
	}
	return plan, nil
}

// provisioned plans a claim whose volume is provisioned.
func provisioned(ctx context.Context, v *view, mapping *Mapping, had claimed) (Plan, error) {
	conversion, missing, class, err := conversionOf(ctx, v, mapping, had)
	if err != nil {
		return Plan{}, conversion.wrap(had.Claim, err)
	}
	plan := Plan{At: conversion.At, Class: string(conversion.Class), Capacity: conversion.size(), Missing: missing}
	if _, err := plan.setDisk(conversion, had, class); err != nil {
		return Plan{}, conversion.wrap(had.Claim, err)
	}
	if plan.Class == "" {
		return plan, nil
	}
	plan.Selector = had.selector
	if plan.AttributesClass, err = had.foreignAttributesClass(ctx, v, class); err != nil {
		return Plan{}, conversion.wrap(had.Claim, err)
	}
	return plan, nil
}

// foreignAttributesClass returns the VolumeAttributesClass of the claim where it is not known
// to be for volumes of class, nil for one that cannot be read; else "". The template of a claim
// does not tell its provisioner; the class that it had may.
func (c *claimed) foreignAttributesClass(ctx context.Context, v *view, class *storagev1.StorageClass) (string, error) {
	if c.attributesClass == "" || class == nil {
		return "", nil
	}
	was := c.provisioner
	if was == "" && c.StorageClass != "" {
		old, err := v.StorageClass(ctx, c.StorageClass)
		if old, err = readable(old, client.IgnoreNotFound(err)); err != nil {
			return "", err
		}
		if old != nil {
			was = old.Provisioner
		}
	}
	if class.Provisioner == was {
		return "", nil
	}
	return c.attributesClass, nil
}

// conversionOf returns what becomes of a claim whose volume is provisioned, with the
// class that it will have; nil where there is none, or it is not known. Missing is the
// class that the cluster does not have, where no rule names another: the conversion is
// then to one that takes its place, if the settings have any.
func conversionOf(ctx context.Context, v *view, mapping *Mapping, had claimed) (conversion Conversion, missing string, class *storagev1.StorageClass, err error) {
	conversion, _ = mapping.Find(had.Claim, had.labels)
	if err := conversion.checkCapacity(had.size); err != nil {
		return conversion, "", nil, err
	}
	if conversion.Class == "" {
		class, err := classBy(ctx, v, had)
		if !apierrors.IsNotFound(err) {
			class, err = readable(class, err)
			return conversion, "", class, err
		}
		missing = *had.class
		conversion.Class = mapping.MissingClasses.of(had)
		if conversion.Class == "" {
			return conversion, missing, nil, nil
		}
		conversion.At = mapping.MissingClasses.At
	}
	class, err = targetClass(ctx, conversion.Class, "", v)
	if err == nil {
		err = checkZones(ctx, class, v)
	}
	if err == nil {
		err = had.checkClass(class)
	}
	class, err = readable(class, err)
	return conversion, missing, class, err
}

// checkClass refuses a class whose provisioner cannot make the volume.
func (c *claimed) checkClass(class *storagev1.StorageClass) error {
	switch {
	case c.block && class.Provisioner != volume.DriverDisk:
		return fmt.Errorf("%w: a block device becomes a disk, and the provisioner of %s is %s", ErrProvisioner, class.Name, class.Provisioner)
	case c.into != "" && class.Provisioner != c.into:
		// CreateRestoreJob: RestoreType is that of the source.
		return fmt.Errorf("%w: without a client on a node Cloud Backup restores files into a volume of the kind that they were read of, %s, and the provisioner of %s is %s; "+
			"leave the volume out of the rule, or restore a backup that was made by the method node", ErrProvisioner, c.into, class.Name, class.Provisioner)
	case c.ofSnapshot && c.provisioner != "" && class.Provisioner != c.provisioner:
		// external-provisioner, getSnapshotSource: the driver of the snapshot and the
		// provisioner of the class must be the same.
		return fmt.Errorf("%w: a CSI snapshot of %s becomes a volume of it, and the provisioner of %s is %s", ErrProvisioner, c.provisioner, class.Name, class.Provisioner)
	default:
		return nil
	}
}

// classBy returns the class that a claim has without a conversion, nil for none.
func classBy(ctx context.Context, v *view, had claimed) (*storagev1.StorageClass, error) {
	switch {
	case had.class == nil:
		return v.defaultClass(ctx)
	case *had.class == "":
		return nil, nil //nolint:nilnil // there is none
	default:
		return v.StorageClass(ctx, *had.class)
	}
}

// of returns the class that takes the place of a missing one, "" for none.
func (m *MissingClasses) of(had claimed) TargetClass {
	if m == nil {
		return ""
	}
	switch {
	case isDiskDriver(had.provisioner):
		return m.Disk
	case had.provisioner == volume.DriverNAS || had.provisioner == volume.FlexDriverNAS:
		return m.NAS
	case had.provisioner == volume.DriverOSS || had.provisioner == volume.FlexDriverOSS:
		return "" // A bucket is neither.
	}
	// Another cloud's, or one that was not provisioned: who shares a volume needs a file system.
	shared := slices.Contains(had.modes, corev1.ReadWriteMany) || slices.Contains(had.modes, corev1.ReadOnlyMany)
	if shared && !had.block {
		return m.NAS
	}
	return m.Disk
}

// setDisk plans access modes and least size of a claim whose volume is provisioned by
// class, which may be nil. It returns how the disk is shared, nil for what is no disk.
func (p *Plan) setDisk(conversion Conversion, had claimed, class *storagev1.StorageClass) (*sharing, error) {
	if class == nil || !isDisk(class) {
		p.Modes = conversion.Modes()
		return nil, nil //nolint:nilnil // it is no disk
	}
	target, err := TargetOf(class)
	if err != nil && conversion.Class != "" {
		return nil, err
	}
	p.LeastSize = leastSize(target.Types)
	disk := &sharing{multiAttach: isTrue(target.MultiAttach), block: had.block}
	if err := p.setModes(had.Claim, conversion, had.modes, disk); err != nil {
		return nil, err
	}
	p.WasShared = p.OneNode && !had.ofOnePod && !isDiskDriver(had.provisioner)
	return disk, nil
}
