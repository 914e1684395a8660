// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// volumeFrom returns the PersistentVolume of a YAML text.
func volumeFrom(tb testing.TB, text string) *corev1.PersistentVolume {
	tb.Helper()
	pv := &corev1.PersistentVolume{}
	if err := yaml.UnmarshalStrict([]byte(text), pv); err != nil {
		tb.Fatalf("the test's PersistentVolume: %v", err)
	}
	return pv
}

// Volumes of all kinds.
const (
	nasVolume        = `spec: {csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: nas-1, volumeAttributes: {server: 31a8e4-x.cn-hangzhou.nas.aliyuncs.com, path: /shop}}}`
	nasFlexVolume    = `spec: {flexVolume: {driver: alicloud/nas, options: {server: 31a8e4-x.cn-hangzhou.nas.aliyuncs.com, path: /shop}}}`
	nasInTree        = `spec: {nfs: {server: 31a8e4-x.cn-hangzhou.nas.aliyuncs.com, path: /shop}}`
	extremeNAS       = `spec: {nfs: {server: 0a1b2c.cn-hangzhou.extreme.nas.aliyuncs.com, path: /share}}`
	nasByCNFS        = `spec: {csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: nas-1, volumeAttributes: {containerNetworkFileSystem: cnfs-1}}}`
	ossVolume        = `spec: {csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: oss-1, volumeAttributes: {bucket: shop, url: oss-cn-hangzhou-internal.aliyuncs.com, path: /data}}}`
	ossWithoutURL    = `spec: {csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: oss-1, volumeAttributes: {bucket: shop}}}`
	ossFlexVolume    = `spec: {flexVolume: {driver: alicloud/oss, options: {bucket: shop, url: "https://oss-cn-hangzhou.aliyuncs.com"}}}`
	cpfsVolume       = `spec: {csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: cpfs-1, volumeAttributes: {mountProtocol: cpfs-nfs, server: cpfs-0123-x.cn-hangzhou.cpfs.aliyuncs.com, path: /share/a}}}`
	bmcpfsVolume     = `spec: {csi: {driver: bmcpfsplugin.csi.alibabacloud.com, volumeHandle: bmcpfs-1+a, volumeAttributes: {vpcMountTarget: cpfs-1.cn-hangzhou.cpfs.aliyuncs.com, path: /a}}}`
	localVolume      = `spec: {local: {path: /mnt/disks/1}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-1]}]}]}}}`
	localBlock       = `spec: {volumeMode: Block, local: {path: /dev/sdb}}`
	localCSI         = `spec: {csi: {driver: localplugin.csi.alibabacloud.com, volumeHandle: yoda-1}}`
	nfsVolume        = `spec: {nfs: {server: 10.0.0.9, path: /exports/a/}}`
	otherCSI         = `spec: {csi: {driver: cephfs.csi.ceph.com, volumeHandle: 0001-0024}}`
	otherBlock       = `spec: {volumeMode: Block, csi: {driver: rbd.csi.ceph.com, volumeHandle: 0001-0024}}`
	otherFlexVolume  = `spec: {flexVolume: {driver: acme/disk}}`
	inTreeDisk       = `spec: {awsElasticBlockStore: {volumeID: vol-1}}`
	diskVolume       = `spec: {csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}}`
	diskBlock        = `spec: {volumeMode: Block, csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}}`
	diskFlexVolume   = `spec: {flexVolume: {driver: alicloud/disk, options: {volumeId: d-1}}}`
	hostPathVolume   = `spec: {hostPath: {path: /data/../data/shop/}}`
	hostPathRoot     = `spec: {hostPath: {path: /data, type: DirectoryOrCreate}}`
	hostPathNear     = `spec: {hostPath: {path: /database}}`
	hostPathOutside  = `spec: {hostPath: {path: /data/../etc}}`
	hostPathSocket   = `spec: {hostPath: {path: /data/x.sock, type: Socket}}`
	anythingElseThan = `spec: {}`
)

func TestWhichVolumesAreTaken(t *testing.T) {
	t.Parallel()
	var (
		byItself     = verdict{outcome: taken, methods: []method{agentless, onNode}}
		agentlessBut = verdict{outcome: taken, methods: []method{agentless}}
		throughNode  = verdict{outcome: taken, methods: []method{onNode}}
		noAgentless  = verdict{outcome: leftWithWarning, reason: reasonAgentless}
		foreign      = verdict{outcome: left, reason: reasonForeign}
		ofECS        = verdict{outcome: left, reason: reasonECS}
		block        = verdict{outcome: refused, reason: reasonBlock}
		noHostPath   = verdict{outcome: leftWithWarning, reason: reasonHostPath}
		unnamed      = verdict{outcome: taken, methods: []method{onNode}, reason: reasonUnnamed}
		elsewhere    = verdict{outcome: taken, methods: []method{onNode}, reason: "it is in cn-hangzhou, and a vault of cn-beijing takes what is there alone"}
	)
	type volumes map[string]string
	tests := []struct {
		name    string
		config  map[string]string
		region  string
		want    verdict
		volumes volumes
	}{
		{
			"NAS and OSS are read by Cloud Backup itself", nil, "cn-hangzhou", byItself,
			volumes{
				"NAS by CSI": nasVolume, "NAS by FlexVolume": nasFlexVolume, "NAS in-tree": nasInTree, "Extreme NAS": extremeNAS,
				"OSS by CSI": ossVolume, "OSS by FlexVolume": ossFlexVolume, "OSS without an address": ossWithoutURL,
			},
		},
		{
			"and by nothing else with method agentless",
			map[string]string{"method": "agentless"},
			"cn-hangzhou", agentlessBut,
			volumes{"NAS": nasVolume, "OSS": ossVolume},
		},
		{
			"and through a node with method node",
			map[string]string{"method": "node"},
			"cn-hangzhou", throughNode,
			volumes{"NAS": nasVolume, "OSS": ossVolume, "NAS that is not named": nasByCNFS},
		},
		{
			"a region that is not known yet is no obstacle", nil, "", byItself,
			volumes{"NAS": nasVolume, "OSS": ossVolume},
		},
		{
			"storage of another region is read through a node", nil, "cn-beijing", elsewhere,
			volumes{"NAS": nasVolume, "Extreme NAS": extremeNAS, "OSS": ossVolume, "OSS by FlexVolume": ossFlexVolume},
		},
		{
			"or refused with method agentless",
			map[string]string{"method": "agentless"},
			"cn-beijing",
			verdict{outcome: refused, reason: elsewhere.reason},
			volumes{"NAS": nasVolume},
		},
		{
			"a file system that is not named is read through a node", nil, "cn-hangzhou", unnamed,
			volumes{"NAS by CNFS": nasByCNFS},
		},
		{
			"all other file systems are read through a node", nil, "cn-hangzhou", throughNode,
			volumes{
				"CPFS": cpfsVolume, "CPFS for Lingjun": bmcpfsVolume, "local": localVolume, "local by CSI": localCSI,
				"NFS": nfsVolume, "CSI": otherCSI,
			},
		},
		{
			"which method agentless forbids",
			map[string]string{"method": "agentless", "enableECSSnapshot": "false", "hostPathRoot": "/data"},
			"cn-hangzhou", noAgentless,
			volumes{"CPFS": cpfsVolume, "local": localVolume, "NFS": nfsVolume, "CSI": otherCSI, "disk": diskVolume, "hostPath": hostPathVolume},
		},
		{
			"what is no file system of CSI is left",
			map[string]string{"enableECSSnapshot": "false"},
			"cn-hangzhou", foreign,
			volumes{"CSI block": otherBlock, "FlexVolume": otherFlexVolume, "in-tree disk": inTreeDisk, "nothing": anythingElseThan},
		},
		{
			"disks are left to ECS", nil, "cn-hangzhou", ofECS,
			volumes{"disk": diskVolume, "block": diskBlock, "FlexVolume": diskFlexVolume},
		},
		{
			"unless ECS snapshots are off",
			map[string]string{"enableECSSnapshot": "false"},
			"cn-hangzhou", throughNode,
			volumes{"disk": diskVolume, "FlexVolume": diskFlexVolume},
		},
		{
			"block devices are refused",
			map[string]string{"enableECSSnapshot": "false"},
			"cn-hangzhou", block,
			volumes{"disk": diskBlock, "local": localBlock},
		},
		{
			"hostPath is left with a warning", nil, "cn-hangzhou", noHostPath,
			volumes{"a directory": hostPathVolume, "a root": hostPathRoot},
		},
		{
			"unless the client mounts it",
			map[string]string{"hostPathRoot": "/data"},
			"cn-hangzhou", throughNode,
			volumes{"a directory": hostPathVolume, "a root": hostPathRoot},
		},
		{
			"all of a node",
			map[string]string{"hostPathRoot": "/"},
			"cn-hangzhou", throughNode,
			volumes{"a directory": hostPathVolume, "outside": hostPathOutside},
		},
		{
			"but nothing beside it, and no socket",
			map[string]string{"hostPathRoot": "/data"},
			"cn-hangzhou", noHostPath,
			volumes{"the same beginning": hostPathNear, "a way out": hostPathOutside, "a socket": hostPathSocket},
		},
	}
	for _, tt := range tests {
		for kind, text := range tt.volumes {
			t.Run(tt.name+": "+kind, func(t *testing.T) {
				t.Parallel()
				l := locationOf(t, tt.config)
				got := l.judge(volumeFrom(t, text), tt.region)
				if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(verdict{})); diff != "" {
					t.Errorf("verdict (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestDisksAreOfOneSnapshotter holds that with the same setting either this
// snapshotter or the one of ECS takes a disk, which takes them unless it is false.
func TestDisksAreOfOneSnapshotter(t *testing.T) {
	t.Parallel()
	for _, enabled := range []string{"true", "false"} {
		l := locationOf(t, map[string]string{"enableECSSnapshot": enabled})
		for _, text := range []string{diskVolume, diskBlock, diskFlexVolume} {
			if here := l.judge(volumeFrom(t, text), "").outcome != left; here != (enabled == "false") {
				t.Errorf("with enableECSSnapshot %s, %s is ours: %v", enabled, text, here)
			}
		}
	}
}

func TestOutcomesHaveNames(t *testing.T) {
	t.Parallel()
	want := []string{"left", "left with a warning", "refused", "taken"}
	var got []string
	for o := left; o <= taken; o++ {
		got = append(got, o.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestSourceOfAVolume(t *testing.T) {
	t.Parallel()
	shop := storage{fileSystem: "31a8e4", server: "31a8e4-x.cn-hangzhou.nas.aliyuncs.com", path: "/shop"}
	tests := []struct {
		name, pv string
		want     storage
	}{
		{"NAS by CSI", nasVolume, shop},
		{"NAS by FlexVolume", nasFlexVolume, shop},
		{"NAS in-tree", nasInTree, shop},
		{"Extreme NAS", extremeNAS, storage{fileSystem: "extreme-0a1b2c", server: "0a1b2c.cn-hangzhou.extreme.nas.aliyuncs.com", path: "/share"}},
		{"NAS that is not named", nasByCNFS, storage{handle: "nas-1"}},
		{"a directory of a bucket", ossVolume, storage{bucket: "shop", prefix: "data/"}},
		{"a whole bucket", ossFlexVolume, storage{bucket: "shop"}},
		{"CPFS", cpfsVolume, storage{fileSystem: "cpfs-0123", server: "cpfs-0123-x.cn-hangzhou.cpfs.aliyuncs.com", path: "/share/a"}},
		{"a local volume", localVolume, storage{path: "/mnt/disks/1", node: "node-1"}},
		{"a local volume by CSI", localCSI, storage{handle: "yoda-1"}},
		{"NFS", nfsVolume, storage{server: "10.0.0.9", path: "/exports/a"}},
		{"CSI", otherCSI, storage{handle: "0001-0024"}},
		{"a disk", diskVolume, storage{handle: "d-1"}},
		{"a disk by FlexVolume", diskFlexVolume, storage{handle: "d-1"}},
		{"a directory of a node", hostPathRoot, storage{path: "/data"}},
		{"nothing that is known", anythingElseThan, storage{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, storageOf(volumeFrom(t, tt.pv)), compareIDs); diff != "" {
				t.Errorf("source (-want +got):\n%s", diff)
			}
		})
	}
}
