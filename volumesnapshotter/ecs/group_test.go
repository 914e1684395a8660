// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// inGroup are the labels of a claim in the consistency group db.
func inGroup() map[string]string { return map[string]string{labelGroup: "db"} }

// addGroup adds volumes d-0, d-1 and so on, with claims shop/data-0 and so on in the group db.
func (w *world) addGroup(t *testing.T, members ...simecs.DiskConfig) []string {
	t.Helper()
	var ids []string
	for i, member := range members {
		member.ID = fmt.Sprintf("d-%d", i)
		ids = append(ids, w.addVolume(t, member, fmt.Sprintf("shop/data-%d", i), inGroup()))
	}
	return ids
}

// annotate makes the claims of shop ones that may be cut alone.
func (w *world) annotate(t *testing.T) {
	t.Helper()
	claims := &corev1.PersistentVolumeClaimList{}
	if err := w.api.List(t.Context(), claims, client.InNamespace("shop")); err != nil {
		t.Fatal(err)
	}
	for i := range claims.Items {
		claims.Items[i].Annotations = map[string]string{annotationConsistency: bestEffort}
		if err := w.api.Update(t.Context(), &claims.Items[i]); err != nil {
			t.Fatal(err)
		}
	}
}

// groups returns the ids of the account's snapshot groups.
func (w *world) groups() []string { return w.ecs.Inventory(account).SnapshotGroups }

func TestAGroupIsCutOnce(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{PerformanceLevel: "PL0", Size: 40}, simecs.DiskConfig{Category: "cloud_auto"})
	alone := w.addVolume(t, simecs.DiskConfig{ID: "d-alone"}, "shop/logs", nil)
	elsewhere := w.addVolume(t, simecs.DiskConfig{ID: "d-elsewhere"}, "other/data", inGroup())
	var got []simecs.SnapshotInfo
	for _, disk := range append(disks, alone, elsewhere) {
		got = append(got, w.snapshotInfo(t, backUp(t, w.Snapshotter, "daily", disk)))
	}
	group, other := got[0].GroupID, got[4].GroupID
	if diff := gocmp.Diff([]string{home + "/" + group, home + "/" + other}, w.groups(), cmpopts.SortSlices(cmp.Less[string])); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	want := []simecs.SnapshotInfo{
		{DiskID: "d-0", Size: 20, GroupID: group, Tags: memberTags("d-0", "shop/data-0", "cloud_essd.PL1 20GiB", "shop/db")},
		{DiskID: "d-1", Size: 40, GroupID: group, Tags: memberTags("d-1", "shop/data-1", "cloud_essd.PL0 40GiB", "shop/db")},
		{DiskID: "d-2", Size: 20, GroupID: group, Tags: memberTags("d-2", "shop/data-2", "cloud_auto 20GiB", "shop/db")},
		{DiskID: "d-alone", Size: 20, Name: "velero-daily-pv-d-alone", RetentionDays: 30, Tags: memberTags("d-alone", "shop/logs", "cloud_essd.PL1 20GiB", "")},
		{DiskID: "d-elsewhere", Size: 20, GroupID: other, Tags: memberTags("d-elsewhere", "other/data", "cloud_essd.PL1 20GiB", "other/db")},
	}
	for i := range want {
		want[i].Account, want[i].Region, want[i].Status, want[i].Available = account, home, "accomplished", true
	}
	if diff := gocmp.Diff(want, got, cmpopts.IgnoreFields(simecs.SnapshotInfo{}, "ID", "Created")); diff != "" {
		t.Errorf("snapshots (-want +got):\n%s", diff)
	}
}

// memberTags are those of a disk's snapshot in the backup daily.
func memberTags(disk, claim, text, group string) map[string]string {
	tags := map[string]string{
		"velero.io/backup": "daily", "velero.io/pv": "pv-" + disk, "alibabacloud.com/cluster-id": clusterID, "alibabacloud.com/backup-uid": "uid-daily",
		"alibabacloud.com/pvc": claim, "alibabacloud.com/storage-class": "alicloud-disk-essd", "alibabacloud.com/disk": text, "alibabacloud.com/zone": homeZone,
	}
	if group != "" {
		tags["alibabacloud.com/consistency-group"] = group
	}
	return tags
}

func TestAGroupThatIsAskedForAtOnce(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disks := w.addGroup(t, make([]simecs.DiskConfig, 16)...)
	ids := make([]string, len(disks))
	var group sync.WaitGroup
	for i, disk := range disks {
		group.Go(func() { ids[i] = backUp(t, w.Snapshotter, "daily", disk) })
	}
	group.Wait()
	if made := w.groups(); len(made) != 1 {
		t.Errorf("groups %v, want one", made)
	}
	slices.Sort(ids)
	if diff := gocmp.Diff(w.ecs.Inventory(account).Snapshots, ids); diff != "" {
		t.Errorf("ids (-in the cloud +got):\n%s", diff)
	}
}

func TestAProcessThatDiesInTheMiddleOfAGroup(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{}, simecs.DiskConfig{})
	ids := []string{backUp(t, w.Snapshotter, "daily", disks[0])}
	w.fail(t, fault.Rule{Operation: "CreateSnapshotGroup", Reset: true, Count: 1})
	for _, disk := range disks[1:] {
		ids = append(ids, backUp(t, w.process(t, nil), "daily", disk))
	}
	slices.Sort(ids)
	if diff := gocmp.Diff(w.ecs.Inventory(account).Snapshots, ids); diff != "" || len(w.groups()) != 1 {
		t.Errorf("groups %v, ids (-in the cloud +got):\n%s", w.groups(), diff)
	}
}

func TestWhatAGroupTakes(t *testing.T) {
	t.Parallel()
	app := map[string]string{labelGroup: "db", "app": "shop"}
	tests := []struct {
		name   string
		backup func(*velerov1.Backup)
		labels map[string]string // of the claim of d-2; that of d-1 has app, that of d-0 nothing but the group
		asked  string
		want   []string
	}{
		{"all claims of the label", func(*velerov1.Backup) {}, inGroup(), "d-1", []string{"d-0", "d-1", "d-2"}},
		{"not a claim that no backup takes", func(*velerov1.Backup) {}, map[string]string{labelGroup: "db", velerov1.ExcludeFromBackupLabel: "true"}, "d-1", []string{"d-0", "d-1"}},
		{"not a claim of another group", func(*velerov1.Backup) {}, map[string]string{labelGroup: "cache"}, "d-1", []string{"d-0", "d-1"}},
		{"what the backup's selector selects", func(b *velerov1.Backup) {
			b.Spec.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}
		}, app, "d-1", []string{"d-1", "d-2"}},
		{"what one of the backup's selectors selects", func(b *velerov1.Backup) {
			b.Spec.OrLabelSelectors = []*metav1.LabelSelector{{MatchLabels: map[string]string{"app": "x"}}, {MatchLabels: map[string]string{"app": "shop"}}}
		}, inGroup(), "d-1", []string{"d-1"}},
		{"all, where the claim came with its Pod", func(b *velerov1.Backup) {
			b.Spec.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}
		}, app, "d-0", []string{"d-0", "d-1", "d-2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			backup := backupNamed("daily", velerov1.BackupPhaseInProgress)
			tt.backup(backup)
			w.create(t, backup, claimOf("shop/unbound", "", inGroup()))
			w.addVolume(t, simecs.DiskConfig{ID: "d-0"}, "shop/data-0", inGroup())
			w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data-1", app)
			w.addVolume(t, simecs.DiskConfig{ID: "d-2"}, "shop/data-2", tt.labels)
			backUp(t, w.Snapshotter, "daily", tt.asked)
			var got []string
			for _, made := range w.ecs.Snapshots() {
				got = append(got, made.DiskID)
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("disks (-want +got):\n%s", diff)
			}
		})
	}
}

// unfit are groups that ECS does not take.
func unfit() []struct {
	name    string
	members []simecs.DiskConfig
	want    string
} {
	return []struct {
		name    string
		members []simecs.DiskConfig
		want    string
	}{
		{"17 disks", make([]simecs.DiskConfig, 17), "disk d-9 is one too many: a group has at most 16 disks, and this one would have 17"},
		{
			"two zones",
			[]simecs.DiskConfig{{}, {Zone: otherZone}},
			"disk d-0 is in zone cn-hangzhou-k and disk d-1 in zone cn-hangzhou-j: a group is in one zone",
		},
		{
			"a category without groups",
			[]simecs.DiskConfig{{}, {Category: "cloud_ssd"}},
			"disk d-1 is of the category cloud_ssd: a group takes ESSD, ESSD AutoPL, ESSD Entry and regional ESSD disks alone",
		},
		{
			"a disk for several instances",
			[]simecs.DiskConfig{{}, {MultiAttach: true}},
			"disk d-1 can be attached to several instances: a group takes no such disk",
		},
		{
			"more than 32 TiB",
			[]simecs.DiskConfig{{Size: 20000}, {Size: 20000}},
			"disk d-1 makes it too large: a group has at most 32768 GiB, and this one would have 40000",
		},
	}
}

func TestAGroupThatCannotBeCut(t *testing.T) {
	t.Parallel()
	for _, tt := range unfit() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t))
			for _, disk := range w.addGroup(t, tt.members...) {
				w.logged.Reset()
				id := backUp(t, w.Snapshotter, "daily", disk)
				want := fmt.Sprintf("failed:create ECS snapshot failed: consistency group shop/db: %s (disk %s)", tt.want, disk)
				if id != want {
					t.Errorf("id %q, want %q", id, want)
				}
				w.checkRefusal(t, disk, id)
			}
			if left := w.ecs.Inventory(account); len(left.Snapshots)+len(left.SnapshotGroups) > 0 {
				t.Errorf("left are %+v", left)
			}
		})
	}
}

func TestAGroupThatMayBeCutApart(t *testing.T) {
	t.Parallel()
	for _, tt := range unfit() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t))
			disks := w.addGroup(t, tt.members...)
			w.annotate(t)
			var got, want, warnings []string
			for _, disk := range disks {
				made := w.snapshotInfo(t, backUp(t, w.Snapshotter, "daily", disk))
				got = append(got, fmt.Sprintf("%s %q %d", made.DiskID, made.GroupID, made.RetentionDays))
				want = append(want, fmt.Sprintf("%s %q %d", disk, "", 30))
				warnings = append(warnings, "The disks of the consistency group are not cut at the same moment")
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("snapshots (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(warnings, w.messages(logrus.WarnLevel)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			if made := w.groups(); len(made) > 0 {
				t.Errorf("groups %v, want none", made)
			}
		})
	}
}

func TestAGroupThatTheCloudRefuses(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{})
	w.ecs.SetQuotas(simecs.Quotas{SnapshotsPerAccount: 1})
	for _, disk := range disks {
		id := backUp(t, w.Snapshotter, "daily", disk)
		if !strings.HasPrefix(id, "failed:create ECS snapshot failed: consistency group shop/db: ") || !strings.Contains(id, "the quota of snapshots is used up") {
			t.Errorf("id %q, want one that names group and quota", id)
		}
	}
	if calls := w.count("CreateSnapshotGroup"); calls != 1 {
		t.Errorf("%d calls, want one for all members", calls)
	}
}

func TestAGroupOfVolumesThatAreNoDisks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		pv   *corev1.PersistentVolume
		want string
	}{
		{"a file system", &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: "pv-nas"},
			Spec: corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: volume.DriverNAS, VolumeHandle: "fs-1"},
			}},
		}, "claim files of the group: the volume pv-nas is no ECS disk"},
		{"a volume that is not there", &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "another"}}, "claim files of the group: the volume pv-nas does not exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t))
			disk := w.addGroup(t, simecs.DiskConfig{})[0]
			w.create(t, tt.pv, claimOf("shop/files", "pv-nas", inGroup()))
			if id := backUp(t, w.Snapshotter, "daily", disk); !strings.Contains(id, tt.want) {
				t.Errorf("id %q, want %q", id, tt.want)
			}
		})
	}
}

func TestAClaimThatJoinsItsGroupTooLate(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{})
	backUp(t, w.Snapshotter, "daily", disks[0])
	delete(siteOf(t, w.Snapshotter).groups.made[groupKey("daily", "shop/db")].snapshots, disks[1])
	id := backUp(t, w.Snapshotter, "daily", disks[1])
	if want := "it was cut without the disk d-1, whose claim got the label alibabacloud.com/consistency-group later"; !strings.Contains(id, want) {
		t.Errorf("id %q, want %q", id, want)
	}
}

func TestAGroupThatCannotBeReadIsNotLeft(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disk := w.addGroup(t, simecs.DiskConfig{})[0]
	w.fail(t, fault.Rule{Operation: "DescribeSnapshotGroups", Status: 500, Code: "InternalError"})
	id := backUp(t, w.Snapshotter, "daily", disk)
	if !strings.HasPrefix(id, refusedPrefix) || !strings.Contains(id, "was made and cannot be read") {
		t.Errorf("id %q, want a refusal", id)
	}
	if left := w.ecs.Inventory(account); len(left.Snapshots)+len(left.SnapshotGroups) > 0 {
		t.Errorf("left are %+v", left)
	}
}

func TestAMemberThatCannotBeMarkedIsNotLeft(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rule fault.Rule
	}{
		{"for the call fails", fault.Rule{Operation: "TagResources", Status: http.StatusInternalServerError, Code: "InternalError"}},
		{"for the permission was taken away after the first", fault.Rule{Operation: "TagResources", Status: http.StatusForbidden, Code: "Forbidden.RAM"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t))
			disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{})
			first := backUp(t, w.Snapshotter, "daily", disks[0])
			w.fail(t, tt.rule)
			if second := backUp(t, w.Snapshotter, "daily", disks[1]); !strings.HasPrefix(second, refusedPrefix) {
				t.Errorf("id %q, want a refusal", second)
			}
			if diff := gocmp.Diff([]string{first}, w.ecs.Inventory(account).Snapshots); diff != "" {
				t.Errorf("snapshots (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAGroupWithoutAllItsMembers(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	w.addGroup(t, simecs.DiskConfig{})
	backUp(t, w.Snapshotter, "daily", "d-0")
	api, err := siteOf(t, w.Snapshotter).api(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, id, _ := strings.Cut(w.groups()[0], "/")
	began := w.time.Now()
	_, err = membersOf(t.Context(), api, id, []disk{{id: "d-0"}, {id: "d-late"}})
	if want := "snapshot group " + id + " was made and has no snapshot of disk d-late"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	if took := w.time.Now().Sub(began); took < visibleAfter || took > visibleAfter+pollInterval {
		t.Errorf("it was waited for %v, want %v", took, visibleAfter)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	impatient := w.apiThatSleeps(t, func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	})
	if _, err := membersOf(ctx, impatient, id, []disk{{id: "d-late"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the end of the time", err)
	}
}

func TestAGroupOfABackupWithALongName(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("daily", 2*maxTagLength/len("daily"))
	w := newWorld(t)
	w.create(t, backupNamed(name, velerov1.BackupPhaseInProgress))
	disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{})
	id := backUp(t, w.Snapshotter, name, disks[0])
	w.End(t.Context())
	if diff := gocmp.Diff([]string{id}, w.ecs.Inventory(account).Snapshots); diff != "" {
		t.Errorf("snapshots (-want +got):\n%s", diff)
	}
}

func TestAGroupWithAVolumeThatIsBeingRestored(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disk := w.addGroup(t, simecs.DiskConfig{})[0]
	pending := pvOf(simecs.DiskInfo{ID: "pending:cn-hangzhou/s-1", Size: 20, Zone: homeZone}, "shop/restored")
	pending.Name = "pv-restored"
	w.create(t, pending, claimOf("shop/restored", "pv-restored", inGroup()))
	want := "claim restored of the group: the volume pending:cn-hangzhou/s-1 is still being restored: back up again when its restore has ended"
	if id := backUp(t, w.Snapshotter, "daily", disk); !strings.Contains(id, want) {
		t.Errorf("id %q, want %q", id, want)
	}
}

func TestAGroupOfABackupThatCannotBeReadIsMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disk := w.addGroup(t, simecs.DiskConfig{})[0]
	first, second := backUp(t, w.Snapshotter, "daily", disk), backUp(t, w.process(t, nil), "daily", disk)
	if first == second || len(w.groups()) != 2 {
		t.Errorf("ids %s and %s in groups %v", first, second, w.groups())
	}
}

func TestCheckGroupLeavesWhatIsNotKnownToECS(t *testing.T) {
	t.Parallel()
	essd := volume.DiskType{Category: diskspec.ESSD, PerformanceLevel: "PL1"}
	disks := []disk{
		{id: "d-regional", spec: diskspec.Spec{Type: volume.DiskType{Category: diskspec.Regional}, SizeGiB: 20}},
		{id: "d-zonal", spec: diskspec.Spec{Type: essd, Zone: homeZone, SizeGiB: 20}},
		{id: "d-unknown"},
		{id: "d-new", spec: diskspec.Spec{Type: volume.DiskType{Category: "cloud_next"}, Zone: homeZone}},
	}
	if err := checkGroup(disks); err != nil {
		t.Error(err)
	}
	disks = append(disks, disk{id: "d-other", spec: diskspec.Spec{Type: essd, Zone: otherZone}})
	if err := checkGroup(disks); err == nil || !strings.HasPrefix(err.Error(), "disk d-zonal is in zone cn-hangzhou-k and disk d-other in zone") {
		t.Errorf("error %v, want one about the zones", err)
	}
}

func TestABackupWithABrokenSelector(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	backup := backupNamed("daily", velerov1.BackupPhaseInProgress)
	backup.Spec.LabelSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}
	w.create(t, backup)
	disk := w.addGroup(t, simecs.DiskConfig{})[0]
	if id := backUp(t, w.Snapshotter, "daily", disk); !strings.Contains(id, "reading the backup's label selector") {
		t.Errorf("id %q, want one about the selector", id)
	}
}

func TestAGroupWhoseTimeIsOver(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disk := w.addGroup(t, simecs.DiskConfig{})[0]
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	if _, err := siteOf(t, w.Snapshotter).snapshot(ctx, disk, veleroTags("daily", "pv-d-0"), nil); failure.Classify(err) != failure.Canceled {
		t.Errorf("error %v, want the end of the time", err)
	}
}
