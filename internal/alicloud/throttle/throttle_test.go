// SPDX-License-Identifier: Apache-2.0

package throttle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
)

// api is an API with a limit of calls per minute. Refused calls do not count.
type api struct {
	limit int
	// sliding makes every minute count; otherwise those of a clock that is ahead of
	// this machine's by phase.
	sliding bool
	phase   time.Duration

	mu              sync.Mutex
	admitted        []time.Time
	calls, refusals int
}

// call tells whether a call of now is admitted.
func (a *api) call() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	begin := now.Add(-window)
	if !a.sliding {
		begin = now.Add(a.phase).Truncate(window).Add(-a.phase).Add(-1)
	}
	a.admitted = slices.DeleteFunc(a.admitted, func(at time.Time) bool { return !at.After(begin) })
	if len(a.admitted) >= a.limit {
		return false
	}
	a.admitted = append(a.admitted, now)
	return true
}

// counted is call for the caller whose calls are counted. It takes the time that an answer takes.
func (a *api) counted(ctx context.Context) Outcome {
	admitted := a.call()
	a.mu.Lock()
	a.calls++
	if !admitted {
		a.refusals++
	}
	a.mu.Unlock()
	_ = retry.Sleep(ctx, 50*time.Millisecond+rand.N(300*time.Millisecond)) // A call that ended early is as good.
	if admitted {
		return Admitted
	}
	return Refused
}

// serve makes so many calls succeed, by so many workers.
func serve(ctx context.Context, t *testing.T, limiter *Limiter, a *api, calls, workers int) {
	t.Helper()
	queue := make(chan int, calls)
	for call := range calls {
		queue <- call
	}
	close(queue)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range queue {
				for outcome := Refused; outcome == Refused; {
					turn, err := limiter.Wait(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					outcome = a.counted(ctx)
					turn.Done(outcome)
				}
			}
		})
	}
	group.Wait()
}

// evenly is another caller, whose calls are as far apart as each other.
func evenly(ctx context.Context, a *api, perMinute int) {
	for retry.Sleep(ctx, window/time.Duration(perMinute)) == nil {
		a.call()
	}
}

// atOnce is another caller, who makes the calls of a minute together.
func atOnce(ctx context.Context, a *api, perMinute int) {
	for retry.Sleep(ctx, window) == nil {
		for range perMinute {
			a.call()
		}
	}
}

func TestCallsThatAreRefusedAreFew(t *testing.T) {
	t.Parallel()
	const calls, allowed = 200, 220 // 1.1 calls for each.
	others := map[string]func(context.Context, *api, int){
		"alone": nil, "beside one who calls evenly": evenly, "beside one who calls once a minute": atOnce,
	}
	for _, limit := range []int{100, 37, 10} {
		for name, other := range others {
			for _, workers := range []int{1, 20} {
				t.Run(fmt.Sprintf("%d calls a minute are allowed, %d callers %s", limit, workers, name), func(t *testing.T) {
					t.Parallel()
					left := limit
					if other != nil {
						left = limit - limit/2
					}
					for _, a := range []*api{
						{sliding: true},
						{},
						{phase: 20 * time.Second},
						{phase: 59 * time.Second},
					} {
						a.limit = limit
						synctest.Test(t, func(t *testing.T) {
							ctx, cancel := context.WithCancel(t.Context())
							defer cancel()
							if other != nil {
								go other(ctx, a, limit/2)
							}
							begin := time.Now()
							serve(ctx, t, New(time.Now, retry.Sleep), a, calls, workers)
							took := time.Since(begin)
							// Nothing is done for a minute after a refusal.
							if atBest := calls * window / time.Duration(left); took > atBest*3/2+window {
								t.Errorf("it took %v, at best %v", took, atBest)
							}
							if a.calls > allowed {
								t.Errorf("%d calls for %d (sliding %v, phase %v)", a.calls, calls, a.sliding, a.phase)
							}
						})
					}
				})
			}
		}
	}
}

func TestNothingIsCalledForAMinuteAfterARefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := New(time.Now, retry.Sleep)
		take := func() *Turn {
			t.Helper()
			turn, err := limiter.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return turn
		}
		begin := time.Now()
		for range 60 {
			take().Done(Admitted)
		}
		refused, together := take(), take()
		refused.Done(Refused)
		together.Done(Refused)
		var waits []time.Duration
		for range 3 {
			turn := take()
			waits = append(waits, time.Since(begin).Round(time.Millisecond))
			turn.Done(Admitted)
		}
		// 60 were admitted: 54 a minute are one in 1.111 s.
		want := []time.Duration{61 * time.Second, 62111 * time.Millisecond, 63222 * time.Millisecond}
		if diff := cmp.Diff(want, waits); diff != "" {
			t.Errorf("times of the calls after the refusal (-want +got):\n%s", diff)
		}
	})
}

func TestAFailureTeachesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := New(time.Now, retry.Sleep)
		begin := time.Now()
		for range 100 {
			turn, err := limiter.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			turn.Done(Unknown)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("calls that failed for another reason were held up for %v", took)
		}
	})
}

func TestThePaceRecoversWhenAnotherCallerStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{limit: 100}
		limiter := New(time.Now, retry.Sleep)
		ctx, stop := context.WithCancel(t.Context())
		go evenly(ctx, a, 600)
		go func() {
			_ = retry.Sleep(ctx, 10*window)
			stop()
		}()
		serve(t.Context(), t, limiter, a, 1000, 20)
		before := time.Now()
		serve(t.Context(), t, limiter, a, 500, 20)
		if took := time.Since(before); took > 8*window {
			t.Errorf("500 calls took %v long after the other caller had stopped, at best 5 minutes", took)
		}
	})
}

func TestFewCallsAreUnderWayAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := New(time.Now, retry.Sleep)
		var (
			mu               sync.Mutex
			underWay, atMost int
			group            sync.WaitGroup
		)
		count := func(change int) {
			mu.Lock()
			defer mu.Unlock()
			underWay += change
			atMost = max(atMost, underWay)
		}
		for range 50 {
			group.Go(func() {
				turn, err := limiter.Wait(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				count(1)
				time.Sleep(time.Second)
				count(-1)
				turn.Done(Admitted)
			})
		}
		group.Wait()
		if atMost != maxInFlight {
			t.Errorf("%d calls were under way at once, want %d", atMost, maxInFlight)
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		hold func(t *testing.T, limiter *Limiter)
	}{
		{"for a minute after a refusal", func(t *testing.T, limiter *Limiter) {
			t.Helper()
			turn, err := limiter.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			turn.Done(Refused)
		}},
		{"for other calls to end", func(t *testing.T, limiter *Limiter) {
			t.Helper()
			for range maxInFlight {
				if _, err := limiter.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limiter := New(time.Now, retry.Sleep)
				tt.hold(t, limiter)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				begin := time.Now()
				_, err := limiter.Wait(ctx)
				if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
					t.Errorf("after %v: %v, want the end of the context after 1s", took, err)
				}
			})
		})
	}
}
