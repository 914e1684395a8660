// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

func TestTheImageOfATemporaryPod(t *testing.T) {
	t.Parallel()
	const (
		digest = "registry.example.com:5000/velero-plugin-alibabacloud@sha256:0123"
		other  = "velero/velero-plugin-for-aws:v1"
	)
	pull := []corev1.LocalObjectReference{{Name: "pull"}}
	byHelm := veleroWith(digest)
	byHelm.Name, byHelm.Labels = "velero-server", map[string]string{"component": "velero"}
	tests := []struct {
		name       string
		deployment *appsv1.Deployment
		podImage   string
		want       string
		secrets    []corev1.LocalObjectReference
	}{
		{"that of the plugin, among others", veleroWith(other, ownPlugin), "", ownPlugin, pull},
		{"with a digest, of a registry with a port", veleroWith(digest), "", digest, pull},
		{"of a Deployment with another name", byHelm, "", digest, pull},
		{"that of the config", veleroWith(other), "example.com/idle:1", "example.com/idle:1", pull},
		{"that of the config, without a Deployment", nil, "example.com/idle:1", "example.com/idle:1", nil},
		{"none, where the plugin has another name", veleroWith("example.com/backup-plugins:v1", "example.com/velero-plugin-alibabacloud/other"), "", "", nil},
		{"none, where there is no Deployment", nil, "", "", nil},
	}
	sim := newCloud(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldIn(t, sim)
			if err := w.api.Delete(t.Context(), veleroWith()); err != nil {
				t.Fatal(err)
			}
			if tt.deployment != nil {
				w.create(t, tt.deployment.DeepCopy())
			}
			w.Mounts = w.process(Config{KubeletRoot: defaultRoot, PodImage: tt.podImage})
			owner := ownerNamed("abc12345")
			_, _, err := w.Mount(t.Context(), owner, sized(t, "pv-1", nasVolume), agent.Search{})
			if tt.want == "" {
				const want = "no init container of Velero's Deployment in the namespace velero has an image named velero-plugin-alibabacloud: set the config key podImage"
				if err == nil || err.Error() != want || !final.Is(err) {
					t.Errorf("error %v, want the final one %q", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			pod := get[corev1.Pod](t, w, velero, owner.name())
			if diff := cmp.Diff([]any{tt.want, tt.secrets}, []any{pod.Spec.Containers[0].Image, pod.Spec.ImagePullSecrets}); diff != "" {
				t.Errorf("image and secrets (-want +got):\n%s", diff)
			}
		})
	}
}
