// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// shared tells whether another PersistentVolume has the storage of pv, or a part of it. Of a
// volume that was kept, and that does not say what its storage is, nobody can tell: it may be.
func (t temporary) shared(ctx context.Context, pv *corev1.PersistentVolume) (bool, error) {
	if t.owner.owns(pv) && !volume.IsKnown(pv) {
		return true, nil
	}
	all := &corev1.PersistentVolumeList{}
	if err := t.api.List(ctx, all); err != nil {
		return false, fmt.Errorf("listing the PersistentVolumes: %w", err)
	}
	for i := range all.Items {
		if other := &all.Items[i]; other.Name != pv.Name && volume.Contains(pv, other) {
			return true, nil
		}
	}
	return false, nil
}
