// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// setZone changes what a zone sells.
func (w *world) setZone(t *testing.T, zone simecs.Zone) {
	t.Helper()
	if err := w.ecs.SetZone(zone); err != nil {
		t.Fatal(err)
	}
}

// createCalls returns the calls of CreateDisk, as calls does.
func (w *world) createCalls() []string {
	var found []string
	for _, call := range w.calls() {
		if code, ok := strings.CutPrefix(call, "CreateDisk in cn-hangzhou"); ok {
			found = append(found, strings.TrimPrefix(code, ": "))
		}
	}
	return found
}

func TestWhatIsNotSoldIsMadeElsewhere(t *testing.T) {
	t.Parallel()
	sellsNothing := func(zones ...string) []simecs.Zone {
		closed := make([]simecs.Zone, 0, len(zones))
		for _, zone := range zones {
			closed = append(closed, simecs.Zone{ID: zone, Closed: true})
		}
		return closed
	}
	tests := []struct {
		name     string
		zones    []simecs.Zone
		original simecs.DiskConfig
		target   diskspec.Target
		want     diskspec.Spec
		// calls are the answers to CreateDisk.
		calls   []string
		warning string
	}{
		{
			"in the next zone where the zone is closed", sellsNothing(homeZone),
			simecs.DiskConfig{},
			diskspec.Target{},
			typed("cloud_essd.PL1", otherZone, 20),
			[]string{"Zone.NotOnSale", ""},
			"The disk is cloud_essd.PL1 of 20 GiB in cn-hangzhou-j, for ECS does not sell cloud_essd.PL1 of 20 GiB in cn-hangzhou-k; a Pod with disks in several zones cannot be scheduled",
		},
		{
			"in the next zone where the zone never has the category",
			[]simecs.Zone{{ID: homeZone, Categories: []string{"cloud_ssd"}}},
			simecs.DiskConfig{},
			diskspec.Target{},
			typed("cloud_essd.PL1", otherZone, 20),
			[]string{"InvalidDataDiskCategory.NotSupported", ""},
			"The disk is cloud_essd.PL1 of 20 GiB in cn-hangzhou-j, for ECS does not sell cloud_essd.PL1 of 20 GiB in cn-hangzhou-k; a Pod with disks in several zones cannot be scheduled",
		},
		{
			"in the next zone where the category is sold out",
			[]simecs.Zone{{ID: homeZone, SoldOut: []string{"cloud_essd"}}},
			simecs.DiskConfig{},
			diskspec.Target{},
			typed("cloud_essd.PL1", otherZone, 20),
			[]string{"OperationDenied.NoStock", ""},
			"The disk is cloud_essd.PL1 of 20 GiB in cn-hangzhou-j, for ECS does not sell cloud_essd.PL1 of 20 GiB in cn-hangzhou-k; a Pod with disks in several zones cannot be scheduled",
		},
		{
			"of the next category where no zone has its own",
			[]simecs.Zone{{ID: homeZone, SoldOut: []string{"cloud_ssd"}}, {ID: otherZone, SoldOut: []string{"cloud_ssd"}}},
			simecs.DiskConfig{Category: "cloud_ssd"},
			diskspec.Target{},
			typed("cloud_essd.PL1", homeZone, 20),
			[]string{"OperationDenied.NoStock", "OperationDenied.NoStock", ""},
			"The disk is cloud_essd.PL1 of 20 GiB in cn-hangzhou-k, for ECS does not sell cloud_ssd of 20 GiB in cn-hangzhou-k",
		},
		{
			"of the target's next type",
			[]simecs.Zone{{ID: homeZone, SoldOut: []string{"cloud_auto"}}, {ID: otherZone, SoldOut: []string{"cloud_auto"}}},
			simecs.DiskConfig{},
			diskspec.Target{Types: typesOf("cloud_auto", "cloud_essd_entry")},
			typed("cloud_essd_entry", homeZone, 20),
			[]string{"OperationDenied.NoStock", "OperationDenied.NoStock", ""},
			"The disk is cloud_essd_entry of 20 GiB in cn-hangzhou-k, for ECS does not sell cloud_auto of 20 GiB in cn-hangzhou-k",
		},
		{
			"of the next category that can be shared, where the disk is",
			[]simecs.Zone{{ID: homeZone, SoldOut: []string{"cloud_essd"}}, {ID: otherZone, SoldOut: []string{"cloud_essd"}}},
			simecs.DiskConfig{PerformanceLevel: "PL1", MultiAttach: true},
			diskspec.Target{},
			with(typed("cloud_auto", homeZone, 20), func(d *diskspec.Spec) { d.MultiAttach = true }),
			[]string{"OperationDenied.NoStock", "OperationDenied.NoStock", ""},
			"The disk is cloud_auto of 20 GiB in cn-hangzhou-k, for ECS does not sell cloud_essd.PL1 of 20 GiB in cn-hangzhou-k",
		},
		{
			"in no zone where it is regional", sellsNothing(homeZone, otherZone),
			simecs.DiskConfig{Category: "cloud_regional_disk_auto"},
			diskspec.Target{},
			typed("cloud_regional_disk_auto", "", 20),
			[]string{""},
			"",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			w.targets[claimed] = tt.target
			_, backup := w.backUpVolume(t, tt.original)
			for _, zone := range tt.zones {
				w.setZone(t, zone)
			}
			id := restored(t, w.process(t, nil), backup)
			if diff := gocmp.Diff(tt.want, specOf(w.diskInfo(t, id))); diff != "" {
				t.Errorf("the disk (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(tt.calls, w.createCalls()); diff != "" {
				t.Errorf("answers to CreateDisk (-want +got):\n%s", diff)
			}
			if got := strings.Join(w.messages(logrus.WarnLevel), "; "); got != tt.warning {
				t.Errorf("warnings %q, want %q", got, tt.warning)
			}
		})
	}
}

func TestTheRequestOfADiskHasOnlyWhatTheDiskHas(t *testing.T) {
	t.Parallel()
	encrypted := snapshot{id: "s-1", encrypted: true, kmsKeyID: ownKey}
	tests := []struct {
		name   string
		spec   diskspec.Spec
		source snapshot
		want   *sdk.CreateDiskRequest
	}{
		{
			"a regional disk has no zone", typed("cloud_regional_disk_auto", "", 20),
			snapshot{id: "s-1"},
			&sdk.CreateDiskRequest{SnapshotId: new("s-1"), Size: new(int32(20)), DiskCategory: new("cloud_regional_disk_auto")},
		},
		{
			"a disk of an encrypted snapshot has its key without naming it",
			with(typed("cloud_essd.PL1", homeZone, 20), func(d *diskspec.Spec) { d.Encrypted, d.KMSKeyID = true, ownKey }), encrypted,
			&sdk.CreateDiskRequest{
				SnapshotId: new("s-1"), Size: new(int32(20)), DiskCategory: new("cloud_essd"), PerformanceLevel: new("PL1"),
				ZoneId: new(homeZone), Encrypted: new(true),
			},
		},
		{
			"a disk has all that it can have",
			diskspec.Spec{
				Type: volume.DiskType{Category: "cloud_auto"}, Zone: homeZone, SizeGiB: 40, Encrypted: true, KMSKeyID: ownKey,
				ProvisionedIOPS: 100, Bursting: true, MultiAttach: true, ResourceGroupID: "rg-1",
			},
			snapshot{id: "s-1"},
			&sdk.CreateDiskRequest{
				SnapshotId: new("s-1"), Size: new(int32(40)), DiskCategory: new("cloud_auto"), ZoneId: new(homeZone), Encrypted: new(true),
				KMSKeyId: new(ownKey), ProvisionedIops: new(int64(100)), BurstingEnabled: new(true), MultiAttach: new("Enabled"), ResourceGroupId: new("rg-1"),
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := gocmp.Diff(tt.want, newDiskRequest(tt.spec, tt.source)); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingIsSold(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{Category: "cloud_ssd"})
	w.setZone(t, simecs.Zone{ID: homeZone, Closed: true})
	w.setZone(t, simecs.Zone{ID: otherZone, Closed: true})
	want := "restore disk from ECS snapshot failed: none of the zones sells a disk of a category that the volume may have: tried 10, first cloud_ssd of 20 GiB in cn-hangzhou-k: " +
		"calling ecs:CreateDisk in cn-hangzhou: service returned error: StatusCode=403, ErrorCode=Zone.NotOnSale, " +
		`ErrorMessage="The resource in the specified zone is no longer available for sale. Please try other regions and zones.", RequestId=… ` +
		"(snapshot " + backup.snapshot + "): the zone does not sell disks of this category now: name another zone with the config key zoneMapping, or another category with diskCategoryMapping"
	s := w.process(t, nil)
	for _, attempt := range []string{"the first", "another"} {
		_, err := s.CreateVolumeFromSnapshot(backup.snapshot, backup.kind, "", nil)
		if diff := gocmp.Diff(want, said(err)); diff != "" {
			t.Errorf("error of %s disk (-want +got):\n%s", attempt, diff)
		}
	}
	if got := len(w.createCalls()); got != 10 {
		t.Errorf("%d calls, want 10: what is sold out is asked for once by a process", got)
	}
}

func TestAStockThatIsOutIsAskedForOnce(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	w.setZone(t, simecs.Zone{ID: homeZone, SoldOut: []string{"cloud_essd"}})
	s := w.process(t, nil)
	for i := range 3 {
		source := w.foreign(t, simecs.SnapshotConfig{Disk: fmt.Sprintf("d-%d", i)})
		if id := restored(t, s, backedUp{snapshot: source, kind: "cloud_essd.PL1", zone: homeZone}); w.diskInfo(t, id).Zone != otherZone {
			t.Errorf("the disk %s is where there are none", id)
		}
	}
	if diff := gocmp.Diff([]string{"OperationDenied.NoStock", "", "", ""}, w.createCalls()); diff != "" {
		t.Errorf("answers to CreateDisk (-want +got):\n%s", diff)
	}
}

func TestWhatIsOutForSomeIsAskedForByOthers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		second diskspec.Target
		same   bool
	}{
		{"a disk of the same kind", diskspec.Target{}, true},
		{"an encrypted one", diskspec.Target{Encrypted: new(true)}, false},
		{"a shared one", diskspec.Target{MultiAttach: new(true)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			_, backup := w.backUpVolume(t, simecs.DiskConfig{})
			other := backedUp{snapshot: w.foreign(t, simecs.SnapshotConfig{}), kind: "cloud_essd.PL1", zone: homeZone}
			s := w.process(t, nil)
			w.setZone(t, simecs.Zone{ID: homeZone, SoldOut: []string{"cloud_essd"}})
			restored(t, s, other)
			w.setZone(t, simecs.Zone{ID: homeZone})
			w.targets[claimed] = tt.second
			want := homeZone
			if tt.same {
				want = otherZone
			}
			if got := w.diskInfo(t, restored(t, s, backup)).Zone; got != want {
				t.Errorf("the second disk is in %s, want %s", got, want)
			}
		})
	}
}

func TestASharedDiskIsNotMadeForOneInstance(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{MultiAttach: true})
	for _, zone := range []string{homeZone, otherZone} {
		w.setZone(t, simecs.Zone{ID: zone, SoldOut: []string{"cloud_essd", "cloud_auto"}})
	}
	_, err := w.process(t, nil).CreateVolumeFromSnapshot(backup.snapshot, backup.kind, "", nil)
	if !errors.Is(err, errSoldOut) || !strings.Contains(said(err), "tried 4, first cloud_essd.PL1 of 20 GiB in cn-hangzhou-k") {
		t.Errorf("error %v, want that the shared types are sold out", err)
	}
}

func TestADiskThatTheAccountCannotHave(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		happen func(*world)
		want   string
	}{
		{
			"for its quota is used up", func(w *world) { w.ecs.SetQuotas(simecs.Quotas{DisksPerAccount: 1}) },
			"the quota of disks is used up: delete disks that nobody needs in the ECS console, or have the quota raised",
		},
		{
			"for it is overdue", func(w *world) { w.ecs.SetArrears(account, true) },
			"the account is overdue: settle it in the billing console",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			_, backup := w.backUpVolume(t, simecs.DiskConfig{})
			tt.happen(w)
			if _, err := w.CreateVolumeFromSnapshot(backup.snapshot, backup.kind, "", nil); !strings.HasSuffix(said(err), ": "+tt.want) {
				t.Errorf("error %v, want the remedy %q", err, tt.want)
			}
			if len(w.createCalls()) != 1 {
				t.Errorf("answers to CreateDisk: %v, want one", w.createCalls())
			}
		})
	}
}

func TestADiskWhoseAnswerIsLostIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	w.fail(t, fault.Rule{Operation: "CreateDisk", Reset: true, Count: 2})
	id := restored(t, w.Snapshotter, backup)
	if made := w.restoresOf(backup.snapshot); len(made) != 1 || made[0].ID != id {
		t.Errorf("disks %v, want %s alone", made, id)
	}
}

func TestACallThatMayPassIsMadeLater(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, operation string
	}{
		{"the snapshot cannot be read", "DescribeSnapshots"},
		{"disks cannot be read", "DescribeDisks"},
		{"the disk cannot be made", "CreateDisk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			_, backup := w.backUpVolume(t, simecs.DiskConfig{})
			w.fail(t, fault.Rule{Operation: tt.operation, Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Count: 10})
			id := restored(t, w.process(t, nil), backup)
			if want := "pending:" + backup.snapshot + "?type=cloud_essd.PL1"; id != want {
				t.Errorf("the volume is %s, want %s", id, want)
			}
			w.checkLeft(t, backup, 0)
			if progress := w.poll(t, again(), id); !progress.Completed || progress.Err != "" {
				t.Errorf("progress %+v", progress)
			}
			w.checkLeft(t, backup, 1)
		})
	}
}

func TestTheTagsOfADiskAreAsManyAsECSAllows(t *testing.T) {
	t.Parallel()
	tags := map[string]string{}
	for i := range maxTags {
		tags[fmt.Sprintf("key-%02d", i)] = "value"
	}
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{Tags: tags})
	id := restored(t, w.process(t, map[string]string{"tags": "team=shop"}), backup)
	got := w.diskInfo(t, id).Tags
	if len(got) > maxTags || got[tagRestoreUID] == "" || got[tagSnapshot] == "" || got[tagCluster] == "" || got["key-00"] != "value" {
		t.Errorf("tags %v", got)
	}
}

func TestTheLocationsTagsAreOnTheDisk(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{Tags: map[string]string{"team": "old"}})
	id := restored(t, w.process(t, map[string]string{"tags": "team=new,env=prod"}), backup)
	want := map[string]string{"team": "old", "env": "prod"}
	ours := cmpopts.IgnoreMapEntries(func(key, _ string) bool { return strings.HasPrefix(key, tagPrefix) })
	if diff := gocmp.Diff(want, w.diskInfo(t, id).Tags, ours); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}
