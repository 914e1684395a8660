//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger"
)

// testBeside restores the application in its own cluster, where it goes on: of its Services one uses the same load balancer,
// one gets its own, and node ports are taken. Then the Services of the copy are deleted.
func (m *migration) testBeside(t *testing.T) {
	t.Parallel()
	const name = shop + "-copy"
	s := m.home
	listeners := m.listeners(t, m.reused.ID)
	s.discardAtEnd(t, name)
	s.restore(t, name, shop, "--include-namespaces", shop, "--namespace-mappings", shop+":"+name)
	app := &application{site: s, namespace: name}
	app.awaitRestored(t, m.cuts)
	m.checkBalancers(t, app, m.reused, listeners)
	s.checkTaken(t, name, name, ledger.NodePortName, keptPort)
	s.checkTaken(t, name, name, secondService, takenPort)
	dir, err := s.storageOf(s.volumeOf(t, name, reports))
	must(t, err)
	if got, err := os.ReadFile(filepath.Join(dir, reports)); err != nil || string(got) != reports {
		t.Errorf("the file on NAS is %q: %v", got, err)
	}

	managed := s.balancerOf(t, name, ledger.Name)
	for _, deleted := range []string{reusingService, ledger.Name} {
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: deleted}}
		must(t, s.Client.Delete(t.Context(), service))
		s.awaitGone(t, service)
	}
	if diff := cmp.Diff(listeners, m.listeners(t, m.reused.ID)); diff != "" {
		t.Errorf("the listeners after the restored Service was deleted (-before +after):\n%s", diff)
	}
	want := []slb.LoadBalancer{m.reused, m.managed, {}}
	got := []slb.LoadBalancer{m.loadBalancer(t, m.reused.ID), m.loadBalancer(t, m.managed.ID), m.find(managed.ID)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the load balancers of the source, and that of the copy, after its Services were deleted (-want +got):\n%s", diff)
	}
}

// checkBalancers holds that a restored application uses a load balancer without a change to its listeners, and has a new one
// of its own, at which it serves.
func (m *migration) checkBalancers(t *testing.T, app *application, reused slb.LoadBalancer, listeners string) {
	t.Helper()
	if got := app.balancerOf(t, app.namespace, reusingService); got.ID != reused.ID {
		t.Errorf("%s uses %s, want %s", reusingService, got.ID, reused.ID)
	}
	if diff := cmp.Diff(listeners, m.listeners(t, reused.ID)); diff != "" {
		t.Errorf("the listeners of %s after the restore (-before +after):\n%s", reused.ID, diff)
	}
	managed := app.balancerOf(t, app.namespace, ledger.Name)
	if managed.ID == m.managed.ID || managed.Address == m.managed.Address || managed.Region != app.region {
		t.Errorf("the restored Service has the load balancer %s at %s in %s, and the source has %s at %s",
			managed.ID, managed.Address, managed.Region, m.managed.ID, m.managed.Address)
	}
	if diff := cmp.Diff(m.managed, m.loadBalancer(t, m.managed.ID)); diff != "" {
		t.Errorf("the load balancer that was made for the source (-before +after):\n%s", diff)
	}
	app.eventually(t, podTimeout, "an answer of the restored application at "+managed.Address, func(ctx context.Context) error {
		status, err := clientAt(managed.Address).Status(ctx)
		if err == nil && status.Directories[ledger.Path(m.volume.Name)].Found == 0 {
			err = errors.New("another one answers")
		}
		return err
	})
}

// checkTaken holds that the restored Service has another node port than a taken one, and that the user is told.
func (s *site) checkTaken(t *testing.T, restore, namespace, name string, taken int32) {
	t.Helper()
	if got := s.nodePort(t, namespace, name); got == taken || got == 0 {
		t.Errorf("the node port of %s/%s is %d, and %d is taken", namespace, name, got, taken)
	}
	const message = `level=warning msg="The node port is taken in this cluster: another is chosen"`
	logs := s.velero(t, "restore", "logs", restore)
	for line := range strings.Lines(logs) {
		if strings.Contains(line, message) && strings.Contains(line, fmt.Sprintf("nodePort=%d", taken)) && strings.Contains(line, "name="+name) {
			return
		}
	}
	t.Errorf("the log of the restore %s does not say %s of %s:\n%s", restore, message, name, logs)
}

// nodePort is that of a Service with one port.
func (s *site) nodePort(t *testing.T, namespace, name string) int32 {
	t.Helper()
	found := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	s.get(t, found)
	return found.Spec.Ports[0].NodePort
}

// balancerOf is the load balancer of a Service, once the cloud controller is done with it.
func (s *site) balancerOf(t *testing.T, namespace, name string) slb.LoadBalancer {
	t.Helper()
	found := &corev1.Service{}
	var balancer slb.LoadBalancer
	s.eventually(t, podTimeout, "the load balancer of "+namespace+"/"+name, func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, found); err != nil {
			return err
		}
		if len(found.Status.LoadBalancer.Ingress) == 0 {
			return errors.New("the Service has none")
		}
		for _, balancer = range s.balancers.LoadBalancers() {
			if balancer.ID == found.Labels["service.k8s.alibaba/loadbalancer-id"] {
				return nil
			}
		}
		return fmt.Errorf("the Service has the labels %v", found.Labels)
	})
	if got := found.Status.LoadBalancer.Ingress[0].IP; got != balancer.Address {
		t.Errorf("the Service %s/%s says that it is at %s, want %s", namespace, name, got, balancer.Address)
	}
	return balancer
}

// find is a load balancer, or an empty one if there is none.
func (e *environment) find(id string) slb.LoadBalancer {
	for _, balancer := range e.balancers.LoadBalancers() {
		if balancer.ID == id {
			return balancer
		}
	}
	return slb.LoadBalancer{}
}

// loadBalancer is a load balancer as it is now.
func (e *environment) loadBalancer(t *testing.T, id string) slb.LoadBalancer {
	t.Helper()
	found := e.find(id)
	if found.ID == "" {
		t.Errorf("there is no load balancer %s any more", id)
	}
	return found
}

// listeners are those of a load balancer, to the byte.
func (e *environment) listeners(t *testing.T, id string) string {
	t.Helper()
	listeners, err := e.balancers.ListenersJSON(id)
	must(t, err)
	if len(listeners) == 0 {
		t.Fatalf("the load balancer %s has no listeners", id)
	}
	return string(listeners)
}

// An application that serves may leave a request without an answer where all processors of this machine are in use, but not
// each one for long. That nothing has changed a listener of its load balancers is held beside it.
const (
	answerTimeout = 5 * time.Second
	maxOutage     = 30 * time.Second
)

// keepServing asks the application at addresses again and again, until the function that it returns is called, which holds
// that it has answered all the time, and no copy in its place: a copy has found records.
func (a *application) keepServing(t *testing.T, addresses ...string) (stop func()) {
	t.Helper()
	for _, address := range addresses {
		a.eventually(t, podTimeout, "an answer at "+address, func(ctx context.Context) error { return a.answers(ctx, clientAt(address)) })
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	all := make([]served, len(addresses))
	for i, address := range addresses {
		running.Go(func() { all[i] = a.serves(ctx, address) })
	}
	return func() {
		t.Helper()
		cancel()
		running.Wait()
		for i, address := range addresses {
			s := all[i]
			t.Logf("the source at %s answered %d times, the longest time without an answer was %s; it did not answer %d times: %v",
				address, s.answers, s.longest, len(s.failures), errors.Join(s.failures...))
			if s.ended != nil {
				t.Errorf("the source at %s answers no more: %v", address, s.ended)
			}
		}
	}
}

// served is how an application has answered.
type served struct {
	answers int
	// longest is the longest time from one answer to the next.
	longest  time.Duration
	failures []error
	// ended is why it is not asked any more, but for the end of the test.
	ended error
}

// errCopy is that another process answers in place of the one that serves.
var errCopy = errors.New("a process answers that has found records")

// serves asks the application at an address until ctx ends or it does not answer for too long.
func (a *application) serves(ctx context.Context, address string) served {
	// A connection that there is would outlive its listener.
	asked := clientAt(address)
	asked.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: answerTimeout}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var s served
	for since := time.Now(); ; <-tick.C {
		err := a.answers(ctx, asked)
		without := time.Since(since)
		switch {
		case ctx.Err() != nil:
			return s
		case err == nil:
			s.answers, s.longest, since = s.answers+1, max(s.longest, without), time.Now()
			continue
		case errors.Is(err, errCopy) || without > maxOutage:
			s.ended = err
			return s
		}
		s.failures = append(s.failures, err)
	}
}

func (a *application) answers(ctx context.Context, asked *ledger.Client) error {
	status, err := asked.Status(ctx)
	if err != nil {
		return err
	}
	for name, at := range status.Directories {
		if at.Found > 0 {
			return fmt.Errorf("%w: %d in %s", errCopy, at.Found, name)
		}
	}
	return nil
}
