// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"errors"
	"math/rand/v2"
	"time"
)

// RetryPolicy says how often and after what delay a failed request is sent
// again. The time that the caller's context allows always bounds it.
type RetryPolicy struct {
	// BaseDelay is the longest delay before the second attempt; it doubles with each further one.
	BaseDelay time.Duration
	// MaxDelay is where the doubling ends.
	MaxDelay time.Duration
}

// DefaultRetryPolicy spreads ten attempts over about a minute, which outlasts a
// restart of a front-end server and a minute's throttling window.
func DefaultRetryPolicy() RetryPolicy {
	return RetryPolicy{BaseDelay: 250 * time.Millisecond, MaxDelay: 15 * time.Second}
}

// attempts is how often a request is sent in all when it fails with an error of the class.
func (c Class) attempts() int {
	switch c {
	case Transient, Throttled:
		return 10
	case Unreachable, Expired:
		// An address that refuses or is silent is most likely wrong, and each
		// attempt may cost a connection timeout. A token that was just fetched anew
		// and is refused again will not be better the fourth time.
		return 3
	case Skewed:
		// Once: the SDK has taken the cloud's clock from the refusal.
		return 2
	default:
		return 1
	}
}

// delay returns how long to wait before the given attempt, counted from 1: a
// random time up to an exponentially growing limit ("full jitter"), at least a
// tenth of it.
func (p RetryPolicy) delay(attempt int) time.Duration {
	limit := p.MaxDelay
	if shift := attempt - 2; shift < 32 {
		if d := p.BaseDelay << max(shift, 0); d > 0 && d < limit {
			limit = d
		}
	}
	floor := limit / 10
	return floor + rand.N(limit-floor+1) //nolint:gosec // Jitter keeps no secret.
}

var errAttemptsExhausted = errors.New("no further attempt")

// invalidator is told that the cloud no longer accepts the credentials in use.
type invalidator interface {
	Invalidate()
}

// ossRetryer is the retry policy in the form that the OSS SDK asks for.
type ossRetryer struct {
	policy      RetryPolicy
	credentials invalidator
}

// MaxAttempts implements retry.Retryer. The class of each error sets the real limit.
func (r ossRetryer) MaxAttempts() int { return Transient.attempts() }

// IsErrorRetryable implements retry.Retryer.
func (r ossRetryer) IsErrorRetryable(err error) bool {
	class := Classify(err)
	if class == Expired || class == Unauthenticated {
		r.credentials.Invalidate()
	}
	return class.attempts() > 1
}

// RetryDelay implements retry.Retryer. An error ends the attempts; the SDK then
// returns that of the last one.
func (r ossRetryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	if attempt > Classify(err).attempts() {
		return 0, errAttemptsExhausted
	}
	return r.policy.delay(attempt), nil
}
