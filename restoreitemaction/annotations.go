// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"

	"github.com/sirupsen/logrus"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/apiversion"
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
		IncludedResources: append([]string{resourceServices}, apiversion.IngressResources()...),
	}, nil
}

// Execute returns the item with the annotations that the rules give it, or the
// very item that came. The error is that of reading the settings; no Service and
// no Ingress is restored then, for any of them could be meant.
func (a *Annotations) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	return execute(input, a.annotate)
}

func (a *Annotations) annotate(ctx context.Context, o object) (*unstructured.Unstructured, error) {
	set, _, err := a.settings.Read(ctx, settings.ForRestore(o.restore))
	if err != nil {
		return nil, err
	}
	changes := set.changes(o.fromBackup)
	if len(changes) == 0 {
		return nil, nil //nolint:nilnil // nothing is to do
	}
	changed := o.item.DeepCopy()
	changes.applyTo(changed, o.fromBackup)
	if equality.Semantic.DeepEqual(o.item.Object, changed.Object) {
		return nil, nil //nolint:nilnil // it has them already
	}
	changes.log(a.log.WithFields(fieldsOf(o.item)), o.item)
	return changed, nil
}
