// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"github.com/sirupsen/logrus"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
)

// AccessModesName is the name that NewAccessModes's action is registered by.
const AccessModesName = "alibabacloud.com/access-modes"

// AccessModes is the RestoreItemAction that makes ReadWriteOnce of ReadWriteMany and
// ReadOnlyMany where the volume will be a disk that cannot be mounted so: the driver
// would refuse it with "multi-node writing is only supported for block volume". The
// class that the volume is restored to decides, not the one that it had.
type AccessModes struct {
	log     logrus.FieldLogger
	planner *storageclass.Planner
}

// NewAccessModes returns the action. It contacts nothing.
func NewAccessModes(log logrus.FieldLogger, planner *storageclass.Planner) *AccessModes {
	return &AccessModes{log: log, planner: planner}
}

// AppliesTo returns PersistentVolumes, claims and StatefulSets.
func (a *AccessModes) AppliesTo() (velero.ResourceSelector, error) {
	return storageResources(), nil
}

// Execute returns the item with access modes in which its disk can be mounted. Its
// error is that of the settings of storage-class-mapping or of the API server, or
// says why a conversion cannot be carried out.
func (a *AccessModes) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	return changeStorage(a.log, a.planner, input, oneNode)
}

func oneNode(o *storageObject) {
	if !o.plan.OneNode {
		return
	}
	old, set := o.setModes([]corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce})
	switch log := o.changed(old, corev1.ReadWriteOnce); {
	case set && o.plan.WasShared:
		log.Warn("Changed the access modes: the volume becomes a disk, which Pods on several nodes cannot share as they could before; " +
			"for that, convert it to " + storageclass.SharedClass)
	case set:
		log.Info("Changed the access modes to what a disk can be mounted with")
	}
}
