// SPDX-License-Identifier: Apache-2.0

package ecs_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

func TestTheAttributesOfASnapshotAreChanged(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	c := client(t, cloud)
	id := must(t, cloud, "CreateSnapshot", params{"DiskId": "d-data", "RetentionDays": "2", "Description": "of orders"}, "SnapshotId")
	cloud.ECS().Advance(47 * time.Hour)
	for range 2 { // an answer may be lost
		if _, err := c.ModifySnapshotAttribute(&sdk.ModifySnapshotAttributeRequest{
			SnapshotId: dara.String(id), SnapshotName: dara.String("kept"), RetentionDays: dara.Int32(3),
		}); err != nil {
			t.Fatal(err)
		}
	}
	got := cloud.ECS().Snapshots()[0]
	want := ecs.SnapshotInfo{
		ID: id, Name: "kept", Account: owner, Region: hangzhou, Status: "accomplished", Available: true, DiskID: "d-data",
		Size: 10, RetentionDays: 3, Tags: map[string]string{},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(ecs.SnapshotInfo{}, "Created")); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	described := describeSnapshot(t, c, id)
	if described.Description == nil || *described.Description != "of orders" {
		t.Errorf("the description is %v", described.Description)
	}
	if want := timeOf(got.Created.Add(47 * time.Hour)); dara.StringValue(described.LastModifiedTime) != want {
		t.Errorf("it was modified at %s, want %s", dara.StringValue(described.LastModifiedTime), want)
	}
	must(t, cloud, "ModifySnapshotAttribute", params{"SnapshotId": id, "Description": ""}, "")
	if left := dara.StringValue(describeSnapshot(t, c, id).Description); left != "" {
		t.Errorf("an empty description leaves %q", left)
	}
	cloud.ECS().Advance(24 * time.Hour)
	if n := len(cloud.ECS().Snapshots()); n != 1 {
		t.Fatalf("an hour before the end of the new retention there are %d snapshots", n)
	}
	cloud.ECS().Advance(time.Hour)
	if n := len(cloud.ECS().Snapshots()); n != 0 {
		t.Errorf("three days after the cut there are %d snapshots", n)
	}
}

func TestADiskTellsWhenItWasAttachedAndDetachedLast(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	c := client(t, cloud)
	type times struct{ Attached, Detached string }
	ask := func(id string) times {
		t.Helper()
		answer, err := c.DescribeDisks(&sdk.DescribeDisksRequest{
			RegionId: dara.String(hangzhou), DiskIds: dara.String(`["` + id + `"]`),
		})
		if err != nil {
			t.Fatal(err)
		}
		d := answer.Body.Disks.Disk[0]
		return times{dara.StringValue(d.AttachedTime), dara.StringValue(d.DetachedTime)}
	}
	begun := cloud.ECS().Disks()[0].Created
	at := func(d time.Duration) string { return timeOf(begun.Add(d)) }
	want := []times{{}, {at(0), ""}, {at(0), at(0)}}
	if diff := cmp.Diff(want, []times{ask("d-new"), ask("d-data"), ask("d-secret")}); diff != "" {
		t.Errorf("never, still and before (-want +got):\n%s", diff)
	}
	got := []times{}
	for _, change := range []func() error{
		func() error { return cloud.ECS().Attach("d-new", worker) },
		func() error { return cloud.ECS().Detach("d-new") },
		func() error { return cloud.ECS().Detach("d-new") }, // changes nothing
		func() error { return cloud.ECS().Attach("d-new", "i-empty") },
	} {
		cloud.ECS().Advance(time.Minute)
		if err := change(); err != nil {
			t.Fatal(err)
		}
		got = append(got, ask("d-new"))
	}
	want = []times{
		{at(time.Minute), ""},
		{at(time.Minute), at(2 * time.Minute)},
		{at(time.Minute), at(2 * time.Minute)},
		{at(4 * time.Minute), at(2 * time.Minute)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attached and detached (-want +got):\n%s", diff)
	}
}

func TestADiskWhoseCreationFailsIsGone(t *testing.T) {
	t.Parallel()
	cloud := start(t, taking)
	create := params{"RegionId": hangzhou, "ZoneId": zoneH, "Size": "20"}
	exists := func(id string) bool {
		t.Helper()
		body, failure := call(t, cloud, ownerKey(), "DescribeDisks", params{"RegionId": hangzhou, "DiskIds": `["` + id + `"]`})
		if failure != nil {
			t.Fatal(*failure)
		}
		return len(ids(body, "Disks", "Disk", "DiskId")) == 1
	}
	before := cloud.ECS().Inventory(owner)
	now := must(t, cloud, "CreateDisk", create, "DiskId")
	if err := cloud.ECS().FailDisk(now); err != nil {
		t.Fatal(err)
	}
	cloud.ECS().FailNextDisks(1)
	later, whole := must(t, cloud, "CreateDisk", create, "DiskId"), must(t, cloud, "CreateDisk", create, "DiskId")
	if diff := cmp.Diff([]bool{false, true, true}, []bool{exists(now), exists(later), exists(whole)}); diff != "" {
		t.Errorf("while they are being made (-want +got):\n%s", diff)
	}
	cloud.ECS().Advance(10 * time.Second)
	if _, err := cloud.ECS().DiskDir(later); err == nil {
		t.Error("the disk whose creation has failed has content")
	}
	before.Disks = append(before.Disks, hangzhou+"/"+whole)
	sorted := cmpopts.SortSlices(strings.Compare)
	if diff := cmp.Diff(before, cloud.ECS().Inventory(owner), sorted); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]bool{false, true}, []bool{exists(later), exists(whole)}); diff != "" {
		t.Errorf("after their time (-want +got):\n%s", diff)
	}
	_, failure := call(t, cloud, ownerKey(), "DeleteDisk", params{"DiskId": later})
	if diff := cmp.Diff(&refusal{404, "InvalidDiskId.NotFound"}, failure); diff != "" {
		t.Errorf("deleting what has failed (-want +got):\n%s", diff)
	}
}

func TestTheMembersOfAGroupHaveNothingOfTheGroup(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	c := client(t, cloud)
	made, err := c.CreateSnapshotGroup(&sdk.CreateSnapshotGroupRequest{
		RegionId: dara.String(hangzhou), Name: dara.String("orders"), Description: dara.String("of orders"),
		ResourceGroupId: dara.String("rg-1"), DiskId: []*string{dara.String("d-data"), dara.String("d-secret")},
		Tag: []*sdk.CreateSnapshotGroupRequestTag{{Key: dara.String("k"), Value: dara.String("v")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	group := dara.StringValue(made.Body.SnapshotGroupId)
	got := cloud.ECS().Snapshots()
	want := []ecs.SnapshotInfo{
		{Account: owner, Region: hangzhou, Status: "accomplished", Available: true, DiskID: "d-data", Size: 10, GroupID: group},
		{
			Account: owner, Region: hangzhou, Status: "accomplished", Available: true, DiskID: "d-secret", Size: 20,
			Encrypted: true, KMSKeyID: "key-good", GroupID: group,
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(ecs.SnapshotInfo{}, "ID", "Created")); diff != "" {
		t.Fatalf("members (-want +got):\n%s", diff)
	}
	must(t, cloud, "TagResources", params{
		"RegionId": hangzhou, "ResourceType": "snapshot", "ResourceId.1": got[0].ID, "Tag.1.Key": "k", "Tag.1.Value": "v",
	}, "")
	byTag, failure := call(t, cloud, ownerKey(), "DescribeSnapshots", params{"RegionId": hangzhou, "Tag.1.Key": "k"})
	if failure != nil {
		t.Fatal(*failure)
	}
	if diff := cmp.Diff([]string{got[0].ID}, ids(byTag, "Snapshots", "Snapshot", "SnapshotId")); diff != "" {
		t.Errorf("members with the tag (-want +got):\n%s", diff)
	}

	must(t, cloud, "DeleteSnapshot", params{"SnapshotId": got[0].ID}, "")
	deleted, err := c.DeleteSnapshotGroup(&sdk.DeleteSnapshotGroupRequest{
		RegionId: dara.String(hangzhou), SnapshotGroupId: made.Body.SnapshotGroupId,
	})
	if err != nil {
		t.Fatal(err)
	}
	type progress = sdk.DeleteSnapshotGroupResponseBodyOperationProgressSetOperationProgress
	wantProgress := []*progress{{
		OperationStatus: dara.String("Success"), ErrorCode: dara.String(""), ErrorMsg: dara.String(""),
		RelatedItemSet: &sdk.DeleteSnapshotGroupResponseBodyOperationProgressSetOperationProgressRelatedItemSet{
			RelatedItem: []*sdk.DeleteSnapshotGroupResponseBodyOperationProgressSetOperationProgressRelatedItemSetRelatedItem{
				{Name: dara.String("SnapshotId"), Value: dara.String(got[1].ID)},
			},
		},
	}}
	if diff := cmp.Diff(wantProgress, deleted.Body.OperationProgressSet.OperationProgress); diff != "" {
		t.Errorf("what was deleted (-want +got):\n%s", diff)
	}
	if left := cloud.ECS().Inventory(owner); len(left.Snapshots)+len(left.SnapshotGroups) > 0 {
		t.Errorf("there are %v left", left)
	}
}

func TestAnotherCallerUsesUpTheMinute(t *testing.T) {
	t.Parallel()
	cloud := start(t, func(c *cloudsim.Config) {
		c.ECS.Throttling = ecs.Throttling{User: map[string]int{"DescribeZones": 4}, API: map[string]int{"DescribeZones": 6}}
	})
	consume := func(account, region string, n int) int {
		t.Helper()
		admitted, err := cloud.ECS().Consume(account, region, "DescribeZones", n)
		if err != nil {
			t.Fatal(err)
		}
		return admitted
	}
	ask := func() *refusal {
		_, failure := call(t, cloud, ownerKey(), "DescribeZones", params{"RegionId": hangzhou})
		return failure
	}
	if n := consume(owner, hangzhou, 2); n != 2 {
		t.Errorf("of two calls %d were admitted", n)
	}
	user, api := &refusal{403, "Throttling.User"}, &refusal{403, "Throttling.Api"}
	if diff := cmp.Diff([]*refusal{nil, nil, user}, []*refusal{ask(), ask(), ask()}); diff != "" {
		t.Errorf("with half of the minute gone (-want +got):\n%s", diff)
	}
	if n := consume(stranger, hangzhou, 5); n != 2 {
		t.Errorf("of another account's five calls %d were admitted, want what the API has left", n)
	}
	if n := consume(owner, beijing, 5); n != 4 {
		t.Errorf("of five calls in another region %d were admitted", n)
	}
	cloud.ECS().Advance(time.Minute)
	consume(stranger, hangzhou, 4)
	consume(owner, hangzhou, 2)
	if diff := cmp.Diff(api, ask()); diff != "" {
		t.Errorf("with all of the API's minute gone (-want +got):\n%s", diff)
	}
}

func TestASnapshotExistsFromTheStart(t *testing.T) {
	t.Parallel()
	cloud := start(t, taking, func(c *cloudsim.Config) {
		old := oldSnapshot(hangzhou)
		old.Name, old.Tags, old.Files = "old", map[string]string{"backup": "b1"}, map[string]string{"a/b": "tea"}
		old.Age.Duration, old.RetentionDays, old.Encrypted = 36*time.Hour, 2, true
		c.ECS.Snapshots = []ecs.SnapshotConfig{old}
	})
	got := cloud.ECS().Snapshots()
	want := []ecs.SnapshotInfo{{
		ID: "s-old", Name: "old", Account: owner, Region: hangzhou, Status: "accomplished", Available: true, DiskID: "d-gone",
		Size: 20, Encrypted: true, KMSKeyID: ecs.ServiceKeyID(hangzhou), RetentionDays: 2,
		Created: cloud.ECS().Disks()[0].Created.Add(-36 * time.Hour), Tags: map[string]string{"backup": "b1"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("snapshots (-want +got):\n%s", diff)
	}
	disk := must(t, cloud, "CreateDisk", params{
		"RegionId": hangzhou, "ZoneId": zoneH, "SnapshotId": "s-old", "DiskCategory": "cloud_essd",
	}, "DiskId")
	if data, err := cloud.ECS().ReadFile(disk, "a/b"); err != nil || string(data) != "tea" {
		t.Errorf("the disk has %q, %v", data, err)
	}
	if id, err := cloud.ECS().AddSnapshot(ecs.SnapshotConfig{Account: owner, Region: beijing, Disk: "d-x", Size: 1}); err != nil || id == "" {
		t.Errorf("a snapshot without an id: %q, %v", id, err)
	}
	cloud.ECS().Advance(12 * time.Hour)
	if diff := cmp.Diff(1, len(cloud.ECS().Snapshots())); diff != "" {
		t.Errorf("after the retention (-want +got):\n%s", diff)
	}
}

func TestAnAnswerThatIsLostLeavesTheWork(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		direction fault.Direction
		work      int
	}{
		"the answer is lost":   {fault.Response, 1},
		"the question is lost": {fault.Request, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := start(t)
			c := client(t, cloud)
			rule, err := cloud.Faults().Add(fault.Rule{
				Service: ecs.Product, Operation: "CreateDisk", Reset: true, Direction: test.direction, Count: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			before := len(cloud.ECS().Disks())
			request := &sdk.CreateDiskRequest{
				RegionId: dara.String(hangzhou), ZoneId: dara.String(zoneH), DiskCategory: dara.String("cloud_essd"),
				Size: dara.Int32(20), ClientToken: dara.String("token"),
			}
			if answer, err := c.CreateDisk(request); err == nil {
				t.Fatalf("the client has the answer %v", answer)
			}
			if n := len(cloud.ECS().Disks()) - before; n != test.work || rule.Hits() != 1 {
				t.Errorf("%d disks were made, want %d; the rule has %d hits", n, test.work, rule.Hits())
			}
			answer, err := c.CreateDisk(request)
			if err != nil {
				t.Fatal(err)
			}
			disks := cloud.ECS().Disks()
			if n := len(disks) - before; n != 1 || !hasDisk(disks, dara.StringValue(answer.Body.DiskId)) {
				t.Errorf("after the repetition there are %d new disks, %s is said to be one", n, *answer.Body.DiskId)
			}
		})
	}
}

func hasDisk(disks []ecs.DiskInfo, id string) bool {
	for _, d := range disks {
		if d.ID == id {
			return true
		}
	}
	return false
}

// send sends a request to a cloud's admin address and returns its status.
func send(ctx context.Context, t *testing.T, cloud *cloudsim.Cloud, method, path, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, cloud.AdminURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

func TestAProgramLooksAtTheServiceAndChangesIt(t *testing.T) {
	t.Parallel()
	cloud := start(t, func(c *cloudsim.Config) { c.ECS.Disks = c.ECS.Disks[:2] })
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodPut, "/ecs/durations", `{"snapshot": "1h"}`, http.StatusNoContent},
		{http.MethodPut, "/ecs/quotas", `{"disksPerAccount": 1}`, http.StatusNoContent},
		{http.MethodPut, "/ecs/throttling", `{"user": {"DescribeRegions": 0}}`, http.StatusNoContent},
		{http.MethodPut, "/ecs/durations", `{"snapshots": "1h"}`, http.StatusBadRequest},
		{http.MethodPost, "/ecs/advance", `{"by": "an hour"}`, http.StatusBadRequest},
		{http.MethodGet, "/ecs/advance", "", http.StatusMethodNotAllowed},
	} {
		if got := send(t.Context(), t, cloud, test.method, test.path, test.body); got != test.want {
			t.Errorf("%s %s %s: status %d, want %d", test.method, test.path, test.body, got, test.want)
		}
	}
	id := snapshotOf(t, cloud, "d-data")
	status := func() string { return cloud.ECS().Snapshots()[0].Status }
	before := status()
	if code := send(t.Context(), t, cloud, http.MethodPost, "/ecs/advance", `{"by": "1h"}`); code != http.StatusNoContent {
		t.Errorf("advance: status %d", code)
	}
	if diff := cmp.Diff([]string{"progressing", "accomplished"}, []string{before, status()}); diff != "" {
		t.Errorf("before and after an hour (-want +got):\n%s", diff)
	}
	_, throttled := call(t, cloud, ownerKey(), "DescribeRegions", nil)
	_, full := call(t, cloud, ownerKey(), "CreateDisk", params{"RegionId": hangzhou, "ZoneId": zoneH, "Size": "20"})
	want := []*refusal{{403, "Throttling.User"}, {403, "QuotaExceed.PostPaidDisk"}}
	if diff := cmp.Diff(want, []*refusal{throttled, full}); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(
		ecs.Inventory{Disks: []string{hangzhou + "/d-data", hangzhou + "/d-ssd"}, Snapshots: []string{hangzhou + "/" + id}},
		inventory(t.Context(), t, cloud),
	); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
}

// inventory asks a cloud's admin address what the owner has.
func inventory(ctx context.Context, t *testing.T, cloud *cloudsim.Cloud) ecs.Inventory {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, cloud.AdminURL()+"/ecs/inventory?account="+owner, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got ecs.Inventory
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}
