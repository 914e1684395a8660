// SPDX-License-Identifier: Apache-2.0

package once_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
)

func TestAValueIsMadeOnceForItsKey(t *testing.T) {
	t.Parallel()
	var (
		values once.Values[string, int32]
		made   atomic.Int32
		group  sync.WaitGroup
	)
	for range 10 {
		group.Go(func() {
			got, err := values.Get("a", func() (int32, error) { return made.Add(1), nil })
			if got != 1 || err != nil {
				t.Errorf("value %d, error %v", got, err)
			}
		})
	}
	group.Wait()
	if got, err := values.Get("b", func() (int32, error) { return made.Add(1), nil }); got != 2 || err != nil {
		t.Errorf("another key has the value %d, error %v", got, err)
	}
}

func TestAnErrorIsNotKept(t *testing.T) {
	t.Parallel()
	var values once.Values[string, int]
	odd := errors.New("odd")
	if _, err := values.Get("a", func() (int, error) { return 0, odd }); !errors.Is(err, odd) {
		t.Errorf("error %v, want %v", err, odd)
	}
	if got, err := values.Get("a", func() (int, error) { return 1, nil }); got != 1 || err != nil {
		t.Errorf("value %d, error %v after one error", got, err)
	}
}
