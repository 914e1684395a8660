// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// StorageClassMappingName is the name that NewStorageClassMapping's action is
// registered by.
const StorageClassMappingName = storageclass.Action

// StorageClassMapping is the RestoreItemAction that gives PersistentVolumes, claims
// and the templates of claims of StatefulSets the StorageClass, access modes and
// capacity that its settings ask for. What a conversion means for each, and when it
// is refused, is in package storageclass.
type StorageClassMapping struct {
	log     logrus.FieldLogger
	planner *storageclass.Planner
	// warned has the classes that are missing.
	warned once.Seen
}

// NewStorageClassMapping returns the action. It contacts nothing.
func NewStorageClassMapping(log logrus.FieldLogger, planner *storageclass.Planner) *StorageClassMapping {
	return &StorageClassMapping{log: log, planner: planner}
}

// AppliesTo returns PersistentVolumes, claims and StatefulSets.
func (a *StorageClassMapping) AppliesTo() (velero.ResourceSelector, error) {
	return storageResources(), nil
}

// Execute returns the item with what the settings ask for. Its error is that of the
// settings or of the API server, or says in the words of the backup center why a
// conversion cannot be carried out.
func (a *StorageClassMapping) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	return changeStorage(a.log, a.planner, input, func(o *storageObject) {
		a.warn(o, input.Restore)
		a.change(o)
	})
}

func (a *StorageClassMapping) change(o *storageObject) {
	plan := o.plan
	if plan.At != (settings.Position{}) {
		o.log = o.log.WithField("rule", plan.At.String())
	}
	if plan.Class != "" {
		if old, set := o.setClass(plan.Class); set {
			o.changed(old, plan.Class).Info("Changed the StorageClass")
		}
	}
	if plan.Selector != nil && o.removeSelector(plan.Selector) {
		o.log.WithField("selector", metav1.FormatLabelSelector(plan.Selector)).Info("Removed the selector of volumes, with which none is provisioned")
	}
	if plan.AttributesClass != "" {
		unstructured.RemoveNestedField(o.content, "spec", "volumeAttributesClassName")
		o.log.WithField("volumeAttributesClass", plan.AttributesClass).Info("Removed the VolumeAttributesClass, which is not known to be of the class's driver")
	}
	if plan.Modes != nil {
		if old, set := o.setModes(plan.Modes); set {
			o.changed(old, plan.Modes).Info("Changed the access modes")
		}
	}
	if plan.Capacity != nil {
		if old, set := o.raiseSize(*plan.Capacity); set {
			o.changed(old, plan.Capacity.String()).Info("Changed the capacity")
		}
	}
	if plan.MultiAttach != nil {
		if old, set := o.setFlag(storageclass.MultiAttachParameter, *plan.MultiAttach); set {
			o.changed(old, *plan.MultiAttach).Info("Changed whether several nodes may attach the disk")
		}
	}
	if plan.Target != nil {
		o.set(plan.Target.String(), "metadata", "annotations", volume.AnnotationTarget)
	}
}

// warn tells what the user must look at: of each missing class once in a restore.
func (a *StorageClassMapping) warn(o *storageObject, restore *velerov1.Restore) {
	plan := o.plan
	if plan.Kept != "" {
		o.log.WithFields(logrus.Fields{"storageClass": plan.Kept, "rule": plan.At.String()}).
			Warn("Leaving the StorageClass as it is: the volume is restored as the one that it was, and nothing converts it")
	}
	if plan.Missing == "" || !a.warned.First(restore.UID, plan.Missing) {
		return
	}
	log := o.log.WithField("storageClass", plan.Missing)
	if plan.Class != "" {
		log.WithField("substitute", plan.Class).Warn("storageclass " + plan.Missing + " not exists: another one takes its place")
		return
	}
	log.Warn("storageclass " + plan.Missing + " not exists: create it in this cluster, or name another for it in the settings of " + storageclass.Action)
}
