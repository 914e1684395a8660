// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// resync is how often a cluster looks for what no event tells: a Secret that a Pod waits for, a directory that is there
// now.
const resync = time.Second

// follower is the goroutines of a cluster that follows what happens.
type follower struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
}

// stop ends the goroutines and waits for them. There may be none.
func (f *follower) stop() {
	if f.cancel != nil {
		f.cancel()
	}
	f.group.Wait()
}

// follow begins to settle the cluster whenever something happens.
func (c *Cluster) follow(ctx context.Context) error {
	ctx, c.follower.cancel = context.WithCancel(ctx)
	happened := make(chan struct{}, 1)
	lists := []client.ObjectList{
		&corev1.NodeList{}, &corev1.PodList{}, &corev1.PersistentVolumeClaimList{}, &corev1.PersistentVolumeList{},
	}
	if c.options.ControllerManager {
		lists = append(lists, &appsv1.DaemonSetList{})
	}
	if c.options.Snapshots {
		lists = append(lists, &snapshotv1.VolumeSnapshotList{}, &snapshotv1.VolumeSnapshotContentList{})
	}
	for _, list := range lists {
		watched, err := c.client.Watch(ctx, list)
		if err != nil {
			return fmt.Errorf("watch %T: %w", list, err)
		}
		c.follower.group.Go(func() { c.notice(ctx, list, watched, happened) })
	}
	c.follower.group.Go(func() { c.react(ctx, happened) })
	return nil
}

// notice tells of all events of a watch, and watches anew when that ends: API servers end watches after some time. What
// happens meanwhile the next round sees.
func (c *Cluster) notice(ctx context.Context, list client.ObjectList, watched watch.Interface, happened chan<- struct{}) {
	for ctx.Err() == nil {
		drain(ctx, watched, happened)
		watched.Stop()
		var err error
		if watched, err = c.client.Watch(ctx, list); err != nil {
			c.report(ctx, fmt.Errorf("watch %T: %w", list, err))
			return
		}
	}
	watched.Stop()
}

// drain tells of the events of a watch until that or ctx ends.
func drain(ctx context.Context, watched watch.Interface, happened chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-watched.ResultChan():
			if !open {
				return
			}
			select {
			case happened <- struct{}{}:
			default: // The next round sees this too.
			}
		}
	}
}

// react settles the cluster after events, and now and then.
func (c *Cluster) react(ctx context.Context, happened <-chan struct{}) {
	ticker := time.NewTicker(resync)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := c.Settle(ctx); err != nil {
			c.report(ctx, err)
		}
		select {
		case <-ctx.Done():
		case <-happened:
		case <-ticker.C:
		}
	}
}

// report keeps an error for Close, unless all ends.
func (c *Cluster) report(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, err)
}
