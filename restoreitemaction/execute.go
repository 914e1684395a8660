// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// executeTimeout bounds an action's work on an object. Velero's calls have no
// deadline, and a call that hangs stops every other restore.
const executeTimeout = 2 * time.Minute

// object is what Velero hands to an action.
type object struct {
	restore *velerov1.Restore
	// fromBackup is as it was backed up, and item as the actions before have left it.
	// Neither is to be changed.
	fromBackup, item *unstructured.Unstructured
}

// execute lets change do an action's work on the object of input. It returns for
// Velero what change returns, or the very item that came if that is nil or the same.
func execute(
	input *velero.RestoreItemActionExecuteInput, change func(context.Context, object) (*unstructured.Unstructured, error),
) (*velero.RestoreItemActionExecuteOutput, error) {
	return executeWith(input, func(ctx context.Context, o object) (*unstructured.Unstructured, []velero.ResourceIdentifier, error) {
		changed, err := change(ctx, o)
		return changed, nil, err
	})
}

// executeWith is execute for an action that has other objects restored with the one of
// input: those that change returns too.
func executeWith(
	input *velero.RestoreItemActionExecuteInput,
	change func(context.Context, object) (*unstructured.Unstructured, []velero.ResourceIdentifier, error),
) (*velero.RestoreItemActionExecuteOutput, error) {
	ctx, cancel := context.WithTimeout(context.Background(), executeTimeout)
	defer cancel()
	o := object{
		restore:    input.Restore,
		fromBackup: &unstructured.Unstructured{Object: input.ItemFromBackup.UnstructuredContent()},
		item:       &unstructured.Unstructured{Object: input.Item.UnstructuredContent()},
	}
	changed, with, err := change(ctx, o)
	if err != nil {
		return nil, err
	}
	output := velero.NewRestoreItemActionExecuteOutput(input.Item)
	if changed != nil && !equality.Semantic.DeepEqual(changed.Object, o.item.Object) {
		output = velero.NewRestoreItemActionExecuteOutput(changed)
	}
	output.AdditionalItems = with
	return output, nil
}
