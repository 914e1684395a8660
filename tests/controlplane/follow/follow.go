// SPDX-License-Identifier: Apache-2.0

// Package follow is what a controller of a test does all the time: it acts whenever objects of a cluster change.
package follow

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// resync is how often there is a round without an event, for what no event tells, and how soon one follows a watch that
// failed: the cluster may be out of reach for a while.
const resync = time.Second

// Options say what is followed, and what follows from it.
type Options struct {
	// Client watches.
	Client client.WithWatch
	// Lists are of the objects that are watched.
	Lists []client.ObjectList
	// Round acts. There is one at a time, and one more for whatever happens during one.
	Round func(context.Context) error
	// Report gets the errors of rounds and of watches, which are tried again. It may be called at the same time from several
	// goroutines.
	Report func(error)
}

// Follower is what Start has started.
type Follower struct {
	options Options
	cancel  context.CancelFunc
	group   sync.WaitGroup
	// happened has an element if there is to be a round.
	happened chan struct{}
}

// Start begins to follow, until ctx ends or Stop is called. The error is that of a watch that the API server refuses.
func Start(ctx context.Context, options Options) (*Follower, error) {
	ctx, cancel := context.WithCancel(ctx)
	f := &Follower{options: options, cancel: cancel, happened: make(chan struct{}, 1)}
	watches := make([]watch.Interface, 0, len(options.Lists))
	for _, list := range options.Lists {
		watched, err := options.Client.Watch(ctx, list)
		if err != nil {
			for _, begun := range watches {
				begun.Stop()
			}
			cancel()
			return nil, fmt.Errorf("watch %T: %w", list, err)
		}
		watches = append(watches, watched)
	}
	for i, watched := range watches {
		f.group.Go(func() { f.notice(ctx, options.Lists[i], watched) })
	}
	f.group.Go(func() { f.react(ctx) })
	return f, nil
}

// Stop ends what Start began and waits for it. It may be called twice, and of nil.
func (f *Follower) Stop() {
	if f == nil {
		return
	}
	f.cancel()
	f.group.Wait()
}

// notice tells of all events of a watch, and watches anew when that ends: API servers end watches after some time. What
// happens meanwhile the next round sees.
func (f *Follower) notice(ctx context.Context, list client.ObjectList, watched watch.Interface) {
	for {
		f.drain(ctx, watched)
		watched.Stop()
		for {
			if ctx.Err() != nil {
				return
			}
			var err error
			if watched, err = f.options.Client.Watch(ctx, list); err == nil {
				break
			}
			f.report(ctx, fmt.Errorf("watch %T: %w", list, err))
			pause(ctx)
		}
	}
}

// drain tells of the events of a watch until that or ctx ends.
func (f *Follower) drain(ctx context.Context, watched watch.Interface) {
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-watched.ResultChan():
			if !open {
				return
			}
			select {
			case f.happened <- struct{}{}:
			default: // The next round sees this too.
			}
		}
	}
}

// react makes a round after events, and now and then.
func (f *Follower) react(ctx context.Context) {
	ticker := time.NewTicker(resync)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := f.options.Round(ctx); err != nil {
			f.report(ctx, err)
		}
		select {
		case <-ctx.Done():
		case <-f.happened:
		case <-ticker.C:
		}
	}
}

// report hands an error over, unless all ends.
func (f *Follower) report(ctx context.Context, err error) {
	if ctx.Err() == nil {
		f.options.Report(err)
	}
}

// pause waits before something is tried again.
func pause(ctx context.Context) {
	timer := time.NewTimer(resync)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
