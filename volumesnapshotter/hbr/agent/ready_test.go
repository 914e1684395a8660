// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
)

// toBeScheduled makes a Pod one that has no node yet.
func toBeScheduled(message string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Spec.NodeName = ""
		pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
				{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"node-1"}},
			}}},
		}}}
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: message}}
	}
}

// unreadySince makes a Pod one that was ready before.
func unreadySince(since time.Time) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(since)}}
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	const (
		noKey  = "couldn't find key HBR_TOKEN in Secret velero/hbr-client"
		thePod = "the pod velero/hbr-client-x of the Cloud Backup client on node node-1: "
	)
	young, old := time.Now(), time.Now().Add(-6*time.Minute)
	tests := []struct {
		name string
		pod  *corev1.Pod
		// waiting is a part of what is waited for, wantErr the error.
		waiting, wantErr string
		final            bool
	}{
		{name: "the client runs", pod: clientPod(velero, old, isReadyPod)},
		{name: "there is no Pod yet", waiting: "the Cloud Backup client (DaemonSet velero/hbr-client) to start on node node-1"},
		{
			name: "the Pod of another node does not count", pod: clientPod(velero, old, isReadyPod, func(p *corev1.Pod) { p.Spec.NodeName = "node-2" }),
			waiting: "to start on node node-1",
		},
		{name: "the Pod starts", pod: clientPod(velero, young), waiting: "the pod velero/hbr-client-x of the Cloud Backup client to be ready on node node-1 (it is Pending and not ready)"},
		{name: "the Pod does not start", pod: clientPod(velero, old), wantErr: thePod + "it is Pending and not ready", final: true},
		{name: "a Pod whose age is not known is young", pod: clientPod(velero, time.Time{}), waiting: "to be ready on node node-1"},
		{name: "the Pod was ready before", pod: clientPod(velero, old, unreadySince(young)), waiting: "(it is Running and not ready)"},
		{name: "the Pod was ready long ago", pod: clientPod(velero, old.Add(-time.Hour), unreadySince(old)), wantErr: thePod + "it is Running and not ready", final: true},
		{name: "the node has no room for the Pod", pod: clientPod(velero, young, toBeScheduled("0/1 nodes: Insufficient memory.")), waiting: "(0/1 nodes: Insufficient memory.)"},
		{name: "the node has no room for long", pod: clientPod(velero, old, toBeScheduled("0/1 nodes: Insufficient memory.")), wantErr: thePod + "0/1 nodes: Insufficient memory.", final: true},
		{name: "the token is missing", pod: clientPod(velero, young, waits("CreateContainerConfigError", noKey)), wantErr: thePod + "CreateContainerConfigError: " + noKey},
		{name: "the token is missing for long", pod: clientPod(velero, old, waits("CreateContainerConfigError", noKey)), wantErr: thePod + "CreateContainerConfigError: " + noKey, final: true},
		{name: "the client crashes", pod: clientPod(velero, young, waits("CrashLoopBackOff", "")), wantErr: thePod + "CrashLoopBackOff"},
		{name: "the image is not there", pod: clientPod(velero, old, waits("ImagePullBackOff", "not found")), wantErr: thePod + "ImagePullBackOff: not found", final: true},
		{name: "the container is made", pod: clientPod(velero, young, waits("ContainerCreating", "")), waiting: "it is Pending and not ready"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			objects := []client.Object{clientIn(velero)}
			if tt.pod != nil {
				objects = append(objects, tt.pod)
			}
			w := newWorld(t, objects...)
			waiting, err := w.Ready(t.Context(), "node-1")
			if (tt.waiting == "") != (waiting == "") || !strings.Contains(waiting, tt.waiting) {
				t.Errorf("waiting for %q, want %q", waiting, tt.waiting)
			}
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || err.Error() != tt.wantErr) || final.Is(err) != tt.final {
				t.Errorf("error %v (final: %v), want %q (final: %v)", err, final.Is(err), tt.wantErr, tt.final)
			}
			if got := get[corev1.Node](t, w, "", "node-1").Labels[enabledLabel]; got != "true" {
				t.Errorf("the node's label is %q", got)
			}
		})
	}
}

func TestTheClientOfTheBackupCenterServes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, clientIn(backupCenter), clientPod(backupCenter, time.Now(), isReadyPod))
	if waiting, err := w.Ready(t.Context(), "node-1"); err != nil || waiting != "" {
		t.Errorf("waiting for %q, error %v", waiting, err)
	}
}

// TestANodeIsLabelledOnce holds that a node which has the label is not written, and one
// that an administrator has taken out is taken in again, as the backup center does.
func TestANodeIsLabelledOnce(t *testing.T) {
	t.Parallel()
	patches := 0
	funcs := interceptor.Funcs{Patch: func(ctx context.Context, api client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
		patches++
		return api.Patch(ctx, object, patch, options...)
	}}
	out := nodeNamed("node-2", enabledLabel+"=false")
	w := newWorldWith(t, funcs, clientIn(velero), &out)
	for range 3 {
		if _, err := w.Ready(t.Context(), "node-2"); err != nil {
			t.Fatal(err)
		}
	}
	if patches != 1 || get[corev1.Node](t, w, "", "node-2").Labels[enabledLabel] != "true" {
		t.Errorf("%d patches, want one", patches)
	}
}

func TestWhatIsNotReady(t *testing.T) {
	t.Parallel()
	if _, err := newWorld(t).Ready(t.Context(), "node-1"); !final.Is(err) || !strings.HasPrefix(err.Error(), "the Cloud Backup client is not installed: ") {
		t.Errorf("error %v without a client", err)
	}
	if _, err := newWorld(t, clientIn(velero)).Ready(t.Context(), "node-9"); err == nil || !strings.HasPrefix(err.Error(), "reading the node node-9: ") {
		t.Errorf("error %v for a node that is not there", err)
	}
	broken := interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
		return errors.New("refused")
	}}
	if _, err := newWorldWith(t, broken, clientIn(velero)).Ready(t.Context(), "node-1"); err == nil || err.Error() != "labelling the node node-1 with csdr.alibabacloud.com/agent-enable=true: refused" {
		t.Errorf("error %v for a node that cannot be labelled", err)
	}
	absent := errors.New("no cluster")
	agents := New(nil, cluster.Absent(absent))
	_, readyErr := agents.Ready(t.Context(), "node-1")
	_, registeredErr := agents.Registered(t.Context(), told{}, "c-1")
	for _, err := range []error{readyErr, registeredErr} {
		if !errors.Is(err, absent) {
			t.Errorf("error %v without a cluster", err)
		}
	}
}
