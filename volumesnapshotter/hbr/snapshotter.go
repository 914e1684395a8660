// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/sites"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// requestTimeout is how long the requests of one call of Velero may take, a vault that
// is being made included. None of them waits for a job.
const requestTimeout = 15 * time.Minute

// Tags that Velero asks for.
const (
	tagBackup = "velero.io/backup"
	tagVolume = "velero.io/pv"
)

// Snapshotter is Velero's VolumeSnapshotter for file systems. Velero initialises it
// anew for each volume that it restores; what the process has learnt of a location stays.
type Snapshotter struct {
	sites *sites.Sites[site]
}

// New returns a Snapshotter that gets its clients from clients. It contacts nothing.
func New(log logrus.FieldLogger, clients Clients, cluster Cluster, targets Targets) *Snapshotter {
	return &Snapshotter{sites: sites.New(func(config map[string]string) (*site, error) {
		l, err := parseLocation(config)
		if err != nil {
			return nil, err
		}
		return newSite(l, log, clients, cluster, targets), nil
	})}
}

// Init sets the location that the following calls are for. It contacts nothing.
// Unknown keys and malformed values are errors.
func (s *Snapshotter) Init(config map[string]string) error { return s.sites.Init(config) }

// GetVolumeID returns an id of the storage behind a PersistentVolume, "" if it is left
// to others. A volume that is refused has one too: CreateSnapshot tells the reason.
func (s *Snapshotter) GetVolumeID(item runtime.Unstructured) (string, error) {
	current, err := s.sites.Current()
	if err != nil {
		return "", err
	}
	pv, err := volume.FromItem(item)
	if err != nil {
		return "", err
	}
	id, reason := current.idOf(pv)
	if reason != "" {
		current.log.WithField("persistentVolume", pv.Name).Warn("The data of the volume is not backed up: " + reason)
	}
	return id, nil
}

// VolumeAt is GetVolumeID for a location's config, and warns of nothing.
func (s *Snapshotter) VolumeAt(location map[string]string, pv *corev1.PersistentVolume) (string, error) {
	current, err := s.sites.At(location)
	if err != nil {
		return "", err
	}
	id, _ := current.idOf(pv)
	return id, nil
}

// idOf returns the id of the storage behind pv, "" if it is left to others, and then why
// its data may be missed.
func (l *location) idOf(pv *corev1.PersistentVolume) (id, reason string) {
	if volume.IsLeftOut(pv) {
		return "", ""
	}
	if id := volume.PendingID(pv); id != "" {
		return id, ""
	}
	switch found := l.judge(pv, l.hbr.Region); found.outcome {
	case left:
		return "", ""
	case leftWithWarning:
		return "", found.reason
	default:
		return volumeID{kind: volume.KindOf(pv), source: storageOf(pv)}.String(), ""
	}
}

// SetVolumeID returns the PersistentVolume as that of the volume that is being restored.
func (s *Snapshotter) SetVolumeID(item runtime.Unstructured, id string) (runtime.Unstructured, error) {
	pv, err := volume.FromItem(item)
	if err != nil {
		return nil, err
	}
	wanted, pending := parsePendingID(id)
	if !pending {
		return nil, fmt.Errorf("the volume %s cannot become %q, which is not one that is being restored", pv.Name, id)
	}
	return volume.ToItem(wanted.hold(pv))
}

// GetVolumeInfo returns the kind of the volume. File systems have no IOPS.
func (s *Snapshotter) GetVolumeInfo(id, _ string) (string, *int64, error) {
	wanted, _ := parseVolumeID(id)
	return string(wanted.kind), nil, nil
}

// CreateSnapshot begins the backup of a volume and returns its id once Cloud Backup has
// accepted it; SnapshotProgress tells when it is done. A backup that cannot be begun is
// logged as an error, which makes Velero's backup partial, and stands as an id that no
// restore accepts: an error in its place would cost it the volume's PV, claim and Pod.
func (s *Snapshotter) CreateSnapshot(id, _ string, tags map[string]string) (string, error) {
	current, err := s.sites.Current()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	of := current.newSubject(ctx, tags)
	made, err := current.beginSnapshot(ctx, id, of)
	text := made.String()
	if err != nil {
		err = fail(backingUp, "PersistentVolume "+of.name, err)
		current.log.WithField("persistentVolume", of.name).WithError(err).
			Error("The backup of the volume was not begun: this backup does not have its data")
		text = idOfRefused(err)
	}
	current.note(ctx, of, text)
	return text, nil
}

// DeleteSnapshot deletes a snapshot, and cancels the job that is still making it. A
// snapshot that is not there is no error.
func (s *Snapshotter) DeleteSnapshot(id string) error {
	current, err := s.sites.Current()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	return fail(deleting, "snapshot "+id, current.delete(ctx, id))
}

// CreateVolumeFromSnapshot returns the id of a volume that a snapshot is yet to be restored
// into: Progress, which is told more of the volume, begins the restore and tells when it
// is whole, and Finish makes the PersistentVolume of it. What cannot be restored at all is
// an error at once.
func (s *Snapshotter) CreateVolumeFromSnapshot(id, _, _ string, _ *int64) (string, error) {
	current, err := s.sites.Current()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	pendingID, err := current.orderVolume(ctx, id)
	if strings.HasPrefix(id, refusedPrefix) {
		return pendingID, fail(restoring, "no snapshot", err) // The id is the reason, which the error has.
	}
	return pendingID, fail(restoring, "snapshot "+id, err)
}
