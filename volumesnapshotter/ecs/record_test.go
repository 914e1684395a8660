// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// full is a record with everything in it.
func full() record {
	return record{
		clusterID: clusterID, backupUID: "uid-daily", backup: "daily", volume: "pv-1", group: "shop/db",
		claim:      diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "alicloud-disk-essd", Block: true},
		flexVolume: true,
		disk: diskspec.Spec{
			Type: volume.DiskType{Category: "cloud_auto"}, Zone: homeZone, SizeGiB: 40, Encrypted: true, KMSKeyID: "key-1",
			ProvisionedIOPS: 1000, Bursting: true, MultiAttach: true, ResourceGroupID: "rg-1",
		},
		diskTags: map[string]string{"owner": "ops"},
	}
}

func TestARecordAsTags(t *testing.T) {
	t.Parallel()
	got, left := full().tags(map[string]string{"team": "storefront"}, map[string]string{"velero.io/backup": "daily", "app": "shop"})
	want := map[string]string{
		"velero.io/backup":                   "daily",
		"velero.io/pv":                       "pv-1",
		"alibabacloud.com/cluster-id":        clusterID,
		"alibabacloud.com/backup-uid":        "uid-daily",
		"alibabacloud.com/pvc":               "shop/data",
		"alibabacloud.com/storage-class":     "alicloud-disk-essd",
		"alibabacloud.com/volume-mode":       "Block",
		"alibabacloud.com/volume-form":       "flexVolume",
		"alibabacloud.com/disk":              "cloud_auto 40GiB iops=1000 bursting multi-attach",
		"alibabacloud.com/zone":              homeZone,
		"alibabacloud.com/kms-key":           "key-1",
		"alibabacloud.com/resource-group":    "rg-1",
		"alibabacloud.com/consistency-group": "shop/db",
		"disk/owner":                         "ops",
		"team":                               "storefront",
		"app":                                "shop",
	}
	if diff := cmp.Diff(want, got); diff != "" || len(left) != 0 {
		t.Errorf("left %v, tags (-want +got):\n%s", left, diff)
	}
}

func TestARecordIsReadFromItsTags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		snapshot snapshot
		order    order
		want     record
	}{
		{
			name:     "what the tags of ours tell",
			snapshot: snapshot{tags: tagsOf(full()), encrypted: true, kmsKeyID: "key-1", sizeGiB: 40},
			order:    order{kind: volume.DiskType{Category: "cloud_ssd"}, zone: otherZone},
			want:     full(),
		},
		{
			name: "the tag of the official plugin, and what Velero noted of its disk",
			snapshot: snapshot{tags: map[string]string{
				"velero.io/backup": "old", "velero.io/pv": "d-1", "alibabacloud.velero-plugin/orginal-volume-az": "cn-hangzhou-h", //nolint:misspell // It is theirs.
			}, sizeGiB: 100},
			order: order{kind: volume.DiskType{Category: "cloud_essd"}, iops: 6800},
			want: record{backup: "old", volume: "d-1", diskTags: map[string]string{}, disk: diskspec.Spec{
				Type: volume.DiskType{Category: "cloud_essd", PerformanceLevel: "PL1"}, Zone: "cn-hangzhou-h", SizeGiB: 100,
			}},
		},
		{
			name: "the tags of its disk that the official plugin has copied",
			snapshot: snapshot{tags: map[string]string{
				"velero.io/backup": "old", "velero.io/pv": "d-1", "velero.io/storage-location": "default", "team": "shop", "disk/owner": "ops",
				"alibabacloud.velero-plugin/orginal-volume-az": "cn-hangzhou-h", //nolint:misspell // It is theirs.
				"acs:rm:rgId": "rg-1", "alibabacloud.com/copy-of": "cn-hangzhou/s-1",
			}},
			want: record{
				backup: "old", volume: "d-1", diskTags: map[string]string{"team": "shop", "disk/owner": "ops"},
				disk: diskspec.Spec{Zone: "cn-hangzhou-h"},
			},
		},
		{
			name:     "a snapshot without tags, as the snapshot and Velero tell",
			snapshot: snapshot{encrypted: true, kmsKeyID: "key-2", sizeGiB: 20},
			order:    order{kind: volume.DiskType{Category: "cloud_ssd"}, zone: homeZone},
			want: record{diskTags: map[string]string{}, disk: diskspec.Spec{
				Type: volume.DiskType{Category: "cloud_ssd"}, Zone: homeZone, SizeGiB: 20, Encrypted: true, KMSKeyID: "key-2",
			}},
		},
		{
			name:     "words of a later version are left out",
			snapshot: snapshot{tags: map[string]string{tagDisk: "cloud_essd.PL0 20GiB replicas=2 fast"}},
			want: record{diskTags: map[string]string{}, disk: diskspec.Spec{
				Type: volume.DiskType{Category: "cloud_essd", PerformanceLevel: "PL0"}, SizeGiB: 20,
			}},
		},
		{
			name:     "tags of a disk that nobody can set are left out",
			snapshot: snapshot{tags: map[string]string{"disk/acs:rm": "x", "disk/alibabacloud.com/zone": "y", "disk/": "z", "disk/ok": "w"}},
			want:     record{diskTags: map[string]string{"ok": "w"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, readRecord(tt.snapshot, tt.order), cmp.AllowUnexported(record{})); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
}

func tagsOf(r record) map[string]string {
	tags, _ := r.tags()
	return tags
}

func TestTagsThatECSDoesNotTakeOrHaveNoPlace(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 129)
	many := map[string]string{}
	for i := range 30 {
		many[fmt.Sprintf("label-%02d", i)] = "v"
	}
	tests := []struct {
		name   string
		record record
		extra  map[string]string
		// wantLeft are the keys that found no place, wantTags how many there are.
		wantLeft []string
		wantTags int
	}{
		{"two places stay free for what a copy needs", record{backup: "b"}, many, []string{
			"label-17", "label-18", "label-19", "label-20", "label-21", "label-22", "label-23", "label-24", "label-25", "label-26", "label-27", "label-28", "label-29",
		}, 18},
		{"the disk's own tags come first", record{diskTags: many}, map[string]string{"app": "shop"}, []string{
			"disk/label-18", "disk/label-19", "disk/label-20", "disk/label-21", "disk/label-22", "disk/label-23", "disk/label-24",
			"disk/label-25", "disk/label-26", "disk/label-27", "disk/label-28", "disk/label-29", "app",
		}, 18},
		{"reserved prefixes of labels", record{}, map[string]string{"acs:a": "x", "aliyun-b": "x", "c": "x"}, []string{"acs:a", "aliyun-b"}, 1},
		{"reserved prefixes and our own tags on the disk", record{diskTags: map[string]string{"acs:a": "x", "aliyunx": "x", tagSnapshot: "x", "c": "x"}}, nil, nil, 1},
		{"links and what is too long", record{}, map[string]string{"a": "http://x", "https://b": "x", "c": long, long: "x", "": "x"}, []string{"", "a", "c", "https://b", long}, 0},
		{"what is ours is not replaced", record{backup: "b"}, map[string]string{tagBackup: "other"}, nil, 1},
		{"a disk's key that is too long with its prefix", record{diskTags: map[string]string{long[:126]: "x"}}, nil, []string{"disk/" + long[:126]}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tags, left := tt.record.tags(tt.extra)
			if diff := cmp.Diff(tt.wantLeft, left); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if len(tags) != tt.wantTags {
				t.Errorf("%d tags, want %d: %v", len(tags), tt.wantTags, tags)
			}
		})
	}
}

func TestAVolumeWithALongNameIsStillMarked(t *testing.T) {
	t.Parallel()
	tags, _ := record{volume: strings.Repeat("v", 253)}.tags()
	if diff := cmp.Diff(map[string]string{"velero.io/pv": strings.Repeat("v", 128)}, tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

func TestNamesOfAClaimAreToldWhole(t *testing.T) {
	t.Parallel()
	// The longest that Kubernetes takes.
	longest := diskspec.Claim{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("c", 253), StorageClass: strings.Repeat("s", 253)}
	tests := []struct {
		name  string
		claim diskspec.Claim
		// want are the lengths of the values of the tags.
		want map[string]int
	}{
		{
			"names that each fit into a tag",
			diskspec.Claim{Namespace: "shop", Name: strings.Repeat("c", 123), StorageClass: strings.Repeat("s", 128)},
			map[string]int{"alibabacloud.com/pvc": 128, "alibabacloud.com/storage-class": 128},
		},
		{
			"a name that is too long by a letter",
			diskspec.Claim{Namespace: "shop", Name: strings.Repeat("c", 124)},
			map[string]int{"alibabacloud.com/pvc": 128, "alibabacloud.com/pvc-2": 1},
		},
		{
			"the longest names", longest,
			map[string]int{
				"alibabacloud.com/pvc": 128, "alibabacloud.com/pvc-2": 128, "alibabacloud.com/pvc-3": 61,
				"alibabacloud.com/storage-class": 128, "alibabacloud.com/storage-class-2": 125,
			},
		},
		{"a volume without a claim", diskspec.Claim{StorageClass: "s"}, map[string]int{"alibabacloud.com/storage-class": 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tags, got := tagsOf(record{claim: tt.claim}), map[string]int{}
			for key, value := range tags {
				got[key] = len(value)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lengths (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.claim, readRecord(snapshot{tags: tags}, order{}).claim); diff != "" {
				t.Errorf("claim (-want +got):\n%s", diff)
			}
		})
	}
	everything := full()
	everything.claim = longest
	everything.claim.Block = true
	if _, left := everything.tags(); len(left) != 0 {
		t.Errorf("with the longest names there is no place for %v", left)
	}
}

func TestNameOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		parts []string
		want  string
	}{
		{"backup and volume", []string{"daily-20261121", "pvc-1"}, "velero-daily-20261121-pvc-1"},
		{"characters that ECS does not take", []string{"a b/c", "é"}, "velero-a-b-c--"},
		{"no longer than ECS takes", []string{strings.Repeat("a", 200)}, "velero-" + strings.Repeat("a", 121)},
	}
	form := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9:_.-]{1,127}$`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := nameOf(tt.parts...); got != tt.want || !form.MatchString(got) {
				t.Errorf("name %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzDiskText(f *testing.F) {
	f.Add("cloud_essd", "PL1", int64(20), int64(0), false, false)
	f.Add("cloud_auto", "", int64(65536), int64(50000), true, false)
	f.Add("cloud_essd", "PL0", int64(1), int64(-1), false, true)
	f.Fuzz(func(t *testing.T, category, level string, size, iops int64, bursting, multiAttach bool) {
		word := regexp.MustCompile(`^[a-z0-9_]+$`)
		if !word.MatchString(category) || level != "" && !regexp.MustCompile(`^PL[0-9]$`).MatchString(level) || size < 0 || iops < 0 {
			t.Skip("ECS has no such disk")
		}
		want := diskspec.Spec{
			Type: volume.DiskType{Category: category, PerformanceLevel: level}, SizeGiB: size, ProvisionedIOPS: iops, Bursting: bursting, MultiAttach: multiAttach,
		}
		if diff := cmp.Diff(want, parseDisk(diskText(want))); diff != "" {
			t.Errorf("disk (-want +got):\n%s", diff)
		}
	})
}
