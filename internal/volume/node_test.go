// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestNodesThatCanMountAVolume(t *testing.T) {
	t.Parallel()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name:   "node-1.with-a-name-that-is-longer-than-what-the-value-of-a-label-may-be",
		Labels: map[string]string{corev1.LabelHostname: "node-1", LabelDiskZone: "cn-beijing-k", "generation": "7"},
	}}
	name := node.Name
	tests := []struct {
		name, affinity string
		want           bool
	}{
		{"none is asked for", `{}`, true},
		{"the node's name as a label", `{required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-0, node-1]}]}]}}`, true},
		{"another node's name", `{required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-0]}]}]}}`, false},
		{"the node's name as a field", `{required: {nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: In, values: [` + name + `]}]}]}}`, true},
		{"not the node's name as a field", `{required: {nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: NotIn, values: [` + name + `]}]}]}}`, false},
		{"not another node's name as a field", `{required: {nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: NotIn, values: [node-0]}]}]}}`, true},
		{"a field that no affinity has", `{required: {nodeSelectorTerms: [{matchFields: [{key: spec.podCIDR, operator: In, values: [` + name + `]}]}]}}`, false},
		{"all requirements of one term", `{required: {nodeSelectorTerms: [{matchExpressions: [{key: generation, operator: Gt, values: ["6"]}, {key: generation, operator: Lt, values: ["8"]}]}]}}`, true},
		{"one requirement of a term alone", `{required: {nodeSelectorTerms: [{matchExpressions: [{key: generation, operator: Exists}, {key: gpu, operator: Exists}]}]}}`, false},
		{"one of the terms", `{required: {nodeSelectorTerms: [{matchExpressions: [{key: gpu, operator: Exists}]}, {matchExpressions: [{key: gpu, operator: DoesNotExist}]}]}}`, true},
		{"another zone", `{required: {nodeSelectorTerms: [{matchExpressions: [{key: topology.diskplugin.csi.alibabacloud.com/zone, operator: NotIn, values: [cn-beijing-k]}]}]}}`, false},
		{"a term without requirements", `{required: {nodeSelectorTerms: [{}]}}`, false},
		{"no terms", `{required: {nodeSelectorTerms: []}}`, false},
		{"an operator that is none", `{required: {nodeSelectorTerms: [{matchExpressions: [{key: generation, operator: Like, values: ["7"]}]}]}}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pv := parse(t, "spec: {nodeAffinity: "+tt.affinity+"}")
			if got := MountableOn(pv, node); got != tt.want {
				t.Errorf("mountable: %v, want %v", got, tt.want)
			}
		})
	}
	if !MountableOn(&corev1.PersistentVolume{}, node) {
		t.Error("a volume without affinity cannot be mounted")
	}
}

func TestTheOneNodeOfAVolume(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, values, want string }{
		{"one", "[node-1]", "node-1"},
		{"the same one twice", "[node-1, node-1]", "node-1"},
		{"several", "[node-1, node-2]", ""},
		{"none", "[]", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pv := parse(t, `spec: {nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: `+tt.values+`}]}]}}}`)
			if got := OnlyNode(pv); got != tt.want {
				t.Errorf("node %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNASFileSystemID(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]string{
		"31a8e4ab12-abc34.cn-hangzhou.nas.aliyuncs.com": "31a8e4ab12",
		"0a1b2c.cn-hangzhou.extreme.nas.aliyuncs.com":   "extreme-0a1b2c",
		"cpfs-0123-x.cn-hangzhou.cpfs.aliyuncs.com":     "",
		"10.0.0.9": "",
		"":         "",
	} {
		if got := NASFileSystemID(server); got != want {
			t.Errorf("%q is a mount target of %q, want %q", server, got, want)
		}
	}
}
