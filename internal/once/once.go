// SPDX-License-Identifier: Apache-2.0

// Package once has what a process does once for a key, such as a client for a location, or
// once in a backup or a restore, though Velero asks for it with every object.
package once

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Seen tells what comes up for the first time in a run, such as a warning that would be
// the same for every object. Its zero value is ready for use, by several goroutines.
type Seen struct{ seen sync.Map }

type occurrence struct {
	run  types.UID
	what string
}

// First reports whether it is called for the first time with what in the run, which is the
// UID of a Backup or a Restore.
func (s *Seen) First(run types.UID, what string) bool {
	_, seen := s.seen.LoadOrStore(occurrence{run, what}, true)
	return !seen
}

// Values keeps what was read or made for keys. Its zero value is ready for use, by several
// goroutines.
type Values[K comparable, V any] struct {
	mu   sync.Mutex
	kept map[K]*value[V]
}

// value is one that is read once, also by several goroutines that ask at the same time.
type value[V any] struct {
	mu   sync.Mutex
	read bool
	of   V
}

// Get returns the value of the key, which read reads or makes unless it did before. Callers
// with one key wait for each other, those with others do not. A failure is not kept: the
// cloud or the API server may answer the next time.
func (v *Values[K, V]) Get(key K, read func() (V, error)) (V, error) {
	kept := v.at(key)
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if kept.read {
		return kept.of, nil
	}
	found, err := read()
	if err == nil {
		kept.of, kept.read = found, true
	}
	return found, err
}

func (v *Values[K, V]) at(key K) *value[V] {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.kept == nil {
		v.kept = map[K]*value[V]{}
	}
	if v.kept[key] == nil {
		v.kept[key] = &value[V]{}
	}
	return v.kept[key]
}
