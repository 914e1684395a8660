// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"sync"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/types"
)

// keptDisks are the new disks of restores that are as those that were backed up,
// whatever the settings say of their volumes. Neither the volume nor its claim tells.
type keptDisks struct {
	mu    sync.Mutex
	known map[keptDisk]bool
}

type keptDisk struct {
	restore types.UID
	id      string
}

func newKeptDisks() *keptDisks {
	return &keptDisks{known: make(map[keptDisk]bool)}
}

func (k *keptDisks) add(restore *velerov1.Restore, id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[keptDisk{restore.UID, id}] = true
}

func (k *keptDisks) has(restore *velerov1.Restore, id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known[keptDisk{restore.UID, id}]
}
