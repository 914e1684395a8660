// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"errors"
	"fmt"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// restore begins the disk that is made of a snapshot, for the restore in progress.
// It returns the disk's id, or a pending one.
func (s *site) restore(ctx context.Context, text, kind, zone string, iops *int64) (string, error) {
	api, err := s.api(ctx)
	if err != nil {
		return "", err
	}
	id, err := parseSnapshotID(text, api.Region())
	if err != nil {
		return "", err
	}
	wanted := order{snapshot: id, kind: volume.ParseDiskType(kind), zone: zone}
	if iops != nil {
		wanted.iops = *iops
	}
	restore, err := s.restoreInProgress(ctx)
	if err != nil {
		return "", err
	}
	made, err := s.advance(ctx, api, wanted, restore)
	if final.MayPass(err) || alicloud.MayBeDone(err) {
		// What ECS may have made is gone on with, or deleted, only while there is the volume.
		// The settings are asked about it in this process alone, before it is tried again.
		// Where the snapshot could not be read, its id tells that it is not ours.
		made = making{waiting: "it is tried again: " + err.Error(), asItWas: made.asItWas || id.String() != text}
		err = nil
	}
	if err != nil {
		return "", err
	}
	if made.diskID == "" {
		s.log.WithField("snapshot", id.String()).Info("The disk is made later: " + made.waiting)
		made.diskID = wanted.pendingID()
	}
	if made.asItWas {
		s.targets.KeepAsItWas(restore, made.diskID)
	}
	return made.diskID, nil
}

// making is how far a disk is.
type making struct {
	// diskID is empty until ECS has accepted the disk.
	diskID string
	// asItWas says that the snapshot does not tell of which claim it is, so that no
	// settings say what the disk is to be.
	asItWas bool
	// waiting says what is waited for while there is no disk, and percent how far that is.
	waiting string
	percent int64
}

// advance does what can be done now for a disk that is made of a snapshot: it copies
// the snapshot to this region if it is in another one, and makes the disk when the
// snapshot can be used. It may be called again at any time, by any process, and goes
// on from what there is in the cloud. What it returns with an error tells asItWas, where
// the snapshot could be read.
func (s *site) advance(ctx context.Context, api *alicloud.ECS, wanted order, restore *velerov1.Restore) (making, error) {
	var source snapshot
	var wait making
	var err error
	if wanted.snapshot.region == api.Region() {
		source, wait, err = s.usable(ctx, api, wanted.snapshot, restore)
	} else {
		source, wait, err = s.copied(ctx, api, wanted, restore)
		if err != nil {
			err = fmt.Errorf("%s: %w", crossRegionFailed, err)
		}
	}
	if err != nil {
		return making{}, err
	}
	told := readRecord(source, wanted)
	wait.asItWas = told.claim == diskspec.Claim{}
	if wait.waiting != "" {
		return wait, nil
	}
	if told.mayBeFlexVolume() {
		if err := s.targets.CheckFlexVolume(ctx, restore); err != nil {
			return wait, err
		}
	}
	target, err := s.targets.DiskTarget(ctx, restore, told.claim, told.disk)
	if err != nil {
		return wait, err
	}
	planned, err := s.plan(ctx, api.Region(), told, source, target)
	if err != nil {
		return wait, err
	}
	id, err := s.makeDisk(ctx, api, blueprint{wanted: wanted, source: source, told: told, restore: restore, planned: planned, asked: target.Apply(told.disk).SizeGiB})
	return making{diskID: id, asItWas: wait.asItWas}, err
}

// errNoRestore is returned where Velero restores nothing at the moment.
var errNoRestore = errors.New("no Restore is in progress in Velero's namespace, so that its settings cannot be read: is VELERO_NAMESPACE the namespace that Velero runs in?")

// restoreInProgress returns the restore that Velero works on. It works on one at a time.
func (s *site) restoreInProgress(ctx context.Context) (*velerov1.Restore, error) {
	restores, err := s.cluster.Restores(ctx)
	if err != nil {
		return nil, err
	}
	for i := range restores {
		if restores[i].Status.Phase == velerov1.RestorePhaseInProgress {
			return &restores[i], nil
		}
	}
	return nil, errNoRestore
}

// usable returns a snapshot of this region, and what is waited for until disks can be
// made of it.
func (s *site) usable(ctx context.Context, api *alicloud.ECS, id snapshotID, restore *velerov1.Restore) (snapshot, making, error) {
	found, err := s.sources.read(ctx, api, id.id)
	switch {
	case err != nil:
		return snapshot{}, making{}, err
	case len(found) == 0:
		return snapshot{}, making{}, final.Errorf("snapshot %s is not there: it was deleted, its retention is over, or the location's credentials are of another account or may not read it (ecs:DescribeSnapshots)", id)
	}
	wait, err := s.await(api, found[0], id, found[0].usable(), restore)
	return found[0], wait, err
}

// await says what is waited for until a snapshot is ready; nothing when it is.
func (s *site) await(api *alicloud.ECS, source snapshot, id snapshotID, ready bool, restore *velerov1.Restore) (making, error) {
	switch {
	case source.status == snapshotFailed:
		return making{}, final.Errorf("snapshot %s has failed in ECS: restore from another backup", id)
	case ready:
		return making{}, nil
	case api.Now().Sub(waitingSince(source, restore)) > s.snapshotTimeout:
		return making{}, final.Errorf("snapshot %s is not accomplished after %s (config key snapshotTimeout), but at %s: its data is not lost; restore again when ECS shows it as accomplished", id, s.snapshotTimeout, source.progress)
	}
	return making{waiting: fmt.Sprintf("snapshot %s is being accomplished", id), percent: source.percent()}, nil
}

// waitingSince is when a restore began to wait for a snapshot, which may have been
// under way for hours before.
func waitingSince(source snapshot, restore *velerov1.Restore) time.Time {
	if begun := restore.Status.StartTimestamp; begun != nil && begun.After(source.created) {
		return begun.Time
	}
	return source.created
}

// place returns pv as the volume of the disk id, with the disk's zone, region and type.
// A volume whose disk is yet to be made keeps these and its name.
func (s *site) place(ctx context.Context, pv *corev1.PersistentVolume, id string) *corev1.PersistentVolume {
	if _, pending := parsePendingID(id); pending {
		placed := volume.SetDisk(pv, volume.Disk{ID: id})
		placed.Name = pv.Name
		return placed
	}
	made, err := s.madeDisk(ctx, id)
	if err != nil {
		s.log.WithField("disk", id).WithError(err).Warn("The zone and the type of the disk could not be read: the volume keeps those that it has")
		made = volume.Disk{ID: id}
	}
	return volume.SetDisk(pv, made)
}

// madeDisk returns what a volume tells of a disk.
func (s *site) madeDisk(ctx context.Context, id string) (volume.Disk, error) {
	s.mu.Lock()
	made, known := s.made[id]
	s.mu.Unlock()
	if known {
		return made, nil
	}
	api, err := s.api(ctx)
	if err != nil {
		return volume.Disk{}, err
	}
	found, err := describeDisks(ctx, api, id)
	switch {
	case err != nil:
		return volume.Disk{}, err
	case len(found) == 0:
		return volume.Disk{}, fmt.Errorf("disk %s is not there", id)
	}
	return diskIn(api, id, found[0].spec), nil
}

// remember notes what a volume is to tell of a disk.
func (s *site) remember(api *alicloud.ECS, id string, spec diskspec.Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[id] = diskIn(api, id, spec)
}

// diskIn returns the disk of a spec in the API's region, as ECS makes it.
func diskIn(api *alicloud.ECS, id string, spec diskspec.Spec) volume.Disk {
	return volume.Disk{ID: id, Type: asMade(spec.Type), Location: volume.Location{Region: api.Region(), Zone: spec.Zone}}
}
