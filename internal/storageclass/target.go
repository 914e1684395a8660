// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"context"
	"fmt"
	"sync"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// upstreamAction is Velero's own action that changes classes.
const upstreamAction = "velero.io/change-storage-class"

// Classes are the StorageClasses and zones of the cluster that is restored to.
type Classes interface {
	// StorageClass returns the class of that name. apierrors.IsNotFound holds for
	// the error where there is none.
	StorageClass(ctx context.Context, name string) (*storagev1.StorageClass, error)
	// Zones returns the zones of the cluster's nodes.
	Zones(ctx context.Context) ([]string, error)
}

// upstreamMapping is the ConfigMap of Velero's own action: old class to new class.
type upstreamMapping struct {
	At      settings.Position
	Classes map[string]string `json:",inline"`
}

// Targets tells what the settings of a restore ask of the volume of a claim. It is
// safe for use by several goroutines.
type Targets struct {
	mapping  *settings.Settings[Mapping]
	upstream *settings.Settings[upstreamMapping]
	classes  Classes
	// refused are the claims that no volume is made for.
	refused *refusals
	// kept has a keptDisk for each new disk that no settings were asked for. Neither the
	// volume nor its claim tells.
	kept sync.Map
}

// NewTargets returns targets from the settings that reader reads. It reads nothing yet.
func NewTargets(reader *settings.Reader, classes Classes) *Targets {
	return &Targets{
		mapping:  settings.Of[Mapping](reader, Action),
		upstream: settings.OfUpstream[upstreamMapping](reader, upstreamAction),
		classes:  classes,
		refused:  newRefusals(),
	}
}

// DiskTarget returns what restore asks of the disk of claim, which has the names
// of the backed-up cluster and had that disk: the size of the rule that holds for
// it, and all that the class of the rule asks, as it is in the cluster now. Where no
// rule names a class, that of Velero's own change-storage-class counts: it will be
// the claim's. So does the one that takes the place of a class that is missing.
// The zero Target means that nothing is asked, as it does for a claim that is not
// known: a snapshot that another plugin took does not tell of which it is.
//
// The labels of a claim are not known when its disk is made. Rules with a
// selector are for volumes that are provisioned anew, and do not count here.
//
// Its error is that of the settings, or of the API server; a conversion that
// cannot be carried out is told in the words of the backup center (ErrMissing,
// ErrProvisioner, ErrMultiZoned, ErrAccessMode, ErrShrink). That claim is then
// refused too, by the Planner of the same process, which also warns of what may not
// be read and is not checked.
func (t *Targets) DiskTarget(ctx context.Context, restore *velerov1.Restore, claim diskspec.Claim, had diskspec.Spec) (diskspec.Target, error) {
	if claim == (diskspec.Claim{}) {
		// Nothing is asked; but the PersistentVolume would be refused for the mistake later,
		// when its disk is there.
		_, _, err := t.mapping.Read(ctx, settings.ForRestore(restore))
		return diskspec.Target{}, err
	}
	conversion, _, err := t.conversion(ctx, settings.ForRestore(restore), claimOfDisk(claim), t.classes.StorageClass)
	if err != nil {
		return diskspec.Target{}, err
	}
	target, err := diskTarget(ctx, conversion, t.classes)
	if err != nil {
		return diskspec.Target{}, t.refused.note(restore, claim, "", conversion.wrapClass(claim, err))
	}
	backedUp := resource.NewQuantity(had.SizeGiB*gibibyte, resource.BinarySI)
	disk := sharing{multiAttach: target.Apply(had).MultiAttach, block: claim.Block}
	if err := conversion.check(claim, *backedUp, disk); err != nil {
		return diskspec.Target{}, t.refused.note(restore, claim, "", conversion.wrap(claim, err))
	}
	return target, nil
}

// KeepAsItWas says that the new disk of that id is as the one that was backed up,
// because nothing tells of which claim it is. The Planner of the same process then
// plans no conversion of its volume.
func (t *Targets) KeepAsItWas(restore *velerov1.Restore, volumeID string) {
	t.kept.Store(keptDisk{restore.UID, volumeID}, true)
}

// keptAsItWas tells whether no settings were asked for the new disk of that id.
func (t *Targets) keptAsItWas(restore *velerov1.Restore, volumeID string) bool {
	_, kept := t.kept.Load(keptDisk{restore.UID, volumeID})
	return kept
}

// keptDisk names a disk of a restore.
type keptDisk struct {
	restore types.UID
	id      string
}

// find returns a StorageClass, as Classes does.
type find func(ctx context.Context, name string) (*storagev1.StorageClass, error)

// claimOfDisk returns what is known of a claim whose volume is a disk.
func claimOfDisk(claim diskspec.Claim) claimed {
	return claimed{Claim: claim, provisioner: volume.DriverDisk}
}

// conversion returns what becomes of a claim, the volume of which is made of a
// snapshot; the zero one if it stays as it was. A substitute is the conversion to a
// class that takes the place of a missing one.
func (t *Targets) conversion(ctx context.Context, run settings.Run, had claimed, class find) (found Conversion, substitute bool, err error) {
	mapping, _, err := t.mapping.Read(ctx, run)
	if err != nil {
		return Conversion{}, false, err
	}
	conversion, _ := mapping.FindByName(had.Claim)
	if conversion.Class != "" || had.StorageClass == "" {
		return conversion, false, nil
	}
	upstream, _, err := t.upstream.Read(ctx, run)
	if err != nil {
		return Conversion{}, false, err
	}
	if name, ok := upstream.Classes[had.StorageClass]; ok {
		at := upstream.At.ValueUnder(had.StorageClass)
		conversion.Class, conversion.ClassAt, conversion.Upstream = TargetClass(name), &at, true
		return conversion, false, nil
	}
	instead := mapping.MissingClasses.of(had)
	if instead == "" {
		return conversion, false, nil
	}
	switch _, err := class(ctx, had.StorageClass); {
	case apierrors.IsNotFound(err):
		conversion.Class, conversion.ClassAt = instead, &mapping.MissingClasses.At
		return conversion, true, nil
	case apierrors.IsForbidden(err):
		return conversion, false, nil // A class that may not be read is not known to be missing.
	case err != nil:
		return conversion, false, &readError{fmt.Errorf("looking whether there is the StorageClass %s: %w", had.StorageClass, err)}
	}
	return conversion, false, nil
}

// diskTarget returns what a conversion asks of a disk that is made of a snapshot. The
// disk is made where its Pods can be, so that a class of Velero's own action, which
// knows no such check, need not wait for them.
func diskTarget(ctx context.Context, conversion Conversion, classes Classes) (diskspec.Target, error) {
	var target diskspec.Target
	if conversion.Class != "" {
		class, err := targetClass(ctx, conversion.Class, "", classes)
		if err == nil && !conversion.Upstream {
			err = checkZones(ctx, class, classes)
		}
		if err != nil {
			return diskspec.Target{}, err
		}
		if !isDisk(class) {
			return diskspec.Target{}, fmt.Errorf("%w: the snapshot of a disk becomes a disk, and the provisioner of %s is %s", ErrProvisioner, class.Name, class.Provisioner)
		}
		if target, err = TargetOf(class); err != nil {
			return diskspec.Target{}, err
		}
	}
	if conversion.Capacity != nil {
		target.SizeGiB = conversion.Capacity.GiB()
	}
	return target, nil
}

// check refuses what a conversion asks of a disk that is made of a snapshot and cannot
// have: a size below the one that was backed up, and modes that the disk does not allow.
func (c *Conversion) check(claim diskspec.Claim, backedUp resource.Quantity, disk sharing) error {
	if err := c.checkCapacity(backedUp); err != nil {
		return err
	}
	return disk.check(claim, c.Modes())
}
