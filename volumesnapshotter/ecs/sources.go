// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"slices"
	"sync"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/listing"
)

// sourceReader reads the snapshots of a backup together: a restore asks for one after
// the other.
type sourceReader struct {
	ofBackup listing.Lists[[]snapshot]

	mu sync.Mutex
	// backupUID is that of the last snapshot that was read.
	backupUID string
	// usable are those of which disks can be made, which stays so.
	usable map[string]snapshot
}

// read returns the snapshot of that id; nothing if there is none.
func (r *sourceReader) read(ctx context.Context, api *alicloud.ECS, id string) ([]snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.usable[id]; ok {
		return []snapshot{known}, nil
	}
	if r.backupUID != "" {
		list, err := r.ofBackup.Get(r.backupUID, api.Now, func() ([]snapshot, error) {
			return findSnapshots(ctx, api, map[string]string{tagBackupUID: r.backupUID})
		})
		if err != nil {
			return nil, err
		}
		r.keep(list)
		if i := slices.IndexFunc(list, func(found snapshot) bool { return found.id == id }); i >= 0 {
			return list[i : i+1], nil
		}
	}
	found, err := describeSnapshots(ctx, api, id)
	if len(found) > 0 {
		r.backupUID = found[0].tags[tagBackupUID]
		r.keep(found)
	}
	return found, err
}

func (r *sourceReader) keep(list []snapshot) {
	if r.usable == nil {
		r.usable = map[string]snapshot{}
	}
	for _, found := range list {
		if found.usable() {
			r.usable[found.id] = found
		}
	}
}
