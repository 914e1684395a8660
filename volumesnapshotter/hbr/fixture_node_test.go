// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// Names of the world with nodes.
const (
	theAccount = "1000000000000001"
	theZone    = "cn-hangzhou-h"
	// application is the namespace whose Pods mount the volumes that are backed up, comeback
	// the one that it is restored into.
	application = "app"
	comeback    = "app-restored"
)

// pollEvery is how much time passes between two polls.
const pollEvery = 30 * time.Second

// maxWait is how long something may take until a test gives up.
const maxWait = 20 * time.Minute

// nodeOptions say how a world with nodes differs from the usual one.
type nodeOptions struct {
	config map[string]string
	// nodes are node-1 and node-2 where there are none.
	nodes []node.Config
	// withoutClient leaves the Cloud Backup client out. client changes it.
	withoutClient bool
	client        func(*appsv1.DaemonSet)
}

// nodeWorld is a world whose cluster has nodes with the Cloud Backup client, and in which
// nothing happens but by settle and pass.
type nodeWorld struct {
	*world

	nodes *node.Cluster
	// life is that of the processes to come; nil for ever.
	life *life
}

// process returns the Snapshotter of another process, which lives for life.
func (w *nodeWorld) process(t *testing.T) *Snapshotter {
	t.Helper()
	if w.life == nil {
		return w.world.process(t)
	}
	api, ok := w.api.(client.WithWatch)
	if !ok {
		t.Fatalf("a client of the type %T cannot watch", w.api)
	}
	mortal := *w.world
	mortal.api, mortal.clients = w.life.around(api), alicloud.New(w.life.in(w.environment))
	return mortal.process(t)
}

// newNodeWorld returns a world with nodes. Its cluster has nodes, the classes of classes,
// and the client as deploy/hbr-client installs it. Its location takes all that it can on nodes.
func newNodeWorld(t *testing.T, options nodeOptions) *nodeWorld {
	t.Helper()
	config := map[string]string{"method": string(onNode), "podImage": "velero-plugin-alibabacloud"}
	maps.Copy(config, options.config)
	maps.DeleteFunc(config, func(_, value string) bool { return value == "" })
	w := &nodeWorld{world: newWorld(t, config, withPolicy(t, "../../deploy/ram/hbr.json"), withAllStorage)}
	bare, ok := w.api.(client.WithWatch)
	if !ok {
		t.Fatalf("a client of the type %T cannot watch", w.api)
	}
	api := node.NewClient(bare, w.time.Now)
	w.api = api
	nodes := options.nodes
	if nodes == nil {
		nodes = []node.Config{usualNode("node-1"), usualNode("node-2")}
	}
	var err error
	w.nodes, err = node.New(t.Context(), api, node.Options{
		Cloud: w.sim, Account: theAccount, Dir: t.TempDir(), ControllerManager: true, Nodes: nodes, Now: w.time.Now,
		FileSystems: map[string]string{"cnfs-1": otherTarget},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.nodes.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, text := range classes() {
		w.create(t, fromYAML[storagev1.StorageClass](t, name, text))
	}
	if !options.withoutClient {
		w.install(t, options.client)
	}
	w.Snapshotter = w.process(t)
	return w
}

// usualNode is a node in the zone with a directory for local volumes.
func usualNode(name string) node.Config {
	return node.Config{Name: name, Zone: theZone, Directories: []string{"/mnt/disks/1", "/data/app"}}
}

// withAllStorage adds to the cloud what volumes of further kinds are of.
func withAllStorage(config *cloudsim.Config) {
	config.NAS.FileSystems = append(config.NAS.FileSystems, nas.FileSystemConfig{
		ID: "cpfs-1", Account: theAccount, Region: home, Type: nas.TypeCPFS, MountTargets: []string{"cpfs-1-abc12.cn-hangzhou.cpfs.aliyuncs.com"},
	})
	config.ECS.Regions = append(config.ECS.Regions, ecs.Region{ID: home, Zones: []ecs.Zone{{ID: theZone}}})
	config.ECS.Disks = append(config.ECS.Disks, ecs.DiskConfig{ID: "d-1", Account: theAccount, Zone: theZone, Size: 20})
}

// classes are the StorageClasses of the cluster.
func classes() map[string]string {
	return map[string]string{
		"nas":   `{provisioner: nasplugin.csi.alibabacloud.com, parameters: {volumeAs: subpath, server: "fs2-abc12.cn-hangzhou.nas.aliyuncs.com:/made"}, mountOptions: [vers=4]}`,
		"oss":   `{provisioner: ossplugin.csi.alibabacloud.com, parameters: {volumeAs: subpath, bucket: bucket-2, path: /made, url: oss-cn-hangzhou-internal.aliyuncs.com}}`,
		"essd":  `{provisioner: diskplugin.csi.alibabacloud.com, parameters: {type: cloud_essd}, volumeBindingMode: WaitForFirstConsumer}`,
		"ceph":  `{provisioner: cephfs.csi.ceph.com, parameters: {pool: a}}`,
		"other": `{provisioner: other.csi.example.com}`,
	}
}

// fromYAML reads an object, which gets a name.
func fromYAML[T any, P interface {
	*T
	client.Object
}](t *testing.T, name, text string,
) P {
	t.Helper()
	object := P(new(T))
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	object.SetName(name)
	return object
}

// volumeOf returns a PersistentVolume of 20 GiB of the claim of the same name in the
// namespace application. text is its spec.
func volumeOf(t *testing.T, name, text string) *corev1.PersistentVolume {
	t.Helper()
	pv := fromYAML[corev1.PersistentVolume](t, name, "spec: {"+text+"}")
	pv.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}
	pv.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
	pv.Spec.ClaimRef = &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: application, Name: name}
	return pv
}

// install installs the Cloud Backup client with a change, which may be nil.
func (w *nodeWorld) install(t *testing.T, change func(*appsv1.DaemonSet)) {
	t.Helper()
	content, err := os.ReadFile("../../deploy/hbr-client/daemonset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := fromYAML[appsv1.DaemonSet](t, agent.Name, string(content))
	if change != nil {
		change(set)
	}
	w.create(t, set)
}

// settle lets happen in the cluster what is to happen.
func (w *nodeWorld) settle(t *testing.T) {
	t.Helper()
	if err := w.nodes.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// pass lets time pass until the next poll.
func (w *nodeWorld) pass(t *testing.T) {
	t.Helper()
	if err := w.time.Sleep(t.Context(), pollEvery); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
}

// until polls until something is over, which is to be soon. An error that may pass does not
// end it.
func (w *nodeWorld) until(t *testing.T, poll func() (velero.OperationProgress, error)) velero.OperationProgress {
	t.Helper()
	var told []string
	for range int(maxWait / pollEvery) {
		progress, err := poll()
		if err == nil && progress.Completed {
			w.settle(t)
			return progress
		}
		told = append(told, cmp.Or(progress.Description, errorText(err)))
		w.pass(t)
	}
	t.Fatalf("it is not over after %s: %q", maxWait, slices.Compact(told))
	return velero.OperationProgress{}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// claimed adds the claim of a PersistentVolume that is in the cluster.
func (w *nodeWorld) claimed(t *testing.T, pv *corev1.PersistentVolume) {
	t.Helper()
	class := pv.Spec.StorageClassName
	w.create(t, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: pv.Spec.ClaimRef.Namespace, Name: pv.Spec.ClaimRef.Name},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, VolumeName: pv.Name, AccessModes: pv.Spec.AccessModes, VolumeMode: pv.Spec.VolumeMode,
			Resources: corev1.VolumeResourceRequirements{Requests: pv.Spec.Capacity},
		},
	})
	w.settle(t)
}

// mounting adds a Pod that mounts the claim of a PersistentVolume, on a node if one is
// named. It runs then.
func (w *nodeWorld) mounting(t *testing.T, pv *corev1.PersistentVolume, onNode string) {
	t.Helper()
	w.mountingAs(t, "pod-"+pv.Spec.ClaimRef.Name, pv, onNode)
}

// mountingAs is mounting for a Pod of a name.
func (w *nodeWorld) mountingAs(t *testing.T, name string, pv *corev1.PersistentVolume, onNode string) {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: pv.Spec.ClaimRef.Namespace, Name: name},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "c", Image: "app", VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/v"}}}},
			Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: pv.Spec.ClaimRef.Name},
			}}},
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		},
	}
	if onNode != "" {
		pod.Spec.NodeSelector = map[string]string{corev1.LabelHostname: onNode}
	}
	w.create(t, pod)
	w.settle(t)
	pod = find[corev1.Pod](t, w, pod.Namespace, pod.Name)
	if pod.Status.Phase != corev1.PodRunning {
		t.Fatalf("the Pod %s does not run: %+v", pod.Name, pod.Status)
	}
}

// find reads an object; nil if it is not there.
func find[T any, P interface {
	*T
	client.Object
}](t *testing.T, w *nodeWorld, namespace, name string,
) P {
	t.Helper()
	object := P(new(T))
	err := w.api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return object
}

// remove deletes objects, and lets happen what follows.
func (w *nodeWorld) remove(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := w.api.Delete(t.Context(), object); err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		w.settle(t)
	}
}

// files returns the directory that has the files of a volume. onNode is where a volume
// is that is of a node.
func (w *nodeWorld) files(t *testing.T, pv *corev1.PersistentVolume, onNode string) string {
	t.Helper()
	if local := directoryOnNode(pv); local != "" {
		found, err := w.nodes.Files(onNode).Resolve(local)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	content, err := w.nodes.Content(pv)
	if err != nil {
		t.Fatal(err)
	}
	return content.Dir
}

func directoryOnNode(pv *corev1.PersistentVolume) string {
	switch {
	case pv.Spec.Local != nil:
		return pv.Spec.Local.Path
	case pv.Spec.HostPath != nil:
		return pv.Spec.HostPath.Path
	default:
		return ""
	}
}

// written writes files into a volume.
func (w *nodeWorld) written(t *testing.T, pv *corev1.PersistentVolume, onNode string, content map[string]string) {
	t.Helper()
	root := w.files(t, pv, onNode)
	for name, data := range content {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.files(t, pv, onNode) // What is mounted of a bucket is taken to it.
}

// served adds a volume with some files and a Pod that mounts it, on a node if one is named.
func (w *nodeWorld) served(t *testing.T, pv *corev1.PersistentVolume, onNode string) {
	t.Helper()
	w.create(t, pv)
	w.claimed(t, pv)
	w.mounting(t, pv, onNode)
	w.written(t, pv, cmp.Or(onNode, "node-1"), map[string]string{"a": "one", "b/c": "two"})
}

// saved backs a volume up, and returns its id when that is over, with the outcome.
func (w *nodeWorld) saved(t *testing.T, pv *corev1.PersistentVolume) (id string, outcome velero.OperationProgress) {
	t.Helper()
	id = w.backUp(t, w.process(t), pv)
	return id, w.untilSaved(t, pv.Name)
}

// untilSaved polls until the backup of a volume is over.
func (w *nodeWorld) untilSaved(t *testing.T, pv string) velero.OperationProgress {
	t.Helper()
	return w.until(t, func() (velero.OperationProgress, error) { return w.pollBackup(t, pv) })
}

// pollBackup asks another process, after Velero has stored the backup, how far that of a volume is.
func (w *nodeWorld) pollBackup(t *testing.T, pv string) (velero.OperationProgress, error) {
	t.Helper()
	backup := find[velerov1.Backup](t, w, veleroNamespace, "b-1")
	backup.Status.Phase = velerov1.BackupPhaseWaitingForPluginOperations
	return w.process(t).SnapshotProgress(t.Context(), backup, w.config, pv, "")
}

// isSaved backs a volume up, and returns the id of its snapshot.
func (w *nodeWorld) isSaved(t *testing.T, pv *corev1.PersistentVolume) string {
	t.Helper()
	id, outcome := w.saved(t, pv)
	if outcome.Err != "" {
		t.Fatalf("the backup %s failed: %s", id, outcome.Err)
	}
	w.wantNoTemporary(t)
	return id
}

// ordered begins the restore of a snapshot of pv into the namespace comeback as Velero and
// volume-ready do, and returns the volume's id and the PersistentVolume, which is held.
func (w *nodeWorld) ordered(t *testing.T, snapshot string, pv *corev1.PersistentVolume) (id string, held *corev1.PersistentVolume) {
	t.Helper()
	s := w.process(t)
	id, err := s.CreateVolumeFromSnapshot(snapshot, "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	restored := pv.DeepCopy()
	restored.ObjectMeta = metav1.ObjectMeta{Name: pv.Name, Labels: pv.Labels, Annotations: pv.Annotations}
	restored.Status = corev1.PersistentVolumeStatus{}
	restored.Spec.ClaimRef = &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: comeback, Name: pv.Name}
	if find[corev1.PersistentVolume](t, w, "", pv.Name) != nil {
		restored.Name = "clone-" + pv.Name
	}
	held = hold(t, s, restored, id)
	inCluster := held.DeepCopy()
	inCluster.Spec.ClaimRef = &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: veleroNamespace, Name: "hold", UID: "none"}
	w.create(t, inCluster)
	w.settle(t)
	return id, held
}

// untilFilled polls until the volume that is being restored is whole, or has failed.
func (w *nodeWorld) untilFilled(t *testing.T, id string, held *corev1.PersistentVolume) velero.OperationProgress {
	t.Helper()
	return w.until(t, func() (velero.OperationProgress, error) { return w.pollRestore(t, id, held) })
}

// pollRestore asks another process how far a volume is that is being restored.
func (w *nodeWorld) pollRestore(t *testing.T, id string, held *corev1.PersistentVolume) (velero.OperationProgress, error) {
	t.Helper()
	return w.process(t).Progress(t.Context(), theRestore(), w.config, id, held)
}

// finished does what volume-ready does with a volume that is whole, and returns its
// PersistentVolume.
func (w *nodeWorld) finished(t *testing.T, id string, held *corev1.PersistentVolume) *corev1.PersistentVolume {
	t.Helper()
	finished, err := w.process(t).Finish(t.Context(), theRestore(), w.config, id, held)
	if err != nil {
		t.Fatal(err)
	}
	w.put(t, held, finished)
	if err := w.process(t).Settle(t.Context(), theRestore(), w.config, id); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	return finished
}

// put replaces the PersistentVolume that is held.
func (w *nodeWorld) put(t *testing.T, held, finished *corev1.PersistentVolume) {
	t.Helper()
	w.remove(t, held)
	finished.ResourceVersion = ""
	w.create(t, finished.DeepCopy())
	w.settle(t)
}

// isRestored restores a snapshot of pv, and returns the PersistentVolume when an
// application has it mounted. Nothing else is left.
func (w *nodeWorld) isRestored(t *testing.T, snapshot string, pv *corev1.PersistentVolume) *corev1.PersistentVolume {
	t.Helper()
	id, held := w.ordered(t, snapshot, pv)
	if outcome := w.untilFilled(t, id, held); outcome.Err != "" {
		t.Fatalf("the restore failed: %s", outcome.Err)
	}
	finished := w.finished(t, id, held)
	w.claimed(t, finished)
	w.mounting(t, finished, "")
	w.wantNoTemporary(t)
	w.wantInventory(t, 0, 1, 0)
	w.wantNoNotes(t)
	return finished
}

// whenRunning polls until a job is running.
func (w *nodeWorld) whenRunning(t *testing.T, poll func() (completed bool, err error)) {
	t.Helper()
	for range int(maxWait / pollEvery) {
		got, err := w.sim.HBR().Inventory(theAccount)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Running) > 0 {
			return
		}
		if completed, err := poll(); completed || err != nil {
			t.Fatalf("completed %t, error %v before a job was running", completed, err)
		}
		w.settle(t)
	}
	t.Fatalf("no job is running after %s", maxWait)
}

// discarded does what volume-ready does with a volume that has failed, and holds that
// nothing is left of it.
func (w *nodeWorld) discarded(t *testing.T, id string, held *corev1.PersistentVolume) {
	t.Helper()
	if err := w.process(t).Discard(t.Context(), theRestore(), w.config, id); err != nil {
		t.Fatal(err)
	}
	w.remove(t, held)
	w.wantNoTemporary(t)
	w.wantNoNotes(t)
}

// wantNoTemporary holds that there are no temporary objects.
func (w *nodeWorld) wantNoTemporary(t *testing.T) {
	t.Helper()
	if left := w.temporary(t); len(left) > 0 {
		t.Errorf("temporary objects are left: %q", left)
	}
}

// temporary returns the temporary objects as "<kind> <name>", with PersistentVolumes that were
// provisioned.
func (w *nodeWorld) temporary(t *testing.T) []string {
	t.Helper()
	var found []string
	var pods corev1.PodList
	var claims corev1.PersistentVolumeClaimList
	var volumes corev1.PersistentVolumeList
	for _, list := range []client.ObjectList{&pods, &claims, &volumes} {
		if err := w.api.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	for i := range pods.Items {
		if p := &pods.Items[i]; p.Namespace == veleroNamespace && p.Labels["app"] != agent.Name {
			found = append(found, "Pod "+p.Name)
		}
	}
	for i := range claims.Items {
		if c := &claims.Items[i]; c.Namespace == veleroNamespace {
			found = append(found, "claim "+c.Name)
		}
	}
	for i := range volumes.Items {
		if ref := volumes.Items[i].Spec.ClaimRef; ref != nil && ref.Namespace == veleroNamespace && ref.UID != "none" {
			found = append(found, "volume "+volumes.Items[i].Name)
		}
	}
	slices.Sort(found)
	return found
}

// relabel sets a label of a node.
func (w *nodeWorld) relabel(t *testing.T, name, key, value string) {
	t.Helper()
	changed := find[corev1.Node](t, w, "", name)
	before := changed.DeepCopy()
	metav1.SetMetaDataLabel(&changed.ObjectMeta, key, value)
	if err := w.api.Patch(t.Context(), changed, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// marks, madeNames and tempNames are what is random in what is restored: the mark of the
// restore, and the names of what is provisioned and of what is temporary.
var (
	marks     = regexp.MustCompile(`-restore-[a-z0-9]{8}`)
	madeNames = regexp.MustCompile(`pvc-[0-9a-f-]{36}`)
	tempNames = regexp.MustCompile(`velero-hbr-[a-z0-9]{8,10}`)
)

func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// asYAML reads the YAML of an object or of a part of one.
func asYAML[T any](t *testing.T, text string) *T {
	t.Helper()
	read := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), read); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return read
}

// withoutNames replaces what is random in an object: the mark of its restore, and the
// names of what was provisioned.
func withoutNames[T any](t *testing.T, w *nodeWorld, object *T) *T {
	t.Helper()
	content, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	text := marks.ReplaceAllString(madeNames.ReplaceAllString(string(content), "<made>"), "-restore-<mark>")
	for _, disk := range w.sim.ECS().Disks() {
		if disk.ID != "d-1" {
			text = strings.ReplaceAll(text, disk.ID, "<made>")
		}
	}
	return asYAML[T](t, text)
}

// empty deletes what is in a directory.
func empty(t *testing.T, directory string) {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(directory, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
}
