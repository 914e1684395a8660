// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"time"
)

// Effect is what a service must take part in so that a fault shows. The other effects act outside of it.
type Effect struct {
	// ClockSkew is added to the service's clock for this request.
	ClockSkew time.Duration
	// ExpireToken makes the service treat the request's security token as expired.
	ExpireToken bool
}

// EffectOf returns the effect that rules have together.
func EffectOf(rules []Rule) Effect {
	var e Effect
	for _, r := range rules {
		e.ClockSkew += r.ClockSkew
		e.ExpireToken = e.ExpireToken || r.ExpireToken
	}
	return e
}

type contextKey struct{}

// Into returns a context that carries an effect.
func Into(ctx context.Context, e Effect) context.Context {
	return context.WithValue(ctx, contextKey{}, e)
}

// FromContext returns the effect of the request, the zero Effect when there is none.
func FromContext(ctx context.Context) Effect {
	e, _ := ctx.Value(contextKey{}).(Effect)
	return e
}
