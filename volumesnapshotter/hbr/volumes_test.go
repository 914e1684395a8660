// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	simhbr "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
)

func TestARestoreIsBegunOnceWhateverHappensToTheAnswer(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string][]fault.Rule{
		"the answer is lost":                      {lost("CreateRestoreJob")},
		"the service fails":                       {oneTime(refusal("CreateRestoreJob", http.StatusInternalServerError, "InternalError", "x"))},
		"the service fails until Velero polls":    {{Operation: "CreateRestoreJob", Status: http.StatusInternalServerError, Code: "InternalError", Count: createAttempts}},
		"the search fails until Velero polls":     {{Operation: "SearchHistoricalSnapshots", Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Count: 10}},
		"the search and the job, each for a time": {oneTime(refusal("SearchHistoricalSnapshots", 503, "ServiceUnavailable", "x")), lost("CreateRestoreJob")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.fill(t, "app")
			pv := nasDirectory("nas-1", "/app")
			snapshot := w.backedUp(t, pv)
			for _, rule := range rules {
				w.fault(t, rule)
			}
			id, err := w.CreateVolumeFromSnapshot(snapshot, "", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // What may pass has passed at the second poll.
				if got, err := w.process(t).Progress(t.Context(), theRestore(), w.config, id, pv); got.Completed {
					t.Errorf("progress %+v, error %v at once", got, err)
				}
			}
			w.sim.HBR().Advance(time.Minute)
			if got := w.progress(t, id, pv); !got.Completed || got.Err != "" {
				t.Errorf("progress %+v, want that it is done", got)
			}
			if jobs, err := w.sim.HBR().RestoreJobs(); err != nil || len(jobs) != 1 {
				t.Errorf("restore jobs %v, error %v, want one", jobs, err)
			}
		})
	}
}

func TestARestoreOfABackupThatStillRunsBeginsWhenItHasEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/app")
	w.create(t, pv)
	id, err := w.CreateVolumeFromSnapshot(w.backUp(t, w.Snapshotter, pv), "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.progress(t, id, pv); got.Completed || !strings.Contains(got.Description, "waiting for the backup itself to end") {
		t.Errorf("progress %+v", got)
	}
	w.sim.HBR().Advance(time.Minute)
	for range 2 {
		if got := w.progress(t, id, pv); got.Completed {
			t.Errorf("progress %+v", got)
		}
	}
	w.sim.HBR().Advance(time.Minute)
	if got := w.progress(t, id, pv); !got.Completed || got.Err != "" {
		t.Errorf("progress %+v, want that it is done", got)
	}
}

func TestARestoreThatCannotBeBegun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(id string) string
		before func(*testing.T, *world)
		// later says that it is known when the restore is begun.
		later bool
		want  []string
	}{
		"the vault is in another region": {
			change: func(id string) string { return strings.Replace(id, home, "cn-beijing", 1) },
			want:   []string{"only disk type PVs support cross-region restore in current version", "restore it in the region of the backup"},
		},
		"the vault was deleted": {
			before: func(t *testing.T, w *world) {
				t.Helper()
				if err := w.sim.HBR().DeleteVault(w.sim.HBR().Vaults()[0].ID); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"HBRError: HBR restore request failed", "Illegal request. Please modify the parameters", "cannot be restored any more"},
		},
		"the retention is over": {
			before: func(t *testing.T, w *world) { t.Helper(); w.sim.HBR().Advance(31 * 24 * time.Hour) },
			want:   []string{"HBRError: HBR restore request failed", "retention is over"},
		},
		"the account may not restore": {
			before: func(t *testing.T, w *world) {
				t.Helper()
				w.fault(t, refusal("CreateRestoreJob", http.StatusForbidden, "NoPermission", "x"))
			},
			later: true,
			want:  []string{"HBRError: HBR restore request failed", "grant it hbr:CreateRestoreJob"},
		},
		"the id is of another plugin": {
			change: func(string) string { return "s-123" },
			want:   []string{"is not the id of a Cloud Backup snapshot"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.fill(t, "app")
			pv := nasDirectory("nas-1", "/app")
			id := w.backedUp(t, pv)
			if test.change != nil {
				id = test.change(id)
			}
			if test.before != nil {
				test.before(t, w)
			}
			ordered, err := w.CreateVolumeFromSnapshot(id, "", "", nil)
			var said string
			if err != nil {
				said = err.Error()
			} else {
				said = w.progress(t, ordered, pv).Err
			}
			if (err == nil) != test.later {
				t.Errorf("error %v at once", err)
			}
			for _, part := range test.want {
				if !strings.Contains(said, part) {
					t.Errorf("error %q, want %q", said, part)
				}
			}
			if jobs, err := w.sim.HBR().RestoreJobs(); err != nil || len(jobs) != 0 {
				t.Errorf("restore jobs %v, error %v", jobs, err)
			}
		})
	}
}

func TestARestoreJobThatDoesNotSucceed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule  fault.Rule
		after time.Duration
		want  string
	}{
		"it fails":                {rule: fault.Rule{Status: 500, Message: "odd"}, after: time.Minute, want: "hbr task finished with unexpected status: FAILED, errMsg odd"},
		"it leaves something out": {rule: fault.Rule{Status: 500, Code: "PARTIAL_COMPLETE"}, after: time.Minute, want: "unexpected status: PARTIAL_COMPLETE"},
		"it stops halfway":        {rule: fault.Rule{Stall: time.Hour}, after: 5 * time.Hour, want: "has not ended after 4h0m0s (config key restoreTimeout)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.fill(t, "app")
			pv := nasDirectory("nas-1", "/app")
			snapshot := w.backedUp(t, pv)
			test.rule.Service, test.rule.Operation = simhbr.FaultJobs, simhbr.FaultRestore
			w.fault(t, test.rule)
			id := w.beginRestore(t, snapshot, pv)
			if err := w.time.Sleep(t.Context(), test.after); err != nil {
				t.Fatal(err)
			}
			if got := w.progress(t, id, pv); !got.Completed || !strings.Contains(got.Err, test.want) {
				t.Errorf("progress %+v, want the error %q", got, test.want)
			}
			for range 2 {
				if err := w.process(t).Discard(t.Context(), theRestore(), w.config, id); err != nil {
					t.Error(err)
				}
				w.wantInventory(t, 0, 1, 0)
			}
		})
	}
}

func TestDiscardEndsTheJobAndTellsWhatIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/app")
	id := w.beginRestore(t, w.backedUp(t, pv), pv)
	w.wantInventory(t, 0, 1, 1)
	if err := w.process(t).Discard(t.Context(), theRestore(), w.config, id); err != nil {
		t.Error(err)
	}
	w.wantInventory(t, 0, 1, 0)
	if got := w.messages(logrus.WarnLevel); len(got) != 1 || !strings.Contains(got[0], "path=/app-restore-") {
		t.Errorf("warnings %q, want where the files are", got)
	}
}

func TestWhereAVolumeIsRestoredTo(t *testing.T) {
	t.Parallel()
	const mark = "restore-abcd1234"
	for name, test := range map[string]struct {
		directory, want string
	}{
		"a directory":                       {"/app/data", "app/data-" + mark},
		"all of a file system":              {"/", mark},
		"a directory that was restored":     {"/app-restore-zzzz9999", "app-" + mark},
		"all of a file system, restored":    {"/restore-zzzz9999", mark},
		"a name that is almost a mark":      {"/app-restore-zzz", "app-restore-zzz-" + mark},
		"a directory below a restored one":  {"/app-restore-zzzz9999/sub", "app-restore-zzzz9999/sub-" + mark},
		"the prefix of a directory":         {"app/", "app-" + mark},
		"a whole bucket":                    {"", mark},
		"a volume handle":                   {"nas-1", "nas-1-" + mark},
		"a volume handle that was restored": {"nas-1-" + mark, "nas-1-" + mark},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := beside(test.directory, mark); got != test.want {
				t.Errorf("beside(%q) = %q, want %q", test.directory, got, test.want)
			}
		})
	}
}

// TestHandlesOfRestoredVolumes holds that the driver finds a PersistentVolume by its handle,
// and that no two have the same.
func TestHandlesOfRestoredVolumes(t *testing.T) {
	t.Parallel()
	wanted := order{mark: "abcd1234", target: storage{server: mountTarget, path: "/app-restore-abcd1234"}}
	for name, test := range map[string]struct {
		pv, handle, original, want string
	}{
		"the name of the volume stays":                      {pv: "nas-1", handle: "nas-1", want: "nas-1"},
		"the name of a volume that Velero has renamed":      {pv: "velero-clone-1", handle: "nas-1", original: "nas-1", want: "velero-clone-1"},
		"the name of one that an earlier restore renamed":   {pv: "velero-clone-1", handle: "velero-clone-1", original: "nas-1", want: "velero-clone-1"},
		"a handle of its own":                               {pv: "nas-1", handle: "shop", want: "shop-restore-abcd1234"},
		"a handle of its own, of a volume that was renamed": {pv: "velero-clone-1", handle: "shop-restore-zzzz9999", original: "nas-1", want: "shop-restore-abcd1234"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pv := nasDirectory(test.pv, "/app")
			pv.Spec.CSI.VolumeHandle = test.handle
			if test.original != "" {
				pv.Annotations = map[string]string{annotationOriginalName: test.original}
			}
			if got := wanted.pointAt(pv).Spec.CSI.VolumeHandle; got != test.want {
				t.Errorf("handle %q, want %q", got, test.want)
			}
		})
	}
}

func TestWhereInAFileSystemAVolumeIsRestoredTo(t *testing.T) {
	t.Parallel()
	const (
		mark    = "restore-abcd1234"
		extreme = "0a1b2c.cn-hangzhou.extreme.nas.aliyuncs.com"
		cpfs    = "cpfs-1-abc12.cn-hangzhou.cpfs.aliyuncs.com"
	)
	for name, test := range map[string]struct {
		server, path string
		// into is the config key restoreMountTarget.
		into, want string
	}{
		"a directory":          {server: mountTarget, path: "/a/b", want: "/a/b-" + mark},
		"all of a file system": {server: mountTarget, path: "/", want: "/" + mark},
		"a directory of NAS with the name of an export":  {server: mountTarget, path: "/share", want: "/share-" + mark},
		"all that Extreme NAS exports":                   {server: extreme, path: "/share", want: "/share/" + mark},
		"all that Extreme NAS exports, restored":         {server: extreme, path: "/share/restore-zzzz9999", want: "/share/" + mark},
		"a directory of Extreme NAS":                     {server: extreme, path: "/share/a", want: "/share/a-" + mark},
		"all that CPFS exports":                          {server: cpfs, path: "/share", want: "/share/" + mark},
		"all of CPFS":                                    {server: cpfs, path: "/", want: "/" + mark},
		"a directory, into another mount target of it":   {server: mountTarget, path: "/a/b", into: "fs1-xyz98.cn-hangzhou.nas.aliyuncs.com", want: "/a/b-" + mark},
		"a directory, into another file system":          {server: mountTarget, path: "/a/b", into: otherTarget, want: "/b-" + mark},
		"all of a file system, into another one":         {server: mountTarget, path: "/", into: otherTarget, want: "/" + mark},
		"a directory, into Extreme NAS":                  {server: mountTarget, path: "/a/b", into: extreme, want: "/share/b-" + mark},
		"a directory of Extreme NAS, into a general one": {server: extreme, path: "/share/a", into: otherTarget, want: "/a-" + mark},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := location{restoreMountTarget: test.into}
			got := l.newTarget(storage{fileSystem: volume.NASFileSystemID(test.server), server: test.server, path: test.path}, mark)
			if want := cmp.Or(test.into, test.server); got.path != test.want || got.server != want {
				t.Errorf("it goes to %s:%s, want %s:%s", got.server, got.path, want, test.want)
			}
		})
	}
}

func TestARestoreIntoAnotherFileSystem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"restoreMountTarget": otherTarget})
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/app")
	pv.Spec.CSI.VolumeAttributes["containerNetworkFileSystem"] = "cnfs-1"
	before := treeIn(t, w.root(t, "fs1"))
	got := w.restored(t, w.backedUp(t, pv), pv).Spec.CSI.VolumeAttributes
	want := map[string]string{"server": otherTarget, "path": got["path"], "volumeAs": "subpath"}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(before, treeIn(t, w.root(t, "fs1"))); diff != "" {
		t.Errorf("the original file system (-want +got):\n%s", diff)
	}
	if restored := treeIn(t, w.root(t, "fs2")+got["path"]); len(restored) != 4 {
		t.Errorf("restored %v", restored)
	}
}

// TestAFileSystemIsNotDeletedWithADirectoryOfIt holds that what was a file system of its
// own is restored as one of many directories, which must not take the others with it.
func TestAFileSystemIsNotDeletedWithADirectoryOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"restoreMountTarget": otherTarget})
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/")
	pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
	pv.Spec.CSI.VolumeAttributes["volumeAs"] = "filesystem"
	pv.Spec.CSI.VolumeAttributes["deleteVolume"] = "true"
	got := w.restored(t, w.backedUp(t, pv), pv)
	want := pv.DeepCopy()
	want.ResourceVersion = ""
	want.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	want.Spec.CSI.VolumeAttributes["server"], want.Spec.CSI.VolumeAttributes["path"] = otherTarget, got.Spec.CSI.VolumeAttributes["path"]
	if diff := gocmp.Diff(want.Spec, got.Spec); diff != "" {
		t.Errorf("restored volume (-want +got):\n%s", diff)
	}
}

func TestFormsOfVolumesComeBack(t *testing.T) {
	t.Parallel()
	inTree := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "in-tree"}}
	inTree.Spec.NFS = &corev1.NFSVolumeSource{Server: mountTarget, Path: "/app"}
	inTree.Spec.MountOptions = []string{"vers=3"}
	flex := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "flex"}}
	flex.Spec.FlexVolume = &corev1.FlexPersistentVolumeSource{
		Driver: "alicloud/nas", Options: map[string]string{"server": mountTarget, "path": "/app", "vers": "3", "options": "nolock"},
	}
	for _, pv := range []*corev1.PersistentVolume{inTree, flex} {
		t.Run(pv.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.fill(t, "app")
			got := w.restored(t, w.backedUp(t, pv.DeepCopy()), pv)
			path := storageOf(got).path
			want := pv.DeepCopy()
			want.Annotations = got.Annotations
			if want.Spec.NFS != nil {
				want.Spec.NFS.Path = path
			} else {
				want.Spec.FlexVolume.Options["path"] = path
			}
			if diff := gocmp.Diff(want, got); diff != "" || path == "/app" || len(got.Annotations) > 0 {
				t.Errorf("restored volume in %s with %v (-want +got):\n%s", path, got.Annotations, diff)
			}
		})
	}
}

func TestAVolumeThatIsBeingRestoredIsNotBackedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/app")
	id, err := w.CreateVolumeFromSnapshot(w.backedUp(t, pv), "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	snapshot := w.backUp(t, w.Snapshotter, hold(t, w.Snapshotter, pv, id))
	if !strings.HasPrefix(snapshot, refusedPrefix) || !strings.Contains(snapshot, errBeingRestored.Error()) {
		t.Errorf("the backup has the id %q", snapshot)
	}
}

func TestBackupsAtOnceMakeOneVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var group sync.WaitGroup
	var found [4]string
	for i := range found {
		s := w.process(t)
		w.time.Go(&group, func() {
			current, err := s.sites.Current()
			if err != nil {
				t.Error(err)
				return
			}
			api, err := current.api(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if found[i], err = current.usableVault(t.Context(), api); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, id := range found {
		if id != found[0] || id == "" {
			t.Errorf("vaults %v, want one", found)
		}
	}
	if diff := gocmp.Diff([]string{theVault}, w.vaultNames()); diff != "" {
		t.Errorf("vaults (-want +got):\n%s", diff)
	}
}

func TestAVolumeThatIsBeingRestoredIsInNoZoneOfTheBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/app")
	id := w.beginRestore(t, w.backedUp(t, pv), pv)
	disk := &corev1.PersistentVolume{}
	disk.Labels = map[string]string{"app": "db", corev1.LabelTopologyZone: "cn-hangzhou-h"}
	disk.Annotations = map[string]string{volume.AnnotationZone: "cn-hangzhou-h"}
	disk.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: volume.DriverDisk, VolumeHandle: "d-1"}
	want := disk.DeepCopy()
	want.Labels = map[string]string{"app": "db"}
	want.Annotations = map[string]string{volume.AnnotationPending: id, volume.AnnotationProvisioner: volume.DriverNAS}
	if diff := gocmp.Diff(want, hold(t, w.process(t), disk, id)); diff != "" {
		t.Errorf("the disk whose files are being restored (-want +got):\n%s", diff)
	}
}
