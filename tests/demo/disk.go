// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample"
)

const (
	// diskFile is the file on the disk, with what is in it.
	diskFile    = "orders.csv"
	diskContent = "1,tea,4.20\n2,rice,9.90\n"
)

// createDisk makes the database's disk in the cloud, with a file in it, and its volume and claim in the cluster.
func (d *demo) createDisk(ctx context.Context) (err error) {
	d.disk, err = d.cloud.ECS().AddDisk(ecs.DiskConfig{
		Account: accountID, Zone: zone, Category: sample.DiskCategory, PerformanceLevel: sample.DiskPerformanceLevel,
		Size: sample.DiskSizeGiB, Instance: instance, Tags: map[string]string{"team": "storefront"},
		Files: map[string]string{diskFile: diskContent},
	})
	if err != nil {
		return err
	}
	pv, claim := sample.Disk(namespace, d.disk, zone)
	for _, object := range []client.Object{pv, claim} {
		if err := d.cp.Client.Create(ctx, object); err != nil {
			return fmt.Errorf("creating the database's volume: %w", err)
		}
	}
	if _, err := d.boundDisk(ctx, namespace); err != nil {
		return err
	}
	return d.showDisk(d.disk)
}

// boundDisk waits until the database's claim is bound, and returns the id of its disk.
func (d *demo) boundDisk(ctx context.Context, in string) (id string, err error) {
	err = poll.Until(ctx, waitTimeout, "the claim of the database to be Bound", func(ctx context.Context) error {
		claim, pv := &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolume{}
		if err := d.cp.Client.Get(ctx, client.ObjectKey{Namespace: in, Name: sample.DiskClaim}, claim); err != nil {
			return err
		}
		if claim.Status.Phase != corev1.ClaimBound {
			return fmt.Errorf("it is %s", claim.Status.Phase)
		}
		if err := d.cp.Client.Get(ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, pv); err != nil {
			return err
		}
		id = volume.DiskID(pv)
		return nil
	})
	return id, err
}

// showDisk prints a disk and the file on it.
func (d *demo) showDisk(id string) error {
	disks := d.cloud.ECS().Disks()
	i := slices.IndexFunc(disks, func(found ecs.DiskInfo) bool { return found.ID == id })
	if i < 0 {
		return fmt.Errorf("the disk %s does not exist", id)
	}
	content, err := d.cloud.ECS().ReadFile(id, diskFile)
	if err != nil {
		return err
	}
	found := disks[i]
	d.table([][]string{
		{"DISK", "CATEGORY", "LEVEL", "GIB", "ZONE", "FILE"},
		{id, found.Category, found.PerformanceLevel, strconv.FormatInt(found.Size, 10), found.Zone, fmt.Sprintf("%s, %d bytes", diskFile, len(content))},
	})
	return nil
}

// showSnapshots prints the snapshots of the backup, and then writes to the disk: what is restored is what it held.
func (d *demo) showSnapshots(context.Context) error {
	snapshots := d.cloud.ECS().Snapshots()
	if len(snapshots) == 0 {
		return errors.New("the disk has no snapshot")
	}
	for _, found := range snapshots {
		d.table([][]string{
			{"SNAPSHOT", "DISK", "STATUS", "RETENTION"},
			{found.ID, found.DiskID, found.Status, fmt.Sprintf("%d days", found.RetentionDays)},
		})
		rows := [][]string{{"TAG", "VALUE"}}
		for _, key := range slices.Sorted(maps.Keys(found.Tags)) {
			rows = append(rows, []string{key, found.Tags[key]})
		}
		d.table(rows)
	}
	d.say("Now the file is overwritten, after the backup.")
	return d.cloud.ECS().WriteFile(d.disk, diskFile, []byte("overwritten\n"))
}

// deleteDisk deletes the database's disk and its volume.
func (d *demo) deleteDisk(ctx context.Context) error {
	pv, _ := sample.Disk(namespace, d.disk, zone)
	pv.Finalizers = nil
	if err := d.cp.Client.Delete(ctx, pv); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the database's volume: %w", err)
	}
	err := poll.Until(ctx, waitTimeout, "the database's volume to be gone", func(ctx context.Context) error {
		err := d.cp.Client.Get(ctx, client.ObjectKeyFromObject(pv), pv)
		if err == nil {
			return errors.New("it is still there")
		}
		return client.IgnoreNotFound(err)
	})
	if err != nil {
		return err
	}
	if err := d.cloud.ECS().RemoveDisk(d.disk); err != nil {
		return err
	}
	d.say("The disk %s is gone.", d.disk)
	return nil
}

// compareDisk checks that the restored database has a disk of its own with the file as it was backed up.
func (d *demo) compareDisk(ctx context.Context, restored string) error {
	id, err := d.boundDisk(ctx, restored)
	if err != nil {
		return err
	}
	if id == d.disk {
		return fmt.Errorf("the restored claim has the disk %s, which is gone", id)
	}
	content, err := d.cloud.ECS().ReadFile(id, diskFile)
	if err != nil {
		return err
	}
	if string(content) != diskContent {
		return fmt.Errorf("the file %s on the restored disk %s differs from the one that was backed up", diskFile, id)
	}
	return d.showDisk(id)
}
