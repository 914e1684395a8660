// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Plan is what a PersistentVolume, a claim, or a template of claims is to be. What
// is empty or nil is to stay as it is.
//
// The first part is for storage-class-mapping, OneNode for access-modes, and
// LeastSize for disk-size. No part depends on what another action has written.
type Plan struct {
	// At is where the settings ask for what follows.
	At settings.Position
	// Class is the name of the StorageClass.
	Class string
	// Modes are the access modes that a rule asks for.
	Modes []corev1.PersistentVolumeAccessMode
	// Capacity is the size that a rule asks for. The object has that or more.
	Capacity *resource.Quantity
	// MultiAttach is whether the disk of a PersistentVolume was made to be attached to
	// several nodes.
	MultiAttach *bool
	// Target is what the files of a PersistentVolume are restored into; nil where none are,
	// and where the cluster may not be read. It is to be noted on it.
	Target *FileSystemTarget
	// Missing is the class that the object had, where no rule names another and the
	// cluster has none of that name. Class may have taken its place.
	Missing string
	// Kept is the class that a rule asks for in vain: the volume is as it was.
	Kept string
	// Selector is what a claim was backed up with, and must not have: the volume that Class
	// provisions for it is not selected (external-provisioner, "claim Selector is not supported").
	Selector *metav1.LabelSelector
	// AttributesClass is the VolumeAttributesClass of a claim, and is not one for the volumes
	// of Class: the claim must not have it.
	AttributesClass string

	// OneNode says that the volume is a disk that cannot be mounted in one of the access
	// modes that it has, and no rule asks for others: ReadWriteOnce is what is left.
	OneNode bool
	// WasShared says with OneNode that the volume was none of a disk, so that Pods on
	// several nodes could have it mounted.
	WasShared bool

	// LeastSize is the least that the object is to say. It is nil for what is no new disk.
	LeastSize *resource.Quantity
}

// sizeOf returns the size of what had one.
func (p *Plan) sizeOf(had resource.Quantity) resource.Quantity {
	for _, size := range []*resource.Quantity{p.Capacity, p.LeastSize} {
		if size != nil && size.Cmp(had) > 0 {
			had = *size
		}
	}
	return had
}

// leastSize is that of a disk of any of the types: no disk is smaller, and a
// category or performance level may ask for more. A class leaves the driver the
// choice between its types.
func leastSize(types []volume.DiskType) *resource.Quantity {
	least := int64(0)
	for i, kind := range types {
		// That of a type which is not known here is 0, and the smallest too.
		if size := leastOf(kind); i == 0 || size < least {
			least = size
		}
	}
	return resource.NewQuantity(max(least, diskspec.MinGiB)*gibibyte, resource.BinarySI)
}

func leastOf(kind volume.DiskType) int64 {
	category, _ := diskspec.CategoryOf(kind.Category)
	return max(category.MinGiB, category.Levels[kind.PerformanceLevel])
}

// setModes plans the access modes of a volume with those that were backed up, if it
// is a disk of that sharing; nil stands for what is no disk. Its error is that of a
// rule that asks for modes in which the disk cannot be mounted.
func (p *Plan) setModes(claim diskspec.Claim, conversion Conversion, had []corev1.PersistentVolumeAccessMode, disk *sharing) error {
	p.Modes = conversion.Modes()
	switch {
	case disk == nil:
		return nil
	case p.Modes != nil:
		return disk.check(claim, p.Modes)
	default:
		p.OneNode = !disk.allowsAll(had)
		return nil
	}
}

// size returns the size that is asked for, nil for none.
func (c *Conversion) size() *resource.Quantity {
	if c.Capacity == nil {
		return nil
	}
	return &c.Capacity.Quantity
}

// checkCapacity refuses a size below the one that was backed up.
func (c *Conversion) checkCapacity(backedUp resource.Quantity) error {
	if c.Capacity == nil || c.Capacity.Cmp(backedUp) >= 0 {
		return nil
	}
	return fmt.Errorf("%w: capacity %s is asked for and %s were backed up", ErrShrink, &c.Capacity.Quantity, &backedUp)
}
