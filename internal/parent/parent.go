// SPDX-License-Identifier: Apache-2.0

// Package parent notices that the process that started this one is gone. Velero
// ends its plugins when it ends itself, but not when it is killed.
package parent

import (
	"context"
	"time"
)

// Watch calls gone once when getppid no longer returns first, the parent's process id,
// for an orphan is given to another parent. It asks every interval until ctx is done.
// first is read before the parent can be gone, and not by a goroutine that may begin late.
//
// The kernel's own signal for it (PR_SET_PDEATHSIG) comes when the thread that
// forked ends, which in a Go program such as Velero is long before the process does.
func Watch(ctx context.Context, first int, getppid func() int, interval time.Duration, gone func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if getppid() != first {
				gone()
				return
			}
		}
	}
}
