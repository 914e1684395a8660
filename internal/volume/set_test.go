// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func csi(driver string, attributes map[string]string) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: "pv-1", VolumeAttributes: attributes}}
}

func flexVolume(driver string, options map[string]string) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{FlexVolume: &corev1.FlexPersistentVolumeSource{Driver: driver, Options: options}}
}

// volumeWith returns a volume that has more than its source.
func volumeWith(source corev1.PersistentVolumeSource) *corev1.PersistentVolume {
	pv := &corev1.PersistentVolume{}
	pv.Name = "pv-1"
	pv.Spec.MountOptions = []string{"vers=3"}
	pv.Spec.PersistentVolumeSource = source
	return pv
}

// checkSet holds that a volume of one source becomes one of another, and is not modified.
func checkSet(t *testing.T, source, want corev1.PersistentVolumeSource, set func(*corev1.PersistentVolume) *corev1.PersistentVolume) {
	t.Helper()
	pv := volumeWith(source)
	before := pv.DeepCopy()
	if diff := cmp.Diff(volumeWith(want), set(pv)); diff != "" {
		t.Errorf("volume (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, pv); diff != "" {
		t.Errorf("the argument was modified (-before +after):\n%s", diff)
	}
}

func TestSetFileSystem(t *testing.T) {
	t.Parallel()
	const had, other = "fs1-abc12.cn-hangzhou.nas.aliyuncs.com", "fs2-abc12.cn-hangzhou.nas.aliyuncs.com"
	nfs := func(server, path string) corev1.PersistentVolumeSource {
		return corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: server, Path: path, ReadOnly: true}}
	}
	for name, test := range map[string]struct {
		source, want corev1.PersistentVolumeSource
		server, path string
	}{
		"another directory of CSI": {
			source: csi(DriverNAS, map[string]string{"server": had, "path": "/a", "volumeAs": "subpath", "containerNetworkFileSystem": "c"}),
			server: had, path: "/b",
			want: csi(DriverNAS, map[string]string{"server": had, "path": "/b", "volumeAs": "subpath", "containerNetworkFileSystem": "c"}),
		},
		"another directory of CPFS": {
			source: csi(DriverNAS, map[string]string{"server": "cpfs-1-a.cn-hangzhou.cpfs.aliyuncs.com", "path": "/share/a", "mountProtocol": "cpfs-nfs"}),
			server: "cpfs-1-a.cn-hangzhou.cpfs.aliyuncs.com", path: "/share/b",
			want: csi(DriverNAS, map[string]string{"server": "cpfs-1-a.cn-hangzhou.cpfs.aliyuncs.com", "path": "/share/b", "mountProtocol": "cpfs-nfs"}),
		},
		"another file system of CPFS, which a handle may name": {
			source: csi(DriverBMCPFS, map[string]string{"vpcMountTarget": "cpfs-1-a.cn-hangzhou.cpfs.aliyuncs.com", "path": "/a"}),
			server: "cpfs-2-a.cn-hangzhou.cpfs.aliyuncs.com", path: "/b",
			want: csi(DriverBMCPFS, map[string]string{"vpcMountTarget": "cpfs-1-a.cn-hangzhou.cpfs.aliyuncs.com", "path": "/a"}),
		},
		"another directory of CPFS for Lingjun": {
			source: csi(DriverBMCPFS, map[string]string{"vpcMountTarget": "cpfs-1-a.cn-hangzhou.cpfs.aliyuncs.com", "path": "/a"}),
			server: "cpfs-1-a.cn-hangzhou.cpfs.aliyuncs.com", path: "/b",
			want: csi(DriverBMCPFS, map[string]string{"vpcMountTarget": "cpfs-1-a.cn-hangzhou.cpfs.aliyuncs.com", "path": "/b"}),
		},
		"another directory of CPFS by Lustre": {
			source: flexVolume(FlexDriverCPFS, map[string]string{"server": "cpfs-1-a.cn-hangzhou.cpfs.nas.aliyuncs.com@tcp:/1", "subPath": "a"}),
			server: "cpfs-1-a.cn-hangzhou.cpfs.nas.aliyuncs.com", path: "/b",
			want: flexVolume(FlexDriverCPFS, map[string]string{"server": "cpfs-1-a.cn-hangzhou.cpfs.nas.aliyuncs.com@tcp:/1", "subPath": "/b"}),
		},
		"a directory of another server": {source: nfs("10.0.0.1", "/a"), server: "10.0.0.1", path: "/b", want: nfs("10.0.0.1", "/b")},
		"another file system, which no CNFS describes": {
			source: csi(DriverNAS, map[string]string{"Server": had, "path": "/a", "fileSystemId": "fs1", "containerNetworkFileSystem": "c"}),
			server: other, path: "b/",
			want: csi(DriverNAS, map[string]string{"Server": other, "path": "/b", "fileSystemId": "fs2"}),
		},
		"a volume without attributes": {
			source: csi(DriverNAS, nil), server: other, path: "/b", want: csi(DriverNAS, map[string]string{"server": other, "path": "/b"}),
		},
		"FlexVolume": {
			source: flexVolume(FlexDriverNAS, map[string]string{"server": had, "vers": "3"}), server: had, path: "/b",
			want: flexVolume(FlexDriverNAS, map[string]string{"server": had, "vers": "3", "path": "/b"}),
		},
		"FlexVolume without options": {
			source: flexVolume(FlexDriverNAS, nil), server: had, path: "/b",
			want: flexVolume(FlexDriverNAS, map[string]string{"server": had, "path": "/b"}),
		},
		"in-tree NFS":           {source: nfs(had, "/a"), server: other, path: "/b", want: nfs(other, "/b")},
		"no server":             {source: nfs(had, "/a"), path: "/b", want: nfs(had, "/a")},
		"NFS of somebody else":  {source: nfs("10.0.0.1", "/a"), server: other, path: "/b", want: nfs("10.0.0.1", "/a")},
		"a volume of OSS":       {source: csi(DriverOSS, nil), server: other, path: "/b", want: csi(DriverOSS, nil)},
		"a volume of a disk":    {source: csi(DriverDisk, nil), server: other, path: "/b", want: csi(DriverDisk, nil)},
		"a volume of no source": {server: other, path: "/b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkSet(t, test.source, test.want, func(pv *corev1.PersistentVolume) *corev1.PersistentVolume {
				return SetFileSystem(pv, test.server, test.path)
			})
		})
	}
}

func TestSetBucket(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source, want corev1.PersistentVolumeSource
		bucket       string
	}{
		"another directory of CSI": {
			source: csi(DriverOSS, map[string]string{"bucket": "a", "path": "/a", "url": "u", "containerNetworkFileSystem": "c"}), bucket: "a",
			want: csi(DriverOSS, map[string]string{"bucket": "a", "path": "/new/one", "url": "u", "containerNetworkFileSystem": "c"}),
		},
		"another bucket, which no CNFS describes": {
			source: csi(DriverOSS, map[string]string{"bucket": "a", "url": "u", "containerNetworkFileSystem": "c"}), bucket: "b",
			want: csi(DriverOSS, map[string]string{"bucket": "b", "path": "/new/one", "url": "u"}),
		},
		"FlexVolume": {
			source: flexVolume(FlexDriverOSS, map[string]string{"bucket": "a", "otherOpts": "-o x"}), bucket: "a",
			want: flexVolume(FlexDriverOSS, map[string]string{"bucket": "a", "otherOpts": "-o x", "path": "/new/one"}),
		},
		"no bucket":       {source: csi(DriverOSS, map[string]string{"bucket": "a"}), want: csi(DriverOSS, map[string]string{"bucket": "a"})},
		"a volume of NAS": {source: csi(DriverNAS, nil), bucket: "b", want: csi(DriverNAS, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkSet(t, test.source, test.want, func(pv *corev1.PersistentVolume) *corev1.PersistentVolume {
				return SetBucket(pv, test.bucket, "new/one/")
			})
		})
	}
}
