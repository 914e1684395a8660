// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// readOnlyOption is the mount option by which nothing can be written.
const readOnlyOption = "ro"

// makeWritable has pv be mounted so that a job can write into it, also where applications
// only read it.
func makeWritable(pv *corev1.PersistentVolume) {
	spec := &pv.Spec
	spec.AccessModes = writableModes(spec.AccessModes, corev1.ReadWriteMany)
	for i, options := range spec.MountOptions { // One may be several.
		spec.MountOptions[i] = writableOptions(options)
	}
	spec.MountOptions = slices.DeleteFunc(spec.MountOptions, func(options string) bool { return options == "" })
	if options := writableOptions(pv.Annotations[corev1.MountOptionAnnotation]); options != "" {
		pv.Annotations[corev1.MountOptionAnnotation] = options
	} else {
		delete(pv.Annotations, corev1.MountOptionAnnotation)
	}
	switch {
	case spec.CSI != nil:
		spec.CSI.ReadOnly = false
		makeParametersWritable(spec.CSI.VolumeAttributes)
	case spec.FlexVolume != nil:
		spec.FlexVolume.ReadOnly = false
		makeParametersWritable(spec.FlexVolume.Options)
	case spec.NFS != nil:
		spec.NFS.ReadOnly = false
	}
}

// writableModes returns access modes of which the first one is not ReadOnlyMany, and instead where
// there is no other. The kubelet tells the driver the first one, by which some mount the
// volume to be read alone.
func writableModes(modes []corev1.PersistentVolumeAccessMode, instead corev1.PersistentVolumeAccessMode) []corev1.PersistentVolumeAccessMode {
	if len(modes) == 0 || modes[0] != corev1.ReadOnlyMany {
		return modes
	}
	writable := slices.DeleteFunc(slices.Clone(modes), func(mode corev1.PersistentVolumeAccessMode) bool { return mode == corev1.ReadOnlyMany })
	if len(writable) == 0 {
		return []corev1.PersistentVolumeAccessMode{instead}
	}
	return writable
}

// writerOf returns the access mode of a volume of a provisioner that is written to in place of
// ReadOnlyMany. The file system of a disk does not stand two writers.
func writerOf(provisioner string) corev1.PersistentVolumeAccessMode {
	if provisioner == volume.DriverDisk {
		return corev1.ReadWriteOnce
	}
	return corev1.ReadWriteMany
}

// makeParametersWritable does so with what the drivers of Alibaba Cloud are told of a volume:
// otherOpts are of OSS, options of file systems.
// Source: github.com/kubernetes-sigs/alibaba-cloud-csi-driver, pkg/oss/utils.go and pkg/nas/nodeserver.go.
func makeParametersWritable(parameters map[string]string) {
	for name, value := range parameters {
		switch strings.ToLower(name) {
		case "otheropts":
			parameters[name] = writableArguments(value)
		case "options":
			parameters[name] = writableOptions(value)
		}
	}
}

// argument matches one of the arguments that otherOpts are, with the options in it.
var argument = regexp.MustCompile(`(?:^|\s)-o\s*(\S+)`)

// writableArguments returns otherOpts, such as "-o allow_other -oro,gid=1000", without the
// option.
func writableArguments(arguments string) string {
	return strings.TrimSpace(argument.ReplaceAllStringFunc(arguments, func(one string) string {
		options := argument.FindStringSubmatch(one)[1]
		left := writableOptions(options)
		if left == "" {
			return ""
		}
		return strings.TrimSuffix(one, options) + left
	}))
}

// writableOptions returns mount options, which commas separate, without the option.
func writableOptions(options string) string {
	kept := slices.DeleteFunc(strings.Split(options, ","), func(option string) bool { return strings.TrimSpace(option) == readOnlyOption })
	return strings.Join(kept, ",")
}
