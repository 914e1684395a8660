// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// provision makes the volumes of claims that have been handed to their drivers.
func (r *round) provision(ctx context.Context) error {
	scene := provisioner.Scene{Nodes: r.nodes, Claims: r.claims, Volumes: r.volumes}
	changed, err := r.provisioner().Provision(ctx, scene, r.faults.Provision)
	r.changed = r.changed || changed
	return err
}

// reclaim deletes the provisioned volumes whose claims have gone, with their storage, where their policy is Delete.
func (r *round) reclaim(ctx context.Context) error {
	changed, err := r.provisioner().Reclaim(ctx, r.volumes, func(pv *corev1.PersistentVolume) bool {
		return !r.concerns(pv.Spec.ClaimRef.Namespace) || r.isMounted(pv)
	})
	r.changed = r.changed || changed
	return err
}

func (r *round) provisioner() *provisioner.Controller {
	return &provisioner.Controller{
		Provisioner: provisioner.Provisioner{Storage: r.storage, FileSystems: r.options.FileSystems},
		Client:      r.client, Warn: r.warn,
	}
}

func (r *round) isMounted(pv *corev1.PersistentVolume) bool {
	for _, p := range r.Cluster.pods {
		if p.has(pv) {
			return true
		}
	}
	return false
}

// The methods below make storage a provisioner.Storage, which is told what to do and has no calls to make.

// CreateDisk implements provisioner.Storage.
func (s *storage) CreateDisk(_ context.Context, disk provisioner.Disk) (string, error) {
	return s.cloud.ECS().AddDisk(ecs.DiskConfig{
		Account: s.account, Zone: disk.Zone, Category: disk.Category, PerformanceLevel: disk.PerformanceLevel,
		Size: disk.Size, MultiAttach: disk.MultiAttach,
	})
}

// DeleteDisk implements provisioner.Storage.
func (s *storage) DeleteDisk(_ context.Context, id string) error {
	if err := s.cloud.ECS().RemoveDisk(id); !errors.Is(err, ecs.ErrNotFound) {
		return err
	}
	return nil
}

// CreateDirectory implements provisioner.Storage.
func (s *storage) CreateDirectory(_ context.Context, server, name string) error {
	f, ok := s.find(server)
	if !ok {
		return fmt.Errorf("there is no mount target %q", server)
	}
	_, err := tree.NewMachine(f.Dir).Make(name)
	return err
}

// DeleteDirectory implements provisioner.Storage.
func (s *storage) DeleteDirectory(_ context.Context, server, name string) error {
	return s.cloud.NAS().RemoveDirectory(server, name)
}

// CreateFileSystem implements provisioner.Storage. The file system is in the region of the others of the account.
func (s *storage) CreateFileSystem(context.Context, string) (server string, err error) {
	all := s.cloud.NAS().FileSystems()
	at := slices.IndexFunc(all, func(f nas.FileSystem) bool { return f.Account == s.account })
	if at < 0 {
		return "", fmt.Errorf("the account %q has no file system whose region could be taken", s.account)
	}
	id, err := s.cloud.NAS().AddFileSystem(nas.FileSystemConfig{Account: s.account, Region: all[at].Region})
	if err != nil {
		return "", err
	}
	f, err := s.cloud.NAS().FileSystem(id)
	if err != nil {
		return "", err
	}
	return f.MountTargets[0], nil
}

// DeleteFileSystem implements provisioner.Storage.
func (s *storage) DeleteFileSystem(_ context.Context, server string) error {
	if f, ok := s.find(server); ok {
		return s.cloud.NAS().RemoveFileSystem(f.ID)
	}
	return nil
}

// ClearBucket implements provisioner.Storage.
func (s *storage) ClearBucket(_ context.Context, bucket, name string) error {
	return s.buckets.Clear(bucket, name)
}

// DeleteOther implements provisioner.Storage.
func (s *storage) DeleteOther(_ context.Context, pv *corev1.PersistentVolume) error {
	content, err := s.open(pv)
	if err != nil {
		return err
	}
	return os.RemoveAll(content.Dir)
}
