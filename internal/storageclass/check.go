// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"context"
	"errors"
	"fmt"
	"slices"

	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// What a conversion is refused for, in the words of the backup center's FAQ where
// it has them.
var (
	// ErrMissing follows the name of a class that is not in the cluster.
	ErrMissing = errors.New("not exists")
	// ErrProvisioner is for a class that the volume cannot be converted to.
	ErrProvisioner = errors.New("only support convert to storageclass with CSI diskplugin or nasplugin provisioner")
	// ErrMultiZoned is for a class that makes disks before it is known in which zone
	// their Pods will be.
	ErrMultiZoned = errors.New("current cluster is multi-zoned")
	// ErrAccessMode follows a claim and a mode in which no disk of the class is mounted.
	ErrAccessMode = errors.New("a disk of this class is mounted by one node at a time: ask for ReadWriteOnce, or name a class of file systems such as " + SharedClass)
	// ErrShrink is for a capacity below the size that was backed up.
	ErrShrink = errors.New("a volume does not become smaller than it was")
)

// IsRefusal tells whether err says that a conversion cannot be carried out, which another
// attempt would meet again. Any other error is one of reading the cluster or the settings.
func IsRefusal(err error) bool {
	return slices.ContainsFunc([]error{ErrMissing, ErrProvisioner, ErrMultiZoned, ErrAccessMode, ErrShrink, ErrOneDirectory},
		func(refusal error) bool { return errors.Is(err, refusal) })
}

// Classes of ACK clusters that the backup center recommends.
const (
	// SharedClass is for volumes that Pods on several nodes share.
	SharedClass = "alibabacloud-cnfs-nas"
	// defaultDiskClass is for disks.
	defaultDiskClass = "alicloud-disk-topology-alltype"
)

// readError says that the cluster could not be read, which tells nothing about a
// conversion.
type readError struct{ error }

// Unwrap returns the error of the API server.
func (e *readError) Unwrap() error { return e.error }

// targetClass returns the class of that name if volumes can be converted to it: one of
// Alibaba Cloud's disks, NAS or OSS, or of the driver own, which the volume has already.
func targetClass(ctx context.Context, name TargetClass, own string, classes Classes) (*storagev1.StorageClass, error) {
	class, err := classes.StorageClass(ctx, string(name))
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("storageclass %s %w: create it in this cluster, or name another: %w", name, ErrMissing, err)
	case err != nil:
		return nil, &readError{fmt.Errorf("reading the StorageClass %s: %w", name, err)}
	}
	switch class.Provisioner {
	case volume.DriverDisk, volume.DriverNAS, volume.DriverOSS, own:
		return class, nil
	default:
		return nil, fmt.Errorf("%w: the provisioner of %s is %s", ErrProvisioner, name, class.Provisioner)
	}
}

// checkZones refuses a class of disks that do not wait for their Pods in a cluster
// of several zones. Where the nodes cannot be read it refuses nothing: a check that
// cannot be made costs nobody a volume.
func checkZones(ctx context.Context, class *storagev1.StorageClass, classes Classes) error {
	// The API server leaves the mode of no class open.
	if !isDisk(class) || class.VolumeBindingMode == nil || *class.VolumeBindingMode != storagev1.VolumeBindingImmediate {
		return nil
	}
	zones, err := classes.Zones(ctx)
	if err != nil || len(zones) < 2 {
		return nil //nolint:nilerr // See above.
	}
	return fmt.Errorf("%w %v, and the volumeBindingMode of %s is Immediate: name a class with WaitForFirstConsumer such as %s",
		ErrMultiZoned, zones, class.Name, defaultDiskClass)
}

// isDisk tells whether the volumes of a class are disks.
func isDisk(class *storagev1.StorageClass) bool { return isDiskDriver(class.Provisioner) }

// isDiskDriver tells whether a provisioner makes disks.
func isDiskDriver(provisioner string) bool {
	return provisioner == volume.DriverDisk || provisioner == volume.FlexDriverDisk
}
