// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestSetDisk(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		pv   string
		// disk has the id d-new.
		disk Disk
		want string
	}{
		{
			name: "in another region every label and every term follows, and nothing else",
			pv: `
metadata:
  name: d-old
  labels:
    app: db
    alicloud-pvname: d-old
    topology.kubernetes.io/zone: cn-hangzhou-h
    topology.kubernetes.io/region: cn-hangzhou
    failure-domain.beta.kubernetes.io/zone: cn-hangzhou-h
    failure-domain.beta.kubernetes.io/region: cn-hangzhou
    topology.diskplugin.csi.alibabacloud.com/zone: cn-hangzhou-h
  annotations: {note: d-old in cn-hangzhou-h}
spec:
  capacity: {storage: 20Gi}
  accessModes: [ReadWriteOnce]
  claimRef: {namespace: shop, name: data-db-0}
  mountOptions: [noatime]
  persistentVolumeReclaimPolicy: Delete
  storageClassName: alicloud-disk-topology-alltype
  volumeMode: Filesystem
  csi:
    driver: diskplugin.csi.alibabacloud.com
    fsType: ext4
    volumeHandle: d-old
    volumeAttributes: {type: cloud_essd, zoneId: "cn-hangzhou-h,cn-hangzhou-i"}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-h]}
        - {key: kubernetes.io/arch, operator: In, values: [amd64]}
      - matchExpressions:
        - {key: topology.kubernetes.io/zone, operator: In, values: [cn-hangzhou-h, cn-hangzhou-i]}
        - {key: topology.kubernetes.io/region, operator: In, values: [cn-hangzhou]}
        - {key: topology.kubernetes.io/zone, operator: NotIn, values: [cn-hangzhou-b]}
        - {key: topology.kubernetes.io/zone, operator: Exists}
`,
			disk: Disk{Location: Location{Region: "cn-beijing", Zone: "cn-beijing-k"}},
			want: `
metadata:
  name: d-new
  labels:
    app: db
    alicloud-pvname: d-old
    topology.kubernetes.io/zone: cn-beijing-k
    topology.kubernetes.io/region: cn-beijing
    failure-domain.beta.kubernetes.io/zone: cn-beijing-k
    failure-domain.beta.kubernetes.io/region: cn-beijing
    topology.diskplugin.csi.alibabacloud.com/zone: cn-beijing-k
  annotations: {note: d-old in cn-hangzhou-h}
spec:
  capacity: {storage: 20Gi}
  accessModes: [ReadWriteOnce]
  claimRef: {namespace: shop, name: data-db-0}
  mountOptions: [noatime]
  persistentVolumeReclaimPolicy: Delete
  storageClassName: alicloud-disk-topology-alltype
  volumeMode: Filesystem
  csi:
    driver: diskplugin.csi.alibabacloud.com
    fsType: ext4
    volumeHandle: d-new
    volumeAttributes: {type: cloud_essd, zoneId: "cn-hangzhou-h,cn-hangzhou-i"}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-beijing-k]}
        - {key: kubernetes.io/arch, operator: In, values: [amd64]}
      - matchExpressions:
        - {key: topology.kubernetes.io/zone, operator: In, values: [cn-beijing-k]}
        - {key: topology.kubernetes.io/region, operator: In, values: [cn-beijing]}
        - {key: topology.kubernetes.io/zone, operator: NotIn, values: [cn-hangzhou-b]}
        - {key: topology.kubernetes.io/zone, operator: Exists}
`,
		},
		{
			name: "a volume with a name of its own keeps it",
			pv: `
metadata: {name: data}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-old}
`,
			disk: Disk{Location: Location{Region: "cn-beijing", Zone: "cn-beijing-k"}},
			want: `
metadata: {name: data}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-new}
`,
		},
		{
			name: "a zone that was added for the backup is that of no other disk, and the others follow",
			pv: `
metadata:
  name: data
  labels: {topology.kubernetes.io/zone: cn-hangzhou-h, failure-domain.beta.kubernetes.io/zone: cn-hangzhou-h}
  annotations: {alibabacloud.com/zone-of-backup: cn-hangzhou-h, note: x}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-old}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-h]}
`,
			disk: Disk{Location: Location{Region: "cn-hangzhou", Zone: "cn-hangzhou-k"}},
			want: `
metadata:
  name: data
  labels: {failure-domain.beta.kubernetes.io/zone: cn-hangzhou-k}
  annotations: {note: x}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-new}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-k]}
`,
		},
		{
			name: "a zone that was added for the backup is removed where that of the disk is not known",
			pv: `
metadata: {name: data, labels: {app: db, topology.kubernetes.io/zone: cn-hangzhou-h}, annotations: {alibabacloud.com/zone-of-backup: cn-hangzhou-h}}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-old}
`,
			want: `
metadata: {name: data, labels: {app: db}}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-new}
`,
		},
		{
			name: "a zone that somebody has corrected since a backup added it is the volume's own",
			pv: `
metadata: {name: data, labels: {topology.kubernetes.io/zone: cn-hangzhou-i}, annotations: {alibabacloud.com/zone-of-backup: cn-hangzhou-h}}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-old}
`,
			want: `
metadata: {name: data, labels: {topology.kubernetes.io/zone: cn-hangzhou-i}}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-new}
`,
		},
		{
			name: "a block volume whose place is not known keeps the one it names",
			pv: `
metadata: {name: data, labels: {topology.kubernetes.io/zone: cn-hangzhou-h}}
spec:
  volumeMode: Block
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-old}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/zone, operator: In, values: [cn-hangzhou-h]}
`,
			want: `
metadata: {name: data, labels: {topology.kubernetes.io/zone: cn-hangzhou-h}}
spec:
  volumeMode: Block
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-new}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/zone, operator: In, values: [cn-hangzhou-h]}
`,
		},
		{
			name: "a regional disk moves to another region",
			pv: `
metadata: {name: data, labels: {csi.alibabacloud.com/disktype: cloud_regional_disk_auto}}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-old}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/region, operator: In, values: [cn-hangzhou]}
`,
			disk: Disk{Location: Location{Region: "cn-beijing"}},
			want: `
metadata: {name: data, labels: {csi.alibabacloud.com/disktype: cloud_regional_disk_auto}}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-new}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/region, operator: In, values: [cn-beijing]}
`,
		},
		{
			name: "a disk that becomes a regional one leaves its zone, in labels and in every term",
			pv: `
metadata:
  name: data
  labels:
    csi.alibabacloud.com/disktype: cloud_essd.PL1
    topology.kubernetes.io/zone: cn-hangzhou-h
    topology.kubernetes.io/region: cn-hangzhou
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-old, volumeAttributes: {type: cloud_essd}}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-h]}
      - matchExpressions:
        - {key: topology.kubernetes.io/zone, operator: In, values: [cn-hangzhou-h]}
        - {key: topology.kubernetes.io/region, operator: In, values: [cn-hangzhou]}
      - matchExpressions:
        - {key: kubernetes.io/arch, operator: In, values: [amd64]}
`,
			disk: Disk{Type: DiskType{Category: "cloud_regional_disk_auto"}, Location: Location{Region: "cn-beijing"}},
			want: `
metadata:
  name: data
  labels:
    csi.alibabacloud.com/disktype: cloud_regional_disk_auto
    topology.kubernetes.io/region: cn-beijing
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-new, volumeAttributes: {type: cloud_regional_disk_auto}}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/region, operator: In, values: [cn-beijing]}
      - matchExpressions:
        - {key: topology.kubernetes.io/region, operator: In, values: [cn-beijing]}
      - matchExpressions:
        - {key: kubernetes.io/arch, operator: In, values: [amd64]}
`,
		},
		{
			name: "a regional disk that becomes one of a zone is in that zone alone",
			pv: `
metadata: {name: data, labels: {csi.alibabacloud.com/disktype: cloud_regional_disk_auto}}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-old}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/region, operator: In, values: [cn-hangzhou]}
`,
			disk: Disk{Type: DiskType{Category: "cloud_essd", PerformanceLevel: "PL1"}, Location: Location{Region: "cn-beijing", Zone: "cn-beijing-k"}},
			want: `
metadata: {name: data, labels: {csi.alibabacloud.com/disktype: cloud_essd.PL1}}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-new}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/region, operator: In, values: [cn-beijing]}
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-beijing-k]}
`,
		},
		{
			name: "a disk whose place is not known keeps the zone of its volume, also as a regional one",
			pv: `
metadata: {name: data}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-old}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-h]}
`,
			disk: Disk{Type: DiskType{Category: "cloud_regional_disk_auto"}},
			want: `
metadata: {name: data}
spec:
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-new}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-h]}
`,
		},
		{
			name: "a FlexVolume disk of the provisioner",
			pv: `
metadata:
  name: d-old
  labels:
    failure-domain.beta.kubernetes.io/region: cn-shenzhen
    failure-domain.beta.kubernetes.io/zone: cn-shenzhen-e
spec:
  flexVolume: {driver: alicloud/disk, fsType: ext4, options: {VolumeId: d-old, other: d-old}}
`,
			disk: Disk{Location: Location{Region: "cn-shenzhen", Zone: "cn-shenzhen-f"}},
			want: `
metadata:
  name: d-new
  labels:
    failure-domain.beta.kubernetes.io/region: cn-shenzhen
    failure-domain.beta.kubernetes.io/zone: cn-shenzhen-f
spec:
  flexVolume: {driver: alicloud/disk, fsType: ext4, options: {VolumeId: d-new, other: d-old}}
`,
		},
		{
			name: "a disk of another category is named so wherever the volume names the old one",
			pv: `
metadata:
  name: data
  labels: {csi.alibabacloud.com/disktype: cloud_ssd}
  annotations:
    csi.alibabacloud.com/volume-topology: '{"nodeSelectorTerms":[{"matchExpressions":[{"key":"node.csi.alibabacloud.com/disktype.cloud_ssd","operator":"In","values":["available"]}]}]}'
spec:
  csi:
    driver: diskplugin.csi.alibabacloud.com
    volumeHandle: d-old
    volumeAttributes: {type: "cloud_ssd,cloud_efficiency", performanceLevel: PL0, fsType: ext4}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: node.csi.alibabacloud.com/disktype.cloud_ssd, operator: In, values: [available]}
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-h]}
`,
			disk: Disk{Type: DiskType{Category: "cloud_essd", PerformanceLevel: "PL1"}},
			want: `
metadata:
  name: data
  labels: {csi.alibabacloud.com/disktype: cloud_essd.PL1}
  annotations:
    csi.alibabacloud.com/volume-topology: '{"nodeSelectorTerms":[{"matchExpressions":[{"key":"node.csi.alibabacloud.com/disktype.cloud_essd","operator":"In","values":["available"]}]}]}'
spec:
  csi:
    driver: diskplugin.csi.alibabacloud.com
    volumeHandle: d-new
    volumeAttributes: {type: cloud_essd, performanceLevel: PL1, fsType: ext4}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: node.csi.alibabacloud.com/disktype.cloud_essd, operator: In, values: [available]}
        - {key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-h]}
`,
		},
		{
			name: "a disk of another performance level",
			pv: `
metadata: {name: data, labels: {csi.alibabacloud.com/disktype: cloud_essd.PL0}}
spec:
  csi:
    driver: diskplugin.csi.alibabacloud.com
    volumeHandle: d-old
    volumeAttributes: {type: cloud_essd, performanceLevel: "PL0,PL1"}
`,
			disk: Disk{Type: DiskType{Category: "cloud_essd", PerformanceLevel: "PL2"}},
			want: `
metadata: {name: data, labels: {csi.alibabacloud.com/disktype: cloud_essd.PL2}}
spec:
  csi:
    driver: diskplugin.csi.alibabacloud.com
    volumeHandle: d-new
    volumeAttributes: {type: cloud_essd, performanceLevel: PL2}
`,
		},
		{
			name: "a choice that the disk is of stays, and what is not named is not added",
			pv: `
metadata: {name: data, labels: {csi.alibabacloud.com/disktype: cloud_essd}}
spec:
  csi:
    driver: diskplugin.csi.alibabacloud.com
    volumeHandle: d-old
    volumeAttributes: {type: "cloud_ssd,cloud_essd"}
`,
			disk: Disk{Type: DiskType{Category: "cloud_essd", PerformanceLevel: "PL1"}},
			want: `
metadata: {name: data, labels: {csi.alibabacloud.com/disktype: cloud_essd}}
spec:
  csi:
    driver: diskplugin.csi.alibabacloud.com
    volumeHandle: d-new
    volumeAttributes: {type: "cloud_ssd,cloud_essd"}
`,
		},
		{
			name: "the old choice of any type stays",
			pv: `
spec: {csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-old, volumeAttributes: {type: available}}}
`,
			disk: Disk{Type: DiskType{Category: "cloud_auto"}},
			want: `
spec: {csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-new, volumeAttributes: {type: available}}}
`,
		},
		{
			name: "a FlexVolume disk with both spellings gets the id in both",
			pv:   `spec: {flexVolume: {driver: alicloud/disk, options: {VolumeId: d-a, volumeId: d-b}}}`,
			want: `spec: {flexVolume: {driver: alicloud/disk, options: {VolumeId: d-new, volumeId: d-new}}}`,
		},
		{
			name: "a FlexVolume disk without an id gets one",
			pv:   `spec: {flexVolume: {driver: alicloud/disk}}`,
			want: `spec: {flexVolume: {driver: alicloud/disk, options: {volumeId: d-new}}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pv := parse(t, tt.pv)
			tt.disk.ID = "d-new"
			got := SetDisk(pv, tt.disk)
			if diff := cmp.Diff(parse(t, tt.want), got); diff != "" {
				t.Errorf("restored volume (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(parse(t, tt.pv), pv); diff != "" {
				t.Errorf("SetDisk modified its argument (-before +after):\n%s", diff)
			}
		})
	}
}

func TestSetDiskWithoutAnIDChangesNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range shapes() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pv := parse(t, tt.pv)
			got := SetDisk(pv, Disk{Type: DiskType{Category: "cloud_auto"}, Location: Location{Region: "cn-beijing", Zone: "cn-beijing-k"}})
			if diff := cmp.Diff(pv, got); diff != "" {
				t.Errorf("volume (-before +after):\n%s", diff)
			}
		})
	}
}

func TestSetDiskProperties(t *testing.T) {
	t.Parallel()
	for _, tt := range shapes() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkSetDisk(t, parse(t, tt.pv), Disk{
				ID: "d-new", Type: DiskType{Category: "cloud_essd", PerformanceLevel: "PL3"}, Location: Location{Region: "cn-beijing", Zone: "cn-beijing-k"},
			})
			checkSetDisk(t, parse(t, tt.pv), Disk{
				ID: "d-new", Type: DiskType{Category: "cloud_regional_disk_auto"}, Location: Location{Region: "cn-beijing"},
			})
		})
	}
}

// checkSetDisk checks what holds for SetDisk on every volume.
func checkSetDisk(tb testing.TB, pv *corev1.PersistentVolume, to Disk) {
	tb.Helper()
	before := encode(tb, pv)
	got := SetDisk(pv, to)
	if after := encode(tb, pv); after != before {
		tb.Fatalf("SetDisk modified its argument:\n%s\n%s", before, after)
	}
	if twice := SetDisk(got, to); encode(tb, twice) != encode(tb, got) {
		tb.Errorf("SetDisk is not idempotent (-once +twice):\n%s", cmp.Diff(got, twice))
	}
	if KindOf(pv) != KindDisk {
		if after := encode(tb, got); after != before {
			tb.Errorf("SetDisk changed what is no disk:\n%s\n%s", before, after)
		}
		return
	}
	if to.ID == "" {
		return
	}
	if DiskID(got) != to.ID {
		tb.Errorf("DiskID = %q after SetDisk, want %q", DiskID(got), to.ID)
	}
	if named := DiskTypeOf(got).Category; to.Type.Category != "" && named != "" && named != to.Type.Category {
		tb.Errorf("the disk is %s and the volume still names %s", to.Type, named)
	}
	own := pv.DeepCopy()
	DropBackupMarks(own)
	zones := Zones(own)
	if to.Type.Category == categoryRegional && to.Region != "" {
		zones, to.Zone = nil, ""
	}
	checkPlace(tb, zones, Zones(got), to.Zone)
	checkPlace(tb, Regions(pv), Regions(got), to.Region)
}

// checkPlace checks the zones, or the regions, that a volume names before and after
// it was told that it is in to.
func checkPlace(tb testing.TB, before, after []string, to string) {
	tb.Helper()
	if to == "" {
		if diff := cmp.Diff(before, after); diff != "" {
			tb.Errorf("zones or regions (-before +after):\n%s", diff)
		}
		return
	}
	for _, place := range after {
		if place != to {
			tb.Errorf("the volume is in %s and still names %s", to, place)
		}
	}
}

func TestSetDiskInTheSamePlaceChangesTheIDAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range shapes() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pv := parse(t, tt.pv)
			var here Location
			if zones := Zones(pv); len(zones) == 1 {
				here.Zone = zones[0]
			}
			if regions := Regions(pv); len(regions) == 1 {
				here.Region = regions[0]
			}
			want := pv.DeepCopy()
			switch {
			case KindOf(pv) != KindDisk:
			case pv.Spec.CSI != nil:
				want.Spec.CSI.VolumeHandle = "d-new"
			default:
				want.Spec.FlexVolume.Options = flexVolumeOptions(pv, "d-new")
			}
			if KindOf(pv) == KindDisk && pv.Name == DiskID(pv) && pv.Name != "" {
				want.Name = "d-new"
			}
			if diff := cmp.Diff(want, SetDisk(pv, Disk{ID: "d-new", Type: DiskTypeOf(pv), Location: here})); diff != "" {
				t.Errorf("restored volume (-want +got):\n%s", diff)
			}
		})
	}
}

// flexVolumeOptions returns the options of pv, all of which name its disk, with id.
func flexVolumeOptions(pv *corev1.PersistentVolume, id string) map[string]string {
	options := map[string]string{}
	for key := range pv.Spec.FlexVolume.Options {
		options[key] = id
	}
	if len(options) == 0 {
		options["volumeId"] = id
	}
	return options
}

func FuzzSetDisk(f *testing.F) {
	for _, tt := range shapes() {
		f.Add(encode(f, parse(f, tt.pv)), "d-new", "cloud_essd.PL1", "cn-beijing", "cn-beijing-k")
	}
	f.Add(`{"spec":{"csi":{"driver":"diskplugin.csi.alibabacloud.com"},"flexVolume":{"driver":"alicloud/disk"}}}`, "d-new", "", "", "")
	f.Add(`{"metadata":{"labels":{"topology.kubernetes.io/zone":"a"},"annotations":{"alibabacloud.com/zone-of-backup":"a"}},"spec":{"csi":{"driver":"diskplugin.csi.alibabacloud.com"}}}`, "d-new", "", "", "")
	f.Add(`{"spec":{"capacity":{"storage":"-1e99"},"nodeAffinity":{}}}`, "d-new", "cloud_auto", "", "cn-beijing-k")
	f.Add(`{"spec":{"nfs":{"server":"-.nas.aliyuncs.com","path":"../.."}}}`, "", "", "", "")
	f.Fuzz(func(t *testing.T, text, id, kind, region, zone string) {
		pv := &corev1.PersistentVolume{}
		if json.Unmarshal([]byte(text), pv) != nil {
			return
		}
		got := factsOf(pv)
		if got.GiB < 0 {
			t.Errorf("capacity of %d GiB", got.GiB)
		}
		checkSetDisk(t, pv, Disk{ID: strings.TrimSpace(id), Type: ParseDiskType(kind), Location: Location{Region: region, Zone: zone}})
	})
}

func encode(tb testing.TB, pv *corev1.PersistentVolume) string {
	tb.Helper()
	data, err := json.Marshal(pv)
	if err != nil {
		tb.Fatalf("encode the volume: %v", err)
	}
	return string(data)
}
