// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
)

const (
	nasDriver = "nasplugin.csi.alibabacloud.com"
	ossDriver = "ossplugin.csi.alibabacloud.com"
)

// of makes a PersistentVolume one of a CSI driver that filesProvider takes.
func of(driver string) func(*corev1.PersistentVolume) {
	return func(pv *corev1.PersistentVolume) {
		ofCSI(pv)
		pv.Spec.CSI.Driver = driver
	}
}

// warnedOf returns the drivers that a world's warnings are of, and fails on other warnings and on errors.
func (w *world) warnedOf(t *testing.T) []string {
	t.Helper()
	var drivers []string
	for _, entry := range w.logged.AllEntries() {
		switch driver, ok := entry.Data["driver"].(string); {
		case entry.Level > logrus.WarnLevel:
		case entry.Level == logrus.WarnLevel && ok && entry.Data["name"] == pvName && entry.Data["provider"] == filesProvider:
			drivers = append(drivers, driver)
		default:
			t.Errorf("logged at the level %s: %s %v", entry.Level, entry.Message, entry.Data)
		}
	}
	return drivers
}

func TestSnapshotProgressWarnsOfDriversWithoutSnapshots(t *testing.T) {
	t.Parallel()
	byPolicy := func(b *velerov1.Backup) {
		b.Spec.ResourcePolicy = &corev1.TypedLocalObjectReference{Kind: "configmap", Name: "own"}
	}
	none := func(*velerov1.Backup) {}
	ofNAS := "csi: {driver: " + nasDriver + "}"
	read := map[string]int{"get VolumeSnapshotLocation": 1, "list PodList": 1}
	readPolicies := map[string]int{"get VolumeSnapshotLocation": 1, "get ConfigMap": 1}
	tests := []struct {
		name    string
		objects []client.Object
		pv      func(*corev1.PersistentVolume)
		backup  func(*velerov1.Backup)
		want    []string
		calls   map[string]int
	}{
		{name: "NAS", pv: of(nasDriver), backup: none, want: []string{nasDriver}, calls: read},
		{name: "OSS", pv: of(ossDriver), backup: none, want: []string{ossDriver}, calls: read},
		{name: "CPFS", pv: of("bmcpfsplugin.csi.alibabacloud.com"), backup: none, want: []string{"bmcpfsplugin.csi.alibabacloud.com"}, calls: read},
		{
			name: "one whose claim is not there", backup: none, want: []string{nasDriver}, calls: map[string]int{"get VolumeSnapshotLocation": 1},
			pv: func(pv *corev1.PersistentVolume) {
				of(nasDriver)(pv)
				pv.Spec.ClaimRef = nil
			},
		},
		{name: "disks have snapshots", pv: of("diskplugin.csi.alibabacloud.com"), backup: none, calls: map[string]int{}},
		{name: "those of others may have snapshots", pv: of("csi.example.com"), backup: none, calls: map[string]int{}},
		{
			name: "a backup without the provider's location", pv: of(nasDriver), calls: map[string]int{"get VolumeSnapshotLocation": 1},
			backup: func(b *velerov1.Backup) { b.Spec.VolumeSnapshotLocations = []string{"disks"} },
		},
		{
			name: "a backup without snapshots", pv: of(nasDriver), calls: map[string]int{"get VolumeSnapshotLocation": 1},
			backup: func(b *velerov1.Backup) { b.Spec.SnapshotVolumes = ptr.To(false) },
		},
		{
			name: "a backup that is finalizing", pv: of(nasDriver), calls: map[string]int{},
			backup: func(b *velerov1.Backup) { b.Status.Phase = velerov1.BackupPhaseFinalizing },
		},
		{
			name: "a Pod wants it backed up as files", pv: of(nasDriver), backup: none, calls: read,
			objects: []client.Object{newPod(map[string]string{velerov1.VolumesToBackupAnnotation: "files"})},
		},
		{
			name: "a volume policy has it backed up as files", pv: of(nasDriver), backup: byPolicy, calls: readPolicies,
			objects: []client.Object{policies("own", rule(ofNAS, "fs-backup"))},
		},
		{
			name: "a volume policy skips it", pv: of(nasDriver), backup: byPolicy, calls: readPolicies,
			objects: []client.Object{policies("own", rule(ofNAS, "skip"))},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.objects...)
			action := w.process(backupitemaction.Server{CSI: true}, onlyFiles())
			if id := execute(t, action, volumeWith(tt.pv), backupWith(tt.backup)); id != "" {
				t.Errorf("the operation is %s, want none: Velero asks nobody for the snapshot", id)
			}
			if diff := cmp.Diff(tt.want, w.warnedOf(t)); diff != "" {
				t.Errorf("the drivers that it warns of (-want +got):\n%s", diff)
			}
			w.wantCalls(t, tt.calls)
		})
	}
}

func TestSnapshotProgressWarnsOnceOfADriverInABackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := w.process(backupitemaction.Server{CSI: true}, onlyFiles())
	for _, uid := range []types.UID{"first", "second"} {
		backup := backupWith(func(b *velerov1.Backup) { b.UID = uid })
		for range 3 {
			execute(t, action, volumeWith(of(nasDriver)), backup)
			execute(t, action, volumeWith(of(ossDriver)), backup)
		}
	}
	want := []string{nasDriver, ossDriver, nasDriver, ossDriver}
	if diff := cmp.Diff(want, w.warnedOf(t)); diff != "" {
		t.Errorf("the drivers that it warns of (-want +got):\n%s", diff)
	}
	w.wantCalls(t, map[string]int{"get VolumeSnapshotLocation": 2, "list PodList": 2})
}

// TestSnapshotProgressDoesNotWarnOfWhatItCannotTell holds that what cannot be read is left to what Velero says of the claim:
// there is no snapshot to wait for either way.
func TestSnapshotProgressDoesNotWarnOfWhatItCannotTell(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"get VolumeSnapshotLocation", "list PodList"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.log.SetLevel(logrus.DebugLevel)
			w.refused[call] = errors.New("the API server is down")
			if id := execute(t, w.process(backupitemaction.Server{CSI: true}, onlyFiles()), volumeWith(of(nasDriver)), newBackup()); id != "" {
				t.Errorf("the operation is %s, want none", id)
			}
			if drivers := w.warnedOf(t); drivers != nil {
				t.Errorf("it warns of %q", drivers)
			}
			if lines := w.lines(logrus.DebugLevel); len(lines) != 1 || !strings.HasSuffix(lines[0], "the API server is down") {
				t.Errorf("at the level of debug it says %q, want one line with why", lines)
			}
		})
	}
}
