//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

// inventory is what backups and restores leave in a cloud and a cluster.
type inventory struct {
	// Snapshots and Groups are those of ECS, FileSnapshots, Plans and Jobs those of Cloud Backup. Jobs have not ended.
	Snapshots, Groups, FileSnapshots, Plans, Jobs []string
	// Objects and Uploads are in the bucket.
	Objects, Uploads []string
	// StrayDisks and StrayDirectories are those of no volume of the cluster, and StrayVolumes those of no claim.
	StrayDisks, StrayDirectories, StrayVolumes []string
	// InVelero is what is in Velero's namespace beside what an installation has.
	InVelero []string
}

// inventory makes the inventory of a cluster that has the account's disks and one file system for itself.
func (s *site) inventory(ctx context.Context, bucket string) (inventory, error) {
	disks := s.cloud.ECS().Inventory(accountID)
	jobs, err := s.cloud.HBR().Inventory(accountID)
	if err != nil {
		return inventory{}, err
	}
	all := inventory{
		Snapshots: disks.Snapshots, Groups: disks.SnapshotGroups,
		FileSnapshots: jobs.Snapshots, Plans: jobs.Plans, Jobs: jobs.Running,
	}
	for _, o := range s.cloud.OSS().Objects(bucket) {
		all.Objects = append(all.Objects, o.Key)
	}
	for _, u := range s.cloud.OSS().Uploads(bucket) {
		all.Uploads = append(all.Uploads, u.Key)
	}
	if err := s.strays(ctx, &all, disks.Disks); err != nil {
		return inventory{}, err
	}
	all.InVelero, err = s.inVeleroNamespace(ctx)
	return all, err
}

// strays finds the storage that no volume is of, and volumes that are of no claim.
func (s *site) strays(ctx context.Context, all *inventory, disks []string) error {
	volumes := &corev1.PersistentVolumeList{}
	if err := s.Client.List(ctx, volumes); err != nil {
		return err
	}
	used := map[string]bool{}
	for _, v := range volumes.Items {
		if v.Status.Phase != corev1.VolumeBound {
			all.StrayVolumes = append(all.StrayVolumes, v.Name+" "+string(v.Status.Phase))
		}
		used[v.Spec.CSI.VolumeHandle] = true
		used[path.Clean(v.Spec.CSI.VolumeAttributes["path"])] = true
	}
	for _, disk := range disks {
		if _, id, _ := strings.Cut(disk, "/"); !used[id] {
			all.StrayDisks = append(all.StrayDisks, disk)
		}
	}
	files, err := s.cloud.NAS().FileSystem(s.fileSystem)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(files.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !used["/"+e.Name()] {
			all.StrayDirectories = append(all.StrayDirectories, e.Name())
		}
	}
	return nil
}

// inVeleroNamespace lists the objects that backups and restores have there.
func (s *site) inVeleroNamespace(ctx context.Context) ([]string, error) {
	var found []string
	for _, list := range []client.ObjectList{
		&corev1.PersistentVolumeClaimList{}, &corev1.PodList{}, &corev1.ConfigMapList{},
		&velerov1.BackupList{}, &velerov1.RestoreList{}, &velerov1.DeleteBackupRequestList{},
	} {
		if err := s.Client.List(ctx, list, client.InNamespace(veleroNamespace)); err != nil {
			return nil, err
		}
		if err := meta.EachListItem(list, func(o runtime.Object) error {
			object, ok := o.(client.Object)
			if !ok {
				return fmt.Errorf("%T is no object", o)
			}
			// A Pod of Velero may be a new one.
			if object.GetLabels()["deploy"] != "velero" {
				found = append(found, fmt.Sprintf("%T %s", object, object.GetName()))
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	slices.Sort(found)
	return found, nil
}

// leftTimeout bounds the wait for what is deleted beside.
const leftTimeout = 2 * time.Minute

// awaitInventory waits until the inventory is what it was, and returns what differs if it does not become so.
func (s *site) awaitInventory(t *testing.T, bucket string, want inventory) (left string) {
	t.Helper()
	// That it does not is what the caller tells.
	_ = poll.Until(t.Context(), leftTimeout, "what is deleted to be gone", func(ctx context.Context) error {
		got, err := s.inventory(ctx, bucket)
		if err != nil {
			return err
		}
		if left = cmp.Diff(want, got); left != "" {
			return errors.New(left)
		}
		return nil
	})
	return left
}
