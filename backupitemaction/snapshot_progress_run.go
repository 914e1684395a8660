// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"
	"errors"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

// locationKey is a provider in a Backup.
type locationKey struct {
	backup   types.UID
	provider string
}

// location is the configuration of a VolumeSnapshotLocation, or that the Backup is made
// without one of the provider.
type location struct {
	config map[string]string
	none   error
}

// nativeOf returns what decides for the backup.
func (a *SnapshotProgress) nativeOf(backup *velerov1.Backup) (*native, error) {
	return a.natives.Get(backup.UID, func() (*native, error) {
		api, err := a.cluster.Client()
		if err != nil {
			return nil, err
		}
		return newNative(api, a.cluster.Namespace(), a.server, backup)
	})
}

// locationOf returns the configuration of the backup's location of provider;
// cluster.ErrNoLocation if it is made without one.
func (a *SnapshotProgress) locationOf(ctx context.Context, backup *velerov1.Backup, provider string) (map[string]string, error) {
	found, err := a.locations.Get(locationKey{backup.UID, provider}, func() (location, error) {
		config, err := a.cluster.SnapshotLocationOf(ctx, backup, provider)
		if err != nil && !errors.Is(err, cluster.ErrNoLocation) {
			return location{}, fmt.Errorf("finding the volume snapshot location of the Backup %s: %w", backup.Name, err)
		}
		return location{config: config, none: err}, nil
	})
	if err != nil {
		return nil, err
	}
	return found.config, found.none
}
