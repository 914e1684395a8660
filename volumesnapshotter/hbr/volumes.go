// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// VolumeID returns the id of the volume that a restore is filling behind a
// PersistentVolume, "" if there is none.
func (s *Snapshotter) VolumeID(pv *corev1.PersistentVolume) string { return volume.PendingID(pv) }

// Progress tells how far a restored volume is, and begins what can begin. A volume that
// will never be whole is Completed with Err; an error is one that may pass. It may run in
// another process than the one that began the restore.
func (s *Snapshotter) Progress(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string, pv *corev1.PersistentVolume) (velero.OperationProgress, error) {
	current, err := s.sites.At(location)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	var progress velero.OperationProgress
	wanted, err := current.fillingOf(ctx, restore, id)
	if err == nil {
		err = wanted.alone(ctx, func() (err error) { progress, err = wanted.progress(ctx, pv); return err })
	}
	return final.Progress(progress, fail(restoring, "PersistentVolume "+pv.Name, err))
}

// Finish returns pv as the volume that is whole.
func (s *Snapshotter) Finish(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string, pv *corev1.PersistentVolume) (*corev1.PersistentVolume, error) {
	wanted, err := s.filled(ctx, restore, location, id)
	if err != nil {
		return nil, err
	}
	var finished *corev1.PersistentVolume
	err = wanted.alone(ctx, func() (err error) { finished, err = wanted.finish(ctx, pv); return err })
	return finished, err
}

// Settle removes what was there to fill a volume that is whole.
func (s *Snapshotter) Settle(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string) error {
	wanted, err := s.filled(ctx, restore, location, id)
	if err != nil {
		return err
	}
	return wanted.alone(ctx, func() error { return wanted.settle(ctx) })
}

// Discard ends the restore of a volume that is not to be, and removes what was made for
// it. An id of another volume has nothing to end.
func (s *Snapshotter) Discard(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string) error {
	if _, pending := parsePendingID(id); !pending {
		return nil
	}
	wanted, err := s.filled(ctx, restore, location, id)
	if err != nil {
		return err
	}
	return fail(restoring, "volume "+id, wanted.alone(ctx, func() error { return wanted.discard(ctx) }))
}

// filled returns the volume of an order's id in a location.
func (s *Snapshotter) filled(ctx context.Context, restore *velerov1.Restore, location map[string]string, id string) (*filling, error) {
	current, err := s.sites.At(location)
	if err != nil {
		return nil, err
	}
	return current.fillingOf(ctx, restore, id)
}
