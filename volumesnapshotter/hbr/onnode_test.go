// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// Volumes of all kinds, as volumeOf takes them.
const (
	nasSpec       = `mountOptions: [vers=3], csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: v-1, volumeAttributes: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /app}}`
	nasFlexSpec   = `flexVolume: {driver: alicloud/nas, options: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /app, vers: "3"}}`
	nasInTreeSpec = `nfs: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /app}`
	cnfsSpec      = `csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: v-1, volumeAttributes: {volumeAs: subpath, containerNetworkFileSystem: cnfs-1, path: /app}}`
	ossSpec       = `csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: v-1, volumeAttributes: {bucket: bucket-1, path: /app, url: oss-cn-hangzhou-internal.aliyuncs.com}}`
	ossFlexSpec   = `flexVolume: {driver: alicloud/oss, options: {bucket: bucket-1, path: /app, url: oss-cn-hangzhou-internal.aliyuncs.com}}`
	cpfsSpec      = `csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: v-1, volumeAttributes: {mountProtocol: cpfs-nfs, server: cpfs-1-abc12.cn-hangzhou.cpfs.aliyuncs.com, path: /share/app}}`
	nfsSpec       = `nfs: {server: 10.0.0.9, path: /exports/app}`
	localSpec     = `storageClassName: local, local: {path: /mnt/disks/1}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-2]}]}]}}`
	cephSpec      = `storageClassName: ceph, csi: {driver: cephfs.csi.ceph.com, volumeHandle: 0001-0024, volumeAttributes: {pool: a}}`
	hostPathSpec  = `hostPath: {path: /data/app}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-2]}]}]}}`
	diskSpec      = `storageClassName: essd, csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1, fsType: ext4, volumeAttributes: {type: cloud_essd}}`
)

// mountsToo has the client mount another directory of the nodes at the same path.
func mountsToo(directory string) func(*appsv1.DaemonSet) {
	return func(set *appsv1.DaemonSet) {
		spec := &set.Spec.Template.Spec
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "too", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: directory}}})
		spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{
			Name: "too", MountPath: directory, MountPropagation: new(corev1.MountPropagationHostToContainer),
		})
	}
}

// mountsKubelet has the client mount another root of the kubelet at the same path.
func mountsKubelet(directory string) func(*appsv1.DaemonSet) {
	return func(set *appsv1.DaemonSet) {
		spec := &set.Spec.Template.Spec
		spec.Volumes[0].HostPath.Path, spec.Containers[0].VolumeMounts[0].MountPath = directory, directory
	}
}

// TestVolumesComeBackThroughANode backs a volume of each kind up and restores it, by the
// client on a node, which is told of a directory there and of nothing else.
func TestVolumesComeBackThroughANode(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options nodeOptions
		spec    string
		// onNode is where the application runs.
		onNode string
		// inPlace has the volume restored where it was, after it was lost.
		inPlace bool
		// want is the spec of the restored volume, in which <mark> is that of the restore and
		// <made> what was provisioned.
		want string
		// retained says that the storage outlives the PersistentVolume from now on: its driver would not delete it.
		retained bool
	}{
		"NAS into a new directory": {retained: true, spec: nasSpec, want: `csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: v-1-restore-<mark>, volumeAttributes: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /app-restore-<mark>}}, mountOptions: [vers=3]`},
		"NAS by FlexVolume":        {spec: nasFlexSpec, want: `flexVolume: {driver: alicloud/nas, options: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /app-restore-<mark>, vers: "3"}}`},
		"NAS in-tree":              {spec: nasInTreeSpec, want: `nfs: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /app-restore-<mark>}`},
		"NAS into another file system": {
			retained: true,
			spec:     nasSpec, options: nodeOptions{config: map[string]string{"restoreMountTarget": otherTarget}}, want: `csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: v-1-restore-<mark>, volumeAttributes: {server: fs2-abc12.cn-hangzhou.nas.aliyuncs.com, path: /app-restore-<mark>}}, mountOptions: [vers=3]`,
		},
		"NAS in-tree, below a directory that the other file system lacks": {
			spec:    `nfs: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /team/app}`,
			options: nodeOptions{config: map[string]string{"restoreMountTarget": otherTarget}}, want: `nfs: {server: fs2-abc12.cn-hangzhou.nas.aliyuncs.com, path: /app-restore-<mark>}`,
		},
		"NAS of a class that provisions": {retained: true, spec: nasSpec + ", storageClassName: nas", want: `csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: clone-vol, volumeAttributes: {volumeAs: subpath, server: fs2-abc12.cn-hangzhou.nas.aliyuncs.com, path: /made/<made>}}, mountOptions: [vers=4], storageClassName: nas`},
		"OSS into a new directory":       {spec: ossSpec, want: `csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: v-1-restore-<mark>, volumeAttributes: {bucket: bucket-1, path: /app-restore-<mark>, url: oss-cn-hangzhou-internal.aliyuncs.com}}`},
		"OSS by FlexVolume":              {spec: ossFlexSpec, want: `flexVolume: {driver: alicloud/oss, options: {bucket: bucket-1, path: /app-restore-<mark>, url: oss-cn-hangzhou-internal.aliyuncs.com}}`},
		"OSS into another bucket": {
			spec: ossSpec, options: nodeOptions{config: map[string]string{"restoreBucket": "bucket-2"}}, want: `csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: v-1-restore-<mark>, volumeAttributes: {bucket: bucket-2, path: /app-restore-<mark>, url: oss-cn-hangzhou-internal.aliyuncs.com}}`,
		},
		"CPFS into a new directory": {retained: true, spec: cpfsSpec, want: `csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: v-1-restore-<mark>, volumeAttributes: {mountProtocol: cpfs-nfs, server: cpfs-1-abc12.cn-hangzhou.cpfs.aliyuncs.com, path: /share/app-restore-<mark>}}`},
		"NFS into a new directory":  {spec: nfsSpec, want: `nfs: {server: 10.0.0.9, path: /exports/app-restore-<mark>}`},
		"a directory of a node, where it was": {
			spec: localSpec, onNode: "node-2", inPlace: true, want: localSpec,
		},
		"a hostPath volume, where it was": {
			spec: hostPathSpec, onNode: "node-2", inPlace: true, want: hostPathSpec,
			options: nodeOptions{config: map[string]string{"hostPathRoot": "/data"}, client: mountsToo("/data")},
		},
		"a volume of another driver, whose class provisions": {spec: cephSpec, want: `csi: {driver: cephfs.csi.ceph.com, volumeHandle: <made>, volumeAttributes: {pool: a}}, storageClassName: ceph`},
		"a disk, where ECS snapshots are not wanted": {
			spec: diskSpec, options: nodeOptions{config: map[string]string{"enableECSSnapshot": "false"}}, want: `csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: <made>, fsType: ext4, volumeAttributes: {type: cloud_essd}}, storageClassName: essd, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: topology.diskplugin.csi.alibabacloud.com/zone, operator: In, values: [cn-hangzhou-h]}]}]}}`,
		},
	} {
		for _, mounted := range []bool{true, false} {
			t.Run(name+map[bool]string{true: "", false: ", which no Pod mounts"}[mounted], func(t *testing.T) {
				t.Parallel()
				w := newNodeWorld(t, test.options)
				pv := volumeOf(t, "vol", test.spec)
				for _, directory := range []string{"app", "team/app"} { // NFS makes no directories.
					if err := os.MkdirAll(filepath.Join(w.root(t, "fs1"), directory), 0o755); err != nil {
						t.Fatal(err)
					}
				}
				w.create(t, pv)
				w.claimed(t, pv)
				onNode := test.onNode
				if onNode == "" {
					onNode = "node-1"
				}
				w.written(t, pv, onNode, map[string]string{"a": "one", "b/c": "two"})
				if mounted {
					w.mounting(t, pv, onNode)
				}
				original := treeIn(t, w.files(t, pv, onNode))

				snapshot := w.isSaved(t, pv)
				if test.inPlace {
					w.forget(t, "vol")
					empty(t, w.files(t, pv, onNode))
				}
				got := w.isRestored(t, snapshot, pv)

				if diff := gocmp.Diff(original, treeIn(t, w.files(t, got, onNode))); diff != "" {
					t.Errorf("restored files (-want +got):\n%s", diff)
				}
				if diff := gocmp.Diff(original, treeIn(t, w.files(t, pv, onNode))); diff != "" {
					t.Errorf("original files (-want +got):\n%s", diff)
				}
				wanted := volumeOf(t, "vol", test.want).Spec
				wanted.ClaimRef, got.Spec.ClaimRef = nil, nil
				if test.retained {
					wanted.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
				}
				if diff := gocmp.Diff(wanted, *withoutNames(t, w, &got.Spec)); diff != "" {
					t.Errorf("restored volume (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestTheRootOfTheKubelet holds that files are found wherever the kubelet has its volumes, as
// long as the location and the client agree.
func TestTheRootOfTheKubelet(t *testing.T) {
	t.Parallel()
	const elsewhere = "/data/kubelet"
	other := node.Config{Name: "node-1", Zone: theZone, KubeletRoot: elsewhere}
	linked := node.Config{Name: "node-1", Zone: theZone, Links: map[string]string{"/var/lib/kubelet": elsewhere}}
	const missing = "hbr task finished with unexpected status: FAILED, errMsg SOURCE_NOT_EXIST"
	for name, test := range map[string]struct {
		node   node.Config
		root   string
		client func(*appsv1.DaemonSet)
		want   string
	}{
		"another root": {node: other, root: elsewhere, client: mountsKubelet(elsewhere)},
		"another root, which the location does not name":     {node: other, client: mountsKubelet(elsewhere), want: missing},
		"a root that is a link, by its target":               {node: linked, root: elsewhere, client: mountsKubelet(elsewhere)},
		"a root that is a link, by its own name":             {node: linked},
		"a root that is a link, and a client of its target":  {node: linked, client: mountsKubelet(elsewhere), want: missing},
		"the usual root, and a location that names another":  {node: usualNode("node-1"), root: elsewhere, want: missing},
		"the usual root, and a client whose root is another": {node: usualNode("node-1"), client: mountsKubelet("/mnt/disks"), want: missing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t, nodeOptions{
				nodes: []node.Config{test.node}, client: test.client, config: map[string]string{"kubeletRootDir": test.root},
			})
			pv := volumeOf(t, "vol", nasSpec)
			w.served(t, pv, "")
			if test.want == "" {
				restored := w.isRestored(t, w.isSaved(t, pv), pv)
				if diff := gocmp.Diff(treeIn(t, w.files(t, pv, "")), treeIn(t, w.files(t, restored, ""))); diff != "" {
					t.Errorf("restored files (-want +got):\n%s", diff)
				}
				return
			}
			if _, outcome := w.saved(t, pv); !strings.Contains(outcome.Err, test.want) || !strings.Contains(outcome.Err, "kubeletRootDir") {
				t.Errorf("outcome %+v, want the error %q", outcome, test.want)
			}
			w.wantNoTemporary(t)
			w.wantInventory(t, 0, 0, 0)
		})
	}
}
