// SPDX-License-Identifier: Apache-2.0

package hbr

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
)

// locationOf is the location of a config.
func locationOf(tb testing.TB, config map[string]string) location {
	tb.Helper()
	l, err := parseLocation(config)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// defaults is the location of an empty config, changed.
func defaults(change func(*location)) location {
	l := location{
		vaultName:      "ack-backup-data",
		createVault:    true,
		retention:      retention.OfBackup(),
		method:         "auto",
		policy:         "exclude",
		kubeletRoot:    "/var/lib/kubelet",
		ecsSnapshots:   true,
		backupTimeout:  4 * time.Hour,
		restoreTimeout: 4 * time.Hour,
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
			name: "every key",
			config: map[string]string{
				"region": "cn-hangzhou", "network": "vpc", "endpoint": "hbr.example.com", "notOnECS": "true",
				"vaultName": "backups", "createVault": "true", "kmsKeyId": "key-1", "retentionDays": "7",
				"method": "node", "clusterId": "c82e6987e2961451182edacd74faf0000", "nodeSchedulePolicy": "prefer",
				"kubeletRootDir": "/var/lib/container//kubelet/", "hostPathRoot": "/", "enableECSSnapshot": "false",
				"backupTimeout": "90m", "restoreTimeout": "24h", "speedLimit": " 8:24:5120 | 0:8:51200",
				"restoreMountTarget": "31a8e4ab12-abc34.cn-hangzhou.nas.aliyuncs.com", "restoreBucket": "restored-data",
				"credentialsFile": "/credentials/cloud", "profile": "prod", "roleArn": "acs:ram::1234567890123456:role/velero", "roleSessionName": "backup",
			},
			want: location{
				hbr: alicloud.HBRConfig{
					Region: "cn-hangzhou", Network: "vpc", Endpoint: "https://hbr.example.com", NotOnECS: true,
					Credentials: credentials.Config{
						File: "/credentials/cloud", Profile: "prod", RoleARN: "acs:ram::1234567890123456:role/velero", RoleSessionName: "backup",
					},
				},
				vaultName: "backups", createVault: true, kmsKeyID: "key-1", retention: retention.Days(7),
				method: "node", clusterID: "c82e6987e2961451182edacd74faf0000", policy: "prefer",
				kubeletRoot: "/var/lib/container/kubelet", hostPathRoot: "/",
				backupTimeout: 90 * time.Minute, restoreTimeout: 24 * time.Hour, speedLimit: "0:8:51200|8:24:5120",
				restoreMountTarget: "31a8e4ab12-abc34.cn-hangzhou.nas.aliyuncs.com", restoreBucket: "restored-data",
			},
		},
		{
			name:   "a vault by its id has no name",
			config: map[string]string{"vaultId": "v-0001lq2tqz1ehpnq8qx6", "retentionDays": "backup"},
			want: defaults(func(l *location) {
				l.vaultName, l.vaultID = "", "v-0001lq2tqz1ehpnq8qx6"
			}),
		},
		{
			name:   "a vault that must be there",
			config: map[string]string{"vaultName": strings.Repeat("库", 64), "createVault": "false"},
			want: defaults(func(l *location) {
				l.vaultName, l.createVault = strings.Repeat("库", 64), false
			}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := locationOf(t, tt.config)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(location{}, retention.Policy{})); diff != "" {
				t.Errorf("location (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesInALocation(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, key, value, want string }{
		{"a key that nobody knows", "vault", "x", `unknown key "vault": allowed are backupTimeout, clusterId, createVault`},
		{"a region that is none", "region", "Hangzhou", "allowed is a region id such as cn-hangzhou"},
		{"a network that is none", "network", "internal", "allowed are vpc, public"},
		{"an endpoint that is none", "endpoint", "ftp://x", `key "endpoint" has the value "ftp://x"`},
		{"a flag that is none", "notOnECS", "maybe", `allowed are "true" and "false"`},
		{"no vault", "vaultName", "", "allowed is a name of 1 to 64 characters"},
		{"a vault's name that is too long", "vaultName", strings.Repeat("x", 65), "allowed is a name of 1 to 64 characters"},
		{"a vault's name as its id", "vaultId", "ack-backup-data", "allowed is the id of a vault such as v-"},
		{"a vault's id with something behind it", "vaultId", "v-1\n", "allowed is the id of a vault such as v-"},
		{"a retention that is none", "retentionDays", "a month", "allowed are backup (as long as the backup) and a number of days from 1 to 36500"},
		{"no days", "retentionDays", "0", "allowed are backup"},
		{"too many days", "retentionDays", "36501", "allowed are backup"},
		{"snapshots that stay", "retentionDays", "forever", "Cloud Backup keeps nothing for ever"},
		{"a method that is none", "method", "csi", "allowed are auto, agentless, node"},
		{"a cluster that is none", "clusterId", "", "allowed is the id of a cluster"},
		{"a policy that is none", "nodeSchedulePolicy", "all", "allowed are exclude, include, prefer"},
		{"a kubelet's root that is relative", "kubeletRootDir", "var/lib/kubelet", "allowed is an absolute path of the nodes such as /var/lib/kubelet"},
		{"a kubelet's root that is the node's", "kubeletRootDir", "//", "allowed is an absolute path such as /var/lib/kubelet, but not /"},
		{"a root of host paths that is relative", "hostPathRoot", "data", "allowed is an absolute path of the nodes"},
		{"no root of host paths", "hostPathRoot", "", "allowed is an absolute path of the nodes"},
		{"a path that no node has", "hostPathRoot", "/a\x00b", "allowed is an absolute path of the nodes"},
		{"an enabling that is none", "enableECSSnapshot", "yes", `allowed are "true" and "false"`},
		{"a backup timeout without a unit", "backupTimeout", "30", "allowed is a duration of at least 1s, such as 4h"},
		{"a restore timeout of no time", "restoreTimeout", "0s", "allowed is a duration of at least 1s, such as 4h"},
		{"a limit that is none", "speedLimit", "10MB/s", `"10MB/s" is not of the form start:end:bandwidth`},
		{"an OSS endpoint as a mount target", "restoreMountTarget", "oss-cn-hangzhou.aliyuncs.com", "allowed is a mount target of NAS"},
		{"CPFS as a mount target", "restoreMountTarget", "cpfs-0123-x.cn-hangzhou.cpfs.aliyuncs.com", "allowed is a mount target of NAS"},
		{"a bucket that is none", "restoreBucket", "Data", "allowed is the name of a bucket"},
		{"a role that is none", "roleArn", "velero", "allowed is the ARN of a RAM role"},
		{"a session without a role", "roleSessionName", "backup", `key "roleSessionName" needs roleArn`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkMistake(t, map[string]string{tt.key: tt.value}, tt.want)
		})
	}
}

func checkMistake(t *testing.T, config map[string]string, want string) {
	t.Helper()
	_, err := parseLocation(config)
	if err == nil || !strings.HasPrefix(err.Error(), "reading the config of the volume snapshot location: ") || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestContradictionsOfALocation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config map[string]string
		want   string
	}{
		{"two vaults", map[string]string{"vaultId": "v-1", "vaultName": "x"}, `keys "vaultId" and "vaultName" exclude each other`},
		{"a key for a vault that is there", map[string]string{"vaultId": "v-1", "kmsKeyId": "k"}, `key "kmsKeyId" is of a vault that is made`},
		{"a key for a vault that is not made", map[string]string{"createVault": "false", "kmsKeyId": "k"}, `key "kmsKeyId" is of a vault that is made`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkMistake(t, tt.config, tt.want)
		})
	}
}

func TestEveryMistakeOfALocationIsTold(t *testing.T) {
	t.Parallel()
	_, err := parseLocation(map[string]string{"network": "x", "method": "y", "bucket": "z"})
	want := `reading the config of the volume snapshot location: unknown key "bucket": allowed are ` +
		strings.Join(slices.Sorted(maps.Keys(options())), ", ") + `
key "method" has the value "y": allowed are auto, agentless, node
key "network" has the value "x": allowed are vpc, public`
	if err == nil || err.Error() != want {
		t.Errorf("error:\n%v\nwant:\n%s", err, want)
	}
}
