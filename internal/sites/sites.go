// SPDX-License-Identifier: Apache-2.0

// Package sites keeps what a plugin process has learnt of each location: Velero
// initialises a snapshotter anew for each volume that it restores.
package sites

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// ErrNotInitialised is returned before Init, and after one that failed.
var ErrNotInitialised = errors.New("the volume snapshotter was not initialised")

// Sites are the sites S of a process, one for each config of a location. They are safe for
// concurrent use.
type Sites[S any] struct {
	open func(config map[string]string) (*S, error)

	mu      sync.Mutex
	current *S
	known   map[string]*S
	all     []*S
}

// New returns sites that open makes of a location's config. Its error is Init's and At's.
func New[S any](open func(config map[string]string) (*S, error)) *Sites[S] {
	return &Sites[S]{open: open, known: map[string]*S{}}
}

// Init makes the site of a config the current one.
func (s *Sites[S]) Init(config map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = nil // What follows a failed Init must not go to the location before.
	found, err := s.at(config)
	s.current = found
	return err
}

// Current returns the site of the last Init.
func (s *Sites[S]) Current() (*S, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return nil, ErrNotInitialised
	}
	return s.current, nil
}

// At returns the site of a config, the same one for an equal config.
func (s *Sites[S]) At(config map[string]string) (*S, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at(config)
}

// All returns all sites, in the order in which they were opened.
func (s *Sites[S]) All() []*S {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// at needs mu.
func (s *Sites[S]) at(config map[string]string) (*S, error) {
	key := fmt.Sprint(config) // Maps are printed in the order of their keys.
	if found, ok := s.known[key]; ok {
		return found, nil
	}
	found, err := s.open(config)
	if err != nil {
		return nil, err
	}
	s.known[key] = found
	s.all = append(s.all, found)
	return found, nil
}
