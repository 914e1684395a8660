// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
)

// proxied returns a client that reaches a simulated cloud by the real names of its
// endpoints, and nothing else but this machine.
func proxied(t *testing.T, sim *cloudsim.Cloud) *http.Client {
	t.Helper()
	proxy, err := url.Parse(sim.ProxyURL())
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(sim.CACert()) {
		t.Fatal("the simulated cloud has no certificate")
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
		Proxy: func(request *http.Request) (*url.URL, error) {
			if endpoint.IsLoopback(request.URL) {
				return nil, nil //nolint:nilnil // No proxy, in net/http.
			}
			return proxy, nil
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// simulatedTime is a clock that goes on when everybody sleeps: to the moment when
// the first of them wakes. It begins at the real time, by which requests are signed.
type simulatedTime struct {
	// passed is told how much time passes.
	passed func(time.Duration)

	mu       sync.Mutex
	now      time.Time
	awake    int // Of the goroutines begun by Go.
	sleepers []sleeper
}

type sleeper struct {
	until time.Time
	wake  chan struct{}
}

func newSimulatedTime(passed func(time.Duration)) *simulatedTime {
	return &simulatedTime{passed: passed, now: time.Now()}
}

// Now is the clock.
func (s *simulatedTime) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Go runs a function for which time stands still unless it sleeps.
func (s *simulatedTime) Go(group *sync.WaitGroup, run func()) {
	s.mu.Lock()
	s.awake++
	s.mu.Unlock()
	group.Go(func() {
		defer s.rest()
		run()
	})
}

// Sleep lets time pass. Where it is called outside of Go, all others must be asleep.
func (s *simulatedTime) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	me := sleeper{wake: make(chan struct{})}
	s.mu.Lock()
	me.until = s.now.Add(d)
	s.sleepers = append(s.sleepers, me)
	s.mu.Unlock()
	s.rest()
	select {
	case <-me.wake:
		return nil
	case <-ctx.Done():
		s.rouse(me)
		return ctx.Err()
	}
}

// rouse counts one as awake whose sleep was cut short.
func (s *simulatedTime) rouse(one sleeper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.sleepers)
	s.sleepers = slices.DeleteFunc(s.sleepers, func(other sleeper) bool { return other == one })
	s.awake += before - len(s.sleepers)
}

// rest counts one less that is awake, and lets time pass when it was the last.
func (s *simulatedTime) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awake = max(s.awake-1, 0)
	if s.awake > 0 || len(s.sleepers) == 0 {
		return
	}
	slices.SortStableFunc(s.sleepers, func(a, b sleeper) int { return a.until.Compare(b.until) })
	first := s.sleepers[0]
	s.sleepers = s.sleepers[1:]
	if d := first.until.Sub(s.now); d > 0 {
		s.now = first.until
		s.passed(d)
	}
	s.awake++
	close(first.wake)
}
