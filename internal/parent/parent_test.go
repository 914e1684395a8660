// SPDX-License-Identifier: Apache-2.0

package parent_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/parent"
)

const (
	interval = 2 * time.Second
	parentID = 42
	initID   = 1
)

func TestWatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// first and later are the parent's id at the start and after goneAt.
		first, later int
		// goneAt is when the id changes, and stopAt when the context ends, from the start.
		goneAt, stopAt time.Duration
		// wantAt is when gone is called; 0 is never.
		wantAt time.Duration
	}{
		{
			name:  "a parent that stays is never called gone",
			first: parentID, later: parentID, goneAt: time.Hour, stopAt: 24 * time.Hour,
		},
		{
			name:  "a parent that went is noticed at the next look",
			first: parentID, later: initID, goneAt: 5 * time.Second, stopAt: time.Hour, wantAt: 6 * time.Second,
		},
		{
			name:  "a parent that is the init process of a container is no orphan's",
			first: initID, later: initID, goneAt: time.Hour, stopAt: 24 * time.Hour,
		},
		{
			name:  "an orphan that a subreaper adopted is noticed as well",
			first: parentID, later: parentID + 1, goneAt: time.Second, stopAt: time.Hour, wantAt: interval,
		},
		{
			name:  "nothing is noticed once the context ended",
			first: parentID, later: initID, goneAt: 11 * time.Second, stopAt: 10*time.Second + time.Millisecond,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				getppid := func() int {
					if time.Since(start) < tt.goneAt {
						return tt.first
					}
					return tt.later
				}
				var calls int
				var at time.Duration
				ctx, cancel := context.WithTimeout(t.Context(), tt.stopAt)
				defer cancel()

				parent.Watch(ctx, tt.first, getppid, interval, func() {
					calls++
					at = time.Since(start)
				})

				wantCalls, wantEnd := 0, tt.stopAt
				if tt.wantAt > 0 {
					wantCalls, wantEnd = 1, tt.wantAt
				}
				if calls != wantCalls || at != tt.wantAt {
					t.Errorf("gone was called %d times, last after %s, want %d times after %s", calls, at, wantCalls, tt.wantAt)
				}
				if got := time.Since(start); got != wantEnd {
					t.Errorf("Watch returned after %s, want %s", got, wantEnd)
				}
			})
		})
	}
}
