// SPDX-License-Identifier: Apache-2.0

package ecs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
)

func describeDisksRequest(region string) *sdk.DescribeDisksRequest {
	return &sdk.DescribeDisksRequest{RegionId: dara.String(region)}
}

// ids returns a field of the items in an answer, such as Disks.Disk[].DiskId.
func ids(body map[string]any, list, item, field string) []string {
	var all []string
	outer, _ := body[list].(map[string]any)
	items, _ := outer[item].([]any)
	for _, i := range items {
		object, _ := i.(map[string]any)
		id, _ := object[field].(string)
		all = append(all, id)
	}
	return all
}

func TestListsAreFiltered(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	data, secret := snapshotOf(t, cloud, "d-data"), snapshotOf(t, cloud, "d-secret")
	if err := cloud.ECS().FailSnapshot(secret); err != nil {
		t.Fatal(err)
	}
	must(t, cloud, "TagResources", params{
		"RegionId": hangzhou, "ResourceType": "snapshot", "ResourceId.1": data, "Tag.1.Key": "backup", "Tag.1.Value": "b1",
	}, "")
	disks := func(p params) []string {
		t.Helper()
		body, failure := call(t, cloud, ownerKey(), "DescribeDisks", with(params{"RegionId": hangzhou}, p))
		if failure != nil {
			t.Fatal(*failure)
		}
		return ids(body, "Disks", "Disk", "DiskId")
	}
	snapshots := func(p params) []string {
		t.Helper()
		body, failure := call(t, cloud, ownerKey(), "DescribeSnapshots", with(params{"RegionId": hangzhou}, p))
		if failure != nil {
			t.Fatal(*failure)
		}
		return ids(body, "Snapshots", "Snapshot", "SnapshotId")
	}
	for name, test := range map[string]struct{ got, want []string }{
		"disks by id":                     {disks(params{"DiskIds": `["d-ssd","d-foreign","d-none"]`}), []string{"d-ssd"}},
		"disks by no id at all":           {disks(params{"DiskIds": `[]`}), nil},
		"disks by tag":                    {disks(params{"Tag.1.Key": "app", "Tag.1.Value": "orders"}), []string{"d-data"}},
		"disks by tag key":                {disks(params{"Tag.1.Key": "app"}), []string{"d-data"}},
		"disks by another tag":            {disks(params{"Tag.1.Key": "app", "Tag.1.Value": "x"}), nil},
		"disks by zone":                   {disks(params{"ZoneId": zoneI}), []string{"d-other-zone"}},
		"disks by status":                 {disks(params{"Status": "In_use"}), []string{"d-ssd", "d-data"}},
		"disks by instance":               {disks(params{"InstanceId": worker}), []string{"d-ssd", "d-data"}},
		"disks by category":               {disks(params{"Category": "cloud_ssd", "Status": "All"}), []string{"d-ssd"}},
		"disks by encryption":             {disks(params{"Encrypted": "true"}), []string{"d-secret"}},
		"snapshots by id":                 {snapshots(params{"SnapshotIds": `["` + data + `"]`}), []string{data}},
		"snapshots by disk":               {snapshots(params{"DiskId": "d-secret"}), []string{secret}},
		"snapshots by status":             {snapshots(params{"Status": "failed"}), []string{secret}},
		"snapshots of every status":       {snapshots(params{"Status": "all"}), []string{secret, data}},
		"snapshots by tag":                {snapshots(params{"Tag.1.Key": "backup", "Tag.1.Value": "b1"}), []string{data}},
		"snapshots by instance":           {snapshots(params{"InstanceId": worker}), []string{data}},
		"snapshots of the other region":   {snapshots(params{"RegionId": beijing}), nil},
		"snapshots of an older tag field": {snapshots(params{"Tag.1.key": "backup", "Tag.1.value": "b1"}), []string{data}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// pages starts a cloud with 23 disks that have the tag page, and returns their ids, the newest first.
func pages(t *testing.T) (*cloudsim.Cloud, []string) {
	t.Helper()
	cloud := start(t)
	var all []string
	for i := range 23 {
		id, err := cloud.ECS().AddDisk(ecs.DiskConfig{
			ID: fmt.Sprintf("d-%02d", i), Account: owner, Zone: zoneH, Size: 20, Tags: map[string]string{"page": "yes"},
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	slices.Reverse(all)
	return cloud, all
}

func TestListsComeInPagesByTokenAlsoWhileDisksGo(t *testing.T) {
	t.Parallel()
	cloud, want := pages(t)
	var got []string
	p := params{"RegionId": hangzhou, "Tag.1.Key": "page", "MaxResults": "10"}
	for range want {
		body, failure := call(t, cloud, ownerKey(), "DescribeDisks", p)
		if failure != nil {
			t.Fatal(*failure)
		}
		got = append(got, ids(body, "Disks", "Disk", "DiskId")...)
		token, _ := body["NextToken"].(string)
		if token == "" {
			break
		}
		if p["NextToken"] == "" {
			if err := cloud.ECS().RemoveDisk(got[0]); err != nil {
				t.Fatal(err)
			}
		}
		p["NextToken"] = token
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestListsComeInPagesByNumber(t *testing.T) {
	t.Parallel()
	cloud, want := pages(t)
	body, failure := call(t, cloud, ownerKey(), "DescribeDisks", params{
		"RegionId": hangzhou, "Tag.1.Key": "page", "PageNumber": "3", "PageSize": "10",
	})
	if failure != nil {
		t.Fatal(*failure)
	}
	if diff := cmp.Diff(want[20:], ids(body, "Disks", "Disk", "DiskId")); diff != "" {
		t.Errorf("the third page (-want +got):\n%s", diff)
	}
	if total := body["TotalCount"]; total != json.Number("23") {
		t.Errorf("the total is %v", total)
	}
}

func TestListsAreRefused(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	hundred := strings.Repeat(`"d-x",`, 100) + `"d-x"`
	for name, test := range map[string]struct {
		action string
		params params
		want   string
	}{
		"more disks than 500":        {"DescribeDisks", params{"MaxResults": "501"}, "InvalidParameter.MaxResults"},
		"more snapshots than 100":    {"DescribeSnapshots", params{"MaxResults": "101"}, "InvalidParameter.MaxResults"},
		"a page that is too big":     {"DescribeSnapshots", params{"PageSize": "101"}, "InvalidParameter.PageSize"},
		"a token that is none":       {"DescribeSnapshotGroups", params{"NextToken": "?"}, "InvalidParameter.NextToken"},
		"101 ids of disks":           {"DescribeDisks", params{"DiskIds": "[" + hundred + "]"}, "InvalidDiskIds.Malformed"},
		"ids of snapshots by commas": {"DescribeSnapshots", params{"SnapshotIds": "s-1,s-2"}, "InvalidSnapshotIds.Malformed"},
		"ids of instances by commas": {"DescribeInstances", params{"InstanceIds": "i-1,i-2"}, "InvalidInstanceIds.Malformed"},
		"a page of no instances":     {"DescribeInstances", params{"PageSize": "0"}, "InvalidParameter.PageSize"},
		"a status that is none":      {"DescribeSnapshots", params{"Status": "done"}, "InvalidParameter.Status"},
	} {
		_, failure := call(t, cloud, ownerKey(), test.action, with(params{"RegionId": hangzhou}, test.params))
		if diff := cmp.Diff(&refusal{400, test.want}, failure); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTagsOfAllKindsOfResources(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	snapshot := snapshotOf(t, cloud, "d-ssd")
	group := must(t, cloud, "CreateSnapshotGroup", params{"RegionId": hangzhou, "DiskId.1": "d-data"}, "SnapshotGroupId")
	for kind, id := range map[string]string{"disk": "d-new", "snapshot": snapshot, "snapshotgroup": group, "instance": worker} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			base := params{"RegionId": hangzhou, "ResourceType": kind}
			of := with(base, params{"ResourceId.1": id})
			must(t, cloud, "TagResources", with(of, params{
				"Tag.1.Key": "a", "Tag.1.Value": "1", "Tag.2.Key": "b", "Tag.2.Value": "2", "Tag.3.Key": "c", "Tag.3.Value": "3",
			}), "")
			must(t, cloud, "UntagResources", with(of, params{"TagKey.1": "b"}), "")
			for name, p := range map[string]params{"by id": of, "by tag": with(base, params{"Tag.1.Key": "c", "Tag.1.Value": "3"})} {
				body, failure := call(t, cloud, ownerKey(), "ListTagResources", p)
				if failure != nil {
					t.Fatal(*failure)
				}
				if diff := cmp.Diff([]string{"a", "c"}, ids(body, "TagResources", "TagResource", "TagKey")); diff != "" {
					t.Errorf("keys %s (-want +got):\n%s", name, diff)
				}
				if diff := cmp.Diff([]string{id, id}, ids(body, "TagResources", "TagResource", "ResourceId")); diff != "" {
					t.Errorf("resources %s (-want +got):\n%s", name, diff)
				}
			}
			must(t, cloud, "UntagResources", with(of, params{"All": "true"}), "")
			body, _ := call(t, cloud, ownerKey(), "ListTagResources", of)
			if left := ids(body, "TagResources", "TagResource", "TagKey"); len(left) > 0 {
				t.Errorf("after all were taken away there are %v", left)
			}
		})
	}
}

func TestTagOperationsAreRefused(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	base := params{"RegionId": hangzhou, "ResourceType": "disk", "ResourceId.1": "d-data", "Tag.1.Key": "k", "Tag.1.Value": "v"}
	many := params{}
	for i := range 51 {
		many["ResourceId."+strconv.Itoa(i+1)] = "d-data"
	}
	for name, test := range map[string]struct {
		action string
		change params
		want   refusal
	}{
		"a type that does not exist":       {"TagResources", params{"ResourceType": "image"}, refusal{404, "InvalidResourceType.NotFound"}},
		"a resource that does not exist":   {"UntagResources", params{"ResourceId.1": "d-none"}, refusal{404, "InvalidResourceId.NotFound"}},
		"a list of what does not exist":    {"ListTagResources", params{"ResourceId.1": "d-none"}, refusal{404, "InvalidResourceId.NotFound"}},
		"a list from a token that is none": {"ListTagResources", params{"NextToken": "?"}, refusal{400, "InvalidParameter.NextToken"}},
		"51 resources":                     {"TagResources", many, refusal{400, "NumberExceed.ResourceIds"}},
		"21 tags":                          {"TagResources", tags(21), refusal{400, "NumberExceed.Tags"}},
		"a 21st tag":                       {"TagResources", tags(20), refusal{400, "OperationDenied.QuotaExceed"}},
		"a reserved key":                   {"TagResources", params{"Tag.1.Key": "aliyun-x"}, refusal{400, "InvalidTagKey.Malformed"}},
		"no resource":                      {"TagResources", params{"ResourceId.1": ""}, refusal{400, "MissingResourceId"}},
	} {
		_, failure := call(t, cloud, ownerKey(), test.action, with(base, test.change))
		if diff := cmp.Diff(&test.want, failure); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatIsForSale(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	c := client(t, cloud)
	zones, err := c.DescribeZones(&sdk.DescribeZonesRequest{RegionId: dara.String(hangzhou)})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, z := range zones.Body.Zones.Zone {
		got[dara.StringValue(z.ZoneId)] = dara.StringSliceValue(z.AvailableDiskCategories.DiskCategories)
	}
	all := []string{
		"cloud", "cloud_efficiency", "cloud_ssd", "cloud_essd", "cloud_auto", "cloud_essd_entry",
		"cloud_regional_disk_auto", "elastic_ephemeral_disk_standard", "elastic_ephemeral_disk_premium",
	}
	if diff := cmp.Diff(map[string][]string{zoneH: all, zoneI: {"cloud_essd"}, zoneB: {}}, got); diff != "" {
		t.Errorf("zones (-want +got):\n%s", diff)
	}

	type offer struct {
		Zone, Status, Category, CategoryStatus string
		Min, Max                               int32
	}
	offers := func(request *sdk.DescribeAvailableResourceRequest) []offer {
		request.RegionId, request.DestinationResource = dara.String(hangzhou), dara.String("DataDisk")
		answer, err := c.DescribeAvailableResource(request)
		if err != nil {
			t.Fatal(err)
		}
		var found []offer
		for _, z := range answer.Body.AvailableZones.AvailableZone {
			for _, r := range z.AvailableResources.AvailableResource[0].SupportedResources.SupportedResource {
				found = append(found, offer{
					dara.StringValue(z.ZoneId), dara.StringValue(z.StatusCategory), dara.StringValue(r.Value),
					dara.StringValue(r.StatusCategory), dara.Int32Value(r.Min), dara.Int32Value(r.Max),
				})
			}
		}
		return found
	}
	want := []offer{
		{zoneI, "WithStock", "cloud_essd", "WithStock", 1, 65536},
		{zoneI, "WithStock", "cloud_auto", "WithoutStock", 1, 65536},
	}
	if diff := cmp.Diff(want, offers(&sdk.DescribeAvailableResourceRequest{ZoneId: dara.String(zoneI)})); diff != "" {
		t.Errorf("what a zone sells (-want +got):\n%s", diff)
	}
	want = []offer{
		{zoneH, "WithStock", "cloud_auto", "WithStock", 1, 65536},
		{zoneI, "WithoutStock", "cloud_auto", "WithoutStock", 1, 65536},
	}
	if diff := cmp.Diff(want, offers(&sdk.DescribeAvailableResourceRequest{DataDiskCategory: dara.String("cloud_auto")})); diff != "" {
		t.Errorf("who sells a category (-want +got):\n%s", diff)
	}
	if err := cloud.ECS().SetZone(ecs.Zone{ID: zoneB, Categories: []string{"cloud_ssd"}}); err != nil {
		t.Fatal(err)
	}
	want = []offer{{zoneB, "WithStock", "cloud_ssd", "WithStock", 20, 32768}}
	if diff := cmp.Diff(want, offers(&sdk.DescribeAvailableResourceRequest{ZoneId: dara.String(zoneB)})); diff != "" {
		t.Errorf("a zone that was changed (-want +got):\n%s", diff)
	}
	for name, test := range map[string]struct {
		params params
		want   refusal
	}{
		"a zone that does not exist":   {params{"DestinationResource": "DataDisk", "ZoneId": "x"}, refusal{404, "InvalidZoneId.NotFound"}},
		"something else than a disk":   {params{"DestinationResource": "InstanceType"}, refusal{400, "NotSimulated"}},
		"nothing that would be wanted": {params{}, refusal{400, "MissingDestinationResource"}},
	} {
		_, failure := call(t, cloud, ownerKey(), "DescribeAvailableResource", with(params{"RegionId": hangzhou}, test.params))
		if diff := cmp.Diff(&test.want, failure); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRegionsAndInstancesAreListed(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	body, failure := call(t, cloud, ownerKey(), "DescribeRegions", nil)
	if failure != nil {
		t.Fatal(*failure)
	}
	if diff := cmp.Diff([]string{beijing, hangzhou}, ids(body, "Regions", "Region", "RegionId")); diff != "" {
		t.Errorf("regions (-want +got):\n%s", diff)
	}
	body, failure = call(t, cloud, ownerKey(), "DescribeInstances", params{"RegionId": hangzhou, "ZoneId": zoneH})
	if failure != nil {
		t.Fatal(*failure)
	}
	if diff := cmp.Diff([]string{"ecs.c7.large", "ecs.g7.large"}, ids(body, "Instances", "Instance", "InstanceType")); diff != "" {
		t.Errorf("types of instances (-want +got):\n%s", diff)
	}
}

func TestTheStateIsChangedByHand(t *testing.T) {
	t.Parallel()
	cloud := start(t, taking)
	s := cloud.ECS()
	creating := must(t, cloud, "CreateDisk", params{"RegionId": hangzhou, "ZoneId": zoneH, "Size": "20"}, "DiskId")
	for name, change := range map[string]func() error{
		"reading a disk that is not":     func() error { _, err := s.ReadFile("d-none", "x"); return err },
		"writing a disk that is not":     func() error { return s.WriteFile("d-none", "x", nil) },
		"reading a snapshot that is not": func() error { _, err := s.ReadSnapshotFile("s-none", "x"); return err },
		"failing a snapshot that is not": func() error { return s.FailSnapshot("s-none") },
		"attaching a disk that is not":   func() error { return s.Attach("d-none", worker) },
		"attaching to what is not":       func() error { return s.Attach("d-new", "i-none") },
		"detaching a disk that is not":   func() error { return s.Detach("d-none") },
		"removing a disk that is not":    func() error { return s.RemoveDisk("d-none") },
		"failing a disk that is not":     func() error { return s.FailDisk("d-none") },
		"calling in no region":           func() error { _, err := s.Consume(owner, "cn-nowhere", "CreateDisk", 1); return err },
		"selling in a zone that is not":  func() error { return s.SetZone(ecs.Zone{ID: "x"}) },
	} {
		if err := change(); !errors.Is(err, ecs.ErrNotFound) {
			t.Errorf("%s: %v, want %v", name, err, ecs.ErrNotFound)
		}
	}
	for name, change := range map[string]func() error{
		"attaching a disk that is being made":  func() error { return s.Attach(creating, worker) },
		"attaching a disk to two instances":    func() error { return s.Attach("d-data", "i-empty") },
		"failing a disk that has been made":    func() error { return s.FailDisk("d-new") },
		"selling a category that is not known": func() error { return s.SetZone(ecs.Zone{ID: zoneH, Categories: []string{"tape"}}) },
	} {
		if err := change(); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
	for _, instance := range []string{worker, worker, "i-empty"} {
		if err := s.Attach("d-shared", instance); err != nil {
			t.Errorf("attach a disk with multi-attach: %v", err)
		}
	}
	s.SetDurations(ecs.Durations{})
	if err := errors.Join(s.Detach("d-data"), s.Attach("d-data", "i-empty")); err != nil {
		t.Error(err)
	}
	if id := snapshotOf(t, cloud, "d-data"); s.Snapshots()[0].ID != id || s.Snapshots()[0].Status != "accomplished" {
		t.Errorf("without durations the snapshots are %v", s.Snapshots())
	}
	if err := s.WriteFile("d-data", "../../escape", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if data, err := s.ReadFile("d-data", "escape"); err != nil || string(data) != "x" {
		t.Errorf("a name with dots leads to %q, %v", data, err)
	}
}

func TestWithoutRegionsThereIsNoECS(t *testing.T) {
	t.Parallel()
	cloud := start(t, func(c *cloudsim.Config) { c.ECS = ecs.Config{} })
	_, failure := call(t, cloud, ownerKey(), "DescribeDisks", params{"RegionId": hangzhou})
	if diff := cmp.Diff(&refusal{404, "InvalidRegionId.NotFound"}, failure); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
