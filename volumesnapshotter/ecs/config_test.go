// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/retention"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// defaults is the location of an empty config, changed.
func defaults(change func(*location)) location {
	l := location{
		retention:           retention.OfBackup(),
		waitForSnapshot:     true,
		snapshotTimeout:     2 * time.Hour,
		diskTimeout:         10 * time.Minute,
		copyTimeout:         6 * time.Hour,
		concurrentSnapshots: 20,
		enabled:             true,
	}
	change(&l)
	return l
}

func TestParseLocation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config map[string]string
		want   location
	}{
		{
			name: "nothing is needed",
			want: defaults(func(*location) {}),
		},
		{
			name: "the official plugin's keys, with the networks of OSS",
			config: map[string]string{
				"region": "oss-cn-beijing", "zone": "cn-beijing-k", "network": "internal", "notOnECS": "true", "credentialsFile": "/credentials/cloud",
			},
			want: defaults(func(l *location) {
				l.ecs = alicloud.ECSConfig{
					Region: "cn-beijing", Network: "vpc", NotOnECS: true, Credentials: credentials.Config{File: "/credentials/cloud"},
				}
				l.zone = "cn-beijing-k"
			}),
		},
		{
			name:   "there is no accelerated ECS",
			config: map[string]string{"network": "accelerate"},
			want:   defaults(func(l *location) { l.ecs.Network = "public" }),
		},
		{
			name: "every key of our own",
			config: map[string]string{
				"network": "vpc", "endpoint": "ecs.example.com", "retentionDays": "7", "waitForSnapshot": "false",
				"snapshotTimeout": "1h", "diskTimeout": "90s", "crossRegionCopyTimeout": "24h", "maxConcurrentSnapshots": "100",
				"zoneMapping":         "cn-hangzhou-h=cn-beijing-k, cn-hangzhou-i = cn-beijing-l",
				"diskCategoryMapping": "cloud_ssd=cloud_essd.PL1,cloud_efficiency=cloud_essd_entry",
				"kmsKeyId":            "key-1", "resourceGroupId": "rg-1", "tags": "team=storefront,env=", "enableECSSnapshot": "false",
				"profile": "prod", "roleArn": "acs:ram::1234567890123456:role/velero", "roleSessionName": "backup",
			},
			want: location{
				ecs: alicloud.ECSConfig{
					Network: "vpc", Endpoint: "https://ecs.example.com",
					Credentials: credentials.Config{Profile: "prod", RoleARN: "acs:ram::1234567890123456:role/velero", RoleSessionName: "backup"},
				},
				retention:       retention.Days(7),
				snapshotTimeout: time.Hour, diskTimeout: 90 * time.Second, copyTimeout: 24 * time.Hour, concurrentSnapshots: 100,
				zones: map[string]string{"cn-hangzhou-h": "cn-beijing-k", "cn-hangzhou-i": "cn-beijing-l"},
				types: map[string]volume.DiskType{
					"cloud_ssd":        {Category: "cloud_essd", PerformanceLevel: "PL1"},
					"cloud_efficiency": {Category: "cloud_essd_entry"},
				},
				kmsKeyID: "key-1", resourceGroupID: "rg-1", tags: map[string]string{"team": "storefront", "env": ""},
			},
		},
		{
			name:   "snapshots as old as their backup, by name",
			config: map[string]string{"retentionDays": "backup", "network": "public"},
			want:   defaults(func(l *location) { l.ecs.Network = "public" }),
		},
		{
			name:   "snapshots that stay",
			config: map[string]string{"retentionDays": "forever"},
			want:   defaults(func(l *location) { l.retention = retention.Policy{} }),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseLocation(tt.config)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(location{}, retention.Policy{})); diff != "" {
				t.Errorf("location (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesInALocation(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, key, value, want string }{
		{"a key that nobody knows", "retentionDay", "7", `unknown key "retentionDay": allowed are credentialsFile, crossRegionCopyTimeout, disk`},
		{"a region that is none", "region", "Hangzhou", "allowed is a region id such as cn-hangzhou"},
		{"a network that is none", "network", "classic", "allowed are vpc, public"},
		{"an endpoint that is none", "endpoint", "ftp://x", `key "endpoint" has the value "ftp://x"`},
		{"a flag that is none", "notOnECS", "maybe", `allowed are "true" and "false"`},
		{"a retention that is none", "retentionDays", "a month", "allowed are backup (as long as the backup), forever, and a number of days from 1 to 65536"},
		{"no days", "retentionDays", "0", "allowed are backup"},
		{"more days than ECS has", "retentionDays", "65537", "allowed are backup"},
		{"a wait that is none", "waitForSnapshot", "", `allowed are "true" and "false"`},
		{"a snapshot timeout without a unit", "snapshotTimeout", "30", "allowed is a duration of at least 1s, such as 2h"},
		{"a disk timeout of no time", "diskTimeout", "0s", "allowed is a duration of at least 1s, such as 10m"},
		{"a copy timeout below zero", "crossRegionCopyTimeout", "-1h", "allowed is a duration of at least 1s, such as 6h"},
		{"no snapshots at once", "maxConcurrentSnapshots", "0", "allowed is a whole number from 1 to 100"},
		{"too many snapshots at once", "maxConcurrentSnapshots", "101", "allowed is a whole number from 1 to 100"},
		{"a mapping of zones without a target", "zoneMapping", "cn-hangzhou-h=", `"cn-hangzhou-h" has no zone: allowed are zones`},
		{"a mapping of zones without a sign", "zoneMapping", "cn-hangzhou-h", `"cn-hangzhou-h" has not the form name=value`},
		{"a zone that is mapped twice", "zoneMapping", "a=b,a=c", `"a" is there twice`},
		{"an empty mapping", "zoneMapping", "", `"" has not the form name=value`},
		{"a category that is none", "diskCategoryMapping", "cloud_ssd=ssd", `"ssd": ssd is no disk category of ECS`},
		{"a source category that is none", "diskCategoryMapping", "gp3=cloud_ssd", `"gp3": gp3 is no disk category of ECS`},
		{"a level that the category has not", "diskCategoryMapping", "cloud_ssd=cloud_auto.PL1", "the category cloud_auto has no performance level PL1"},
		{"a category without snapshots", "diskCategoryMapping", "cloud_ssd=elastic_ephemeral_disk_premium", "cannot be made from a snapshot"},
		{"a mapping of categories without a sign", "diskCategoryMapping", "cloud_ssd", "allowed are disk categories"},
		{"a tag of the cloud's own", "tags", "acs:x=1", "a tag has a key of at most 128 characters"},
		{"a tag of ours", "tags", "alibabacloud.com/disk=1", "a tag has a key of at most 128 characters"},
		{"a tag that is a link", "tags", "link=https://example.com", "neither contains http:// or https://"},
		{"a tag that is too long", "tags", "a=" + strings.Repeat("x", 129), "a value of at most as many"},
		{"a tag without a key", "tags", "=x", `"=x" has not the form name=value`},
		{"too many tags", "tags", "a=1,b=2,c=3,d=4,e=5,f=6", "allowed are up to 5 tags"},
		{"an enabling that is none", "enableECSSnapshot", "yes", `allowed are "true" and "false"`},
		{"a role that is none", "roleArn", "velero", "allowed is the ARN of a RAM role"},
		{"a session without a role", "roleSessionName", "backup", `key "roleSessionName" needs roleArn`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseLocation(map[string]string{tt.key: tt.value})
			if err == nil || !strings.HasPrefix(err.Error(), "reading the config of the volume snapshot location: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestEveryMistakeOfALocationIsTold(t *testing.T) {
	t.Parallel()
	_, err := parseLocation(map[string]string{"network": "x", "zoneMapping": "y", "bucket": "z"})
	want := `reading the config of the volume snapshot location: unknown key "bucket": allowed are ` +
		strings.Join(slices.Sorted(maps.Keys(options())), ", ") + `
key "network" has the value "x": allowed are vpc, public
key "zoneMapping" has the value "y": "y" has not the form name=value: allowed are zones of the backup and of the restore, such as cn-hangzhou-h=cn-beijing-k,cn-hangzhou-i=cn-beijing-l`
	if err == nil || err.Error() != want {
		t.Errorf("error:\n%v\nwant:\n%s", err, want)
	}
}
