// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// LabelDiskType is the label in which the CSI driver notes a disk's category and,
// after a dot, its performance level.
const LabelDiskType = "csi.alibabacloud.com/disktype"

// ECS disk categories that have something of their own on a PersistentVolume.
const (
	categoryESSD     = "cloud_essd"
	categoryRegional = "cloud_regional_disk_auto"
)

// flexVolumeID is the FlexVolume option that names the disk. Volumes that the
// provisioner made spell it VolumeId.
const flexVolumeID = "volumeId"

// DiskID returns the id of the ECS disk behind pv, and "" if pv is no disk.
func DiskID(pv *corev1.PersistentVolume) string {
	if KindOf(pv) != KindDisk {
		return ""
	}
	if FormOf(pv) == FormCSI {
		return pv.Spec.CSI.VolumeHandle
	}
	return Parameter(pv.Spec.FlexVolume.Options, flexVolumeID)
}

// DiskType is an ECS disk's DiskCategory and, where that is cloud_essd, its
// PerformanceLevel. Either is empty where it is not known.
type DiskType struct {
	Category         string
	PerformanceLevel string
}

// ParseDiskType reads a type as the CSI driver's label writes it: a category and,
// after a dot, a performance level.
func ParseDiskType(text string) DiskType {
	category, level, _ := strings.Cut(text, ".")
	return DiskType{Category: category, PerformanceLevel: level}
}

// String writes the type as ParseDiskType reads it.
func (t DiskType) String() string {
	if t.PerformanceLevel == "" {
		return t.Category
	}
	return t.Category + "." + t.PerformanceLevel
}

// DiskTypeOf returns the type of the disk behind pv as far as pv says: from its
// label, else from the parameters that the CSI driver was given. Where those leave
// the driver a choice (type "cloud_essd,cloud_ssd", or the old "available"), what
// it chose is not known.
func DiskTypeOf(pv *corev1.PersistentVolume) DiskType {
	if KindOf(pv) != KindDisk {
		return DiskType{}
	}
	found := ParseDiskType(pv.Labels[LabelDiskType])
	if found.Category == "" {
		found.Category = onlyChoice(Parameter(parameters(pv), "type"))
	}
	if found.Category != categoryESSD {
		// The driver leaves a StorageClass's level on disks that have none.
		return DiskType{Category: found.Category}
	}
	if found.PerformanceLevel == "" {
		found.PerformanceLevel = onlyChoice(Parameter(parameters(pv), "performanceLevel"))
	}
	return found
}

// onlyChoice returns value unless it stands for several.
func onlyChoice(value string) string {
	if value == "available" || strings.Contains(value, ",") {
		return ""
	}
	return value
}

// IsRegional reports whether pv is a regional disk, which any zone of its region
// can attach.
func IsRegional(pv *corev1.PersistentVolume) bool {
	if KindOf(pv) != KindDisk {
		return false
	}
	if category := DiskTypeOf(pv).Category; category != "" {
		return category == categoryRegional
	}
	return len(affinityValues(pv, isRegionKey)) > 0 && len(affinityValues(pv, IsZoneKey)) == 0
}

// SetDisk returns pv as the volume of the disk id, which lives at location. If pv
// is no disk, or id is empty, it returns pv as it is.
//
// The id goes where pv had the old one, also into the name of a volume that is
// named after its disk, as ACK names them: Velero adopts the new name and points
// the claim at it. Zone and region are corrected where pv names them, in labels
// and in every term of its node affinity, and added nowhere.
//
// The result shares nothing with pv, which is not modified.
func SetDisk(pv *corev1.PersistentVolume, id string, location Location) *corev1.PersistentVolume {
	restored := pv.DeepCopy()
	if id == "" || KindOf(pv) != KindDisk {
		return restored
	}
	if old := DiskID(pv); old != "" && pv.Name == old {
		restored.Name = id
	}
	if FormOf(pv) == FormCSI {
		restored.Spec.CSI.VolumeHandle = id
	} else {
		setFlexVolumeID(restored.Spec.FlexVolume, id)
	}
	setTopology(restored, IsZoneKey, location.Zone)
	setTopology(restored, isRegionKey, location.Region)
	return restored
}

// setFlexVolumeID sets the option in each spelling that source has.
func setFlexVolumeID(source *corev1.FlexPersistentVolumeSource, id string) {
	found := false
	for key := range source.Options {
		if strings.EqualFold(key, flexVolumeID) {
			source.Options[key] = id
			found = true
		}
	}
	if found {
		return
	}
	if source.Options == nil {
		source.Options = make(map[string]string, 1)
	}
	source.Options[flexVolumeID] = id
}
