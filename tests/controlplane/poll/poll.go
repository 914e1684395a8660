// SPDX-License-Identifier: Apache-2.0

// Package poll waits for something that nobody announces.
package poll

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// interval is short enough that a test is not slowed by it, and long enough not to load what it asks.
const interval = 100 * time.Millisecond

// Until calls check until it returns nil, which says that what was waited for has come. An error says what is
// still missing; one made by Permanent ends the wait at once. After the timeout, or when ctx ends, Until returns an
// error that names what and holds the last error of check. The context that check gets ends with the wait.
func Until(ctx context.Context, timeout time.Duration, what string, check func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()

	start := time.Now()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		var permanent *permanentError
		if errors.As(err, &permanent) {
			return fmt.Errorf("waiting for %s: %w", what, permanent.err)
		}
		// A check that was cut short says less about what is missing than the one before it.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w after %s: %w",
				what, ctx.Err(), time.Since(start).Round(time.Millisecond), last)
		case <-ticker.C:
		}
	}
}

// Permanent marks an error after which waiting longer is of no use.
func Permanent(err error) error {
	return &permanentError{err: err}
}

// permanentError is what Permanent returns.
type permanentError struct {
	err error
}

func (e *permanentError) Error() string { return e.err.Error() }

func (e *permanentError) Unwrap() error { return e.err }
