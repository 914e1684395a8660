// SPDX-License-Identifier: Apache-2.0

package ecs_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
)

const (
	owner    = "1000000000000001"
	stranger = "1000000000000002"
	hangzhou = "cn-hangzhou"
	beijing  = "cn-beijing"
	zoneH    = "cn-hangzhou-h"
	zoneI    = "cn-hangzhou-i"
	zoneB    = "cn-hangzhou-b"
	zoneK    = "cn-beijing-k"
	worker   = "i-worker"
)

func ownerKey() cloudsim.AccessKey {
	return cloudsim.AccessKey{ID: "LTAIowner", Secret: "owner-secret"}
}

func strangerKey() cloudsim.AccessKey {
	return cloudsim.AccessKey{ID: "LTAIstranger", Secret: "stranger-secret"}
}

func limitedKey() cloudsim.AccessKey {
	return cloudsim.AccessKey{ID: "LTAIlimited", Secret: "limited-secret"}
}

// config is a cloud with disks of all kinds. States take no time unless a test says so.
func config() cloudsim.Config {
	own, other, limited := ownerKey(), strangerKey(), limitedKey()
	return cloudsim.Config{
		Accounts: []cloudsim.Account{
			{ID: owner, OwnerKey: &own, Users: []cloudsim.User{{
				Name: "limited", Keys: []cloudsim.AccessKey{limited}, Policies: []account.Policy{policy()},
			}}},
			{ID: stranger, OwnerKey: &other},
		},
		ECS: ecs.Config{
			Regions: []ecs.Region{
				{ID: hangzhou, Zones: []ecs.Zone{
					{ID: zoneH},
					{ID: zoneI, Categories: []string{"cloud_essd", "cloud_auto"}, SoldOut: []string{"cloud_auto"}},
					{ID: zoneB, Closed: true},
				}},
				{ID: beijing, Zones: []ecs.Zone{{ID: zoneK}}},
			},
			Instances: []ecs.Instance{
				{ID: worker, Account: owner, Zone: zoneH},
				{ID: "i-empty", Account: owner, Zone: zoneH, Type: "ecs.c7.large"},
				{ID: "i-other-zone", Account: owner, Zone: zoneI},
			},
			KMSKeys: []ecs.KMSKey{
				{ID: "key-good", Account: owner, Region: hangzhou},
				{ID: "key-disabled", Account: owner, Region: hangzhou, Disabled: true},
				{ID: "key-forbidden", Account: owner, Region: hangzhou, Unauthorized: true},
				{ID: "key-foreign", Account: stranger, Region: hangzhou},
				{ID: "key-beijing", Account: owner, Region: beijing},
			},
			Disks: []ecs.DiskConfig{
				{
					ID: "d-data", Account: owner, Zone: zoneH, Category: "cloud_essd", PerformanceLevel: "PL0", Size: 10,
					Instance: worker, Tags: map[string]string{"app": "orders"}, Files: map[string]string{"orders/1.csv": "tea"},
				},
				{ID: "d-ssd", Account: owner, Zone: zoneH, Category: "cloud_ssd", Size: 40, Instance: worker},
				{ID: "d-other-zone", Account: owner, Zone: zoneI, Size: 20, AttachedBefore: true},
				{ID: "d-new", Account: owner, Zone: zoneH, Size: 20},
				{ID: "d-secret", Account: owner, Zone: zoneH, Size: 20, AttachedBefore: true, Encrypted: true, KMSKeyID: "key-good"},
				{ID: "d-shared", Account: owner, Zone: zoneH, Size: 20, AttachedBefore: true, MultiAttach: true},
				{ID: "d-huge", Account: owner, Zone: zoneH, Size: 32768, AttachedBefore: true},
				{
					ID: "d-ephemeral", Account: owner, Zone: zoneH, Category: "elastic_ephemeral_disk_standard", Size: 64,
					AttachedBefore: true,
				},
				{ID: "d-regional", Account: owner, Zone: zoneH, Category: "cloud_regional_disk_auto", Size: 20, AttachedBefore: true},
				{ID: "d-foreign", Account: stranger, Zone: zoneH, Size: 20, AttachedBefore: true},
			},
		},
	}
}

// policy allows a user to look at everything and to snapshot one disk.
func policy() account.Policy {
	p, err := account.ParsePolicy([]byte(`{"Version": "1", "Statement": [
		{"Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"},
		{"Effect": "Allow", "Action": "ecs:CreateSnapshot",
		 "Resource": ["acs:ecs:cn-hangzhou:*:disk/d-data", "acs:ecs:*:*:snapshot/*"]},
		{"Effect": "Allow", "Action": "ecs:CreateSnapshotGroup", "Resource": "acs:ecs:cn-hangzhou:*:disk/d-data"}]}`))
	if err != nil {
		panic(err) // the policy is a constant
	}
	return p
}

// taking makes disks, snapshots and copies take time.
func taking(c *cloudsim.Config) {
	c.ECS.Durations = ecs.Durations{
		CreateDisk: metav1.Duration{Duration: 10 * time.Second},
		Snapshot:   metav1.Duration{Duration: time.Minute},
		Copy:       metav1.Duration{Duration: 5 * time.Minute},
	}
}

// start starts a cloud whose time does not pass by itself.
func start(t *testing.T, changes ...func(*cloudsim.Config)) *cloudsim.Cloud {
	t.Helper()
	c := config()
	for _, change := range changes {
		change(&c)
	}
	now := time.Now().Truncate(time.Minute)
	cloud, err := cloudsim.Start(c, cloudsim.WithStateDir(t.TempDir()), cloudsim.WithClock(func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Errorf("close the cloud: %v", err)
		}
	})
	return cloud
}

// transmitter sends the requests of the SDK, whose own HTTP client may not be used by two goroutines at once.
type transmitter struct{}

// Call implements dara.HttpClient.
func (transmitter) Call(request *http.Request, transport *http.Transport) (*http.Response, error) {
	transport.DisableKeepAlives = true
	return (&http.Client{Transport: transport}).Do(request)
}

func clientConfig(c *cloudsim.Cloud, k cloudsim.AccessKey) *openapiutil.Config {
	return &openapiutil.Config{
		Endpoint: dara.String(strings.TrimPrefix(c.RPCURL(), "http://")), Protocol: dara.String("HTTP"),
		RegionId: dara.String(hangzhou), AccessKeyId: dara.String(k.ID), AccessKeySecret: dara.String(k.Secret),
		HttpClient: transmitter{},
	}
}

// client returns the official SDK's client of the account's owner.
func client(t *testing.T, c *cloudsim.Cloud) *sdk.Client {
	t.Helper()
	made, err := sdk.NewClient(clientConfig(c, ownerKey()))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// regional returns a client that reaches a region's endpoint by its real name, through the cloud's proxy.
func regional(t *testing.T, c *cloudsim.Cloud, region string) *sdk.Client {
	t.Helper()
	settings := clientConfig(c, ownerKey())
	settings.Endpoint, settings.RegionId = dara.String("ecs."+region+".aliyuncs.com"), dara.String(region)
	settings.HttpProxy = dara.String(c.ProxyURL())
	made, err := sdk.NewClient(settings)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// params are the parameters of a call.
type params map[string]string

// refusal is an error answer.
type refusal struct {
	Status int
	Code   string
}

// call calls an action with nothing but what is given. The region is cn-hangzhou unless the parameters name one.
func call(t *testing.T, c *cloudsim.Cloud, k cloudsim.AccessKey, action string, p params) (map[string]any, *refusal) {
	t.Helper()
	settings := clientConfig(c, k)
	generic, err := openapi.NewClient(settings)
	if err != nil {
		t.Fatal(err)
	}
	query := map[string]*string{}
	for name, value := range p {
		query[name] = dara.String(value)
	}
	result, err := generic.CallApi(&openapiutil.Params{
		Action: dara.String(action), Version: dara.String("2014-05-26"), Protocol: dara.String("HTTP"),
		Pathname: dara.String("/"), Method: dara.String(http.MethodPost), AuthType: dara.String("AK"),
		Style: dara.String("RPC"), ReqBodyType: dara.String("formData"), BodyType: dara.String("json"),
	}, &openapiutil.OpenApiRequest{Query: query}, &dara.RuntimeOptions{})
	if err != nil {
		return nil, refused(t, err)
	}
	body, _ := result["body"].(map[string]any)
	return body, nil
}

// refused returns what a client was told. It is nil where there is no error.
func refused(t *testing.T, err error) *refusal {
	t.Helper()
	var failure *tea.SDKError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failure):
		return &refusal{dara.IntValue(failure.StatusCode), dara.StringValue(failure.Code)}
	default:
		t.Fatalf("not an answer of the service: %v", err)
		return nil
	}
}

// must calls an action that must succeed and returns a member of its answer.
func must(t *testing.T, c *cloudsim.Cloud, action string, p params, member string) string {
	t.Helper()
	body, failure := call(t, c, ownerKey(), action, p)
	if failure != nil {
		t.Fatalf("%s %v: %v", action, p, *failure)
	}
	value, _ := body[member].(string)
	return value
}

func snapshotOf(t *testing.T, c *cloudsim.Cloud, disk string) string {
	t.Helper()
	return must(t, c, "CreateSnapshot", params{"DiskId": disk}, "SnapshotId")
}

// memberOf cuts disks together and returns the id of the group's first member.
func memberOf(t *testing.T, c *cloudsim.Cloud, disks ...string) string {
	t.Helper()
	p := params{"RegionId": hangzhou, "Name": "group"}
	for i, disk := range disks {
		p["DiskId."+strconv.Itoa(i+1)] = disk
	}
	group := must(t, c, "CreateSnapshotGroup", p, "SnapshotGroupId")
	for _, s := range c.ECS().Snapshots() {
		if s.GroupID == group {
			return s.ID
		}
	}
	t.Fatalf("the group %s has no members", group)
	return ""
}

// oldSnapshot is one of a disk that does not exist any more.
func oldSnapshot(region string) ecs.SnapshotConfig {
	return ecs.SnapshotConfig{ID: "s-old", Account: owner, Region: region, Disk: "d-gone", Size: 20}
}

// timeOf is how the API writes a time.
func timeOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
