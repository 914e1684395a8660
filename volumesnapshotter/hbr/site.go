// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/background"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/listing"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/turns"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/mount"
)

// Clients makes the clients of a location; equal configs get the same ones.
type Clients interface {
	HBR(ctx context.Context, cfg alicloud.HBRConfig) (*alicloud.HBR, error)
	NAS(ctx context.Context, cfg alicloud.NASConfig) (*alicloud.NAS, error)
}

// Cluster is the cluster that Velero runs in.
type Cluster interface {
	// Namespace is the one that Velero is installed in.
	Namespace() string
	// Client returns a client that knows the types of core, apps, scheduling.k8s.io and
	// storage.k8s.io.
	Client() (client.Client, error)
	// ID tells this cluster from all others, ACKID is the one that Alibaba Cloud knows it by,
	// "" for none.
	ID(ctx context.Context) (string, error)
	ACKID(ctx context.Context) (string, error)
	Backup(ctx context.Context, name string) (*velerov1.Backup, error)
	Backups(ctx context.Context) ([]velerov1.Backup, error)
	LiveRuns(ctx context.Context) (map[types.UID]bool, error)
	Volume(ctx context.Context, name string) (*corev1.PersistentVolume, error)
	Volumes(ctx context.Context) ([]corev1.PersistentVolume, error)
}

// Targets tells what the settings of a restore ask of a volume.
type Targets interface {
	// FileSystemTarget is told the PersistentVolume as it is restored. The zero target is
	// a new directory in the storage that was backed up.
	FileSystemTarget(ctx context.Context, restore *velerov1.Restore, pv *corev1.PersistentVolume) (storageclass.FileSystemTarget, error)
}

const (
	// pollInterval is how often something is looked at that will be there soon.
	pollInterval = 2 * time.Second
	// mountTimeout is how long what is made in the cluster may take, unless a job may take less.
	mountTimeout = 10 * time.Minute
	// visibleAfter is how long what Cloud Backup has accepted may be missing from its lists.
	visibleAfter = 15 * time.Second
)

// notesKeeper tells the notes of this snapshotter from those of others.
const notesKeeper = "hbr"

// site is a location and what a process has learnt of it. A process lives for one
// backup, one restore, or one poll of their operations.
type site struct {
	location

	log     logrus.FieldLogger
	clients Clients
	cluster Cluster
	targets Targets

	notes  *notes.Notes
	agents *agent.Agents
	mounts *mount.Mounts
	vaults vaultKeeper
	// sweep goes on beside the backup: the application may be frozen by a hook meanwhile.
	sweep background.Task
	// jobs are those of a backup, onNodes those of them that run on nodes.
	jobs    listing.Lists[jobsOfBackup]
	onNodes listing.Lists[[]job]
	// registrations are the ids by which Cloud Backup knows clusters.
	registrations once.Values[string, string]
	// nodes is held while the node of a job is chosen and the job is begun.
	nodes sync.Mutex
	// fillings are the turns of what is done with a volume that is being restored, by its order's mark.
	fillings turns.Turns[string]

	mu sync.Mutex
	// created is when file systems were made, in seconds since 1970, by their ids.
	created map[string]string
}

func newSite(l location, log logrus.FieldLogger, clients Clients, cluster Cluster, targets Targets) *site {
	return &site{
		location: l, log: log, clients: clients, cluster: cluster, targets: targets,
		notes: notes.New(cluster, notesKeeper), agents: agent.New(log, cluster),
		mounts: mount.New(log, cluster, mount.Config{
			KubeletRoot: l.kubeletRoot, HostPathRoot: l.hostPathRoot, PodImage: l.podImage,
			Timeout: min(mountTimeout, l.backupTimeout, l.restoreTimeout),
		}),
		created: map[string]string{},
	}
}

// api returns the Cloud Backup of the location's region.
func (s *site) api(ctx context.Context) (*alicloud.HBR, error) {
	return s.clients.HBR(ctx, s.hbr)
}

// apiIn returns the Cloud Backup of a region. Another one than the location's has no
// endpoint in this VPC.
func (s *site) apiIn(ctx context.Context, region string) (*alicloud.HBR, error) {
	home, err := s.api(ctx)
	if err != nil || home.Region() == region {
		return home, err
	}
	other := s.hbr
	other.Region, other.Endpoint, other.Network = region, "", endpoint.Public
	return s.clients.HBR(ctx, other)
}
