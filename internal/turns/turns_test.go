// SPDX-License-Identifier: Apache-2.0

package turns

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallsWithOneKeyAreOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			turns Turns[string]
			calls sync.WaitGroup
		)
		const each = 3
		began := time.Now()
		counts := map[string]*int{"a": new(int), "b": new(int)}
		for key, count := range counts {
			for range each {
				calls.Go(func() {
					err := turns.Do(t.Context(), key, func() error {
						before := *count
						time.Sleep(time.Second)
						*count = before + 1
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
		calls.Wait()
		for key, count := range counts {
			if *count != each {
				t.Errorf("%s: %d calls did not disturb each other, want %d", key, *count, each)
			}
		}
		if took := time.Since(began); took != each*time.Second {
			t.Errorf("the calls took %s: those with another key are not to be waited for", took)
		}
		if len(turns.queues) > 0 {
			t.Errorf("%d queues are left", len(turns.queues))
		}
	})
}

func TestAnErrorIsTheCallersAndEndsItsTurn(t *testing.T) {
	t.Parallel()
	var turns Turns[int]
	broken := errors.New("broken")
	for range 2 {
		if err := turns.Do(t.Context(), 1, func() error { return broken }); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	}
}

func TestWhoseTimeIsOverDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var turns Turns[string]
		first := make(chan error)
		go func() {
			first <- turns.Do(t.Context(), "a", func() error { time.Sleep(time.Hour); return nil })
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := turns.Do(ctx, "a", func() error { t.Error("it was called out of turn"); return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		if len(turns.queues) > 0 {
			t.Errorf("%d queues are left", len(turns.queues))
		}
	})
}
