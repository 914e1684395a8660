// SPDX-License-Identifier: Apache-2.0

// Package throttle paces the calls of an API whose limit is not known.
package throttle

import (
	"context"
	"time"
)

// Outcome is what came of a call.
type Outcome int

// The outcomes of a call.
const (
	// Unknown: it is not known whether the cloud counted the call.
	Unknown Outcome = iota
	// Admitted: the cloud let the call in.
	Admitted
	// Refused: the cloud refused the call for its limit.
	Refused
)

// Limiter paces the calls of one API.
type Limiter struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

// New returns a Limiter.
func New(now func() time.Time, sleep func(context.Context, time.Duration) error) *Limiter {
	return &Limiter{now: now, sleep: sleep}
}

// Turn is the right to make one call.
type Turn struct{}

// Wait waits for a turn.
func (l *Limiter) Wait(ctx context.Context) (*Turn, error) {
	return &Turn{}, ctx.Err()
}

// Done says what came of the call.
func (t *Turn) Done(Outcome) {}
