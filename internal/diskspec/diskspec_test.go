// SPDX-License-Identifier: Apache-2.0

package diskspec_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// essd returns the type of an ESSD.
func essd(level string) volume.DiskType {
	return volume.DiskType{Category: diskspec.ESSD, PerformanceLevel: level}
}

func of(category string) volume.DiskType { return volume.DiskType{Category: category} }

// all is a disk with everything that any category allows.
func all(kind volume.DiskType, size int64) diskspec.Spec {
	return diskspec.Spec{
		Type: kind, Zone: "cn-hangzhou-k", SizeGiB: size, Encrypted: true, KMSKeyID: "key-1",
		ProvisionedIOPS: 1000, Bursting: true, MultiAttach: true, ResourceGroupID: "rg-1",
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	was := all(of(diskspec.AutoPL), 40)
	tests := []struct {
		name   string
		target diskspec.Target
		change func(*diskspec.Spec)
	}{
		{"a target that asks for nothing changes nothing", diskspec.Target{}, func(*diskspec.Spec) {}},
		{
			"type and zone are not decided here",
			diskspec.Target{StorageClass: "essd", Types: []volume.DiskType{essd("PL1")}, Zones: []string{"cn-beijing-k"}},
			func(*diskspec.Spec) {},
		},
		{"a size is the least one", diskspec.Target{SizeGiB: 100}, func(s *diskspec.Spec) { s.SizeGiB = 100 }},
		{"a disk is made no smaller", diskspec.Target{SizeGiB: 20}, func(*diskspec.Spec) {}},
		{
			"what is asked for beats what was",
			diskspec.Target{
				Encrypted: new(false), KMSKeyID: "key-2", ProvisionedIOPS: new(int64(0)), Bursting: new(false), MultiAttach: new(false), ResourceGroupID: "rg-2",
			},
			func(s *diskspec.Spec) {
				s.Encrypted, s.KMSKeyID, s.ProvisionedIOPS, s.Bursting, s.MultiAttach, s.ResourceGroupID = false, "key-2", 0, false, false, "rg-2"
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := was
			tt.change(&want)
			if diff := cmp.Diff(want, tt.target.Apply(was)); diff != "" {
				t.Errorf("disk (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		was  diskspec.Spec
		want diskspec.Spec
	}{
		{
			"an ESSD has no provisioned IOPS and no bursting",
			all(essd("PL1"), 40),
			diskspec.Spec{Type: essd("PL1"), Zone: "cn-hangzhou-k", SizeGiB: 40, Encrypted: true, KMSKeyID: "key-1", MultiAttach: true, ResourceGroupID: "rg-1"},
		},
		{
			"a shared AutoPL disk has no bursting",
			all(of(diskspec.AutoPL), 40),
			diskspec.Spec{Type: of(diskspec.AutoPL), Zone: "cn-hangzhou-k", SizeGiB: 40, Encrypted: true, KMSKeyID: "key-1", ProvisionedIOPS: 1000, MultiAttach: true, ResourceGroupID: "rg-1"},
		},
		{
			"an AutoPL disk keeps bursting",
			diskspec.Spec{Type: of(diskspec.AutoPL), SizeGiB: 40, Bursting: true},
			diskspec.Spec{Type: of(diskspec.AutoPL), SizeGiB: 40, Bursting: true},
		},
		{
			"a regional disk is in no zone",
			all(of(diskspec.Regional), 40),
			diskspec.Spec{Type: of(diskspec.Regional), SizeGiB: 40, Encrypted: true, KMSKeyID: "key-1", ResourceGroupID: "rg-1"},
		},
		{
			"a level is that of an ESSD alone",
			diskspec.Spec{Type: volume.DiskType{Category: "cloud_ssd", PerformanceLevel: "PL1"}, SizeGiB: 40},
			diskspec.Spec{Type: of("cloud_ssd"), SizeGiB: 40},
		},
		{
			"a category that is not known stays as it is",
			all(of("cloud_next"), 10),
			all(of("cloud_next"), 20),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.was.Fit()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("disk (-want +got):\n%s", diff)
			}
			if again, err := got.Fit(); err != nil || again != got {
				t.Errorf("fitted again it is %+v, error %v", again, err)
			}
		})
	}
}

func TestTheLeastSizeOfADisk(t *testing.T) {
	t.Parallel()
	for kind, want := range map[volume.DiskType]int64{
		of("cloud"): 20, of("cloud_efficiency"): 20, of("cloud_ssd"): 20, of("cloud_auto"): 20, of("cloud_essd_entry"): 20,
		of("cloud_regional_disk_auto"): 20, essd(""): 20, essd("PL0"): 20, essd("PL1"): 20, essd("PL2"): 461, essd("PL3"): 1261,
	} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			got, err := diskspec.Spec{Type: kind, SizeGiB: 5}.Fit()
			if err != nil || got.SizeGiB != want {
				t.Errorf("%d GiB, want %d, error %v", got.SizeGiB, want, err)
			}
		})
	}
}

func TestDisksThatCannotBeMade(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		disk diskspec.Spec
		want string
	}{
		{"a disk without snapshots", diskspec.Spec{Type: of("elastic_ephemeral_disk_standard"), SizeGiB: 64}, "a disk of the category elastic_ephemeral_disk_standard cannot be made from a snapshot"},
		{"a basic disk that is too large", diskspec.Spec{Type: of("cloud"), SizeGiB: 2001}, "2001 GiB are more than the 2000 GiB of the category cloud"},
		{"an SSD that is too large", diskspec.Spec{Type: of("cloud_ssd"), SizeGiB: 32769}, "32769 GiB are more than the 32768 GiB of the category cloud_ssd"},
		{"an ESSD that is too large", diskspec.Spec{Type: essd("PL3"), SizeGiB: 65537}, "65537 GiB are more than the 65536 GiB of the category cloud_essd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.disk.Fit()
			if !errors.Is(err, diskspec.ErrUnfit) || !strings.HasSuffix(err.Error(), tt.want) || got != (diskspec.Spec{}) {
				t.Errorf("disk %+v, error %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestProvisionedIOPSAreAsManyAsTheSizeAllows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ size, asked, want int64 }{
		{20, 50000, 17000}, // 1,000 for each GiB, less the 3,000 that it has anyway.
		{40, 10000, 10000},
		{100, 60000, 50000},
		{40, 0, 0},
	} {
		t.Run(fmt.Sprintf("%d of %d GiB", tt.asked, tt.size), func(t *testing.T) {
			t.Parallel()
			got, err := diskspec.Spec{Type: of(diskspec.AutoPL), SizeGiB: tt.size, ProvisionedIOPS: tt.asked}.Fit()
			if err != nil || got.ProvisionedIOPS != tt.want {
				t.Errorf("%d IOPS, want %d, error %v", got.ProvisionedIOPS, tt.want, err)
			}
		})
	}
}

func TestTheLevelWithSoManyIOPS(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		iops, size int64
		want       string
	}{
		{2280, 40, "PL0"},
		{10000, 1000, "PL0"}, // As many as a PL0 has, whatever its size.
		{3800, 40, "PL1"},
		{50000, 2000, "PL1"},
		{54000, 1000, "PL2"},
		{100000, 3000, "PL2"},
		{154000, 3000, "PL3"},
		{1000000, 30000, "PL3"},
		{2800, 20, "PL1"},
		{1860, 5, "PL0"},
		{2050, 5, ""}, // A PL1 of 5 GiB would have as many, and there is none.
		{1, 40, ""},
		{0, 0, ""},
	} {
		t.Run(fmt.Sprintf("%d of %d GiB", tt.iops, tt.size), func(t *testing.T) {
			t.Parallel()
			if got := diskspec.LevelWith(tt.iops, tt.size); got != tt.want {
				t.Errorf("level %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCheckType(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, kind, want string }{
		{"a category without levels", "cloud_ssd", ""},
		{"a category with any level", "cloud_essd", ""},
		{"a category with a level", "cloud_essd.PL3", ""},
		{"a level that there is not", "cloud_essd.PL4", "the category cloud_essd has no performance level PL4"},
		{"a level of a category without", "cloud_auto.PL1", "the category cloud_auto has no performance level PL1"},
		{"another cloud's category", "gp3", "gp3 is no disk category of ECS such as cloud_essd, cloud_auto, cloud_ssd"},
		{"a category without snapshots", "elastic_ephemeral_disk_premium", "disks of the category elastic_ephemeral_disk_premium cannot be made from a snapshot"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := diskspec.CheckType(volume.ParseDiskType(tt.kind))
			if (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
