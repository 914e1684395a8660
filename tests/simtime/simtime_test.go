// SPDX-License-Identifier: Apache-2.0

package simtime_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/simtime"
)

func TestSleepersWakeInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	var passed []time.Duration
	clock := simtime.New(func(d time.Duration) { passed = append(passed, d) })
	begin := clock.Now()
	var mu sync.Mutex
	var woken []time.Duration
	var group sync.WaitGroup
	// All are begun before any can sleep, so that none of them lets time pass alone.
	ready := make(chan struct{})
	for _, d := range []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour} {
		clock.Go(&group, func() {
			<-ready
			if err := clock.Sleep(t.Context(), d); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			woken = append(woken, clock.Now().Sub(begin))
		})
	}
	close(ready)
	group.Wait()
	if diff := cmp.Diff([]time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour}, woken); diff != "" {
		t.Errorf("woken at (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Repeat([]time.Duration{time.Hour}, 3), passed); diff != "" {
		t.Errorf("passed (-want +got):\n%s", diff)
	}
}

func TestTimeStandsStillWhileSomebodyIsAwake(t *testing.T) {
	t.Parallel()
	clock := simtime.New(func(time.Duration) {})
	begin := clock.Now()
	var group sync.WaitGroup
	work := make(chan struct{})
	clock.Go(&group, func() {
		<-work
		if now := clock.Now(); !now.Equal(begin) {
			t.Errorf("%v have passed", now.Sub(begin))
		}
	})
	clock.Go(&group, func() {
		if err := clock.Sleep(t.Context(), time.Hour); err != nil {
			t.Error(err)
		}
	})
	close(work)
	group.Wait()
	if passed := clock.Now().Sub(begin); passed != time.Hour {
		t.Errorf("%v have passed, want an hour", passed)
	}
}

func TestASleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	clock := simtime.New(func(time.Duration) {})
	begin := clock.Now()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	clock.Go(&group, func() {
		var sleeper sync.WaitGroup
		clock.Go(&sleeper, func() {
			if err := clock.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want that of the context", err)
			}
		})
		cancel()
		sleeper.Wait()
	})
	group.Wait()
	if err := clock.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if passed := clock.Now().Sub(begin); passed != 0 {
		t.Errorf("%v have passed, want nothing", passed)
	}
}
