// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// Labels by which the policies choose nodes.
const (
	excludedLabel = "csdr.alibabacloud.com/agent-excluded"
	includedLabel = "csdr.alibabacloud.com/agent-included"
)

// labelled is a node that the label is "true" on.
func labelled(name, label string) node.Config {
	config := usualNode(name)
	config.Labels = map[string]string{label: "true"}
	return config
}

// nasPart returns a volume of a directory of fs1 that has its own name.
func nasPart(t *testing.T, name string) *corev1.PersistentVolume {
	t.Helper()
	return volumeOf(t, name, strings.NewReplacer("/app", "/"+name, "v-1", name).Replace(nasSpec))
}

// jobNodes returns the nodes of all backup jobs, in the order in which they were begun.
func (w *nodeWorld) jobNodes(t *testing.T) []string {
	t.Helper()
	jobs, err := w.sim.HBR().BackupJobs()
	if err != nil {
		t.Fatal(err)
	}
	var nodes corev1.NodeList
	if err := w.api.List(t.Context(), &nodes); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, j := range jobs {
		i := slices.IndexFunc(nodes.Items, func(n corev1.Node) bool { return strings.HasSuffix(j.Name, "-"+digest(n.Name)) })
		if i < 0 {
			t.Fatalf("the job %s is on no node", j.Name)
		}
		found = append(found, nodes.Items[i].Name)
	}
	return found
}

// running returns how many jobs are running on each node.
func (w *nodeWorld) running(t *testing.T) map[string]int {
	t.Helper()
	jobs, err := w.sim.HBR().BackupJobs()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for i, name := range w.jobNodes(t) {
		if jobs[i].Status == "RUNNING" {
			found[name]++
		}
	}
	return found
}

// TestANodeRunsOneJobAtATime backs five volumes up, by polls such as Velero's, and holds
// that no node ever runs two of their jobs.
func TestANodeRunsOneJobAtATime(t *testing.T) {
	t.Parallel()
	const volumes = 5
	// at returns the node of the n-th volume's Pod, "" for no Pod.
	for name, test := range map[string]struct {
		nodes int
		at    func(n int) string
		// atOnce is how many jobs run at the same time.
		atOnce int
		took   time.Duration
	}{
		"five volumes on one node":            {1, func(int) string { return "node-1" }, 1, 6 * time.Minute},
		"five volumes on five nodes":          {5, func(n int) string { return fmt.Sprintf("node-%d", n) }, 5, 2 * time.Minute},
		"five volumes that no Pod mounts":     {2, func(int) string { return "" }, 2, 6 * time.Minute},
		"some that a Pod mounts, others none": {2, func(n int) string { return []string{"node-1", ""}[n%2] }, 2, 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var nodes []node.Config
			for n := range test.nodes {
				nodes = append(nodes, usualNode(fmt.Sprintf("node-%d", n+1)))
			}
			w := newNodeWorld(t, nodeOptions{nodes: nodes})
			pending := map[string]*corev1.PersistentVolume{}
			for n := range volumes {
				pv := nasPart(t, fmt.Sprintf("vol-%d", n+1))
				pending[pv.Name] = pv
				if at := test.at(n + 1); at != "" {
					w.served(t, pv, at)
					continue
				}
				w.create(t, pv)
				w.claimed(t, pv)
			}
			s := w.process(t)
			for _, pv := range pending {
				if id := w.backUp(t, s, pv); strings.HasPrefix(id, refusedPrefix) {
					t.Fatal(id)
				}
			}
			begun, most := w.time.Now(), 0
			for len(pending) > 0 && w.time.Now().Sub(begun) < maxWait {
				w.pass(t)
				for pv := range pending {
					got, err := w.pollBackup(t, pv)
					if err != nil || got.Err != "" {
						t.Fatalf("%s: progress %+v, error %v", pv, got, err)
					}
					if got.Completed {
						delete(pending, pv)
					}
				}
				running := w.running(t)
				most = max(most, len(running))
				for at, jobs := range running {
					if jobs > 1 {
						t.Fatalf("%s runs %d jobs", at, jobs)
					}
				}
			}
			if took := w.time.Now().Sub(begun); took > test.took || most != test.atOnce {
				t.Errorf("it took %s with up to %d jobs at the same time, want %s with %d", took, most, test.took, test.atOnce)
			}
			w.settle(t)
			w.wantNoTemporary(t)
			w.wantInventory(t, 0, volumes, 0)
			w.wantNoNotes(t)
		})
	}
}

func TestThePolicyChoosesTheNode(t *testing.T) {
	t.Parallel()
	const include, prefer = "include", "prefer"
	plain := usualNode
	virtual := node.Config{Name: "node-1", Zone: theZone, Virtual: true}
	cordoned := usualNode("node-1")
	cordoned.Cordoned = true
	notReady := usualNode("node-1")
	notReady.NotReady = true
	for name, test := range map[string]struct {
		policy string
		nodes  []node.Config
		// mounted are the nodes of Pods that mount the volume.
		mounted []string
		want    string
	}{
		"exclude leaves a labelled node":                              {"", []node.Config{labelled("node-1", excludedLabel), plain("node-2")}, []string{"node-1", "node-2"}, "node-2"},
		"exclude leaves a labelled node for a temporary Pod too":      {"", []node.Config{labelled("node-1", excludedLabel), plain("node-2")}, nil, "node-2"},
		"include takes a labelled node alone":                         {include, []node.Config{plain("node-1"), labelled("node-2", includedLabel)}, []string{"node-1", "node-2"}, "node-2"},
		"include takes a labelled node alone for a temporary Pod too": {include, []node.Config{plain("node-1"), labelled("node-2", includedLabel)}, nil, "node-2"},
		"prefer takes a labelled node first":                          {prefer, []node.Config{plain("node-1"), labelled("node-2", includedLabel)}, []string{"node-1", "node-2"}, "node-2"},
		"prefer takes a labelled node first for a temporary Pod too":  {prefer, []node.Config{plain("node-1"), labelled("node-2", includedLabel)}, nil, "node-2"},
		"prefer takes an excluded node last":                          {prefer, []node.Config{labelled("node-1", excludedLabel), plain("node-2")}, []string{"node-1", "node-2"}, "node-2"},
		"prefer takes an excluded node where there is no other":       {prefer, []node.Config{labelled("node-1", excludedLabel), plain("node-2")}, []string{"node-1"}, "node-1"},
		"a node that mounts the volume is better than a preferred one": {
			prefer, []node.Config{plain("node-1"), labelled("node-2", includedLabel)}, []string{"node-1"}, "node-1",
		},
		"a virtual node runs no job":                     {prefer, []node.Config{virtual, plain("node-2")}, []string{"node-1", "node-2"}, "node-2"},
		"a virtual node runs no temporary Pod":           {"", []node.Config{virtual, plain("node-2")}, nil, "node-2"},
		"a cordoned node runs no temporary Pod":          {"", []node.Config{cordoned, plain("node-2")}, nil, "node-2"},
		"a node that is not ready runs no temporary Pod": {"", []node.Config{notReady, plain("node-2")}, nil, "node-2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t, nodeOptions{nodes: test.nodes, config: map[string]string{"nodeSchedulePolicy": test.policy}})
			pv := nasPart(t, "vol")
			w.create(t, pv)
			w.claimed(t, pv)
			for n, at := range test.mounted {
				w.mountingAs(t, fmt.Sprintf("pod-%d", n), pv, at)
			}
			w.isSaved(t, pv)
			if diff := gocmp.Diff([]string{test.want}, w.jobNodes(t)); diff != "" {
				t.Errorf("nodes of jobs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoNodeIsLeft holds that a backup that no node may run says why, and that the
// volume's objects are backed up all the same.
func TestNoNodeIsLeft(t *testing.T) {
	t.Parallel()
	virtual := node.Config{Name: "node-1", Zone: theZone, Virtual: true}
	for name, test := range map[string]struct {
		policy string
		nodes  []node.Config
		// mounted says that a Pod on node-1 mounts the volume.
		mounted bool
		want    string
	}{
		"the policy excludes the only node that mounts the volume": {
			"exclude",
			[]node.Config{labelled("node-1", excludedLabel), usualNode("node-2")},
			true,
			"no node can run the job of Cloud Backup (config key nodeSchedulePolicy: exclude), and one alone mounts the volume: node-1 has the label csdr.alibabacloud.com/agent-excluded=true",
		},
		"the policy includes no node": {
			"include",
			[]node.Config{usualNode("node-1"), usualNode("node-2")},
			false,
			"no node can run the job of Cloud Backup (config key nodeSchedulePolicy: include): node-1 has no label csdr.alibabacloud.com/agent-included=true, node-2 has no label csdr.alibabacloud.com/agent-included=true",
		},
		"the node that mounts the volume is virtual": {
			"prefer",
			[]node.Config{virtual, usualNode("node-2")},
			true,
			"no node can run the job of Cloud Backup (config key nodeSchedulePolicy: prefer), and one alone mounts the volume: node-1 is a virtual node",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t, nodeOptions{nodes: test.nodes, config: map[string]string{"nodeSchedulePolicy": test.policy}})
			pv := nasPart(t, "vol")
			w.create(t, pv)
			w.claimed(t, pv)
			if test.mounted {
				w.mounting(t, pv, "node-1")
			}
			id := w.backUp(t, w.Snapshotter, pv)
			logged := strings.Join(w.messages(logrus.ErrorLevel), "\n")
			if !strings.HasPrefix(id, refusedPrefix) || !strings.Contains(id, test.want) || !strings.Contains(logged, test.want) {
				t.Errorf("id %q, logged %q, want %q", id, logged, test.want)
			}
			if got := w.untilSaved(t, pv.Name); !strings.Contains(got.Err, test.want) {
				t.Errorf("outcome %+v, want the error %q", got, test.want)
			}
			if _, err := w.CreateVolumeFromSnapshot(id, "", "", nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("restoring gives the error %v, want %q", err, test.want)
			}
			w.wantNoTemporary(t)
			w.wantInventory(t, 0, 0, 0)
		})
	}
}

// TestANodeThatComesBackIsWaitedFor takes the only node that mounts a volume away for a time.
func TestANodeThatComesBackIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newNodeWorld(t, nodeOptions{nodes: []node.Config{usualNode("node-1")}})
	pv := nasPart(t, "vol")
	w.served(t, pv, "node-1")
	w.ready(t, "node-1", corev1.ConditionUnknown)
	id := w.backUp(t, w.process(t), pv)
	if strings.HasPrefix(id, refusedPrefix) {
		t.Fatal(id)
	}
	for range 3 {
		w.pass(t)
		if got, err := w.pollBackup(t, pv.Name); err == nil || !strings.Contains(err.Error(), "node-1 is not ready") {
			t.Errorf("progress %+v, error %v, want that node-1 is not ready", got, err)
		}
	}
	w.ready(t, "node-1", corev1.ConditionTrue)
	if got := w.untilSaved(t, pv.Name); got.Err != "" {
		t.Errorf("outcome %+v", got)
	}
	w.wantInventory(t, 0, 1, 0)
}

// ready sets the condition Ready of a node.
func (w *nodeWorld) ready(t *testing.T, name string, status corev1.ConditionStatus) {
	t.Helper()
	changed := find[corev1.Node](t, w, "", name)
	before := changed.DeepCopy()
	for i := range changed.Status.Conditions {
		if changed.Status.Conditions[i].Type == corev1.NodeReady {
			changed.Status.Conditions[i].Status = status
		}
	}
	if err := w.api.Status().Patch(t.Context(), changed, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}
