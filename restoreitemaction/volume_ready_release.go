// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"maps"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
)

// releaseInterval is how often the process of a restore looks at what it holds.
const releaseInterval = 5 * time.Second

// releaseWhenWhole releases the PersistentVolume of op while this process lives, if its
// volume becomes whole until then. Velero does not poll before it has restored all
// items, and before that it waits for its own file-system restores: a Pod with a held
// volume and one of those would wait for each other until Velero gives up.
func (a *VolumeReady) releaseWhenWhole(op operation, restore *velerov1.Restore) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held[op] = restore.DeepCopy()
	if !a.releasing {
		a.releasing = true
		go a.keepReleasing()
	}
}

// keepReleasing releases what is held until nothing is. Velero ends the process when it
// has restored all items.
func (a *VolumeReady) keepReleasing() {
	for {
		select {
		case <-time.After(releaseInterval):
		case <-a.closed:
			return
		}
		a.mu.Lock()
		if len(a.held) == 0 {
			a.releasing = false
			a.mu.Unlock()
			return
		}
		held := maps.Clone(a.held)
		a.mu.Unlock()
		for op, restore := range held {
			if a.tryRelease(op, restore) {
				a.mu.Lock()
				delete(a.held, op)
				a.mu.Unlock()
			}
		}
	}
}

// tryRelease tells whether nothing is left to do here. Only a volume that is whole is
// released; what has failed is told by a poll, and a PersistentVolume that Velero has
// not created yet is not a lost one.
func (a *VolumeReady) tryRelease(op operation, restore *velerov1.Restore) bool {
	ctx, cancel := context.WithTimeout(context.Background(), progressTimeout)
	defer cancel()
	log := a.log.WithField("name", op.PersistentVolume)
	api, err := a.cluster.Client()
	if err != nil {
		return false
	}
	pv, err := readVolume(ctx, api, op.PersistentVolume)
	if err != nil || pv == nil {
		return false
	}
	present, held, err := holdOf(pv)
	if err != nil || !held || !present.isOf(op, restore) {
		return true
	}
	volumes, location, err := a.making(ctx, op, restore)
	if err != nil {
		return false
	}
	progress, err := volumes.Progress(ctx, restore, location, op.Volume, released(pv, present))
	if err != nil || !progress.Completed {
		return false
	}
	if progress.Err != "" {
		return true
	}
	if _, err := a.drive(ctx, op, restore); err != nil {
		log.WithError(err).Debug("The held PersistentVolume is released later")
		return false
	}
	log.Info("The volume is whole, the PersistentVolume is released")
	return true
}
