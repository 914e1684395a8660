// SPDX-License-Identifier: Apache-2.0

// Package background runs what a plugin process does beside the backup or the restore
// that it was started for.
package background

import (
	"context"
	"sync"
)

// Task is done once in a process. The zero Task is ready for use, also by several
// goroutines.
type Task struct {
	once sync.Once
	done chan struct{}
}

// Begin begins to do the task, if it has not begun.
func (t *Task) Begin(do func()) {
	t.once.Do(func() {
		t.done = make(chan struct{})
		go func() {
			defer close(t.done)
			do()
		}()
	})
}

// Wait waits until the task is done, if it has begun, or the context is. It does not
// begin after that.
func (t *Task) Wait(ctx context.Context) {
	t.Begin(func() {})
	select {
	case <-t.done:
	case <-ctx.Done():
	}
}
