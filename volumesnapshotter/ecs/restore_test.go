// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

const (
	ownKey  = "key-home"
	awayKey = "key-away"
	// claimed is the claim of the volumes that are restored.
	claimed = "shop/data"
)

// withKeys adds a key of the account to each region.
func withKeys(config *cloudsim.Config) {
	config.ECS.KMSKeys = append(config.ECS.KMSKeys,
		simecs.KMSKey{ID: ownKey, Account: account, Region: home},
		simecs.KMSKey{ID: awayKey, Account: account, Region: away},
	)
}

// lasting sets how long states last.
func lasting(durations simecs.Durations) func(*cloudsim.Config) {
	return func(config *cloudsim.Config) { config.ECS.Durations = durations }
}

func seconds(n int) metav1.Duration {
	return metav1.Duration{Duration: time.Duration(n) * time.Second}
}

// newRestore returns a world with the completed Backup daily, the Restore again in
// progress, and a node in each zone of the home region.
func newRestore(t *testing.T, changes ...func(*cloudsim.Config)) *world {
	t.Helper()
	w := newWorld(t, append(changes, withKeys)...)
	w.create(t,
		backupNamed("daily", velerov1.BackupPhaseCompleted), restoreNamed("again", velerov1.RestorePhaseInProgress),
		nodeIn(homeZone), nodeIn(otherZone))
	return w
}

// backedUp is what a backup notes of a volume.
type backedUp struct {
	snapshot, kind, zone string
	iops                 *int64
}

// backUpVolume adds a disk with its volume and the claim shop/data, and backs it up in
// a process that has ended its sweep.
func (w *world) backUpVolume(t *testing.T, config simecs.DiskConfig) (diskID string, made backedUp) {
	t.Helper()
	diskID = w.addVolume(t, config, claimed, nil)
	w.becomes(t, velerov1.BackupPhaseInProgress) // The sweep removes the notes of others.
	made.snapshot = backUp(t, w.Snapshotter, "daily", diskID)
	w.End(t.Context())
	w.becomes(t, velerov1.BackupPhaseCompleted)
	var err error
	if made.kind, made.iops, err = w.GetVolumeInfo(diskID, ""); err != nil {
		t.Fatal(err)
	}
	return diskID, made
}

// restored asks for the disk as Velero does, and returns the volume's id.
func restored(t *testing.T, s *Snapshotter, b backedUp) string {
	t.Helper()
	id, err := s.CreateVolumeFromSnapshot(b.snapshot, b.kind, b.zone, b.iops)
	if err != nil {
		t.Fatalf("CreateVolumeFromSnapshot(%s): %v", b.snapshot, err)
	}
	return id
}

// setRestorePhase sets the phase of a Restore.
func (w *world) setRestorePhase(t *testing.T, restore string, phase velerov1.RestorePhase) {
	t.Helper()
	changed := restoreNamed(restore, phase)
	if err := w.api.Get(t.Context(), keyOf(changed), changed); err != nil {
		t.Fatal(err)
	}
	changed.Status.Phase = phase
	if err := w.api.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
}

// nextRestore ends the Restore again and begins the Restore next.
func (w *world) nextRestore(t *testing.T) *velerov1.Restore {
	t.Helper()
	w.setRestorePhase(t, "again", velerov1.RestorePhaseFailed)
	next := restoreNamed("next", velerov1.RestorePhaseInProgress)
	w.create(t, next)
	return next
}

// restoresOf returns the disks that were made of snapshots, in the order in which they were made.
func (w *world) restoresOf(snapshot string) []simecs.DiskInfo {
	return slices.DeleteFunc(w.ecs.Disks(), func(d simecs.DiskInfo) bool {
		return d.SourceSnapshotID == "" || d.SourceSnapshotID != snapshot[strings.LastIndex(snapshot, "/")+1:]
	})
}

// said is the text of an error without the cloud's ids of requests.
func said(err error) string {
	if err == nil {
		return ""
	}
	return regexp.MustCompile(`RequestId=[^,) ]*`).ReplaceAllString(err.Error(), "RequestId=…")
}

func TestADiskIsRestoredAsItWas(t *testing.T) {
	t.Parallel()
	kinds := []simecs.DiskConfig{
		{Category: "cloud", Size: 5},
		{Category: "cloud", Size: 2000},
		{Category: "cloud_efficiency", Size: 20},
		{Category: "cloud_ssd", Size: 40},
		{Category: "cloud_essd", PerformanceLevel: "PL0", Size: 1},
		{Category: "cloud_essd", PerformanceLevel: "PL0", Size: 40},
		{Category: "cloud_essd", PerformanceLevel: "PL1", Size: 20},
		{Category: "cloud_essd", PerformanceLevel: "PL2", Size: 461},
		{Category: "cloud_essd", PerformanceLevel: "PL3", Size: 1261},
		{Category: "cloud_auto", Size: 10},
		{Category: "cloud_auto", Size: 100},
		{Category: "cloud_essd_entry", Size: 10},
		{Category: "cloud_essd_entry", Size: 32768},
		{Category: "cloud_regional_disk_auto", Size: 10},
	}
	variants := []struct {
		name   string
		change func(*simecs.DiskConfig)
		// has tells whether a disk of the category can be so; nil means that any can.
		has func(diskspec.Category) bool
	}{
		{"plain", func(*simecs.DiskConfig) {}, nil},
		{"encrypted with the service key", func(d *simecs.DiskConfig) { d.Encrypted = true }, nil},
		{"encrypted with a key of its own", func(d *simecs.DiskConfig) { d.Encrypted, d.KMSKeyID = true, ownKey }, nil},
		{"with tags and a resource group", func(d *simecs.DiskConfig) {
			d.ResourceGroupID, d.Tags = "rg-shop", map[string]string{"team": "shop", "empty": ""}
		}, nil},
		{
			"with provisioned IOPS and bursting", func(d *simecs.DiskConfig) { d.ProvisionedIOPS, d.Bursting = 1000, true },
			func(c diskspec.Category) bool { return c.Provisioned },
		},
		{"shared", func(d *simecs.DiskConfig) { d.MultiAttach = true }, func(c diskspec.Category) bool { return c.Shared }},
		{
			"with all that it can have", func(d *simecs.DiskConfig) {
				d.MultiAttach, d.ProvisionedIOPS, d.Encrypted, d.KMSKeyID = true, 1000, true, ownKey
				d.ResourceGroupID, d.Tags = "rg-shop", map[string]string{"team": "shop"}
			},
			func(c diskspec.Category) bool { return c.Provisioned && c.Shared },
		},
	}
	for _, kind := range kinds {
		category, _ := diskspec.CategoryOf(kind.Category)
		for _, variant := range variants {
			if variant.has != nil && !variant.has(category) || kind.Size < 20 && kind.Category == diskspec.AutoPL && variant.name != "plain" {
				continue // There is no such disk.
			}
			original := kind
			variant.change(&original)
			t.Run(fmt.Sprintf("%s%s of %d GiB, %s", kind.Category, kind.PerformanceLevel, kind.Size, variant.name), func(t *testing.T) {
				t.Parallel()
				testRestoredAsItWas(t, original)
			})
		}
	}
}

func testRestoredAsItWas(t *testing.T, original simecs.DiskConfig) {
	t.Helper()
	w := newRestore(t)
	diskID, backup := w.backUpVolume(t, original)
	id := restored(t, w.process(t, nil), backup)

	want := w.diskInfo(t, diskID)
	source := w.snapshotInfo(t, backup.snapshot)
	want.Name, want.SourceSnapshotID, want.Size = "velero-again-pv-"+diskID, source.ID, max(20, want.Size)
	want.Attached, want.Detached = time.Time{}, time.Time{}
	want.Tags = map[string]string{
		tagCluster: clusterID, tagVelero: veleroNamespace, tagBackupUID: "uid-daily", tagSnapshot: home + "/" + source.ID,
		tagRestoreUID: "uid-again", tagRestore: "again", tagClaim: claimed,
	}
	maps.Copy(want.Tags, original.Tags)
	if diff := gocmp.Diff(want, w.diskInfo(t, id), cmpopts.IgnoreFields(simecs.DiskInfo{}, "ID", "Created")); diff != "" {
		t.Errorf("the disk (-as it was +restored):\n%s", diff)
	}
	for _, entry := range w.sim.Journal().Entries() {
		if entry.Code != "" || len(entry.UnknownParameters) > 0 {
			t.Errorf("%s was refused with %q, unknown parameters %v", entry.Operation, entry.Code, entry.UnknownParameters)
		}
	}
}

// foreign is a snapshot that this plugin did not make.
func (w *world) foreign(t *testing.T, config simecs.SnapshotConfig) string {
	t.Helper()
	config.Account, config.Region, config.Disk = account, cmp.Or(config.Region, home), cmp.Or(config.Disk, "d-gone")
	config.Size = cmp.Or(config.Size, 20)
	id, err := w.ecs.AddSnapshot(config)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// specOf is a disk as far as a plan decides it.
func specOf(d simecs.DiskInfo) diskspec.Spec {
	return diskspec.Spec{
		Type: volume.DiskType{Category: d.Category, PerformanceLevel: d.PerformanceLevel}, Zone: d.Zone, SizeGiB: d.Size,
		Encrypted: d.Encrypted, KMSKeyID: d.KMSKeyID, ProvisionedIOPS: d.ProvisionedIOPS, Bursting: d.Bursting,
		MultiAttach: d.MultiAttach, ResourceGroupID: d.ResourceGroupID,
	}
}

func TestVolumesThatShareASnapshotShareTheDiskOfIt(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	s := w.process(t, nil)
	first, second := restored(t, s, backup), restored(t, s, backup)
	third := restored(t, w.process(t, nil), backup) // The process was killed and started again.
	made := w.restoresOf(bare(t, backup.snapshot))
	if first != second || first != third || len(made) != 1 {
		t.Errorf("the volumes have the disks %s, %s and %s; made are %+v", first, second, third, made)
	}
}

func TestTheSettingsOfAClaimWithALongNameReachItsDisk(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	claim := "shop/" + strings.Repeat("data-", 30) + "0"
	backup := backedUp{snapshot: backUp(t, w.Snapshotter, "daily", w.addVolume(t, simecs.DiskConfig{}, claim, nil))}
	w.targets[claim] = diskspec.Target{SizeGiB: 100, Encrypted: new(true)}
	if got := w.diskInfo(t, restored(t, w.process(t, nil), backup)); got.Size != 100 || !got.Encrypted {
		t.Errorf("the disk has %d GiB, encrypted: %t", got.Size, got.Encrypted)
	}
}

func TestBackupsOfTheOfficialPluginAreRestored(t *testing.T) {
	t.Parallel()
	official := func(tags map[string]string) map[string]string {
		tags[tagOfficialZone] = otherZone
		return tags
	}
	tests := []struct {
		name   string
		source simecs.SnapshotConfig
		backup backedUp
		want   diskspec.Spec
	}{
		{
			"the total IOPS tell the performance level of an ESSD",
			simecs.SnapshotConfig{Size: 40, Tags: official(map[string]string{})},
			backedUp{kind: "cloud_essd", iops: new(int64(1800 + 12*40))},
			diskspec.Spec{Type: volume.DiskType{Category: "cloud_essd", PerformanceLevel: "PL0"}, Zone: otherZone, SizeGiB: 40},
		},
		{
			"an ESSD of unknown IOPS has the level that ECS gives it",
			simecs.SnapshotConfig{Size: 10, Tags: official(map[string]string{})},
			backedUp{kind: "cloud_essd", iops: new(int64(7))},
			diskspec.Spec{Type: volume.DiskType{Category: "cloud_essd", PerformanceLevel: "PL1"}, Zone: otherZone, SizeGiB: 20},
		},
		{
			"the zone of the tag beats that which Velero noted",
			simecs.SnapshotConfig{Size: 40, Tags: official(map[string]string{})},
			backedUp{kind: "cloud_ssd", zone: homeZone},
			diskspec.Spec{Type: volume.DiskType{Category: "cloud_ssd"}, Zone: otherZone, SizeGiB: 40},
		},
		{
			"without a tag the zone is that which Velero noted",
			simecs.SnapshotConfig{Size: 40},
			backedUp{kind: "cloud_efficiency", zone: otherZone},
			diskspec.Spec{Type: volume.DiskType{Category: "cloud_efficiency"}, Zone: otherZone, SizeGiB: 40},
		},
		{
			"where nothing is noted the disk is of the first type in the first zone of the cluster",
			simecs.SnapshotConfig{Size: 40, Encrypted: true, KMSKeyID: ownKey},
			backedUp{},
			diskspec.Spec{Type: volume.DiskType{Category: "cloud_essd", PerformanceLevel: "PL1"}, Zone: otherZone, SizeGiB: 40, Encrypted: true, KMSKeyID: ownKey},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			tt.backup.snapshot = w.foreign(t, tt.source)
			id := restored(t, w.Snapshotter, tt.backup)
			if diff := gocmp.Diff(tt.want, specOf(w.diskInfo(t, id))); diff != "" {
				t.Errorf("the disk (-want +got):\n%s", diff)
			}
			if tag := w.diskInfo(t, id).Tags[tagSnapshot]; tag != home+"/"+tt.backup.snapshot {
				t.Errorf("the disk is tagged as that of the snapshot %s", tag)
			}
		})
	}
}

// noting are settings that note what they were told to keep.
type noting struct {
	targets
	kept *[]string
}

func (n noting) KeepAsItWas(restore *velerov1.Restore, volumeID string) {
	*n.kept = append(*n.kept, restore.Name+" "+volumeID)
}

func TestSettingsAreToldOfDisksThatTheyDoNotReach(t *testing.T) {
	t.Parallel()
	snapshotting := lasting(simecs.Durations{Snapshot: seconds(600)})
	tests := []struct {
		name   string
		change func(*cloudsim.Config)
		isAway bool
		// backUp returns what a backup notes of a volume.
		backUp func(*testing.T, *world) backedUp
		// failing is the operation of ECS that fails for the moment, "" for none.
		failing string
		// wantKept tells whether the settings are told of the volume.
		wantKept bool
	}{
		{name: "a snapshot of ours tells its claim", backUp: ours},
		{name: "one that is not accomplished tells its claim", backUp: ours, change: snapshotting},
		{name: "one that is copied from another region tells its claim", backUp: ours, isAway: true},
		{name: "a snapshot of the official plugin does not", backUp: theirs, wantKept: true},
		{name: "one of the official plugin that is copied from another region does not", backUp: theirs, isAway: true, wantKept: true},
		{name: "one of a disk without a volume does not", backUp: withoutVolume, wantKept: true},
		{name: "one of a disk without a volume does not while no disk can be made", backUp: withoutVolume, failing: "CreateDisk", wantKept: true},
		{name: "one of the official plugin does not while it cannot be read", backUp: theirsAsNoted, failing: "DescribeSnapshots", wantKept: true},
		{name: "a snapshot of ours tells its claim also where it cannot be read yet", backUp: ours, failing: "DescribeSnapshots"},
		{name: "one of a disk without a volume that is not accomplished does not", backUp: withoutVolume, change: snapshotting, wantKept: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			newWorld, change := newRestore, func(*cloudsim.Config) {}
			if tt.isAway {
				newWorld = newAway
			}
			if tt.change != nil {
				change = tt.change
			}
			w := newWorld(t, change)
			backup := tt.backUp(t, w)
			if tt.isAway {
				w.goAway(t, nil)
			}
			var kept, want []string
			s := New(w.log, w.clients, cluster.New(w.api, veleroNamespace), noting{w.targets, &kept}, noVariables)
			if err := s.Init(w.config); err != nil {
				t.Fatal(err)
			}
			if tt.failing != "" {
				w.fail(t, fault.Rule{Operation: tt.failing, Status: http.StatusInternalServerError, Code: "InternalError"})
			}
			id := restored(t, s, backup)
			if tt.wantKept {
				want = []string{"again " + id}
			}
			if diff := gocmp.Diff(want, kept); diff != "" {
				t.Errorf("the settings were told of (-want +got):\n%s", diff)
			}
		})
	}
}

// ours is what a backup notes of a volume.
func ours(t *testing.T, w *world) backedUp {
	t.Helper()
	_, backup := w.backUpVolume(t, simecs.DiskConfig{})
	return backup
}

// theirs is what a backup of the official plugin notes of a volume, with the region of the snapshot.
func theirs(t *testing.T, w *world) backedUp {
	t.Helper()
	return backedUp{snapshot: home + "/" + w.foreign(t, simecs.SnapshotConfig{}), kind: "cloud_essd"}
}

// theirsAsNoted is what a backup of the official plugin notes of a volume.
func theirsAsNoted(t *testing.T, w *world) backedUp {
	t.Helper()
	return backedUp{snapshot: w.foreign(t, simecs.SnapshotConfig{}), kind: "cloud_essd"}
}

// withoutVolume is what a backup notes of a disk whose volume cannot be found.
func withoutVolume(t *testing.T, w *world) backedUp {
	t.Helper()
	return backedUp{snapshot: backUp(t, w.Snapshotter, "daily", w.addDisk(t, simecs.DiskConfig{})), kind: "cloud_essd"}
}

func TestWhatIsNoSnapshotIsNotRestored(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	for name, tt := range map[string]struct{ id, want string }{
		"no id": {"", "restore disk from ECS snapshot failed: the backup names no snapshot for this volume: its data was not backed up (snapshot )"},
		"a snapshot that was refused": {
			"failed:the quota is used up",
			"restore disk from ECS snapshot failed: the snapshot was refused when the backup was made, so that there is no data to restore; " +
				"restore this volume from another backup. The refusal was: the quota is used up (snapshot failed:the quota is used up)",
		},
		"the id of another cloud": {
			"snap-0123",
			`restore disk from ECS snapshot failed: "snap-0123" is not the id of an ECS snapshot: expected the form cn-hangzhou/s-bp1… or s-bp1…; ` +
				"was the backup made by another plugin? (snapshot snap-0123)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, err := w.CreateVolumeFromSnapshot(tt.id, "", "", nil)
			if diff := gocmp.Diff(tt.want, said(err)); diff != "" || id != "" {
				t.Errorf("id %q, error (-want +got):\n%s", id, diff)
			}
		})
	}
	t.Cleanup(func() {
		if calls := w.calls(); len(calls) != 0 {
			t.Errorf("ECS was called: %v", calls)
		}
	})
}

func TestNothingIsRestoredWithoutARestore(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	w.setRestorePhase(t, "again", velerov1.RestorePhaseCompleted)
	_, err := w.CreateVolumeFromSnapshot(w.foreign(t, simecs.SnapshotConfig{}), "cloud_ssd", homeZone, nil)
	if !strings.Contains(said(err), errNoRestore.Error()) {
		t.Errorf("error %v", err)
	}
}

// blind is a cluster of which some cannot be read.
type blind struct {
	Cluster
	id, restores, volumes, zones error
}

func (b blind) ID(ctx context.Context) (string, error) {
	if b.id != nil {
		return "", b.id
	}
	return b.Cluster.ID(ctx)
}

func (b blind) Restores(ctx context.Context) ([]velerov1.Restore, error) {
	if b.restores != nil {
		return nil, b.restores
	}
	return b.Cluster.Restores(ctx)
}

func (b blind) Volumes(ctx context.Context) ([]corev1.PersistentVolume, error) {
	if b.volumes != nil {
		return nil, b.volumes
	}
	return b.Cluster.Volumes(ctx)
}

func (b blind) Zones(ctx context.Context) ([]string, error) {
	if b.zones != nil {
		return nil, b.zones
	}
	return b.Cluster.Zones(ctx)
}

// mistaken are settings that cannot be read.
type mistaken struct{ error }

func (m mistaken) DiskTarget(context.Context, *velerov1.Restore, diskspec.Claim, diskspec.Spec) (diskspec.Target, error) {
	return diskspec.Target{}, m.error
}

func (m mistaken) KeepAsItWas(*velerov1.Restore, string) {}

func (m mistaken) CheckFlexVolume(context.Context, *velerov1.Restore) error { return m.error }

// withoutFlexVolumes are settings of which those of FlexVolumes cannot be read.
type withoutFlexVolumes struct {
	targets

	err error
}

func (w withoutFlexVolumes) CheckFlexVolume(context.Context, *velerov1.Restore) error {
	return w.err
}

func TestNoDiskIsMadeForAFlexVolumeThatIsNotRestored(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// backUp returns what a backup notes of a volume.
		backUp func(*testing.T, *world) backedUp
		// made says that the mistake is none of the volume's.
		made bool
	}{
		{"a volume of the FlexVolume driver", ofFlexVolume, false},
		{"one of the CSI driver", ours, true},
		{"one of which the snapshot does not tell", theirs, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			backup := tt.backUp(t, w)
			disks := len(w.ecs.Disks())
			s := New(w.log, w.clients, cluster.New(w.api, veleroNamespace), withoutFlexVolumes{w.targets, errors.New("a mistake")}, noVariables)
			if err := s.Init(w.config); err != nil {
				t.Fatal(err)
			}
			_, err := s.CreateVolumeFromSnapshot(backup.snapshot, backup.kind, "", nil)
			if tt.made != (err == nil) || err != nil && !strings.Contains(err.Error(), "a mistake") {
				t.Errorf("error %v", err)
			}
			if made := len(w.ecs.Disks()) > disks; made != tt.made {
				t.Errorf("a disk was made: %t", made)
			}
		})
	}
}

// ofFlexVolume is what a backup notes of a volume of the FlexVolume driver.
func ofFlexVolume(t *testing.T, w *world) backedUp {
	t.Helper()
	id := w.addDisk(t, simecs.DiskConfig{})
	pv := pvOf(w.diskInfo(t, id), claimed)
	pv.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{FlexVolume: &corev1.FlexPersistentVolumeSource{
		Driver: volume.FlexDriverDisk, Options: map[string]string{"volumeId": id},
	}}
	w.create(t, pv, claimOf(claimed, pv.Name, nil))
	return backedUp{snapshot: backUp(t, w.Snapshotter, "daily", id), kind: "cloud_essd"}
}

func TestWhatCannotBeReadOfTheCluster(t *testing.T) {
	t.Parallel()
	unread := errors.New("not read")
	tests := []struct {
		name    string
		cluster blind
		targets Targets
		isAway  bool
		// want is the error; empty means that the disk is made all the same.
		want string
	}{
		{name: "its id", cluster: blind{id: unread}, want: "not read"},
		{name: "its restores", cluster: blind{restores: unread}, want: "not read"},
		{name: "its volumes, where there is an unused disk", cluster: blind{volumes: unread}, want: "not read"},
		{name: "its zones", cluster: blind{zones: unread}},
		{name: "its settings", targets: mistaken{unread}, want: "not read"},
		{name: "its settings, in another region", targets: mistaken{unread}, isAway: true, want: "not read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			newWorld := newRestore
			if tt.isAway {
				newWorld = newAway
			}
			w := newWorld(t)
			_, backup := w.backUpVolume(t, simecs.DiskConfig{})
			if tt.isAway {
				w.goAway(t, nil)
			} else {
				restored(t, w.process(t, nil), backup)
			}
			w.nextRestore(t)
			tt.cluster.Cluster = cluster.New(w.api, veleroNamespace)
			if tt.targets == nil {
				tt.targets = w.targets
			}
			s := New(w.log, w.clients, tt.cluster, tt.targets, noVariables)
			if err := s.Init(w.config); err != nil {
				t.Fatal(err)
			}
			disks := len(w.ecs.Disks())
			_, err := s.CreateVolumeFromSnapshot(backup.snapshot, backup.kind, "", nil)
			if tt.want == "" && err != nil || !strings.Contains(said(err), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if got := len(w.ecs.Disks()); got != disks {
				t.Errorf("there are %d disks instead of %d", got, disks)
			}
		})
	}
}

func TestASnapshotThatIsNotThere(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{"in the region": "cn-hangzhou/s-none", "in another region": "cn-beijing/s-none"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRestore(t)
			_, err := w.CreateVolumeFromSnapshot(id, "", homeZone, nil)
			if !strings.Contains(said(err), "snapshot "+id+" is not there: it was deleted, its retention is over, or") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestASnapshotIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newRestore(t, lasting(simecs.Durations{Snapshot: seconds(600), CreateDisk: seconds(60)}))
	diskID, backup := w.backUpVolume(t, simecs.DiskConfig{Category: "cloud_ssd"})
	w.targets[claimed] = diskspec.Target{Types: []volume.DiskType{{Category: "cloud_auto"}}}

	id := restored(t, w.Snapshotter, backup)
	if want := "pending:" + backup.snapshot + "?type=cloud_ssd"; id != want {
		t.Fatalf("the volume is %s, want %s", id, want)
	}
	pv := pvOf(w.diskInfo(t, diskID), claimed)
	placed, err := w.SetVolumeID(item(t, pv), id)
	if err != nil {
		t.Fatal(err)
	}
	want := pv.DeepCopy()
	want.Spec.CSI.VolumeHandle = id
	if diff := gocmp.Diff(item(t, want), placed); diff != "" {
		t.Errorf("the volume of a disk that is yet to be made (-want +got):\n%s", diff)
	}
	// Other processes poll.
	w.wait(t, 300*time.Second)
	w.checkProgress(t, again(), id, "snapshot "+backup.snapshot+" is being accomplished", 50)
	if got := w.restoresOf(backup.snapshot); len(got) != 0 {
		t.Fatalf("disks were made of a snapshot that cannot be used: %v", got)
	}
	if _, err := w.process(t, nil).Finish(t.Context(), again(), w.config, id, pv); err == nil ||
		err.Error() != "the disk of volume pv-"+diskID+" is not there any more: snapshot "+backup.snapshot+" is being accomplished" {
		t.Errorf("error %v of a volume that is not finished", err)
	}
	w.wait(t, 301*time.Second)
	began := w.checkProgress(t, again(), id, "", 0)
	disk := w.restoresOf(backup.snapshot)
	if len(disk) != 1 || began.Completed || began.Description != "disk "+disk[0].ID+" is being created" {
		t.Fatalf("disks %v, progress %+v", disk, began)
	}
	w.wait(t, 60*time.Second)
	if done := w.checkProgress(t, again(), id, "disk "+disk[0].ID+" is ready", 100); !done.Completed {
		t.Errorf("progress %+v", done)
	}
	finished, err := w.process(t, nil).Finish(t.Context(), again(), w.config, id, pv)
	if err != nil {
		t.Fatal(err)
	}
	want.Spec.CSI.VolumeHandle = disk[0].ID
	want.Labels[volume.LabelDiskType] = "cloud_auto"
	if diff := gocmp.Diff(want, finished); diff != "" {
		t.Errorf("the finished volume (-want +got):\n%s", diff)
	}
	if got := w.restoresOf(backup.snapshot); len(got) != 1 {
		t.Errorf("disks %v, want one", got)
	}
}

func TestASnapshotThatCanBeUsedIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	w := newRestore(t, lasting(simecs.Durations{Snapshot: seconds(600)}))
	_, backup := w.backUpVolume(t, simecs.DiskConfig{Category: "cloud_essd"})
	if id := restored(t, w.Snapshotter, backup); !strings.HasPrefix(id, "d-") {
		t.Errorf("the volume is %s", id)
	}
}

func TestASnapshotThatIsNeverUsable(t *testing.T) {
	t.Parallel()
	t.Run("because it has failed", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t)
		_, backup := w.backUpVolume(t, simecs.DiskConfig{})
		if err := w.ecs.FailSnapshot(w.snapshotInfo(t, backup.snapshot).ID); err != nil {
			t.Fatal(err)
		}
		_, err := w.CreateVolumeFromSnapshot(backup.snapshot, backup.kind, "", nil)
		want := fmt.Sprintf("restore disk from ECS snapshot failed: snapshot %s has failed in ECS: restore from another backup (snapshot %[1]s)", backup.snapshot)
		if said(err) != want {
			t.Errorf("error %q, want %q", said(err), want)
		}
	})
	t.Run("because it takes too long", func(t *testing.T) {
		t.Parallel()
		w := newRestore(t, lasting(simecs.Durations{Snapshot: seconds(4 * 3600)}))
		w.config["snapshotTimeout"] = "1h"
		_, backup := w.backUpVolume(t, simecs.DiskConfig{Category: "cloud_ssd"})
		id := restored(t, w.process(t, nil), backup)
		w.wait(t, time.Hour+2*time.Second)
		progress := w.poll(t, again(), id)
		want := fmt.Sprintf("restore disk from ECS snapshot failed: snapshot %s is not accomplished after 1h0m0s (config key snapshotTimeout), but at 25%%: "+
			"its data is not lost; restore again when ECS shows it as accomplished (volume %s)", backup.snapshot, id)
		if !progress.Completed || progress.Err != want {
			t.Errorf("progress %+v, want the error %q", progress, want)
		}
	})
}

// startedAt sets when a Restore has begun, and returns it.
func startedAt(restore *velerov1.Restore, at time.Time) *velerov1.Restore {
	restore.Status.StartTimestamp = &metav1.Time{Time: at}
	return restore
}

func TestTheTimeOfASnapshotCountsFromTheRestore(t *testing.T) {
	t.Parallel()
	w := newRestore(t, lasting(simecs.Durations{Snapshot: seconds(12 * 3600)}))
	w.config["snapshotTimeout"] = "1h"
	_, backup := w.backUpVolume(t, simecs.DiskConfig{Category: "cloud_ssd"})
	w.wait(t, 3*time.Hour)
	late := startedAt(again(), w.time.Now())
	id := "pending:" + backup.snapshot + "?type=cloud_ssd"
	w.wait(t, 59*time.Minute)
	w.checkProgress(t, late, id, "snapshot "+backup.snapshot+" is being accomplished", 33)
	w.wait(t, 2*time.Minute)
	if progress := w.poll(t, late, id); !progress.Completed || !strings.Contains(progress.Err, "is not accomplished after 1h0m0s") {
		t.Errorf("progress %+v", progress)
	}
	// A snapshot that was cut later than the restore began has its own time.
	if progress := w.poll(t, startedAt(again(), w.time.Now().Add(-100*time.Hour)), id); !progress.Completed {
		t.Errorf("progress %+v", progress)
	}
}

func TestTheVolumeIsWhereItsDiskIs(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	diskID, backup := w.backUpVolume(t, simecs.DiskConfig{})
	w.config["zoneMapping"] = homeZone + "=" + otherZone
	pv := pvOf(w.diskInfo(t, diskID), claimed)
	pv.Labels["topology.kubernetes.io/region"] = away
	s := w.process(t, nil)
	id := restored(t, s, backup)
	want := pv.DeepCopy()
	want.Spec.CSI.VolumeHandle = id
	want.Labels["topology.kubernetes.io/region"] = home
	want.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values = []string{otherZone}
	reads := w.count("DescribeDisks")
	for name, process := range map[string]*Snapshotter{"the process that made it": s, "another process": w.process(t, nil)} {
		placed, err := process.SetVolumeID(item(t, pv), id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(item(t, want), placed); diff != "" {
			t.Errorf("the volume in %s (-want +got):\n%s", name, diff)
		}
	}
	if got := w.count("DescribeDisks") - reads; got != 1 {
		t.Errorf("the disk was read %d times, want once, by the process that did not make it", got)
	}
}

func TestAVolumeWhoseDiskCannotBeReadKeepsItsPlace(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	pv := pvOf(w.diskInfo(t, w.addDisk(t, simecs.DiskConfig{})), claimed)
	placed, err := w.SetVolumeID(item(t, pv), "d-elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	want := pv.DeepCopy()
	want.Spec.CSI.VolumeHandle = "d-elsewhere"
	if diff := gocmp.Diff(item(t, want), placed); diff != "" {
		t.Errorf("the volume (-want +got):\n%s", diff)
	}
	warnings := []string{"The zone and the type of the disk could not be read: the volume keeps those that it has"}
	if diff := gocmp.Diff(warnings, w.messages(logrus.WarnLevel)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// counted is a cluster that counts how often its zones are read.
type counted struct {
	Cluster
	zones *int
}

func (c counted) Zones(ctx context.Context) ([]string, error) {
	*c.zones++
	return c.Cluster.Zones(ctx)
}

// TestTheCallsOfALargeRestore holds that a restore reads the snapshots of its backup together, and the cluster's zones once.
func TestTheCallsOfALargeRestore(t *testing.T) {
	t.Parallel()
	const disks = 200
	w := newRestore(t)
	zones := 0
	s := New(w.log, w.clients, counted{cluster.New(w.api, veleroNamespace), &zones}, w.targets, noVariables)
	if err := s.Init(w.config); err != nil {
		t.Fatal(err)
	}
	sources := make([]string, 0, disks)
	for i := range disks {
		sources = append(sources, w.foreign(t, simecs.SnapshotConfig{Disk: fmt.Sprintf("d-%d", i), Tags: map[string]string{tagBackupUID: "uid-daily"}}))
	}
	for i, source := range sources {
		restored(t, s, backedUp{snapshot: source, kind: "cloud_essd.PL1", zone: homeZone})
		if i%20 == 19 {
			w.wait(t, time.Minute) // The list is not taken for what there is any more.
		}
	}
	got := map[string]int{"CreateDisk": w.count("CreateDisk"), "DescribeSnapshots": w.count("DescribeSnapshots"), "zones": zones}
	// The first snapshot, then two pages of all.
	if diff := gocmp.Diff(map[string]int{"CreateDisk": disks, "DescribeSnapshots": 3, "zones": 1}, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestSnapshotsThatAreReadTogether(t *testing.T) {
	t.Parallel()
	w := newRestore(t, lasting(simecs.Durations{Snapshot: seconds(600)}))
	s := w.process(t, nil)
	_, backup := w.backUpVolume(t, simecs.DiskConfig{Category: "cloud_ssd"})
	id := restored(t, s, backup)
	if id != "pending:"+backup.snapshot+"?type=cloud_ssd" {
		t.Fatalf("the volume is %s", id)
	}
	// One of another backup, in the same process.
	other := backedUp{snapshot: w.foreign(t, simecs.SnapshotConfig{}), kind: "cloud_ssd", zone: homeZone}
	if id := restored(t, s, other); !strings.HasPrefix(id, "d-") {
		t.Errorf("the volume of another backup is %s", id)
	}
	if _, err := s.CreateVolumeFromSnapshot("s-none", "cloud_ssd", homeZone, nil); !strings.Contains(said(err), "is not there") {
		t.Errorf("error %v", err)
	}
	w.wait(t, 600*time.Second)
	if progress, err := s.Progress(t.Context(), again(), w.config, id, nil); err != nil || !progress.Completed || progress.Err != "" {
		t.Errorf("progress %+v, error %v: the process has not seen that the snapshot is accomplished", progress, err)
	}
}

func TestSnapshotsThatCannotBeReadTogether(t *testing.T) {
	t.Parallel()
	w := newRestore(t)
	s := w.process(t, nil)
	tags := map[string]string{tagBackupUID: "uid-daily"}
	restored(t, s, backedUp{snapshot: w.foreign(t, simecs.SnapshotConfig{Tags: tags}), kind: "cloud_ssd", zone: homeZone})
	second := w.foreign(t, simecs.SnapshotConfig{Tags: tags})
	w.fail(t, fault.Rule{Operation: "DescribeSnapshots", Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Count: 10})
	if id := restored(t, s, backedUp{snapshot: second, kind: "cloud_ssd", zone: homeZone}); !strings.HasPrefix(id, pendingPrefix) {
		t.Errorf("the volume is %s, want one that is made later", id)
	}
}

func TestTenDisksTakeTheTimeOfOne(t *testing.T) {
	t.Parallel()
	const disks = 10
	w := newRestore(t, lasting(simecs.Durations{CreateDisk: seconds(60)}))
	began := w.time.Now()
	ids := make([]string, 0, disks)
	for i := range disks {
		source := w.foreign(t, simecs.SnapshotConfig{Disk: fmt.Sprintf("d-%d", i)})
		ids = append(ids, restored(t, w.Snapshotter, backedUp{snapshot: source, kind: "cloud_essd.PL1", zone: homeZone}))
	}
	if took := w.time.Now().Sub(began); took != 0 {
		t.Errorf("the disks were waited for, for %v", took)
	}
	for _, id := range ids {
		w.checkProgress(t, again(), id, "disk "+id+" is being created", 0)
	}
	w.wait(t, time.Minute)
	polling := w.process(t, nil)
	reads := w.count("DescribeDisks")
	for _, id := range ids {
		progress, err := polling.Progress(t.Context(), again(), w.config, id, nil)
		if err != nil || !progress.Completed || progress.Err != "" {
			t.Errorf("disk %s: %+v, error %v", id, progress, err)
		}
	}
	if got := w.count("DescribeDisks") - reads; got != 1 {
		t.Errorf("the disks were listed %d times, want once for all", got)
	}
}
