// SPDX-License-Identifier: Apache-2.0

package once_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
)

func TestSeenIsOfARunAndWhat(t *testing.T) {
	t.Parallel()
	var seen once.Seen
	got := []bool{
		seen.First("a", "class"), seen.First("a", "class"), seen.First("a", "image"), seen.First("b", "class"), seen.First("b", "class"),
	}
	if diff := cmp.Diff([]bool{true, false, true, true, false}, got); diff != "" {
		t.Errorf("first times (-want +got):\n%s", diff)
	}
}

func TestValuesAreReadOnceForAKey(t *testing.T) {
	t.Parallel()
	var (
		values once.Values[string, int]
		reads  atomic.Int32
		all    sync.WaitGroup
	)
	for range 20 {
		all.Go(func() {
			for key, want := range map[string]int{"three": 3, "fifth": 5} {
				got, err := values.Get(key, func() (int, error) {
					reads.Add(1)
					return want, nil
				})
				if got != want || err != nil {
					t.Errorf("Get(%s) = %d, %v, want %d", key, got, err, want)
				}
			}
		})
	}
	all.Wait()
	if reads.Load() != 2 {
		t.Errorf("%d reads, want one of each key", reads.Load())
	}
}

func TestValuesAreReadAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	var values once.Values[string, int]
	down := errors.New("down")
	if _, err := values.Get("key", func() (int, error) { return 0, down }); !errors.Is(err, down) {
		t.Errorf("Get() error = %v, want %v", err, down)
	}
	for _, read := range []func() (int, error){
		func() (int, error) { return 7, nil },
		func() (int, error) { return 0, down },
	} {
		if got, err := values.Get("key", read); got != 7 || err != nil {
			t.Errorf("Get() = %d, %v, want 7", got, err)
		}
	}
}
