// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"

	"github.com/sirupsen/logrus"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// AnnotationsName is the name that NewAnnotations' action is registered by.
const AnnotationsName = "alibabacloud.com/annotations"

// Annotations is the RestoreItemAction that sets and removes annotations of
// Services and Ingresses as its settings say. Without settings it changes nothing.
type Annotations struct {
	log      logrus.FieldLogger
	settings *settings.Settings[AnnotationsSettings]
}

// NewAnnotations returns the action with the settings that reader reads. It
// contacts nothing.
func NewAnnotations(log logrus.FieldLogger, reader *settings.Reader) *Annotations {
	return &Annotations{log: log, settings: annotationsSettings(reader)}
}

// AppliesTo returns Services, and the Ingresses of all groups that have had them.
func (a *Annotations) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{
		IncludedResources: []string{"services", "ingresses.networking.k8s.io", "ingresses.extensions"},
	}, nil
}

// Execute returns the item with the annotations that the rules give it, or the
// very item that came. The error is that of reading the settings; no Service and
// no Ingress is restored then, for any of them could be meant.
func (a *Annotations) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	ctx, cancel := context.WithTimeout(context.Background(), executeTimeout)
	defer cancel()
	set, _, err := a.settings.Read(ctx, settings.ForRestore(input.Restore))
	if err != nil {
		return nil, err
	}
	fromBackup := &unstructured.Unstructured{Object: input.ItemFromBackup.UnstructuredContent()}
	item := &unstructured.Unstructured{Object: input.Item.UnstructuredContent()}
	changes := set.changes(fromBackup)
	if len(changes) == 0 {
		return velero.NewRestoreItemActionExecuteOutput(input.Item), nil
	}
	changed := item.DeepCopy()
	changes.applyTo(changed, fromBackup)
	if equality.Semantic.DeepEqual(item.Object, changed.Object) {
		return velero.NewRestoreItemActionExecuteOutput(input.Item), nil
	}
	changes.log(a.log.WithFields(fieldsOf(item)), item)
	return velero.NewRestoreItemActionExecuteOutput(changed), nil
}
