// SPDX-License-Identifier: Apache-2.0

package flexvolume_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/flexvolume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

func TestWhatAFlexVolumeBecomes(t *testing.T) {
	t.Parallel()
	const (
		nas    = "2564f49129-ysu87.cn-shenzhen.nas.aliyuncs.com"
		bucket = "oss-cn-hangzhou.aliyuncs.com"
	)
	cases := map[string]struct {
		driver, fsType string
		options        map[string]string
		want           flexvolume.Volume
	}{
		"a disk keeps its id and its file system": {
			driver: "alicloud/disk", fsType: "xfs",
			options: map[string]string{"VolumeId": " d-1 "},
			want:    flexvolume.Volume{Driver: "diskplugin.csi.alibabacloud.com", Handle: "d-1", FSType: "xfs"},
		},
		"of two spellings of an option the one that the driver takes counts, and neither is left": {
			driver:  "alicloud/disk",
			options: map[string]string{"VolumeId": "d-old", "volumeId": "pending:cn-beijing/s-1"},
			want:    flexvolume.Volume{Driver: "diskplugin.csi.alibabacloud.com", Handle: "pending:cn-beijing/s-1"},
		},
		"what nobody is known to read is kept, what the kubelet adds is not": {
			driver:  "alicloud/disk",
			options: map[string]string{"volumeId": "d-1", "type": "cloud_ssd", "note": "", "kubernetes.io/readwrite": "rw"},
			want: flexvolume.Volume{
				Driver: "diskplugin.csi.alibabacloud.com", Handle: "d-1",
				Attributes: map[string]string{"type": "cloud_ssd"},
			},
		},
		"a directory of NAS has version and options among its mount options, and a mode for all in it": {
			driver: "alicloud/nas", fsType: "ext4",
			options: map[string]string{"server": nas, "path": "/k8s", "vers": "4.0", "mode": "755", "options": "noresvport,ro"},
			want: flexvolume.Volume{
				Driver:       "nasplugin.csi.alibabacloud.com",
				Attributes:   map[string]string{"server": nas, "path": "/k8s", "mode": "755", "modeType": "recursive"},
				MountOptions: []string{"noresvport,ro", "vers=4.0"},
			},
		},
		"the root of NAS has no mode, which the FlexVolume driver left out and CSI refuses": {
			driver:  "alicloud/nas",
			options: map[string]string{"server": nas, "path": "/", "mode": "755"},
			want: flexvolume.Volume{
				Driver:     "nasplugin.csi.alibabacloud.com",
				Attributes: map[string]string{"server": nas, "path": "/"},
			},
		},
		"a bucket is read by all users, and its AccessKey is no attribute": {
			driver: "alicloud/oss",
			options: map[string]string{
				"bucket": "docs", "url": bucket, "otherOpts": "-o max_stat_cache_size=0", "AkId": "id", "akSecret": "secret",
			},
			want: flexvolume.Volume{
				Driver: "ossplugin.csi.alibabacloud.com",
				Attributes: map[string]string{
					"bucket": "docs", "url": bucket, "otherOpts": "-o allow_other -o max_stat_cache_size=0",
				},
				AccessKey: flexvolume.AccessKey{ID: "id", Secret: "secret"},
			},
		},
		"half an AccessKey is none, and is not left": {
			driver:  "alicloud/oss",
			options: map[string]string{"bucket": "docs", "url": bucket, "otherOpts": "-o allow_other", "akSecret": "secret"},
			want: flexvolume.Volume{
				Driver:     "ossplugin.csi.alibabacloud.com",
				Attributes: map[string]string{"bucket": "docs", "url": bucket, "otherOpts": "-o allow_other"},
			},
		},
		"a bucket without options is read by all users too": {
			driver:  "alicloud/oss",
			options: map[string]string{"bucket": "docs", "url": bucket, "path": "/a"},
			want: flexvolume.Volume{
				Driver:     "ossplugin.csi.alibabacloud.com",
				Attributes: map[string]string{"bucket": "docs", "url": bucket, "path": "/a", "otherOpts": "-o allow_other"},
			},
		},
		"CPFS keeps its options, and its directory begins at the root": {
			driver: "alicloud/cpfs",
			options: map[string]string{
				"server": "cpfs-1.cn-shenzhen.cpfs.nas.aliyuncs.com@tcp", "fileSystem": "0237ef41", "subPath": "tf", "options": "ro",
			},
			want: flexvolume.Volume{
				Driver: "cpfsplugin.csi.alibabacloud.com",
				Attributes: map[string]string{
					"server": "cpfs-1.cn-shenzhen.cpfs.nas.aliyuncs.com@tcp", "fileSystem": "0237ef41", "subPath": "/tf", "options": "ro",
				},
			},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := maps.Clone(test.options)
			got, err := flexvolume.ToCSI(test.driver, test.fsType, test.options)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("volume (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, test.options); diff != "" {
				t.Errorf("the options were changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestWhatNoDriverCanMount(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		driver  string
		options map[string]string
		want    string
	}{
		"a disk without an id": {
			driver: "alicloud/disk", options: map[string]string{"volumeId": " "},
			want: "a FlexVolume of alicloud/disk has no option volumeId",
		},
		"NAS without a mount target": {
			driver: "alicloud/nas", options: map[string]string{"path": "/"},
			want: "a FlexVolume of alicloud/nas has no option server",
		},
		"a bucket without a name and an endpoint": {
			driver: "alicloud/oss",
			want:   "a FlexVolume of alicloud/oss has no option bucket, url",
		},
		"CPFS without a file system": {
			driver: "alicloud/cpfs", options: map[string]string{"server": "cpfs-1"},
			want: "a FlexVolume of alicloud/cpfs has no option fileSystem",
		},
		"what is not Alibaba Cloud's": {
			driver: "acme/disk", options: map[string]string{"volumeId": "d-1"},
			want: "the FlexVolume driver acme/disk is not one of Alibaba Cloud",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := flexvolume.ToCSI(test.driver, "", test.options)
			if err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
			if diff := cmp.Diff(flexvolume.Volume{}, got); diff != "" {
				t.Errorf("volume beside the error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDrivers(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"alicloud/disk", "alicloud/nas", "alicloud/oss", "alicloud/cpfs", "acme/disk", ""} {
		if got, want := flexvolume.IsDriver(driver), strings.HasPrefix(driver, "alicloud/"); got != want {
			t.Errorf("IsDriver(%q) = %t, want %t", driver, got, want)
		}
		if got := flexvolume.CSIDriver(driver); flexvolume.IsDriver(driver) != (got != "") {
			t.Errorf("CSIDriver(%q) = %q", driver, got)
		}
	}
}

func TestWhatAStorageClassBecomes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		class, want flexvolume.Class
		foreign     bool
	}{
		"a class of disks has the names that the CSI driver reads, and its region by itself": {
			class: flexvolume.Class{Provisioner: "alicloud/disk", Parameters: map[string]string{
				"type": "cloud_ssd", "regionid": "cn-hangzhou", "zoneid": "cn-hangzhou-b", "fstype": "xfs", "encrypted": "true", "kmskeyid": "k", "x": "y",
			}},
			want: flexvolume.Class{Provisioner: "diskplugin.csi.alibabacloud.com", Parameters: map[string]string{
				"type": "cloud_ssd", "zoneId": "cn-hangzhou-b", "csi.storage.k8s.io/fstype": "xfs", "encrypted": "true", "kmsKeyId": "k", "x": "y",
			}},
		},
		"the type available is what FlexVolume tried for it": {
			class: flexvolume.Class{Provisioner: "alicloud/disk", Parameters: map[string]string{"type": "available"}},
			want: flexvolume.Class{Provisioner: "diskplugin.csi.alibabacloud.com", Parameters: map[string]string{
				"type": "cloud_essd,cloud_ssd,cloud_efficiency",
			}},
		},
		"a class of NAS makes directories": {
			class: flexvolume.Class{Provisioner: "alicloud/nas", Parameters: map[string]string{
				"server": "a.nas.aliyuncs.com:/k8s/,b.nas.aliyuncs.com:/", "driver": "flexvolume", "mode": "755", "archiveOnDelete": "false",
			}},
			want: flexvolume.Class{Provisioner: "nasplugin.csi.alibabacloud.com", Parameters: map[string]string{
				"server": "a.nas.aliyuncs.com:/k8s/,b.nas.aliyuncs.com:/", "volumeAs": "subpath", "mode": "755", "archiveOnDelete": "false",
			}},
		},
		"a class of the CSI driver is none": {
			class:   flexvolume.Class{Provisioner: "diskplugin.csi.alibabacloud.com", Parameters: map[string]string{"type": "available"}},
			foreign: true,
		},
		"OSS had no classes": {
			class:   flexvolume.Class{Provisioner: "alicloud/oss"},
			foreign: true,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := flexvolume.ClassToCSI(test.class)
			if ok == test.foreign {
				t.Errorf("one of FlexVolume: %t", ok)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("class (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTopologyKey(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"failure-domain.beta.kubernetes.io/zone":   "topology.diskplugin.csi.alibabacloud.com/zone",
		"topology.kubernetes.io/zone":              "topology.diskplugin.csi.alibabacloud.com/zone",
		"failure-domain.beta.kubernetes.io/region": "failure-domain.beta.kubernetes.io/region",
	} {
		if got := flexvolume.TopologyKey(key); got != want {
			t.Errorf("TopologyKey(%q) = %q, want %q", key, got, want)
		}
	}
}

// FuzzToCSI holds that the storage behind a volume stays the same, and that no
// AccessKey is left in the attributes.
func FuzzToCSI(f *testing.F) {
	f.Add(0, "volumeId", "d-1", "VolumeId", "d-2")
	f.Add(1, "server", "a.nas.aliyuncs.com", "path", "k8s/../x")
	f.Add(2, "akSecret", "secret", "url", "oss-cn-beijing.aliyuncs.com")
	f.Add(3, "server", "cpfs-1@tcp", "subPath", "a")
	drivers := []string{volume.FlexDriverDisk, volume.FlexDriverNAS, volume.FlexDriverOSS, volume.FlexDriverCPFS}
	f.Fuzz(func(t *testing.T, driver int, key1, value1, key2, value2 string) {
		options := map[string]string{
			"volumeId": "d-0", "server": "x.nas.aliyuncs.com", "fileSystem": "fs", "bucket": "b", "url": "u", "akId": "ak-id-0", "akSecret": "ak-secret-0",
		}
		options[key1], options[key2] = value1, value2
		flex := &corev1.PersistentVolume{}
		flex.Spec.FlexVolume = &corev1.FlexPersistentVolumeSource{Driver: drivers[uint(driver)%4], Options: options}
		converted, err := flexvolume.ToCSI(flex.Spec.FlexVolume.Driver, "", options)
		if err != nil {
			return
		}
		csi := &corev1.PersistentVolume{}
		csi.Spec.CSI = &corev1.CSIPersistentVolumeSource{
			Driver: converted.Driver, VolumeHandle: converted.Handle, VolumeAttributes: converted.Attributes,
		}
		for name := range converted.Attributes {
			if volume.KindOf(flex) == volume.KindOSS && (strings.EqualFold(name, "akId") || strings.EqualFold(name, "akSecret")) {
				t.Errorf("the attributes of %v have %s", options, name)
			}
		}
		if diff := cmp.Diff(storageOf(flex), storageOf(csi)); diff != "" {
			t.Errorf("%v is other storage (-FlexVolume +CSI):\n%s", options, diff)
		}
	})
}

// storage is what a PersistentVolume mounts.
type storage struct {
	Disk       string
	FileSystem string
	Path       string
	Bucket     volume.Bucket
}

func storageOf(pv *corev1.PersistentVolume) storage {
	fileSystem, _ := volume.FileSystemOf(pv)
	bucket, _ := volume.BucketOf(pv)
	return storage{
		Disk: volume.DiskID(pv), FileSystem: fileSystem.Server, Path: fileSystem.Path, Bucket: bucket,
	}
}
