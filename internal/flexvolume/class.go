// SPDX-License-Identifier: Apache-2.0

package flexvolume

import "github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"

// Class is the part of a StorageClass that the provisioner decides.
type Class struct {
	Provisioner string
	Parameters  map[string]string
}

// anyDisk is what the FlexVolume provisioner tried for the type "available", in
// its order. The CSI driver leaves ESSD out.
const anyDisk = "cloud_essd,cloud_ssd,cloud_efficiency"

// ClassToCSI returns the class of the CSI driver that provisions what a class of
// a FlexVolume provisioner did, and whether class is one. There were provisioners
// for disks and NAS alone. Parameters that neither is known to read are kept.
func ClassToCSI(class Class) (Class, bool) {
	r := &reader{options: class.Parameters, used: map[string]bool{}}
	parameters := map[string]string{}
	switch class.Provisioner {
	case volume.FlexDriverDisk:
		r.diskClass(parameters)
	case volume.FlexDriverNAS:
		r.nasClass(parameters)
	default:
		return Class{}, false
	}
	r.rest(parameters)
	return Class{Provisioner: CSIDriver(class.Provisioner), Parameters: parameters}, true
}

func (r *reader) diskClass(parameters map[string]string) {
	r.put(parameters, "type", "zoneId", "encrypted", "kmsKeyId", "performanceLevel", "resourceGroupId")
	if parameters["type"] == "available" {
		parameters["type"] = anyDisk
	}
	if fsType := r.take("fsType"); fsType != "" {
		parameters["csi.storage.k8s.io/fstype"] = fsType
	}
	// The CSI driver makes disks in its own region.
	r.take("regionId")
}

func (r *reader) nasClass(parameters map[string]string) {
	r.put(parameters, "server", "mode", "archiveOnDelete", "volumeAs")
	if parameters["volumeAs"] == "" {
		parameters["volumeAs"] = "subpath"
	}
	// It chose between FlexVolume and in-tree NFS.
	r.take("driver")
}

// TopologyKey returns the topology key by which the CSI drivers know what key
// names: FlexVolume classes and volumes have zones by the labels of old nodes.
func TopologyKey(key string) string {
	if volume.IsZoneKey(key) {
		return volume.LabelDiskZone
	}
	return key
}
