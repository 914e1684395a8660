// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

// removeLeftovers deletes the held PersistentVolumes and the stashes of restores
// that have ended or are gone: a Velero server that is killed while it restores
// marks the Restore Failed at its next start and polls none of its operations.
// Their volumes stay, for a restore that is tried again takes them over.
func (a *VolumeReady) removeLeftovers(ctx context.Context) error {
	api, err := a.cluster.Client()
	if err != nil {
		return err
	}
	var pvs corev1.PersistentVolumeList
	if err := api.List(ctx, &pvs, client.MatchingLabels{holdKey: labelHeld}); err != nil {
		return fmt.Errorf("listing the held PersistentVolumes: %w", err)
	}
	var stashes corev1.ConfigMapList
	if err := api.List(ctx, &stashes, client.InNamespace(a.cluster.Namespace()), client.MatchingLabels{holdKey: labelStash}); err != nil {
		return fmt.Errorf("listing the ConfigMaps of PersistentVolumes that are replaced: %w", err)
	}
	if len(pvs.Items) == 0 && len(stashes.Items) == 0 {
		return nil
	}
	// After what they hold: a restore that begins now must not look like one that is gone.
	running, err := a.runningRestores(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for i := range stashes.Items {
		problems = append(problems, a.removeLeftStash(ctx, api, &stashes.Items[i], running))
	}
	for i := range pvs.Items {
		problems = append(problems, retry.RetryOnConflict(retry.DefaultRetry, func() error {
			return a.removeLeftVolume(ctx, api, &pvs.Items[i], running)
		}))
	}
	return errors.Join(problems...)
}

// runningRestores returns the UIDs of the restores that have not ended.
func (a *VolumeReady) runningRestores(ctx context.Context) (map[types.UID]bool, error) {
	restores, err := a.cluster.Restores(ctx)
	if err != nil {
		return nil, err
	}
	running := map[types.UID]bool{}
	for i := range restores {
		if !cluster.RestoreHasEnded(restores[i].Status.Phase) {
			running[restores[i].UID] = true
		}
	}
	return running, nil
}

func (a *VolumeReady) removeLeftStash(ctx context.Context, api client.Client, kept *corev1.ConfigMap, running map[types.UID]bool) error {
	present, err := stashedHold(kept)
	if err != nil || running[present.RestoreUID] {
		return err
	}
	asRead := client.Preconditions{UID: &kept.UID, ResourceVersion: &kept.ResourceVersion}
	if err := api.Delete(ctx, kept, asRead); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the ConfigMap %s/%s: %w", kept.Namespace, kept.Name, err)
	}
	return nil
}

// removeLeftVolume reads the listed PersistentVolume again: what has its name now
// may be of a restore that began after running was read.
func (a *VolumeReady) removeLeftVolume(ctx context.Context, api client.Client, listed *corev1.PersistentVolume, running map[types.UID]bool) error {
	pv, err := readVolume(ctx, api, listed.Name)
	if err != nil || pv == nil || pv.UID != listed.UID {
		return err
	}
	present, held, err := holdOf(pv)
	if err != nil || !held || running[present.RestoreUID] {
		return err
	}
	if claim := pv.Spec.ClaimRef; claim == nil || claim.Namespace != a.cluster.Namespace() {
		// Another Velero of this cluster holds it, whose Restores are not in our namespace.
		return nil
	}
	a.log.WithFields(logrus.Fields{"name": pv.Name, "restore": present.Restore}).
		Info("Deleting the PersistentVolume that a restore left held; its volume stays for the restore that takes it over")
	return removeVolume(ctx, api, pv)
}
