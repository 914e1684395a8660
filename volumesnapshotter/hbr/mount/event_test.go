// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTheLastEvent(t *testing.T) {
	t.Parallel()
	const claim, pod = "PersistentVolumeClaim", "Pod"
	at := func(seconds int) time.Time { return time.Date(2026, 1, 2, 3, 4, seconds, 0, time.UTC) }
	// event returns one about the object of a kind that was last seen at a time, as seen says.
	event := func(kind, severity, reason string, seen func(*corev1.Event)) corev1.Event {
		e := corev1.Event{
			InvolvedObject: corev1.ObjectReference{Kind: kind, Name: "velero-hbr-abc12345"}, Type: severity, Reason: reason, Message: "x",
		}
		e.CreationTimestamp = metav1.NewTime(at(0))
		seen(&e)
		return e
	}
	last := func(seconds int) func(*corev1.Event) {
		return func(e *corev1.Event) { e.LastTimestamp = metav1.NewTime(at(seconds)) }
	}
	first := func(seconds int) func(*corev1.Event) {
		return func(e *corev1.Event) { e.EventTime = metav1.NewMicroTime(at(seconds)) }
	}
	series := func(seconds int) func(*corev1.Event) {
		return func(e *corev1.Event) {
			e.Series = &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(at(seconds))}
		}
	}
	other := event(claim, "Warning", "Other", last(59))
	other.InvolvedObject.Name = "velero-hbr-other123"
	tests := []struct {
		name   string
		events []corev1.Event
		want   string
	}{
		{"none", nil, ""},
		{"that of another object", []corev1.Event{other}, ""},
		{"by the time when it was last seen", []corev1.Event{event(claim, "Warning", "New", last(2)), event(claim, "Warning", "Old", last(1))}, "New: x"},
		{"by the times of either API", []corev1.Event{event(claim, "Warning", "New", series(3)), event(claim, "Warning", "Middle", first(2)), event(claim, "Warning", "Old", last(1))}, "New: x"},
		{"a warning before what is said later", []corev1.Event{event(claim, "Warning", "Failed", last(1)), event(claim, "Normal", "Waiting", last(2))}, "Failed: x"},
		{"the Pod's warning where the claim only waits", []corev1.Event{event(claim, "Normal", "WaitForPodScheduled", last(2)), event(pod, "Warning", "FailedScheduling", last(1))}, "FailedScheduling: x"},
		{"the claim's warning before the Pod's", []corev1.Event{event(claim, "Warning", "ProvisioningFailed", last(1)), event(pod, "Warning", "FailedScheduling", last(2))}, "ProvisioningFailed: x"},
		{"what is said of the claim, if there are no warnings", []corev1.Event{event(claim, "Normal", "WaitForFirstConsumer", last(1))}, "WaitForFirstConsumer: x"},
	}
	sim := newCloud(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldIn(t, sim)
			for i := range tt.events {
				tt.events[i].Namespace, tt.events[i].Name = velero, fmt.Sprintf("event-%d", i)
				w.create(t, &tt.events[i])
			}
			work, err := w.of(ownerNamed("abc12345"))
			if err != nil {
				t.Fatal(err)
			}
			if got := work.lastEvent(t.Context(), claim, pod); got != tt.want {
				t.Errorf("event %q, want %q", got, tt.want)
			}
		})
	}
}
