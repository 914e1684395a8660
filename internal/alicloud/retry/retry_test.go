// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestDelayGrowsUpToItsLimitAndIsNeverZero(t *testing.T) {
	t.Parallel()
	policy := Policy{BaseDelay: 100 * time.Millisecond, MaxDelay: time.Second}
	limits := map[int]time.Duration{
		2: 100 * time.Millisecond, 3: 200 * time.Millisecond, 4: 400 * time.Millisecond,
		5: 800 * time.Millisecond, 6: time.Second, 10: time.Second, 1000: time.Second,
	}
	for attempt, limit := range limits {
		for range 200 {
			if got := policy.Delay(attempt); got < limit/10 || got > limit {
				t.Fatalf("attempt %d waits %v, want between %v and %v", attempt, got, limit/10, limit)
			}
		}
	}
}

func TestDo(t *testing.T) {
	t.Parallel()
	odd := errors.New("odd")
	tests := []struct {
		name      string
		failures  int
		allowed   int
		timeout   time.Duration
		wantCalls int
		wantErr   error
	}{
		{"what succeeds is done once", 0, 10, time.Hour, 1, nil},
		{"what fails is done again", 3, 10, time.Hour, 4, nil},
		{"as often as the error allows", 99, 5, time.Hour, 5, odd},
		{"not again where the error allows one attempt", 99, 1, time.Hour, 1, odd},
		{"no longer than the caller waits", 99, 1000, 5 * time.Second, 6, odd},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
				defer cancel()
				calls := 0
				err := Policy{BaseDelay: time.Second, MaxDelay: time.Second}.Do(ctx, func(error) int { return tt.allowed }, func(context.Context) error {
					calls++
					if calls <= tt.failures {
						return odd
					}
					return nil
				})
				if !errors.Is(err, tt.wantErr) {
					t.Errorf("error = %v, want %v", err, tt.wantErr)
				}
				// Delays are random, so that the time limits the calls only roughly.
				if calls < tt.wantCalls || tt.timeout == time.Hour && calls != tt.wantCalls {
					t.Errorf("called %d times, want %d", calls, tt.wantCalls)
				}
			})
		})
	}
}
