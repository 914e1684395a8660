// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// others returns the nodes of the other temporary Pods of the run, and how many of these
// Pods have none yet.
func (t temporary) others(ctx context.Context) (busy map[string]bool, unscheduled int, err error) {
	found := &corev1.PodList{}
	err = t.api.List(ctx, found, client.InNamespace(t.cluster.Namespace()), client.MatchingLabels{runLabel: string(t.owner.Run)})
	if err != nil {
		return nil, 0, fmt.Errorf("listing the temporary pods: %w", err)
	}
	busy = map[string]bool{}
	for i := range found.Items {
		pod := &found.Items[i]
		switch {
		case pod.Name == t.owner.name() || hasEnded(pod):
		case pod.Spec.NodeName == "":
			unscheduled++
		default:
			busy[pod.Spec.NodeName] = true
		}
	}
	return busy, unscheduled, nil
}

// hasEnded tells whether nothing runs in a Pod any more.
func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

// nodes returns the names of the nodes that may have the owner's Pod, and how many other
// Pods of the run are to get a node too. It is a *agent.NoNodeError if there are none.
func (t temporary) nodes(ctx context.Context, where agent.Search) (names []string, rivals int, err error) {
	all, err := t.Nodes(ctx)
	if err != nil {
		return nil, 0, err
	}
	busy, rivals, err := t.others(ctx)
	if err != nil {
		return nil, 0, err
	}
	maps.Copy(busy, where.Busy)
	where.Busy = busy
	names, err = where.Candidates(all)
	return names, rivals, err
}

// start makes the owner's Pod, which is waited for since a time, as soon as a node is
// free for it. ensure makes what it mounts, and says what is waited for.
func (t temporary) start(ctx context.Context, where agent.Search, since time.Time, ensure step) (waiting string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	names, rivals, err := t.nodes(ctx, where)
	if err != nil {
		return noNode(err)
	}
	if rivals >= len(names) {
		return "a node: other pods of this " + t.owner.Kind + " are to be scheduled first", nil
	}
	image, err := t.imageOf(ctx)
	if err != nil {
		return "", err
	}
	if err := t.ensurePriorityClass(ctx); err != nil {
		return "", err
	}
	if waiting, err := ensure(ctx); waiting != "" || err != nil {
		return waiting, err
	}
	if err := create(ctx, t.api, "Pod", t.podOn(names, where.Policy, image, since)); err != nil {
		return "", err
	}
	return fmt.Sprintf("the pod %s to be scheduled", t), nil
}

// step does what can be done now, and says what is waited for before the next one.
type step func(context.Context) (waiting string, err error)

// noNode says what is waited for where an error is that no node is free. Others stay.
func noNode(err error) (waiting string, _ error) {
	var none *agent.NoNodeError
	if !errors.As(err, &none) {
		return "", err
	}
	return none.Outcome()
}

// running returns the owner's Pod once it runs, and makes it where it is missing. Before
// that it says what is waited for. ensure makes what the Pod mounts.
func (t temporary) running(ctx context.Context, where agent.Search, ensure step) (pod *corev1.Pod, waiting string, err error) {
	pod, err = t.pod(ctx)
	switch {
	case err != nil:
		return nil, "", err
	case pod == nil:
		waiting, err = t.start(ctx, where, time.Now(), ensure)
	case pod.DeletionTimestamp != nil:
		waiting = fmt.Sprintf("the former pod %s to be gone", t)
	case pod.Status.Phase == corev1.PodRunning && where.Busy[pod.Spec.NodeName]:
		waiting = fmt.Sprintf("node %s, which runs another job of this %s", pod.Spec.NodeName, t.owner.Kind)
	case pod.Status.Phase == corev1.PodRunning:
		return pod, "", nil
	case hasEnded(pod) && (hasRun(pod) || !t.late(pod)):
		waiting, err = t.again(ctx, pod, where, ensure)
	case t.late(pod):
		err = t.tooLate(ctx, pod)
	default:
		waiting, err = t.pending(ctx, pod, where)
	}
	return nil, waiting, err
}

// again makes a Pod anew that has ended: it was evicted, or its node was lost.
func (t temporary) again(ctx context.Context, pod *corev1.Pod, where agent.Search, ensure step) (waiting string, err error) {
	t.log.WithField("pod", t.String()).WithField("status", statusOf(pod)).Warn("A temporary pod has ended before its time: making it again")
	// There is nothing to wait for: its containers have ended.
	if err := remove(ctx, t.api, "Pod", pod, client.GracePeriodSeconds(0)); err != nil {
		return "", err
	}
	started := since(pod)
	if hasRun(pod) {
		started = time.Now() // It had been there in time.
	}
	return t.start(ctx, where, started, ensure)
}

// hasRun tells whether a container of a Pod that has ended had begun.
func hasRun(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		ended := c.State.Terminated
		return ended != nil && !ended.StartedAt.IsZero()
	})
}

// pending says what a Pod that does not run yet waits for. One without a node is deleted
// if all the nodes that it could have are taken by other jobs, so that its time does not
// run while it waits for them.
func (t temporary) pending(ctx context.Context, pod *corev1.Pod, where agent.Search) (waiting string, err error) {
	if pod.Spec.NodeName != "" {
		return fmt.Sprintf("the pod %s to run on node %s (%s)", t, pod.Spec.NodeName, statusOf(pod)), nil
	}
	_, _, err = t.nodes(ctx, where)
	var none *agent.NoNodeError
	switch {
	case errors.As(err, &none):
		if waiting, _ := none.Outcome(); waiting != "" {
			return waiting, remove(ctx, t.api, "Pod", pod)
		}
	case err != nil:
		return "", err
	}
	return fmt.Sprintf("the pod %s to be scheduled (%s)", t, statusOf(pod)), nil
}

// statusOf says what a Pod says of itself: why it has ended, has no node, or does not start.
func statusOf(pod *corev1.Pod) string {
	if pod.Status.Reason != "" || pod.Status.Message != "" {
		return reasoned(pod.Status.Reason, pod.Status.Message)
	}
	for _, c := range pod.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil {
			return reasoned(w.Reason, w.Message)
		}
		if ended := c.State.Terminated; ended != nil {
			return reasoned(ended.Reason, ended.Message)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status != corev1.ConditionTrue && c.Message != "" {
			return c.Message
		}
	}
	return "it is " + string(pod.Status.Phase)
}

func reasoned(reason, message string) string {
	switch "" {
	case reason:
		return message
	case message:
		return reason
	default:
		return reason + ": " + message
	}
}
