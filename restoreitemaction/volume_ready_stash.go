// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"encoding/json"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Keys of a stash's data.
const (
	stashHold   = "hold"
	stashVolume = "persistentVolume"
)

// stash is a ConfigMap in Velero's namespace that keeps a finished
// PersistentVolume from before the held one is deleted until it is created.
type stash struct {
	api client.Client
	key client.ObjectKey
}

// stashOf returns the stash of the PersistentVolume of that name.
func (a *VolumeReady) stashOf(api client.Client, pv string) stash {
	return stash{api: api, key: client.ObjectKey{Namespace: a.cluster.Namespace(), Name: holdName(pv)}}
}

// save keeps finished; what was kept before is replaced.
func (s stash) save(ctx context.Context, present hold, finished *corev1.PersistentVolume) error {
	content, err := json.Marshal(anew(finished))
	if err != nil {
		return fmt.Errorf("writing the PersistentVolume %s: %w", finished.Name, err)
	}
	if err := s.drop(ctx); err != nil {
		return err
	}
	kept := s.object()
	kept.Labels = map[string]string{holdKey: labelStash}
	kept.Data = map[string]string{stashHold: present.String(), stashVolume: string(content)}
	if err := s.api.Create(ctx, kept); err != nil {
		return fmt.Errorf("keeping the PersistentVolume %s in the ConfigMap %s: %w", finished.Name, s.key, err)
	}
	return nil
}

// load returns what was kept for the operation of the restore, nil if nothing was.
func (s stash) load(ctx context.Context, op operation, restore *velerov1.Restore) (*corev1.PersistentVolume, error) {
	kept := &corev1.ConfigMap{}
	err := s.api.Get(ctx, s.key, kept)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("reading the ConfigMap %s: %w", s.key, err)
	}
	present, err := stashedHold(kept)
	if err != nil {
		return nil, err
	}
	if !present.isOf(op, restore) {
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	finished := &corev1.PersistentVolume{}
	if err := json.Unmarshal([]byte(kept.Data[stashVolume]), finished); err != nil {
		return nil, fmt.Errorf("reading the PersistentVolume kept in the ConfigMap %s: %w", s.key, err)
	}
	return finished, nil
}

// drop forgets what is kept, if anything is.
func (s stash) drop(ctx context.Context) error {
	if err := s.api.Delete(ctx, s.object()); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the ConfigMap %s: %w", s.key, err)
	}
	return nil
}

func (s stash) object() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.key.Namespace, Name: s.key.Name}}
}

// stashedHold returns the hold for which a ConfigMap keeps a PersistentVolume.
func stashedHold(kept *corev1.ConfigMap) (hold, error) {
	var present hold
	if err := json.Unmarshal([]byte(kept.Data[stashHold]), &present); err != nil {
		return hold{}, fmt.Errorf("reading the key %s of the ConfigMap %s/%s: %w", stashHold, kept.Namespace, kept.Name, err)
	}
	return present, nil
}

// anew returns pv as it can be created: without what the API server has given it.
func anew(pv *corev1.PersistentVolume) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        pv.Name,
			Labels:      pv.Labels,
			Annotations: pv.Annotations,
			Finalizers:  pv.Finalizers,
		},
		Spec: pv.Spec,
	}
}
