// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

const (
	excluded = "csdr.alibabacloud.com/agent-excluded"
	included = "csdr.alibabacloud.com/agent-included"
)

func labelled(name, label string) node.Config {
	return node.Config{Name: name, Labels: map[string]string{label: "true"}}
}

func TestTheNodeOfATemporaryPod(t *testing.T) {
	t.Parallel()
	plain := func(name string) node.Config { return node.Config{Name: name} }
	tests := []struct {
		name   string
		policy agent.Policy
		nodes  []node.Config
		busy   []string
		pv     string
		// want is the node; else wantErr is the end of the error, or of what is waited for.
		want, wantErr string
		waits, passes bool
	}{
		{name: "the first one", policy: agent.Exclude, nodes: []node.Config{plain("node-2"), plain("node-1")}, want: "node-1"},
		{name: "not one that is excluded", policy: agent.Exclude, nodes: []node.Config{labelled("node-1", excluded), plain("node-2")}, want: "node-2"},
		{name: "one that is included", policy: agent.Include, nodes: []node.Config{plain("node-1"), labelled("node-2", included)}, want: "node-2"},
		{name: "first one that is preferred", policy: agent.Prefer, nodes: []node.Config{labelled("node-0", excluded), plain("node-1"), labelled("node-2", included)}, want: "node-2"},
		{name: "then one that has no label", policy: agent.Prefer, nodes: []node.Config{labelled("node-0", excluded), plain("node-1")}, want: "node-1"},
		{name: "not one that is busy", policy: agent.Exclude, nodes: []node.Config{plain("node-1"), plain("node-2")}, busy: []string{"node-1"}, want: "node-2"},
		{name: "not a virtual one", policy: agent.Exclude, nodes: []node.Config{{Name: "node-1", Virtual: true}, plain("node-2")}, want: "node-2"},
		{name: "not one that is cordoned", policy: agent.Exclude, nodes: []node.Config{{Name: "node-1", Cordoned: true}, plain("node-2")}, want: "node-2"},
		{name: "the one that has the volume", policy: agent.Exclude, nodes: []node.Config{plain("node-0"), {Name: "node-1", Directories: []string{"/mnt/disks/1"}}}, pv: localVolume, want: "node-1"},
		{
			name: "the policy leaves out the only one that has the volume", policy: agent.Exclude, pv: localVolume,
			nodes: []node.Config{plain("node-0"), labelled("node-1", excluded)},
			wantErr: "(config key nodeSchedulePolicy: exclude): node-0 cannot mount the volume by its node affinity, " +
				"node-1 has the label csdr.alibabacloud.com/agent-excluded=true",
		},
		{
			name: "none is ready", policy: agent.Exclude, nodes: []node.Config{{Name: "node-1", NotReady: true}},
			wantErr: "(config key nodeSchedulePolicy: exclude): node-1 is not ready", passes: true,
		},
		{
			name: "all are busy", policy: agent.Exclude, nodes: []node.Config{plain("node-1"), {Name: "node-2", NotReady: true}}, busy: []string{"node-1"},
			wantErr: "(config key nodeSchedulePolicy: exclude): node-1 runs another job of this backup or restore, node-2 is not ready", waits: true,
		},
	}
	sim := newCloud(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldIn(t, sim, tt.nodes...)
			where := agent.Search{Policy: tt.policy, Busy: map[string]bool{}}
			for _, name := range tt.busy {
				where.Busy[name] = true
			}
			if tt.pv == "" {
				tt.pv = nasVolume
			}
			pv := sized(t, "pv-1", tt.pv)
			if tt.want != "" {
				if at := w.mounted(t, ownerNamed("abc12345"), pv, where); at.Node != tt.want {
					t.Errorf("node %s, want %s", at.Node, tt.want)
				}
				return
			}
			_, waiting, err := w.Mount(t.Context(), ownerNamed("abc12345"), pv, where)
			var none *agent.NoNodeError
			switch {
			case tt.waits:
				if err != nil || !strings.HasPrefix(waiting, "a node: ") || !strings.HasSuffix(waiting, tt.wantErr) {
					t.Errorf("waiting for %q, error %v, want that it waits for %q", waiting, err, tt.wantErr)
				}
			case !errors.As(err, &none) || !strings.HasSuffix(err.Error(), tt.wantErr) || final.Is(err) == tt.passes:
				t.Errorf("error %v, want %q, final: %v", err, tt.wantErr, !tt.passes)
			}
			if left := w.left(t); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestARunHasAPodOnANode holds that two Pods of one run are never on the same node.
func TestARunHasAPodOnANode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pv := sized(t, "pv-1", nasVolume)
	first := w.mounted(t, ownerNamed("first123"), pv, agent.Search{})
	second := w.mounted(t, ownerNamed("second12"), pv, agent.Search{})
	if first.Node != "node-1" || second.Node != "node-2" {
		t.Errorf("the Pods are on %s and %s", first.Node, second.Node)
	}
	third := ownerNamed("third123")
	_, waiting, err := w.Mount(t.Context(), third, pv, agent.Search{})
	if err != nil || !strings.HasPrefix(waiting, "a node: no node can run the job") {
		t.Errorf("waiting for %q, error %v", waiting, err)
	}
	if at := w.mounted(t, Owner{Kind: Restore, Run: "uid-r-1", Mark: "other123"}, pv, agent.Search{}); at.Node != "node-1" {
		t.Errorf("the Pod of another run is on %s", at.Node)
	}
	if err := w.Remove(t.Context(), ownerNamed("second12")); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	if at := w.mounted(t, third, pv, agent.Search{}); at.Node != "node-2" {
		t.Errorf("the third Pod is on %s", at.Node)
	}
}

// TestNoMorePodsThanNodes holds that Pods which have no node yet are counted.
func TestNoMorePodsThanNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pv := sized(t, "pv-1", nasVolume)
	for i, want := range []string{
		"the pod velero/velero-hbr-volume-0 to be scheduled", "the pod velero/velero-hbr-volume-1 to be scheduled",
		"a node: other pods of this backup are to be scheduled first",
	} {
		_, waiting, err := w.Mount(t.Context(), ownerNamed(fmt.Sprintf("volume-%d", i)), pv, agent.Search{})
		if err != nil || waiting != want {
			t.Errorf("waiting for %q, error %v, want %q", waiting, err, want)
		}
	}
	if _, waiting, err := w.Mount(t.Context(), ownerNamed("volume-0"), pv, agent.Search{}); err != nil || waiting != "the pod velero/velero-hbr-volume-0 to be scheduled (it is )" && waiting != "the pod velero/velero-hbr-volume-0 to be scheduled (it is Pending)" {
		t.Errorf("waiting for %q, error %v", waiting, err)
	}
}

// TestAPodGivesWay holds that a Pod without a node is taken back when others have taken all
// that it could have.
func TestAPodGivesWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pv := sized(t, "pv-1", nasVolume)
	owner := ownerNamed("abc12345")
	if _, _, err := w.Mount(t.Context(), owner, pv, agent.Search{}); err != nil {
		t.Fatal(err)
	}
	taken := agent.Search{Busy: map[string]bool{"node-1": true, "node-2": true}}
	_, waiting, err := w.Mount(t.Context(), owner, pv, taken)
	if err != nil || !strings.HasPrefix(waiting, "a node: ") || get[corev1.Pod](t, w, velero, owner.name()) != nil {
		t.Errorf("waiting for %q, error %v, and the Pod is there", waiting, err)
	}
	if at := w.mounted(t, owner, pv, agent.Search{Busy: map[string]bool{"node-1": true}}); at.Node != "node-2" {
		t.Errorf("the Pod is on %s", at.Node)
	}
}

// TestANodeThatHasBecomeBusy holds that a Pod that runs on it waits too.
func TestANodeThatHasBecomeBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pv := sized(t, "pv-1", nasVolume)
	owner := ownerNamed("abc12345")
	w.mounted(t, owner, pv, agent.Search{})
	_, waiting, err := w.Mount(t.Context(), owner, pv, agent.Search{Busy: map[string]bool{"node-1": true}})
	if err != nil || waiting != "node node-1, which runs another job of this backup" {
		t.Errorf("waiting for %q, error %v", waiting, err)
	}
}

// TestPodsThatAreMadeAtOnce holds the same for calls at the same time.
func TestPodsThatAreMadeAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pv := sized(t, "pv-1", nasVolume)
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			if _, _, err := w.Mount(t.Context(), ownerNamed(fmt.Sprintf("volume-%d", i)), pv, agent.Search{}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	pods := &corev1.PodList{}
	if err := w.api.List(t.Context(), pods); err != nil || len(pods.Items) != 2 {
		t.Errorf("%d Pods for two nodes, error %v", len(pods.Items), err)
	}
}

// TestWhatTheClusterDoesNotAllow holds that it is told at once, and that an object which
// another process has made meanwhile is none of that.
func TestWhatTheClusterDoesNotAllow(t *testing.T) {
	t.Parallel()
	pods := schema.GroupResource{Resource: "pods"}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"an admission webhook", apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "x", nil), `creating the Pod velero-hbr-abc12345: Pod "x" is invalid`},
		{"a malformed object", apierrors.NewBadRequest("no"), "creating the Pod velero-hbr-abc12345: no"},
		{"another process", apierrors.NewAlreadyExists(pods, "x"), ""},
	}
	sim := newCloud(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldIn(t, sim)
			w.deny = func(verb string, object any) error {
				if _, ok := object.(*corev1.Pod); ok && verb == "create" {
					return tt.err
				}
				return nil
			}
			_, _, err := w.Mount(t.Context(), ownerNamed("abc12345"), sized(t, "pv-1", nasVolume), agent.Search{})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != tt.want || !final.Is(err)) {
				t.Errorf("error %v, want the final one %q", err, tt.want)
			}
		})
	}
}

func TestAPodThatWasEvicted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pv := sized(t, "pv-1", nasVolume)
	owner := ownerNamed("abc12345")
	w.mounted(t, owner, pv, agent.Search{})
	before := get[corev1.Pod](t, w, velero, owner.name())
	const begun = "2026-01-02T03:04:05Z"
	w.config.Timeout = 1 << 62
	change(t, w, before, func(p *corev1.Pod) {
		p.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}
		p.Annotations[sinceAnnotation] = begun
	})
	_, waiting, err := w.Mount(t.Context(), owner, pv, agent.Search{})
	if err != nil || waiting != "the pod velero/velero-hbr-abc12345 to be scheduled" {
		t.Errorf("waiting for %q, error %v", waiting, err)
	}
	after := get[corev1.Pod](t, w, velero, owner.name())
	if after == nil || after.UID == before.UID || after.Annotations[sinceAnnotation] != begun {
		t.Errorf("the Pod was not made again: %+v", after)
	}
	if at := w.mounted(t, owner, pv, agent.Search{}); w.content(t, at) != orders {
		t.Errorf("nothing is at %+v", at)
	}
}

func TestWhatIsNotThereInTime(t *testing.T) {
	t.Parallel()
	const tmpClaim = "create cluster resources timeout: wait for created tmp pvc velero/velero-hbr-abc12345 for convertion bound time out" //nolint:misspell // So the backup center writes it.
	noImage := node.Faults{Pull: func(string) error { return errors.New("not found") }}
	noStorage := node.Faults{Provision: func(*corev1.PersistentVolumeClaim) error { return errors.New("no zone has such a disk") }}
	noMount := node.Faults{Mount: func(*corev1.Pod, *corev1.PersistentVolume) error { return errors.New("access denied by server") }}
	owner := ownerNamed("abc12345")
	mount := func(t *testing.T, w *world) (string, error) {
		t.Helper()
		_, waiting, err := w.Mount(t.Context(), owner, sized(t, "pv-1", nasVolume), agent.Search{})
		return waiting, err
	}
	provision := func(class string) func(*testing.T, *world) (string, error) {
		return func(t *testing.T, w *world) (string, error) {
			t.Helper()
			_, waiting, err := w.Provision(t.Context(), owner, ofClass(class, true), agent.Search{})
			return waiting, err
		}
	}
	tests := []struct {
		name   string
		faults node.Faults
		step   func(*testing.T, *world) (string, error)
		// spoil happens before time passes.
		spoil func(*testing.T, *world)
		// waiting is what is waited for in time, want the error after it.
		waiting, want string
	}{
		{
			name: "the image of the Pod", faults: noImage, step: mount,
			waiting: `the pod velero/velero-hbr-abc12345 to run on node node-1 (ImagePullBackOff: Failed to pull image "` + ownPlugin + `": not found)`,
			want:    `create cluster resources timeout: the pod velero/velero-hbr-abc12345 does not run on node node-1: Failed: Failed to pull image "` + ownPlugin + `": not found`,
		},
		{
			name: "the volume of the Pod", faults: noMount, step: mount,
			waiting: "the pod velero/velero-hbr-abc12345 to run on node node-1 (ContainerCreating)",
			want:    `create cluster resources timeout: the pod velero/velero-hbr-abc12345 does not run on node node-1: FailedMount: MountVolume.SetUp failed for volume "velero-hbr-abc12345" : access denied by server`,
		},
		{
			name: "the node of the Pod", step: mount,
			spoil: func(t *testing.T, w *world) {
				t.Helper()
				for _, name := range []string{"node-1", "node-2"} {
					if err := w.api.Delete(t.Context(), get[corev1.Node](t, w, "", name)); err != nil {
						t.Fatal(err)
					}
				}
				w.create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-3"}})
			},
			waiting: "the pod velero/velero-hbr-abc12345 to be scheduled (0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.)",
			want:    "create cluster resources timeout: the pod velero/velero-hbr-abc12345 has no node: FailedScheduling: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
		},
		{
			name: "a claim that is provisioned at once", faults: noStorage, step: provision("direct"), waiting: "the claim velero/velero-hbr-abc12345 to be bound",
			want: tmpClaim + `: ProvisioningFailed: failed to provision volume with StorageClass "direct": no zone has such a disk`,
		},
		{
			name: "a claim that waits for its Pod", faults: noStorage, step: provision("waiting"), waiting: "the pod velero/velero-hbr-abc12345 to be scheduled (it is )",
			want: tmpClaim + `: ProvisioningFailed: failed to provision volume with StorageClass "waiting": no zone has such a disk`,
		},
		{
			name: "a claim of which nobody says anything", step: provision("unknown"), waiting: "the claim velero/velero-hbr-abc12345 to be bound",
			spoil: func(t *testing.T, w *world) {
				t.Helper()
				if err := w.api.DeleteAllOf(t.Context(), &corev1.Event{}); err != nil {
					t.Fatal(err)
				}
			},
			want: tmpClaim,
		},
	}
	sim := newCloud(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldIn(t, sim)
			w.create(t, classFrom(t, "unknown", `{provisioner: kubernetes.io/nobody, volumeBindingMode: Immediate}`))
			w.nodes.SetFaults(tt.faults)
			for i := range 4 {
				waiting, err := tt.step(t, w)
				if err != nil {
					t.Fatal(err)
				}
				if i == 0 && tt.spoil != nil {
					tt.spoil(t, w)
				}
				if i == 3 && waiting != tt.waiting {
					t.Errorf("waiting for %q, want %q", waiting, tt.waiting)
				}
				w.settle(t)
			}
			w.waitLong(t, owner)
			_, err := tt.step(t, w)
			if err == nil || err.Error() != tt.want || !final.Is(err) {
				t.Errorf("error %v, want the final one\n%s", err, tt.want)
			}
			if err := w.Remove(t.Context(), owner); err != nil {
				t.Error(err)
			}
			w.settle(t)
			if left := w.left(t); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestObjectsOfSomebodyElse holds that what has the name of a temporary object by chance
// is neither used nor removed.
func TestObjectsOfSomebodyElse(t *testing.T) {
	t.Parallel()
	owner := ownerNamed("abc12345")
	meta := metav1.ObjectMeta{Namespace: velero, Name: owner.name()}
	pv := sized(t, "pv-1", nasVolume)
	tests := []struct {
		name string
		make func(*testing.T, *world)
	}{
		{"Pod", func(t *testing.T, w *world) { t.Helper(); w.create(t, &corev1.Pod{ObjectMeta: meta}) }},
		{"PersistentVolumeClaim", func(t *testing.T, w *world) { t.Helper(); w.create(t, &corev1.PersistentVolumeClaim{ObjectMeta: meta}) }},
		{"PersistentVolume", func(t *testing.T, w *world) { t.Helper(); w.create(t, sized(t, owner.name(), nasVolume)) }},
	}
	sim := newCloud(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldIn(t, sim)
			tt.make(t, w)
			before := w.left(t)
			_, _, err := w.Mount(t.Context(), owner, pv, agent.Search{})
			want := "the " + tt.name + " velero-hbr-abc12345 is there and was not made for this backup: delete it"
			if err == nil || err.Error() != want || !final.Is(err) {
				t.Errorf("error %v, want the final one %q", err, want)
			}
			if err := w.Remove(t.Context(), owner); err != nil {
				t.Error(err)
			}
			w.settle(t)
			if diff := cmp.Diff(before, w.left(t)); diff != "" {
				t.Errorf("there is (-before +after):\n%s", diff)
			}
		})
	}
}

// TestWhatIsLeftOfAFormerAttempt holds that it is waited for until that has gone.
func TestWhatIsLeftOfAFormerAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, pv := ownerNamed("abc12345"), sized(t, "pv-1", nasVolume)
	w.mounted(t, owner, pv, agent.Search{})
	if err := w.Remove(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"the former pod velero/velero-hbr-abc12345 to be gone", "the former claim velero/velero-hbr-abc12345 to be gone"} {
		_, waiting, err := w.Mount(t.Context(), owner, pv, agent.Search{})
		if err != nil || waiting != want {
			t.Errorf("waiting for %q, error %v, want %q", waiting, err, want)
		}
		_, waiting, err = w.Provision(t.Context(), owner, ofClass("direct", false), agent.Search{})
		if err != nil || waiting != "the former claim velero/velero-hbr-abc12345 to be gone" {
			t.Errorf("waiting for %q, error %v", waiting, err)
		}
		if pod := get[corev1.Pod](t, w, velero, owner.name()); pod != nil {
			before := pod.DeepCopy()
			pod.Finalizers = nil
			if err := w.api.Patch(t.Context(), pod, client.MergeFrom(before)); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.settle(t)
	if at := w.mounted(t, owner, pv, agent.Search{}); w.content(t, at) != orders {
		t.Errorf("nothing is at %+v", at)
	}
	// Somebody deletes the claim: its volume takes no other one.
	if _, err := w.Unmount(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	if err := w.api.Delete(t.Context(), get[corev1.PersistentVolumeClaim](t, w, velero, owner.name())); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	if _, waiting, err := w.Mount(t.Context(), owner, pv, agent.Search{}); err != nil || waiting != "the former volume velero-hbr-abc12345 to be gone" {
		t.Errorf("waiting for %q, error %v", waiting, err)
	}
	if at := w.mounted(t, owner, pv, agent.Search{}); w.content(t, at) != orders {
		t.Errorf("nothing is at %+v", at)
	}
}

func TestWhatAPodSaysOfItself(t *testing.T) {
	t.Parallel()
	container := func(state corev1.ContainerState) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{}, {State: state}}}
	}
	tests := []struct {
		name   string
		status corev1.PodStatus
		want   string
	}{
		{"nothing but its phase", corev1.PodStatus{Phase: corev1.PodPending}, "it is Pending"},
		{"a reason", corev1.PodStatus{Reason: "NodeLost"}, "NodeLost"},
		{"a message", corev1.PodStatus{Message: "Pod was rejected"}, "Pod was rejected"},
		{"both", corev1.PodStatus{Reason: "Evicted", Message: "low on memory"}, "Evicted: low on memory"},
		{"a container that waits", container(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}}), "ErrImagePull"},
		{"a container that has ended", container(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", Message: "no such file"}}), "Error: no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := statusOf(&corev1.Pod{Status: tt.status}); got != tt.want {
				t.Errorf("it says %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTheSecretOfAFlexVolume holds that it is that of the original's namespace, not of the copy's.
func TestTheSecretOfAFlexVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pv := sized(t, "pv-1", nasFlexVolume)
	pv.Spec.FlexVolume.SecretRef = &corev1.SecretReference{Name: "nas-secret"}
	pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "shop", Name: "data"}
	if at := w.mounted(t, ownerNamed("abc12345"), pv, agent.Search{}); w.content(t, at) != orders {
		t.Errorf("nothing is at %+v", at)
	}
	if pv.Spec.FlexVolume.SecretRef.Namespace != "" || pv.Spec.Capacity.Storage().Cmp(resource.MustParse("20Gi")) != 0 {
		t.Error("the original was changed")
	}
}
