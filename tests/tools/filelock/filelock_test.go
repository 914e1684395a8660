// SPDX-License-Identifier: Apache-2.0

package filelock_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools/filelock"
)

func TestAcquireWaitsForTheHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := filelock.Acquire(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}

	waiting := make(chan struct{})
	type result struct {
		lock *filelock.Lock
		err  error
	}
	second := make(chan result, 1)
	go func() {
		lock, err := filelock.Acquire(t.Context(), path, func() { close(waiting) })
		second <- result{lock, err}
	}()

	<-waiting
	select {
	case <-second:
		t.Fatal("the lock was held twice")
	default:
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	got := <-second
	if got.err != nil {
		t.Fatal(got.err)
	}
	if err := got.lock.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestAcquireEndsWithItsContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	held, err := filelock.Acquire(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Release() })

	ctx, cancel := context.WithCancel(t.Context())
	if _, err := filelock.Acquire(ctx, path, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}
