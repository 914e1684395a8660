// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Progress releases the held PersistentVolume once its volume is whole. What
// hinders it may pass and is told in the Description; only an operationID that is
// not one of Execute's is an error, for Velero fails an operation at its first.
func (a *VolumeReady) Progress(operationID string, restore *velerov1.Restore) (velero.OperationProgress, error) {
	op, err := parseOperation(operationID)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), progressTimeout)
	defer cancel()
	var progress velero.OperationProgress
	// A conflict says that the PersistentVolume is not any more what it was when read.
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var err error
		progress, err = a.drive(ctx, op, restore)
		return err
	})
	if err != nil {
		a.log.WithError(err).WithField("name", op.PersistentVolume).Info("The held PersistentVolume waits for the next poll")
		return velero.OperationProgress{Description: err.Error()}, nil
	}
	return progress, nil
}

// Cancel removes the PersistentVolume and its volume, if it is still held.
func (a *VolumeReady) Cancel(operationID string, restore *velerov1.Restore) error {
	op, err := parseOperation(operationID)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), progressTimeout)
	defer cancel()
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error { return a.giveUp(ctx, op, restore) })
	if err != nil {
		// Velero does not look at what Cancel returns.
		a.log.WithError(err).WithFields(logrus.Fields{"name": op.PersistentVolume, "volume": op.Volume}).
			Warn("Cannot remove what was restored of the volume")
	}
	return nil
}

// drive takes the operation on from wherever it is.
func (a *VolumeReady) drive(ctx context.Context, op operation, restore *velerov1.Restore) (velero.OperationProgress, error) {
	api, err := a.cluster.Client()
	if err != nil {
		return velero.OperationProgress{}, err
	}
	pv, err := readVolume(ctx, api, op.PersistentVolume)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	if pv == nil {
		return a.resume(ctx, api, nil, op, restore)
	}
	present, held, err := holdOf(pv)
	switch {
	case err != nil:
		// Somebody has changed it. To remove it could be to remove data.
		return velero.OperationProgress{Completed: true, Err: err.Error()}, nil //nolint:nilerr // it is the operation's
	case !held:
		// It was released by a process that could not tell.
		if err := a.stashOf(api, pv.Name).drop(ctx); err != nil {
			return velero.OperationProgress{}, err
		}
		return velero.OperationProgress{Completed: true}, a.settle(ctx, op, restore)
	case !present.isOf(op, restore):
		reason := fmt.Sprintf("the PersistentVolume %s is there already, held for the restore %s", pv.Name, present.Restore)
		return a.failed(ctx, velero.OperationProgress{}, reason, op, restore), nil
	case pv.DeletionTimestamp != nil:
		return a.resume(ctx, api, pv, op, restore)
	default:
		return a.driveHeld(ctx, api, pv, present, op, restore)
	}
}

// driveHeld asks for the volume of pv and releases or removes pv when there is an answer.
func (a *VolumeReady) driveHeld(ctx context.Context, api client.Client, pv *corev1.PersistentVolume, present hold, op operation, restore *velerov1.Restore) (velero.OperationProgress, error) {
	volumes, location, err := a.making(ctx, op, restore)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	free := released(pv, present)
	progress, err := a.silence.Ask(ctx, op.Provider, func() (velero.OperationProgress, error) {
		return volumes.Progress(ctx, restore, location, op.Volume, free)
	})
	switch {
	case err != nil:
		return velero.OperationProgress{}, err
	case !progress.Completed:
		return progress, nil
	case progress.Err != "":
		if err := removeVolume(ctx, api, pv); err != nil {
			return velero.OperationProgress{}, err
		}
		return a.failed(ctx, progress, progress.Err, op, restore), nil
	}
	finished, err := volumes.Finish(ctx, restore, location, op.Volume, free)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	if err := a.put(ctx, api, pv, present, finished); err != nil {
		return velero.OperationProgress{}, err
	}
	return progress, a.settle(ctx, op, restore)
}

// released returns pv as it is when it is not held any more.
func released(pv *corev1.PersistentVolume, present hold) *corev1.PersistentVolume {
	free := pv.DeepCopy()
	present.release(free)
	return free
}

// put makes finished of the held pv.
func (a *VolumeReady) put(ctx context.Context, api client.Client, pv *corev1.PersistentVolume, present hold, finished *corev1.PersistentVolume) error {
	if mutable(pv, finished) {
		if err := patch(ctx, api, pv, finished); err != nil {
			return fmt.Errorf("releasing the PersistentVolume %s: %w", pv.Name, err)
		}
		return nil
	}
	if err := a.stashOf(api, pv.Name).save(ctx, present, finished); err != nil {
		return err
	}
	return a.replace(ctx, api, pv, finished)
}

// settle removes what was there for the making of a volume alone. What cannot be
// removed now is removed by the next poll, for the operation goes on until then.
func (a *VolumeReady) settle(ctx context.Context, op operation, restore *velerov1.Restore) error {
	volumes, location, err := a.making(ctx, op, restore)
	if err != nil {
		return err
	}
	if err := volumes.Settle(ctx, restore, location, op.Volume); err != nil {
		return fmt.Errorf("removing what the volume %s was made with: %w", op.Volume, err)
	}
	return nil
}

// resume goes on where pv is gone, or (not nil) going: it is being replaced by
// what is stashed, or somebody has deleted it.
func (a *VolumeReady) resume(ctx context.Context, api client.Client, pv *corev1.PersistentVolume, op operation, restore *velerov1.Restore) (velero.OperationProgress, error) {
	finished, err := a.stashOf(api, op.PersistentVolume).load(ctx, op, restore)
	if err != nil {
		return velero.OperationProgress{}, err
	}
	if finished == nil {
		if pv != nil {
			if err := removeVolume(ctx, api, pv); err != nil {
				return velero.OperationProgress{}, err
			}
		}
		reason := fmt.Sprintf("the PersistentVolume %s was deleted, or could not be created, before its volume was whole", op.PersistentVolume)
		return a.failed(ctx, velero.OperationProgress{}, reason, op, restore), nil
	}
	if err := a.replace(ctx, api, pv, finished); err != nil {
		return velero.OperationProgress{}, err
	}
	return velero.OperationProgress{Completed: true}, a.settle(ctx, op, restore)
}

// replace makes the stashed PersistentVolume finished in place of pv, if that is
// still there, for the source and the node affinity of one cannot be changed.
func (a *VolumeReady) replace(ctx context.Context, api client.Client, pv, finished *corev1.PersistentVolume) error {
	if pv != nil {
		if err := removeVolume(ctx, api, pv); err != nil {
			return err
		}
	}
	// One that exists is ours: an earlier process did not live to read the answer.
	if err := api.Create(ctx, anew(finished)); client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("making the PersistentVolume %s anew for its finished volume: %w", finished.Name, err)
	}
	return a.stashOf(api, finished.Name).drop(ctx)
}

// failed ends the operation for reason and removes the volume. One that cannot be
// removed does not keep the restore waiting: the client has tried for long enough.
func (a *VolumeReady) failed(ctx context.Context, progress velero.OperationProgress, reason string, op operation, restore *velerov1.Restore) velero.OperationProgress {
	if err := a.discard(ctx, op, restore); err != nil {
		reason = fmt.Sprintf("%s; %s", reason, err)
	}
	progress.Completed = true
	progress.Err = reason
	return progress
}

// giveUp removes the held PersistentVolume, its stash and its volume.
func (a *VolumeReady) giveUp(ctx context.Context, op operation, restore *velerov1.Restore) error {
	api, err := a.cluster.Client()
	if err != nil {
		return err
	}
	// Without it the volume cannot be removed, and would not be found again.
	if _, _, err := a.making(ctx, op, restore); err != nil {
		return err
	}
	pv, err := readVolume(ctx, api, op.PersistentVolume)
	if err != nil {
		return err
	}
	if pv != nil {
		present, held, err := holdOf(pv)
		if err != nil {
			return err
		}
		if !held {
			return errors.Join(a.stashOf(api, pv.Name).drop(ctx), a.settle(ctx, op, restore))
		}
		if present.isOf(op, restore) {
			if err := removeVolume(ctx, api, pv); err != nil {
				return err
			}
		}
	}
	if err := a.stashOf(api, op.PersistentVolume).drop(ctx); err != nil {
		return err
	}
	return a.discard(ctx, op, restore)
}

// mutable tells whether pv can be changed to finished: of a
// PersistentVolume's spec, claimRef is what may always change.
func mutable(pv, finished *corev1.PersistentVolume) bool {
	before, after := pv.Spec.DeepCopy(), finished.Spec.DeepCopy()
	before.ClaimRef, after.ClaimRef = nil, nil
	return equality.Semantic.DeepEqual(before, after)
}

// patch makes what was read as pv changed. It sends the difference alone, for a
// newer API server may have fields in the spec, which must not change, that this
// client would drop from the whole; a change by another is a conflict.
func patch(ctx context.Context, api client.Client, pv, changed *corev1.PersistentVolume) error {
	return api.Patch(ctx, changed, client.MergeFromWithOptions(pv, client.MergeFromWithOptimisticLock{}))
}

// readVolume returns the PersistentVolume of that name, nil where there is none.
func readVolume(ctx context.Context, api client.Client, name string) (*corev1.PersistentVolume, error) {
	pv := &corev1.PersistentVolume{}
	err := api.Get(ctx, client.ObjectKey{Name: name}, pv)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("reading the PersistentVolume %s: %w", name, err)
	}
	return pv, nil
}

// removeVolume deletes pv as it was read, and returns when it is gone. A
// PersistentVolume that is bound to nothing needs no finalizer; its volume stays.
func removeVolume(ctx context.Context, api client.Client, pv *corev1.PersistentVolume) error {
	asRead := client.Preconditions{UID: &pv.UID, ResourceVersion: &pv.ResourceVersion}
	if err := api.Delete(ctx, pv, asRead); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the held PersistentVolume %s: %w", pv.Name, err)
	}
	// The controller that put a finalizer there may be removing it now.
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		left, err := readVolume(ctx, api, pv.Name)
		if err != nil || left == nil || left.UID != pv.UID {
			return err
		}
		free := left.DeepCopy()
		free.Finalizers = nil
		if err := patch(ctx, api, left, free); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing the finalizers of the held PersistentVolume %s: %w", pv.Name, err)
		}
		return nil
	})
}
