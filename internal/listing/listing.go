// SPDX-License-Identifier: Apache-2.0

// Package listing keeps a list of the cloud's for as long as it takes Velero to ask for
// what is in it: for the operations of a backup or a restore one after the other.
package listing

import (
	"sync"
	"time"
)

// age is for how long a list is taken for what there is.
const age = 5 * time.Second

// Lists keeps the lists that were read last, by their keys. Its zero value is ready for
// use, by several goroutines: those that ask at the same time read once.
type Lists[T any] struct {
	mu   sync.Mutex
	kept map[string]list[T]
}

// list is what reading one came to.
type list[T any] struct {
	at  time.Time
	of  T
	err error
}

// Drop forgets the list for the key, which is not what there is any more.
func (l *Lists[T]) Drop(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.kept, key)
}

// Get returns the list for the key, which it reads unless it did so just now. A failure is
// kept as well: where a cloud refuses after all attempts, it would refuse every one of
// Velero's calls so.
func (l *Lists[T]) Get(key string, now func() time.Time, read func() (T, error)) (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if kept, ok := l.kept[key]; ok && now().Sub(kept.at) < age {
		return kept.of, kept.err
	}
	found, err := read()
	if l.kept == nil {
		l.kept = map[string]list[T]{}
	}
	l.kept[key] = list[T]{at: now(), of: found, err: err}
	return found, err
}
