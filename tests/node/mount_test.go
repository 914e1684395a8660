// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestWhereVolumesAreMounted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, source string
		// below is the directory below that of the Pod's volumes.
		below string
		want  map[string]string
	}{
		{
			"NAS by CSI", `csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: h, volumeAttributes: {server: "` + server + `", path: /shop}}`,
			"kubernetes.io~csi/pv-1/mount",
			map[string]string{"orders.csv": "1,tea"},
		},
		{
			"a directory of NAS that the driver makes",
			`csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: h, volumeAttributes: {server: "` + server + `", path: /new/one}}`,
			"kubernetes.io~csi/pv-1/mount",
			map[string]string{},
		},
		{
			"NAS by FlexVolume", `flexVolume: {driver: alicloud/nas, options: {server: "` + server + `", path: /shop}}`,
			"alicloud~nas/pv-1",
			map[string]string{"orders.csv": "1,tea"},
		},
		{"NAS by NFS", `nfs: {server: "` + server + `", path: /shop}`, "kubernetes.io~nfs/pv-1", map[string]string{"orders.csv": "1,tea"}},
		{"another server of NFS", `nfs: {server: "10.0.0.1", path: /export}`, "kubernetes.io~nfs/pv-1", map[string]string{}},
		{
			"OSS by CSI", `csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: h, volumeAttributes: {bucket: bucket-1, path: /shop}}`,
			"kubernetes.io~csi/pv-1/mount",
			map[string]string{"a/b": "object"},
		},
		{"OSS by FlexVolume", `flexVolume: {driver: alicloud/oss, options: {bucket: bucket-1}}`, "alicloud~oss/pv-1", map[string]string{"shop/a/b": "object"}},
		{"a disk by CSI", `csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}`, "kubernetes.io~csi/pv-1/mount", map[string]string{"a": "disk"}},
		{"a disk by FlexVolume", `flexVolume: {driver: alicloud/disk, options: {volumeId: d-1}}`, "alicloud~disk/pv-1", map[string]string{"a": "disk"}},
		{"a foreign driver", `csi: {driver: csi.example.com, volumeHandle: a/b}`, "kubernetes.io~csi/pv-1/mount", map[string]string{}},
		{"a local volume", `local: {path: /data/local}`, "kubernetes.io~local-volume/pv-1", map[string]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if err := w.cloud.OSS().Put("bucket-1", "shop/a/b", []byte("object")); err != nil {
				t.Fatal(err)
			}
			w.apply(t, pv(t, "pv-1", tt.source), shopClaim("", "pv-1"), shopPod(t, ""))
			pod := get[corev1.Pod](t, w, namespace, "web")
			if pod.Status.Phase != corev1.PodRunning {
				t.Fatalf("the Pod is %s: %v", pod.Status.Phase, w.events(t, "web"))
			}
			dir := w.mountOf(t, pod, tt.below)
			equal(t, "the volume", files(t, dir), tt.want)
			if err := w.api.Delete(t.Context(), pod); err != nil {
				t.Fatal(err)
			}
			w.settle(t)
			if get[corev1.Pod](t, w, namespace, "web") != nil {
				t.Error("the Pod is there")
			}
			if left := w.mountOf(t, pod, tt.below); left != "" {
				t.Errorf("%s is mounted still", left)
			}
			equal(t, "the volume when it is unmounted", files(t, dir), tt.want)
		})
	}
}

func TestPodsThatDoNotStart(t *testing.T) {
	t.Parallel()
	const nas = `csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: h, volumeAttributes: {server: "` + server + `", path: /shop}}`
	tests := []struct {
		name, source, pod string
		want              []string
	}{
		{"a directory that is not exported", `nfs: {server: "` + server + `", path: /none}`, "", []string{
			`FailedMount: MountVolume.SetUp failed for volume "pv-1" : mount.nfs: mounting ` + server + `:/none failed, ` +
				`reason given by server: path /none: no such file or directory`,
		}},
		{
			"a server that there is not", `csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: h, volumeAttributes: {server: none, path: /}}`, "",
			[]string{`FailedMount: MountVolume.SetUp failed for volume "pv-1" : mount.nfs: Failed to resolve server none: Name or service not known`},
		},
		{"a directory that the node does not have", `local: {path: /data/none}`, "", []string{
			`FailedMount: MountVolume.SetUp failed for volume "pv-1" : path /data/none: no such file or directory`,
		}},
		{"a node selector that is for none", nas, `nodeSelector: {disk: fast}`, []string{
			"FailedScheduling: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
		}},
		{
			"a volume that no node can mount",
			nas + "\nnodeAffinity: {required: {nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: In, values: [node-3]}]}]}}", "",
			[]string{"FailedScheduling: 0/2 nodes are available: 2 node(s) had volume node affinity conflict."},
		},
		{"a Secret that there is not", `flexVolume: {driver: alicloud/oss, secretRef: {name: keys}, options: {bucket: bucket-1}}`, "", []string{
			`FailedMount: MountVolume.SetUp failed for volume "pv-1" : couldn't get secret shop/keys: secrets "keys" not found`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.apply(t, pv(t, "pv-1", tt.source), shopClaim("", "pv-1"), shopPod(t, tt.pod))
			w.settle(t)
			equal(t, "events", w.events(t, "web"), tt.want)
			if phase := get[corev1.Pod](t, w, namespace, "web").Status.Phase; phase == corev1.PodRunning {
				t.Error("the Pod runs")
			}
		})
	}
}

func TestABucketIsWhatWasWrittenToItsVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := func(key, data string) {
		t.Helper()
		if err := w.cloud.OSS().Put("bucket-1", key, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	put("shop/deleted", "x")
	put("shop/changed", "x")
	put("shop/as/it/was", "x")
	put("shop//no file", "x")
	put("other", "x")
	w.apply(t,
		pv(t, "pv-1", `csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: h, volumeAttributes: {bucket: bucket-1, path: shop}}`),
		shopClaim("", "pv-1"), shopPod(t, ""))
	pod := get[corev1.Pod](t, w, namespace, "web")
	dir := w.mountOf(t, pod, "kubernetes.io~csi/pv-1/mount")
	for _, err := range []error{
		os.Remove(filepath.Join(dir, "deleted")), os.WriteFile(filepath.Join(dir, "changed"), []byte("longer"), 0o600),
		os.MkdirAll(filepath.Join(dir, "new/empty"), 0o700), os.WriteFile(filepath.Join(dir, "new/file"), []byte("new"), 0o600),
		os.Symlink("file", filepath.Join(dir, "new/link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.api.Delete(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	got := map[string]string{}
	for _, o := range w.cloud.OSS().Objects("bucket-1") {
		data, err := w.cloud.OSS().Read("bucket-1", o.Key)
		if err != nil {
			t.Fatal(err)
		}
		got[o.Key] = string(data)
	}
	equal(t, "objects", got, map[string]string{
		"shop/changed": "longer", "shop/as/it/was": "x", "shop//no file": "x", "other": "x",
		"shop/new/": "", "shop/new/empty/": "", "shop/new/file": "new", "shop/new/link": "file",
	})
}

func TestVolumesThatAreMountedAlready(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, source, node string
		want               []string
	}{
		{"a disk on another node", `csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}`, second, []string{
			`FailedMount: MountVolume.SetUp failed for volume "pv-2" : Multi-Attach error for volume "pv-2": it is attached to the node node-1`,
		}},
		{"a handle that another volume has on the node", `csi: {driver: csi.example.com, volumeHandle: h}`, first, []string{
			`FailedMount: MountVolume.SetUp failed for volume "pv-2" : its volume handle is that of the volume pv-1, which is mounted`,
		}},
		{"a handle that another volume has on another node", `csi: {driver: csi.example.com, volumeHandle: h}`, second, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.apply(t, pv(t, "pv-1", tt.source), shopClaim("", "pv-1"), shopPod(t, ""))
			claim, other := shopClaim("", "pv-2"), shopPod(t, "nodeSelector: {kubernetes.io/hostname: "+tt.node+"}")
			claim.Name, other.Name = "other", "other"
			other.Spec.Volumes[0].PersistentVolumeClaim.ClaimName = "other"
			w.apply(t, pv(t, "pv-2", tt.source), claim, other)
			equal(t, "events", w.events(t, "other"), tt.want)
			if err := w.api.Delete(t.Context(), get[corev1.Pod](t, w, namespace, "web")); err != nil {
				t.Fatal(err)
			}
			w.settle(t)
			equal(t, "the other Pod in the end", get[corev1.Pod](t, w, namespace, "other").Status.Phase, corev1.PodRunning)
		})
	}
}
