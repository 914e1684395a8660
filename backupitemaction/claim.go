// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// claimOfVolume returns the claim of the PersistentVolume that item is, the zero name for
// none, and for one that cannot be read: it is kept then.
func claimOfVolume(item *unstructured.Unstructured) types.NamespacedName {
	pv, err := volume.FromItem(item)
	if err != nil {
		return types.NamespacedName{}
	}
	return volume.ClaimOf(pv)
}
