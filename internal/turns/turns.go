// SPDX-License-Identifier: Apache-2.0

// Package turns has what is done with one thing, such as a volume that is being restored,
// be done one after the other in a process: Velero's calls and what goes on beside them
// know nothing of each other.
package turns

import (
	"context"
	"fmt"
	"sync"
)

// Turns are those of keys. The zero value is ready for use, by several goroutines.
type Turns[K comparable] struct {
	mu     sync.Mutex
	queues map[K]*queue
}

// queue is that of a key, as long as somebody is in it.
type queue struct {
	// turn has room for the one whose turn it is.
	turn    chan struct{}
	callers int
}

// Do calls do when no other call with the key goes on, and returns its error. It does not
// when ctx ends before.
func (t *Turns[K]) Do(ctx context.Context, key K, do func() error) error {
	q := t.enter(key)
	defer t.leave(key, q)
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting for another call about %v: %w", key, ctx.Err())
	}
	defer func() { <-q.turn }()
	return do()
}

func (t *Turns[K]) enter(key K) *queue {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queues == nil {
		t.queues = map[K]*queue{}
	}
	if t.queues[key] == nil {
		t.queues[key] = &queue{turn: make(chan struct{}, 1)}
	}
	t.queues[key].callers++
	return t.queues[key]
}

func (t *Turns[K]) leave(key K, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.callers--; q.callers == 0 {
		delete(t.queues, key)
	}
}
