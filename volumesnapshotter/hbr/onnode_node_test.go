// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/quick"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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

func notReady(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }
func cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }
func deleted(n *corev1.Node)  { n.DeletionTimestamp = &metav1.Time{} }

func TestTheNodeOfAJob(t *testing.T) {
	t.Parallel()
	plain, marked, kept := nodeNamed("b-plain"), nodeNamed("c-included", includedNode), nodeNamed("a-excluded", excludedNode)
	all := []corev1.Node{plain, marked, kept}
	tests := []struct {
		name     string
		policy   schedulePolicy
		mounting []string
		busy     []string
		pv       string
		nodes    []corev1.Node
		// want is a node, or the error behind its beginning.
		want, wantErr string
	}{
		{name: "exclude leaves out what is excluded", policy: exclude, nodes: all, want: "b-plain"},
		{name: "include takes what is included alone", policy: include, nodes: all, want: "c-included"},
		{name: "prefer begins with what is included", policy: prefer, nodes: all, want: "c-included"},
		{name: "prefer goes on with what has no label", policy: prefer, nodes: all, busy: []string{"c-included"}, want: "b-plain"},
		{name: "prefer ends with what is excluded", policy: prefer, nodes: all, busy: []string{"c-included", "b-plain"}, want: "a-excluded"},
		{name: "a label that is not true says nothing", policy: exclude, nodes: []corev1.Node{nodeNamed("n", labelExcluded+"=false")}, want: "n"},
		{name: "prefer takes a node with both labels as included", policy: prefer, nodes: []corev1.Node{plain, nodeNamed("z", includedNode, excludedNode)}, want: "z"},
		{name: "the node that mounts the volume", policy: exclude, nodes: []corev1.Node{nodeNamed("n-1"), nodeNamed("n-2")}, mounting: []string{"n-2"}, want: "n-2"},
		{name: "one of those that mount it", policy: prefer, nodes: all, mounting: []string{"a-excluded", "b-plain"}, want: "b-plain"},
		{name: "the one that mounts it though it is cordoned", policy: exclude, nodes: []corev1.Node{changed(nodeNamed("n"), cordoned)}, mounting: []string{"n"}, want: "n"},
		{name: "where the volume can be mounted", policy: exclude, nodes: []corev1.Node{nodeNamed("node-0"), nodeNamed("node-1")}, pv: localVolume, want: "node-1"},
		{
			name: "no nodes at all", policy: exclude,
			wantErr: "(config key nodeSchedulePolicy: exclude): the cluster has none",
		},
		{
			name: "the only node that mounts it is excluded", policy: exclude, nodes: all, mounting: []string{"a-excluded"},
			wantErr: "(config key nodeSchedulePolicy: exclude), and one alone mounts the volume: a-excluded has the label csdr.alibabacloud.com/agent-excluded=true",
		},
		{
			name: "the nodes that mount it are not included", policy: include, nodes: all, mounting: []string{"b-plain", "a-excluded"},
			wantErr: "(config key nodeSchedulePolicy: include), and 2 alone mount the volume: a-excluded has no label csdr.alibabacloud.com/agent-included=true, b-plain has no label csdr.alibabacloud.com/agent-included=true",
		},
		{
			name: "the node that mounts it has gone", policy: prefer, nodes: all, mounting: []string{"gone"},
			wantErr: "(config key nodeSchedulePolicy: prefer), and one alone mounts the volume: gone is not there",
		},
		{
			name: "each node for a reason of its own", policy: exclude, pv: localVolume,
			nodes: []corev1.Node{
				nodeNamed("n-1", virtualNode, includedNode), changed(nodeNamed("n-2"), notReady), changed(nodeNamed("n-3"), cordoned),
				nodeNamed("n-4"), changed(nodeNamed("n-5"), deleted), kept,
			},
			wantErr: "(config key nodeSchedulePolicy: exclude): a-excluded has the label csdr.alibabacloud.com/agent-excluded=true, n-1 is a virtual node, n-2 is not ready, " +
				"n-3 is cordoned, and a pod would be needed there, n-4 cannot mount the volume by its node affinity, n-5 is not ready",
		},
		{
			name: "a virtual node, even if it mounts the volume", policy: prefer, nodes: []corev1.Node{nodeNamed("v", virtualNode)}, mounting: []string{"v"},
			wantErr: "(config key nodeSchedulePolicy: prefer), and one alone mounts the volume: v is a virtual node",
		},
		{
			name: "a second job on a node", policy: exclude, nodes: []corev1.Node{plain, kept}, busy: []string{"b-plain"},
			wantErr: "(config key nodeSchedulePolicy: exclude): a-excluded has the label csdr.alibabacloud.com/agent-excluded=true, b-plain runs another job of this backup or restore",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			search := nodeSearch{policy: tt.policy, pv: volumeFrom(t, tt.pv), mounting: tt.mounting, busy: map[string]bool{}}
			for _, name := range tt.busy {
				search.busy[name] = true
			}
			got, err := search.choose(tt.nodes)
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
			var none *noNodeError
			if !errors.As(err, &none) || none.busy != (len(tt.busy) > 0) {
				t.Errorf("error %#v, want one that is worth waiting: %v", err, len(tt.busy) > 0)
			}
		})
	}
}

func TestAnErrorNamesTenNodes(t *testing.T) {
	t.Parallel()
	var nodes []corev1.Node
	for i := range 12 {
		nodes = append(nodes, changed(nodeNamed(fmt.Sprintf("n-%02d", i)), notReady))
	}
	_, err := nodeSearch{policy: exclude, pv: &corev1.PersistentVolume{}}.choose(nodes)
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
		search := nodeSearch{policy: []schedulePolicy{exclude, include, prefer}[random.IntN(3)], pv: &corev1.PersistentVolume{}, busy: map[string]bool{}}
		if random.IntN(3) == 0 {
			search.pv = pv
		}
		nodes := anyNodes(random, &search)
		name, err := search.choose(nodes)
		for range 5 {
			random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
			random.Shuffle(len(search.mounting), func(i, j int) {
				search.mounting[i], search.mounting[j] = search.mounting[j], search.mounting[i]
			})
			if again, errAgain := search.choose(nodes); again != name || fmt.Sprint(errAgain) != fmt.Sprint(err) {
				return false
			}
		}
		for i := range nodes {
			if nodes[i].Name == name {
				return err == nil && search.concerns(&nodes[i]) && search.obstacle(&nodes[i]) == "" && !search.busy[name]
			}
		}
		return name == "" && err != nil
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 1000}); err != nil {
		t.Error(err)
	}
}

func anyNodes(random *rand.Rand, search *nodeSearch) []corev1.Node {
	var nodes []corev1.Node
	for i := range random.IntN(6) {
		node := nodeNamed(fmt.Sprintf("node-%d", i))
		for _, label := range []string{includedNode, excludedNode, virtualNode} {
			if random.IntN(4) == 0 {
				key, value, _ := strings.Cut(label, "=")
				node.Labels[key] = value
			}
		}
		for _, change := range []func(*corev1.Node){notReady, cordoned, deleted} {
			if random.IntN(6) == 0 {
				change(&node)
			}
		}
		if random.IntN(3) == 0 {
			search.mounting = append(search.mounting, node.Name)
		}
		search.busy[node.Name] = random.IntN(4) == 0
		nodes = append(nodes, node)
	}
	return nodes
}
