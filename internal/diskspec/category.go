// SPDX-License-Identifier: Apache-2.0

package diskspec

import (
	"errors"
	"fmt"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Disk categories that have something of their own.
const (
	ESSD     = "cloud_essd"
	AutoPL   = "cloud_auto"
	Regional = "cloud_regional_disk_auto"
)

// MinGiB is the least size of a disk that a restore makes, whatever its category
// allows. Source: backup center FAQ, "What changes are made to the YAML files".
const MinGiB = 20

// Category is what ECS allows for the disks of a category. Sizes are in GiB.
// Sources: CreateDisk; ECS documentation, "Block storage limits".
type Category struct {
	MinGiB, MaxGiB int64
	// Levels has the least size of each performance level, nil for a category without levels.
	Levels map[string]int64
	// Grouped says that a snapshot can be used at once, and that snapshot groups take such disks.
	Grouped bool
	// Provisioned says that such a disk may have provisioned IOPS and bursting.
	Provisioned bool
	// Shared says that several instances can attach such a disk.
	Shared bool
	// Ephemeral says that such a disk has no snapshots and is made from none.
	Ephemeral bool
}

const maxGiB = 65536

// CategoryOf returns what is allowed for a category, and whether it is known.
func CategoryOf(name string) (Category, bool) {
	switch name {
	case "cloud":
		return Category{MinGiB: 5, MaxGiB: 2000}, true
	case "cloud_efficiency", "cloud_ssd":
		return Category{MinGiB: 20, MaxGiB: 32768}, true
	case ESSD:
		return Category{
			MinGiB: 1, MaxGiB: maxGiB, Grouped: true, Shared: true,
			Levels: map[string]int64{"PL0": 1, "PL1": 20, "PL2": 461, "PL3": 1261},
		}, true
	case AutoPL:
		return Category{MinGiB: 1, MaxGiB: maxGiB, Grouped: true, Provisioned: true, Shared: true}, true
	case "cloud_essd_entry":
		return Category{MinGiB: 10, MaxGiB: 32768, Grouped: true}, true
	case Regional:
		return Category{MinGiB: 10, MaxGiB: maxGiB, Grouped: true}, true
	case "elastic_ephemeral_disk_standard", "elastic_ephemeral_disk_premium":
		return Category{MinGiB: 64, MaxGiB: 8192, Ephemeral: true}, true
	default:
		return Category{}, false
	}
}

// ErrUnfit is returned by Fit for a disk that cannot be made from a snapshot.
var ErrUnfit = errors.New("no such disk can be made")

// Fit returns the disk without what its category does not allow, and at least as
// large as the category, its performance level and MinGiB ask. Of a category
// that is not known, the disk stays as it is but for MinGiB.
func (s Spec) Fit() (Spec, error) {
	s.SizeGiB = max(s.SizeGiB, MinGiB)
	if s.Type.Category == Regional {
		s.Zone = ""
	}
	category, known := CategoryOf(s.Type.Category)
	if !known {
		return s, nil
	}
	if category.Ephemeral {
		return Spec{}, fmt.Errorf("%w: a disk of the category %s cannot be made from a snapshot", ErrUnfit, s.Type.Category)
	}
	if category.Levels == nil {
		s.Type.PerformanceLevel = ""
	}
	s.SizeGiB = max(s.SizeGiB, category.MinGiB, category.Levels[s.Type.PerformanceLevel])
	if s.SizeGiB > category.MaxGiB {
		return Spec{}, fmt.Errorf("%w: %d GiB are more than the %d GiB of the category %s", ErrUnfit, s.SizeGiB, category.MaxGiB, s.Type.Category)
	}
	if !category.Provisioned {
		s.ProvisionedIOPS, s.Bursting = 0, false
	}
	s.ProvisionedIOPS = min(s.ProvisionedIOPS, maxProvisionedIOPS(s.SizeGiB))
	if !category.Shared {
		s.MultiAttach = false
	}
	if s.MultiAttach {
		s.Bursting = false // CreateDisk refuses both together.
	}
	return s, nil
}

// maxProvisionedIOPS is how many IOPS a cloud_auto disk may have provisioned besides
// those that its size gives it. Source: CreateDisk, ProvisionedIops.
func maxProvisionedIOPS(sizeGiB int64) int64 {
	const limit = 50000
	own := max(min(1800+50*sizeGiB, limit), 3000)
	return max(min(1000*sizeGiB-own, limit), 0)
}

// LevelWith returns the performance level of an ESSD of that many IOPS and GiB, ""
// if there is none. The official plugin notes the IOPS of a disk and not its level.
// Source: ECS documentation, "ESSDs".
func LevelWith(iops, sizeGiB int64) string {
	essd, _ := CategoryOf(ESSD)
	for _, level := range []struct {
		name              string
		base, each, limit int64
	}{{"PL0", 1800, 12, 10000}, {"PL1", 1800, 50, 50000}, {"PL2", 4000, 50, 100000}, {"PL3", 4000, 50, 1000000}} {
		if sizeGiB >= essd.Levels[level.name] && iops == min(level.base+level.each*sizeGiB, level.limit) {
			return level.name
		}
	}
	return ""
}

// CheckType returns an error unless disks of the type can be made from a snapshot.
func CheckType(t volume.DiskType) error {
	category, known := CategoryOf(t.Category)
	switch {
	case !known:
		return fmt.Errorf("%s is no disk category of ECS such as cloud_essd, cloud_auto, cloud_ssd", t.Category)
	case category.Ephemeral:
		return fmt.Errorf("disks of the category %s cannot be made from a snapshot", t.Category)
	case t.PerformanceLevel != "" && category.Levels[t.PerformanceLevel] == 0:
		return fmt.Errorf("the category %s has no performance level %s", t.Category, t.PerformanceLevel)
	}
	return nil
}
