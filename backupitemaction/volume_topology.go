// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/kuberesource"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// VolumeTopologyName is the name that NewVolumeTopology's action is registered by.
const VolumeTopologyName = "alibabacloud.com/volume-topology"

// VolumeTopology is the BackupItemAction that tells Velero the zone of an ECS disk. Velero
// notes with a snapshot the zone of a volume that has the label
// topology.kubernetes.io/zone, or one of the node affinities that it knows; that of Alibaba
// Cloud's disk driver is not among them (zoneFromPVNodeAffinity in
// pkg/backup/item_backupper.go).
//
// The label is there in the backup alone: volume.AnnotationZone tells that it was added, by
// which the snapshotters and the RestoreItemAction volume-secrets remove it from what is
// restored.
type VolumeTopology struct {
	log logrus.FieldLogger
}

// NewVolumeTopology returns the action. It contacts nothing.
func NewVolumeTopology(log logrus.FieldLogger) *VolumeTopology {
	return &VolumeTopology{log: log}
}

// AppliesTo returns PersistentVolumes.
func (a *VolumeTopology) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{IncludedResources: []string{kuberesource.PersistentVolumes.Resource}}, nil
}

// Execute returns the PersistentVolume of a disk with the label of its zone, and the very
// item that came if it has one, is of something else, or names no zone or several.
func (a *VolumeTopology) Execute(item runtime.Unstructured, backup *velerov1.Backup) (runtime.Unstructured, []velero.ResourceIdentifier, error) {
	return execute(item, backup, a.label)
}

func (a *VolumeTopology) label(_ context.Context, o object) (*unstructured.Unstructured, []velero.ResourceIdentifier) {
	pv, err := volume.FromItem(o.item)
	if err != nil {
		a.log.WithError(err).WithField("name", o.item.GetName()).Warn("Cannot read a PersistentVolume, so its snapshot is noted without a zone")
		return nil, nil
	}
	zone := zoneOfDisk(pv)
	if zone == "" || pv.Labels[corev1.LabelTopologyZone] != "" {
		return nil, nil
	}
	changed := annotated(o.item, volume.AnnotationZone, zone)
	labels := changed.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[corev1.LabelTopologyZone] = zone
	changed.SetLabels(labels)
	return changed, nil
}

// zoneOfDisk returns the zone of the disk behind pv, "" for a regional disk, for one whose
// zone is not known, and for what is no disk.
func zoneOfDisk(pv *corev1.PersistentVolume) string {
	zones := volume.Zones(pv)
	if volume.DiskID(pv) == "" || volume.IsRegional(pv) || len(zones) != 1 {
		return ""
	}
	return zones[0]
}
