// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
)

// Progress tells how far the snapshot is. What hinders it may pass and is told in the
// Description; only an operationID that is not one of Execute's is an error, for Velero
// fails an operation at its first.
func (a *SnapshotProgress) Progress(operationID string, backup *velerov1.Backup) (velero.OperationProgress, error) {
	op, err := a.parse(operationID)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	progress, err := a.silence.Ask(ctx, op.Provider, func() (velero.OperationProgress, error) { return a.ask(ctx, op, backup) })
	if err != nil {
		a.log.WithError(err).WithFields(op.fields()).Info("The progress of a snapshot is asked for again by the next poll")
		return velero.OperationProgress{Description: err.Error()}, nil
	}
	return progress, nil
}

// ask asks the snapshotter.
func (a *SnapshotProgress) ask(ctx context.Context, op operation, backup *velerov1.Backup) (velero.OperationProgress, error) {
	location, err := a.locationOf(ctx, backup, op.Provider)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	return a.providers[op.Provider].SnapshotProgress(ctx, backup, location, op.PersistentVolume, op.Volume)
}

// Cancel ends the snapshot. Velero asks for it when the operation has taken longer than
// the Backup's itemOperationTimeout.
func (a *SnapshotProgress) Cancel(operationID string, backup *velerov1.Backup) error {
	op, err := a.parse(operationID)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if err := a.cancel(ctx, op, backup); err != nil {
		// Velero does not look at what Cancel returns.
		a.log.WithError(err).WithFields(op.fields()).Warn("Cannot cancel a snapshot, which may go on")
	}
	return nil
}

func (a *SnapshotProgress) cancel(ctx context.Context, op operation, backup *velerov1.Backup) error {
	location, err := a.locationOf(ctx, backup, op.Provider)
	if err != nil {
		return err
	}
	return a.providers[op.Provider].CancelSnapshot(ctx, backup, location, op.PersistentVolume, op.Volume)
}
