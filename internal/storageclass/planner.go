// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"context"
	"errors"
	"sync"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// Planner plans what volumes, claims and templates of claims are to be where they
// are restored. A volume comes back in one of four ways, and Velero tells an
// action none of them:
//
//   - Made of a snapshot. The PersistentVolume is restored with another disk than was
//     backed up. The disk is already of the class and size that the settings ask
//     for, at least (Targets.DiskTarget), so that the PersistentVolume says so too,
//     and the driver grows the file system when it mounts it. Its claimRef would bind
//     any claim: the claim takes class and size from the PersistentVolume.
//   - Filled. The files of the PersistentVolume are restored into another volume, which
//     is of the class and size that the settings ask for (Targets.FileSystemTarget). The
//     PersistentVolume says so, and takes that volume over when it is whole
//     (volume.AnnotationPending). The claim follows it. Any rule is possible.
//   - Reattached. The PersistentVolume is restored with the disk or file system that
//     was backed up, because it has no snapshot and its reclaim policy is Retain, or it
//     is in the cluster already. Nothing of it is converted: class and size stay, and a
//     rule for another kind of storage is refused. A larger capacity is asked for on
//     the claim alone, and the resizer grows the disk. The same holds for a disk of a
//     snapshot that does not tell of which claim it is (Targets.KeepAsItWas).
//   - Provisioned. No PersistentVolume is restored, and the claim is the order for a
//     new one. Any rule is possible; the claim says it all.
//
// It is safe for use by several goroutines.
type Planner struct {
	log     logrus.FieldLogger
	targets *Targets
	cluster Cluster

	mu    sync.Mutex
	views map[types.UID]*view
}

// NewPlanner returns a planner with the settings of targets, which is that of the
// snapshotter in the same process. It contacts nothing.
func NewPlanner(log logrus.FieldLogger, targets *Targets, cluster Cluster) *Planner {
	return &Planner{log: log, targets: targets, cluster: cluster, views: make(map[types.UID]*view)}
}

// look returns what the restore sees of the cluster, locked until done is called.
func (p *Planner) look(restore *velerov1.Restore) (seen *view, done func()) {
	p.mu.Lock()
	seen, known := p.views[restore.UID]
	if !known {
		seen = newView(p.log, p.cluster, restore)
		p.views[restore.UID] = seen
	}
	return seen, p.mu.Unlock
}

// mapping returns the settings of the restore, empty where there are none.
func (p *Planner) mapping(ctx context.Context, restore *velerov1.Restore) (Mapping, error) {
	mapping, _, err := p.targets.mapping.Read(ctx, settings.ForRestore(restore))
	return mapping, err
}

// mayNotRead tells whether err is that of a read that is forbidden.
func mayNotRead(err error) bool {
	var unread *readError
	return errors.As(err, &unread) && apierrors.IsForbidden(err)
}

// readable returns class and err as they are, and neither where the cluster may not
// be read.
func readable(class *storagev1.StorageClass, err error) (*storagev1.StorageClass, error) {
	if mayNotRead(err) {
		return nil, nil //nolint:nilnil // nothing is known of the class
	}
	return class, err
}
