// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	biav2 "github.com/vmware-tanzu/velero/pkg/plugin/velero/backupitemaction/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

var _ biav2.BackupItemAction = (*backupitemaction.SnapshotProgress)(nil)

// operationID is the id of the operation on newVolume.
const operationID = `{"persistentVolume":"pv-1","provider":"alibabacloud.com/hbr","volume":"` + server + `"}`

// snapshots are those of a snapshotter that is in memory: of NFS servers, or of disks.
type snapshots struct {
	disks    bool
	refusal  error // of VolumeID
	progress map[taken]velero.OperationProgress
	failure  error // of a call for a snapshot that progress does not have
	asked    int
	canceled []taken
}

// VolumeID returns the server of a file system.
func (s *snapshots) VolumeAt(location map[string]string, pv *corev1.PersistentVolume) (string, error) {
	switch {
	case s.refusal != nil:
		return "", s.refusal
	case s.disks && pv.Spec.CSI != nil && location["of"] == "disks":
		return pv.Spec.CSI.VolumeHandle, nil
	case s.disks || location["of"] != "files":
		return "", nil
	case pv.Spec.NFS != nil:
		return pv.Spec.NFS.Server, nil
	case pv.Spec.CSI != nil:
		return pv.Spec.CSI.VolumeAttributes["server"], nil
	default:
		return "", nil
	}
}

// SnapshotProgress waits for the end of the context where there is nothing to answer.
func (s *snapshots) SnapshotProgress(ctx context.Context, backup *velerov1.Backup, location map[string]string, pv, volumeID string) (velero.OperationProgress, error) {
	s.asked++
	if known, ok := s.progress[takenOf(backup, location, pv, volumeID)]; ok {
		return known, nil
	}
	if s.failure != nil {
		return velero.OperationProgress{}, s.failure
	}
	<-ctx.Done()
	return velero.OperationProgress{}, ctx.Err()
}

// CancelSnapshot notes what it cancels.
func (s *snapshots) CancelSnapshot(_ context.Context, backup *velerov1.Backup, location map[string]string, pv, volumeID string) error {
	if s.failure != nil {
		return s.failure
	}
	s.canceled = append(s.canceled, takenOf(backup, location, pv, volumeID))
	return nil
}

// onlyFiles has a snapshotter of file systems alone.
func onlyFiles() map[string]backupitemaction.Snapshots {
	return map[string]backupitemaction.Snapshots{filesProvider: &snapshots{}}
}

// execute checks that Execute returns the item as it came and no items, and returns the
// operation's id.
func execute(t *testing.T, action *backupitemaction.SnapshotProgress, pv *corev1.PersistentVolume, backup *velerov1.Backup) string {
	t.Helper()
	item := asItem(t, pv)
	want := item.DeepCopy()
	before := backup.DeepCopy()
	got, additional, id, later, err := action.Execute(item, backup)
	if err != nil || additional != nil || later != nil {
		t.Errorf("Execute() has the items %v and %v, and the error %v: want none of them", additional, later, err)
	}
	if same, ok := got.(*unstructured.Unstructured); !ok || same != item {
		t.Errorf("Execute() returns another item: %v", got)
	}
	if diff := cmp.Diff(want, item); diff != "" {
		t.Errorf("the item (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, backup); diff != "" {
		t.Errorf("the Backup (-want +got):\n%s", diff)
	}
	return id
}

func TestSnapshotProgressExpectsWhatVeleroSnapshots(t *testing.T) {
	t.Parallel()
	noSnapshots := func(b *velerov1.Backup) { b.Spec.SnapshotVolumes = ptr.To(false) }
	allAsFiles := func(b *velerov1.Backup) { b.Spec.DefaultVolumesToFsBackup = ptr.To(true) }
	byPolicy := func(b *velerov1.Backup) {
		b.Spec.ResourcePolicy = &corev1.TypedLocalObjectReference{Kind: "configmap", Name: "own"}
	}
	csiOn, common := backupitemaction.Server{CSI: true}, backupitemaction.Server{VolumePolicies: "common"}
	anyNFS, anyOfClass, labeled := "nfs: {}", "storageClass: [alicloud-nas]", "pvcLabels: {tier: cache}"
	cache := func() client.Object { return newClaim(map[string]string{"tier": "cache"}) }
	none := func(*velerov1.Backup) {}
	tests := []struct {
		name    string
		server  backupitemaction.Server
		objects []client.Object
		pv      *corev1.PersistentVolume
		backup  func(*velerov1.Backup)
		want    string
	}{
		{name: "a volume of the provider", pv: newVolume(), backup: none, want: operationID},
		{name: "one of a CSI driver", pv: volumeWith(ofCSI), backup: none, want: operationID},
		{name: "one of no driver where Velero asks drivers for snapshots", server: csiOn, pv: newVolume(), backup: none, want: operationID},
		{
			name: "one that no claim has", backup: none, want: operationID,
			pv: volumeWith(func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef = nil }),
		},
		{
			name: "one that the provider leaves to others", backup: none,
			pv: volumeWith(func(pv *corev1.PersistentVolume) {
				pv.Spec.NFS = nil
				pv.Spec.HostPath = &corev1.HostPathVolumeSource{Path: "/x"}
			}),
		},
		{name: "a backup without the provider's location", pv: newVolume(), backup: func(b *velerov1.Backup) { b.Spec.VolumeSnapshotLocations = []string{"disks"} }},
		{name: "a backup without snapshots", pv: newVolume(), backup: noSnapshots},
		{name: "a backup that is finalizing", pv: newVolume(), backup: func(b *velerov1.Backup) { b.Status.Phase = velerov1.BackupPhaseFinalizing }},
		{name: "a backup with failures that is finalizing", pv: newVolume(), backup: func(b *velerov1.Backup) { b.Status.Phase = velerov1.BackupPhaseFinalizingPartiallyFailed }},
		{
			name: "one that a Pod wants backed up as files", pv: newVolume(), backup: none,
			objects: []client.Object{newPod(map[string]string{velerov1.VolumesToBackupAnnotation: "files"})},
		},
		{
			name: "one that a Pod mounts", pv: newVolume(), backup: none, want: operationID,
			objects: []client.Object{newPod(nil)},
		},
		{
			name: "a backup of all volumes as files", pv: newVolume(), backup: allAsFiles,
			objects: []client.Object{newPod(nil)},
		},
		{
			name: "a backup of all volumes as files, and a Pod that excepts this one", pv: newVolume(), backup: allAsFiles, want: operationID,
			objects: []client.Object{newPod(map[string]string{velerov1.VolumesToExcludeAnnotation: "files"})},
		},
		{
			name: "a volume policy skips it", pv: newVolume(), backup: byPolicy,
			objects: []client.Object{policies("own", rule(anyNFS, "skip"))},
		},
		{
			name: "a volume policy has it backed up as files", pv: newVolume(), backup: byPolicy,
			objects: []client.Object{policies("own", rule(anyNFS, "fs-backup"))},
		},
		{
			name: "a volume policy leaves it to another action", pv: newVolume(), backup: byPolicy,
			objects: []client.Object{policies("own", rule(anyNFS, "custom"))},
		},
		{
			name: "a volume policy snapshots it in a backup without snapshots", pv: newVolume(), want: operationID,
			backup:  func(b *velerov1.Backup) { byPolicy(b); noSnapshots(b) },
			objects: []client.Object{policies("own", rule(anyNFS, "snapshot")), newClaim(nil)},
		},
		{
			name: "a volume policy skips its claim", pv: newVolume(), backup: byPolicy,
			objects: []client.Object{policies("own", rule(labeled, "skip")), cache(), newVolume()},
		},
		{
			name: "a volume policy skips other claims", pv: newVolume(), backup: byPolicy, want: operationID,
			objects: []client.Object{policies("own", rule(labeled, "skip")), newClaim(nil), newVolume()},
		},
		{
			name: "Velero snapshots what a volume policy on claims has backed up as files", pv: newVolume(), backup: byPolicy, want: operationID,
			objects: []client.Object{policies("own", rule(labeled, "fs-backup")), cache(), newVolume()},
		},
		{
			name: "a volume policy of all backups skips it", server: common, pv: newVolume(), backup: none,
			objects: []client.Object{policies("common", rule(anyOfClass, "skip"))},
		},
		{
			name: "a volume policy of the backup is before one of all backups", server: common, pv: newVolume(), backup: byPolicy, want: operationID,
			objects: []client.Object{policies("own", rule(anyNFS, "snapshot")), policies("common", rule(anyOfClass, "skip")), newClaim(nil), newVolume()},
		},
		{
			name: "a volume policy of all backups is for what those of the backup do not match", server: common, pv: newVolume(), backup: byPolicy,
			objects: []client.Object{policies("own", rule("csi: {}", "snapshot")), policies("common", rule(anyOfClass, "skip"))},
		},
		{
			name: "neither volume policies match it, and a Pod wants it backed up as files", server: common, pv: newVolume(), backup: byPolicy,
			objects: []client.Object{
				policies("own", rule("csi: {}", "snapshot")), policies("common", rule("csi: {}", "skip")),
				newPod(map[string]string{velerov1.VolumesToBackupAnnotation: "files"}),
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.objects...)
			got := execute(t, w.process(tt.server, onlyFiles()), tt.pv, backupWith(tt.backup))
			if got != tt.want {
				t.Errorf("the operation is %s, want %s", got, tt.want)
			}
			if warnings := w.lines(logrus.WarnLevel); warnings != nil {
				t.Errorf("there are warnings: %q", warnings)
			}
		})
	}
}

func TestSnapshotProgressKeepsWhatItCannotTell(t *testing.T) {
	t.Parallel()
	down := errors.New("the API server is down")
	const (
		nobodyKnows = "Cannot tell whether the PersistentVolume is snapshotted: nobody will know whether its snapshot succeeds: "
		waitsAnyway = "Cannot tell whether Velero has the PersistentVolume snapshotted: the backup waits for a snapshot if there is one: "
	)
	byPolicy := func(b *velerov1.Backup) {
		b.Spec.ResourcePolicy = &corev1.TypedLocalObjectReference{Kind: "configmap", Name: "own"}
	}
	none := func(*velerov1.Backup) {}
	tests := []struct {
		name    string
		server  backupitemaction.Server
		objects []client.Object
		backup  func(*velerov1.Backup)
		refused string
		// unknown says that nobody knows whether a provider takes the volume.
		unknown bool
		want    string
	}{
		{
			name: "the location cannot be read", backup: none, refused: "get VolumeSnapshotLocation", unknown: true,
			want: "finding the volume snapshot location of the Backup backup-1: reading the VolumeSnapshotLocation velero/files: the API server is down",
		},
		{
			name: "the Pods cannot be listed", backup: none, refused: "list PodList",
			want: "looking for Pods whose volumes are backed up as files: failed to list pods in namespace shop: the API server is down",
		},
		{
			name: "the volume policies of the backup are not there", backup: byPolicy,
			want: "reading the volume policies of the Backup backup-1: failed to get volume policies from backup: " +
				`fail to get ResourcePolicies velero/own ConfigMap: configmaps "own" not found`,
		},
		{
			name: "the volume policies of all backups are not there", backup: none, server: backupitemaction.Server{VolumePolicies: "common"},
			want: "reading the volume policies of all backups: failed to get volume policies from backup: " +
				`fail to get ResourcePolicies velero/common ConfigMap: configmaps "common" not found`,
		},
		{
			name: "the claim is not there, for the volume policies", backup: byPolicy, objects: []client.Object{policies("own", rule("csi: {}", "skip"))},
			want: `reading the PersistentVolumeClaim shop/data: persistentvolumeclaims "data" not found`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.objects...)
			if tt.refused != "" {
				w.refused[tt.refused] = down
			}
			id, level, lines := operationID, logrus.WarnLevel, []string{waitsAnyway + tt.want}
			if tt.unknown {
				id, level, lines = "", logrus.ErrorLevel, []string{nobodyKnows + tt.want}
			}
			if got := execute(t, w.process(tt.server, onlyFiles()), newVolume(), backupWith(tt.backup)); got != id {
				t.Errorf("the operation is %q, want %q", got, id)
			}
			if diff := cmp.Diff(lines, append(w.lines(logrus.WarnLevel), w.lines(logrus.ErrorLevel)...)); diff != "" || len(w.lines(level)) != 1 {
				t.Errorf("%d lines of the level %s, and all (-want +got):\n%s", len(w.lines(level)), level, diff)
			}
		})
	}
}

func TestSnapshotProgressIsNeverWithoutItem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := &unstructured.Unstructured{Object: map[string]any{"spec": "none"}}
	got, _, id, _, err := w.process(backupitemaction.Server{}, onlyFiles()).Execute(broken, newBackup())
	if same, ok := got.(*unstructured.Unstructured); err != nil || id != "" || !ok || same != broken {
		t.Errorf("Execute() = %v, operation %q, error %v: want the item alone", got, id, err)
	}
	if warnings := w.lines(logrus.WarnLevel); len(warnings) != 1 {
		t.Errorf("the warnings are %q, want one", warnings)
	}
	w.wantCalls(t, map[string]int{})
}

func TestSnapshotProgressWithoutACluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := backupitemaction.NewSnapshotProgress(w.log, absentClient{cluster.New(w.api, veleroNamespace)}, backupitemaction.Server{}, onlyFiles())
	if id := execute(t, action, newVolume(), newBackup()); id != operationID {
		t.Errorf("the operation is %q, want %s", id, operationID)
	}
	want := []string{"Cannot tell whether Velero has the PersistentVolume snapshotted: the backup waits for a snapshot if there is one: " + cluster.ErrNone.Error()}
	if diff := cmp.Diff(want, w.lines(logrus.WarnLevel)); diff != "" {
		t.Errorf("the warnings (-want +got):\n%s", diff)
	}
}

// absentClient is a cluster whose locations alone can be read.
type absentClient struct{ *cluster.Cluster }

// Client returns cluster.ErrNone.
func (absentClient) Client() (client.Client, error) { return nil, cluster.ErrNone }

func TestSnapshotProgressAsksAllProviders(t *testing.T) {
	t.Parallel()
	refused := errors.New("no such form")
	const ofDisk = `{"persistentVolume":"pv-1","provider":"velero.io/alibabacloud","volume":"h"}`
	tests := []struct {
		name      string
		providers map[string]backupitemaction.Snapshots
		pv        *corev1.PersistentVolume
		want      string
		errors    []string
	}{
		{
			name:      "the one that takes the volume is the operation's",
			providers: map[string]backupitemaction.Snapshots{filesProvider: &snapshots{}, diskProvider: &snapshots{disks: true}},
			pv:        newVolume(), want: operationID,
		},
		{
			name:      "one that fails leaves the volume to the next",
			providers: map[string]backupitemaction.Snapshots{filesProvider: &snapshots{refusal: refused}, diskProvider: &snapshots{disks: true}},
			pv:        volumeWith(ofCSI), want: ofDisk,
		},
		{
			name:      "one that fails is told where no other takes the volume",
			providers: map[string]backupitemaction.Snapshots{filesProvider: &snapshots{refusal: refused}, diskProvider: &snapshots{disks: true}},
			pv:        newVolume(),
			errors: []string{"Cannot tell whether the PersistentVolume is snapshotted: nobody will know whether its snapshot succeeds: " +
				"asking the provider alibabacloud.com/hbr for the storage of the PersistentVolume: no such form"},
		},
		{
			name:      "two that take the volume are told, for Velero asks one of them",
			providers: map[string]backupitemaction.Snapshots{filesProvider: &snapshots{}, diskProvider: &snapshots{disks: true}},
			pv:        volumeWith(ofCSI), want: operationID,
			errors: []string{"Cannot tell whether the PersistentVolume is snapshotted: nobody will know whether its snapshot succeeds: " +
				"the locations of the providers alibabacloud.com/hbr and velero.io/alibabacloud both take the volume h: " +
				"leave it to one of them (config key enableECSSnapshot of both)"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if got := execute(t, w.process(backupitemaction.Server{}, tt.providers), tt.pv, newBackup()); got != tt.want {
				t.Errorf("the operation is %s, want %s", got, tt.want)
			}
			if diff := cmp.Diff(tt.errors, w.lines(logrus.ErrorLevel)); diff != "" {
				t.Errorf("the errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSnapshotProgressReadsOnceInABackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, policies("own", rule("csi: {}", "skip")), newClaim(nil), newVolume(), newPod(nil))
	action := w.process(backupitemaction.Server{}, map[string]backupitemaction.Snapshots{filesProvider: &snapshots{}, diskProvider: &snapshots{disks: true}})
	backup := backupWith(func(b *velerov1.Backup) {
		b.Spec.ResourcePolicy = &corev1.TypedLocalObjectReference{Kind: "configmap", Name: "own"}
	})
	for range 20 {
		if id := execute(t, action, newVolume(), backup); id != operationID {
			t.Fatalf("the operation is %s, want %s", id, operationID)
		}
	}
	w.wantCalls(t, map[string]int{
		"get VolumeSnapshotLocation": 3, // Those of the Backup are read in turn, for each provider.
		"get ConfigMap":              1,
		"list PodList":               1,
		// Those two are what a backup with volume policies costs for each volume.
		"get PersistentVolumeClaim": 20,
		"get PersistentVolume":      20,
	})
}

func TestSnapshotProgressReadsThePodsOfEachNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newPod(map[string]string{velerov1.VolumesToBackupAnnotation: "files"}))
	action := w.process(backupitemaction.Server{}, onlyFiles())
	elsewhere := volumeWith(func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef.Namespace = "office" })
	if id := execute(t, action, elsewhere, newBackup()); id != operationID {
		t.Errorf("the operation is %s, want %s", id, operationID)
	}
	if id := execute(t, action, newVolume(), newBackup()); id != "" {
		t.Errorf("the operation is %s, want none for a volume that is backed up as files", id)
	}
}

func TestSnapshotProgressReadsNothingForOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := w.process(backupitemaction.Server{}, onlyFiles())
	selector, err := action.AppliesTo()
	if diff := cmp.Diff(velero.ResourceSelector{IncludedResources: []string{"persistentvolumes"}}, selector); diff != "" || err != nil {
		t.Errorf("AppliesTo() error = %v (-want +got):\n%s", err, diff)
	}
	if action.Name() != "alibabacloud.com/snapshot-progress" {
		t.Errorf("Name() = %s", action.Name())
	}
	w.wantCalls(t, map[string]int{})
	foreign := volumeWith(func(pv *corev1.PersistentVolume) { pv.Spec.NFS = nil })
	for range 20 {
		if id := execute(t, action, foreign, newBackup()); id != "" {
			t.Errorf("the operation is %s, want none", id)
		}
	}
	w.wantCalls(t, map[string]int{"get VolumeSnapshotLocation": 1})
}

func TestSnapshotProgressServesWorkersAtTheSameTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newPod(nil))
	action := w.process(backupitemaction.Server{}, onlyFiles())
	item := asItem(t, newVolume())
	ids := make(chan string)
	for range 8 {
		go func() {
			_, _, id, _, _ := action.Execute(item, newBackup()) //nolint:dogsled // the rest is tested elsewhere
			ids <- id
		}()
	}
	for range 8 {
		if id := <-ids; id != operationID {
			t.Errorf("the operation is %s, want %s", id, operationID)
		}
	}
	w.wantCalls(t, map[string]int{"get VolumeSnapshotLocation": 1, "list PodList": 1})
}

// TestSnapshotProgressLooksAtNoPodsWithoutSnapshots holds that a backup without snapshots
// does not list the Pods of each namespace.
func TestSnapshotProgressLooksAtNoPodsWithoutSnapshots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	backup := backupWith(func(b *velerov1.Backup) { b.Spec.SnapshotVolumes = ptr.To(false) })
	action := w.process(backupitemaction.Server{}, onlyFiles())
	for range 3 {
		if _, _, operation, _, err := action.Execute(asItem(t, newVolume()), backup); operation != "" || err != nil {
			t.Errorf("Execute() has the operation %q and the error %v, want neither", operation, err)
		}
	}
	w.wantCalls(t, map[string]int{"get VolumeSnapshotLocation": 1})
}
