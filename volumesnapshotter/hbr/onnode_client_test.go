// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

const enabledLabel = "csdr.alibabacloud.com/agent-enable"

// clientPods returns the uids of the client's Pods by their nodes.
func (w *nodeWorld) clientPods(t *testing.T) map[string]string {
	t.Helper()
	var pods corev1.PodList
	if err := w.api.List(t.Context(), &pods, client.MatchingLabels{"app": agent.Name}); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for i := range pods.Items {
		found[pods.Items[i].Spec.NodeName] = string(pods.Items[i].UID)
	}
	return found
}

// clientStarted has the client run on node-1 before it is needed.
func (w *nodeWorld) clientStarted(t *testing.T) {
	t.Helper()
	site, api := current(t, w.process(t))
	clusterID, err := site.cluster.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := site.agents.Registered(t.Context(), registry{api}, clusterID); err != nil {
		t.Fatal(err)
	}
	w.relabel(t, "node-1", enabledLabel, "true")
	w.settle(t)
}

// TestTheClientIsRegistered holds that the client runs where it is needed alone, with the
// token of this cluster, whatever token there was.
func TestTheClientIsRegistered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		// token is what the Secret has at first, "" for no Secret.
		token string
		// clusterID is that of the location.
		clusterID, identifier string
	}{
		"there is no Secret":                     {identifier: "3fa1f1c2"},
		"the Secret has another cluster's token": {token: "of another cluster", identifier: "3fa1f1c2"},
		"the location names the cluster":         {clusterID: "c82e6987", identifier: "c82e6987"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t, nodeOptions{config: map[string]string{"clusterId": test.clusterID}})
			if test.token != "" {
				w.relabel(t, "node-2", enabledLabel, "true")
				w.create(t, &corev1.Secret{ObjectMeta: named(veleroNamespace, agent.Name), Data: map[string][]byte{agent.TokenKey: []byte(test.token)}})
				w.settle(t)
			}
			before := w.clientPods(t)
			for _, volume := range []string{"vol-1", "vol-2"} {
				pv := nasPart(t, volume)
				w.served(t, pv, "node-2")
				if id, outcome := w.saved(t, pv); outcome.Err != "" {
					t.Fatalf("the backup %s failed: %s", id, outcome.Err)
				}
			}
			clusters := w.sim.HBR().Clusters()
			if len(clusters) != 1 || clusters[0].Identifier != test.identifier {
				t.Fatalf("clusters %+v, want one with the identifier %s", clusters, test.identifier)
			}
			want := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: veleroNamespace, Name: agent.Name, Labels: map[string]string{"app": agent.Name, "velero.io/exclude-from-backup": "true"},
				},
				Data: map[string][]byte{agent.TokenKey: []byte(clusters[0].Token)},
			}
			volatile := cmpopts.IgnoreFields(metav1.ObjectMeta{}, "UID", "CreationTimestamp", "ResourceVersion")
			if diff := gocmp.Diff(want, find[corev1.Secret](t, w, veleroNamespace, agent.Name), volatile, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Secret (-want +got):\n%s", diff)
			}
			after := w.clientPods(t)
			if len(after) != 1 || after["node-2"] == "" || after["node-2"] == before["node-2"] {
				t.Errorf("the client's Pods are %v after %v, want a new one on node-2 alone", after, before)
			}
		})
	}
}

// TestTheClientIsWaitedFor holds that what keeps the client from running is told, and that
// the backup begins once the client runs.
func TestTheClientIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults node.Faults
		want   string
	}{
		"it crashes": {
			node.Faults{Crash: func(pod *corev1.Pod) error { return ofClient(pod.Name, "out of memory") }},
			"CrashLoopBackOff: back-off restarting failed container: out of memory",
		},
		"its image is not there": {
			node.Faults{Pull: func(image string) error { return ofClient(image, "not found") }},
			"ImagePullBackOff: Failed to pull image \"hbr-client\": not found",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t, nodeOptions{})
			pv := nasPart(t, "vol")
			w.served(t, pv, "node-1")
			w.nodes.SetFaults(test.faults)
			w.backUp(t, w.process(t), pv)
			for range 3 {
				w.pass(t)
				if got, err := w.pollBackup(t, pv.Name); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), string(checkingClient)) {
					t.Errorf("progress %+v, error %v, want %q", got, err, test.want)
				}
			}
			w.nodes.SetFaults(node.Faults{})
			if got := w.untilSaved(t, pv.Name); got.Err != "" {
				t.Errorf("outcome %+v", got)
			}
		})
	}
}

// ofClient is the error of what has the client's name in its own, else nil.
func ofClient(name, text string) error {
	if !strings.HasPrefix(name, agent.Name) {
		return nil
	}
	return errors.New(text)
}

// TestTheClientGoes takes the client away at different times of a backup and of a restore.
func TestTheClientGoes(t *testing.T) {
	t.Parallel()
	const (
		gone         = "hbr task finished with unexpected status: FAILED, errMsg ClientNotExist"
		notInstalled = "HBRError: addon status is abnormal"
	)
	retire := func(t *testing.T, w *nodeWorld) {
		t.Helper()
		if err := w.sim.HBR().RemoveAgent(w.sim.HBR().Clusters()[0].ID, "node-1"); err != nil {
			t.Fatal(err)
		}
	}
	uninstall := func(t *testing.T, w *nodeWorld) {
		t.Helper()
		w.remove(t, find[appsv1.DaemonSet](t, w, veleroNamespace, agent.Name))
	}
	for name, test := range map[string]struct {
		leave   func(*testing.T, *nodeWorld)
		mounted bool
		want    string
	}{
		"it goes while it works on what a Pod mounts":           {retire, true, gone},
		"it goes while it works on what was mounted for it":     {retire, false, gone},
		"it is uninstalled while it works":                      {uninstall, true, gone},
		"it is uninstalled while it works on a temporary mount": {uninstall, false, gone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t, nodeOptions{nodes: []node.Config{usualNode("node-1")}})
			pv := nasPart(t, "vol")
			w.served(t, pv, "node-1")
			if !test.mounted {
				w.remove(t, &corev1.Pod{ObjectMeta: named(application, "pod-vol")})
			}
			w.backUp(t, w.process(t), pv)
			w.whenRunning(t, func() (bool, error) { got, err := w.pollBackup(t, pv.Name); return got.Completed, err })
			test.leave(t, w)
			if got := w.untilSaved(t, pv.Name); !strings.Contains(got.Err, test.want) {
				t.Errorf("outcome %+v, want the error %q", got, test.want)
			}
			w.wantNoTemporary(t)
			w.wantInventory(t, 0, 0, 0)
		})
		if test.mounted {
			continue // Volumes are filled by temporary Pods alone.
		}
		t.Run("of a restore, "+name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t, nodeOptions{nodes: []node.Config{usualNode("node-1")}})
			pv := nasPart(t, "vol")
			w.served(t, pv, "node-1")
			id, held := w.ordered(t, w.isSaved(t, pv), pv)
			w.whenRunning(t, func() (bool, error) { got, err := w.pollRestore(t, id, held); return got.Completed, err })
			test.leave(t, w)
			if got := w.untilFilled(t, id, held); !strings.Contains(got.Err, test.want) {
				t.Errorf("outcome %+v, want the error %q", got, test.want)
			}
			w.discarded(t, id, held)
			w.wantInventory(t, 0, 1, 0)
		})
	}
	t.Run("it is uninstalled before a restore", func(t *testing.T) {
		t.Parallel()
		w := newNodeWorld(t, nodeOptions{})
		pv := nasPart(t, "vol")
		w.served(t, pv, "node-1")
		snapshot := w.isSaved(t, pv)
		uninstall(t, w)
		id, held := w.ordered(t, snapshot, pv)
		if got := w.untilFilled(t, id, held); !strings.Contains(got.Err, notInstalled) {
			t.Errorf("outcome %+v, want the error %q", got, notInstalled)
		}
		w.discarded(t, id, held)
	})
}
