// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// LabelDiskType is the label in which the CSI driver notes a disk's category and,
// after a dot, its performance level.
const LabelDiskType = "csi.alibabacloud.com/disktype"

// Nodes that disks of a category can be attached to have a label of this prefix and
// the category. Volumes ask for it in their node affinity, and for ACK's scheduler in
// this annotation, which holds such an affinity as JSON.
const (
	nodeDiskTypePrefix   = "node.csi.alibabacloud.com/disktype."
	annotationVolumeNode = "csi.alibabacloud.com/volume-topology"
)

// Parameters of the CSI driver for a disk's type. Each may have several choices,
// separated by commas, and the type be anyType.
const (
	parameterType  = "type"
	parameterLevel = "performanceLevel"
	anyType        = "available"
)

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
		found.Category = onlyChoice(Parameter(parameters(pv), parameterType))
	}
	if found.Category != categoryESSD {
		// The driver leaves a StorageClass's level on disks that have none.
		return DiskType{Category: found.Category}
	}
	if found.PerformanceLevel == "" {
		found.PerformanceLevel = onlyChoice(Parameter(parameters(pv), parameterLevel))
	}
	return found
}

// onlyChoice returns value unless it stands for several.
func onlyChoice(value string) string {
	if value == anyType || strings.Contains(value, ",") {
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

// Disk is an ECS disk as far as PersistentVolumes tell of it. What is empty is not known.
type Disk struct {
	ID   string
	Type DiskType
	Location
}

// SetDisk returns pv as the volume of a disk. If pv is no disk, or the id is empty,
// it returns pv as it is.
//
// The id goes where pv had the old one, also into the name of a volume that is
// named after its disk, as ACK names them: Velero adopts the new name and points
// the claim at it. Zone, region and type are corrected where pv names others, in
// labels, in every term of its node affinity, and the type in the driver's
// parameters, and added nowhere; but where one of the two disks is regional, its
// region takes the place of the zone, or the zone that of the region. What a backup
// has written into pv is removed.
//
// The result shares nothing with pv, which is not modified.
func SetDisk(pv *corev1.PersistentVolume, disk Disk) *corev1.PersistentVolume {
	restored := pv.DeepCopy()
	if disk.ID == "" || KindOf(pv) != KindDisk {
		return restored
	}
	if old := DiskID(pv); old != "" && pv.Name == old {
		restored.Name = disk.ID
	}
	if FormOf(pv) == FormCSI {
		restored.Spec.CSI.VolumeHandle = disk.ID
	} else {
		setFlexVolumeID(restored.Spec.FlexVolume, disk.ID)
	}
	DropBackupMarks(restored)
	switch {
	case disk.Type.Category == categoryRegional:
		leaveZone(restored, disk.Region)
	case IsRegional(restored):
		enterZone(restored, disk.Zone)
	}
	setTopology(restored, IsZoneKey, disk.Zone)
	setTopology(restored, isRegionKey, disk.Region)
	setDiskType(restored, disk.Type)
	return restored
}

// setDiskType makes kind the type that pv names, where it names any. A choice of
// several is left if kind is one of them.
func setDiskType(pv *corev1.PersistentVolume, kind DiskType) {
	if kind.Category == "" {
		return
	}
	if text, ok := pv.Labels[LabelDiskType]; ok {
		named := ParseDiskType(text)
		if named.Category != kind.Category || named.PerformanceLevel != "" && named != kind {
			pv.Labels[LabelDiskType] = kind.String()
		}
	}
	setChoice(parameters(pv), parameterType, kind.Category)
	setChoice(parameters(pv), parameterLevel, kind.PerformanceLevel)
	isDiskTypeKey := func(key string) bool { return strings.HasPrefix(key, nodeDiskTypePrefix) }
	for _, requirement := range requirements(pv, isDiskTypeKey) {
		requirement.Key = nodeDiskTypePrefix + kind.Category
	}
	if text, ok := pv.Annotations[annotationVolumeNode]; ok {
		keys := regexp.MustCompile(regexp.QuoteMeta(nodeDiskTypePrefix) + `\w+`)
		pv.Annotations[annotationVolumeNode] = keys.ReplaceAllLiteralString(text, nodeDiskTypePrefix+kind.Category)
	}
}

// setChoice makes value the one of a parameter that has others. An empty value
// changes nothing.
func setChoice(params map[string]string, key, value string) {
	if value == "" {
		return
	}
	for name, text := range params {
		text = strings.TrimSpace(text)
		if !strings.EqualFold(name, key) || text == "" || text == anyType || slices.Contains(strings.Split(text, ","), value) {
			continue
		}
		params[name] = value
	}
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
