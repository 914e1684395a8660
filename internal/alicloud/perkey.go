// SPDX-License-Identifier: Apache-2.0

package alicloud

import "sync"

// perKey holds one value for each key, made when it is first asked for. The zero
// value is ready for use.
type perKey[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]*entry[V]
}

// entry is a value that may not be made yet.
type entry[V any] struct {
	mu    sync.Mutex
	made  bool
	value V
}

// get returns the value of key, from newValue the first time. Callers with one key
// wait for each other, those with others do not. An error is not kept: the
// metadata service may answer the next time.
func (p *perKey[K, V]) get(key K, newValue func() (V, error)) (V, error) {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.made {
		return e.value, nil
	}
	value, err := newValue()
	if err != nil {
		return value, err
	}
	e.value, e.made = value, true
	return value, nil
}

func (p *perKey[K, V]) entry(key K) *entry[V] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.entries == nil {
		p.entries = map[K]*entry[V]{}
	}
	e, ok := p.entries[key]
	if !ok {
		e = &entry[V]{}
		p.entries[key] = e
	}
	return e
}
