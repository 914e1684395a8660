// SPDX-License-Identifier: Apache-2.0

// Package ecs is Velero's VolumeSnapshotter for ECS disks: it backs them up by
// snapshots, and makes disks of these in the zone, the region and the type that
// their new home needs.
package ecs

import (
	"context"
	"strings"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/sites"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// notOnECSVariable is the official plugin's older way to say notOnECS, with the opposite sense.
const notOnECSVariable = "VELERO_FOR_ACK"

// Snapshotter is Velero's VolumeSnapshotter for ECS disks. Velero initialises it
// anew for each volume that it restores; what the process has learnt of a location stays.
type Snapshotter struct {
	sites *sites.Sites[site]
}

// New returns a Snapshotter that gets its clients from clients. getenv reads the
// official plugin's environment variables. It contacts nothing.
func New(log logrus.FieldLogger, clients Clients, cluster Cluster, targets Targets, getenv func(string) string) *Snapshotter {
	return &Snapshotter{sites: sites.New(func(config map[string]string) (*site, error) {
		l, err := parseLocation(config)
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(getenv(notOnECSVariable), "false") {
			l.ecs.NotOnECS = true
		}
		return newSite(l, log, clients, cluster, targets), nil
	})}
}

// Init sets the location that the following calls are for. It contacts nothing.
// Unknown keys and malformed values are errors.
func (s *Snapshotter) Init(config map[string]string) error { return s.sites.Init(config) }

// GetVolumeID returns the id of the disk behind a PersistentVolume, "" if that is
// no ECS disk, the location leaves disks to Cloud Backup, or the backup leaves its data out.
func (s *Snapshotter) GetVolumeID(item runtime.Unstructured) (string, error) {
	current, err := s.sites.Current()
	if err != nil {
		return "", err
	}
	pv, err := volume.FromItem(item)
	if err != nil {
		return "", err
	}
	return current.idOf(pv), nil
}

// SetVolumeID returns the PersistentVolume with the id of another disk, and with the
// place of that disk where it differs.
func (s *Snapshotter) SetVolumeID(item runtime.Unstructured, id string) (runtime.Unstructured, error) {
	current, err := s.sites.Current()
	if err != nil {
		return nil, err
	}
	pv, err := volume.FromItem(item)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), current.diskTimeout)
	defer cancel()
	return volume.ToItem(current.place(ctx, pv, id))
}

// GetVolumeInfo returns the disk's type, as <category>.<performance level>, and its
// provisioned IOPS. An error here would cost the backup the volume's PV, claim and
// Pod: what cannot be read of ECS is told as far as the PersistentVolume knows it.
func (s *Snapshotter) GetVolumeInfo(id, _ string) (string, *int64, error) {
	current, err := s.sites.Current()
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), current.diskTimeout)
	defer cancel()
	spec := current.describe(ctx, id).spec
	if spec.ProvisionedIOPS == 0 {
		return spec.Type.String(), nil, nil
	}
	return spec.Type.String(), &spec.ProvisionedIOPS, nil
}

// CreateSnapshot begins the snapshot of a disk and returns its id once the cut is
// made. A snapshot that cannot be had is logged as an error, which makes the backup
// partial, and stands as an id that no restore accepts: an error in its place would
// cost the backup the volume's PV, claim and Pod.
func (s *Snapshotter) CreateSnapshot(id, _ string, tags map[string]string) (string, error) {
	current, err := s.sites.Current()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), current.snapshotTimeout)
	defer cancel()
	return current.backUp(ctx, id, tags), nil
}

// DeleteSnapshot deletes a snapshot, its copies in other regions and, with its last
// member, its group. A snapshot that is not there is no error.
func (s *Snapshotter) DeleteSnapshot(id string) error {
	current, err := s.sites.Current()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), current.snapshotTimeout)
	defer cancel()
	return current.fail(deleting, "snapshot "+id, current.delete(ctx, id))
}

// CreateVolumeFromSnapshot begins the disk that is made of a snapshot and returns its
// id once ECS has accepted it. Where the snapshot cannot be used yet, or must first
// be copied to the location's region, the id is one that volume-ready replaces.
func (s *Snapshotter) CreateVolumeFromSnapshot(id, kind, zone string, iops *int64) (string, error) {
	current, err := s.sites.Current()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), current.diskTimeout)
	defer cancel()
	made, err := current.restore(ctx, id, kind, zone, iops)
	return made, current.fail(restoring, "snapshot "+id, err)
}
