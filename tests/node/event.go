// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"

	corev1 "k8s.io/api/core/v1"
)

// Who tells of events.
const (
	scheduler = "default-scheduler"
	kubelet   = "kubelet"
)

// podReference is of what an event is.
func podReference(pod *corev1.Pod) corev1.ObjectReference {
	return corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
}

// warn makes an event about an object of a namespace, once for each message.
func (c *Cluster) warn(ctx context.Context, who string, about corev1.ObjectReference, reason, message string) error {
	return c.events.Warn(ctx, who, about, reason, message)
}
