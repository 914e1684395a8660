// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"github.com/sirupsen/logrus"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
)

// DiskSizeName is the name that NewDiskSize's action is registered by.
const DiskSizeName = "alibabacloud.com/disk-size"

// DiskSize is the RestoreItemAction that raises the size of new disks to the least
// that they can have: 20 GiB, and what the category asks for where the StorageClass
// names it. A disk that is only reattached keeps its size.
type DiskSize struct {
	log     logrus.FieldLogger
	planner *storageclass.Planner
}

// NewDiskSize returns the action. It contacts nothing.
func NewDiskSize(log logrus.FieldLogger, planner *storageclass.Planner) *DiskSize {
	return &DiskSize{log: log, planner: planner}
}

// AppliesTo returns PersistentVolumes, claims and StatefulSets.
func (a *DiskSize) AppliesTo() (velero.ResourceSelector, error) {
	return storageResources(), nil
}

// Execute returns the item with a size that its disk can have. Its error is that of
// the settings of storage-class-mapping or of the API server, or says why a
// conversion cannot be carried out.
func (a *DiskSize) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	return changeStorage(a.log, a.planner, input, leastSize)
}

func leastSize(o *storageObject) {
	if o.plan.LeastSize == nil {
		return
	}
	least := *o.plan.LeastSize
	if asked := o.plan.Capacity; asked != nil && asked.Cmp(least) == 0 {
		// It is written as in the rule, whichever action comes first.
		least = *asked
	}
	if old, set := o.raiseSize(least); set {
		o.changed(old, least.String()).Info("Raised the size to the least of a disk")
	}
}
