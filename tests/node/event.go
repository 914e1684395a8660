// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

func claimReference(claim *corev1.PersistentVolumeClaim) corev1.ObjectReference {
	return corev1.ObjectReference{
		APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
	}
}

// warn makes an event about an object of a namespace, once for each message.
func (c *Cluster) warn(ctx context.Context, who string, about corev1.ObjectReference, reason, message string) error {
	key := strings.Join([]string{string(about.UID), reason, message}, "\n")
	if c.told[key] {
		return nil
	}
	now := metav1.NewTime(c.options.Now())
	err := c.client.Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: about.Namespace, Name: fmt.Sprintf("%s.%x", about.Name, sha256.Sum256([]byte(key)))[:min(len(about.Name)+17, 253)],
		},
		InvolvedObject: about, Type: corev1.EventTypeWarning, Reason: reason, Message: message, Count: 1,
		FirstTimestamp: now, LastTimestamp: now, Source: corev1.EventSource{Component: who},
	})
	if err != nil && !apierrors.IsAlreadyExists(err) && !endsWithItsNamespace(err) {
		return fmt.Errorf("tell of %s: %w", reason, err)
	}
	c.told[key] = true
	return nil
}
