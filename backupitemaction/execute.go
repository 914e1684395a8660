// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
)

// object is what Velero hands to an action.
type object struct {
	backup *velerov1.Backup
	// item is as the actions before have left it. It is not to be changed.
	item *unstructured.Unstructured
}

// execute lets change do an action's work on item. It returns for Velero what change
// returns: a copy with changes, or the very item that came where that is nil, and the items
// that are backed up with it.
func execute(
	item runtime.Unstructured, backup *velerov1.Backup,
	change func(context.Context, object) (changed *unstructured.Unstructured, with []velero.ResourceIdentifier),
) (runtime.Unstructured, []velero.ResourceIdentifier, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	changed, with := change(ctx, object{backup: backup, item: &unstructured.Unstructured{Object: item.UnstructuredContent()}})
	if changed == nil {
		return item, with, nil
	}
	return changed, with, nil
}

// leaveOut returns a copy of item that Velero leaves out of the backup: no action after
// this one sees it, and nothing is snapshotted for it.
func leaveOut(item *unstructured.Unstructured) *unstructured.Unstructured {
	return annotated(item, velerov1.SkipFromBackupAnnotation, "true")
}

// annotated returns a copy of item with an annotation.
func annotated(item *unstructured.Unstructured, key, value string) *unstructured.Unstructured {
	changed := item.DeepCopy()
	annotation.Set(changed.Object, key, value)
	return changed
}
