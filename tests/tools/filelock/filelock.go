// SPDX-License-Identifier: Apache-2.0

// Package filelock holds a lock that processes of one machine share through a file.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// pollInterval is how often a held lock is tried again. flock(2) can block, but then a context cannot end it.
const pollInterval = 100 * time.Millisecond

// Lock is a held lock. The kernel releases it when its process ends, however it ends.
type Lock struct {
	file *os.File
}

// Acquire takes the exclusive lock of the file at path, which it creates if need be and never removes.
// While another holder has it, Acquire calls waiting once (if it is not nil) and then waits until ctx ends.
func Acquire(ctx context.Context, path string, waiting func()) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock file: %w", err)
	}
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return &Lock{file: file}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", path, ctx.Err())
		case <-ticker.C:
		}
	}
}

// Release gives the lock up.
func (l *Lock) Release() error {
	return l.file.Close()
}
