// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const podUID = "5e6b2f1c-0000-4a6e-9d55-6a1f8f1d2c3b"

// shopPod mounts the claim shop/data, changed by more of its spec.
func shopPod(tb testing.TB, spec string) *corev1.Pod {
	tb.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-0", UID: podUID},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	if err := yaml.UnmarshalStrict([]byte(spec), &pod.Spec); err != nil {
		tb.Fatalf("the test's Pod: %v", err)
	}
	return pod
}

const mounting = `{nodeName: node-1, volumes: [{name: v, persistentVolumeClaim: {claimName: data}}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /d}]}]}`

// claimed returns the PersistentVolume pv-1 of the claim shop/data.
func claimed(tb testing.TB, text string) *corev1.PersistentVolume {
	tb.Helper()
	pv := volumeFrom(tb, text)
	pv.Name = "pv-1"
	pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "shop", Name: "data"}
	return pv
}

func TestWhereTheKubeletMountsAVolume(t *testing.T) {
	t.Parallel()
	const (
		volumes = podUID + "/volumes/"
		subPath = `{nodeName: node-1, volumes: [{name: v, persistentVolumeClaim: {claimName: data}}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /d, subPath: a/b}]}]}`
		byInit  = `{nodeName: node-1, volumes: [{name: v, persistentVolumeClaim: {claimName: data}}], initContainers: [{name: i, volumeMounts: [{name: v, mountPath: /d}]}], containers: [{name: c}]}`
	)
	tests := []struct {
		name, pv, pod string
		// root is the kubelet's.
		root string
		// below is the directory of the volume below that of the pods.
		backup, restore string
	}{
		{"CSI", nasVolume, mounting, defaultRoot, volumes + "kubernetes.io~csi/pv-1/mount", ""},
		{"a foreign CSI driver", otherCSI, mounting, defaultRoot, volumes + "kubernetes.io~csi/pv-1/mount", ""},
		{"NFS in-tree", nfsVolume, mounting, defaultRoot, volumes + "kubernetes.io~nfs/pv-1", ""},
		{"NAS by FlexVolume", nasFlexVolume, mounting, defaultRoot, volumes + "alicloud~nas/pv-1", ""},
		{"OSS by FlexVolume", ossFlexVolume, mounting, defaultRoot, volumes + "alicloud~oss/pv-1", ""},
		{"a disk by FlexVolume", diskFlexVolume, mounting, defaultRoot, volumes + "alicloud~disk/pv-1", ""},
		{"a local volume", localVolume, mounting, defaultRoot, volumes + "kubernetes.io~local-volume/pv-1", ""},
		{"a subPath, whose volume is mounted as a whole", nasVolume, subPath, defaultRoot, volumes + "kubernetes.io~csi/pv-1/mount", ""},
		{"the init container's volume", nasVolume, byInit, defaultRoot, volumes + "kubernetes.io~csi/pv-1/mount", ""},
		{
			"a kubelet with another root", nasVolume, mounting,
			"/var/lib/container/kubelet",
			toRoot + "/var/lib/container/kubelet/pods/" + volumes + "kubernetes.io~csi/pv-1/mount",
			"/var/lib/container/kubelet/pods/" + volumes + "kubernetes.io~csi/pv-1/mount",
		},
		{
			"a directory of the node", hostPathVolume, mounting,
			defaultRoot,
			toRoot + "/data/shop", "/data/shop",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := placeIn(tt.root, shopPod(t, tt.pod), claimed(t, tt.pv))
			if err != nil {
				t.Fatal(err)
			}
			if tt.restore == "" {
				tt.restore = "/var/lib/kubelet/pods/" + tt.backup
			}
			want := Place{Node: "node-1", Directory: tt.restore}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("place (-want +got):\n%s", diff)
			}
			if got.BackupPrefix() != tt.backup || got.RestorePrefix() != tt.restore {
				t.Errorf("hostPrefix %q in a backup, %q in a restore, want %q and %q", got.BackupPrefix(), got.RestorePrefix(), tt.backup, tt.restore)
			}
		})
	}
}

func TestPodsThatGiveNoWayToAVolume(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pv, pod string
		change        func(*corev1.Pod)
		want          error
	}{
		{"one without a node", nasVolume, `{volumes: [{name: v, persistentVolumeClaim: {claimName: data}}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /d}]}]}`, nil, errNotRunning},
		{"one that has ended", nasVolume, mounting, func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, errNotRunning},
		{"one that is being deleted", nasVolume, mounting, func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }, errNotRunning},
		{"one of another namespace", nasVolume, mounting, func(p *corev1.Pod) { p.Namespace = "other" }, errNotMounting},
		{"one of another claim", nasVolume, `{nodeName: node-1, volumes: [{name: v, persistentVolumeClaim: {claimName: log}}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /d}]}]}`, nil, errNotMounting},
		{"one whose containers do not mount it", nasVolume, `{nodeName: node-1, volumes: [{name: v, persistentVolumeClaim: {claimName: data}}], containers: [{name: c}]}`, nil, errNotMounting},
		{"one with other volumes", nasVolume, `{nodeName: node-1, volumes: [{name: v, emptyDir: {}}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /d}]}]}`, nil, errNotMounting},
		{"a plug-in that is not known", inTreeDisk, mounting, nil, errNoDirectory},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pod := shopPod(t, tt.pod)
			if tt.change != nil {
				tt.change(pod)
			}
			_, err := placeIn(defaultRoot, pod, claimed(t, tt.pv))
			if !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "the pod "+pod.Namespace+"/web-0 gives no way to the volume pv-1: ") {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
	unclaimed := claimed(t, nasVolume)
	unclaimed.Spec.ClaimRef = nil
	if _, err := placeIn(defaultRoot, shopPod(t, mounting), unclaimed); !errors.Is(err, errNotMounting) {
		t.Errorf("error %v for a volume without a claim", err)
	}
}

func TestAnEphemeralVolumeHasTheClaimOfItsPod(t *testing.T) {
	t.Parallel()
	pod := shopPod(t, `{nodeName: node-1, volumes: [{name: v, ephemeral: {}}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /d}]}]}`)
	pv := claimed(t, nasVolume)
	pv.Spec.ClaimRef.Name = "web-0-v"
	if _, err := placeIn(defaultRoot, pod, pv); err != nil {
		t.Error(err)
	}
}

// TestAKubeletBehindASymbolicLink finds the files in a node's file system, as the client
// does: it joins a relative hostPrefix to the directory of the pods.
func TestAKubeletBehindASymbolicLink(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// real is the directory that /var/lib/kubelet is a link to; empty for none.
		real string
		root string
		want bool
	}{
		{"no link", "", "/var/lib/kubelet", true},
		{"no link, and a root that is not there", "", "/var/lib/container/kubelet", false},
		{"a link, by its target", "container/kubelet", "/var/lib/container/kubelet", true},
		{"a link, by its own name", "container/kubelet", "/var/lib/kubelet", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			node := t.TempDir()
			lib := filepath.Join(node, "var/lib")
			kubelet := filepath.Join(lib, "kubelet")
			if tt.real != "" {
				if err := errors.Join(os.MkdirAll(filepath.Join(lib, tt.real), 0o755), os.Symlink(tt.real, kubelet)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.MkdirAll(filepath.Join(kubelet, "pods", podUID, "volumes/kubernetes.io~csi/pv-1/mount"), 0o755); err != nil {
				t.Fatal(err)
			}
			at, err := placeIn(tt.root, shopPod(t, mounting), claimed(t, nasVolume))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{filepath.Join(clientPods, at.BackupPrefix(), WholeVolume), filepath.Join(at.RestorePrefix(), WholeVolume)} {
				if _, err := os.Stat(filepath.Join(node, path)); (err == nil) != tt.want {
					t.Errorf("%s is there: %v", path, err == nil)
				}
			}
		})
	}
}

// TestAnotherKubeletRootIsFoundFromAnyDirectory holds that it does not matter whether the
// client has been told of it.
func TestAnotherKubeletRootIsFoundFromAnyDirectory(t *testing.T) {
	t.Parallel()
	at := Place{Node: "node-1", Directory: "/var/lib/container/kubelet/pods/uid/volumes/kubernetes.io~nfs/pv-1"}
	for _, pods := range []string{clientPods, "/var/lib/container/kubelet/pods", "/data/kubelet/pods", "/"} {
		if got := filepath.Join(pods, at.BackupPrefix()); got != at.Directory {
			t.Errorf("from %s, %q leads to %s", pods, at.BackupPrefix(), got)
		}
	}
}

func TestWhichDirectoriesTheClientSees(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, root, pv string
		want           bool
	}{
		{"none without a root", "", hostPathVolume, false},
		{"one below the root", "/data", hostPathVolume, true},
		{"the root itself", "/data/shop", hostPathVolume, true},
		{"all of the node", "/", hostPathVolume, true},
		{"not one beside it", "/dat", hostPathVolume, false},
		{"not one that leads out of it", "/data", `spec: {hostPath: {path: /data/../etc}}`, false},
		{"one that may be made", "/data", `spec: {hostPath: {path: /data, type: DirectoryOrCreate}}`, true},
		{"not a file", "/data", `spec: {hostPath: {path: /data/x, type: File}}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := SeesHostPath(tt.root, volumeFrom(t, tt.pv)); got != tt.want {
				t.Errorf("it is seen: %v, want %v", got, tt.want)
			}
		})
	}
}
