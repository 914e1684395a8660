//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger"
)

const (
	// working is how long the cloud works at what the disturbances meet: longer than they take. It passes at once when they
	// are over.
	working = 20 * time.Minute
	// writing is how often applications write: hardly ever, for Cloud Backup reads files while they change, and of those that
	// come and go meanwhile it tells that they are not in the backup.
	writing = 10 * time.Minute
	// stall is how long the cloud keeps an answer back. The connection usually ends before.
	stall = 5 * time.Minute
	// momentTimeout bounds the wait for the moment at which a disturbance is to come.
	momentTimeout = 3 * time.Minute
	// disturbedTimeout bounds the wait for the end of what was disturbed, and includes Velero's own time-outs.
	disturbedTimeout = 10 * time.Minute
)

// reliability is a cluster in which backups and restores are disturbed.
type reliability struct {
	*site
	bucket string
	// moments are those of the backups and restores at which they are met. Each has an application of its own.
	moments []*moment
	// written is the number of the record that has to be in a backup, by its name.
	written map[string]uint64
	// before is the inventory without any of them.
	before inventory
}

// moment is a backup or a restore, and how far it is when it is met.
type moment struct {
	// kind is backup or restore, name tells several of a kind apart, and title is for people.
	kind, name, title string
	// hold is the request of which the cloud keeps back the answer, with what it has done. Without one the moment is when
	// Velero waits for the operations of plugins.
	hold func(t *testing.T, r *reliability, m *moment, backup string) fault.Rule
}

// namespace is that of the moment's application.
func (m *moment) namespace() string { return m.kind + "-" + m.name }

// good is the backup of which restores are made.
func (m *moment) good() string { return "good-" + m.namespace() }

func moments() []*moment {
	return []*moment{
		{kind: "backup", name: "asks", title: "ECS makes a snapshot", hold: holdSnapshot},
		{kind: "backup", name: "uploads", title: "OSS stores the backup's files", hold: holdUpload},
		{kind: "backup", name: "waits", title: "the backup waits for snapshots and jobs"},
		{kind: "restore", name: "asks", title: "ECS makes a disk", hold: holdDisk},
		{kind: "restore", name: "waits", title: "the restore waits for disks and jobs"},
	}
}

// holdSnapshot keeps back the answer to the request for a snapshot of the application's disk.
func holdSnapshot(t *testing.T, r *reliability, m *moment, _ string) fault.Rule {
	t.Helper()
	return fault.Rule{Service: "ecs", Operation: "CreateSnapshot", Resource: r.diskOf(t, m)}
}

// holdUpload keeps back the answer to the upload of the tarball.
func holdUpload(_ *testing.T, r *reliability, _ *moment, backup string) fault.Rule {
	return fault.Rule{Service: "oss", Operation: "PutObject", Resource: fmt.Sprintf("%s/*/%s/%[2]s.tar.gz", r.bucket, backup)}
}

// holdDisk keeps back the answer to the request for a disk of the snapshot that was backed up.
func holdDisk(t *testing.T, r *reliability, m *moment, _ string) fault.Rule {
	t.Helper()
	for _, snapshot := range r.cloud.ECS().Snapshots() {
		if strings.HasPrefix(snapshot.Name, "velero-"+m.good()+"-") {
			return fault.Rule{Service: "ecs", Operation: "CreateDisk", Resource: snapshot.ID}
		}
	}
	t.Fatalf("there is no snapshot of the backup %s", m.good())
	return fault.Rule{}
}

// TestReliability disturbs backups and restores, and writes down what people see of it.
func TestReliability(t *testing.T) {
	r := startReliability(t)
	var rows []row
	for _, d := range disturbances() {
		t.Run(d.name, func(t *testing.T) { rows = append(rows, r.round(t, d)...) })
	}
	checkTable(t, rows)
}

// startReliability starts one cluster, with the applications of all moments.
func startReliability(t *testing.T) *reliability {
	t.Helper()
	s := &site{region: homeRegion, zone: homeZone, fileSystem: homeFileSystem}
	startSites(t, s)
	r := &reliability{site: s, bucket: s.cloud.bucket(t, "reliability"), moments: moments(), written: map[string]uint64{}}
	s.install(t, installation{bucket: r.bucket, prefix: "home"})
	r.startApplications(t)
	var err error
	r.before, err = s.inventory(t.Context(), r.bucket)
	must(t, err)
	return r
}

// startApplications starts the application of each moment, with a disk and a file system. Those that are to be restored are
// backed up.
func (r *reliability) startApplications(t *testing.T) {
	t.Helper()
	for _, m := range r.moments {
		r.create(t, ledger.Objects(ledger.Options{
			Namespace: m.namespace(), Image: ledgerImage, Interval: writing,
			Volumes: []ledger.Volume{onDisk("alicloud-disk-essd"), onNAS()},
		})...)
	}
	for _, m := range r.moments {
		r.awaitPod(t, m.namespace(), pod)
		if m.kind == "restore" {
			r.beginBackup(t, m, m.good())
		}
	}
	for _, m := range r.moments {
		if m.kind == "restore" {
			r.awaitBackup(t, m.good(), velerov1.BackupPhaseCompleted)
		}
	}
}

// remove deletes the applications of moments with all that they have. Of a directory that Cloud Backup has restored the
// driver does not know that it is the volume's: such a volume is of the policy Retain, and left to people, as its directory.
func (r *reliability) remove(t *testing.T, moments ...*moment) {
	t.Helper()
	var volumes []corev1.PersistentVolume
	for _, m := range moments {
		volumes = append(volumes, r.volumesOf(t, m.namespace())...)
		must(t, r.Client.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.namespace()}}))
	}
	for _, m := range moments {
		r.awaitGone(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.namespace()}})
	}
	for _, volume := range volumes {
		retained := volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRetain
		if retained {
			must(t, r.Client.Delete(t.Context(), &volume))
		}
		attributes := volume.Spec.CSI.VolumeAttributes
		r.awaitGone(t, &volume)
		if retained {
			must(t, r.cloud.NAS().RemoveDirectory(attributes["server"], attributes["path"]))
		}
	}
}

// of are the moments of a kind.
func (r *reliability) of(kind string) []*moment {
	return slices.DeleteFunc(slices.Clone(r.moments), func(m *moment) bool { return m.kind != kind })
}

// beginBackup begins a backup of a moment's application, and notes what has to be in it.
func (r *reliability) beginBackup(t *testing.T, m *moment, name string) {
	t.Helper()
	status, err := r.application(t, m).Status(t.Context())
	must(t, err)
	least := uint64(math.MaxUint64)
	for _, position := range status.Directories {
		least = min(least, position.Last)
	}
	if len(status.Directories) == 0 || least == 0 {
		t.Fatalf("the application of %s has written nothing: %+v", m.namespace(), status)
	}
	r.written[name] = least
	r.velero(t, "backup", "create", name, "--include-namespaces", m.namespace())
}

// application is a moment's, as soon as it is ready.
func (r *reliability) application(t *testing.T, m *moment) *ledger.Client {
	t.Helper()
	return clientAt(r.awaitPod(t, m.namespace(), pod).Status.PodIP)
}

// verify lets an application verify what it has, which was restored from a backup.
func (r *reliability) verify(t *testing.T, m *moment, backup string) {
	t.Helper()
	reports, err := r.application(t, m).Verify(t.Context(), r.written[backup])
	must(t, err)
	if len(reports) != 2 {
		t.Errorf("%s has %d volumes, want 2", m.namespace(), len(reports))
	}
	for _, report := range reports {
		if !report.OK || report.Torn != 0 {
			t.Errorf("%s: %s has lost records: %+v", m.namespace(), report.Directory, report)
		}
	}
}

// diskOf is the disk of a moment's application.
func (r *reliability) diskOf(t *testing.T, m *moment) string {
	t.Helper()
	return r.volumeOf(t, m.namespace(), claim("disk")).Spec.CSI.VolumeHandle
}

// round meets all moments with a disturbance, tries each again, and returns what was seen.
func (r *reliability) round(t *testing.T, d disturbance) []row {
	t.Helper()
	r.remove(t, r.of("restore")...)
	r.setDurations(working)
	holds := r.meet(t, d)
	d.happen(t, r.site, func() {
		for _, hold := range holds {
			hold.Remove()
		}
	})
	r.setDurations(time.Second)
	r.cloud.ECS().Advance(working)
	r.cloud.HBR().Advance(working)

	rows := make([]row, 0, len(r.moments))
	for _, m := range r.moments {
		first := r.ended(t, m.kind, first(m, d))
		if m.kind == "restore" && first.phase != string(velerov1.RestorePhaseCompleted) {
			r.checkNotStarted(t, m)
		}
		rows = append(rows, row{disturbance: d.title, moment: m.title, first: first})
	}
	for i, result := range r.tryAgain(t, d) {
		rows[i].second = result
	}
	r.check(t, d, rows)
	r.deleteAll(t)
	if left := r.awaitInventory(t, r.bucket, r.before); left != "" {
		t.Errorf("after all was deleted the inventory differs (-before +now):\n%s", left)
	}
	return rows
}

// checkNotStarted checks that no application runs whose restore is not whole.
func (r *reliability) checkNotStarted(t *testing.T, m *moment) {
	t.Helper()
	pods := &corev1.PodList{}
	must(t, r.Client.List(t.Context(), pods, client.InNamespace(m.namespace())))
	for _, pod := range pods.Items {
		if pod.Status.Phase != corev1.PodPending {
			t.Errorf("the Pod %s/%s is %s, though its restore has failed", pod.Namespace, pod.Name, pod.Status.Phase)
		}
	}
}

// setDurations says how long the cloud works at what is asked of it from now on.
func (r *reliability) setDurations(d time.Duration) {
	long := metav1.Duration{Duration: d}
	r.cloud.ECS().SetDurations(ecs.Durations{CreateDisk: long, Snapshot: long, Copy: long})
	r.cloud.HBR().SetDurations(hbr.Durations{Backup: long, Restore: long})
}

// first and second are the names of attempts.
func first(m *moment, d disturbance) string  { return d.name + "-" + m.namespace() + "-1" }
func second(m *moment, d disturbance) string { return d.name + "-" + m.namespace() + "-2" }

// begin begins an attempt.
func (r *reliability) begin(t *testing.T, m *moment, name string) {
	t.Helper()
	if m.kind == "backup" {
		r.beginBackup(t, m, name)
		return
	}
	r.velero(t, "restore", "create", name, "--from-backup", m.good())
}

// meet begins all backups and restores and returns when each is at its moment. Those that wait come first: Velero makes
// one restore after the other, until they wait.
func (r *reliability) meet(t *testing.T, d disturbance) (holds []*fault.Handle) {
	t.Helper()
	for _, m := range r.moments {
		if m.hold == nil {
			r.begin(t, m, first(m, d))
		}
	}
	for _, m := range r.moments {
		if m.hold == nil {
			r.awaitWaiting(t, m, first(m, d))
		}
	}
	for _, m := range r.moments {
		if m.hold != nil {
			holds = append(holds, r.keepBack(t, m.hold(t, r, m, first(m, d))))
			r.begin(t, m, first(m, d))
		}
	}
	for _, hold := range holds {
		r.awaitHit(t, hold)
	}
	// Each poll of what waits is a process of its own, which is there while it asks.
	for _, asked := range []fault.Rule{{Service: "ecs", Operation: "DescribeSnapshots"}, {Service: "ecs", Operation: "DescribeDisks"}} {
		hold := r.keepBack(t, asked)
		holds = append(holds, hold)
		r.awaitHit(t, hold)
	}
	return holds
}

// keepBack lets the cloud do what it is asked for and keep back the answer.
func (r *reliability) keepBack(t *testing.T, rule fault.Rule) *fault.Handle {
	t.Helper()
	rule.Stall, rule.Direction = stall, fault.Response
	hold, err := r.cloud.Faults().Add(rule)
	must(t, err)
	t.Cleanup(hold.Remove)
	return hold
}

func (r *reliability) awaitHit(t *testing.T, hold *fault.Handle) {
	t.Helper()
	r.eventually(t, momentTimeout, "the request whose answer is kept back", func(context.Context) error {
		if hold.Hits() == 0 {
			return errors.New("it has not come")
		}
		return nil
	})
}

// awaitWaiting waits until Velero waits for the operations of plugins.
func (r *reliability) awaitWaiting(t *testing.T, m *moment, name string) {
	t.Helper()
	r.eventually(t, momentTimeout, "the "+m.kind+" "+name+" to wait for its operations", func(ctx context.Context) error {
		now, err := r.state(ctx, m.kind, name)
		switch {
		case err != nil:
			return err
		case now.ended:
			return poll.Permanent(fmt.Errorf("it is %s already\n%s", now.phase, r.describe(ctx, m.kind, name)))
		case now.phase != string(velerov1.BackupPhaseWaitingForPluginOperations):
			return fmt.Errorf("it is %q", now.phase)
		}
		return nil
	})
}

// state is what Velero says of a backup or a restore.
type state struct {
	phase, reason    string
	errors, warnings int
	ended            bool
}

func (r *reliability) state(ctx context.Context, kind, name string) (state, error) {
	key := client.ObjectKey{Namespace: veleroNamespace, Name: name}
	if kind == "backup" {
		backup := &velerov1.Backup{}
		err := r.Client.Get(ctx, key, backup)
		now := backup.Status
		return state{
			phase: string(now.Phase), reason: now.FailureReason, errors: now.Errors, warnings: now.Warnings,
			ended: isEnd(now.Phase),
		}, err
	}
	restore := &velerov1.Restore{}
	err := r.Client.Get(ctx, key, restore)
	now := restore.Status
	return state{
		phase: string(now.Phase), reason: now.FailureReason, errors: now.Errors, warnings: now.Warnings,
		ended: isEnd(now.Phase),
	}, err
}

// ended waits for the end of a backup or a restore, and returns what people see of it.
func (r *reliability) ended(t *testing.T, kind, name string) result {
	t.Helper()
	var now state
	r.eventually(t, disturbedTimeout, "the end of the "+kind+" "+name, func(ctx context.Context) error {
		var err error
		if now, err = r.state(ctx, kind, name); err != nil {
			return err
		}
		if !now.ended {
			return fmt.Errorf("it is %q", now.phase)
		}
		return nil
	})
	if now.phase == string(velerov1.BackupPhaseCompleted) {
		return result{phase: now.phase}
	}
	seen := r.describe(t.Context(), kind, name)
	t.Logf("the %s %s is %s: %s\n%s", kind, name, now.phase, now.reason, seen)
	return result{phase: now.phase, says: says(now, seen)}
}

// tryAgain does what the documentation tells people to do, and returns how the second attempts end.
func (r *reliability) tryAgain(t *testing.T, d disturbance) []result {
	t.Helper()
	r.remove(t, r.of("restore")...)
	for _, m := range r.moments {
		r.begin(t, m, second(m, d))
	}
	results := make([]result, 0, len(r.moments))
	for _, m := range r.moments {
		results = append(results, r.ended(t, m.kind, second(m, d)))
	}
	return results
}

// check checks that second attempts have succeeded, and that the data is whole: of restores, and of what backups hold. Of two
// backups that are Completed the one that was disturbed is taken.
func (r *reliability) check(t *testing.T, d disturbance, rows []row) {
	t.Helper()
	restored := map[*moment]string{}
	for i, m := range r.moments {
		if rows[i].second.phase != string(velerov1.BackupPhaseCompleted) {
			t.Fatalf("the second attempt %s is %s: %s", second(m, d), rows[i].second.phase, strings.Join(rows[i].second.says, "; "))
		}
		switch {
		case m.kind == "restore":
			restored[m] = m.good()
		case rows[i].first.phase == string(velerov1.BackupPhaseCompleted):
			restored[m] = first(m, d)
		default:
			restored[m] = second(m, d)
		}
	}
	r.remove(t, r.of("backup")...)
	for _, m := range r.of("backup") {
		r.velero(t, "restore", "create", restored[m], "--from-backup", restored[m])
	}
	for _, m := range r.of("backup") {
		if got := r.ended(t, "restore", restored[m]); got.phase != string(velerov1.RestorePhaseCompleted) {
			t.Fatalf("the restore of %s is %s: %s", restored[m], got.phase, strings.Join(got.says, "; "))
		}
	}
	for _, m := range r.moments {
		r.verify(t, m, restored[m])
	}
}

// deleteAll deletes the backups and restores of a round.
func (r *reliability) deleteAll(t *testing.T) {
	t.Helper()
	backups, restores := &velerov1.BackupList{}, &velerov1.RestoreList{}
	must(t, r.Client.List(t.Context(), restores, client.InNamespace(veleroNamespace)))
	for i := range restores.Items {
		r.velero(t, "restore", "delete", restores.Items[i].Name, "--confirm")
	}
	must(t, r.Client.List(t.Context(), backups, client.InNamespace(veleroNamespace)))
	for i := range backups.Items {
		if !strings.HasPrefix(backups.Items[i].Name, "good-") {
			r.velero(t, "backup", "delete", backups.Items[i].Name, "--confirm")
		}
	}
}
