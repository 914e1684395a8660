// SPDX-License-Identifier: Apache-2.0

// Package events tells of what goes wrong in a cluster by Events, as its components do.
package events

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Recorder makes events. It is safe for concurrent use.
type Recorder struct {
	client client.Client
	now    func() time.Time

	mu sync.Mutex
	// told are the events that there have been.
	told map[string]bool
}

// NewRecorder returns a recorder with a clock.
func NewRecorder(api client.Client, now func() time.Time) *Recorder {
	return &Recorder{client: api, now: now, told: map[string]bool{}}
}

// Warn makes an event about an object, once for each message. That of an object without a namespace is in default.
func (r *Recorder) Warn(ctx context.Context, who string, about corev1.ObjectReference, reason, message string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := strings.Join([]string{string(about.UID), reason, message}, "\n")
	if r.told[key] {
		return nil
	}
	now, namespace := metav1.NewTime(r.now()), about.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	err := r.client.Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: fmt.Sprintf("%s.%x", about.Name, sha256.Sum256([]byte(key)))[:min(len(about.Name)+17, 253)],
		},
		InvolvedObject: about, Type: corev1.EventTypeWarning, Reason: reason, Message: message, Count: 1,
		FirstTimestamp: now, LastTimestamp: now, Source: corev1.EventSource{Component: who},
	})
	// Nobody reads the events of a namespace that is going, or has gone.
	gone := apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || apierrors.IsNotFound(err)
	if err != nil && !apierrors.IsAlreadyExists(err) && !gone {
		return fmt.Errorf("tell of %s: %w", reason, err)
	}
	r.told[key] = true
	return nil
}
