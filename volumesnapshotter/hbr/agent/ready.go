// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
)

// startTimeout is how long the client's Pod may take until it is ready: an image of some
// hundred MiB is pulled.
const startTimeout = 5 * time.Minute

// Ready lets the client run on a node and says what is waited for, "" when it is ready there.
//
// Its error is final where the client is not installed, and where its Pod has not been
// ready for five minutes. What keeps a Pod from starting (CreateContainerConfigError,
// CrashLoopBackOff, ImagePullBackOff) is told before that too, as an error that may pass.
func (a *Agents) Ready(ctx context.Context, node string) (waiting string, err error) {
	api, err := a.cluster.Client()
	if err != nil {
		return "", err
	}
	set, err := a.daemonSet(ctx, api)
	if err != nil {
		return "", err
	}
	if err := a.enable(ctx, api, node); err != nil {
		return "", err
	}
	found, err := pods(ctx, api, set.Namespace)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(found, func(pod corev1.Pod) bool { return pod.DeletionTimestamp == nil && nodeOf(&pod) == node })
	if i < 0 {
		return waitingFor(set, node), nil
	}
	return judge(&found[i], node)
}

func waitingFor(set *appsv1.DaemonSet, node string) string {
	return fmt.Sprintf("the Cloud Backup client (DaemonSet %s/%s) to start on node %s", set.Namespace, set.Name, node)
}

// enable labels a node as one that runs the client.
func (a *Agents) enable(ctx context.Context, api client.Client, name string) error {
	node := &corev1.Node{}
	if err := api.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
		return fmt.Errorf("reading the node %s: %w", name, err)
	}
	if node.Labels[enabledLabel] == "true" {
		return nil
	}
	a.log.WithField("node", name).Info("Labelling the node as one that runs the Cloud Backup client")
	before := node.DeepCopy()
	metav1.SetMetaDataLabel(&node.ObjectMeta, enabledLabel, "true")
	if err := api.Patch(ctx, node, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("labelling the node %s with %s=true: %w", name, enabledLabel, err)
	}
	return nil
}

// nodeOf returns the node that a DaemonSet's Pod is on, or is to be scheduled to; "" if
// it does not say.
func nodeOf(pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" || pod.Spec.Affinity == nil || pod.Spec.Affinity.NodeAffinity == nil ||
		pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return pod.Spec.NodeName
	}
	for _, term := range pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, field := range term.MatchFields {
			// A DaemonSet's Pod is bound to its node by this field before it is scheduled.
			if field.Key == metav1.ObjectNameField && len(field.Values) == 1 {
				return field.Values[0]
			}
		}
	}
	return ""
}

// judge says what is waited for until the client's Pod on a node is ready, or what keeps
// it from that.
func judge(pod *corev1.Pod, node string) (waiting string, err error) {
	unreadySince := pod.CreationTimestamp.Time
	reason := unscheduled(pod)
	for _, c := range pod.Status.Conditions {
		switch {
		case c.Type != corev1.PodReady:
		case c.Status == corev1.ConditionTrue:
			return "", nil
		case c.LastTransitionTime.After(unreadySince):
			unreadySince = c.LastTransitionTime.Time
		}
	}
	waits := stuck(pod)
	if waits != nil {
		reason = waits.Reason
		if waits.Message != "" {
			reason += ": " + waits.Message
		}
	}
	err = fmt.Errorf("the pod %s/%s of the Cloud Backup client on node %s: %s", pod.Namespace, pod.Name, node, reason)
	switch {
	case !unreadySince.IsZero() && time.Since(unreadySince) > startTimeout:
		return "", final.Of(err)
	case waits != nil:
		return "", err
	default:
		return fmt.Sprintf("the pod %s/%s of the Cloud Backup client to be ready on node %s (%s)", pod.Namespace, pod.Name, node, reason), nil
	}
}

// unscheduled says why a Pod has not started: the scheduler's message, else its phase.
func unscheduled(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status != corev1.ConditionTrue && c.Message != "" {
			return c.Message
		}
	}
	return fmt.Sprintf("it is %s and not ready", pod.Status.Phase)
}

// stuck returns the state of a container that waits for what does not come by itself, nil
// if there is none.
func stuck(pod *corev1.Pod) *corev1.ContainerStateWaiting {
	for _, container := range append(slices.Clone(pod.Status.InitContainerStatuses), pod.Status.ContainerStatuses...) {
		if container.State.Waiting == nil {
			continue
		}
		switch container.State.Waiting.Reason {
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff",
			"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull":
			return container.State.Waiting
		}
	}
	return nil
}
