// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"context"
	"errors"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// ErrProvisioner is returned for a class that a volume cannot be converted to, in
// the words of the backup center.
var ErrProvisioner = errors.New("only support convert to storageclass with CSI diskplugin or nasplugin provisioner")

// upstreamAction is Velero's own action that changes classes.
const upstreamAction = "change-storage-class"

// Classes reads StorageClasses.
type Classes interface {
	// StorageClass returns the class of that name. apierrors.IsNotFound holds for
	// the error where there is none.
	StorageClass(ctx context.Context, name string) (*storagev1.StorageClass, error)
}

// upstreamMapping is the ConfigMap of Velero's own action: old class to new class.
type upstreamMapping struct {
	At      settings.Position
	Classes map[string]string `json:",inline"`
}

// Targets tells what the settings of a restore ask of the disk of a claim. It is
// safe for use by several goroutines.
type Targets struct {
	mapping  *settings.Settings[Mapping]
	upstream *settings.Settings[upstreamMapping]
	classes  Classes
}

// NewTargets returns targets from the settings that reader reads. It reads nothing yet.
func NewTargets(reader *settings.Reader, classes Classes) *Targets {
	return &Targets{
		mapping:  settings.Of[Mapping](reader, Action),
		upstream: settings.OfUpstream[upstreamMapping](reader, upstreamAction),
		classes:  classes,
	}
}

// DiskTarget returns what restore asks of the disk of claim, which has the names
// of the backed-up cluster: the size of the rule that holds for it, and all that
// the class of the rule asks, as it is in the cluster now. Where no rule names a
// class, that of Velero's own change-storage-class counts: it will be the claim's.
// The zero Target means that nothing is asked.
//
// The labels of a claim are not known when its disk is made. Rules with a
// selector are for volumes that are provisioned anew, and do not count here.
//
// Its error is that of the settings, or of the API server; a class that is
// missing, or is not of ECS disks, is told in the words of the backup center
// (ErrProvisioner, "storageclass xxx not exists").
func (t *Targets) DiskTarget(ctx context.Context, restore *velerov1.Restore, claim diskspec.Claim) (diskspec.Target, error) {
	conversion, err := t.conversion(ctx, settings.ForRestore(restore), claim)
	if err != nil {
		return diskspec.Target{}, err
	}
	var target diskspec.Target
	if conversion.Class != "" {
		target, err = t.ofClass(ctx, string(conversion.Class))
		if err != nil {
			return diskspec.Target{}, fmt.Errorf("%s: converting the disk of the claim %s/%s: %w", conversion.At, claim.Namespace, claim.Name, err)
		}
	}
	if conversion.Capacity != nil {
		target.SizeGiB = conversion.Capacity.GiB()
	}
	return target, nil
}

// conversion returns what becomes of claim, the zero one if it stays as it was.
func (t *Targets) conversion(ctx context.Context, run settings.Run, claim diskspec.Claim) (Conversion, error) {
	mapping, _, err := t.mapping.Read(ctx, run)
	if err != nil {
		return Conversion{}, err
	}
	conversion, _ := mapping.FindByName(claim)
	if conversion.Class != "" || claim.StorageClass == "" {
		return conversion, nil
	}
	upstream, _, err := t.upstream.Read(ctx, run)
	if err != nil {
		return Conversion{}, err
	}
	if class, ok := upstream.Classes[claim.StorageClass]; ok {
		conversion.At = upstream.At
		conversion.At.Key = claim.StorageClass
		conversion.Class = TargetClass(class)
	}
	return conversion, nil
}

// ofClass returns what a class of the cluster asks of its disks.
func (t *Targets) ofClass(ctx context.Context, name string) (diskspec.Target, error) {
	class, err := t.classes.StorageClass(ctx, name)
	if apierrors.IsNotFound(err) {
		return diskspec.Target{}, fmt.Errorf("storageclass %s not exists: create it in this cluster, or name another: %w", name, err)
	}
	if err != nil {
		return diskspec.Target{}, fmt.Errorf("reading the StorageClass %s: %w", name, err)
	}
	if class.Provisioner != volume.DriverDisk {
		return diskspec.Target{}, fmt.Errorf("%w: the snapshot of a disk becomes a disk, and the provisioner of %s is %s", ErrProvisioner, name, class.Provisioner)
	}
	return TargetOf(class)
}
