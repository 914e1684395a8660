// SPDX-License-Identifier: Apache-2.0

package cloudcontroller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/follow"
)

// Options say what a Controller is for.
type Options struct {
	// LoadBalancers are those of the region of the cluster.
	LoadBalancers *slb.Region
	// ClusterID is the id of the cluster, in the names of all that is made for it. Clusters that share load balancers have
	// different ones.
	ClusterID string
	// Report gets the errors of a controller that was started: those of the API server. nil keeps them for Close. What the
	// cloud refuses is told by events.
	Report func(error)
	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Controller is the double for one cluster. It is safe for concurrent use.
type Controller struct {
	client   client.WithWatch
	options  Options
	follower *follow.Follower

	// mu guards everything below, and lets one round run at a time.
	mu sync.Mutex
	// told are the events that there have been.
	told map[string]bool

	failedMu sync.Mutex
	failed   []error
}

// New returns a controller that does nothing but by Settle.
func New(api client.WithWatch, options Options) (*Controller, error) {
	if options.LoadBalancers == nil || options.ClusterID == "" {
		return nil, errors.New("cloud controller: LoadBalancers and ClusterID are required")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Controller{client: api, options: options, told: map[string]bool{}}, nil
}

// Start returns a controller that follows what happens until ctx ends or Close is called.
func Start(ctx context.Context, api client.WithWatch, options Options) (*Controller, error) {
	c, err := New(api, options)
	if err != nil {
		return nil, err
	}
	report := options.Report
	if report == nil {
		report = c.keep
	}
	c.follower, err = follow.Start(ctx, follow.Options{
		Client: api, Lists: []client.ObjectList{&corev1.ServiceList{}, &corev1.NodeList{}, &discoveryv1.EndpointSliceList{}},
		Round: c.Settle, Report: report,
	})
	return c, err
}

func (c *Controller) keep(err error) {
	c.failedMu.Lock()
	defer c.failedMu.Unlock()
	c.failed = append(c.failed, err)
}

// Close ends what Start began and waits for it. Load balancers and marks stay, as they do when the controller of a cluster
// ends. The error is what went wrong before that nobody was told.
func (c *Controller) Close() error {
	c.follower.Stop()
	c.failedMu.Lock()
	defer c.failedMu.Unlock()
	err := errors.Join(c.failed...)
	c.failed = nil
	return err
}

// Settle does all that there is to do now. The error is that of the API server.
func (c *Controller) Settle(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, err := c.see(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for i := range seen.services {
		for _, p := range products() {
			if service := &seen.services[i]; p.handles(service) {
				errs = append(errs, c.handle(ctx, seen, p, service))
			}
		}
	}
	return errors.Join(errs...)
}

// view is the cluster as a round sees it.
type view struct {
	services []corev1.Service
	nodes    []corev1.Node
	slices   []discoveryv1.EndpointSlice
}

func (c *Controller) see(ctx context.Context) (view, error) {
	var services corev1.ServiceList
	var nodes corev1.NodeList
	var endpoints discoveryv1.EndpointSliceList
	for _, list := range []client.ObjectList{&services, &nodes, &endpoints} {
		if err := c.client.List(ctx, list); err != nil {
			return view{}, fmt.Errorf("cloud controller: list %T: %w", list, err)
		}
	}
	return view{services.Items, nodes.Items, endpoints.Items}, nil
}

// handle brings the load balancer of a Service to what it is to be, and tells of it.
func (c *Controller) handle(ctx context.Context, seen view, p product, service *corev1.Service) error {
	s := &serviceSync{
		product: p, service: service, seen: seen, balancers: c.options.LoadBalancers, cluster: c.options.ClusterID,
		deleting: service.DeletionTimestamp != nil || !p.wants(service),
	}
	var err error
	if s.deleting {
		err = c.cleanUp(ctx, s)
	} else {
		err = c.ensure(ctx, s)
	}
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // The Service has changed, or is gone: the next round sees it.
	}
	if err != nil {
		return fmt.Errorf("cloud controller: Service %s: %w", client.ObjectKeyFromObject(service), err)
	}
	return nil
}

// ensure is what is done for a Service that is to have a load balancer.
func (c *Controller) ensure(ctx context.Context, s *serviceSync) error {
	if err := c.setFinalizer(ctx, s.service, s.product.finalizer, true); err != nil {
		return err
	}
	balancer, err := s.apply()
	if s.lonely {
		const lonely = "There are no available nodes for LoadBalancer"
		if err := c.event(ctx, s.service, corev1.EventTypeNormal, "UnAvailableLoadBalancer", lonely); err != nil {
			return err
		}
	}
	if err != nil {
		return c.event(ctx, s.service, corev1.EventTypeWarning, "SyncLoadBalancerFailed",
			fmt.Sprintf("Error syncing load balancer [%s]: %s", balancer.ID, message(err)))
	}
	if err := c.setLabels(ctx, s.service, map[string]string{hashLabel: hashOf(s.service), idLabel: balancer.ID}); err != nil {
		return err
	}
	if err := c.setStatus(ctx, s.service, s.product.ingress(s.service, balancer)); err != nil {
		return err
	}
	return c.event(ctx, s.service, corev1.EventTypeNormal, "EnsuredLoadBalancer", fmt.Sprintf("Ensured load balancer [%s]", balancer.ID))
}

// cleanUp is what is done for a Service that is to have none any more.
func (c *Controller) cleanUp(ctx context.Context, s *serviceSync) error {
	balancer, err := s.apply()
	if err != nil && !isNoBalancer(err) {
		return c.event(ctx, s.service, corev1.EventTypeWarning, "CleanLoadBalancerFailed",
			fmt.Sprintf("Error deleting load balancer [%s]: %s", balancer.ID, message(err)))
	}
	// The event is first: the Service may be gone afterwards.
	if err := c.event(ctx, s.service, corev1.EventTypeNormal, "CleanLoadBalancer", "Clean load balancer"); err != nil {
		return err
	}
	if err := c.setLabels(ctx, s.service, map[string]string{hashLabel: "", idLabel: ""}); err != nil {
		return err
	}
	if err := c.setStatus(ctx, s.service, nil); err != nil {
		return err
	}
	return c.setFinalizer(ctx, s.service, s.product.finalizer, false)
}
