// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"sync"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/background"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/listing"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Clients makes the clients of a location; equal configs get the same ones.
type Clients interface {
	ECS(ctx context.Context, cfg alicloud.ECSConfig) (*alicloud.ECS, error)
}

// Cluster is what is read of the cluster that Velero runs in. Velero tells a
// snapshotter nothing of the backup, the restore and the claim that it works for.
type Cluster interface {
	// Namespace is the one that Velero is installed in.
	Namespace() string
	// Client is one of all types of core/v1.
	Client() (client.Client, error)
	ID(ctx context.Context) (string, error)
	Backup(ctx context.Context, name string) (*velerov1.Backup, error)
	Backups(ctx context.Context) ([]velerov1.Backup, error)
	Restores(ctx context.Context) ([]velerov1.Restore, error)
	LiveRuns(ctx context.Context) (map[types.UID]bool, error)
	Volumes(ctx context.Context) ([]corev1.PersistentVolume, error)
	Claims(ctx context.Context, namespace string, labels map[string]string) ([]corev1.PersistentVolumeClaim, error)
	Zones(ctx context.Context) ([]string, error)
}

// Targets tells what the settings of a restore ask of a disk.
type Targets interface {
	// DiskTarget is told of which claim the disk is and what it was. The zero Target asks
	// for nothing.
	DiskTarget(ctx context.Context, restore *velerov1.Restore, claim diskspec.Claim, had diskspec.Spec) (diskspec.Target, error)
	// KeepAsItWas says that no settings count for the volume of that id, because its
	// snapshot does not tell of which claim it is.
	KeepAsItWas(restore *velerov1.Restore, volumeID string)
	// CheckFlexVolume returns why no PersistentVolume of the FlexVolume driver is restored. A
	// disk that is made for one would be nobody's.
	CheckFlexVolume(ctx context.Context, restore *velerov1.Restore) error
}

// notesKeeper tells the notes of this snapshotter from those of others.
const notesKeeper = "ecs"

// site is a location and what a process has learnt of it. A process lives for one
// backup, one restore, or one poll of their operations.
type site struct {
	location
	log     logrus.FieldLogger
	clients Clients
	cluster Cluster
	targets Targets

	disks  diskReader
	claims claimReader
	groups groupMaker
	// alone are the snapshots that are made without a group.
	alone once.Values[cutOf, *cut]
	notes *notes.Notes
	// sweep goes on beside the backup: the application may be frozen by a hook meanwhile.
	sweep background.Task
	// restored and copies are the disks and the copies of a restore, madeOfBackup the
	// disks that any restore has made of a backup.
	restored     listing.Lists[[]disk]
	copies       listing.Lists[[]snapshot]
	madeOfBackup listing.Lists[[]disk]
	sources      sourceReader
	// tagged are the snapshots of a backup that carry its tags, untagged those that do not.
	tagged, untagged listing.Lists[[]snapshot]
	// snapshots has a place for each snapshot that may be asked for at once.
	snapshots chan struct{}

	mu sync.Mutex
	// zonesOfCluster are those of the nodes, nil until they were read.
	zonesOfCluster []string
	// made are the disks that this process made, by their ids.
	made map[string]volume.Disk
	// soldOut are the types that a zone was found not to sell, with what ECS said.
	soldOut map[soldOut]error
}

func newSite(l location, log logrus.FieldLogger, clients Clients, cluster Cluster, targets Targets) *site {
	return &site{
		location: l, log: log, clients: clients, cluster: cluster, targets: targets,
		snapshots: make(chan struct{}, l.concurrentSnapshots),
		notes:     notes.New(cluster, notesKeeper),
		made:      map[string]volume.Disk{},
		soldOut:   map[soldOut]error{},
	}
}

// api returns the ECS of the location's region.
func (s *site) api(ctx context.Context) (*alicloud.ECS, error) {
	return s.clients.ECS(ctx, s.ecs)
}
