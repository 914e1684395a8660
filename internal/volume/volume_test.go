// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// facts is all that this package reads from a PersistentVolume.
type facts struct {
	Kind       Kind
	Form       Form
	DiskID     string
	DiskType   DiskType
	Regional   bool
	Zones      []string
	Regions    []string
	FileSystem FileSystem
	Bucket     Bucket
	LocalPath  string
	Block      bool
	GiB        int64
}

func factsOf(pv *corev1.PersistentVolume) facts {
	fs, _ := FileSystemOf(pv)
	bucket, _ := BucketOf(pv)
	return facts{
		Kind: KindOf(pv), Form: FormOf(pv),
		DiskID: DiskID(pv), DiskType: DiskTypeOf(pv), Regional: IsRegional(pv),
		Zones: Zones(pv), Regions: Regions(pv),
		FileSystem: fs, Bucket: bucket, LocalPath: LocalPath(pv),
		Block: IsBlock(pv), GiB: CapacityGiB(pv),
	}
}

type shape struct {
	name string
	pv   string
	want facts
}

// shapes are PersistentVolumes as clusters hold them.
func shapes() []shape {
	var all []shape
	all = append(all, diskShapes()...)
	all = append(all, fileSystemShapes()...)
	all = append(all, bucketShapes()...)
	all = append(all, nodeShapes()...)
	return append(all, foreignShapes()...)
}

func diskShapes() []shape {
	return []shape{
		{
			name: "a disk that the CSI driver made on ACK",
			pv: `
metadata:
  name: d-2zefofsg0uzoia
  labels:
    csi.alibabacloud.com/disktype: cloud_essd.PL1
    failure-domain.beta.kubernetes.io/region: cn-beijing
    failure-domain.beta.kubernetes.io/zone: cn-beijing-k
spec:
  capacity: {storage: 20Gi}
  volumeMode: Filesystem
  csi:
    driver: diskplugin.csi.alibabacloud.com
    volumeHandle: d-2zefofsg0uzoia
    volumeAttributes: {type: "cloud_essd,cloud_ssd", performanceLevel: "PL0,PL1"}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-beijing-k]}
`,
			want: facts{
				Kind: KindDisk, Form: FormCSI, DiskID: "d-2zefofsg0uzoia",
				DiskType: DiskType{Category: "cloud_essd", PerformanceLevel: "PL1"},
				Zones:    []string{"cn-beijing-k"}, Regions: []string{"cn-beijing"}, GiB: 20,
			},
		},
		{
			name: "a disk whose type only the attributes know",
			pv: `
metadata: {name: pvc-1}
spec:
  capacity: {storage: 1500Mi}
  csi:
    driver: diskplugin.csi.alibabacloud.com
    volumeHandle: d-1
    volumeAttributes: {type: cloud_essd, performanceLevel: PL2}
`,
			want: facts{
				Kind: KindDisk, Form: FormCSI, DiskID: "d-1",
				DiskType: DiskType{Category: "cloud_essd", PerformanceLevel: "PL2"}, GiB: 2,
			},
		},
		{
			name: "a disk with a level that its category does not have",
			pv: `
metadata: {name: pvc-1}
spec:
  csi:
    driver: diskplugin.csi.alibabacloud.com
    volumeHandle: d-1
    volumeAttributes: {type: cloud_auto, performanceLevel: PL1}
`,
			want: facts{Kind: KindDisk, Form: FormCSI, DiskID: "d-1", DiskType: DiskType{Category: "cloud_auto"}},
		},
		{
			name: "a disk whose StorageClass left the category to the driver",
			pv: `
metadata: {name: pvc-1}
spec:
  csi:
    driver: diskplugin.csi.alibabacloud.com
    volumeHandle: d-1
    volumeAttributes: {type: available}
`,
			want: facts{Kind: KindDisk, Form: FormCSI, DiskID: "d-1"},
		},
		{
			name: "a static disk in block mode with the upstream topology key",
			pv: `
metadata: {name: static}
spec:
  volumeMode: Block
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/zone, operator: In, values: [cn-hangzhou-h]}
        - {key: kubernetes.io/arch, operator: In, values: [amd64]}
`,
			want: facts{Kind: KindDisk, Form: FormCSI, DiskID: "d-1", Zones: []string{"cn-hangzhou-h"}, Block: true},
		},
		{
			name: "a disk that names its zone with every key",
			pv: `
metadata:
  name: d-1
  labels: {topology.kubernetes.io/zone: cn-hangzhou-i, topology.kubernetes.io/region: cn-hangzhou}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-h]}
      - matchExpressions:
        - {key: topology.kubernetes.io/zone, operator: In, values: [cn-hangzhou-h]}
        - {key: topology.kubernetes.io/zone, operator: NotIn, values: [cn-hangzhou-b]}
`,
			want: facts{
				Kind: KindDisk, Form: FormCSI, DiskID: "d-1",
				Zones: []string{"cn-hangzhou-h", "cn-hangzhou-i"}, Regions: []string{"cn-hangzhou"},
			},
		},
		{
			name: "a regional disk with its category",
			pv: `
metadata:
  name: d-1
  labels: {csi.alibabacloud.com/disktype: cloud_regional_disk_auto}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/region, operator: In, values: [cn-hangzhou]}
`,
			want: facts{
				Kind: KindDisk, Form: FormCSI, DiskID: "d-1",
				DiskType: DiskType{Category: "cloud_regional_disk_auto"}, Regional: true, Regions: []string{"cn-hangzhou"},
			},
		},
		{
			name: "a regional disk that only its topology tells",
			pv: `
metadata: {name: d-1}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/region, operator: In, values: [cn-hangzhou]}
`,
			want: facts{Kind: KindDisk, Form: FormCSI, DiskID: "d-1", Regional: true, Regions: []string{"cn-hangzhou"}},
		},
		{
			name: "a FlexVolume disk of the provisioner",
			pv: `
metadata:
  name: d-wz9g2j5qbo37r2lamkg4
  labels:
    failure-domain.beta.kubernetes.io/region: cn-shenzhen
    failure-domain.beta.kubernetes.io/zone: cn-shenzhen-e
spec:
  capacity: {storage: 30Gi}
  flexVolume: {driver: alicloud/disk, fsType: ext4, options: {VolumeId: d-wz9g2j5qbo37r2lamkg4}}
`,
			want: facts{
				Kind: KindDisk, Form: FormFlexVolume, DiskID: "d-wz9g2j5qbo37r2lamkg4",
				Zones: []string{"cn-shenzhen-e"}, Regions: []string{"cn-shenzhen"}, GiB: 30,
			},
		},
		{
			name: "a static FlexVolume disk",
			pv: `
metadata: {name: d-1}
spec:
  flexVolume: {driver: alicloud/disk, options: {volumeId: " d-1 "}}
`,
			want: facts{Kind: KindDisk, Form: FormFlexVolume, DiskID: "d-1"},
		},
		{
			name: "a FlexVolume disk with both spellings, of which the kubelet's last counts",
			pv: `
metadata: {name: d-1}
spec:
  flexVolume: {driver: alicloud/disk, options: {volumeId: d-1, VolumeId: d-2}}
`,
			want: facts{Kind: KindDisk, Form: FormFlexVolume, DiskID: "d-1"},
		},
		{
			name: "a FlexVolume disk without an id",
			pv:   `spec: {flexVolume: {driver: alicloud/disk}}`,
			want: facts{Kind: KindDisk, Form: FormFlexVolume},
		},
	}
}

func fileSystemShapes() []shape {
	return []shape{
		{
			name: "a NAS subpath of the CSI driver",
			pv: `
metadata: {name: nas-1}
spec:
  csi:
    driver: nasplugin.csi.alibabacloud.com
    volumeHandle: nas-1
    volumeAttributes:
      server: 2564f49129-ysu87.cn-shenzhen.nas.aliyuncs.com
      path: /nasroot1/nas-1/
      volumeAs: subpath
      mountProtocol: nfs
      containerNetworkFileSystem: cnfs-nas
`,
			want: facts{Kind: KindNAS, Form: FormCSI, FileSystem: FileSystem{
				ID: "2564f49129", Server: "2564f49129-ysu87.cn-shenzhen.nas.aliyuncs.com", Path: "/nasroot1/nas-1",
				Protocol: "nfs", VolumeAs: "subpath", CNFS: "cnfs-nas",
			}},
		},
		{
			name: "a NAS file system with its id among the attributes",
			pv: `
spec:
  csi:
    driver: nasplugin.csi.alibabacloud.com
    volumeAttributes: {fileSystemId: 31a8e4, Server: 10.0.0.1, volumeAs: filesystem, filesystemType: standard}
`,
			want: facts{Kind: KindNAS, Form: FormCSI, FileSystem: FileSystem{
				ID: "31a8e4", Server: "10.0.0.1", Path: "/", VolumeAs: "filesystem",
			}},
		},
		{
			name: "an Extreme NAS of FlexVolume",
			pv: `
spec:
  flexVolume: {driver: alicloud/nas, options: {server: 0088ab-sihc.cn-hangzhou.extreme.nas.aliyuncs.com, path: /share/nas}}
`,
			want: facts{Kind: KindNAS, Form: FormFlexVolume, FileSystem: FileSystem{
				ID: "extreme-0088ab", Server: "0088ab-sihc.cn-hangzhou.extreme.nas.aliyuncs.com", Path: "/share/nas",
			}},
		},
		{
			name: "a NAS mounted in-tree",
			pv:   `spec: {nfs: {server: 0cd8b4a576-grs79.cn-hangzhou.nas.aliyuncs.com, path: /k8s}}`,
			want: facts{Kind: KindNAS, Form: FormInTree, FileSystem: FileSystem{
				ID: "0cd8b4a576", Server: "0cd8b4a576-grs79.cn-hangzhou.nas.aliyuncs.com", Path: "/k8s",
			}},
		},
		{
			name: "an NFS server of one's own",
			pv:   `spec: {nfs: {server: 192.168.1.10, path: /export}}`,
			want: facts{Kind: KindNFS, Form: FormInTree, FileSystem: FileSystem{Server: "192.168.1.10", Path: "/export"}},
		},
		{
			name: "CPFS over NFS of the NAS driver",
			pv: `
spec:
  csi:
    driver: nasplugin.csi.alibabacloud.com
    volumeAttributes:
      mountProtocol: cpfs-nfs
      server: cpfs-0a9r-1b2c.cn-shanghai.cpfs.aliyuncs.com
      path: /share
`,
			want: facts{Kind: KindCPFS, Form: FormCSI, FileSystem: FileSystem{
				ID: "cpfs-0a9r", Server: "cpfs-0a9r-1b2c.cn-shanghai.cpfs.aliyuncs.com", Path: "/share", Protocol: "cpfs-nfs",
			}},
		},
		{
			name: "CPFS that only its server tells",
			pv: `
spec:
  csi:
    driver: nasplugin.csi.alibabacloud.com
    volumeAttributes: {mountProtocol: efc, server: cpfs.cn-shanghai.cpfs.aliyuncs.com}
`,
			want: facts{Kind: KindCPFS, Form: FormCSI, FileSystem: FileSystem{
				ID: "cpfs", Server: "cpfs.cn-shanghai.cpfs.aliyuncs.com", Path: "/", Protocol: "efc",
			}},
		},
		{
			name: "CPFS by its file system type",
			pv: `
spec:
  csi:
    driver: nasplugin.csi.alibabacloud.com
    volumeAttributes: {filesystemType: cpfs, containerNetworkFileSystem: cnfs-cpfs}
`,
			want: facts{Kind: KindCPFS, Form: FormCSI, FileSystem: FileSystem{Path: "/", CNFS: "cnfs-cpfs"}},
		},
		{
			name: "CPFS mounted in-tree",
			pv:   `spec: {nfs: {server: cpfs-0a9r-1b2c.cn-shanghai.cpfs.aliyuncs.com, path: /share}}`,
			want: facts{Kind: KindCPFS, Form: FormInTree, FileSystem: FileSystem{
				ID: "cpfs-0a9r", Server: "cpfs-0a9r-1b2c.cn-shanghai.cpfs.aliyuncs.com", Path: "/share",
			}},
		},
		{
			name: "CPFS of its former CSI driver",
			pv: `
spec:
  csi:
    driver: cpfsplugin.csi.alibabacloud.com
    volumeAttributes: {server: "cpfs-08fb-alup.cn-shenzhen.cpfs.nas.aliyuncs.com@tcp", fileSystem: 0237ef41, subPath: /tf_data}
`,
			want: facts{Kind: KindCPFS, Form: FormCSI, FileSystem: FileSystem{
				ID: "cpfs-08fb", Server: "cpfs-08fb-alup.cn-shenzhen.cpfs.nas.aliyuncs.com", Path: "/tf_data",
			}},
		},
		{
			name: "CPFS of FlexVolume over Lustre",
			pv: `
spec:
  flexVolume:
    driver: alicloud/cpfs
    options:
      server: cpfs-08fb-alup.cn-shenzhen.cpfs.nas.aliyuncs.com@tcp:cpfs-08fb-ws5v.cn-shenzhen.cpfs.nas.aliyuncs.com@tcp
      fileSystem: 0237ef41
      subPath: tf_data
`,
			want: facts{Kind: KindCPFS, Form: FormFlexVolume, FileSystem: FileSystem{
				ID: "cpfs-08fb", Server: "cpfs-08fb-alup.cn-shenzhen.cpfs.nas.aliyuncs.com", Path: "/tf_data",
			}},
		},
		{
			name: "CPFS for Lingjun with a fileset",
			pv: `
spec:
  csi:
    driver: bmcpfsplugin.csi.alibabacloud.com
    volumeHandle: bmcpfs-29000z8xz3lf5nj+fset-1
    volumeAttributes: {vpcMountTarget: cpfs-29-vpc-1.cn-wulanchabu.cpfs.aliyuncs.com, path: /shared}
`,
			want: facts{Kind: KindCPFS, Form: FormCSI, FileSystem: FileSystem{
				ID: "bmcpfs-29000z8xz3lf5nj", Server: "cpfs-29-vpc-1.cn-wulanchabu.cpfs.aliyuncs.com", Path: "/shared",
			}},
		},
		{
			name: "CPFS for Lingjun without a VPC mount target",
			pv: `
spec:
  csi:
    driver: bmcpfsplugin.csi.alibabacloud.com
    volumeHandle: bmcpfs-29
    volumeAttributes: {vscMountTarget: cpfs-29-vsc-1.cn-wulanchabu.cpfs.aliyuncs.com}
`,
			want: facts{Kind: KindCPFS, Form: FormCSI, FileSystem: FileSystem{
				ID: "bmcpfs-29", Server: "cpfs-29-vsc-1.cn-wulanchabu.cpfs.aliyuncs.com", Path: "/",
			}},
		},
	}
}

func bucketShapes() []shape {
	return []shape{
		{
			name: "a directory of a bucket",
			pv: `
spec:
  csi:
    driver: ossplugin.csi.alibabacloud.com
    volumeAttributes: {bucket: docker, url: "http://oss-cn-hangzhou.aliyuncs.com", path: data}
`,
			want: facts{Kind: KindOSS, Form: FormCSI, Bucket: Bucket{
				Name: "docker", Path: "/data", URL: "http://oss-cn-hangzhou.aliyuncs.com",
			}},
		},
		{
			name: "a bucket that only a ContainerNetworkFileSystem names",
			pv: `
spec:
  csi: {driver: ossplugin.csi.alibabacloud.com, volumeAttributes: {containerNetworkFileSystem: cnfs-oss}}
`,
			want: facts{Kind: KindOSS, Form: FormCSI, Bucket: Bucket{Path: "/", CNFS: "cnfs-oss"}},
		},
		{
			name: "a bucket of FlexVolume",
			pv: `
spec:
  flexVolume: {driver: alicloud/oss, options: {bucket: docker, url: oss-cn-hangzhou.aliyuncs.com, akId: id, akSecret: secret}}
`,
			want: facts{Kind: KindOSS, Form: FormFlexVolume, Bucket: Bucket{
				Name: "docker", Path: "/", URL: "oss-cn-hangzhou.aliyuncs.com",
			}},
		},
	}
}

func nodeShapes() []shape {
	return []shape{
		{
			name: "a local volume in-tree",
			pv:   `spec: {capacity: {storage: "1"}, local: {path: /mnt/disks/ssd1}}`,
			want: facts{Kind: KindLocal, Form: FormInTree, LocalPath: "/mnt/disks/ssd1", GiB: 1},
		},
		{
			name: "a local volume of the CSI driver",
			pv:   `spec: {csi: {driver: localplugin.csi.alibabacloud.com, volumeAttributes: {volumeType: QuotaPath}}}`,
			want: facts{Kind: KindLocal, Form: FormCSI},
		},
		{
			name: "a local volume of open-local",
			pv:   `spec: {csi: {driver: local.csi.aliyun.com}}`,
			want: facts{Kind: KindLocal, Form: FormCSI},
		},
		{
			name: "a host path",
			pv:   `spec: {hostPath: {path: /data}}`,
			want: facts{Kind: KindHostPath, Form: FormInTree, LocalPath: "/data"},
		},
	}
}

func foreignShapes() []shape {
	return []shape{
		{
			name: "another vendor's CSI disk with zones of its own",
			pv: `
metadata:
  name: vol-0abc
  labels: {topology.kubernetes.io/zone: us-east-1a, topology.kubernetes.io/region: us-east-1}
spec:
  capacity: {storage: 8Gi}
  csi: {driver: ebs.csi.aws.com, volumeHandle: vol-0abc, volumeAttributes: {type: cloud_essd}}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/zone, operator: In, values: [us-east-1a]}
`,
			want: facts{
				Kind: KindOther, Form: FormCSI, Zones: []string{"us-east-1a"}, Regions: []string{"us-east-1"}, GiB: 8,
			},
		},
		{
			name: "another vendor's FlexVolume with an option called volumeId",
			pv:   `spec: {flexVolume: {driver: acme/disk, options: {volumeId: d-1}}}`,
			want: facts{Kind: KindOther, Form: FormFlexVolume},
		},
		{
			name: "another vendor's in-tree disk",
			pv:   `spec: {awsElasticBlockStore: {volumeID: vol-1}}`,
			want: facts{Kind: KindOther, Form: FormInTree},
		},
		{
			name: "a negative capacity",
			pv:   `spec: {capacity: {storage: "-1Gi"}}`,
			want: facts{Kind: KindOther, Form: FormInTree},
		},
		{
			name: "nothing at all",
			pv:   `{}`,
			want: facts{Kind: KindOther, Form: FormInTree},
		},
	}
}

func parse(tb testing.TB, text string) *corev1.PersistentVolume {
	tb.Helper()
	pv := &corev1.PersistentVolume{}
	if err := yaml.UnmarshalStrict([]byte(text), pv); err != nil {
		tb.Fatalf("the test's PersistentVolume: %v", err)
	}
	return pv
}

func TestWhatAVolumeIs(t *testing.T) {
	t.Parallel()
	for _, tt := range shapes() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, factsOf(parse(t, tt.pv))); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheClassOfAVolume(t *testing.T) {
	t.Parallel()
	const annotation = corev1.BetaStorageClassAnnotation
	tests := []struct {
		name        string
		annotations map[string]string
		field       string
		want        string
	}{
		{"that of the field", nil, "essd", "essd"},
		{"that of the annotation alone", map[string]string{annotation: "ssd"}, "", "ssd"},
		{"that of the annotation before that of the field", map[string]string{annotation: "ssd"}, "essd", "ssd"},
		{"none by an empty annotation", map[string]string{annotation: ""}, "essd", ""},
		{"none", nil, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Annotations: tt.annotations}}
			pv.Spec.StorageClassName = tt.field
			if got := ClassOf(pv); got != tt.want {
				t.Errorf("class %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFileSystemAndBucketAreToldFromOtherVolumes(t *testing.T) {
	t.Parallel()
	for _, tt := range shapes() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pv := parse(t, tt.pv)
			if _, got := FileSystemOf(pv); got != (tt.want.FileSystem != FileSystem{}) {
				t.Errorf("FileSystemOf reports %t", got)
			}
			if _, got := BucketOf(pv); got != (tt.want.Bucket != Bucket{}) {
				t.Errorf("BucketOf reports %t", got)
			}
		})
	}
}

func TestCapacityGiBOfTheLargestQuantity(t *testing.T) {
	t.Parallel()
	pv := parse(t, `spec: {capacity: {storage: "9223372036854775807"}}`)
	if got, want := CapacityGiB(pv), int64(1)<<33; got != want {
		t.Errorf("CapacityGiB = %d, want %d", got, want)
	}
}
