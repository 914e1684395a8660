// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// isLeftToDriver tells whether Velero has pv snapshotted by its CSI driver, if at all, and
// hands it to no VolumeSnapshotter.
func (a *SnapshotProgress) isLeftToDriver(pv *corev1.PersistentVolume) bool {
	return a.server.CSI && pv.Spec.CSI != nil
}

// warnOfDriver warns, once for each driver in a backup, of a PersistentVolume that is left
// to a driver which makes no snapshots, where one of the providers would have taken it.
// Velero fails on its claim then and asks for a VolumeSnapshotClass, which would not help;
// on a PersistentVolume whose claim is not in the backup it says nothing.
func (a *SnapshotProgress) warnOfDriver(ctx context.Context, item runtime.Unstructured, pv *corev1.PersistentVolume, backup *velerov1.Backup) {
	if !makesNoSnapshots(pv) {
		return
	}
	log := a.log.WithField("name", pv.Name)
	op, err := a.expect(ctx, pv, backup)
	if err == nil && op == (operation{}) {
		return
	}
	asked := false
	if err == nil {
		asked, err = a.asks(ctx, item, pv, backup)
	}
	if err != nil {
		log.WithError(err).Debug("Cannot tell whether the PersistentVolume would be snapshotted if its driver could")
	}
	if !asked || !a.warned.First(backup.UID, pv.Spec.CSI.Driver) {
		return
	}
	log.WithField("driver", pv.Spec.CSI.Driver).WithField("provider", op.Provider).
		Warn("With its feature EnableCSI Velero leaves the volumes of this driver to VolumeSnapshots, which the driver does not make: " +
			"their data is not in the backup, and Velero fails to back up their claims and Pods. Switch EnableCSI off, " +
			"or have a volume policy for the driver back them up as files (fs-backup) or skip them")
}

// makesNoSnapshots tells whether the CSI driver of pv is known to have no VolumeSnapshots:
// of Alibaba Cloud's drivers those of file systems and buckets.
func makesNoSnapshots(pv *corev1.PersistentVolume) bool {
	switch volume.KindOf(pv) {
	case volume.KindNAS, volume.KindOSS, volume.KindCPFS:
		return true
	default:
		return false
	}
}
