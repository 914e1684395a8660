// SPDX-License-Identifier: Apache-2.0

package background_test

import (
	"context"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/background"
)

func TestATaskIsDoneOnce(t *testing.T) {
	t.Parallel()
	var task background.Task
	done := make(chan int, 2)
	for i := range 2 {
		task.Begin(func() { done <- i })
	}
	task.Wait(t.Context())
	if got := <-done; got != 0 || len(done) != 0 {
		t.Errorf("task %d was done, and %d more, want the first alone", got, len(done))
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	var task background.Task
	release := make(chan struct{})
	task.Begin(func() { <-release })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	task.Wait(ctx)
	close(release)
	task.Wait(t.Context())
}

func TestATaskThatIsWaitedForDoesNotBeginAnyMore(t *testing.T) {
	t.Parallel()
	var task background.Task
	task.Wait(t.Context())
	task.Begin(func() { t.Error("the task was begun") })
	task.Wait(t.Context())
}
