// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"fmt"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/flexvolume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// FlexVolumeToCSIName is the name that NewFlexVolumeToCSI's action is registered by.
const FlexVolumeToCSIName = "alibabacloud.com/flexvolume-to-csi"

// FlexVolumeSettings are the settings of flexvolume-to-csi.
type FlexVolumeSettings struct {
	// Enabled is whether FlexVolumes are converted. They are unless it is false, for
	// a cluster that still runs the FlexVolume drivers.
	Enabled *bool `json:"enabled,omitempty"`
}

// DiskTargets are the targets of disks that also know whether a restore takes
// PersistentVolumes of the FlexVolume driver. Its settings are read before a disk is made:
// for a mistake in them flexvolume-to-csi refuses the PersistentVolume when the disk is there.
type DiskTargets struct {
	*storageclass.Targets

	flexVolumes *settings.Settings[FlexVolumeSettings]
}

// NewDiskTargets returns targets with the settings that reader reads. It reads nothing yet.
func NewDiskTargets(targets *storageclass.Targets, reader *settings.Reader) *DiskTargets {
	return &DiskTargets{Targets: targets, flexVolumes: settings.Of[FlexVolumeSettings](reader, FlexVolumeToCSIName)}
}

// CheckFlexVolume returns the error with which flexvolume-to-csi refuses each FlexVolume, that
// of its settings.
func (t *DiskTargets) CheckFlexVolume(ctx context.Context, restore *velerov1.Restore) error {
	_, _, err := t.flexVolumes.Read(ctx, settings.ForRestore(restore))
	return err
}

// FlexVolumeToCSI is the RestoreItemAction that makes volumes of Alibaba Cloud's
// FlexVolume drivers into volumes of its CSI drivers:
//
//   - a PersistentVolume has a CSI source for the same storage, with the same mount
//     options and Secret;
//   - a volume that a Pod or the Pods of a workload have without a PersistentVolume
//     becomes a claim. The CSI drivers mount no volume without one, so that the
//     claim and its PersistentVolume are created;
//   - a StorageClass provisions by the CSI driver.
//
// An AccessKey that the volume of a bucket has in the clear goes into a Secret, and
// is left nowhere in the object.
type FlexVolumeToCSI struct {
	log      logrus.FieldLogger
	settings *settings.Settings[FlexVolumeSettings]
	cluster  Clients
	waiting  waitingSecrets
}

// NewFlexVolumeToCSI returns the action with the settings that reader reads. It
// contacts nothing.
func NewFlexVolumeToCSI(log logrus.FieldLogger, reader *settings.Reader, cluster Clients) *FlexVolumeToCSI {
	return &FlexVolumeToCSI{
		log:      log,
		settings: settings.Of[FlexVolumeSettings](reader, FlexVolumeToCSIName),
		cluster:  cluster,
	}
}

// AppliesTo returns PersistentVolumes, StorageClasses, and whatever has a PodSpec,
// the revisions of StatefulSets and DaemonSets among them. Claims are not changed:
// with them comes what had to wait for their namespace.
func (a *FlexVolumeToCSI) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{
		IncludedResources: append(podSpecResources(), controllerRevisions, resourceClaims, resourceVolumes, resourceStorageClasses),
	}, nil
}

// Execute returns the item with CSI volumes in place of Alibaba Cloud's
// FlexVolumes, or the very item that came. Its error is that of the settings.
func (a *FlexVolumeToCSI) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	return execute(input, a.convert)
}

func (a *FlexVolumeToCSI) convert(ctx context.Context, o object) (*unstructured.Unstructured, error) {
	if resourceOf(o.item) == resourceClaims {
		a.createWaiting(ctx, o.restore, o.item)
	}
	convert := conversionOf(o.item)
	if convert == nil {
		// The settings are not read, so that a mistake in them concerns FlexVolumes alone.
		return nil, nil //nolint:nilnil // nothing is to do
	}
	set, _, err := a.settings.Read(ctx, settings.ForRestore(o.restore))
	if err != nil || set.Enabled != nil && !*set.Enabled {
		return nil, err
	}
	c := &flexVolumeConversion{
		log:        a.log.WithFields(fieldsOf(o.item)),
		cluster:    a.cluster,
		waiting:    &a.waiting,
		restore:    o.restore,
		item:       o.item.DeepCopy(),
		fromBackup: o.fromBackup,
	}
	if err := convert(c, ctx); err != nil {
		// An object that cannot be mounted here is worth more than none.
		c.log.WithError(err).Warn("Leaving a FlexVolume as it is")
		return nil, nil //nolint:nilnil // it stays
	}
	return c.item, nil
}

// conversionOf returns the method that converts the item, nil if there is nothing
// to convert.
func conversionOf(item *unstructured.Unstructured) func(*flexVolumeConversion, context.Context) error {
	switch resourceOf(item) {
	case resourceVolumes:
		if driver, _, _ := unstructured.NestedString(item.Object, "spec", "flexVolume", "driver"); flexvolume.IsDriver(driver) {
			return (*flexVolumeConversion).persistentVolume
		}
	case resourceStorageClasses:
		if _, ok := flexvolume.ClassToCSI(flexvolume.Class{Provisioner: provisionerOf(item)}); ok {
			return (*flexVolumeConversion).storageClass
		}
	default:
		if len(inlineFlexVolumes(item)) > 0 {
			return (*flexVolumeConversion).podSpec
		}
	}
	return nil
}

// flexVolumeConversion is that of one item.
type flexVolumeConversion struct {
	log     logrus.FieldLogger
	cluster Clients
	waiting *waitingSecrets
	restore *velerov1.Restore
	// item is changed in place.
	item, fromBackup *unstructured.Unstructured
}

// persistentVolume converts a PersistentVolume. Where the snapshotter has made a
// new disk, its id is in the FlexVolume's options already.
func (c *flexVolumeConversion) persistentVolume(ctx context.Context) error {
	pv, err := volume.FromItem(c.item)
	if err != nil {
		return err
	}
	flex := pv.Spec.FlexVolume
	converted, err := flexvolume.ToCSI(flex.Driver, flex.FSType, flex.Options)
	if err != nil {
		return err
	}
	backedUp, err := volume.FromItem(c.fromBackup)
	if err != nil {
		return err
	}
	source := sourceOf(converted, pv.Name)
	source.ReadOnly = flex.ReadOnly
	source.NodePublishSecretRef = c.secretReference(backedUp)
	if source.NodePublishSecretRef == nil && !converted.AccessKey.IsZero() {
		source.NodePublishSecretRef = c.moveAccessKey(ctx, backedUp, pv.Name, converted.AccessKey)
	}
	// It is a map, for it has the FlexVolume.
	spec, _ := c.item.Object["spec"].(map[string]any)
	if err := c.replaceSource(spec, source, converted.MountOptions); err != nil {
		return err
	}
	addTopology(spec, pv)
	c.dropLastApplied(converted)
	c.log.WithFields(logrus.Fields{"old": flex.Driver, "new": source.Driver, "volume": source.VolumeHandle}).
		Info("Converted the FlexVolume of a PersistentVolume to CSI")
	return nil
}

// sourceOf returns the CSI source of the volume, which is also its own name where
// the storage has no id.
func sourceOf(converted flexvolume.Volume, name string) *corev1.CSIPersistentVolumeSource {
	source := &corev1.CSIPersistentVolumeSource{
		Driver:           converted.Driver,
		VolumeHandle:     converted.Handle,
		FSType:           converted.FSType,
		VolumeAttributes: converted.Attributes,
	}
	if source.VolumeHandle == "" {
		source.VolumeHandle = name
	}
	return source
}

// replaceSource puts the source in place of the FlexVolume. The FlexVolume drivers
// saw no mount options of a PersistentVolume, so that those which they were given
// in another way are the ones that held.
func (c *flexVolumeConversion) replaceSource(spec map[string]any, source *corev1.CSIPersistentVolumeSource, mountOptions []string) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(source)
	if err != nil {
		return fmt.Errorf("writing the CSI source: %w", err)
	}
	spec["csi"] = content
	delete(spec, "flexVolume")
	if mountOptions != nil {
		options := make([]any, 0, len(mountOptions))
		for _, option := range mountOptions {
			options = append(options, option)
		}
		spec["mountOptions"] = options
	}
	if driver := flexvolume.CSIDriver(c.item.GetAnnotations()[volume.AnnotationProvisionedBy]); driver != "" {
		// Else no provisioner would delete the volume.
		annotation.Set(c.item.Object, volume.AnnotationProvisionedBy, driver)
	}
	return nil
}

// dropLastApplied removes the object as kubectl has noted it in an annotation when
// it was applied, if the volume is a bucket: its options there may hold an AccessKey,
// even where those of the object itself name a Secret by now.
func (c *flexVolumeConversion) dropLastApplied(converted flexvolume.Volume) {
	if converted.Driver == volume.DriverOSS {
		annotation.Remove(c.item.Object, corev1.LastAppliedConfigAnnotation)
	}
}

// addTopology gives a disk that names its zone in labels alone, as FlexVolume disks
// do, the node affinity by which Pods come to its zone.
func addTopology(spec map[string]any, pv *corev1.PersistentVolume) {
	zones := volume.Zones(pv)
	if volume.KindOf(pv) != volume.KindDisk || pv.Spec.NodeAffinity != nil || len(zones) != 1 {
		return
	}
	spec["nodeAffinity"] = map[string]any{"required": map[string]any{"nodeSelectorTerms": []any{map[string]any{
		"matchExpressions": []any{map[string]any{
			"key": volume.LabelDiskZone, "operator": string(corev1.NodeSelectorOpIn), "values": []any{zones[0]},
		}},
	}}}}
}

// secretReference returns the Secret of the FlexVolume as the CSI source names it,
// nil for none. It is read from the backup, where no other action has mapped its
// namespace. One without a namespace is in that of the claim.
func (c *flexVolumeConversion) secretReference(backedUp *corev1.PersistentVolume) *corev1.SecretReference {
	if backedUp.Spec.FlexVolume == nil || backedUp.Spec.FlexVolume.SecretRef == nil {
		return nil
	}
	reference := *backedUp.Spec.FlexVolume.SecretRef
	if reference.Namespace == "" {
		reference.Namespace = c.claimNamespace(backedUp)
	} else {
		reference.Namespace = targetNamespace(c.restore, reference.Namespace)
	}
	return &reference
}

// claimNamespace returns the namespace that the claim of a PersistentVolume is
// restored to, that of Velero where no claim is bound.
func (c *flexVolumeConversion) claimNamespace(backedUp *corev1.PersistentVolume) string {
	claim := volume.ClaimOf(backedUp)
	if claim.Namespace == "" {
		return c.cluster.Namespace()
	}
	return targetNamespace(c.restore, claim.Namespace)
}

func provisionerOf(class *unstructured.Unstructured) string {
	provisioner, _, _ := unstructured.NestedString(class.Object, "provisioner")
	return provisioner
}

// storageClass converts a StorageClass.
func (c *flexVolumeConversion) storageClass(context.Context) error {
	parameters, _, err := unstructured.NestedStringMap(c.item.Object, "parameters")
	if err != nil {
		return fmt.Errorf("reading the parameters: %w", err)
	}
	old := provisionerOf(c.item)
	class, _ := flexvolume.ClassToCSI(flexvolume.Class{Provisioner: old, Parameters: parameters})
	c.item.Object["provisioner"] = class.Provisioner
	delete(c.item.Object, "parameters")
	if len(class.Parameters) > 0 {
		if err := unstructured.SetNestedStringMap(c.item.Object, class.Parameters, "parameters"); err != nil {
			return fmt.Errorf("writing the parameters: %w", err)
		}
	}
	for _, term := range mapsIn(c.item.Object, "allowedTopologies") {
		for _, requirement := range mapsIn(term, "matchLabelExpressions") {
			if key, ok := requirement["key"].(string); ok {
				requirement["key"] = flexvolume.TopologyKey(key)
			}
		}
	}
	c.log.WithFields(logrus.Fields{"old": old, "new": class.Provisioner}).Info("Converted a StorageClass of FlexVolume to CSI")
	return nil
}
