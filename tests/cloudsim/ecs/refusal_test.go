// SPDX-License-Identifier: Apache-2.0

package ecs_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// with returns parameters with some changed. An empty value takes one away.
func with(base, changes params) params {
	all := params{}
	for _, p := range []params{base, changes} {
		for name, value := range p {
			all[name] = value
		}
	}
	for name, value := range all {
		if value == "" {
			delete(all, name)
		}
	}
	return all
}

// tags returns n tags.
func tags(n int) params {
	p := params{}
	for i := range n {
		p["Tag."+strconv.Itoa(i+1)+".Key"] = "key" + strconv.Itoa(i)
		p["Tag."+strconv.Itoa(i+1)+".Value"] = "value"
	}
	return p
}

func TestCreateDiskIsRefused(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	base := params{"RegionId": hangzhou, "ZoneId": zoneH, "DiskCategory": "cloud_essd", "Size": "40"}
	secret, plain := snapshotOf(t, cloud, "d-secret"), snapshotOf(t, cloud, "d-data")
	failed := snapshotOf(t, cloud, "d-ssd")
	if err := cloud.ECS().FailSnapshot(failed); err != nil {
		t.Fatal(err)
	}
	size := refusal{400, "InvalidDataDiskSize.ValueNotSupported"}
	level := refusal{403, "OperationDenied.PerformanceLevelNotMatch"}
	for name, test := range map[string]struct {
		change params
		want   refusal
	}{
		"a region that does not exist":            {params{"RegionId": "cn-nowhere"}, refusal{404, "InvalidRegionId.NotFound"}},
		"no zone":                                 {params{"ZoneId": ""}, refusal{400, "MissingParameter"}},
		"a zone that does not exist":              {params{"ZoneId": "cn-hangzhou-x"}, refusal{404, "InvalidZoneId.NotFound"}},
		"a zone of another region":                {params{"ZoneId": zoneK}, refusal{404, "InvalidZoneId.NotFound"}},
		"a zone that sells nothing any more":      {params{"ZoneId": zoneB}, refusal{403, "Zone.NotOnSale"}},
		"a category that the zone does not sell":  {params{"ZoneId": zoneI, "DiskCategory": "cloud_ssd"}, refusal{400, "InvalidDataDiskCategory.NotSupported"}},
		"a category that is sold out":             {params{"ZoneId": zoneI, "DiskCategory": "cloud_auto"}, refusal{403, "OperationDenied.NoStock"}},
		"a category that does not exist":          {params{"DiskCategory": "cloud_best"}, refusal{403, "InvalidDataDiskCategory.ValueNotSupported"}},
		"no size":                                 {params{"Size": ""}, refusal{400, "MissingParameter"}},
		"a size that is no number":                {params{"Size": "40Gi"}, refusal{400, "InvalidSize"}},
		"PL1 below 20 GiB":                        {params{"Size": "19"}, level},
		"PL1 from a snapshot below 20 GiB":        {params{"Size": "", "SnapshotId": plain}, level},
		"PL2 below 461 GiB":                       {params{"Size": "460", "PerformanceLevel": "PL2"}, level},
		"PL3 below 1261 GiB":                      {params{"Size": "1260", "PerformanceLevel": "PL3"}, level},
		"more than 65536 GiB":                     {params{"Size": "65537"}, size},
		"less than 5 GiB of cloud":                {params{"DiskCategory": "cloud", "Size": "4"}, size},
		"more than 2000 GiB of cloud":             {params{"DiskCategory": "", "Size": "2001"}, size},
		"less than 20 GiB of cloud_ssd":           {params{"DiskCategory": "cloud_ssd", "Size": "19"}, size},
		"less than 10 GiB of cloud_essd_entry":    {params{"DiskCategory": "cloud_essd_entry", "Size": "9"}, size},
		"a level that does not exist":             {params{"PerformanceLevel": "PL4"}, refusal{400, "InvalidPerformanceLevel.Malformed"}},
		"a level where there is none":             {params{"DiskCategory": "cloud_ssd", "PerformanceLevel": "PL1"}, refusal{400, "InvalidPerformanceLevel.Malformed"}},
		"IOPS where there are none":               {params{"ProvisionedIops": "100"}, refusal{400, "ProvisionedIopsForDiskCategoryUnsupported"}},
		"bursting where there is none":            {params{"BurstingEnabled": "true"}, refusal{400, "BurstingEnabledForDiskCategoryUnsupported"}},
		"too many IOPS for the size":              {params{"DiskCategory": "cloud_auto", "ProvisionedIops": "36201"}, refusal{400, "InvalidProvisionedIops.LimitExceed"}},
		"multi-attach where there is none":        {params{"DiskCategory": "cloud_ssd", "MultiAttach": "Enabled"}, refusal{403, "InvalidParameter.DiskCategoryAndMultiAttachNotMatch"}},
		"multi-attach that is neither on nor off": {params{"MultiAttach": "Maybe"}, refusal{403, "InvalidParameter.MultiAttach"}},
		"multi-attach with bursting":              {params{"DiskCategory": "cloud_auto", "MultiAttach": "Enabled", "BurstingEnabled": "true"}, refusal{400, "BurstingEnabledForMultiAttachDiskUnsupported"}},
		"bursting of 3 GiB":                       {params{"DiskCategory": "cloud_auto", "Size": "3", "BurstingEnabled": "true"}, refusal{400, "InvalidBurstingEnabled.DiskSizeTooSmall"}},
		"a regional disk in a zone":               {params{"DiskCategory": "cloud_regional_disk_auto"}, refusal{400, "InvalidZoneId.DiskCategoryUnsupported"}},
		"a snapshot that does not exist":          {params{"SnapshotId": "s-none"}, refusal{404, "InvalidSnapshotId.NotFound"}},
		"a snapshot that has failed":              {params{"SnapshotId": failed}, refusal{403, "InvalidSnapshotId.NotReady"}},
		"an ephemeral disk from a snapshot": {
			params{"DiskCategory": "elastic_ephemeral_disk_standard", "SnapshotId": plain},
			refusal{403, "InvalidOperation.CreateFromSnapshotUnsupported"},
		},
		"a key without encryption":       {params{"KMSKeyId": "key-good"}, refusal{400, "InvalidEncrypted.NotMatchKmsKeyId"}},
		"a key that does not exist":      {params{"Encrypted": "true", "KMSKeyId": "key-none"}, refusal{400, "InvalidParameter.KMSKeyId.NotFound"}},
		"a key of another account":       {params{"Encrypted": "true", "KMSKeyId": "key-foreign"}, refusal{400, "InvalidParameter.KMSKeyId.NotFound"}},
		"a key of another region":        {params{"Encrypted": "true", "KMSKeyId": "key-beijing"}, refusal{400, "InvalidParameter.KMSKeyId.NotFound"}},
		"a disabled key":                 {params{"Encrypted": "true", "KMSKeyId": "key-disabled"}, refusal{403, "InvalidParameter.KMSKeyId.CMKNotEnabled"}},
		"a key that ECS may not use":     {params{"Encrypted": "true", "KMSKeyId": "key-forbidden"}, refusal{403, "InvalidParameter.KMSKeyId.KMSUnauthorized"}},
		"a decrypted encrypted snapshot": {params{"SnapshotId": secret, "Encrypted": "false"}, refusal{400, "InvalidParameter.Encrypted"}},
		"another key than the snapshot's": {
			params{"SnapshotId": secret, "Encrypted": "true", "KMSKeyId": "key-disabled"},
			refusal{400, "InvalidKmsKeyId.NotMatchSnapshot"},
		},
		"a name of one letter":                       {params{"DiskName": "d"}, refusal{400, "InvalidDiskName.Malformed"}},
		"a description that is an address":           {params{"Description": "http://x"}, refusal{400, "InvalidDescription.Malformed"}},
		"21 tags":                                    {tags(21), refusal{403, "QuotaExceed.Tags"}},
		"a reserved tag":                             {params{"Tag.1.Key": "acs:x"}, refusal{400, "InvalidTagKey.Malformed"}},
		"an older client's tag that is too long":     {params{"Tag.1.key": longText(129)}, refusal{400, "InvalidTagKey.Malformed"}},
		"a tag value with an address":                {params{"Tag.1.Key": "k", "Tag.1.Value": "see https://x"}, refusal{400, "InvalidTagValue.Malformed"}},
		"a tag key that is there twice":              {params{"Tag.1.Key": "k", "Tag.2.Key": "k"}, refusal{400, "Duplicate.TagKey"}},
		"a parameter that the simulator has not got": {params{"StorageSetId": "ss-1"}, refusal{400, "NotSimulated"}},
		"a list that the simulator has not got":      {params{"Arn.1.RoleType": "x"}, refusal{400, "NotSimulated"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, failure := call(t, cloud, ownerKey(), "CreateDisk", with(base, test.change))
			if diff := cmp.Diff(&test.want, failure); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCreateSnapshotIsRefused(t *testing.T) {
	t.Parallel()
	cloud := start(t, taking)
	creating := must(t, cloud, "CreateDisk", params{"RegionId": hangzhou, "ZoneId": zoneH, "Size": "20"}, "DiskId")
	snapshotOf(t, cloud, "d-ssd")
	name := refusal{400, "InvalidSnapshotName.Malformed"}
	for what, test := range map[string]struct {
		change params
		want   refusal
	}{
		"no disk":                         {params{"DiskId": ""}, refusal{400, "MissingDiskId"}},
		"a disk that does not exist":      {params{"DiskId": "d-none"}, refusal{404, "InvalidDiskId.NotFound"}},
		"a disk of another account":       {params{"DiskId": "d-foreign"}, refusal{404, "InvalidDiskId.NotFound"}},
		"a disk of another region":        {params{"RegionId": beijing}, refusal{404, "InvalidDiskId.NotFound"}},
		"a disk that is being made":       {params{"DiskId": creating}, refusal{403, "IncorrectDiskStatus"}},
		"a disk that was never attached":  {params{"DiskId": "d-new"}, refusal{403, "IncorrectDiskStatus.NeverAttached"}},
		"a disk that is being cut":        {params{"DiskId": "d-ssd"}, refusal{403, "IncorrectDiskStatus.CreatingSnapshot"}},
		"an ephemeral disk":               {params{"DiskId": "d-ephemeral"}, refusal{400, "DiskCategory.OperationNotSupported"}},
		"a retention of no day":           {params{"RetentionDays": "0"}, refusal{400, "InvalidRetentionDays.Malformed"}},
		"a retention of more than 65536":  {params{"RetentionDays": "65537"}, refusal{400, "InvalidRetentionDays.Malformed"}},
		"the name of an automatic one":    {params{"SnapshotName": "auto-1"}, name},
		"a name that begins with a digit": {params{"SnapshotName": "1st"}, name},
		"a name with a slash":             {params{"SnapshotName": "ns/claim"}, name},
		"a name of 129 letters":           {params{"SnapshotName": longText(129)}, name},
		"21 tags":                         {tags(21), refusal{403, "QuotaExceed.Tags"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, failure := call(t, cloud, ownerKey(), "CreateSnapshot", with(params{"DiskId": "d-data"}, test.change))
			if diff := cmp.Diff(&test.want, failure); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCopySnapshotIsRefused(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	id, secret := snapshotOf(t, cloud, "d-data"), snapshotOf(t, cloud, "d-secret")
	base := params{
		"RegionId": hangzhou, "SnapshotId": id, "DestinationRegionId": beijing, "DestinationSnapshotName": "copy",
		"DestinationSnapshotDescription": "a copy",
	}
	for name, test := range map[string]struct {
		change params
		want   refusal
	}{
		"no name":                                  {params{"DestinationSnapshotName": ""}, refusal{400, "MissingDestinationSnapshotName"}},
		"a name that is too short":                 {params{"DestinationSnapshotName": "c"}, refusal{403, "InvalidSnapshotName.Malformed"}},
		"a description that is too long":           {params{"DestinationSnapshotDescription": longText(257)}, refusal{403, "InvalidDescription.Malformed"}},
		"the same region":                          {params{"DestinationRegionId": hangzhou}, refusal{403, "InvalidOperation.NotSupportCopyInSameRegion"}},
		"a region that does not exist":             {params{"DestinationRegionId": "cn-nowhere"}, refusal{403, "InvalidRegionId.NotExists"}},
		"a snapshot that does not exist":           {params{"SnapshotId": "s-none"}, refusal{404, "InvalidSnapshotId.NotFound"}},
		"an encrypted one without encryption":      {params{"SnapshotId": secret}, refusal{403, "InvalidSnapshotId.EncryptedNotSupport"}},
		"an encrypted one decrypted":               {params{"SnapshotId": secret, "Encrypted": "false"}, refusal{403, "InvalidEncrypted.NotSupportDecrypt"}},
		"a key of the source region":               {params{"SnapshotId": secret, "Encrypted": "true", "KMSKeyId": "key-good"}, refusal{403, "InvalidParameter.KMSKeyId.NotFound"}},
		"a key without encryption":                 {params{"KMSKeyId": "key-beijing"}, refusal{403, "InvalidEncrypted.NotMatchKmsKeyId"}},
		"a retention of no day":                    {params{"RetentionDays": "0"}, refusal{403, "InvalidRetentionDays.Malformed"}},
		"a storage location of another technology": {params{"DestinationStorageLocationArn": "arn"}, refusal{400, "NotSimulated"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, failure := call(t, cloud, ownerKey(), "CopySnapshot", with(base, test.change))
			if diff := cmp.Diff(&test.want, failure); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSnapshotGroupsAreRefused(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	many := params{}
	for i := range 17 {
		id, err := cloud.ECS().AddDisk(ecs.DiskConfig{Account: owner, Zone: zoneH, Size: 20, AttachedBefore: true})
		if err != nil {
			t.Fatal(err)
		}
		many["DiskId."+strconv.Itoa(i+1)] = id
	}
	for name, test := range map[string]struct {
		change params
		want   refusal
	}{
		"neither disks nor an instance":      {params{}, refusal{400, "MissingParamter.InstanceId"}},
		"an instance that does not exist":    {params{"InstanceId": "i-none"}, refusal{404, "InvalidInstanceId.NotFound"}},
		"an instance without disks":          {params{"InstanceId": "i-empty"}, refusal{403, "InvalidInstance.NoDisk"}},
		"an instance with a disk of another": {params{"InstanceId": worker, "DiskId.1": "d-secret"}, refusal{404, "InvalidDiskId.NotFound"}},
		"disks both named and excluded":      {params{"DiskId.1": "d-data", "ExcludeDiskId.1": "d-ssd"}, refusal{400, "InvalidParam.ExcludeDiskIdsAndDiskIds.Conflict"}},
		"a disk that does not exist":         {params{"DiskId.1": "d-none"}, refusal{404, "InvalidDiskId.NotFound"}},
		"disks of two zones":                 {params{"DiskId.1": "d-data", "DiskId.2": "d-other-zone"}, refusal{400, "InvalidDiskIds.NotInSameZone"}},
		"a disk that is no ESSD":             {params{"DiskId.1": "d-ssd"}, refusal{400, "DiskCategory.OperationNotSupported"}},
		"a disk with multi-attach":           {params{"DiskId.1": "d-shared"}, refusal{403, "InvalidOperation.MultiAttachDisk"}},
		"17 disks":                           {many, refusal{403, "NumberExceed.TooManyDisks"}},
		"a regional disk with another":       {params{"DiskId.1": "d-regional", "DiskId.2": "d-data"}, refusal{403, "InvalidDisk.DiskCategoryInconsistent"}},
		"more than 32 TiB":                   {params{"DiskId.1": "d-huge", "DiskId.2": "d-data"}, refusal{403, "CapacityExceed.TooManyDisks"}},
		"a disk that was never attached":     {params{"DiskId.1": "d-data", "DiskId.2": "d-new"}, refusal{403, "IncorrectDiskStatus.NeverAttached"}},
		"a name of one letter":               {params{"DiskId.1": "d-data", "Name": "g"}, refusal{400, "InvalidParameter.Name"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, failure := call(t, cloud, ownerKey(), "CreateSnapshotGroup", with(params{"RegionId": hangzhou}, test.change))
			if diff := cmp.Diff(&test.want, failure); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	_, failure := call(t, cloud, ownerKey(), "DeleteSnapshotGroup", params{"RegionId": hangzhou, "SnapshotGroupId": "ssg-none"})
	if diff := cmp.Diff(&refusal{404, "InvalidSnapshotGroupId.NotFound"}, failure); diff != "" {
		t.Errorf("deleting a group that does not exist (-want +got):\n%s", diff)
	}
}

func TestDeleteDiskIsRefused(t *testing.T) {
	t.Parallel()
	cloud := start(t, taking)
	snapshotOf(t, cloud, "d-secret")
	creating := must(t, cloud, "CreateDisk", params{"RegionId": hangzhou, "ZoneId": zoneH, "Size": "20"}, "DiskId")
	for name, test := range map[string]struct {
		disk string
		want refusal
	}{
		"a disk that is attached":    {"d-data", refusal{403, "IncorrectDiskStatus"}},
		"a disk that is being made":  {creating, refusal{403, "IncorrectDiskStatus"}},
		"a disk that is being cut":   {"d-secret", refusal{403, "DiskCreatingSnapshot"}},
		"a disk that does not exist": {"d-none", refusal{404, "InvalidDiskId.NotFound"}},
	} {
		_, failure := call(t, cloud, ownerKey(), "DeleteDisk", params{"DiskId": test.disk})
		if diff := cmp.Diff(&test.want, failure); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestQuotasAreKept(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	first := snapshotOf(t, cloud, "d-data")
	snapshot := func(disk string) *refusal {
		_, failure := call(t, cloud, ownerKey(), "CreateSnapshot", params{"DiskId": disk})
		return failure
	}
	full := &refusal{403, "QuotaExceed.Snapshot"}
	cloud.ECS().SetQuotas(ecs.Quotas{SnapshotsPerDisk: 1, SnapshotsPerAccount: 2, DisksPerAccount: 9})
	if diff := cmp.Diff([]*refusal{full, nil, full}, []*refusal{snapshot("d-data"), snapshot("d-ssd"), snapshot("d-secret")}); diff != "" {
		t.Errorf("of a disk, and of an account (-want +got):\n%s", diff)
	}
	_, failure := call(t, cloud, ownerKey(), "CreateDisk", params{"RegionId": hangzhou, "ZoneId": zoneH, "Size": "20"})
	if diff := cmp.Diff(&refusal{403, "QuotaExceed.PostPaidDisk"}, failure); diff != "" {
		t.Errorf("of disks (-want +got):\n%s", diff)
	}
	copying := params{
		"RegionId": hangzhou, "SnapshotId": first, "DestinationRegionId": beijing, "DestinationSnapshotName": "copy",
		"DestinationSnapshotDescription": "a copy",
	}
	must(t, cloud, "CopySnapshot", copying, "")
	must(t, cloud, "CopySnapshot", copying, "")
	_, failure = call(t, cloud, ownerKey(), "CopySnapshot", copying)
	if diff := cmp.Diff(&refusal{403, "QuotaExceed.SnapshotQuota"}, failure); diff != "" {
		t.Errorf("of the destination (-want +got):\n%s", diff)
	}
}

func TestWhoOwesMoneyGetsNothingNew(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	id := snapshotOf(t, cloud, "d-data")
	cloud.ECS().SetArrears(owner, true)
	balance := refusal{403, "InvalidAccountStatus.NotEnoughBalance"}
	for action, test := range map[string]struct {
		params params
		want   refusal
	}{
		"CreateSnapshot":      {params{"DiskId": "d-ssd"}, refusal{403, "DiskInArrears"}},
		"CreateSnapshotGroup": {params{"RegionId": hangzhou, "DiskId.1": "d-data"}, refusal{403, "DiskInArrears"}},
		"CreateDisk":          {params{"RegionId": hangzhou, "ZoneId": zoneH, "Size": "20"}, balance},
		"CopySnapshot": {params{
			"RegionId": hangzhou, "SnapshotId": id, "DestinationRegionId": beijing, "DestinationSnapshotName": "copy",
			"DestinationSnapshotDescription": "a copy",
		}, balance},
	} {
		_, failure := call(t, cloud, ownerKey(), action, test.params)
		if diff := cmp.Diff(&test.want, failure); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
}

func TestPermissionsAreOfTheResource(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	denied := &refusal{403, "Forbidden.RAM"}
	for name, test := range map[string]struct {
		action string
		params params
		want   *refusal
	}{
		"a disk that the policy names":         {"CreateSnapshot", params{"DiskId": "d-data"}, nil},
		"a disk that it does not name":         {"CreateSnapshot", params{"DiskId": "d-ssd"}, denied},
		"an action that it does not have":      {"DeleteSnapshot", params{"SnapshotId": "s-1"}, denied},
		"snapshots by id":                      {"DescribeSnapshots", params{"RegionId": hangzhou, "SnapshotIds": `["s-1"]`}, nil},
		"all disks":                            {"DescribeDisks", params{"RegionId": hangzhou}, nil},
		"tags of a disk":                       {"TagResources", params{"RegionId": hangzhou, "ResourceType": "disk", "ResourceId.1": "d-data", "Tag.1.Key": "k", "Tag.1.Value": ""}, denied},
		"a group with a disk it does not name": {"CreateSnapshotGroup", params{"RegionId": hangzhou, "DiskId.1": "d-data", "DiskId.2": "d-secret"}, denied},
		"a group with an instance as well":     {"CreateSnapshotGroup", params{"RegionId": hangzhou, "DiskId.1": "d-data", "InstanceId": worker}, denied},
		"a group of what it names":             {"CreateSnapshotGroup", params{"RegionId": hangzhou, "DiskId.1": "d-data"}, nil},
		"a region that it does not mention":    {"CreateSnapshot", params{"DiskId": "d-data", "RegionId": beijing}, denied},
	} {
		_, failure := call(t, cloud, limitedKey(), test.action, test.params)
		if diff := cmp.Diff(test.want, failure); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestADenialHasEitherCode(t *testing.T) {
	t.Parallel()
	for _, want := range []rpc.DenialCode{rpc.NoPermission, rpc.ForbiddenRAM} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			cloud := start(t, func(c *cloudsim.Config) { c.ECS.DenialCode = want })
			limited, err := sdk.NewClient(clientConfig(cloud, limitedKey()))
			if err != nil {
				t.Fatal(err)
			}
			_, err = limited.CreateSnapshot(&sdk.CreateSnapshotRequest{DiskId: dara.String("d-ssd")})
			var failure *tea.SDKError
			if !errors.As(err, &failure) {
				t.Fatalf("not a refusal: %v", err)
			}
			if code := dara.StringValue(failure.Code); code != string(want) {
				t.Errorf("the code is %s, want %s", code, want)
			}
			if action := failure.AccessDeniedDetail["AuthAction"]; action != "ecs:CreateSnapshot" {
				t.Errorf("the action of AccessDeniedDetail is %v", action)
			}
		})
	}
}

func TestAZoneRefusesWithTheCodeOfItsOwn(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	for _, zone := range []ecs.Zone{
		{SoldOut: []string{"cloud_essd"}}, {Categories: []string{"cloud_ssd"}}, {Closed: true},
	} {
		for code, status := range map[ecs.Refusal]int{ecs.ZoneNotOnSale: 403, ecs.CategoryNotSupported: 400, ecs.NoStock: 403} {
			zone.ID, zone.Refusal = zoneI, code
			if err := cloud.ECS().SetZone(zone); err != nil {
				t.Fatal(err)
			}
			_, failure := call(t, cloud, ownerKey(), "CreateDisk", params{
				"RegionId": hangzhou, "ZoneId": zoneI, "DiskCategory": "cloud_essd", "Size": "20",
			})
			if diff := cmp.Diff(&refusal{status, string(code)}, failure); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", zone, diff)
			}
		}
	}
}

func TestModifySnapshotAttributeIsRefused(t *testing.T) {
	t.Parallel()
	cloud := start(t, taking)
	running := snapshotOf(t, cloud, "d-ssd")
	cloud.ECS().Advance(time.Hour)
	kept := must(t, cloud, "CreateSnapshot", params{"DiskId": "d-data", "RetentionDays": "7"}, "SnapshotId")
	member := memberOf(t, cloud, "d-secret")
	cloud.ECS().Advance(time.Hour)
	progressing := snapshotOf(t, cloud, "d-data")
	shorter := refusal{400, "InvalidOperation.DecreaseRetentionDaysUnsupported"}
	for name, test := range map[string]struct {
		params params
		want   refusal
	}{
		"nothing to change":                       {params{"SnapshotId": kept}, refusal{400, "NoAttributeToModify"}},
		"no snapshot":                             {params{"SnapshotName": "n2"}, refusal{400, "MissingSnapshotId"}},
		"a snapshot that does not exist":          {params{"SnapshotId": "s-none", "SnapshotName": "n2"}, refusal{404, "InvalidSnapshotId.NotFound"}},
		"a snapshot that is progressing":          {params{"SnapshotId": progressing, "SnapshotName": "n2"}, refusal{400, "InvalidSnapshotId.NotReady"}},
		"the name of an automatic one":            {params{"SnapshotId": kept, "SnapshotName": "auto1"}, refusal{400, "InvalidSnapshotName.Malformed"}},
		"a description that is an address":        {params{"SnapshotId": kept, "Description": "https://x"}, refusal{404, "InvalidDescription.Malformed"}},
		"a retention of no day":                   {params{"SnapshotId": kept, "RetentionDays": "0"}, refusal{400, "InvalidRetentionDays.Malformed"}},
		"a shorter retention":                     {params{"SnapshotId": kept, "RetentionDays": "6"}, shorter},
		"an end for what stays for ever":          {params{"SnapshotId": running, "RetentionDays": "30"}, shorter},
		"an end for the member of a group":        {params{"SnapshotId": member, "RetentionDays": "30"}, shorter},
		"a name that comes with a bad retention":  {params{"SnapshotId": kept, "SnapshotName": "n2", "RetentionDays": "6"}, shorter},
		"a snapshot of another region's endpoint": {params{"SnapshotId": kept, "SnapshotName": "n2", "RegionId": beijing}, refusal{404, "InvalidSnapshotId.NotFound"}},
	} {
		_, failure := call(t, cloud, ownerKey(), "ModifySnapshotAttribute", test.params)
		if diff := cmp.Diff(&test.want, failure); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, s := range cloud.ECS().Snapshots() {
		if s.Name != "" {
			t.Errorf("a call that was refused has changed %+v", s)
		}
	}
}

func TestAnEndpointServesItsOwnRegion(t *testing.T) {
	t.Parallel()
	cloud := start(t)
	c := regional(t, cloud, beijing)
	request := describeDisksRequest(hangzhou)
	_, err := c.DescribeDisks(request)
	if diff := cmp.Diff(&refusal{400, "InvalidOperation.NotSupportedEndpoint"}, refused(t, err)); diff != "" {
		t.Errorf("another region (-want +got):\n%s", diff)
	}
}

func TestTheConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*ecs.Config)
		want   string
	}{
		"a region without an id":         {func(c *ecs.Config) { c.Regions[0].ID = "" }, "the id is missing"},
		"a region that is there twice":   {func(c *ecs.Config) { c.Regions[1].ID = hangzhou }, "not unique"},
		"a zone that is in two regions":  {func(c *ecs.Config) { c.Regions[1].Zones[0].ID = zoneH }, "not unique"},
		"a zone that sells what is not":  {func(c *ecs.Config) { c.Regions[0].Zones[0].SoldOut = []string{"tape"} }, `"tape" is not known`},
		"an instance in no zone":         {func(c *ecs.Config) { c.Instances[0].Zone = "x" }, "not found"},
		"an instance of nobody":          {func(c *ecs.Config) { c.Instances[0].Account = "" }, "account are missing"},
		"a key in no region":             {func(c *ecs.Config) { c.KMSKeys[0].Region = "x" }, "not found"},
		"a disk in no zone":              {func(c *ecs.Config) { c.Disks[0].Zone = "x" }, "not found"},
		"a disk of nobody":               {func(c *ecs.Config) { c.Disks[0].Account = "" }, "account is required"},
		"a disk that is there twice":     {func(c *ecs.Config) { c.Disks[1].ID = "d-data" }, "exists already"},
		"a disk of an unknown category":  {func(c *ecs.Config) { c.Disks[0].Category = "tape" }, `"tape" is not known`},
		"a disk that is too small":       {func(c *ecs.Config) { c.Disks[1].Size = 1 }, "beyond the permitted range"},
		"a disk on an unknown instance":  {func(c *ecs.Config) { c.Disks[0].Instance = "i-none" }, "not found"},
		"a disk on an instance far away": {func(c *ecs.Config) { c.Disks[0].Instance = "i-other-zone" }, "differ in zone"},
		"a zone with an unknown refusal": {func(c *ecs.Config) { c.Regions[0].Zones[0].Refusal = "Sorry" }, `"Sorry" is not known`},
		"an unknown code of denials":     {func(c *ecs.Config) { c.DenialCode = "No" }, `"No" of product ecs is not known`},
		"a snapshot in no region":        {func(c *ecs.Config) { c.Snapshots = []ecs.SnapshotConfig{oldSnapshot("x")} }, "not found"},
		"a snapshot of nobody":           {func(c *ecs.Config) { c.Snapshots = []ecs.SnapshotConfig{{Region: hangzhou}} }, "are required"},
		"a snapshot that is there twice": {func(c *ecs.Config) {
			c.Snapshots = []ecs.SnapshotConfig{oldSnapshot(hangzhou), oldSnapshot(beijing)}
		}, "exists already"},
		"a disk whose file is a directory": {func(c *ecs.Config) { c.Disks[0].Files = map[string]string{"/": "x"} }, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config()
			test.change(&c.ECS)
			cloud, err := cloudsim.Start(c, cloudsim.WithStateDir(t.TempDir()))
			if err == nil {
				t.Fatal(cloud.Close())
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %q, want one with %q", err, test.want)
			}
		})
	}
}
