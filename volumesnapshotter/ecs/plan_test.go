// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"fmt"
	"math/rand/v2"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
)

// typed returns the disk of a type as ParseDiskType reads it.
func typed(kind, zone string, sizeGiB int64) diskspec.Spec {
	return diskspec.Spec{Type: volume.ParseDiskType(kind), Zone: zone, SizeGiB: sizeGiB}
}

func typesOf(kinds ...string) []volume.DiskType {
	found := make([]volume.DiskType, 0, len(kinds))
	for _, kind := range kinds {
		found = append(found, volume.ParseDiskType(kind))
	}
	return found
}

// with returns the disk after a change.
func with(spec diskspec.Spec, change func(*diskspec.Spec)) diskspec.Spec {
	change(&spec)
	return spec
}

func TestWhatDecidesADisk(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		original simecs.DiskConfig
		location map[string]string
		target   diskspec.Target
		want     diskspec.Spec
	}{
		{
			"an SSD of 10 GiB becomes an ESSD PL1 of 40 GiB",
			simecs.DiskConfig{Category: "cloud_ssd", Size: 20},
			nil,
			diskspec.Target{Types: typesOf("cloud_essd.PL1"), SizeGiB: 40},
			typed("cloud_essd.PL1", homeZone, 40),
		},
		{
			"a target never makes a disk smaller",
			simecs.DiskConfig{Category: "cloud_ssd", Size: 100},
			nil,
			diskspec.Target{SizeGiB: 40},
			typed("cloud_ssd", homeZone, 100),
		},
		{
			"a type that needs a larger disk gets it",
			simecs.DiskConfig{Category: "cloud_ssd", Size: 40},
			nil,
			diskspec.Target{Types: typesOf("cloud_essd.PL2")},
			typed("cloud_essd.PL2", homeZone, 461),
		},
		{
			"a type that needs no larger disk comes before one that does",
			simecs.DiskConfig{Category: "cloud_ssd", Size: 40},
			nil,
			diskspec.Target{Types: typesOf("cloud_essd.PL2", "cloud_auto")},
			typed("cloud_auto", homeZone, 40),
		},
		{
			"a type that cannot be so large is passed over",
			simecs.DiskConfig{Category: "cloud", Size: 2000},
			nil,
			diskspec.Target{SizeGiB: 2001},
			typed("cloud_essd.PL1", homeZone, 2001),
		},
		{
			"the target's type beats the location's",
			simecs.DiskConfig{Category: "cloud_ssd", Size: 40},
			map[string]string{"diskCategoryMapping": "cloud_ssd=cloud_auto"},
			diskspec.Target{Types: typesOf("cloud_essd_entry")},
			typed("cloud_essd_entry", homeZone, 40),
		},
		{
			"the location's type beats the recorded one",
			simecs.DiskConfig{Category: "cloud_ssd", Size: 40},
			map[string]string{"diskCategoryMapping": "cloud_ssd=cloud_auto"},
			diskspec.Target{},
			typed("cloud_auto", homeZone, 40),
		},
		{
			"a type with its level is mapped before its category",
			simecs.DiskConfig{PerformanceLevel: "PL0", Size: 40},
			map[string]string{"diskCategoryMapping": "cloud_essd=cloud_ssd,cloud_essd.PL0=cloud_essd_entry"},
			diskspec.Target{},
			typed("cloud_essd_entry", homeZone, 40),
		},
		{
			"the target decides what a disk can do",
			simecs.DiskConfig{Category: "cloud_auto", Size: 40, ProvisionedIOPS: 1000, Bursting: true, ResourceGroupID: "rg-old"},
			nil,
			diskspec.Target{ProvisionedIOPS: new(int64(2000)), Bursting: new(false), MultiAttach: new(true), ResourceGroupID: "rg-new"},
			with(typed("cloud_auto", homeZone, 40), func(d *diskspec.Spec) {
				d.ProvisionedIOPS, d.MultiAttach, d.ResourceGroupID = 2000, true, "rg-new"
			}),
		},
		{
			"what another category does not have is left out",
			simecs.DiskConfig{Category: "cloud_auto", Size: 40, ProvisionedIOPS: 1000, MultiAttach: true},
			nil,
			diskspec.Target{Types: typesOf("cloud_ssd.PL1")},
			typed("cloud_ssd", homeZone, 40),
		},
		{
			"the target encrypts with its key",
			simecs.DiskConfig{Category: "cloud_ssd"},
			map[string]string{"kmsKeyId": "key-none"},
			diskspec.Target{Encrypted: new(true), KMSKeyID: ownKey},
			with(typed("cloud_ssd", homeZone, 20), func(d *diskspec.Spec) { d.Encrypted, d.KMSKeyID = true, ownKey }),
		},
		{
			"the target encrypts with the location's key",
			simecs.DiskConfig{Category: "cloud_ssd"},
			map[string]string{"kmsKeyId": ownKey},
			diskspec.Target{Encrypted: new(true)},
			with(typed("cloud_ssd", homeZone, 20), func(d *diskspec.Spec) { d.Encrypted, d.KMSKeyID = true, ownKey }),
		},
		{
			"the target encrypts with the service key",
			simecs.DiskConfig{Category: "cloud_ssd"},
			nil,
			diskspec.Target{Encrypted: new(true)},
			with(typed("cloud_ssd", homeZone, 20), func(d *diskspec.Spec) { d.Encrypted, d.KMSKeyID = true, simecs.ServiceKeyID(home) }),
		},
		{
			"a key without encryption is no key",
			simecs.DiskConfig{Category: "cloud_ssd"},
			map[string]string{"kmsKeyId": ownKey},
			diskspec.Target{KMSKeyID: ownKey},
			typed("cloud_ssd", homeZone, 20),
		},
		{
			"nothing decrypts a disk",
			simecs.DiskConfig{Category: "cloud_ssd", Encrypted: true, KMSKeyID: ownKey},
			nil,
			diskspec.Target{Encrypted: new(false)},
			with(typed("cloud_ssd", homeZone, 20), func(d *diskspec.Spec) { d.Encrypted, d.KMSKeyID = true, ownKey }),
		},
		{
			"the location's resource group is for disks that had none",
			simecs.DiskConfig{Category: "cloud_ssd"},
			map[string]string{"resourceGroupId": "rg-location"},
			diskspec.Target{},
			with(typed("cloud_ssd", homeZone, 20), func(d *diskspec.Spec) { d.ResourceGroupID = "rg-location" }),
		},
		{
			"a disk becomes a regional one",
			simecs.DiskConfig{Category: "cloud_ssd"},
			nil,
			diskspec.Target{Types: typesOf("cloud_regional_disk_auto")},
			typed("cloud_regional_disk_auto", "", 20),
		},
		{
			"the location maps the recorded zone",
			simecs.DiskConfig{Category: "cloud_ssd"},
			map[string]string{"zoneMapping": homeZone + "=" + otherZone},
			diskspec.Target{},
			typed("cloud_ssd", otherZone, 20),
		},
		{
			"the target's zones are the only ones",
			simecs.DiskConfig{Category: "cloud_ssd"},
			map[string]string{"zoneMapping": homeZone + "=" + homeZone},
			diskspec.Target{Zones: []string{otherZone}},
			typed("cloud_ssd", otherZone, 20),
		},
		{
			"of the target's zones the recorded one is the first",
			simecs.DiskConfig{Category: "cloud_ssd"},
			nil,
			diskspec.Target{Zones: []string{otherZone, homeZone}},
			typed("cloud_ssd", homeZone, 20),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			w.targets[claimed] = tt.target
			_, backup := w.backUpVolume(t, tt.original)
			id := restored(t, w.process(t, tt.location), backup)
			if diff := gocmp.Diff(tt.want, specOf(w.diskInfo(t, id))); diff != "" {
				t.Errorf("the disk (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATypeThatTheLocationMapsToIsKept(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{Category: "cloud_ssd", Size: 40})
	id := restored(t, w.process(t, map[string]string{"diskCategoryMapping": "cloud_ssd=cloud_essd.PL2"}), backup)
	if diff := gocmp.Diff(typed("cloud_essd.PL2", homeZone, 461), specOf(w.diskInfo(t, id))); diff != "" {
		t.Errorf("the disk (-want +got):\n%s", diff)
	}
	want := []string{"The disk is cloud_essd.PL2 of 461 GiB in cn-hangzhou-k, for ECS makes none of this type with 40 GiB"}
	if diff := gocmp.Diff(want, w.messages(logrus.WarnLevel)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestTheTypesOfADiskOfUnknownType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for shared, want := range map[bool][]volume.DiskType{
		false: fallbackTypes(),
		true:  typesOf("cloud_essd.PL1", "cloud_auto"),
	} {
		if diff := gocmp.Diff(want, siteOf(t, w.Snapshotter).typesFor(volume.DiskType{}, shared, diskspec.Target{})); diff != "" {
			t.Errorf("types where the disk is shared: %t (-want +got):\n%s", shared, diff)
		}
	}
}

func TestADiskThatCannotBe(t *testing.T) {
	t.Parallel()
	const failed = "restore disk from ECS snapshot failed: "
	tests := []struct {
		name   string
		target diskspec.Target
		want   string
	}{
		{
			"an ephemeral one",
			diskspec.Target{Types: typesOf("elastic_ephemeral_disk_standard")},
			failed + "no such disk can be made: a disk of the category elastic_ephemeral_disk_standard cannot be made from a snapshot (snapshot %s)",
		},
		{
			"one that is too large for each of its types",
			diskspec.Target{Types: typesOf("cloud", "cloud_ssd"), SizeGiB: 40000},
			failed + "no such disk can be made: 40000 GiB are more than the 2000 GiB of the category cloud; " +
				"no such disk can be made: 40000 GiB are more than the 32768 GiB of the category cloud_ssd (snapshot %s)",
		},
		{
			"one in a zone that the region does not have",
			diskspec.Target{Zones: []string{"cn-hangzhou-none"}},
			failed + `calling ecs:CreateDisk in cn-hangzhou: service returned error: StatusCode=404, ErrorCode=InvalidZoneId.NotFound, ErrorMessage="The specified ZoneId does not exist.", ` +
				"RequestId=… (snapshot %s): the zone is not one of the region: correct the location's config keys zoneMapping and zone, or the zones of the StorageClass",
		},
		{
			"one with another key than its encrypted snapshot",
			diskspec.Target{KMSKeyID: "key-none"},
			failed + "calling ecs:CreateDisk in cn-hangzhou: service returned error: StatusCode=400, ErrorCode=InvalidKmsKeyId.NotMatchSnapshot, " +
				`ErrorMessage="The specified parameter KmsKeyId is different from the KmsKeyId of the snapshot.", RequestId=… (snapshot %s): ` +
				"ECS makes disks of an encrypted snapshot with the snapshot's own key alone: leave kmsKeyId out of the target StorageClass, or restore in another region, where the copy can have another key",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			w.targets[claimed] = tt.target
			_, backup := w.backUpVolume(t, simecs.DiskConfig{Encrypted: true})
			_, err := w.CreateVolumeFromSnapshot(backup.snapshot, backup.kind, "", nil)
			if diff := gocmp.Diff(fmt.Sprintf(tt.want, backup.snapshot), said(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhereADiskIsMade(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// nodes are the zones of the cluster's nodes.
		nodes    []string
		location map[string]string
		// recorded is the zone of the backup.
		recorded, want string
		warnings       []string
	}{
		{"where it was", []string{otherZone, homeZone}, nil, homeZone, homeZone, nil},
		{
			"where it was, though the cluster has no node there",
			[]string{otherZone},
			nil, homeZone, homeZone,
			[]string{"The disk is made in the zone that it was in, where the cluster has no node now; the location's config key zoneMapping names another one"},
		},
		{"in a zone of the cluster where it was in another region", []string{otherZone}, nil, "cn-shanghai-b", otherZone, nil},
		{"in no zone of another region, though the cluster has nodes there", []string{awayZone, otherZone}, nil, "", otherZone, nil},
		{"in the location's zone where no other is known", nil, map[string]string{"zone": otherZone}, "", otherZone, nil},
		{"in a zone of the cluster before the location's", []string{homeZone}, map[string]string{"zone": otherZone}, "", homeZone, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create(t, again())
			for _, zone := range tt.nodes {
				w.create(t, nodeIn(zone))
			}
			source := w.foreign(t, simecs.SnapshotConfig{})
			id := restored(t, w.process(t, tt.location), backedUp{snapshot: source, kind: "cloud_ssd", zone: tt.recorded})
			if got := w.diskInfo(t, id).Zone; got != tt.want {
				t.Errorf("the disk is in %s, want %s", got, tt.want)
			}
			if diff := gocmp.Diff(tt.warnings, w.messages(logrus.WarnLevel)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestADiskWithoutAZone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, again())
	source := w.foreign(t, simecs.SnapshotConfig{})
	_, err := w.CreateVolumeFromSnapshot(source, "cloud_ssd", "cn-shanghai-b", nil)
	want := "restore disk from ECS snapshot failed: no zone is known for the disk: set the location's config key zoneMapping, " +
		`such as cn-hangzhou-h=cn-beijing-k, or zone (it was in zone "cn-shanghai-b") (snapshot ` + source + ")"
	if said(err) != want {
		t.Errorf("error %q, want %q", said(err), want)
	}
	if id := restored(t, w.Snapshotter, backedUp{snapshot: source, kind: "cloud_regional_disk_auto"}); w.diskInfo(t, id).Zone != "" {
		t.Errorf("the regional disk %s has a zone", id)
	}
}

func TestEveryPlannedDiskIsOneThatECSMakes(t *testing.T) {
	t.Parallel()
	const plans = 100
	w := newWorld(t)
	current, err := w.sites.Current()
	if err != nil {
		t.Fatal(err)
	}
	api, err := current.api(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2)) // The same disks in each run.
	for range plans {
		recorded, target := randomDisk(random), randomTarget(random)
		id := snapshotID{region: home, id: w.foreign(t, simecs.SnapshotConfig{
			Size: recorded.SizeGiB, Encrypted: recorded.Encrypted,
			Tags: map[string]string{tagDisk: diskText(recorded), tagZone: homeZone, tagResourceGroup: recorded.ResourceGroupID},
		})}
		found, err := describeSnapshots(t.Context(), api, id.id)
		if err != nil {
			t.Fatal(err)
		}
		source := found[0]
		planned, err := current.plan(t.Context(), home, readRecord(source, order{snapshot: id}), source, target)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range planned {
			asked := fmt.Sprintf("%+v of %+v with target %s", spec, recorded, gocmp.Diff(diskspec.Target{}, target))
			answer, err := api.CreateDisk(t.Context(), newDiskRequest(spec, source))
			if err != nil {
				t.Errorf("%s: %v", asked, err)
				continue
			}
			got := specOf(w.diskInfo(t, *answer.DiskId))
			if !suits(got, []diskspec.Spec{spec}) {
				t.Errorf("%s became %+v", asked, got)
			}
			if got.SizeGiB < max(recorded.SizeGiB, target.SizeGiB, diskspec.MinGiB) || recorded.Encrypted && !got.Encrypted {
				t.Errorf("%s is less than it was", asked)
			}
			if err := w.ecs.RemoveDisk(*answer.DiskId); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// randomDisk returns a disk that ECS allows.
func randomDisk(random *rand.Rand) diskspec.Spec {
	kinds := typesOf(
		"cloud", "cloud_efficiency", "cloud_ssd", "cloud_essd.PL0", "cloud_essd.PL1", "cloud_essd.PL2", "cloud_essd.PL3",
		"cloud_auto", "cloud_essd_entry", "cloud_regional_disk_auto",
	)
	d := diskspec.Spec{Type: kinds[random.IntN(len(kinds))], Encrypted: random.IntN(3) == 0}
	category, _ := diskspec.CategoryOf(d.Type.Category)
	d.SizeGiB = max(category.MinGiB, category.Levels[d.Type.PerformanceLevel]) + random.Int64N(200)
	if random.IntN(4) == 0 {
		d.ResourceGroupID = "rg-old"
	}
	if category.Provisioned && d.SizeGiB > 20 {
		d.ProvisionedIOPS, d.Bursting = random.Int64N(1000), random.IntN(2) == 0
	}
	if category.Shared && !d.Bursting {
		d.MultiAttach = random.IntN(2) == 0
	}
	return d
}

// randomTarget returns what a StorageClass may ask for.
func randomTarget(random *rand.Rand) diskspec.Target {
	var target diskspec.Target
	kinds := typesOf(
		"cloud_efficiency", "cloud_ssd", "cloud_essd", "cloud_essd.PL0", "cloud_essd.PL1", "cloud_essd.PL2", "cloud_essd.PL3",
		"cloud_auto", "cloud_essd_entry", "cloud_regional_disk_auto",
	)
	for range random.IntN(4) {
		target.Types = append(target.Types, kinds[random.IntN(len(kinds))])
	}
	flag := func() *bool {
		if random.IntN(2) == 0 {
			return nil
		}
		return new(random.IntN(2) == 0)
	}
	target.Encrypted, target.Bursting, target.MultiAttach = flag(), flag(), flag()
	if random.IntN(2) == 0 {
		target.SizeGiB = random.Int64N(3000)
	}
	if random.IntN(2) == 0 {
		target.ProvisionedIOPS = new(random.Int64N(50001))
	}
	if random.IntN(4) == 0 {
		target.ResourceGroupID = "rg-new"
	}
	return target
}

func TestZonesOfARegion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, region, zone string
		want               bool
	}{
		{"a zone of China", "cn-hangzhou", "cn-hangzhou-h", true},
		{"a zone of a numbered region", "us-west-1", "us-west-1a", true},
		{"a zone of a finance region", "cn-shanghai-finance-1", "cn-shanghai-finance-1a", true},
		{"a finance region is not the region of the city", "cn-shanghai", "cn-shanghai-finance-1a", false},
		{"another region", "cn-beijing", "cn-hangzhou-h", false},
		{"the region itself", "cn-beijing", "cn-beijing", false},
		{"no zone", "cn-beijing", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := isIn(tt.region, tt.zone); got != tt.want {
				t.Errorf("isIn(%q, %q) = %t, want %t", tt.region, tt.zone, got, tt.want)
			}
		})
	}
}
