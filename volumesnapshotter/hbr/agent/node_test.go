// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/quick"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// volumeFrom returns the PersistentVolume of a YAML text.
func volumeFrom(tb testing.TB, text string) *corev1.PersistentVolume {
	tb.Helper()
	pv := &corev1.PersistentVolume{}
	if err := yaml.UnmarshalStrict([]byte(text), pv); err != nil {
		tb.Fatalf("the test's PersistentVolume: %v", err)
	}
	return pv
}

const localVolume = `spec: {local: {path: /mnt/disks/1}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-1]}]}]}}}`

// nodeNamed returns a node that is ready, with labels in the form key=value.
func nodeNamed(name string, labels ...string) corev1.Node {
	node := corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}
	for _, label := range labels {
		key, value, _ := strings.Cut(label, "=")
		node.Labels[key] = value
	}
	return node
}

const (
	includedNode = labelIncluded + "=true"
	excludedNode = labelExcluded + "=true"
	virtualNode  = labelNodeType + "=" + virtualNodeType
)

func changed(node corev1.Node, change func(*corev1.Node)) corev1.Node {
	change(&node)
	return node
}

func unready(n *corev1.Node)  { n.Status.Conditions[0].Status = corev1.ConditionUnknown }
func cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }
func deleted(n *corev1.Node)  { n.DeletionTimestamp = &metav1.Time{} }

func TestTheNodeOfAJob(t *testing.T) {
	t.Parallel()
	plain, marked, kept := nodeNamed("b-plain"), nodeNamed("c-included", includedNode), nodeNamed("a-excluded", excludedNode)
	all := []corev1.Node{plain, marked, kept}
	tests := []struct {
		name     string
		policy   Policy
		mounting []string
		busy     []string
		pv       string
		nodes    []corev1.Node
		// want is a node, or the error behind its beginning.
		want, wantErr string
	}{
		{name: "exclude leaves out what is excluded", policy: Exclude, nodes: all, want: "b-plain"},
		{name: "include takes what is included alone", policy: Include, nodes: all, want: "c-included"},
		{name: "prefer begins with what is included", policy: Prefer, nodes: all, want: "c-included"},
		{name: "prefer goes on with what has no label", policy: Prefer, nodes: all, busy: []string{"c-included"}, want: "b-plain"},
		{name: "prefer ends with what is excluded", policy: Prefer, nodes: all, busy: []string{"c-included", "b-plain"}, want: "a-excluded"},
		{name: "a label that is not true says nothing", policy: Exclude, nodes: []corev1.Node{nodeNamed("n", labelExcluded+"=false")}, want: "n"},
		{name: "prefer takes a node with both labels as included", policy: Prefer, nodes: []corev1.Node{plain, nodeNamed("z", includedNode, excludedNode)}, want: "z"},
		{name: "the node that mounts the volume", policy: Exclude, nodes: []corev1.Node{nodeNamed("n-1"), nodeNamed("n-2")}, mounting: []string{"n-2"}, want: "n-2"},
		{name: "one of those that mount it", policy: Prefer, nodes: all, mounting: []string{"a-excluded", "b-plain"}, want: "b-plain"},
		{name: "the one that mounts it though it is cordoned", policy: Exclude, nodes: []corev1.Node{changed(nodeNamed("n"), cordoned)}, mounting: []string{"n"}, want: "n"},
		{name: "where the volume can be mounted", policy: Exclude, nodes: []corev1.Node{nodeNamed("node-0"), nodeNamed("node-1")}, pv: localVolume, want: "node-1"},
		{
			name: "no nodes at all", policy: Exclude,
			wantErr: "(config key nodeSchedulePolicy: exclude): the cluster has none",
		},
		{
			name: "the only node that mounts it is excluded", policy: Exclude, nodes: all, mounting: []string{"a-excluded"},
			wantErr: "(config key nodeSchedulePolicy: exclude), and one alone mounts the volume: a-excluded has the label csdr.alibabacloud.com/agent-excluded=true",
		},
		{
			name: "the nodes that mount it are not included", policy: Include, nodes: all, mounting: []string{"b-plain", "a-excluded"},
			wantErr: "(config key nodeSchedulePolicy: include), and 2 alone mount the volume: a-excluded has no label csdr.alibabacloud.com/agent-included=true, b-plain has no label csdr.alibabacloud.com/agent-included=true",
		},
		{
			name: "the node that mounts it has gone", policy: Prefer, nodes: all, mounting: []string{"gone"},
			wantErr: "(config key nodeSchedulePolicy: prefer), and one alone mounts the volume: gone is not there",
		},
		{
			name: "each node for a reason of its own", policy: Exclude, pv: localVolume,
			nodes: []corev1.Node{
				nodeNamed("n-1", virtualNode, includedNode), changed(nodeNamed("n-2"), unready), changed(nodeNamed("n-3"), cordoned),
				nodeNamed("n-4"), changed(nodeNamed("n-5"), deleted), kept,
			},
			wantErr: "(config key nodeSchedulePolicy: exclude): a-excluded has the label csdr.alibabacloud.com/agent-excluded=true, n-1 is a virtual node, n-2 is not ready, " +
				"n-3 is cordoned, and a pod would be needed there, n-4 cannot mount the volume by its node affinity, n-5 is not ready",
		},
		{
			name: "a virtual node, even if it mounts the volume", policy: Prefer, nodes: []corev1.Node{nodeNamed("v", virtualNode)}, mounting: []string{"v"},
			wantErr: "(config key nodeSchedulePolicy: prefer), and one alone mounts the volume: v is a virtual node",
		},
		{
			name: "a second job on a node", policy: Exclude, nodes: []corev1.Node{plain, kept}, busy: []string{"b-plain"},
			wantErr: "(config key nodeSchedulePolicy: exclude): a-excluded has the label csdr.alibabacloud.com/agent-excluded=true, b-plain runs another job of this backup or restore",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			search := Search{Policy: tt.policy, PV: volumeFrom(t, tt.pv), Mounting: tt.mounting, Busy: map[string]bool{}}
			for _, name := range tt.busy {
				search.Busy[name] = true
			}
			got, err := search.Choose(tt.nodes)
			if got != tt.want {
				t.Errorf("node %q, want %q", got, tt.want)
			}
			if tt.wantErr == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if want := "no node can run the job of Cloud Backup " + tt.wantErr; err == nil || err.Error() != want {
				t.Errorf("error:\n%v\nwant:\n%s", err, want)
			}
			var none *NoNodeError
			if !errors.As(err, &none) || none.Busy != (len(tt.busy) > 0) || none.Unready != strings.Contains(tt.wantErr, "is not ready") {
				t.Errorf("error %#v, want one that is worth waiting: %v", err, len(tt.busy) > 0)
			}
		})
	}
}

func TestAnErrorNamesTenNodes(t *testing.T) {
	t.Parallel()
	var nodes []corev1.Node
	for i := range 12 {
		nodes = append(nodes, changed(nodeNamed(fmt.Sprintf("n-%02d", i)), unready))
	}
	_, err := Search{Policy: Exclude}.Choose(nodes)
	if err == nil || !strings.HasSuffix(err.Error(), ", n-09 is not ready, and 2 more") {
		t.Errorf("error %v, want one that names ten nodes", err)
	}
}

// TestTheChoiceIsThatOfTheNodes holds that neither the order of the nodes nor that of
// those that mount the volume changes the choice or its error, and that a node which
// is chosen is one that nothing keeps from the job.
func TestTheChoiceIsThatOfTheNodes(t *testing.T) {
	t.Parallel()
	pv := volumeFrom(t, localVolume)
	property := func(seed uint64) bool {
		random := rand.New(rand.NewPCG(seed, 0))
		search := Search{Policy: []Policy{Exclude, Include, Prefer}[random.IntN(3)], Busy: map[string]bool{}}
		if random.IntN(3) == 0 {
			search.PV = pv
		}
		nodes := anyNodes(random, &search)
		name, err := search.Choose(nodes)
		for range 5 {
			random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
			random.Shuffle(len(search.Mounting), func(i, j int) {
				search.Mounting[i], search.Mounting[j] = search.Mounting[j], search.Mounting[i]
			})
			if again, errAgain := search.Choose(nodes); again != name || fmt.Sprint(errAgain) != fmt.Sprint(err) {
				return false
			}
		}
		for i := range nodes {
			if nodes[i].Name == name {
				return err == nil && search.concerns(&nodes[i]) && search.obstacle(&nodes[i]) == "" && !search.Busy[name]
			}
		}
		return name == "" && err != nil
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 1000}); err != nil {
		t.Error(err)
	}
}

func anyNodes(random *rand.Rand, search *Search) []corev1.Node {
	var nodes []corev1.Node
	for i := range random.IntN(6) {
		node := nodeNamed(fmt.Sprintf("node-%d", i))
		for _, label := range []string{includedNode, excludedNode, virtualNode} {
			if random.IntN(4) == 0 {
				key, value, _ := strings.Cut(label, "=")
				node.Labels[key] = value
			}
		}
		for _, change := range []func(*corev1.Node){unready, cordoned, deleted} {
			if random.IntN(6) == 0 {
				change(&node)
			}
		}
		if random.IntN(3) == 0 {
			search.Mounting = append(search.Mounting, node.Name)
		}
		search.Busy[node.Name] = random.IntN(4) == 0
		nodes = append(nodes, node)
	}
	return nodes
}
