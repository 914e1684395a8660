// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Why a container waits, in the kubelet's words.
const (
	reasonCreating    = "ContainerCreating"
	reasonConfig      = "CreateContainerConfigError"
	reasonPull        = "ImagePullBackOff"
	reasonCrash       = "CrashLoopBackOff"
	reasonFailedMount = "FailedMount"
	reasonFailedStart = "Failed"
)

// pod is what a kubelet has of a Pod.
type pod struct {
	node *machine
	// dir is the directory of the Pod on its node.
	dir string
	// mounts are the volumes that are mounted for it, by PersistentVolume.
	mounts map[string]mounted
	// agent is the Cloud Backup client that runs in it, nil if there is none that has registered.
	agent *registration
}

// runPods brings what runs on the nodes closer to what is to run there.
func (r *round) runPods(ctx context.Context) error {
	var errs []error
	present := map[types.UID]bool{}
	for i := range r.pods {
		p := &r.pods[i]
		present[p.UID] = true
		if err := r.runPod(ctx, p); err != nil {
			errs = append(errs, fmt.Errorf("the kubelet of the pod %s/%s: %w", p.Namespace, p.Name, err))
		}
	}
	for uid, p := range r.Cluster.pods {
		if !present[uid] && r.kubeletOf(p.node.name) != nil {
			errs = append(errs, r.stop(uid))
		}
	}
	return errors.Join(errs...)
}

func (r *round) runPod(ctx context.Context, p *corev1.Pod) error {
	on := r.kubeletOf(p.Spec.NodeName)
	switch {
	case on == nil:
		return nil // Nobody is there to do anything.
	case p.DeletionTimestamp != nil:
		return errors.Join(r.stop(p.UID), r.remove(ctx, p))
	case hasEnded(p):
		return r.stop(p.UID)
	}
	wait, err := r.startPod(ctx, p, on)
	if err != nil {
		return err
	}
	return r.tell(ctx, p, wait)
}

// waiting is why the containers of a Pod do not run. The zero value is for those that do.
type waiting struct{ reason, message string }

// startPod does what is next until a Pod runs.
func (r *round) startPod(ctx context.Context, p *corev1.Pod, on *machine) (waiting, error) {
	if !on.virtual {
		ready, err := r.mountAll(ctx, p, on)
		if err != nil || !ready {
			return waiting{reason: reasonCreating}, err
		}
	}
	for _, c := range p.Spec.Containers {
		if err := r.pull(c.Image); err != nil {
			message := fmt.Sprintf("Failed to pull image %q: %v", c.Image, err)
			return waiting{reasonPull, message}, r.warn(ctx, kubelet, podReference(p), reasonFailedStart, message)
		}
	}
	environment, wait, err := r.environment(ctx, p)
	if err != nil || wait.reason != "" {
		if wait.reason != "" {
			err = errors.Join(err, r.warn(ctx, kubelet, podReference(p), reasonFailedStart, "Error: "+wait.message))
		}
		return wait, err
	}
	if r.faults.Crash != nil {
		if err := r.faults.Crash(p); err != nil {
			message := "back-off restarting failed container: " + err.Error()
			return waiting{reasonCrash, message}, errors.Join(
				r.retire(r.Cluster.pods[p.UID]), r.warn(ctx, kubelet, podReference(p), "BackOff", message))
		}
	}
	if p.Labels[clientLabel] == clientName && !on.virtual {
		return waiting{}, r.enroll(p, on, environment)
	}
	return waiting{}, nil
}

func (r *round) pull(image string) error {
	if image == "" {
		return errors.New("it has no name")
	}
	if r.faults.Pull == nil {
		return nil
	}
	return r.faults.Pull(image)
}

// pod returns what a kubelet has of a Pod, and makes it if that is nothing.
func (r *round) pod(p *corev1.Pod, on *machine) *pod {
	known, ok := r.Cluster.pods[p.UID]
	if !ok {
		known = &pod{node: on, dir: on.podDir(p), mounts: map[string]mounted{}}
		r.Cluster.pods[p.UID] = known
	}
	return known
}

// stop takes all of a Pod from its node. There may be nothing.
func (c *Cluster) stop(uid types.UID) error {
	p, ok := c.pods[uid]
	if !ok {
		return nil
	}
	errs := []error{c.retire(p)}
	for name, m := range p.mounts {
		if err := errors.Join(p.node.files.Unmount(m.point), m.content.flush()); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", name, err))
		}
	}
	delete(c.pods, uid)
	dir, err := p.node.files.Resolve(p.dir)
	if err == nil {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// tell writes a Pod's status, unless it is that already.
func (r *round) tell(ctx context.Context, p *corev1.Pod, wait waiting) error {
	want := p.Status.DeepCopy()
	now := metav1.NewTime(r.options.Now())
	if want.StartTime == nil {
		want.StartTime = &now
	}
	running := wait.reason == ""
	want.Phase = corev1.PodRunning
	if !running && wait.reason != reasonCrash {
		want.Phase = corev1.PodPending
	}
	want.ContainerStatuses = containerStatuses(p, wait, now)
	truth := map[bool]corev1.ConditionStatus{true: corev1.ConditionTrue, false: corev1.ConditionFalse}
	for kind, holds := range map[corev1.PodConditionType]bool{
		corev1.PodScheduled: true, corev1.PodInitialized: running, corev1.ContainersReady: running, corev1.PodReady: running,
	} {
		changeCondition(want, kind, truth[holds], now)
	}
	if equality.Semantic.DeepEqual(want, &p.Status) {
		return nil
	}
	return patchStatus(ctx, r, p, func(p *corev1.Pod) { p.Status = *want })
}

// changeCondition sets a condition, unless it is so already.
func changeCondition(status *corev1.PodStatus, kind corev1.PodConditionType, want corev1.ConditionStatus, now metav1.Time) {
	for _, c := range status.Conditions {
		if c.Type == kind && c.Status == want {
			return
		}
	}
	setCondition(status, corev1.PodCondition{Type: kind, Status: want, LastTransitionTime: now})
}

// containerStatuses are what a Pod's containers do.
func containerStatuses(p *corev1.Pod, wait waiting, now metav1.Time) []corev1.ContainerStatus {
	all := make([]corev1.ContainerStatus, 0, len(p.Spec.Containers))
	for i, c := range p.Spec.Containers {
		ready := wait.reason == ""
		status := corev1.ContainerStatus{Name: c.Name, Image: c.Image, Ready: ready, Started: &ready}
		switch {
		case !ready:
			status.State.Waiting = &corev1.ContainerStateWaiting{Reason: wait.reason, Message: wait.message}
		case i < len(p.Status.ContainerStatuses) && p.Status.ContainerStatuses[i].State.Running != nil:
			status.State.Running = p.Status.ContainerStatuses[i].State.Running
		default:
			status.State.Running = &corev1.ContainerStateRunning{StartedAt: now}
		}
		all = append(all, status)
	}
	return all
}
