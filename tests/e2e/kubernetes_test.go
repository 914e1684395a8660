//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	velerov2alpha1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v2alpha1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

// podTimeout bounds the wait for Pods: images are on the node, volumes take the simulated cloud seconds.
const podTimeout = 3 * time.Minute

// create creates objects in the cluster.
func (s *site) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		must(t, s.Client.Create(t.Context(), object))
	}
}

// get reads an object anew.
func (s *site) get(t *testing.T, object client.Object) {
	t.Helper()
	must(t, s.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object))
}

// change changes an object as it is now.
func (s *site) change(t *testing.T, object client.Object, edit func()) {
	t.Helper()
	must(t, retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		edit()
		return s.Client.Update(t.Context(), object)
	}))
}

// eventually waits until check returns nil. When it does not, the test fails with what the cluster's events and Pods
// say.
func (s *site) eventually(t *testing.T, limit time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	if err := poll.Until(t.Context(), limit, what, check); err != nil {
		t.Fatalf("%v\n%s", err, s.report(t))
	}
}

// awaitRollout waits until a Deployment runs as it is now, and nothing of it as it was.
func (s *site) awaitRollout(t *testing.T, deployment *appsv1.Deployment) {
	t.Helper()
	name := deployment.Namespace + "/" + deployment.Name
	s.eventually(t, podTimeout, "the rollout of "+name, func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(deployment), deployment); err != nil {
			return err
		}
		want, status := *deployment.Spec.Replicas, deployment.Status
		if status.ObservedGeneration < deployment.Generation || status.UpdatedReplicas != want || status.Replicas != want || status.AvailableReplicas != want {
			return fmt.Errorf("%d replicas, %d of them updated, %d available, want %d", status.Replicas, status.UpdatedReplicas, status.AvailableReplicas, want)
		}
		return nil
	})
}

// awaitAgents is awaitRollout for a DaemonSet.
func (s *site) awaitAgents(t *testing.T, agents *appsv1.DaemonSet) {
	t.Helper()
	name := agents.Namespace + "/" + agents.Name
	s.eventually(t, podTimeout, "the rollout of "+name, func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(agents), agents); err != nil {
			return err
		}
		status := agents.Status
		if want := status.DesiredNumberScheduled; status.ObservedGeneration < agents.Generation || want == 0 ||
			status.UpdatedNumberScheduled != want || status.NumberAvailable != want {
			return fmt.Errorf("%d of %d are updated, %d available", status.UpdatedNumberScheduled, want, status.NumberAvailable)
		}
		return nil
	})
}

// awaitGone waits until there is no such object.
func (s *site) awaitGone(t *testing.T, object client.Object) {
	t.Helper()
	s.eventually(t, podTimeout, fmt.Sprintf("the end of %T %s", object, object.GetName()), func(ctx context.Context) error {
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		default:
			return fmt.Errorf("it is there, with the finalizers %v", object.GetFinalizers())
		}
	})
}

// deleteNamespace deletes a namespace with all that is in it, and waits until it is gone, and the volumes that go with
// their claims.
func (s *site) deleteNamespace(t *testing.T, name string) {
	t.Helper()
	volumes := s.volumesOf(t, name)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	must(t, s.Client.Delete(t.Context(), namespace))
	s.awaitGone(t, namespace)
	for _, volume := range volumes {
		if volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete {
			s.awaitGone(t, &volume)
		}
	}
}

// volumesOf are the volumes that are bound to claims of a namespace.
func (s *site) volumesOf(t *testing.T, namespace string) []corev1.PersistentVolume {
	t.Helper()
	list := &corev1.PersistentVolumeList{}
	must(t, s.Client.List(t.Context(), list))
	var found []corev1.PersistentVolume
	for _, volume := range list.Items {
		if volume.Spec.ClaimRef != nil && volume.Spec.ClaimRef.Namespace == namespace {
			found = append(found, volume)
		}
	}
	return found
}

// volumeOf is the volume that a claim is bound to.
func (s *site) volumeOf(t *testing.T, namespace, claim string) *corev1.PersistentVolume {
	t.Helper()
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: claim}}
	s.eventually(t, podTimeout, "the claim "+namespace+"/"+claim+" to be Bound", func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(c), c); err != nil {
			return err
		}
		if c.Status.Phase != corev1.ClaimBound {
			return fmt.Errorf("it is %q", c.Status.Phase)
		}
		return nil
	})
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: c.Spec.VolumeName}}
	s.get(t, volume)
	return volume
}

// awaitPod waits until a Pod is ready.
func (s *site) awaitPod(t *testing.T, namespace, name string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	s.eventually(t, podTimeout, "the Pod "+namespace+"/"+name+" to be ready", func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("it is %s: %+v", pod.Status.Phase, pod.Status.ContainerStatuses)
	})
	return pod
}

// awaitAccount waits for the ServiceAccount of Pods that name none: the API server refuses Pods before it is there.
func (s *site) awaitAccount(t *testing.T, namespace string) {
	t.Helper()
	s.eventually(t, podTimeout, "the default ServiceAccount of "+namespace, func(ctx context.Context) error {
		return s.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "default"}, &corev1.ServiceAccount{})
	})
}

// runToEnd runs a Pod until it has ended, and deletes it. A Pod that fails is a failure of the test.
func (s *site) runToEnd(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	s.awaitAccount(t, pod.Namespace)
	s.create(t, pod)
	s.eventually(t, podTimeout, "the end of the Pod "+pod.Namespace+"/"+pod.Name, func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		if phase := pod.Status.Phase; phase != corev1.PodSucceeded && phase != corev1.PodFailed {
			return fmt.Errorf("it is %s", phase)
		}
		return nil
	})
	if pod.Status.Phase == corev1.PodFailed {
		logs, err := s.logs(t, pod)
		t.Fatalf("the Pod %s/%s has failed: %v\n%s", pod.Namespace, pod.Name, err, logs)
	}
	must(t, s.Client.Delete(t.Context(), pod))
	s.awaitGone(t, pod)
}

// logs are those of a Pod with one container.
func (s *site) logs(t *testing.T, pod *corev1.Pod) (string, error) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), s.kubectl, "--kubeconfig="+s.Kubeconfig, "--namespace="+pod.Namespace, "logs", pod.Name).CombinedOutput()
	return string(output), err
}

// report is what the cluster says of what is wrong: Pods that are not ready, events that are warnings, and how far Velero's
// own transfers are.
func (s *site) report(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	var b strings.Builder
	fmt.Fprintf(&b, "cluster %s:\n", s.Name)
	pods := &corev1.PodList{}
	if err := s.Client.List(ctx, pods); err != nil {
		fmt.Fprintf(&b, "%v\n", err)
	}
	for _, pod := range pods.Items {
		for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			if !status.Ready {
				fmt.Fprintf(&b, "Pod %s/%s %s: container %s: %s\n", pod.Namespace, pod.Name, pod.Status.Phase, status.Name, status.State.String())
			}
			if last := status.LastTerminationState.Terminated; last != nil {
				fmt.Fprintf(&b, "Pod %s/%s: container %s ended before: %s: %s\n", pod.Namespace, pod.Name, status.Name, last.Reason, last.Message)
			}
		}
	}
	events := &corev1.EventList{}
	if err := s.Client.List(ctx, events); err != nil {
		fmt.Fprintf(&b, "%v\n", err)
	}
	for _, event := range events.Items {
		if event.Type == corev1.EventTypeWarning {
			o := event.InvolvedObject
			fmt.Fprintf(&b, "%s %s/%s: %s: %s (%d times)\n", o.Kind, o.Namespace, o.Name, event.Reason, event.Message, event.Count)
		}
	}
	s.reportTransfers(ctx, &b)
	return b.String()
}

// reportTransfers writes the phases of what node agents work at.
func (s *site) reportTransfers(ctx context.Context, b *strings.Builder) {
	for _, kind := range []schema.GroupVersionKind{
		velerov1.SchemeGroupVersion.WithKind("BackupRepository"), velerov1.SchemeGroupVersion.WithKind("PodVolumeBackup"),
		velerov1.SchemeGroupVersion.WithKind("PodVolumeRestore"),
		velerov2alpha1.SchemeGroupVersion.WithKind("DataUpload"), velerov2alpha1.SchemeGroupVersion.WithKind("DataDownload"),
	} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := s.Client.List(ctx, list); err != nil {
			if !apimeta.IsNoMatchError(err) {
				fmt.Fprintf(b, "%v\n", err)
			}
			continue
		}
		for _, item := range list.Items {
			phase, _, _ := unstructured.NestedString(item.Object, "status", "phase")
			message, _, _ := unstructured.NestedString(item.Object, "status", "message")
			fmt.Fprintf(b, "%s %s/%s is %s: %s\n", kind.Kind, item.GetNamespace(), item.GetName(), phase, message)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
