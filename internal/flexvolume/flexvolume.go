// SPDX-License-Identifier: Apache-2.0

// Package flexvolume says what the volumes and StorageClasses of Alibaba Cloud's
// FlexVolume drivers become under the CSI drivers that followed them: the same
// storage, mounted with the same options. Its functions are pure.
//
// What the FlexVolume drivers read is taken from
// github.com/AliyunContainerService/flexvolume, what the CSI drivers read from
// github.com/kubernetes-sigs/alibaba-cloud-csi-driver.
package flexvolume

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Volume is what a FlexVolume becomes.
type Volume struct {
	// Driver is the CSI driver.
	Driver string
	// Handle is the id of a disk. It is empty for other storage, where the driver
	// takes any handle that no other volume has.
	Handle string
	// FSType is the file system on a disk.
	FSType string
	// Attributes are the driver's parameters. The AccessKey is never among them.
	Attributes map[string]string
	// MountOptions are those that the FlexVolume driver was given, nil for none.
	MountOptions []string
	// AccessKey is what the options held in the clear.
	AccessKey AccessKey
}

// AccessKey is a key of Alibaba Cloud in the names that both OSS drivers read
// from a Secret.
type AccessKey struct {
	ID, Secret string
}

// IsZero reports whether there is no AccessKey.
func (k AccessKey) IsZero() bool { return k == AccessKey{} }

// The keys of AccessKey in the options of a FlexVolume, and in a Secret.
const (
	OptionAccessKeyID     = "akId"
	OptionAccessKeySecret = "akSecret"
)

// kubeletPrefix begins the options that the kubelet adds for the driver.
const kubeletPrefix = "kubernetes.io/"

// allowOther lets other users than root read a bucket that ossfs mounts. The
// FlexVolume driver always asked for it, the CSI driver does not.
const allowOther = "allow_other"

// IsDriver reports whether driver is one of Alibaba Cloud's FlexVolume drivers.
func IsDriver(driver string) bool {
	switch driver {
	case volume.FlexDriverDisk, volume.FlexDriverNAS, volume.FlexDriverOSS, volume.FlexDriverCPFS:
		return true
	default:
		return false
	}
}

// CSIDriver returns the CSI driver that took over from a FlexVolume driver or
// provisioner, and "" if it is not one of Alibaba Cloud's.
func CSIDriver(driver string) string {
	switch driver {
	case volume.FlexDriverDisk:
		return volume.DriverDisk
	case volume.FlexDriverNAS:
		return volume.DriverNAS
	case volume.FlexDriverOSS:
		return volume.DriverOSS
	case volume.FlexDriverCPFS:
		// CPFS over Lustre, which the NAS driver does not mount.
		return volume.DriverCPFS
	default:
		return ""
	}
}

// ToCSI returns what a FlexVolume of one of these drivers becomes. Options that
// neither driver is known to read are kept as attributes. Its error says what the
// FlexVolume lacks: no driver can mount it.
func ToCSI(driver, fsType string, options map[string]string) (Volume, error) {
	o := &reader{options: options, used: map[string]bool{}}
	converted := Volume{Driver: CSIDriver(driver)}
	attributes := map[string]string{}
	switch driver {
	case volume.FlexDriverDisk:
		converted.Handle = o.take("volumeId")
		converted.FSType = fsType
		o.require("volumeId")
	case volume.FlexDriverNAS:
		converted.MountOptions = o.nas(attributes)
	case volume.FlexDriverOSS:
		converted.AccessKey = o.oss(attributes)
	case volume.FlexDriverCPFS:
		o.cpfs(attributes)
	default:
		return Volume{}, fmt.Errorf("the FlexVolume driver %s is not one of Alibaba Cloud", driver)
	}
	if len(o.missing) > 0 {
		return Volume{}, fmt.Errorf("a FlexVolume of %s has no option %s", driver, strings.Join(o.missing, ", "))
	}
	o.rest(attributes)
	if len(attributes) > 0 {
		converted.Attributes = attributes
	}
	return converted, nil
}

// reader takes options one by one. Drivers ignore the case of their names.
type reader struct {
	options map[string]string
	// used are the lower-case names that were asked for.
	used    map[string]bool
	missing []string
}

// take returns the option of that name, "" for none.
func (r *reader) take(name string) string {
	r.used[strings.ToLower(name)] = true
	return volume.Parameter(r.options, name)
}

// require notes the options that are absent or empty.
func (r *reader) require(names ...string) {
	for _, name := range names {
		if r.take(name) == "" {
			r.missing = append(r.missing, name)
		}
	}
}

// put takes the option of that name into the attributes, under that name.
func (r *reader) put(attributes map[string]string, names ...string) {
	for _, name := range names {
		if value := r.take(name); value != "" {
			attributes[name] = value
		}
	}
}

// rest puts the options that were not asked for, but for those of the kubelet.
func (r *reader) rest(attributes map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(r.options)) {
		if !r.used[strings.ToLower(name)] && !strings.HasPrefix(name, kubeletPrefix) {
			r.put(attributes, name)
		}
	}
}

// nas returns the mount options of a NAS volume. The CSI driver takes version and
// options of NFS from those of the PersistentVolume before any attribute.
func (r *reader) nas(attributes map[string]string) []string {
	r.require("server")
	r.put(attributes, "server", "path")
	// The FlexVolume driver changed the mode of directories only, with all that is
	// in them; the CSI driver refuses a mode for the root.
	mode, root := r.take("mode"), path.Join("/", attributes["path"]) == "/"
	if mode != "" && !root {
		attributes["mode"] = mode
		attributes["modeType"] = "recursive"
	}
	var mountOptions []string
	if options := r.take("options"); options != "" {
		mountOptions = append(mountOptions, options)
	}
	if version := r.take("vers"); version != "" {
		mountOptions = append(mountOptions, "vers="+version)
	}
	return mountOptions
}

// oss returns the AccessKey of a bucket, the zero one unless both halves are given:
// the driver used another one then.
func (r *reader) oss(attributes map[string]string) AccessKey {
	r.require("bucket", "url")
	r.put(attributes, "bucket", "url", "path", "otherOpts")
	if !strings.Contains(attributes["otherOpts"], allowOther) {
		attributes["otherOpts"] = strings.TrimSpace("-o " + allowOther + " " + attributes["otherOpts"])
	}
	key := AccessKey{ID: r.take(OptionAccessKeyID), Secret: r.take(OptionAccessKeySecret)}
	if key.ID == "" || key.Secret == "" {
		return AccessKey{}
	}
	return key
}

func (r *reader) cpfs(attributes map[string]string) {
	r.require("server", "fileSystem")
	r.put(attributes, "server", "fileSystem", "options", "subPath")
	if directory := attributes["subPath"]; directory != "" && !strings.HasPrefix(directory, "/") {
		// The CSI driver refuses what the FlexVolume driver completed.
		attributes["subPath"] = "/" + directory
	}
}
