// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// Disk categories that the code must tell apart.
const (
	categoryBasic = "cloud"
	categoryESSD  = "cloud_essd"
)

// category is what a disk category can do. Sizes are in GiB. The numbers are those of the documents "Block storage
// limits" and CreateDisk.
type category struct {
	minSize, maxSize int64
	// levels has the smallest size of each performance level. It is nil for a category that has none.
	levels map[string]int64
	// defaultLevel is the performance level of a disk for which none is given.
	defaultLevel string
	// instant says that a snapshot of such a disk can be used at once, and that snapshot groups can hold such disks.
	instant bool
	// provisioned says that IOPS can be provisioned and bursting be switched on.
	provisioned bool
	// ephemeral says that such a disk has no snapshots and is made from none.
	ephemeral bool
	// regional says that such a disk is in no zone, and can be attached in each zone of its region.
	regional bool
	// shared says that such a disk can be attached to many instances at once.
	shared bool
}

// maxSize is that of the big categories.
const maxSize = 65536

func categoryNamed(name string) (category, bool) {
	switch name {
	case categoryBasic:
		return category{minSize: 5, maxSize: 2000}, true
	case "cloud_efficiency", "cloud_ssd":
		return category{minSize: 20, maxSize: 32768}, true
	case categoryESSD:
		return category{
			minSize: 1, maxSize: maxSize, instant: true, shared: true, defaultLevel: "PL1",
			levels: map[string]int64{"PL0": 1, "PL1": 20, "PL2": 461, "PL3": 1261},
		}, true
	case "cloud_auto":
		return category{minSize: 1, maxSize: maxSize, instant: true, provisioned: true, shared: true}, true
	case "cloud_essd_entry":
		return category{minSize: 10, maxSize: 32768, instant: true}, true
	case "cloud_regional_disk_auto":
		return category{minSize: 10, maxSize: maxSize, instant: true, regional: true}, true
	case "elastic_ephemeral_disk_standard", "elastic_ephemeral_disk_premium":
		return category{minSize: 64, maxSize: 8192, ephemeral: true}, true
	default:
		return category{}, false
	}
}

// categoryNames are all categories, in the order in which they are listed.
func categoryNames() []string {
	return []string{
		categoryBasic, "cloud_efficiency", "cloud_ssd", categoryESSD, "cloud_auto", "cloud_essd_entry",
		"cloud_regional_disk_auto", "elastic_ephemeral_disk_standard", "elastic_ephemeral_disk_premium",
	}
}

// checkLevel says whether a disk of the category can have the performance level. The empty one is that of a category
// without levels.
func (c category) checkLevel(level string) error {
	if level == "" && c.levels == nil {
		return nil
	}
	if _, ok := c.levels[level]; !ok {
		return rpc.BadRequest("InvalidPerformanceLevel.Malformed", "The specified parameter PerformanceLevel is not valid.")
	}
	return nil
}

func (c category) checkSize(size int64, level string) error {
	switch {
	case size < c.minSize || size > c.maxSize:
		return rpc.BadRequest("InvalidDataDiskSize.ValueNotSupported", "The specified disk size is beyond the "+
			"permitted range, or the snapshot capacity exceeds the size limit for the specified disk category.")
	case size < c.levels[level]:
		return rpc.Forbidden("OperationDenied.PerformanceLevelNotMatch",
			"The specified PerformanceLevel and Size do not match.")
	default:
		return nil
	}
}

// checkIOPS checks what only some categories have. Of an ESSD AutoPL disk min(1,000 × size − baseline,
// 50,000) IOPS can be provisioned, where the baseline is max(min(1,800 + 50 × size, 50,000), 3,000).
func (c category) checkIOPS(provisioned int64, bursting bool, size int64) error {
	const limit, perGiB = 50000, 1000
	switch {
	case provisioned != 0 && !c.provisioned:
		return rpc.BadRequest("ProvisionedIopsForDiskCategoryUnsupported",
			"The specified disk category does not support provisioned iops.")
	case bursting && !c.provisioned:
		return rpc.BadRequest("BurstingEnabledForDiskCategoryUnsupported",
			"The specified disk category does not support bursting enabled.")
	case bursting && size <= 3:
		return rpc.BadRequest("InvalidBurstingEnabled.DiskSizeTooSmall",
			"The disk size must be greater than 3 GiB to enable burst.")
	}
	baseline := max(min(1800+50*size, limit), 3000)
	if provisioned < 0 || provisioned > 0 && provisioned > min(perGiB*size-baseline, limit) {
		return rpc.BadRequest("InvalidProvisionedIops.LimitExceed", "The provisioned iops exceeds the limit.")
	}
	return nil
}

// The wire has the multi-attach attribute as a string.
const (
	multiAttachEnabled  = "Enabled"
	multiAttachDisabled = "Disabled"
)

// parseMultiAttach reads the parameter MultiAttach.
func (c category) parseMultiAttach(value string) (bool, error) {
	switch {
	case value == "" || strings.EqualFold(value, multiAttachDisabled):
		return false, nil
	case !strings.EqualFold(value, multiAttachEnabled):
		return false, rpc.Forbidden("InvalidParameter.MultiAttach", "The specified param MultiAttach is not valid.")
	case !c.shared:
		return false, rpc.Forbidden("InvalidParameter.DiskCategoryAndMultiAttachNotMatch",
			"The specified disk category does not support multi attach enabled.")
	default:
		return true, nil
	}
}
