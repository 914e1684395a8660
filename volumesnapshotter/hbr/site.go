// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
)

// Clients makes the clients of a location; equal configs get the same ones.
type Clients interface {
	HBR(ctx context.Context, cfg alicloud.HBRConfig) (*alicloud.HBR, error)
	NAS(ctx context.Context, cfg alicloud.NASConfig) (*alicloud.NAS, error)
}

// Cluster is what is read of the cluster that Velero runs in.
type Cluster interface {
	ID(ctx context.Context) (string, error)
	Backup(ctx context.Context, name string) (*velerov1.Backup, error)
	Backups(ctx context.Context) ([]velerov1.Backup, error)
	Volume(ctx context.Context, name string) (*corev1.PersistentVolume, error)
}

const (
	// pollInterval is how often something is looked at that will be there soon.
	pollInterval = 2 * time.Second
	// visibleAfter is how long what Cloud Backup has accepted may be missing from its lists.
	visibleAfter = 15 * time.Second
)

// site is a location and what a process has learnt of it. A process lives for one
// backup, one restore, or one poll of their operations.
type site struct {
	location

	log     logrus.FieldLogger
	clients Clients
	cluster Cluster

	vaults vaultKeeper
	sweep  sweeper

	mu sync.Mutex
	// created is when file systems were made, in seconds since 1970, by their ids.
	created map[string]string
}

func newSite(l location, log logrus.FieldLogger, clients Clients, cluster Cluster) *site {
	return &site{location: l, log: log, clients: clients, cluster: cluster, created: map[string]string{}}
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
