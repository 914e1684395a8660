// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample"
)

// disk is a disk of the application, as it was before the backup.
type disk struct {
	sample.Volume
	// id is empty until the disk is made.
	id string
	// file is the name of a file on it, and content what it holds.
	file, content string
}

// applicationDisks are the disks that the application gets.
func applicationDisks() []disk {
	return []disk{
		{Volume: sample.Database(), file: "orders.csv", content: "1,tea,4.20\n2,rice,9.90\n"},
		{Volume: sample.Uploads(), file: "tea.svg", content: "<svg/>\n"},
	}
}

// createDisks makes the disks in the cloud, each with its file, and their volumes and claims in the cluster.
func (d *demo) createDisks(ctx context.Context) error {
	d.disks = applicationDisks()
	var objects []client.Object
	for i := range d.disks {
		made, err := d.createDisk(&d.disks[i])
		if err != nil {
			return err
		}
		objects = append(objects, made...)
	}
	if err := d.create(ctx, append(sample.Classes(), objects...)...); err != nil {
		return err
	}
	ids, err := d.boundDisks(ctx, namespace)
	if err != nil {
		return err
	}
	return d.showDisks(ids)
}

// createDisk makes a disk in the cloud, and returns its volume and claim.
func (d *demo) createDisk(made *disk) (_ []client.Object, err error) {
	made.id, err = d.cloud.ECS().AddDisk(ecs.DiskConfig{
		Account: accountID, Zone: zone, Category: made.Category, PerformanceLevel: made.PerformanceLevel,
		Size: made.SizeGiB, Instance: instance, Tags: map[string]string{"team": "storefront"},
		Files: map[string]string{made.file: made.content},
	})
	if err != nil {
		return nil, err
	}
	pv, claim := made.Objects(namespace, made.id, zone)
	return []client.Object{pv, claim}, nil
}

// boundDisks waits until the claims of a namespace are bound, and returns the ids of their disks by claim.
func (d *demo) boundDisks(ctx context.Context, in string) (map[string]string, error) {
	ids := map[string]string{}
	for _, of := range d.disks {
		pv, err := d.boundVolume(ctx, in, of.Claim)
		if err != nil {
			return nil, err
		}
		ids[of.Claim] = volume.DiskID(pv)
	}
	return ids, nil
}

// cloudDisk returns what the cloud says of a disk.
func (d *demo) cloudDisk(id string) (ecs.DiskInfo, error) {
	disks := d.cloud.ECS().Disks()
	i := slices.IndexFunc(disks, func(found ecs.DiskInfo) bool { return found.ID == id })
	if i < 0 {
		return ecs.DiskInfo{}, fmt.Errorf("the disk %s does not exist", id)
	}
	return disks[i], nil
}

// showDisks prints the disks behind the claims, and the files on them.
func (d *demo) showDisks(ids map[string]string) error {
	rows := [][]string{{"CLAIM", "DISK", "CATEGORY", "LEVEL", "GIB", "ZONE", "FILE"}}
	for _, of := range d.disks {
		id := ids[of.Claim]
		found, err := d.cloudDisk(id)
		if err != nil {
			return err
		}
		content, err := d.cloud.ECS().ReadFile(id, of.file)
		if err != nil {
			return err
		}
		rows = append(rows, []string{
			of.Claim, id, found.Category, found.PerformanceLevel, strconv.FormatInt(found.Size, 10), found.Zone,
			fmt.Sprintf("%s, %d bytes", of.file, len(content)),
		})
	}
	d.table(rows)
	return nil
}

// showSnapshots prints the snapshots of the backup, and then writes to the volumes: what is restored is what they held.
func (d *demo) showSnapshots(context.Context) error {
	snapshots := d.cloud.ECS().Snapshots()
	if len(snapshots) != len(d.disks) {
		return fmt.Errorf("there are %d snapshots of %d disks", len(snapshots), len(d.disks))
	}
	rows := [][]string{{"SNAPSHOT", "DISK", "STATUS", "RETENTION"}}
	for _, found := range snapshots {
		rows = append(rows, []string{found.ID, found.DiskID, found.Status, fmt.Sprintf("%d days", found.RetentionDays)})
	}
	d.table(rows)
	d.say("The tags of %s:", snapshots[0].ID)
	rows = [][]string{{"TAG", "VALUE"}}
	for _, key := range slices.Sorted(maps.Keys(snapshots[0].Tags)) {
		rows = append(rows, []string{key, snapshots[0].Tags[key]})
	}
	d.table(rows)
	if err := d.showFileSnapshot(); err != nil {
		return err
	}
	for _, of := range d.disks {
		if err := d.cloud.ECS().WriteFile(of.id, of.file, []byte("overwritten\n")); err != nil {
			return err
		}
	}
	d.say("Now a file of each volume was overwritten, after the backup.")
	return nil
}

// deleteDisks deletes the disks and their volumes.
func (d *demo) deleteDisks(ctx context.Context) error {
	for _, of := range d.disks {
		pv, _ := of.Objects(namespace, of.id, zone)
		if err := d.deleteVolume(ctx, pv); err != nil {
			return err
		}
		if err := d.cloud.ECS().RemoveDisk(of.id); err != nil {
			return err
		}
		d.say("The disk %s is gone.", of.id)
	}
	return nil
}

// compareDisks checks that each claim has a disk of its own, of the kind that is wanted, with the file as it was backed
// up. ids and want are by claim.
func (d *demo) compareDisks(ids map[string]string, want map[string]diskKind) error {
	for _, of := range d.disks {
		id := ids[of.Claim]
		if id == of.id {
			return fmt.Errorf("the restored claim %s has the disk %s, which is gone", of.Claim, id)
		}
		found, err := d.cloudDisk(id)
		if err != nil {
			return err
		}
		got := diskKind{category: found.Category, level: found.PerformanceLevel, sizeGiB: found.Size}
		if got != want[of.Claim] {
			return fmt.Errorf("the restored claim %s has a disk %+v in the cloud, and not %+v", of.Claim, got, want[of.Claim])
		}
		content, err := d.cloud.ECS().ReadFile(id, of.file)
		if err != nil {
			return err
		}
		if string(content) != of.content {
			return fmt.Errorf("the file %s on the restored disk %s differs from the one that was backed up", of.file, id)
		}
	}
	return d.showDisks(ids)
}
