// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/sites"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
)

// csiVolume returns a disk's volume, changed.
func csiVolume(change func(*corev1.PersistentVolume)) *corev1.PersistentVolume {
	pv := pvOf(simecs.DiskInfo{ID: "d-1", Zone: homeZone, Category: "cloud_essd", PerformanceLevel: "PL1", Size: 20}, "shop/data")
	change(pv)
	return pv
}

func unchanged(*corev1.PersistentVolume) {}

func flexVolume(pv *corev1.PersistentVolume) {
	pv.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{FlexVolume: &corev1.FlexPersistentVolumeSource{
		Driver: volume.FlexDriverDisk, Options: map[string]string{"VolumeId": "d-1"},
	}}
}

func TestGetVolumeID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config map[string]string
		change func(*corev1.PersistentVolume)
		want   string
	}{
		{name: "a disk of the CSI driver", change: unchanged, want: "d-1"},
		{name: "a disk of FlexVolume", change: flexVolume, want: "d-1"},
		{name: "a disk in block mode", change: func(pv *corev1.PersistentVolume) { pv.Spec.VolumeMode = new(corev1.PersistentVolumeBlock) }, want: "d-1"},
		{name: "a regional disk", change: func(pv *corev1.PersistentVolume) {
			pv.Labels[volume.LabelDiskType] = "cloud_regional_disk_auto"
			inRegion(pv)
		}, want: "d-1"},
		{name: "a file system of Alibaba Cloud", change: func(pv *corev1.PersistentVolume) { pv.Spec.CSI.Driver = volume.DriverNAS }},
		{name: "another cloud's disk", change: func(pv *corev1.PersistentVolume) { pv.Spec.CSI.Driver = "ebs.csi.aws.com" }},
		{name: "a directory of a node", change: func(pv *corev1.PersistentVolume) {
			pv.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}}
		}},
		{name: "a disk that is left to Cloud Backup", config: map[string]string{"enableECSSnapshot": "false"}, change: unchanged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := offline(t, tt.config)
			got, err := s.GetVolumeID(item(t, csiVolume(tt.change)))
			if err != nil || got != tt.want {
				t.Errorf("id %q, want %q, error %v", got, tt.want, err)
			}
		})
	}
}

// offline returns a Snapshotter that can call nothing.
func offline(t *testing.T, config map[string]string) *Snapshotter {
	t.Helper()
	s := New(nil, nil, nil, nil, noVariables)
	if err := s.Init(config); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSetVolumeIDOfADisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	moved := w.addDisk(t, simecs.DiskConfig{Zone: otherZone})
	converted := w.addDisk(t, simecs.DiskConfig{Category: "cloud_auto"})
	regional := w.addDisk(t, simecs.DiskConfig{Category: "cloud_regional_disk_auto"})
	tests := []struct {
		name     string
		id       string
		old, new func(*corev1.PersistentVolume)
	}{
		{
			name: "the id and the zone, wherever the volume names them", id: moved,
			old: func(pv *corev1.PersistentVolume) { pv.Labels[corev1.LabelTopologyZone] = homeZone },
			new: func(pv *corev1.PersistentVolume) {
				pv.Spec.CSI.VolumeHandle = moved
				pv.Labels[corev1.LabelTopologyZone] = otherZone
				pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values = []string{otherZone}
			},
		},
		{
			name: "no zone that was added for the backup, but that of the disk", id: moved,
			old: inZoneOfBackup,
			new: func(pv *corev1.PersistentVolume) {
				pv.Spec.CSI.VolumeHandle = moved
				pv.Annotations = map[string]string{}
				pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values = []string{otherZone}
			},
		},
		{
			name: "no zone that was added for the backup on a regional disk", id: regional,
			old: inZoneOfBackup,
			new: func(pv *corev1.PersistentVolume) {
				pv.Spec.CSI.VolumeHandle = regional
				pv.Annotations = map[string]string{}
				pv.Labels[volume.LabelDiskType] = "cloud_regional_disk_auto"
				inRegion(pv)
			},
		},
		{
			name: "no zone that was added for the backup on a disk that is yet to be made", id: "pending:cn-beijing/s-1",
			old: inZoneOfBackup,
			new: func(pv *corev1.PersistentVolume) {
				pv.Annotations = map[string]string{}
				pv.Spec.CSI.VolumeHandle = "pending:cn-beijing/s-1"
			},
		},
		{
			name: "a volume of FlexVolume that is named after its disk", id: moved,
			old: func(pv *corev1.PersistentVolume) { flexVolume(pv); pv.Name = "d-1" },
			new: func(pv *corev1.PersistentVolume) {
				flexVolume(pv)
				pv.Name, pv.Spec.FlexVolume.Options["VolumeId"] = moved, moved
				pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values = []string{otherZone}
			},
		},
		{
			name: "a volume that names no place gets none", id: moved,
			old: func(pv *corev1.PersistentVolume) { pv.Spec.NodeAffinity = nil },
			new: func(pv *corev1.PersistentVolume) {
				pv.Spec.NodeAffinity, pv.Spec.CSI.VolumeHandle = nil, moved
			},
		},
		{
			name: "the type, where the volume names another", id: converted,
			old: func(pv *corev1.PersistentVolume) {
				pv.Spec.CSI.VolumeAttributes = map[string]string{"type": "cloud_essd", "fsType": "ext4"}
			},
			new: func(pv *corev1.PersistentVolume) {
				pv.Spec.CSI.VolumeHandle, pv.Spec.CSI.VolumeAttributes = converted, map[string]string{"type": "cloud_auto", "fsType": "ext4"}
				pv.Labels[volume.LabelDiskType] = "cloud_auto"
			},
		},
		{
			name: "a regional disk is in its region, and in no zone", id: regional,
			old: unchanged,
			new: func(pv *corev1.PersistentVolume) {
				pv.Spec.CSI.VolumeHandle = regional
				pv.Labels[volume.LabelDiskType] = "cloud_regional_disk_auto"
				inRegion(pv)
			},
		},
		{
			name: "what was a regional disk is in the zone of the new one", id: moved,
			old: func(pv *corev1.PersistentVolume) {
				pv.Labels[volume.LabelDiskType] = "cloud_regional_disk_auto"
				inRegion(pv)
			},
			new: func(pv *corev1.PersistentVolume) {
				pv.Spec.CSI.VolumeHandle = moved
				inRegion(pv)
				term := &pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0]
				term.MatchExpressions = append(term.MatchExpressions, corev1.NodeSelectorRequirement{
					Key: volume.LabelDiskZone, Operator: corev1.NodeSelectorOpIn, Values: []string{otherZone},
				})
			},
		},
		{
			name: "a disk that is not there keeps the place of the volume", id: "d-gone",
			old: unchanged,
			new: func(pv *corev1.PersistentVolume) { pv.Spec.CSI.VolumeHandle = "d-gone" },
		},
		{
			name: "a volume whose disk is yet to be made keeps its place and name", id: "pending:cn-beijing/s-1",
			old: func(pv *corev1.PersistentVolume) { pv.Name = "d-1" },
			new: func(pv *corev1.PersistentVolume) { pv.Name, pv.Spec.CSI.VolumeHandle = "d-1", "pending:cn-beijing/s-1" },
		},
		{
			name: "another vendor's volume stays as it is", id: moved,
			old: func(pv *corev1.PersistentVolume) { pv.Spec.CSI.Driver = "ebs.csi.aws.com" },
			new: func(pv *corev1.PersistentVolume) { pv.Spec.CSI.Driver = "ebs.csi.aws.com" },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := w.SetVolumeID(item(t, csiVolume(tt.old)), tt.id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(item(t, csiVolume(tt.new)).Object, got.UnstructuredContent()); diff != "" {
				t.Errorf("volume (-want +got):\n%s", diff)
			}
		})
	}
}

// inRegion makes the volume one that any zone of the home region can have.
func inRegion(pv *corev1.PersistentVolume) {
	pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0] = corev1.NodeSelectorRequirement{
		Key: corev1.LabelTopologyRegion, Operator: corev1.NodeSelectorOpIn, Values: []string{home},
	}
}

// inZoneOfBackup is what volume-topology does to a volume in a backup.
func inZoneOfBackup(pv *corev1.PersistentVolume) {
	pv.Labels[corev1.LabelTopologyZone] = homeZone
	pv.Annotations = map[string]string{volume.AnnotationZone: homeZone}
}

func TestBeforeInitNothingWorks(t *testing.T) {
	t.Parallel()
	s := New(nil, nil, nil, nil, noVariables)
	if err := s.Init(map[string]string{"network": "x"}); err == nil {
		t.Error("Init took a config with a mistake")
	}
	pv := item(t, csiVolume(unchanged))
	calls := map[string]func() error{
		"GetVolumeID":              func() error { _, err := s.GetVolumeID(pv); return err },
		"SetVolumeID":              func() error { _, err := s.SetVolumeID(pv, "d-2"); return err },
		"GetVolumeInfo":            func() error { _, _, err := s.GetVolumeInfo("d-1", ""); return err },
		"CreateSnapshot":           func() error { _, err := s.CreateSnapshot("d-1", "", nil); return err },
		"DeleteSnapshot":           func() error { return s.DeleteSnapshot("s-1") },
		"CreateVolumeFromSnapshot": func() error { _, err := s.CreateVolumeFromSnapshot("s-1", "", "", nil); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, sites.ErrNotInitialised) {
			t.Errorf("%s: error %v, want %v", name, err, sites.ErrNotInitialised)
		}
	}
}

func TestWhatIsNoVolume(t *testing.T) {
	t.Parallel()
	s := offline(t, nil)
	broken := &unstructured.Unstructured{Object: map[string]any{"spec": "none"}}
	if _, err := s.GetVolumeID(broken); err == nil {
		t.Error("GetVolumeID took it")
	}
	if _, err := s.SetVolumeID(broken, "d-1"); err == nil {
		t.Error("SetVolumeID took it")
	}
}

func TestTheOfficialPluginsVariable(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"false": true, "true": false, "": false} {
		s := New(nil, nil, nil, nil, func(string) string { return value })
		if err := s.Init(nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(alicloud.ECSConfig{NotOnECS: want}, siteOf(t, s).ecs); diff != "" {
			t.Errorf("VELERO_FOR_ACK=%q (-want +got):\n%s", value, diff)
		}
	}
}

func TestAProcessKeepsWhatItKnowsOfALocation(t *testing.T) {
	t.Parallel()
	s := offline(t, map[string]string{"region": home, "zone": homeZone})
	first := siteOf(t, s)
	if err := s.Init(map[string]string{"region": away}); err != nil {
		t.Fatal(err)
	}
	if siteOf(t, s) == first {
		t.Error("another location is the same site")
	}
	if err := s.Init(map[string]string{"zone": homeZone, "region": home}); err != nil {
		t.Fatal(err)
	}
	if siteOf(t, s) != first {
		t.Error("the same location is another site")
	}
}

func TestGetVolumeInfo(t *testing.T) {
	t.Parallel()
	type info struct {
		Kind string
		IOPS *int64
	}
	w := newWorld(t)
	auto := w.addDisk(t, simecs.DiskConfig{Category: "cloud_auto", Size: 100, ProvisionedIOPS: 1000})
	w.create(t, backupNamed("daily", velerov1.BackupPhaseInProgress), csiVolume(unchanged))
	tests := []struct {
		name, id string
		want     info
	}{
		{"category and level", w.addDisk(t, simecs.DiskConfig{PerformanceLevel: "PL0", Size: 40}), info{Kind: "cloud_essd.PL0"}},
		{"a category without levels", w.addDisk(t, simecs.DiskConfig{Category: "cloud_ssd"}), info{Kind: "cloud_ssd"}},
		{"provisioned IOPS", auto, info{Kind: "cloud_auto", IOPS: new(int64(1000))}},
		{"what the volume tells of a disk that is not there", "d-1", info{Kind: "cloud_essd.PL1"}},
		{"nothing of a disk that nobody knows", "d-2", info{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			kind, iops, err := w.GetVolumeInfo(tt.id, "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, info{kind, iops}); diff != "" {
				t.Errorf("info (-want +got):\n%s", diff)
			}
		})
	}
}
