// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample/fields"
)

// diskKind is what a disk is in the cloud.
type diskKind struct {
	category, level string
	sizeGiB         int64
}

// outcome is what a restore must make of the application.
type outcome struct {
	// changes are the fields that change, beside the ids of disks and the directory of files. All others must be as they were.
	changes []fields.Change
	// disks are those that are made, by claim.
	disks map[string]diskKind
}

// expected are the changes of an outcome with the ids of the new disks, which are by claim, and the volume of the new
// directory.
func (d *demo) expected(want outcome, ids map[string]string, directory *corev1.PersistentVolume) []fields.Change {
	changes := slices.Clone(want.changes)
	for _, of := range d.disks {
		changes = append(changes, fields.Change{
			Object: "persistentvolumes/" + of.Claim, Field: "spec.csi.volumeHandle", Before: of.id, After: ids[of.Claim],
		})
	}
	restored, _ := volume.FileSystemOf(directory)
	before, _ := d.files.Objects(namespace, "")
	object := "persistentvolumes/" + d.files.Claim
	changes = append(changes, fields.Change{Object: object, Field: "spec.csi.volumeAttributes.path", Before: d.files.Path, After: restored.Path})
	if directory.Name != before.Name {
		// The driver finds a volume by a handle that is its name.
		changes = append(changes, fields.Change{Object: object, Field: "spec.csi.volumeHandle", Before: before.Name, After: directory.Name})
	}
	return changes
}

// withoutSettings is the outcome of a restore that nobody has asked to change anything: a disk becomes what it can be,
// and the cloud controller manager finds nothing of what it had written.
func withoutSettings() outcome {
	const (
		hash      = "metadata.labels[service.beta.kubernetes.io/hash]"
		hashValue = "7f1d4ce41c6ff8d2a02ae9ab2c1ae8b3"
		balancer  = "metadata.labels[service.k8s.alibaba/loadbalancer-id]"
		finalizer = `["service.k8s.alibaba/resources"]`
		override  = "metadata.annotations[service.beta.kubernetes.io/alibaba-cloud-loadbalancer-force-override-listeners]"
	)
	return outcome{
		changes: []fields.Change{
			{Object: "persistentvolumeclaims/database", Field: "spec.resources.requests.storage", Before: "10Gi", After: "20Gi"},
			{Object: "persistentvolumes/database", Field: "spec.capacity.storage", Before: "10Gi", After: "20Gi"},
			{Object: "persistentvolumeclaims/uploads", Field: "spec.accessModes", Before: `["ReadWriteMany"]`, After: `["ReadWriteOnce"]`},
			{Object: "persistentvolumes/uploads", Field: "spec.accessModes", Before: `["ReadWriteMany"]`, After: `["ReadWriteOnce"]`},
			{Object: "services/api", Field: hash, Before: hashValue, After: fields.None},
			{Object: "services/api", Field: balancer, Before: "lb-bp1made", After: fields.None},
			{Object: "services/api", Field: "metadata.finalizers", Before: finalizer, After: fields.None},
			{Object: "services/checkout", Field: hash, Before: hashValue, After: fields.None},
			{Object: "services/checkout", Field: balancer, Before: "lb-bp1checkout", After: fields.None},
			{Object: "services/checkout", Field: "metadata.finalizers", Before: finalizer, After: fields.None},
			{Object: "services/checkout", Field: override, Before: "true", After: "false"},
		},
		disks: map[string]diskKind{
			"database": {category: "cloud_essd", level: "PL0", sizeGiB: 20},
			"uploads":  {category: "cloud_ssd", sizeGiB: 20},
		},
	}
}

// withSettings is the outcome with the settings of settingsFiles: what changes without them, and what they ask for.
func withSettings() outcome {
	const (
		images      = "spec.template.spec."
		newRegistry = "registry.cn-beijing.aliyuncs.com/my-registry/"
		ssd, essd   = "alicloud-disk-ssd", "alicloud-disk-essd"
	)
	want := withoutSettings()
	want.changes = append(want.changes,
		fields.Change{Object: "deployments.apps/proxy", Field: images + "containers[0].image", Before: "nginx:1.14.1", After: newRegistry + "nginx:1.14.1"},
		fields.Change{Object: "deployments.apps/proxy", Field: images + "initContainers[0].image", Before: "busybox:1.36", After: newRegistry + "busybox:1.36"},
		fields.Change{Object: "persistentvolumeclaims/uploads", Field: "spec.storageClassName", Before: ssd, After: essd},
		fields.Change{Object: "persistentvolumes/uploads", Field: "spec.storageClassName", Before: ssd, After: essd},
		fields.Change{Object: "persistentvolumes/uploads", Field: "spec.csi.volumeAttributes.type", Before: "cloud_ssd", After: "cloud_essd"},
		fields.Change{Object: "persistentvolumes/uploads", Field: "metadata.labels[csi.alibabacloud.com/disktype]", Before: "cloud_ssd", After: "cloud_essd.PL1"},
	)
	want.disks["uploads"] = diskKind{category: "cloud_essd", level: "PL1", sizeGiB: 20}
	return want
}
