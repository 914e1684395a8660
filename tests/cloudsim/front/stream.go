// SPDX-License-Identifier: Apache-2.0

package front

import (
	"context"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// action is what is to be done with a body at some offset.
type action int

const (
	pass action = iota
	corrupt
	truncate
	reset
)

// slicesPerSecond is how finely a limited body is cut, so that it flows rather than jumps.
const slicesPerSecond = 20

// stream knows what faults do to one body, byte by byte.
type stream struct {
	ctx       context.Context //nolint:containedctx // it lives as long as the request, as an io.Reader has no other way
	offset    int64
	pending   []fault.Rule
	bandwidth int64 // bytes per second, 0 for no limit
}

func newStream(ctx context.Context, rules []fault.Rule, direction fault.Direction) *stream {
	s := &stream{ctx: ctx}
	for _, r := range rules {
		if r.Bandwidth > 0 && (s.bandwidth == 0 || r.Bandwidth < s.bandwidth) {
			s.bandwidth = r.Bandwidth
		}
		acts := r.Reset || r.Truncate || r.Corrupt || r.Stall > 0
		if acts && (r.Direction == direction || (r.Direction == "" && direction == fault.Response)) {
			s.pending = append(s.pending, r)
		}
	}
	return s
}

// idle says that the rest of the body passes untouched.
func (s *stream) idle() bool { return len(s.pending) == 0 && s.bandwidth == 0 }

// next does what is due at the offset, waiting where the body stalls. Of n bytes it returns how many may pass
// before it must be asked again. With corrupt, the first of them is the one to change.
func (s *stream) next(n int) (allowed int, act action) {
	act = s.due(n)
	allowed = n
	for _, r := range s.pending {
		if ahead := r.After - s.offset; ahead > 0 && ahead < int64(allowed) {
			allowed = int(ahead)
		}
	}
	if s.bandwidth > 0 {
		allowed = min(allowed, int(max(s.bandwidth/slicesPerSecond, 1)))
	}
	return allowed, act
}

// due takes the rules that are due at the offset. Corruption needs a byte, so it stays pending when n is 0.
func (s *stream) due(n int) action {
	act := pass
	keep := s.pending[:0]
	for _, r := range s.pending {
		if r.After != s.offset || (r.Corrupt && n == 0) {
			keep = append(keep, r)
			continue
		}
		if !wait(s.ctx, r.Stall) {
			act = max(act, reset)
		}
		switch {
		case r.Reset:
			act = max(act, reset)
		case r.Truncate:
			act = max(act, truncate)
		case r.Corrupt:
			act = max(act, corrupt)
		}
	}
	s.pending = keep
	return act
}

// passed tells that n bytes have passed, and waits for as long as the bandwidth has them take.
func (s *stream) passed(n int) {
	s.offset += int64(n)
	if s.bandwidth > 0 {
		wait(s.ctx, time.Duration(n)*time.Second/time.Duration(s.bandwidth))
	}
}
