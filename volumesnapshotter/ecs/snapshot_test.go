// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// running adds the Backup daily, which is being made.
func running(t *testing.T, w *world) *world {
	t.Helper()
	w.create(t, backupNamed("daily", velerov1.BackupPhaseInProgress))
	return w
}

func TestASnapshotTellsAllOfItsDisk(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t, func(c *cloudsim.Config) {
		c.ECS.KMSKeys = []simecs.KMSKey{{ID: "key-1", Account: account, Region: home}}
	}))
	disk := w.addVolume(t, simecs.DiskConfig{
		ID: "d-1", Category: "cloud_auto", Size: 40, ProvisionedIOPS: 1000, Bursting: true, Encrypted: true, KMSKeyID: "key-1",
		ResourceGroupID: "rg-shop", Tags: map[string]string{"owner": "ops", "acs:rm:rgId": "x", "aliyunx": "y"},
	}, "shop/data", nil)
	s := w.process(t, map[string]string{"resourceGroupId": "rg-backups", "tags": "team=storefront"})
	tags := veleroTags("daily", "pv-d-1")
	tags["velero.io/storage-location"] = "default"
	id, err := s.CreateSnapshot(disk, homeZone, tags)
	if err != nil {
		t.Fatal(err)
	}
	made := w.snapshotInfo(t, id)
	if want := home + "/" + made.ID; id != want {
		t.Errorf("id %q, want %q", id, want)
	}
	want := simecs.SnapshotInfo{
		Name: "velero-daily-pv-d-1", Account: account, Region: home, Status: "accomplished", Available: true, DiskID: "d-1", Size: 40,
		Encrypted: true, KMSKeyID: "key-1", ResourceGroupID: "rg-backups", RetentionDays: 30,
		Tags: map[string]string{
			"velero.io/backup": "daily", "velero.io/pv": "pv-d-1", "velero.io/storage-location": "default",
			"alibabacloud.com/cluster-id": clusterID, "alibabacloud.com/backup-uid": "uid-daily",
			"alibabacloud.com/pvc": "shop/data", "alibabacloud.com/storage-class": "alicloud-disk-essd",
			"alibabacloud.com/disk": "cloud_auto 40GiB iops=1000 bursting", "alibabacloud.com/zone": homeZone,
			"alibabacloud.com/kms-key": "key-1", "alibabacloud.com/resource-group": "rg-shop",
			"disk/owner": "ops", "team": "storefront",
		},
	}
	if diff := gocmp.Diff(want, made, cmpopts.IgnoreFields(simecs.SnapshotInfo{}, "ID", "Created")); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
}

func TestASnapshotTellsWhatItsVolumeIs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// change makes the volume another than the driver's own.
		change func(*corev1.PersistentVolume)
		want   diskspec.Claim
	}{
		{
			"a file system",
			func(*corev1.PersistentVolume) {},
			diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "alicloud-disk-essd"},
		},
		{
			"a block device",
			func(pv *corev1.PersistentVolume) { pv.Spec.VolumeMode = new(corev1.PersistentVolumeBlock) },
			diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "alicloud-disk-essd", Block: true},
		},
		{
			"the class of the annotation, which counts for Kubernetes before the field",
			func(pv *corev1.PersistentVolume) {
				pv.Annotations = map[string]string{corev1.BetaStorageClassAnnotation: "alicloud-disk-ssd"}
			},
			diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "alicloud-disk-ssd"},
		},
		{
			"a volume that no claim has",
			func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef = nil },
			diskspec.Claim{StorageClass: "alicloud-disk-essd"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t))
			disk := w.addDisk(t, simecs.DiskConfig{})
			pv := pvOf(w.diskInfo(t, disk), "shop/data")
			tt.change(pv)
			w.create(t, pv)
			made := w.snapshotInfo(t, backUp(t, w.Snapshotter, "daily", disk))
			if diff := gocmp.Diff(tt.want, readRecord(snapshot{tags: made.Tags}, order{}).claim); diff != "" {
				t.Errorf("the claim that the snapshot tells (-want +got):\n%s", diff)
			}
		})
	}
}

func TestASnapshotTellsOfTheVolumeThatIsBackedUp(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", nil)
	released := pvOf(w.diskInfo(t, disk), "old/data")
	released.Name, released.Spec.StorageClassName = "a-released", "old"
	released.Status.Phase = corev1.VolumeReleased
	w.create(t, released)
	made := w.snapshotInfo(t, backUp(t, w.Snapshotter, "daily", disk))
	want := diskspec.Claim{Namespace: "shop", Name: "data", StorageClass: "alicloud-disk-essd"}
	if diff := gocmp.Diff(want, readRecord(snapshot{tags: made.Tags}, order{}).claim); diff != "" {
		t.Errorf("the claim that the snapshot tells (-want +got):\n%s", diff)
	}
}

func TestVolumesOfOneDiskShareItsSnapshot(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		labels map[string]string
	}{
		{"that was cut alone", nil},
		{"that was cut with a consistency group", inGroup()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newBackup(t)
			disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", tt.labels)
			released := pvOf(w.diskInfo(t, disk), "shop/data")
			released.Name = "a-released"
			w.create(t, released)
			ids := make([]string, 0, 2)
			for _, pv := range []string{"a-released", "pv-d-1"} {
				id, err := w.CreateSnapshot(disk, "", veleroTags("daily", pv))
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			if diff := gocmp.Diff(w.ecs.Inventory(account).Snapshots, slices.Compact(ids)); diff != "" {
				t.Errorf("ids (-in the cloud +got):\n%s", diff)
			}
			w.wait(t, snapshotSeconds*time.Second)
			for _, pv := range []string{"a-released", "pv-d-1"} {
				progress, err := w.process(t, nil).SnapshotProgress(t.Context(), backupNamed("daily", ""), w.config, pv, disk)
				if err != nil || !progress.Completed || progress.Err != "" {
					t.Errorf("progress of %s: %+v, error %v", pv, progress, err)
				}
			}
		})
	}
}

func TestASharedSnapshotOfWhichANoteFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		labels map[string]string
		// failing is the volume whose snapshot cannot be noted.
		failing string
		// refused are the volumes without a snapshot.
		refused []string
	}{
		{"stays for the volume that has it", nil, "pv-d-1", []string{"pv-d-1"}},
		{"stays for the volume that has it, in a group", inGroup(), "pv-d-1", []string{"pv-d-1"}},
		{"is made anew for the next volume", nil, "a-released", []string{"a-released"}},
		{"is refused to the next volume too, in a group, which is cut once", inGroup(), "a-released", []string{"a-released", "pv-d-1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t))
			disk := w.addVolume(t, simecs.DiskConfig{ID: "d-1"}, "shop/data", tt.labels)
			released := pvOf(w.diskInfo(t, disk), "shop/data")
			released.Name = "a-released"
			w.create(t, released)
			s := w.processWith(t, interceptor.Funcs{
				Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
					if note, ok := object.(*corev1.ConfigMap); ok && note.Data["subject"] == tt.failing {
						return errors.New("down")
					}
					return c.Update(ctx, object, options...)
				},
			})
			var told, refused []string
			for _, pv := range []string{"a-released", "pv-d-1"} {
				id, err := s.CreateSnapshot(disk, "", veleroTags("daily", pv))
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(id, refusedPrefix) {
					refused = append(refused, pv)
					continue
				}
				told = append(told, id)
			}
			if diff := gocmp.Diff(tt.refused, refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(told, w.ecs.Inventory(account).Snapshots, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("snapshots (-told to Velero +in the cloud):\n%s", diff)
			}
		})
	}
}

func TestAVolumeThatIsBeingRestoredIsNotBackedUp(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	const disk = "pending:cn-hangzhou/s-1?type=cloud_ssd"
	id, err := w.CreateSnapshot(disk, "", veleroTags("daily", "pv-1"))
	want := "failed:create ECS snapshot failed: the volume " + disk + " is still being restored: back up again when its restore has ended (disk " + disk + ")"
	if id != want || err != nil {
		t.Errorf("id %q, error %v, want\n%q", id, err, want)
	}
	w.End(t.Context())
	if calls := w.calls(); len(calls) != 0 {
		t.Errorf("ECS was called: %v", calls)
	}
}

func TestTheDiskAsItWasAtTheCut(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disk := w.addVolume(t, simecs.DiskConfig{Files: map[string]string{"a": "before"}}, "shop/data", nil)
	id := backUp(t, w.Snapshotter, "daily", disk)
	if err := w.ecs.WriteFile(disk, "a", []byte("after")); err != nil {
		t.Fatal(err)
	}
	if got, err := w.ecs.ReadSnapshotFile(w.snapshotInfo(t, id).ID, "a"); string(got) != "before" {
		t.Errorf("the snapshot has %q, error %v", got, err)
	}
}

func TestRetentionOfSnapshots(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	tests := []struct {
		name, config string
		backup       func(*velerov1.Backup)
		want         int64
	}{
		{"as long as the backup", "", func(b *velerov1.Backup) { b.Spec.TTL.Duration = 7 * day }, 7},
		{"days are rounded up", "backup", func(b *velerov1.Backup) { b.Spec.TTL.Duration = 7*day + time.Minute }, 8},
		{"the backup's end beats its time to live", "", func(b *velerov1.Backup) { b.Status.Expiration = &metav1.Time{Time: time.Now().Add(36 * time.Hour)} }, 2},
		{"a backup that is over already", "", func(b *velerov1.Backup) { b.Status.Expiration = &metav1.Time{Time: time.Now().Add(-time.Hour)} }, 1},
		{"a backup without an end", "", func(b *velerov1.Backup) { b.Spec.TTL.Duration = 0 }, 0},
		{"a number of days", "3", func(*velerov1.Backup) {}, 3},
		{"for ever", "forever", func(*velerov1.Backup) {}, 0},
	}
	w := newWorld(t)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			name := fmt.Sprintf("backup-%d", i)
			backup := backupNamed(name, velerov1.BackupPhaseInProgress)
			tt.backup(backup)
			w.create(t, backup)
			s := w.process(t, map[string]string{"retentionDays": cmp.Or(tt.config, "backup")})
			id := backUp(t, s, name, w.addDisk(t, simecs.DiskConfig{}))
			if got := w.snapshotInfo(t, id).RetentionDays; got != tt.want {
				t.Errorf("%d days, want %d", got, tt.want)
			}
		})
	}
}

func TestARequestThatIsSentAgainFindsTheFirstSnapshot(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	w.create(t, backupNamed("weekly", velerov1.BackupPhaseInProgress))
	disk := w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil)
	w.fail(t, fault.Rule{Operation: "CreateSnapshot", Reset: true, Count: 1})
	first := backUp(t, w.Snapshotter, "daily", disk)
	again := backUp(t, w.process(t, nil), "daily", disk)
	other := backUp(t, w.process(t, nil), "weekly", disk)
	if first != again || first == other {
		t.Errorf("ids %s, %s of one backup and %s of another", first, again, other)
	}
	if made := len(w.ecs.Snapshots()); made != 2 {
		t.Errorf("%d snapshots, want 2", made)
	}
}

func TestMoreTagsThanECSAllows(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	diskTags, tags := map[string]string{}, veleroTags("daily", "pv-1")
	for i := range 12 {
		diskTags[fmt.Sprintf("tag-%02d", i)] = "v"
		tags[fmt.Sprintf("label-%02d", i)] = "v"
	}
	disk := w.addVolume(t, simecs.DiskConfig{Tags: diskTags}, "shop/data", nil)
	id, err := w.CreateSnapshot(disk, "", tags)
	if err != nil {
		t.Fatal(err)
	}
	got := w.snapshotInfo(t, id).Tags
	if len(got) != maxTags-laterTags || got["disk/tag-09"] != "v" || got["label-00"] != "" {
		t.Errorf("%d tags, want %d, the disk's own first: %v", len(got), maxTags-laterTags, got)
	}
	want := []string{"ECS allows 20 tags: the snapshot does not carry all of the disk's tags and the backup's labels"}
	if diff := gocmp.Diff(want, w.messages(logrus.InfoLevel)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestASnapshotThatIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// prepare returns the disk of which a snapshot is wanted.
		prepare func(*testing.T, *world) string
		want    string
	}{
		{
			"a disk that was never attached",
			func(t *testing.T, w *world) string {
				t.Helper()
				disk, err := w.ecs.AddDisk(simecs.DiskConfig{Account: account, Zone: homeZone, Size: 20})
				if err != nil {
					t.Fatal(err)
				}
				return disk
			},
			"ECS makes no snapshot of a disk that was never attached",
		},
		{
			"a disk of which a snapshot is being made",
			func(t *testing.T, w *world) string {
				t.Helper()
				w.ecs.SetDurations(simecs.Durations{Snapshot: metav1.Duration{Duration: time.Hour}})
				w.create(t, backupNamed("earlier", velerov1.BackupPhaseInProgress))
				disk := w.addDisk(t, simecs.DiskConfig{})
				backUp(t, w.Snapshotter, "earlier", disk)
				return disk
			},
			"another snapshot of the disk is being made, by an automatic snapshot policy or another backup",
		},
		{
			"no room in the quota",
			func(t *testing.T, w *world) string {
				t.Helper()
				w.ecs.SetQuotas(simecs.Quotas{SnapshotsPerAccount: 1})
				if _, err := w.ecs.AddSnapshot(simecs.SnapshotConfig{Account: account, Region: home, Disk: "d-old", Size: 20}); err != nil {
					t.Fatal(err)
				}
				return w.addDisk(t, simecs.DiskConfig{})
			},
			"the quota of snapshots is used up",
		},
		{
			"an account that owes money",
			func(t *testing.T, w *world) string {
				t.Helper()
				w.ecs.SetArrears(account, true)
				return w.addDisk(t, simecs.DiskConfig{})
			},
			"the account or the disk is overdue",
		},
		{
			"a disk that is not there",
			func(*testing.T, *world) string { return "d-gone" },
			"the location's region or account is not the cluster's, or the disk was deleted",
		},
		{
			"a service that does not work",
			func(t *testing.T, w *world) string {
				t.Helper()
				w.fail(t, fault.Rule{Operation: "CreateSnapshot", Status: 503, Code: "ServiceUnavailable", Message: "Sorry."})
				return w.addDisk(t, simecs.DiskConfig{})
			},
			"ECS failed every attempt",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t))
			disk := tt.prepare(t, w)
			before := w.ecs.Inventory(account)
			w.logged.Reset()
			id := backUp(t, w.Snapshotter, "daily", disk)
			if !strings.HasPrefix(id, "failed:create ECS snapshot failed: ") || !strings.Contains(id, tt.want) || !strings.Contains(id, "(disk "+disk+")") {
				t.Errorf("id %q, want %q of disk %s", id, tt.want, disk)
			}
			if diff := gocmp.Diff(before, w.ecs.Inventory(account)); diff != "" {
				t.Errorf("what is left (-before +after):\n%s", diff)
			}
			w.checkRefusal(t, disk, id)
		})
	}
}

// checkRefusal checks that one refusal was logged, as an error with the reason that is in the id.
func (w *world) checkRefusal(t *testing.T, disk, id string) {
	t.Helper()
	var found []logrus.Fields
	for _, entry := range w.logged.AllEntries() {
		if entry.Level != logrus.ErrorLevel {
			continue
		}
		found = append(found, entry.Data)
		if err, _ := entry.Data["error"].(error); err == nil || idOfRefused(err) != id {
			t.Errorf("the error %v is not that of the id %s", err, id)
		}
	}
	want := []logrus.Fields{{"persistentVolume": "pv-" + disk, "disk": disk}}
	if diff := gocmp.Diff(want, found, cmpopts.IgnoreMapEntries(func(key string, _ any) bool { return key == "error" })); diff != "" {
		t.Errorf("errors in the log (-want +got):\n%s", diff)
	}
}

func TestASnapshotWithoutTheCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.api.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem}}); err != nil {
		t.Fatal(err)
	}
	disk := w.addDisk(t, simecs.DiskConfig{ID: "d-1"})
	id := backUp(t, w.Snapshotter, "daily", disk)
	want := simecs.SnapshotInfo{
		Name: "velero-daily-pv-d-1", Account: account, Region: home, Status: "accomplished", Available: true, DiskID: "d-1", Size: 20,
		Tags: map[string]string{
			"velero.io/backup": "daily", "velero.io/pv": "pv-d-1", "alibabacloud.com/disk": "cloud_essd.PL1 20GiB", "alibabacloud.com/zone": homeZone,
		},
	}
	if diff := gocmp.Diff(want, w.snapshotInfo(t, id), cmpopts.IgnoreFields(simecs.SnapshotInfo{}, "ID", "Created")); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	errorLines := []string{"The snapshot has no retention, and nobody asks whether it succeeds: the backup that it is for could not be read"}
	if diff := gocmp.Diff(errorLines, w.messages(logrus.ErrorLevel)); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	warnings := []string{
		"The snapshot does not carry the cluster's id: were this backup to fail, nobody would delete it before its retention ends",
		"The snapshot does not tell which claim it is of",
	}
	if diff := gocmp.Diff(warnings, w.messages(logrus.WarnLevel)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	again := backUp(t, w.Snapshotter, "daily", disk)
	if id == again {
		t.Error("a backup of which nothing is known found the snapshot of another")
	}
}

func TestSnapshotsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	s := w.process(t, map[string]string{"maxConcurrentSnapshots": "1"})
	disk := w.addDisk(t, simecs.DiskConfig{})
	siteOf(t, s).snapshots <- struct{}{} // One that is being asked for, and takes long.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := siteOf(t, s).snapshot(ctx, disk, veleroTags("daily", "pv-1"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	<-siteOf(t, s).snapshots
	if id := backUp(t, s, "daily", disk); strings.HasPrefix(id, refusedPrefix) {
		t.Errorf("id %q, though there is a place again", id)
	}
	if calls := w.count("CreateSnapshot"); calls != 1 {
		t.Errorf("%d calls, want one", calls)
	}
}

// TestManyDisks backs up as many disks as a large cluster has, as Velero asks for
// them, with the limits of calls that accounts have.
func TestManyDisks(t *testing.T) {
	t.Parallel()
	const disks, allowed = 200, 220 // 1.1 calls for each.
	tests := []struct {
		name           string
		limit, workers int
		// others is how many calls a minute another program makes.
		others int
	}{
		{"100 a minute, one after the other", 100, 1, 0},
		{"100 a minute, 20 at once", 100, 20, 0},
		{"37 a minute, one after the other", 37, 1, 0},
		{"37 a minute, 20 at once", 37, 20, 0},
		{"half of 100 a minute, one after the other", 100, 1, 50},
		{"half of 100 a minute, 20 at once", 100, 20, 50},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t))
			ids := make(chan string, disks)
			for i := range disks {
				ids <- w.addVolume(t, simecs.DiskConfig{ID: fmt.Sprintf("d-%03d", i)}, fmt.Sprintf("shop-%d/data-%03d", i%3, i), nil)
			}
			close(ids)
			w.ecs.SetThrottling(simecs.Throttling{User: map[string]int{"CreateSnapshot": tt.limit}})
			ctx, stop := context.WithCancel(t.Context())
			var velero, others sync.WaitGroup
			if tt.others > 0 {
				w.time.Go(&others, func() { w.consume(ctx, tt.others) })
			}
			for range tt.workers {
				w.time.Go(&velero, func() {
					for disk := range ids {
						if id := backUp(t, w.Snapshotter, "daily", disk); strings.HasPrefix(id, refusedPrefix) {
							t.Errorf("%s: %s", disk, id)
						}
					}
				})
			}
			velero.Wait()
			stop()
			others.Wait()
			type result struct{ Snapshots, DescribeDisks int }
			got := result{len(w.ecs.Snapshots()), w.count("DescribeDisks")}
			if diff := gocmp.Diff(result{disks, 2}, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			calls := w.count("CreateSnapshot")
			t.Logf("%d calls of CreateSnapshot for %d disks", calls, disks)
			if calls > allowed {
				t.Errorf("%d calls of CreateSnapshot, want %d at most", calls, allowed)
			}
		})
	}
}

// consume is another program of the account, which asks for so many snapshots in a minute.
func (w *world) consume(ctx context.Context, perMinute int) {
	for {
		if _, err := w.ecs.Consume(account, home, "CreateSnapshot", 1); err != nil {
			return
		}
		if err := w.time.Sleep(ctx, time.Minute/time.Duration(perMinute)); err != nil {
			return
		}
	}
}
