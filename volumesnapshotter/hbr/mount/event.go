// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
)

// tooLate is the error of a Pod that does not run in time: that of its claim where that is
// not bound.
func (t temporary) tooLate(ctx context.Context, pod *corev1.Pod) error {
	claim, err := t.claim(ctx)
	if err != nil {
		return err
	}
	if claim != nil && claim.Status.Phase != corev1.ClaimBound {
		return t.unbound(ctx)
	}
	return final.Of(&NotRunningError{
		Namespace: pod.Namespace, Name: pod.Name, Node: pod.Spec.NodeName,
		Event: cmp.Or(t.lastEvent(ctx, "Pod"), statusOf(pod)),
	})
}

// unbound is the error of a claim that is not bound in time. Where the claim waits for
// its Pod, the Pod's events tell why.
func (t temporary) unbound(ctx context.Context) error {
	return final.Of(&UnboundError{
		Namespace: t.cluster.Namespace(), Name: t.owner.name(), Event: t.lastEvent(ctx, "PersistentVolumeClaim", "Pod"),
	})
}

// lastEvent returns what the cluster said last about the temporary objects of the kinds:
// the last warning about the first that has one, else the last of all that it said.
func (t temporary) lastEvent(ctx context.Context, kinds ...string) string {
	events := &corev1.EventList{}
	if err := t.api.List(ctx, events, client.InNamespace(t.cluster.Namespace())); err != nil {
		t.log.WithError(err).Warn("Cannot read the events of a temporary object")
		return ""
	}
	var last, warning *corev1.Event
	slices.SortStableFunc(events.Items, func(a, b corev1.Event) int { return timeOf(&a).Compare(timeOf(&b)) })
	for _, kind := range kinds {
		for i := range events.Items {
			event := &events.Items[i]
			if event.InvolvedObject.Kind != kind || event.InvolvedObject.Name != t.owner.name() {
				continue
			}
			last = event
			if event.Type == corev1.EventTypeWarning {
				warning = event
			}
		}
		if warning != nil {
			break
		}
	}
	if told := cmp.Or(warning, last); told != nil {
		return reasoned(told.Reason, told.Message)
	}
	return ""
}

// timeOf returns when an event was last seen.
func timeOf(event *corev1.Event) time.Time {
	last := event.CreationTimestamp.Time
	for _, other := range []time.Time{event.LastTimestamp.Time, event.EventTime.Time, seriesTime(event)} {
		if other.After(last) {
			last = other
		}
	}
	return last
}

func seriesTime(event *corev1.Event) time.Time {
	if event.Series == nil {
		return time.Time{}
	}
	return event.Series.LastObservedTime.Time
}
