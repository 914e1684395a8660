// SPDX-License-Identifier: Apache-2.0

// Package retry decides when a failed request is sent again.
package retry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Policy is the delay between attempts. It doubles from one to the next.
type Policy struct {
	// BaseDelay is the longest delay before the second attempt.
	BaseDelay time.Duration
	// MaxDelay is where the doubling ends.
	MaxDelay time.Duration
}

// Default spreads ten attempts over half a minute to a minute, which outlasts a restart of
// a front-end server, and twenty over about two minutes.
func Default() Policy {
	return Policy{BaseDelay: 250 * time.Millisecond, MaxDelay: 15 * time.Second}
}

// Delay returns how long to wait before the given attempt, counted from 1: a
// random time up to the growing limit, so that those who failed together do not
// come back together, and at least a tenth of it.
func (p Policy) Delay(attempt int) time.Duration {
	limit := p.MaxDelay
	if shift := attempt - 2; shift < 32 {
		if d := p.BaseDelay << max(shift, 0); d > 0 && d < limit {
			limit = d
		}
	}
	floor := limit / 10
	return floor + rand.N(limit-floor+1) //nolint:gosec // Jitter keeps no secret.
}

// Do calls do until it succeeds, until it was called as often as attempts allows
// for its error, or until ctx ends. It returns the last error of do, with that
// of ctx if ctx ended while it waited.
func (p Policy) Do(ctx context.Context, attempts func(error) int, do func(context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := do(ctx)
		if err == nil || ctx.Err() != nil || attempt >= attempts(err) {
			return err
		}
		if ctxErr := Sleep(ctx, p.Delay(attempt+1)); ctxErr != nil {
			return fmt.Errorf("%w: %w", err, ctxErr)
		}
	}
}

// Sleep waits for d, or returns the error of ctx if it ended before.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
