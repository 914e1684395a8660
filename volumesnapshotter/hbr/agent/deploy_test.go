// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// clientManifests is what an administrator applies.
const clientManifests = "../../../deploy/hbr-client"

// readManifest reads a file of clientManifests strictly.
func readManifest[T any](t *testing.T, file string) T {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(clientManifests, file))
	if err != nil {
		t.Fatal(err)
	}
	var object T
	if err := yaml.UnmarshalStrict(content, &object); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return object
}

func TestTheClientIsDeployedAsThePluginExpectsIt(t *testing.T) {
	t.Parallel()
	set := readManifest[appsv1.DaemonSet](t, "daemonset.yaml")
	class := readManifest[schedulingv1.PriorityClass](t, "priorityclass.yaml")
	marked := map[string]string{appLabel: Name}
	pod := set.Spec.Template.Spec
	if len(pod.Containers) != 1 || len(pod.Volumes) != 1 {
		t.Fatalf("%d containers and %d volumes, want one of each", len(pod.Containers), len(pod.Volumes))
	}
	container := pod.Containers[0]
	propagation, directory := corev1.MountPropagationHostToContainer, corev1.HostPathDirectory

	got := map[string]any{
		"name":        set.Name,
		"labels":      set.Spec.Template.Labels,
		"selector":    set.Spec.Selector,
		"nodes":       pod.NodeSelector,
		"tolerations": pod.Tolerations,
		"priority":    pod.PriorityClassName,
		"class":       class.Name,
		"preempts":    *class.PreemptionPolicy,
		"token":       container.Env[0],
		"mounts":      container.VolumeMounts,
		"volume":      pod.Volumes[0].VolumeSource,
	}
	want := map[string]any{
		"name":        Name,
		"labels":      marked,
		"selector":    &metav1.LabelSelector{MatchLabels: marked},
		"nodes":       map[string]string{enabledLabel: "true"},
		"tolerations": []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		"priority":    PriorityClass,
		"class":       PriorityClass,
		"preempts":    corev1.PreemptNever,
		"token": corev1.EnvVar{Name: TokenKey, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: Name}, Key: TokenKey,
		}}},
		"mounts": []corev1.VolumeMount{{Name: pod.Volumes[0].Name, MountPath: DefaultKubeletRoot, MountPropagation: &propagation}},
		"volume": corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: DefaultKubeletRoot, Type: &directory}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("client (-want +got):\n%s", diff)
	}
	if class.Value >= 0 || class.GlobalDefault {
		t.Errorf("the priority %d (default: %v) is not a low one", class.Value, class.GlobalDefault)
	}
}

func TestTheClientKeepsOffVirtualNodes(t *testing.T) {
	t.Parallel()
	affinity := readManifest[appsv1.DaemonSet](t, "daemonset.yaml").Spec.Template.Spec.Affinity
	want := &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: labelNodeType, Operator: corev1.NodeSelectorOpNotIn, Values: []string{virtualNodeType}},
		}}},
	}}}
	if diff := cmp.Diff(want, affinity); diff != "" {
		t.Errorf("affinity (-want +got):\n%s", diff)
	}
}

// TestTheImageOfTheClientIsASetting holds that the kustomization has all manifests and
// replaces the very image that the DaemonSet names.
func TestTheImageOfTheClientIsASetting(t *testing.T) {
	t.Parallel()
	type image struct {
		Name    string `json:"name"`
		NewName string `json:"newName"`
		NewTag  string `json:"newTag"`
	}
	kustomization := readManifest[struct {
		metav1.TypeMeta `json:",inline"`
		Namespace       string   `json:"namespace"`
		Resources       []string `json:"resources"`
		Images          []image  `json:"images"`
	}](t, "kustomization.yaml")
	all, err := filepath.Glob(filepath.Join(clientManifests, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(kustomization.Resources) != len(all)-1 {
		t.Errorf("resources %v, want all but the kustomization of %v", kustomization.Resources, all)
	}
	for _, file := range kustomization.Resources {
		if _, err := os.Stat(filepath.Join(clientManifests, file)); err != nil {
			t.Error(err)
		}
	}
	set := readManifest[appsv1.DaemonSet](t, "daemonset.yaml")
	if kustomization.Namespace != set.Namespace {
		t.Errorf("namespace %q, want that of the DaemonSet, %q", kustomization.Namespace, set.Namespace)
	}
	if len(kustomization.Images) != 1 || kustomization.Images[0].Name != set.Spec.Template.Spec.Containers[0].Image || kustomization.Images[0].NewTag == "" {
		t.Errorf("images %+v, want one in place of %q", kustomization.Images, set.Spec.Template.Spec.Containers[0].Image)
	}
}
