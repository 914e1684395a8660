// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
)

// runningPod is a Pod of a namespace that runs on a node and mounts the claim data.
func runningPod(t *testing.T, namespace, name, node string) *corev1.Pod {
	t.Helper()
	pod := shopPod(t, mounting)
	pod.Namespace, pod.Name, pod.UID, pod.Spec.NodeName = namespace, name, types.UID("uid-"+name), node
	return pod
}

// dataBoundTo is the claim shop/data.
func dataBoundTo(volume string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: volume},
	}
}

func TestMounted(t *testing.T) {
	t.Parallel()
	at := func(node, pod string) Place {
		return Place{Node: node, Directory: "/var/lib/kubelet/pods/uid-" + pod + "/volumes/kubernetes.io~csi/pv-1/mount"}
	}
	tests := []struct {
		name    string
		pv      string
		objects func(*testing.T) []client.Object
		want    []Place
		wantErr string
	}{
		{"no Pod", nasVolume, func(*testing.T) []client.Object { return []client.Object{dataBoundTo("pv-1")} }, nil, ""},
		{"no claim", nasVolume, func(t *testing.T) []client.Object {
			t.Helper()
			return []client.Object{runningPod(t, "shop", "web", "node-1")}
		}, nil, ""},
		{
			"Pods of two nodes, sorted by node, and one Pod a node", nasVolume,
			func(t *testing.T) []client.Object {
				t.Helper()
				return []client.Object{
					dataBoundTo("pv-1"), runningPod(t, "shop", "web-1", "node-2"), runningPod(t, "shop", "web-3", "node-1"), runningPod(t, "shop", "web-2", "node-1"),
				}
			},
			[]Place{at("node-1", "web-2"), at("node-2", "web-1")},
			"",
		},
		{
			"Pods of another namespace, and one that has ended", nasVolume,
			func(t *testing.T) []client.Object {
				t.Helper()
				ended := runningPod(t, "shop", "web", "node-1")
				ended.Status.Phase = corev1.PodSucceeded
				return []client.Object{dataBoundTo("pv-1"), ended, runningPod(t, "other", "web", "node-1")}
			},
			nil, "",
		},
		{"a claim that is bound to another volume by now", nasVolume, func(t *testing.T) []client.Object {
			t.Helper()
			return []client.Object{dataBoundTo("pv-2"), runningPod(t, "shop", "web", "node-1")}
		}, nil, ""},
		{"a directory of a node", hostPathVolume, func(t *testing.T) []client.Object {
			t.Helper()
			return []client.Object{dataBoundTo("pv-1"), runningPod(t, "shop", "web", "node-1")}
		}, []Place{{Node: "node-1", Directory: "/data/shop"}}, ""},
		{
			"a directory that the client does not see", `spec: {hostPath: {path: /etc}}`, func(*testing.T) []client.Object { return nil },
			nil, "the volume pv-1: the Cloud Backup client does not see the directory /etc (config key hostPathRoot)",
		},
		{"a plug-in that is not known", inTreeDisk, func(*testing.T) []client.Object { return nil }, nil, "the volume pv-1: its plug-in has no directory that is known"},
	}
	sim := newCloud(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldIn(t, sim)
			w.create(t, tt.objects(t)...)
			got, err := w.Mounted(t.Context(), claimed(t, tt.pv))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("places (-want +got):\n%s", diff)
			}
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || err.Error() != tt.wantErr || !final.Is(err)) {
				t.Errorf("error %v, want the final one %q", err, tt.wantErr)
			}
		})
	}
	unclaimed := claimed(t, nasVolume)
	unclaimed.Spec.ClaimRef = nil
	if got, err := newWorldIn(t, sim).Mounted(t.Context(), unclaimed); err != nil || got != nil {
		t.Errorf("places %v, error %v for a volume without a claim", got, err)
	}
}
