// SPDX-License-Identifier: Apache-2.0

// Package throttle paces the calls of an API whose limit nobody tells. The cloud
// counts them per minute, and what is left of the limit depends on who else calls.
package throttle

import (
	"context"
	"sync"
	"time"
)

const (
	// window is what the cloud counts the calls of (ECS documentation, "API throttling").
	window = time.Minute
	// margin is what the cloud's minute may end later than this machine's clock says.
	margin = time.Second
	// maxInFlight bounds the calls that a refusal finds under way, which are refused with it.
	maxInFlight = 4
	// share is what is used of the number of calls that were seen to be admitted in a
	// minute: the pace settles below the limit, with room for another caller.
	share = 0.9
	// growth is by how much of itself the pace grows in the first minute without a
	// refusal, and minGrowth the least of it, in calls per minute. It doubles in each
	// minute that follows, so that a pace that another caller has spoilt does not last.
	growth, minGrowth = 0.01, 0.25
	// minRate is the slowest pace, in calls per minute. Where another caller leaves
	// nothing, a call in half a minute finds out when that changes.
	minRate = 2.0
	// used is the part of the pace that must have been used in a minute for it to have
	// proved itself.
	used = 0.8
)

// Outcome is what came of a call.
type Outcome int

// The outcomes of a call.
const (
	// Unknown: whether the cloud counted the call is not known.
	Unknown Outcome = iota
	// Admitted: the call was let in.
	Admitted
	// Refused: the call was refused for the limit.
	Refused
)

// Limiter paces the calls of one API, for one account and region. It is safe for
// concurrent use.
//
// It begins without a pace: calls go out as they come, a few at once. After a
// refusal no call is made until the cloud's minute has surely passed; then they
// are made evenly, a little slower than they were admitted in the minute before.
// The pace grows slowly while nothing is refused, and is learnt again at the next
// refusal, so that it follows what other callers leave.
type Limiter struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error

	mu sync.Mutex
	// inFlight is how many turns are taken; freed is closed when one is given back.
	inFlight int
	freed    chan struct{}
	// rate is the pace in calls per minute; 0 is none.
	rate float64
	// step is by how much it grows after the next minute without a refusal.
	step float64
	// next is when the next call may be made.
	next time.Time
	// admitted are the times of the calls that were let in during the last window.
	admitted []time.Time
	// refusals counts those that taught a pace, and learnt is when the pace was last changed.
	refusals int
	learnt   time.Time
}

// New returns a Limiter without a pace. It goes by the given clock: sleep passes the
// duration, or returns the error of the context that ended before.
func New(now func() time.Time, sleep func(context.Context, time.Duration) error) *Limiter {
	return &Limiter{now: now, sleep: sleep, freed: make(chan struct{})}
}

// Turn is the right to make one call.
type Turn struct {
	limiter *Limiter
	// refusals are those that the limiter knew when the turn was given.
	refusals int
}

// Wait returns when the next call may be made. Done must be called on the turn, once.
// The error is that of ctx.
func (l *Limiter) Wait(ctx context.Context) (*Turn, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		turn, delay, freed := l.take()
		switch {
		case turn != nil:
			return turn, nil
		case delay > 0:
			if err := l.sleep(ctx, delay); err != nil {
				return nil, err
			}
		default:
			select {
			case <-ctx.Done():
			case <-freed:
			}
		}
	}
}

// take gives a turn, or tells how long to wait for one; where that is not known, it
// is worth asking again when freed is closed.
func (l *Limiter) take() (turn *Turn, delay time.Duration, freed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if delay := l.next.Sub(now); delay > 0 {
		return nil, delay, nil
	}
	if l.inFlight >= maxInFlight {
		return nil, 0, l.freed
	}
	l.inFlight++
	if l.rate > 0 {
		l.next = now.Add(time.Duration(float64(window) / l.rate))
	}
	return &Turn{limiter: l, refusals: l.refusals}, 0, nil
}

// Done gives the turn back and tells the limiter what came of the call.
func (t *Turn) Done(outcome Outcome) {
	l := t.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	close(l.freed)
	l.freed = make(chan struct{})

	now := l.now()
	l.forget(now.Add(-window))
	switch outcome {
	case Admitted:
		l.admitted = append(l.admitted, now)
		l.grow(now)
	case Refused:
		if t.refusals == l.refusals { // Calls that were under way together are refused together.
			l.learn(now)
		}
		l.next = now.Add(window + margin)
	case Unknown:
	}
}

// forget drops the calls that were admitted before the given time.
func (l *Limiter) forget(before time.Time) {
	old := 0
	for old < len(l.admitted) && l.admitted[old].Before(before) {
		old++
	}
	l.admitted = l.admitted[old:]
}

// learn sets the pace by what was admitted before a refusal. The pace at which it
// came is too fast in any case: a minute by this clock may hold calls of two of the cloud's.
func (l *Limiter) learn(now time.Time) {
	seen := float64(len(l.admitted))
	if l.rate > 0 {
		seen = min(seen, l.rate)
	}
	l.rate = max(share*seen, minRate)
	l.step = max(growth*l.rate, minGrowth)
	l.refusals++
	l.learnt = now.Add(window + margin)
}

// grow makes the pace faster after a minute in which it was used and nothing refused.
func (l *Limiter) grow(now time.Time) {
	if l.rate == 0 || now.Sub(l.learnt) < window || float64(len(l.admitted)) < used*l.rate {
		return
	}
	l.rate += l.step
	l.step *= 2
	l.learnt = now
}
