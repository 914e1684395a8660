// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	ram "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/simtime"
)

// Names of the world that the tests share.
const (
	account   = "1000000000000001"
	home      = "cn-hangzhou"
	homeZone  = "cn-hangzhou-k"
	otherZone = "cn-hangzhou-j"
	away      = "cn-beijing"
	awayZone  = "cn-beijing-k"
	// clusterID is the UID of kube-system.
	clusterID       = "3fa1f1c2-0000-4000-8000-000000000001"
	veleroNamespace = "velero"
)

// leastPolicy is what docs/volumesnapshotter-ecs.md tells users to grant.
const leastPolicy = "../../deploy/ram/ecs.json"

// backupCenterPolicy is what the backup center's FAQ tells users to grant, to the letter.
const backupCenterPolicy = "testdata/backup-center-policy.json"

// simulated is the cloud before a test changes it. The user velero gets leastPolicy.
const simulated = `
region: cn-hangzhou
accounts:
- id: "1000000000000001"
  users:
  - name: velero
    keys: [{id: LTAIvelero, secret: velero-secret}]
ecs:
  regions:
  - {id: cn-hangzhou, zones: [{id: cn-hangzhou-k}, {id: cn-hangzhou-j}]}
  - {id: cn-beijing, zones: [{id: cn-beijing-k}, {id: cn-beijing-l}]}
  instances:
  - {id: i-1, account: "1000000000000001", zone: cn-hangzhou-k}
`

// world is a simulated cloud, a cluster, and a Snapshotter that works with both in
// simulated time.
type world struct {
	*Snapshotter

	sim     *cloudsim.Cloud
	ecs     *simecs.Service
	time    *simtime.Clock
	api     client.Client // of the cluster
	clients *alicloud.Cloud
	log     *logrus.Logger
	logged  *logtest.Hook
	// targets are what the settings of a restore ask for, by <namespace>/<name> of the claim.
	targets targets
	// config is that of the location.
	config map[string]string
}

// targets are what the settings of a restore ask for, by <namespace>/<name> of the claim.
type targets map[string]diskspec.Target

func (t targets) DiskTarget(_ context.Context, _ *velerov1.Restore, claim diskspec.Claim, _ diskspec.Spec) (diskspec.Target, error) {
	return t[claimText(claim)], nil
}

func (t targets) KeepAsItWas(*velerov1.Restore, string) {}

func (t targets) CheckFlexVolume(context.Context, *velerov1.Restore) error { return nil }

// newWorld returns a world whose cluster has nothing but its id. The changes are made to the cloud before it starts.
func newWorld(t *testing.T, changes ...func(*cloudsim.Config)) *world {
	t.Helper()
	config, err := cloudsim.ParseConfig([]byte(simulated))
	if err != nil {
		t.Fatal(err)
	}
	withPolicy(t, leastPolicy)(&config)
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
	w := &world{sim: sim, ecs: sim.ECS(), time: simtime.New(sim.ECS().Advance), targets: targets{}}
	w.log, w.logged = logtest.NewNullLogger()
	w.log.SetLevel(logrus.DebugLevel)
	w.clients = alicloud.New(alicloud.Environment{
		Getenv: offECS,
		Log:    w.log,
		Now:    w.time.Now,
		Sleep:  w.time.Sleep,
		RPC:    connections,
		Retry:  retry.Policy{BaseDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond},
	})
	w.api = newAPI(t)
	w.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem, UID: clusterID}})
	w.config = locationIn(t, home, nil)
	w.Snapshotter = w.process(t, nil)
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

func noVariables(string) string { return "" }

// offECS is an environment in which no instance metadata service answers.
func offECS(name string) string {
	if name == "ALIBABA_CLOUD_ECS_METADATA_ENDPOINT" {
		return "http://127.0.0.1:1"
	}
	return ""
}

// newAPI returns the API of an empty cluster.
func newAPI(t *testing.T) client.Client {
	t.Helper()
	scheme, err := cluster.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).Build()
}

// locationIn returns the config of a location in a region, with the keys of more.
func locationIn(t *testing.T, region string, more map[string]string) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cloud")
	if err := os.WriteFile(file, []byte("ALIBABA_CLOUD_ACCESS_KEY_ID=LTAIvelero\nALIBABA_CLOUD_ACCESS_KEY_SECRET=velero-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := map[string]string{"region": region, "notOnECS": "true", "credentialsFile": file}
	maps.Copy(config, more)
	return config
}

// process returns the Snapshotter of another process, which knows nothing of the one
// before, for the world's location with the keys of more.
func (w *world) process(t *testing.T, more map[string]string) *Snapshotter {
	t.Helper()
	config := maps.Clone(w.config)
	maps.Copy(config, more)
	return w.processAt(t, config)
}

// processAt returns the Snapshotter of another process for a location.
func (w *world) processAt(t *testing.T, config map[string]string) *Snapshotter {
	t.Helper()
	s := New(w.log, w.clients, cluster.New(w.api, veleroNamespace), w.targets, noVariables)
	if err := s.Init(config); err != nil {
		t.Fatal(err)
	}
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

// addDisk adds a disk, which unless it says otherwise has 20 GiB in the home zone, was
// attached once, and is cloud_essd PL1.
func (w *world) addDisk(t *testing.T, config simecs.DiskConfig) string {
	t.Helper()
	config.AttachedBefore = true
	return w.addNewDisk(t, config)
}

// addNewDisk adds a disk as addDisk does, which nobody has attached yet.
func (w *world) addNewDisk(t *testing.T, config simecs.DiskConfig) string {
	t.Helper()
	config.Account = account
	config.Zone = cmp.Or(config.Zone, homeZone)
	config.Size = cmp.Or(config.Size, 20)
	id, err := w.ecs.AddDisk(config)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// addVolume adds a disk with a PersistentVolume that is named pv-<id>, and a claim of
// <namespace>/<name> with the labels.
func (w *world) addVolume(t *testing.T, config simecs.DiskConfig, claim string, labels map[string]string) string {
	t.Helper()
	id := w.addDisk(t, config)
	w.create(t, pvOf(w.diskInfo(t, id), claim), claimOf(claim, "pv-"+id, labels))
	return id
}

// diskInfo returns a disk as the cloud has it.
func (w *world) diskInfo(t *testing.T, id string) simecs.DiskInfo {
	t.Helper()
	all := w.ecs.Disks()
	i := slices.IndexFunc(all, func(d simecs.DiskInfo) bool { return d.ID == id })
	if i < 0 {
		t.Fatalf("there is no disk %s", id)
	}
	return all[i]
}

// snapshotInfo returns the snapshot of an id in any form, as the cloud has it.
func (w *world) snapshotInfo(t *testing.T, id string) simecs.SnapshotInfo {
	t.Helper()
	wanted, err := parseSnapshotID(id, home)
	if err != nil {
		t.Fatal(err)
	}
	all := w.ecs.Snapshots()
	i := slices.IndexFunc(all, func(s simecs.SnapshotInfo) bool { return s.ID == wanted.id && s.Region == wanted.region })
	if i < 0 {
		t.Fatalf("there is no snapshot %s", id)
	}
	return all[i]
}

// pvOf returns the PersistentVolume of a disk as the CSI driver makes it, bound to a
// claim of the form <namespace>/<name>.
func pvOf(d simecs.DiskInfo, claim string) *corev1.PersistentVolume {
	namespace, name, _ := strings.Cut(claim, "/")
	kind := volume.DiskType{Category: d.Category, PerformanceLevel: d.PerformanceLevel}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv-" + d.ID, Labels: map[string]string{volume.LabelDiskType: kind.String()}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:         corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(d.Size<<30, resource.BinarySI)},
			StorageClassName: "alicloud-disk-essd",
			ClaimRef:         &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: namespace, Name: name},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: volume.DriverDisk, VolumeHandle: d.ID},
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{
					{Key: volume.LabelDiskZone, Operator: corev1.NodeSelectorOpIn, Values: []string{d.Zone}},
				},
			}}}},
		},
	}
}

// claimOf returns a claim of the form <namespace>/<name> that is bound to a volume.
func claimOf(claim, pv string, labels map[string]string) *corev1.PersistentVolumeClaim {
	namespace, name, _ := strings.Cut(claim, "/")
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: pv},
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

// restoreNamed returns a Restore with the UID uid-<name>.
func restoreNamed(name string, phase velerov1.RestorePhase) *velerov1.Restore {
	return &velerov1.Restore{
		ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: name, UID: types.UID("uid-" + name)},
		Status:     velerov1.RestoreStatus{Phase: phase},
	}
}

// nodeIn returns a Node of a zone.
func nodeIn(zone string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-in-" + zone, Labels: map[string]string{corev1.LabelTopologyZone: zone}}}
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

// backUp asks for the snapshot of a disk as Velero does for the backup, and returns its id.
func backUp(t *testing.T, s *Snapshotter, backup, diskID string) string {
	t.Helper()
	if _, _, err := s.GetVolumeInfo(diskID, ""); err != nil {
		t.Fatalf("GetVolumeInfo(%s): %v", diskID, err)
	}
	id, err := s.CreateSnapshot(diskID, "", veleroTags(backup, "pv-"+diskID))
	if err != nil {
		t.Fatalf("CreateSnapshot(%s): %v", diskID, err)
	}
	return id
}

// veleroTags are those that Velero asks for.
func veleroTags(backup, pv string) map[string]string {
	return map[string]string{"velero.io/backup": backup, "velero.io/pv": pv}
}

// fail adds a fault to the cloud.
func (w *world) fail(t *testing.T, rule fault.Rule) {
	t.Helper()
	rule.Service = simecs.Product
	if _, err := w.sim.Faults().Add(rule); err != nil {
		t.Fatal(err)
	}
}

// calls returns the calls of ECS so far, in the form "CreateSnapshot in cn-hangzhou", with the code of those that failed.
func (w *world) calls() []string {
	var calls []string
	for _, entry := range w.sim.Journal().Entries() {
		if entry.Service != simecs.Product {
			continue
		}
		region := strings.TrimSuffix(strings.TrimPrefix(entry.Host, "ecs."), ".aliyuncs.com")
		call := fmt.Sprintf("%s in %s", entry.Operation, region)
		if entry.Code != "" {
			call += ": " + entry.Code
		}
		calls = append(calls, call)
	}
	return calls
}

// count returns how often an API of ECS was called.
func (w *world) count(operation string) int {
	return w.sim.Journal().Count(simecs.Product, operation)
}

// messages returns what was logged at a level.
func (w *world) messages(level logrus.Level) []string {
	var found []string
	for _, entry := range w.logged.AllEntries() {
		if entry.Level == level {
			found = append(found, entry.Message)
		}
	}
	return found
}

// siteOf returns the site of the location that a Snapshotter was last initialised with.
func siteOf(t *testing.T, s *Snapshotter) *site {
	t.Helper()
	found, err := s.sites.Current()
	if err != nil {
		t.Fatal(err)
	}
	return found
}
