// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// mapped has the class of volumes become another one in restores.
func (w *nodeWorld) mapped(t *testing.T, from, to string) {
	t.Helper()
	w.create(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: "mapping", Labels: map[string]string{
			"velero.io/plugin-config": "", "alibabacloud.com/storage-class-mapping": "RestoreItemAction",
		}},
		Data: map[string]string{from: to},
	})
}

// Volumes that were provisioned for the data of a volume of 20 GiB with ReadWriteOnce.
const (
	ofESSD = `
metadata: {name: clone-vol, labels: {csi.alibabacloud.com/disktype: cloud_essd.PL1}, annotations: {own: kept, pv.kubernetes.io/provisioned-by: diskplugin.csi.alibabacloud.com}}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: <made>, fsType: ext4, volumeAttributes: {type: cloud_essd}}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-h]}]}]}}
  persistentVolumeReclaimPolicy: Delete
  storageClassName: essd`
	ofNAS = `
metadata: {name: clone-vol, annotations: {own: kept, pv.kubernetes.io/provisioned-by: nasplugin.csi.alibabacloud.com}}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: clone-vol, volumeAttributes: {volumeAs: subpath, server: fs2-abc12.cn-hangzhou.nas.aliyuncs.com, path: /made/<made>}}
  mountOptions: [vers=4]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: nas`
	ofOSS = `
metadata: {name: clone-vol, annotations: {own: kept, pv.kubernetes.io/provisioned-by: ossplugin.csi.alibabacloud.com}}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: clone-vol, volumeAttributes: {volumeAs: subpath, bucket: bucket-2, path: /made/<made>, url: oss-cn-hangzhou-internal.aliyuncs.com}}
  persistentVolumeReclaimPolicy: Delete
  storageClassName: oss`
)

// TestVolumesBecomeOthers restores volumes into what is provisioned for them, by a rule of
// the restore or by the class that they had.
func TestVolumesBecomeOthers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spec   string
		config map[string]string
		// from and to are classes of a rule, empty for no rule.
		from, to string
		want     string
	}{
		"NAS becomes a disk":                   {spec: nasSpec + ", storageClassName: nas", from: "nas", to: "essd", want: ofESSD},
		"OSS becomes NAS":                      {spec: ossSpec + ", storageClassName: oss", from: "oss", to: "nas", want: ofNAS},
		"a disk becomes NAS":                   {spec: diskSpec, config: map[string]string{"enableECSSnapshot": "false"}, from: "essd", to: "nas", want: ofNAS},
		"NAS becomes OSS":                      {spec: nasSpec + ", storageClassName: nas", from: "nas", to: "oss", want: ofOSS},
		"a directory of a node becomes a disk": {spec: localSpec, from: "local", to: "essd", want: ofESSD},
		"CPFS becomes NAS":                     {spec: cpfsSpec + ", storageClassName: cpfs", from: "cpfs", to: "nas", want: ofNAS},
		"NAS by its own class, without a client": {
			spec: nasSpec + ", storageClassName: nas", config: map[string]string{"method": string(agentless)}, want: ofNAS,
		},
		"OSS by its own class, without a client": {
			spec: ossSpec + ", storageClassName: oss", config: map[string]string{"method": string(agentless)}, want: ofOSS,
		},
		"NAS by a rule, without a client": {
			spec: nasSpec + ", storageClassName: old", config: map[string]string{"method": string(agentless)}, from: "old", to: "nas", want: ofNAS,
		},
		"NAS by a rule, though the location names a file system": {
			spec: nasSpec + ", storageClassName: old", config: map[string]string{"restoreMountTarget": mountTarget}, from: "old", to: "nas", want: ofNAS,
		},
		"NAS that its CNFS alone names, though the location names a file system": {
			spec: cnfsSpec + ", storageClassName: nas", config: map[string]string{"restoreMountTarget": mountTarget}, want: ofNAS,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t, nodeOptions{config: test.config})
			if test.to != "" {
				w.mapped(t, test.from, test.to)
			}
			pv := volumeOf(t, "vol", test.spec)
			pv.Annotations = map[string]string{"own": "kept", "pv.kubernetes.io/provisioned-by": "of old"}
			onNode := "node-2" // Where the directory of a node is.
			w.served(t, pv, onNode)
			original := treeIn(t, w.files(t, pv, onNode))
			disks := len(w.sim.ECS().Disks())

			got := w.isRestored(t, w.isSaved(t, pv), pv)

			if diff := gocmp.Diff(contentsOf(original), contentsOf(treeIn(t, w.files(t, got, "")))); diff != "" {
				t.Errorf("restored files (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(original, treeIn(t, w.files(t, pv, onNode))); diff != "" {
				t.Errorf("original files (-want +got):\n%s", diff)
			}
			got.ResourceVersion, got.Spec.ClaimRef = "", nil
			if diff := gocmp.Diff(asYAML[corev1.PersistentVolume](t, test.want), withoutNames(t, w, got), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("restored volume (-want +got):\n%s", diff)
			}
			if now := len(w.sim.ECS().Disks()); test.want == ofESSD && now != disks+1 || test.want != ofESSD && now != disks {
				t.Errorf("there are %d disks after %d", now, disks)
			}
		})
	}
}

// contentsOf leaves the modes out, which not all storage has.
func contentsOf(tree map[string]string) map[string]string {
	found := map[string]string{}
	for name, text := range tree {
		mode, content, _ := strings.Cut(text, " ")
		found[name] = mode[:1] + content
	}
	return found
}

// TestAVolumeHasNoDestination holds that what cannot be restored is told, and leaves nothing.
func TestAVolumeHasNoDestination(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spec     string
		config   map[string]string
		from, to string
		// later is done after the backup.
		later func(*testing.T, *nodeWorld)
		want  string
	}{
		"a rule for another kind, of a backup without a client": {
			spec: nasSpec + ", storageClassName: nas", config: map[string]string{"method": string(agentless)}, from: "nas", to: "essd",
			want: "without a client on a node Cloud Backup restores files into a volume of the kind that they were read of, nasplugin.csi.alibabacloud.com, " +
				"and the provisioner of essd is diskplugin.csi.alibabacloud.com",
		},
		"a rule for a class that is not there": {
			spec: nasSpec + ", storageClassName: nas", from: "nas", to: "none", want: "none",
		},
		"a rule for a class whose volumes are one directory": {
			spec: nasSpec + ", storageClassName: nas", from: "nas", to: "one", want: "the volumes of this class are one directory",
			later: withClass("one", `{provisioner: ossplugin.csi.alibabacloud.com, parameters: {bucket: bucket-2}}`),
		},
		"a class of CNFS, of a backup without a client": {
			spec: nasSpec + ", storageClassName: old", config: map[string]string{"method": string(agentless)}, from: "old", to: "cnfs",
			later: withClass("cnfs", `{provisioner: nasplugin.csi.alibabacloud.com, parameters: {volumeAs: subpath, containerNetworkFileSystem: cnfs-1, path: /}}`),
			want:  "which the class cnfs has provisioned, does not name its file system or bucket",
		},
		"the class of another driver is gone": {
			spec: cephSpec,
			later: func(t *testing.T, w *nodeWorld) {
				t.Helper()
				w.remove(t, find[storagev1.StorageClass](t, w, "", "ceph"))
			},
			want: `no volume can be provisioned for the data: the class "ceph" is not in this cluster, or its provisioner is not the driver of the volume`,
		},
		"the directory of a node is in use": {
			spec: localSpec,
			want: "the directory /mnt/disks/1 of the node node-2 is that of the PersistentVolume vol, whose files would be overwritten",
		},
		"the directory of a node, on one that is gone": {
			spec: localSpec,
			later: func(t *testing.T, w *nodeWorld) {
				t.Helper()
				w.forget(t, "vol")
				w.remove(t, find[corev1.Node](t, w, "", "node-2"))
			},
			want: "no node can run the job of Cloud Backup (config key nodeSchedulePolicy: exclude): node-1 cannot mount the volume by its node affinity",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t, nodeOptions{config: test.config, nodes: []node.Config{usualNode("node-1"), usualNode("node-2")}})
			if test.to != "" {
				w.mapped(t, test.from, test.to)
			}
			pv := volumeOf(t, "vol", test.spec)
			w.served(t, pv, "node-2")
			snapshot := w.isSaved(t, pv)
			if test.later != nil {
				test.later(t, w)
			}
			id, held := w.ordered(t, snapshot, pv)
			if got := w.untilFilled(t, id, held); !strings.Contains(got.Err, test.want) {
				t.Errorf("outcome %+v, want the error %q", got, test.want)
			}
			w.discarded(t, id, held)
			w.wantInventory(t, 0, 1, 0)
			if left := w.provisionedLeft(t); len(left) > 0 {
				t.Errorf("what was provisioned is left: %q", left)
			}
		})
	}
}

// withClass adds a StorageClass, with what it stands for.
func withClass(name, text string) func(*testing.T, *nodeWorld) {
	return func(t *testing.T, w *nodeWorld) {
		t.Helper()
		w.create(t, fromYAML[storagev1.StorageClass](t, name, text))
	}
}

// forget removes a volume and who uses it, but not its files.
func (w *nodeWorld) forget(t *testing.T, name string) {
	t.Helper()
	w.remove(t, &corev1.Pod{ObjectMeta: named(application, "pod-"+name)}, &corev1.PersistentVolumeClaim{ObjectMeta: named(application, name)},
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

// provisionedLeft returns what there is of storage that was provisioned: disks, and
// directories of NAS and OSS.
func (w *nodeWorld) provisionedLeft(t *testing.T) []string {
	t.Helper()
	var left []string
	for _, disk := range w.sim.ECS().Disks() {
		if disk.ID != "d-1" {
			left = append(left, disk.ID)
		}
	}
	entries, err := os.ReadDir(w.root(t, "fs2") + "/made")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, entry := range entries {
		left = append(left, "NAS "+entry.Name())
	}
	for _, o := range w.sim.OSS().Objects("bucket-2") {
		left = append(left, "OSS "+o.Key)
	}
	slices.Sort(left)
	return left
}

// TestAVolumeThatIsOnlyReadComesBack holds that what is mounted for the job can be written to, and that the restored volume
// is as it was.
func TestAVolumeThatIsOnlyReadComesBack(t *testing.T) {
	t.Parallel()
	const readOnly = `csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: v-1, readOnly: true, volumeAttributes: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /app}}`
	for name, spec := range map[string]string{
		"into a new directory":                    `mountOptions: [vers=3, ro], ` + readOnly,
		"into a volume that its class has for it": nasSpec + ", storageClassName: nas",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t, nodeOptions{})
			pv := volumeOf(t, "vol", spec)
			pv.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany}
			w.served(t, pv, "node-1")
			original := contentsOf(treeIn(t, w.files(t, pv, "")))
			id, held := w.ordered(t, w.isSaved(t, pv), pv)
			w.whenRunning(t, func() (bool, error) { got, err := w.pollRestore(t, id, held); return got.Completed, err })
			wanted, _ := parsePendingID(id)
			claim := find[corev1.PersistentVolumeClaim](t, w, veleroNamespace, "velero-hbr-"+wanted.mark)
			writable := find[corev1.PersistentVolume](t, w, "", claim.Spec.VolumeName)
			if writable.Spec.CSI.ReadOnly || slices.Contains(writable.Spec.MountOptions, "ro") || slices.Contains(writable.Spec.AccessModes, corev1.ReadOnlyMany) {
				t.Errorf("the job has a volume that is only read: %+v", writable.Spec)
			}
			if outcome := w.untilFilled(t, id, held); outcome.Err != "" {
				t.Fatalf("the restore failed: %s", outcome.Err)
			}
			finished := w.finished(t, id, held)
			if diff := gocmp.Diff(original, contentsOf(treeIn(t, w.files(t, finished, "")))); diff != "" {
				t.Errorf("restored files (-want +got):\n%s", diff)
			}
			if !slices.Equal(finished.Spec.AccessModes, pv.Spec.AccessModes) || finished.Spec.CSI.ReadOnly != pv.Spec.CSI.ReadOnly ||
				pv.Spec.StorageClassName == "" && !slices.Equal(finished.Spec.MountOptions, pv.Spec.MountOptions) {
				t.Errorf("the restored volume is mounted otherwise than it was: %+v", finished.Spec)
			}
		})
	}
}
