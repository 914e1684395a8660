// SPDX-License-Identifier: Apache-2.0

// Package simtime is a clock for tests in which minutes of waiting take none.
package simtime

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Clock goes on when everybody sleeps: to the moment when the first of them wakes.
// It begins at the real time, by which requests are signed.
type Clock struct {
	// passed is told how much time passes.
	passed func(time.Duration)

	mu       sync.Mutex
	now      time.Time
	awake    int // Of the goroutines begun by Go.
	sleepers []sleeper
}

type sleeper struct {
	until time.Time
	wake  chan struct{}
}

// New returns a Clock that tells passed how much time passes whenever some does.
func New(passed func(time.Duration)) *Clock {
	return &Clock{passed: passed, now: time.Now()}
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Go runs a function in the group, for which time stands still unless it sleeps.
func (c *Clock) Go(group *sync.WaitGroup, run func()) {
	c.mu.Lock()
	c.awake++
	c.mu.Unlock()
	group.Go(func() {
		defer c.rest()
		run()
	})
}

// Sleep lets time pass, or returns the error of ctx if that ends before. Where it is
// called outside of Go, all others must be asleep.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	me := sleeper{wake: make(chan struct{})}
	c.mu.Lock()
	me.until = c.now.Add(d)
	c.sleepers = append(c.sleepers, me)
	c.mu.Unlock()
	c.rest()
	select {
	case <-me.wake:
		return nil
	case <-ctx.Done():
		c.rouse(me)
		return ctx.Err()
	}
}

// rouse counts one as awake whose sleep was cut short.
func (c *Clock) rouse(one sleeper) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.sleepers)
	c.sleepers = slices.DeleteFunc(c.sleepers, func(other sleeper) bool { return other == one })
	c.awake += before - len(c.sleepers)
}

// rest counts one less that is awake, and lets time pass when it was the last.
func (c *Clock) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awake = max(c.awake-1, 0)
	if c.awake > 0 || len(c.sleepers) == 0 {
		return
	}
	slices.SortStableFunc(c.sleepers, func(a, b sleeper) int { return a.until.Compare(b.until) })
	first := c.sleepers[0]
	c.sleepers = c.sleepers[1:]
	if d := first.until.Sub(c.now); d > 0 {
		c.now = first.until
		c.passed(d)
	}
	c.awake++
	close(first.wake)
}
