// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/companion"
)

// companionsOf returns the companions of some kinds that are in the backup with the object
// and that the Restore does not exclude.
func companionsOf(o object, kinds ...companion.Kind) []companion.Companion {
	noted := companion.Noted(o.fromBackup.GetAnnotations()[companion.Annotation], kinds...)
	return companion.OfRestore(&o.restore.Spec).Allowed(noted)
}

// withCompanions returns the object as it is restored with the companions: without what
// the backup has written into it for them, and, where the lists of the Restore leave one of
// them out, with the annotation by which Velero takes all. Velero removes that.
func withCompanions(o object, item *unstructured.Unstructured, companions []companion.Companion) *unstructured.Unstructured {
	if _, noted := o.fromBackup.GetAnnotations()[companion.Annotation]; !noted {
		return item
	}
	changed := item.DeepCopy()
	annotation.Remove(changed.Object, companion.Annotation, velerov1.MustIncludeAdditionalItemAnnotation)
	if companion.OfRestore(&o.restore.Spec).LeavesOut(companions) {
		annotation.Set(changed.Object, velerov1.MustIncludeAdditionalItemRestoreAnnotation, "true")
	}
	return changed
}
