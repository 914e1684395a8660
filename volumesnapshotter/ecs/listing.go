// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"sync"
	"time"
)

// listingAge is for how long a list is taken for what there is. Velero asks for the
// operations of a restore one after the other: one list answers for all of them.
const listingAge = 5 * time.Second

// listing keeps the last list that was read for a key.
type listing[T any] struct {
	mu   sync.Mutex
	key  string
	at   time.Time
	list []T
}

// get returns the list for the key, which it reads unless it did so just now.
func (l *listing[T]) get(key string, now func() time.Time, read func() ([]T, error)) ([]T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.key == key && now().Sub(l.at) < listingAge {
		return l.list, nil
	}
	list, err := read()
	if err != nil {
		return nil, err
	}
	l.key, l.at, l.list = key, now(), list
	return list, nil
}
