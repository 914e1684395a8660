// SPDX-License-Identifier: Apache-2.0

package ecs_test

import (
	"errors"
	"testing"
	"time"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
)

// describeSnapshot returns the one snapshot of cn-hangzhou with an id.
func describeSnapshot(t *testing.T, c *sdk.Client, id string) *sdk.DescribeSnapshotsResponseBodySnapshotsSnapshot {
	t.Helper()
	answer, err := c.DescribeSnapshots(&sdk.DescribeSnapshotsRequest{
		RegionId: dara.String(hangzhou), SnapshotIds: dara.String(`["` + id + `"]`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(answer.Body.Snapshots.Snapshot); n != 1 {
		t.Fatalf("%d snapshots have the id %s", n, id)
	}
	return answer.Body.Snapshots.Snapshot[0]
}

func TestADiskFromASnapshotHasTheBytesOfTheCut(t *testing.T) {
	t.Parallel()
	cloud := start(t, taking)
	c := client(t, cloud)
	cut, err := c.CreateSnapshot(&sdk.CreateSnapshotRequest{
		DiskId: dara.String("d-ssd"), SnapshotName: dara.String("nightly"), RetentionDays: dara.Int32(3),
		Tag: []*sdk.CreateSnapshotRequestTag{{Key: dara.String("backup"), Value: dara.String("b1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cloud.ECS().WriteFile("d-ssd", "late", []byte("after the cut")); err != nil {
		t.Fatal(err)
	}
	id := dara.StringValue(cut.Body.SnapshotId)
	made := &sdk.CreateDiskRequest{
		RegionId: dara.String(hangzhou), ZoneId: dara.String(zoneI), SnapshotId: dara.String(id),
		DiskCategory: dara.String("cloud_essd"), DiskName: dara.String("restored"), ClientToken: dara.String("one"),
	}
	cloud.ECS().Advance(30 * time.Second)
	got := describeSnapshot(t, c, id)
	want := &sdk.DescribeSnapshotsResponseBodySnapshotsSnapshot{
		SnapshotId: dara.String(id), SnapshotName: dara.String("nightly"), Description: dara.String(""),
		RegionId: dara.String(hangzhou), Status: dara.String("progressing"), Progress: dara.String("50%"),
		Available: dara.Bool(false), SourceDiskId: dara.String("d-ssd"), SourceDiskSize: dara.String("40"),
		SourceDiskType: dara.String("data"), Category: dara.String("standard"), SnapshotType: dara.String("user"),
		RetentionDays: dara.Int32(3), Encrypted: dara.Bool(false), KMSKeyId: dara.String(""),
		ResourceGroupId: dara.String(""), Usage: dara.String("none"), InstantAccess: dara.Bool(false),
		CreationTime: got.CreationTime, LastModifiedTime: got.LastModifiedTime,
		Tags: &sdk.DescribeSnapshotsResponseBodySnapshotsSnapshotTags{
			Tag: []*sdk.DescribeSnapshotsResponseBodySnapshotsSnapshotTagsTag{
				{TagKey: dara.String("backup"), TagValue: dara.String("b1")},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the snapshot half way (-want +got):\n%s", diff)
	}
	_, err = c.CreateDisk(made)
	if diff := cmp.Diff(&refusal{403, "InvalidSnapshotId.NotReady"}, refused(t, err)); diff != "" {
		t.Errorf("a disk from half a snapshot (-want +got):\n%s", diff)
	}

	cloud.ECS().Advance(30 * time.Second)
	if got := describeSnapshot(t, c, id); dara.StringValue(got.Progress) != "100%" || !dara.BoolValue(got.Available) {
		t.Errorf("after its time the snapshot is at %s", dara.StringValue(got.Progress))
	}
	disk, err := c.CreateDisk(made)
	if err != nil {
		t.Fatal(err)
	}
	diskID := dara.StringValue(disk.Body.DiskId)
	if _, err := cloud.ECS().ReadFile(diskID, "late"); err == nil {
		t.Error("the disk has a file that was written after the cut")
	}
	var info ecs.DiskInfo
	for _, d := range cloud.ECS().Disks() {
		if d.ID == diskID {
			info = d
		}
	}
	wantDisk := ecs.DiskInfo{
		ID: diskID, Name: "restored", Account: owner, Region: hangzhou, Zone: zoneI, Status: "Creating",
		Category: "cloud_essd", PerformanceLevel: "PL1", Size: 40, SourceSnapshotID: id, Tags: map[string]string{},
	}
	if diff := cmp.Diff(wantDisk, info, cmpopts.IgnoreFields(ecs.DiskInfo{}, "Created")); diff != "" {
		t.Errorf("the new disk (-want +got):\n%s", diff)
	}
	if got := describeSnapshot(t, c, id); dara.StringValue(got.Usage) != "disk" {
		t.Errorf("the snapshot's usage is %s", dara.StringValue(got.Usage))
	}
}

func TestAnESSDSnapshotCanBeUsedAtOnce(t *testing.T) {
	t.Parallel()
	cloud := start(t, taking)
	id := snapshotOf(t, cloud, "d-data")
	if err := cloud.ECS().WriteFile("d-data", "orders/1.csv", []byte("coffee")); err != nil {
		t.Fatal(err)
	}
	disk := must(t, cloud, "CreateDisk", params{
		"RegionId": hangzhou, "ZoneId": zoneH, "SnapshotId": id, "DiskCategory": "cloud_essd", "PerformanceLevel": "PL0",
	}, "DiskId")
	for name, read := range map[string]func() ([]byte, error){
		"disk":     func() ([]byte, error) { return cloud.ECS().ReadFile(disk, "orders/1.csv") },
		"snapshot": func() ([]byte, error) { return cloud.ECS().ReadSnapshotFile(id, "orders/1.csv") },
	} {
		if data, err := read(); err != nil || string(data) != "tea" {
			t.Errorf("the %s has %q, %v", name, data, err)
		}
	}
}

func TestADiskIsDescribedWithAllThatItWasMadeWith(t *testing.T) {
	t.Parallel()
	cloud := start(t, taking)
	c := client(t, cloud)
	begun := cloud.ECS().Disks()[0].Created
	made, err := c.CreateDisk(&sdk.CreateDiskRequest{
		RegionId: dara.String(hangzhou), ZoneId: dara.String(zoneH), DiskCategory: dara.String("cloud_auto"),
		Size: dara.Int32(100), ProvisionedIops: dara.Int64(4000), BurstingEnabled: dara.Bool(true),
		Encrypted: dara.Bool(true), KMSKeyId: dara.String("key-good"),
		ResourceGroupId: dara.String("rg-1"), DiskName: dara.String("data"), Description: dara.String("of orders"),
		Tag: []*sdk.CreateDiskRequestTag{{Key: dara.String("k"), Value: dara.String("v")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cloud.ECS().Advance(10 * time.Second)
	if err := cloud.ECS().Attach(dara.StringValue(made.Body.DiskId), worker); err != nil {
		t.Fatal(err)
	}
	answer, err := c.DescribeDisks(&sdk.DescribeDisksRequest{
		RegionId: dara.String(hangzhou), DiskIds: dara.String(`["` + dara.StringValue(made.Body.DiskId) + `"]`),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := answer.Body.Disks.Disk[0]
	want := &sdk.DescribeDisksResponseBodyDisksDisk{
		DiskId: made.Body.DiskId, DiskName: dara.String("data"), Description: dara.String("of orders"),
		RegionId: dara.String(hangzhou), ZoneId: dara.String(zoneH), Status: dara.String("In_use"),
		Type: dara.String("data"), Category: dara.String("cloud_auto"), Size: dara.Int32(100),
		Encrypted: dara.Bool(true), KMSKeyId: dara.String("key-good"), ProvisionedIops: dara.Int64(4000),
		BurstingEnabled: dara.Bool(true), MultiAttach: dara.String("Disabled"), InstanceId: dara.String(worker),
		Attachments: &sdk.DescribeDisksResponseBodyDisksDiskAttachments{
			Attachment: []*sdk.DescribeDisksResponseBodyDisksDiskAttachmentsAttachment{{InstanceId: dara.String(worker)}},
		},
		SourceSnapshotId: dara.String(""), ResourceGroupId: dara.String("rg-1"),
		CreationTime: dara.String(timeOf(begun)), AttachedTime: dara.String(timeOf(begun.Add(10 * time.Second))),
		DetachedTime:   dara.String(""),
		DiskChargeType: dara.String("PostPaid"), Portable: dara.Bool(true),
		Tags: &sdk.DescribeDisksResponseBodyDisksDiskTags{Tag: []*sdk.DescribeDisksResponseBodyDisksDiskTagsTag{
			{TagKey: dara.String("k"), TagValue: dara.String("v")},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("disk (-want +got):\n%s", diff)
	}
}

func TestASnapshotIsCopiedToAnotherRegion(t *testing.T) {
	t.Parallel()
	cloud := start(t, taking)
	here, there := regional(t, cloud, hangzhou), regional(t, cloud, beijing)
	id := snapshotOf(t, cloud, "d-secret")
	request := &sdk.CopySnapshotRequest{
		RegionId: dara.String(hangzhou), SnapshotId: dara.String(id), DestinationRegionId: dara.String(beijing),
		DestinationSnapshotName: dara.String("copy"), DestinationSnapshotDescription: dara.String("a copy"),
		Encrypted: dara.Bool(true), KMSKeyId: dara.String("key-beijing"), RetentionDays: dara.Int32(1),
	}
	_, err := here.CopySnapshot(request)
	if diff := cmp.Diff(&refusal{403, "InvalidSnapshotId.NotReady"}, refused(t, err)); diff != "" {
		t.Errorf("copying half a snapshot (-want +got):\n%s", diff)
	}
	cloud.ECS().Advance(time.Minute)
	answer, err := here.CopySnapshot(request)
	if err != nil {
		t.Fatal(err)
	}
	copied := dara.StringValue(answer.Body.SnapshotId)
	_, err = here.CopySnapshot(request)
	if diff := cmp.Diff(&refusal{403, "InvalidOperation.UnfinishedCrossRegionCopy"}, refused(t, err)); diff != "" {
		t.Errorf("a second copy at once (-want +got):\n%s", diff)
	}
	disk := &sdk.CreateDiskRequest{
		RegionId: dara.String(beijing), ZoneId: dara.String(zoneK), DiskCategory: dara.String("cloud_essd"),
		SnapshotId: dara.String(id),
	}
	_, err = there.CreateDisk(disk)
	if diff := cmp.Diff(&refusal{404, "InvalidSnapshotId.NotFound"}, refused(t, err)); diff != "" {
		t.Errorf("a disk from a snapshot of another region (-want +got):\n%s", diff)
	}
	disk.SnapshotId = dara.String(copied)
	_, err = there.CreateDisk(disk)
	if diff := cmp.Diff(&refusal{403, "InvalidSnapshotId.NotReady"}, refused(t, err)); diff != "" {
		t.Errorf("a disk from half a copy (-want +got):\n%s", diff)
	}
	cloud.ECS().Advance(5 * time.Minute)
	got := cloud.ECS().Snapshots()[0] // cn-beijing comes first
	want := ecs.SnapshotInfo{
		ID: copied, Name: "copy", Account: owner, Region: beijing, Status: "accomplished", Available: true,
		DiskID: "d-secret", Size: 20, Encrypted: true, KMSKeyID: "key-beijing", SourceRegion: hangzhou, SourceID: id,
		RetentionDays: 1, Tags: map[string]string{},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(ecs.SnapshotInfo{}, "Created")); diff != "" {
		t.Errorf("copy (-want +got):\n%s", diff)
	}
	if _, err := there.CreateDisk(disk); err != nil {
		t.Errorf("a disk from the copy: %v", err)
	}
	if _, err := here.DeleteSnapshot(&sdk.DeleteSnapshotRequest{SnapshotId: dara.String(copied)}); err == nil {
		t.Error("the copy is deleted through the other region's endpoint")
	}
	cloud.ECS().Advance(24 * time.Hour)
	if n := len(cloud.ECS().Snapshots()); n != 1 {
		t.Errorf("after the copy's retention there are %d snapshots, want the source alone", n)
	}
}

func TestDisksAreCutTogether(t *testing.T) {
	t.Parallel()
	cloud := start(t, taking)
	c := client(t, cloud)
	made, err := c.CreateSnapshotGroup(&sdk.CreateSnapshotGroupRequest{
		RegionId: dara.String(hangzhou), Name: dara.String("orders"),
		DiskId: []*string{dara.String("d-data"), dara.String("d-secret")},
		Tag:    []*sdk.CreateSnapshotGroupRequestTag{{Key: dara.String("k"), Value: dara.String("v")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ids := []*string{made.Body.SnapshotGroupId}
	describe := func() *sdk.DescribeSnapshotGroupsResponseBodySnapshotGroupsSnapshotGroup {
		answer, err := c.DescribeSnapshotGroups(&sdk.DescribeSnapshotGroupsRequest{
			RegionId: dara.String(hangzhou), SnapshotGroupId: ids,
			Tag: []*sdk.DescribeSnapshotGroupsRequestTag{{Key: dara.String("k"), Value: dara.String("v")}},
		})
		if err != nil || len(answer.Body.SnapshotGroups.SnapshotGroup) != 1 {
			t.Fatalf("describe the group: %v, %v", answer, err)
		}
		return answer.Body.SnapshotGroups.SnapshotGroup[0]
	}
	got := describe()
	type member struct {
		Disk, Progress string
		Available      bool
	}
	var members []member
	for _, m := range got.Snapshots.Snapshot {
		members = append(members, member{dara.StringValue(m.SourceDiskId), dara.StringValue(m.Progress), dara.BoolValue(m.Available)})
	}
	if diff := cmp.Diff([]member{{"d-data", "0%", true}, {"d-secret", "0%", true}}, members); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if status := dara.StringValue(got.Status); status != "progressing" {
		t.Errorf("the group is %s", status)
	}
	cloud.ECS().Advance(time.Minute)
	if status := dara.StringValue(describe().Status); status != "accomplished" {
		t.Errorf("after its time the group is %s", status)
	}
	if err := cloud.ECS().FailSnapshot(dara.StringValue(got.Snapshots.Snapshot[0].SnapshotId)); err != nil {
		t.Fatal(err)
	}
	if status := dara.StringValue(describe().Status); status != "failed" {
		t.Errorf("with a failed member the group is %s", status)
	}
	if _, err := c.DeleteSnapshotGroup(&sdk.DeleteSnapshotGroupRequest{
		RegionId: dara.String(hangzhou), SnapshotGroupId: made.Body.SnapshotGroupId,
	}); err != nil {
		t.Fatal(err)
	}
	inventory := cloud.ECS().Inventory(owner)
	if len(inventory.Snapshots)+len(inventory.SnapshotGroups) > 0 {
		t.Errorf("after the group was deleted there are %v", inventory)
	}
}

func TestAGroupCanHoldTheDisksOfAnInstance(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	id := must(t, cloud, "CreateSnapshotGroup", params{
		"RegionId": hangzhou, "InstanceId": worker, "ExcludeDiskId.1": "d-ssd",
	}, "SnapshotGroupId")
	snapshots := cloud.ECS().Snapshots()
	if len(snapshots) != 1 || snapshots[0].DiskID != "d-data" || snapshots[0].GroupID != id {
		t.Errorf("the group's snapshots are %v", snapshots)
	}
}

func TestARegionalDiskIsInNoZone(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	id := must(t, cloud, "CreateDisk", params{
		"RegionId": hangzhou, "DiskCategory": "cloud_regional_disk_auto", "Size": "20",
	}, "DiskId")
	for _, instance := range []string{worker, "i-other-zone"} {
		if err := errors.Join(cloud.ECS().Attach(id, instance), cloud.ECS().Detach(id)); err != nil {
			t.Error(err)
		}
	}
	if disks := cloud.ECS().Disks(); disks[len(disks)-1].ID != id || disks[len(disks)-1].Zone != "" {
		t.Errorf("the disk is %v", disks[len(disks)-1])
	}
}

func TestRetentionDeletesASnapshot(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	id := must(t, cloud, "CreateSnapshot", params{"DiskId": "d-data", "RetentionDays": "2"}, "SnapshotId")
	cloud.ECS().Advance(48*time.Hour - time.Second)
	if n := len(cloud.ECS().Snapshots()); n != 1 {
		t.Fatalf("a second before there are %d snapshots", n)
	}
	cloud.ECS().Advance(time.Second)
	_, failure := call(t, cloud, ownerKey(), "DeleteSnapshot", params{"SnapshotId": id})
	if diff := cmp.Diff(&refusal{404, "InvalidSnapshotId.NotFound"}, failure); diff != "" {
		t.Errorf("deleting what has expired (-want +got):\n%s", diff)
	}
	if _, err := cloud.ECS().ReadSnapshotFile(id, "orders/1.csv"); err == nil {
		t.Error("the bytes of an expired snapshot are still there")
	}
}

func TestASnapshotWithDisksIsDeletedByForce(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	id := snapshotOf(t, cloud, "d-secret")
	disk := must(t, cloud, "CreateDisk", params{
		"RegionId": hangzhou, "ZoneId": zoneH, "SnapshotId": id, "DiskCategory": "cloud_essd",
	}, "DiskId")
	_, failure := call(t, cloud, ownerKey(), "DeleteSnapshot", params{"SnapshotId": id})
	if diff := cmp.Diff(&refusal{403, "SnapshotCreatedDisk"}, failure); diff != "" {
		t.Errorf("without force (-want +got):\n%s", diff)
	}
	must(t, cloud, "DeleteSnapshot", params{"SnapshotId": id, "Force": "true"}, "")
	must(t, cloud, "DeleteDisk", params{"DiskId": disk}, "")
	want := ecs.Inventory{Disks: []string{
		"cn-hangzhou/d-data", "cn-hangzhou/d-ephemeral", "cn-hangzhou/d-huge", "cn-hangzhou/d-new",
		"cn-hangzhou/d-other-zone", "cn-hangzhou/d-regional", "cn-hangzhou/d-secret", "cn-hangzhou/d-shared", "cn-hangzhou/d-ssd",
	}}
	if diff := cmp.Diff(want, cloud.ECS().Inventory(owner)); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
}

func TestTheSameClientTokenGivesTheSameAnswer(t *testing.T) {
	t.Parallel()
	cloud := start(t, func(c *cloudsim.Config) { c.ECS.Durations.Processing.Duration = time.Second })
	p := params{"DiskId": "d-data", "ClientToken": "token"}
	id := must(t, cloud, "CreateSnapshot", p, "SnapshotId")
	_, failure := call(t, cloud, ownerKey(), "CreateSnapshot", p)
	if diff := cmp.Diff(&refusal{403, "IdempotentProcessing"}, failure); diff != "" {
		t.Errorf("at once (-want +got):\n%s", diff)
	}
	cloud.ECS().Advance(time.Second)
	if again := must(t, cloud, "CreateSnapshot", p, "SnapshotId"); again != id {
		t.Errorf("the second answer is %s, want %s", again, id)
	}
	_, failure = call(t, cloud, ownerKey(), "CreateSnapshot", params{"DiskId": "d-ssd", "ClientToken": "token"})
	if diff := cmp.Diff(&refusal{403, "IdempotentParameterMismatch"}, failure); diff != "" {
		t.Errorf("for another disk (-want +got):\n%s", diff)
	}
	for name, token := range map[string]string{"not ASCII": "tokën", "too long": longText(65)} {
		_, failure = call(t, cloud, ownerKey(), "CreateSnapshot", params{"DiskId": "d-data", "ClientToken": token})
		if diff := cmp.Diff(&refusal{403, "InvalidClientToken.Malformed"}, failure); diff != "" {
			t.Errorf("a token that is %s (-want +got):\n%s", name, diff)
		}
	}
}

func longText(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = 'x'
	}
	return string(text)
}

func TestCallsAreThrottledByTheMinute(t *testing.T) {
	t.Parallel()
	cloud := start(t, func(c *cloudsim.Config) {
		c.ECS.Throttling = ecs.Throttling{User: map[string]int{"DescribeZones": 2}, API: map[string]int{"DescribeZones": 3}}
	})
	ask := func(k cloudsim.AccessKey, region string) *refusal {
		t.Helper()
		_, failure := call(t, cloud, k, "DescribeZones", params{"RegionId": region})
		return failure
	}
	user, api := &refusal{403, "Throttling.User"}, &refusal{403, "Throttling.Api"}
	got := []*refusal{
		ask(ownerKey(), hangzhou), ask(limitedKey(), hangzhou), ask(ownerKey(), hangzhou), ask(ownerKey(), beijing),
		ask(strangerKey(), hangzhou), ask(strangerKey(), hangzhou),
	}
	if diff := cmp.Diff([]*refusal{nil, nil, user, nil, nil, api}, got); diff != "" {
		t.Errorf("the first minute (-want +got):\n%s", diff)
	}
	cloud.ECS().Advance(time.Minute)
	if failure := ask(ownerKey(), hangzhou); failure != nil {
		t.Errorf("the next minute: %v", failure)
	}
	cloud.ECS().SetThrottling(ecs.Throttling{User: map[string]int{"DescribeZones": 1}})
	if diff := cmp.Diff(user, ask(ownerKey(), hangzhou)); diff != "" {
		t.Errorf("with a lower limit (-want +got):\n%s", diff)
	}
}
