// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	ram "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	simhbr "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/simtime"
)

// Names of the world that the tests share.
const (
	home            = "cn-hangzhou"
	veleroNamespace = "velero"
	mountTarget     = "fs1-abc12.cn-hangzhou.nas.aliyuncs.com"
	otherTarget     = "fs2-abc12.cn-hangzhou.nas.aliyuncs.com"
	theVault        = "ack-backup-data"
)

// agentlessPolicy is what docs/volumesnapshotter-hbr.md tells users to grant, nodePolicy
// what the backup center asks for.
const (
	agentlessPolicy = "../../deploy/ram/hbr-agentless.json"
	nodePolicy      = "../../deploy/ram/hbr-node.json"
)

// simulated is the cloud before a test changes it. The user velero gets agentlessPolicy.
const simulated = `
region: cn-hangzhou
accounts:
- id: "1000000000000001"
  users:
  - name: velero
    keys: [{id: LTAIvelero, secret: velero-secret}]
nas:
  fileSystems:
  - {id: fs1, account: "1000000000000001", region: cn-hangzhou, age: 1h}
  - {id: fs2, account: "1000000000000001", region: cn-hangzhou, age: 2h}
buckets:
- {name: bucket-1, owner: "1000000000000001", region: cn-hangzhou}
- {name: bucket-2, owner: "1000000000000001", region: cn-hangzhou}
hbr:
  durations: {vault: 10s, backup: 60s, restore: 60s}
`

// world is a simulated cloud, a cluster, and a Snapshotter that works with both in
// simulated time.
type world struct {
	*Snapshotter

	sim     *cloudsim.Cloud
	time    *simtime.Clock
	api     client.Client // of the cluster
	clients *alicloud.Cloud
	// environment is that of clients.
	environment alicloud.Environment
	log         *logrus.Logger
	logged      *logtest.Hook
	// config is that of the location.
	config map[string]string
}

// newWorld returns a world whose cluster has its id and the backup b-1. The changes are
// made to the cloud before it starts.
func newWorld(t *testing.T, more map[string]string, changes ...func(*cloudsim.Config)) *world {
	t.Helper()
	config, err := cloudsim.ParseConfig([]byte(simulated))
	if err != nil {
		t.Fatal(err)
	}
	withPolicy(t, agentlessPolicy)(&config)
	for _, change := range changes {
		change(&config)
	}
	sim, err := cloudsim.Start(config, cloudsim.WithStateDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, entry := range sim.Journal().Entries() {
			if len(entry.UnknownParameters) > 0 {
				t.Errorf("%s was called with parameters that it does not have: %v", entry.Operation, entry.UnknownParameters)
			}
		}
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	connections, err := sim.HTTPClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connections.CloseIdleConnections)
	w := &world{sim: sim, time: simtime.New(sim.HBR().Advance)}
	w.log, w.logged = logtest.NewNullLogger()
	w.log.SetLevel(logrus.DebugLevel)
	w.environment = alicloud.Environment{
		Getenv: func(string) string { return "" }, Log: w.log, Now: w.time.Now, Sleep: w.time.Sleep, RPC: connections,
		Retry: retry.Policy{BaseDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond},
	}
	w.clients = alicloud.New(w.environment)
	scheme, err := cluster.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	w.api = fake.NewClientBuilder().WithScheme(scheme).Build()
	w.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem, UID: "3fa1f1c2"}},
		backupNamed("b-1", velerov1.BackupPhaseInProgress), theRestore())
	file := filepath.Join(t.TempDir(), "cloud")
	if err := os.WriteFile(file, []byte("ALIBABA_CLOUD_ACCESS_KEY_ID=LTAIvelero\nALIBABA_CLOUD_ACCESS_KEY_SECRET=velero-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.config = map[string]string{"region": home, "notOnECS": "true", "credentialsFile": file}
	maps.Copy(w.config, more)
	w.Snapshotter = w.process(t)
	return w
}

// withPolicy gives Velero's user the RAM policy in a file, and no other.
func withPolicy(t *testing.T, file string) func(*cloudsim.Config) {
	t.Helper()
	policy, err := ram.ReadPolicy(file)
	if err != nil {
		t.Fatal(err)
	}
	return func(config *cloudsim.Config) { config.Accounts[0].Users[0].Policies = []ram.Policy{policy} }
}

// process returns the Snapshotter of another process, which knows nothing of the one before.
func (w *world) process(t *testing.T) *Snapshotter {
	t.Helper()
	here := cluster.New(w.api, veleroNamespace)
	s := New(w.log, w.clients, here, storageclass.NewTargets(settings.NewReader(here), here))
	if err := s.Init(w.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.End(context.Background()) })
	return s
}

// create adds objects to the cluster.
func (w *world) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := w.api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

// backupNamed returns a Backup with the UID uid-<name> that lives for 30 days.
func backupNamed(name string, phase velerov1.BackupPhase) *velerov1.Backup {
	return &velerov1.Backup{
		ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: name, UID: types.UID("uid-" + name)},
		Spec:       velerov1.BackupSpec{TTL: metav1.Duration{Duration: 30 * 24 * time.Hour}},
		Status:     velerov1.BackupStatus{Phase: phase},
	}
}

// theRestore returns the Restore that goes on.
func theRestore() *velerov1.Restore {
	return &velerov1.Restore{
		ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: "r-1", UID: "uid-r-1"},
		Spec:       velerov1.RestoreSpec{BackupName: "b-1"},
		Status:     velerov1.RestoreStatus{Phase: velerov1.RestorePhaseInProgress},
	}
}

// nasDirectory returns a PersistentVolume of a directory of fs1 as the CSI driver makes it.
func nasDirectory(name, path string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			MountOptions: []string{"nolock,tcp,noresvport", "vers=3"},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: volume.DriverNAS, VolumeHandle: name,
				VolumeAttributes: map[string]string{"server": mountTarget, "path": path, "volumeAs": "subpath"},
			}},
		},
	}
}

// bucketDirectory returns a PersistentVolume of a directory of bucket-1.
func bucketDirectory(name, path string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
			Driver: volume.DriverOSS, VolumeHandle: name,
			VolumeAttributes:     map[string]string{"bucket": "bucket-1", "path": path, "url": "oss-cn-hangzhou-internal.aliyuncs.com", "otherOpts": "-o allow_other"},
			NodePublishSecretRef: &corev1.SecretReference{Namespace: "kube-system", Name: "oss-secret"},
		}}},
	}
}

// root is the directory of a file system.
func (w *world) root(t *testing.T, fileSystem string) string {
	t.Helper()
	found, err := w.sim.NAS().FileSystem(fileSystem)
	if err != nil {
		t.Fatal(err)
	}
	return found.Dir
}

// fill writes some files of fs1 into a directory.
func (w *world) fill(t *testing.T, directory string) {
	t.Helper()
	for name, content := range map[string]string{"a": "one", "b/c": "two"} {
		if err := w.sim.NAS().WriteFile("fs1", directory+"/"+name, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
}

// item returns an object as Velero hands it to plugins.
func item(t *testing.T, object any) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

// backUp begins the backup of a volume of the cluster as Velero does, and returns its id.
func (w *world) backUp(t *testing.T, s *Snapshotter, pv *corev1.PersistentVolume) string {
	t.Helper()
	id, err := s.GetVolumeID(item(t, pv))
	if err != nil || id == "" {
		t.Fatalf("GetVolumeID(%s) = %q, error %v", pv.Name, id, err)
	}
	if _, _, err := s.GetVolumeInfo(id, ""); err != nil {
		t.Fatal(err)
	}
	snapshot, err := s.CreateSnapshot(id, "", map[string]string{tagBackup: "b-1", tagVolume: pv.Name})
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// backedUp returns the id of the backup of a volume that is added to the cluster, and that is done.
func (w *world) backedUp(t *testing.T, pv *corev1.PersistentVolume) string {
	t.Helper()
	w.create(t, pv)
	id := w.backUp(t, w.Snapshotter, pv)
	w.sim.HBR().Advance(time.Minute)
	if got := w.snapshotProgress(t, pv.Name); !got.Completed || got.Err != "" {
		t.Fatalf("%s: progress %+v, want that it is done", id, got)
	}
	return id
}

// snapshotProgress asks another process, after Velero has stored the backup, how far that of
// a PersistentVolume is.
func (w *world) snapshotProgress(t *testing.T, pv string) velero.OperationProgress {
	t.Helper()
	return w.snapshotProgressIn(t, velerov1.BackupPhaseWaitingForPluginOperations, pv)
}

// snapshotProgressIn is snapshotProgress while the Backup is in a phase.
func (w *world) snapshotProgressIn(t *testing.T, phase velerov1.BackupPhase, pv string) velero.OperationProgress {
	t.Helper()
	got, err := w.process(t).SnapshotProgress(t.Context(), backupNamed("b-1", phase), w.config, pv, "")
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// current returns the location that a process was given last, and Cloud Backup as it reaches it.
func current(t *testing.T, s *Snapshotter) (*site, *alicloud.HBR) {
	t.Helper()
	found, err := s.sites.Current()
	if err != nil {
		t.Fatal(err)
	}
	api, err := found.api(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found, api
}

// progressOfID asks another process how far the backup with an id is.
func (w *world) progressOfID(t *testing.T, id string) velero.OperationProgress {
	t.Helper()
	current, err := w.process(t).sites.Current()
	if err != nil {
		t.Fatal(err)
	}
	got, err := current.snapshotProgress(t.Context(), subject{backupName: "b-1", backup: backupNamed("b-1", "")}, id)
	got, err = final.Progress(got, fail(backingUp, "snapshot "+id, err))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// progress asks another process how far the restored volume behind pv is.
func (w *world) progress(t *testing.T, id string, pv *corev1.PersistentVolume) velero.OperationProgress {
	t.Helper()
	got, err := w.process(t).Progress(t.Context(), theRestore(), w.config, id, pv)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// beginRestore begins the restore of a snapshot of pv, and returns the volume's id.
func (w *world) beginRestore(t *testing.T, snapshot string, pv *corev1.PersistentVolume) string {
	t.Helper()
	s := w.process(t)
	id, err := s.CreateVolumeFromSnapshot(snapshot, "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.progress(t, id, hold(t, s, pv, id)); got.Completed {
		t.Errorf("%s: progress %+v at once", id, got)
	}
	return id
}

// restored restores a snapshot of a volume until it is whole, and returns its PersistentVolume.
func (w *world) restored(t *testing.T, snapshot string, pv *corev1.PersistentVolume) *corev1.PersistentVolume {
	t.Helper()
	id := w.beginRestore(t, snapshot, pv)
	held := hold(t, w.process(t), pv, id)
	w.sim.HBR().Advance(time.Minute)
	if got := w.progress(t, id, held); !got.Completed || got.Err != "" {
		t.Fatalf("%s: progress %+v, want that it is done", id, got)
	}
	s := w.process(t)
	finished, err := s.Finish(t.Context(), theRestore(), w.config, id, held)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(t.Context(), theRestore(), w.config, id); err != nil {
		t.Error(err)
	}
	return finished
}

// hold gives a volume the id of one that is being restored.
func hold(t *testing.T, s *Snapshotter, pv *corev1.PersistentVolume, id string) *corev1.PersistentVolume {
	t.Helper()
	content, err := s.SetVolumeID(item(t, pv), id)
	if err != nil {
		t.Fatal(err)
	}
	held, err := volume.FromItem(content)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.VolumeID(held); got != id {
		t.Errorf("the held volume has the id %q, want %q", got, id)
	}
	return held
}

// fault adds a fault to the cloud.
func (w *world) fault(t *testing.T, rule fault.Rule) {
	t.Helper()
	if rule.Service == "" {
		rule.Service = simhbr.Product
	}
	if _, err := w.sim.Faults().Add(rule); err != nil {
		t.Fatal(err)
	}
}

// messages returns what was logged at a level, with the error.
func (w *world) messages(level logrus.Level) []string {
	var found []string
	for _, entry := range w.logged.AllEntries() {
		if entry.Level == level {
			found = append(found, strings.TrimSpace(fmt.Sprintf("%s %v", entry.Message, entry.Data[logrus.ErrorKey])))
		}
	}
	return found
}

// wantInventory holds what the account has at Cloud Backup but for its vaults.
func (w *world) wantInventory(t *testing.T, plans, snapshots, running int) {
	t.Helper()
	got, err := w.sim.HBR().Inventory("1000000000000001")
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]int{plans, snapshots, running}, []int{len(got.Plans), len(got.Snapshots), len(got.Running)}); diff != "" {
		t.Errorf("plans, snapshots, running jobs (-want +got):\n%s", diff)
	}
}

// wantNoNotes holds that there is no note of what was begun.
func (w *world) wantNoNotes(t *testing.T) {
	t.Helper()
	w.wantNotes(t, 0)
}

// wantNotes holds how many notes there are of what was begun.
func (w *world) wantNotes(t *testing.T, want int) {
	t.Helper()
	var notes corev1.ConfigMapList
	if err := w.api.List(t.Context(), &notes, client.HasLabels{"alibabacloud.com/note"}); err != nil {
		t.Fatal(err)
	}
	if len(notes.Items) != want {
		t.Errorf("there are %d notes, want %d", len(notes.Items), want)
	}
}

// vaultNames returns the names of all vaults.
func (w *world) vaultNames() []string {
	var names []string
	for _, v := range w.sim.HBR().Vaults() {
		names = append(names, v.Name)
	}
	return slices.Sorted(slices.Values(names))
}
