// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"
	"errors"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

// run is what is read once for a Backup in a process.
type run struct {
	native *native
	// locations are those of the providers that were asked for.
	locations map[string]location
}

// location is the configuration of a VolumeSnapshotLocation, or that the Backup is made
// without one of the provider.
type location struct {
	config map[string]string
	none   error
}

// nativeOf returns what decides for the backup.
func (a *SnapshotProgress) nativeOf(backup *velerov1.Backup) (*native, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.runOf(backup)
	if known.native != nil {
		return known.native, nil
	}
	api, err := a.cluster.Client()
	if err != nil {
		return nil, err
	}
	known.native, err = newNative(api, a.cluster.Namespace(), a.server, backup)
	return known.native, err
}

// locationOf returns the configuration of the backup's location of provider;
// cluster.ErrNoLocation if it is made without one.
func (a *SnapshotProgress) locationOf(ctx context.Context, backup *velerov1.Backup, provider string) (map[string]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	locations := a.runOf(backup).locations
	if known, ok := locations[provider]; ok {
		return known.config, known.none
	}
	config, err := a.cluster.SnapshotLocationOf(ctx, backup, provider)
	if err != nil && !errors.Is(err, cluster.ErrNoLocation) {
		return nil, fmt.Errorf("finding the volume snapshot location of the Backup %s: %w", backup.Name, err)
	}
	locations[provider] = location{config: config, none: err}
	return config, err
}

// runOf returns what is known for the backup. The caller has locked a.mu.
func (a *SnapshotProgress) runOf(backup *velerov1.Backup) *run {
	known, ok := a.runs[backup.UID]
	if !ok {
		known = &run{locations: map[string]location{}}
		a.runs[backup.UID] = known
	}
	return known
}
