// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

func TestWherePodsRun(t *testing.T) {
	t.Parallel()
	affinity := func(kind, terms string) string { return "affinity: {nodeAffinity: {" + kind + ": " + terms + "}}" }
	const required, preferred = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
	tests := []struct {
		name, pod string
		want      string
	}{
		{"on the first node by name", "", "a"},
		{"on a node with a label", "nodeSelector: {disk: fast}", "b"},
		{"on a node by its name", affinity(required, "{nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: In, values: [b]}]}]}"), "b"},
		{"on a node of any term", affinity(required, "{nodeSelectorTerms: [{}, {matchExpressions: [{key: disk, operator: Exists}]}]}"), "b"},
		{"on no node of a term that is empty", affinity(required, "{nodeSelectorTerms: [{}]}"), ""},
		{"on no node without an expression", affinity(required, "{nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/os, operator: NotIn, values: [linux]}]}]}"), ""},
		{"on a node with more than a number", affinity(required, "{nodeSelectorTerms: [{matchExpressions: [{key: cpus, operator: Gt, values: ['4']}]}]}"), "b"},
		{"on the node that is preferred", affinity(preferred, "[{weight: 1, preference: {matchExpressions: [{key: disk, operator: Exists}]}}]"), "b"},
		{"on a cordoned node only if it tolerates that", "nodeSelector: {kubernetes.io/hostname: cordoned}", ""},
		{"on a cordoned node where it tolerates that", "nodeSelector: {kubernetes.io/hostname: cordoned}\ntolerations: [{operator: Exists}]", "cordoned"},
		{"on no tainted node", "nodeSelector: {kubernetes.io/hostname: tainted}", ""},
		{"on a virtual node where it tolerates that", "nodeSelector: {type: virtual-kubelet}\ntolerations: [{key: virtual-kubelet.io/provider, operator: Exists}]", "virtual"},
		{"on no node that is not ready", "nodeSelector: {kubernetes.io/hostname: dead}", ""},
	}
	w := newWorld(t, func(o *node.Options) {
		o.Nodes = []node.Config{
			{Name: "b", Labels: map[string]string{"disk": "fast", "cpus": "8"}},
			{Name: "a", Labels: map[string]string{"cpus": "4"}},
			{Name: "cordoned", Cordoned: true},
			{Name: "dead", NotReady: true},
			{Name: "virtual", Virtual: true},
			{Name: "tainted", Taints: []corev1.Taint{{Key: "only", Value: "db", Effect: corev1.TaintEffectNoExecute}}},
		}
	})
	for i, tt := range tests {
		pod := shopPod(t, tt.pod)
		pod.Name, pod.Spec.Volumes, pod.Spec.Containers[0].VolumeMounts = "pod-"+string(rune('a'+i)), nil, nil
		w.apply(t, pod)
		pod = get[corev1.Pod](t, w, namespace, pod.Name)
		if pod.Spec.NodeName != tt.want || (pod.Status.Phase == corev1.PodRunning) != (tt.want != "") {
			t.Errorf("%s: it is %s on %q, want %q: %v", tt.name, pod.Status.Phase, pod.Spec.NodeName, tt.want, w.events(t, pod.Name))
		}
	}
}

func TestPodsThatRepelEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *node.Options) { o.Nodes = []node.Config{{Name: "a"}, {Name: "b"}} })
	const apart = "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [" +
		"{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {run: '1'}}}]}}"
	for name, label := range map[string]string{"pod-a": "1", "pod-b": "1", "pod-c": "1", "pod-d": "2"} {
		pod := shopPod(t, apart)
		pod.Name, pod.Labels, pod.Spec.Volumes, pod.Spec.Containers[0].VolumeMounts = name, map[string]string{"run": label}, nil, nil
		if err := w.api.Create(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
	}
	w.settle(t)
	nodes := map[string]string{}
	for _, name := range []string{"pod-a", "pod-b", "pod-c", "pod-d"} {
		nodes[name] = get[corev1.Pod](t, w, namespace, name).Spec.NodeName
	}
	if diff := cmp.Diff(map[string]string{"pod-a": "a", "pod-b": "b", "pod-c": "", "pod-d": ""}, nodes); diff != "" {
		t.Errorf("nodes (-want +got):\n%s\n%v", diff, w.events(t, "pod-c"))
	}
}
