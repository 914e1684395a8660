// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"errors"
	"strings"

	"github.com/alibabacloud-go/tea/tea"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/retention"
)

// Why a backup of a volume is not begun.
var (
	errBeingRestored = errors.New("the volume is still being restored: back up again when its restore has ended")
	errForeignVolume = errors.New("the id is none of a volume that Cloud Backup takes")
)

// beginSnapshot begins the backup of a volume, by the first method that the account may use.
func (s *site) beginSnapshot(ctx context.Context, id string, of subject) (snapshotID, error) {
	api, err := s.api(ctx)
	if err != nil {
		return snapshotID{}, err
	}
	if strings.HasPrefix(id, pendingPrefix) {
		return snapshotID{}, errBeingRestored
	}
	wanted, ok := parseVolumeID(id)
	if !ok {
		return snapshotID{}, errForeignVolume
	}
	pv, err := s.cluster.Volume(ctx, of.name)
	if err != nil {
		return snapshotID{}, err
	}
	found := s.judge(pv, api.Region())
	if found.outcome != taken {
		return snapshotID{}, errors.New(found.reason)
	}
	vaultID, err := s.usableVault(ctx, api)
	if err != nil {
		return snapshotID{}, err
	}
	s.sweep.Begin(func() { s.sweepAll(context.WithoutCancel(ctx), api, vaultID, of.clusterID) })
	made := snapshotID{region: api.Region(), vault: vaultID, kind: wanted.kind, source: wanted.source}
	var denied error
	for _, way := range found.methods {
		made.method = way
		started, err := s.begin(ctx, api, made, of, pv)
		switch {
		case err == nil:
			return started, nil
		case !isDenied(err):
			return snapshotID{}, errors.Join(err, denied)
		}
		s.log.WithField("persistentVolume", of.name).WithError(err).Infof("The account may not use the method %s (config key method)", way)
		denied = errors.Join(denied, err)
	}
	return snapshotID{}, denied
}

// isDenied tells whether the account lacks a permission.
func isDenied(err error) bool {
	_, answered := failure.Of(err)
	return answered && failure.Classify(err) == failure.Denied
}

// begin begins the job of a snapshot that has none yet, by its method. A job on a node
// that cannot be begun now stands as the name that it will have: SnapshotProgress begins it.
func (s *site) begin(ctx context.Context, api *alicloud.HBR, made snapshotID, of subject, pv *corev1.PersistentVolume) (snapshotID, error) {
	if made.method == agentless {
		return s.beginAgentless(ctx, api, made, of)
	}
	var later string
	jobID, waiting, err := s.beginOnNode(ctx, api, made.vault, of, pv)
	switch {
	case final.Is(err):
		return snapshotID{}, errors.Join(err, s.unmount(context.WithoutCancel(ctx), of))
	case err != nil:
		later = err.Error()
	case waiting != "":
		later = waitingFor(waiting)
	}
	made.job = jobID
	if later != "" {
		s.log.WithField("persistentVolume", of.name).Info("The backup of the volume is begun later: " + later)
		made.job = of.planName()
	}
	return made, made.check()
}

// note keeps what was begun for who asks how far it is.
func (s *site) note(ctx context.Context, of subject, made string) {
	if of.backup == nil {
		return // That it is not known was told.
	}
	if err := s.notes.Note(ctx, notes.OfBackup(of.backup), of.name, made); err != nil {
		s.log.WithField("persistentVolume", of.name).WithError(err).
			Error("Nobody will know whether the backup of the volume succeeds")
	}
}

// forgetNote removes a note that nobody asks for any more. One that cannot be removed goes
// with its Backup, or with the next sweep.
func (s *site) forgetNote(ctx context.Context, run notes.Run, pv string) {
	if err := s.notes.Forget(ctx, run, pv); err != nil {
		s.log.WithField("persistentVolume", pv).WithError(err).Info("The note of a backup that is done is left to the next one")
	}
}

// retentionDays is how long Cloud Backup keeps the snapshot of a volume.
func (s *site) retentionDays(api *alicloud.HBR, of subject) *int64 {
	return tea.Int64(int64(s.retention.DaysFor(retention.TimeToLive(of.backup, api.Now()), retentionLimits())))
}
