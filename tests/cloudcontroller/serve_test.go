// SPDX-License-Identifier: Apache-2.0

package cloudcontroller_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudcontroller"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/controlplanetest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

// application listens at a port of a node and answers with a word. It returns the port.
func application(t *testing.T, node, answer string) int32 {
	t.Helper()
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(node, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	go func() {
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, answer)
			conn.Close()
		}
	}()
	address, err := netip.ParseAddrPort(socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return int32(address.Port())
}

// ask connects to a load balancer and reads what it answers.
func ask(t *testing.T, address string) string {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", net.JoinHostPort(address, "8000"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	if err != nil {
		return "" // It was reset.
	}
	return string(text)
}

// TestTheSourceKeepsServing is two clusters with a Service that names the same load balancer: connections lead to the source
// until the target asks for the listeners.
func TestTheSourceKeepsServing(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{Addresses: netip.MustParsePrefix("127.77.1.0/24"), Serve: true})
	made, err := account.In(hangzhou).Create(slb.Spec{Kind: slb.CLB})
	if err != nil {
		t.Fatal(err)
	}
	at := func(id, node string, annotations ...string) *cluster {
		service := reusing(t, made.ID, annotations...)
		service.Spec.Ports[0].Port, service.Spec.Ports[0].NodePort = 8000, application(t, node, id)
		c := newClusterOf(t, account, id, service, newNode("node-1", node))
		c.settle(t)
		return c
	}
	source := at("c-source", "127.77.1.101", override)
	equal(t, "with the source alone", ask(t, made.Address), "c-source")
	target := at("c-target", "127.77.1.102")
	equal(t, "with both", ask(t, made.Address), "c-source")

	service := target.service(t)
	service.Annotations[prefix+"force-override-listeners"] = "true"
	if err := target.api.Update(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	target.settle(t)
	source.settle(t)
	equal(t, "after the override", ask(t, made.Address), "c-target")
	source.delete(t)
	equal(t, "without the source", ask(t, made.Address), "c-target")
}

// TestARealControlPlane is the life of a Service where the API server gives node ports and holds what has a finalizer.
func TestARealControlPlane(t *testing.T) {
	t.Parallel()
	cp := controlplanetest.Start(t, controlplane.Options{})
	account := newAccount(t, slb.Options{})
	start := func() *cloudcontroller.Controller {
		c, err := cloudcontroller.Start(t.Context(), cp.Client, cloudcontroller.Options{LoadBalancers: account.In(hangzhou), ClusterID: "c-1"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	stop := func(c *cloudcontroller.Controller) {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	controller := start()
	node := newNode("node-1", "10.0.0.1")
	service := balanced(t, "", "")
	service.UID, service.Spec.Ports[0].NodePort = "", 0
	shop := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	for _, object := range []client.Object{shop, node, service} {
		if err := cp.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	before := node.DeepCopy()
	before.Status = corev1.NodeStatus{} // As the API server has made it.
	node.Status = newNode("node-1", "10.0.0.1").Status
	if err := cp.Client.Status().Patch(t.Context(), node, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	read := func(ctx context.Context) error {
		return cp.Client.Get(ctx, client.ObjectKeyFromObject(service), service)
	}
	eventually(t, "the address", func(ctx context.Context) error {
		if err := read(ctx); err != nil {
			return err
		}
		if len(service.Status.LoadBalancer.Ingress) == 0 || service.Status.LoadBalancer.Ingress[0].IP != "47.0.0.1" {
			return errors.New("none in the status")
		}
		return nil
	})
	eventually(t, "the server", func(context.Context) error {
		g := account.LoadBalancers()[0].Groups
		if len(g) != 1 || len(g[0].Backends) != 1 || g[0].Backends[0].Port != service.Spec.Ports[0].NodePort {
			return fmt.Errorf("groups are %v", g)
		}
		return nil
	})
	equal(t, "the finalizers", service.Finalizers, []string{"service.k8s.alibaba/resources"})

	stop(controller)
	if err := cp.Client.Delete(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deletion to begin", func(ctx context.Context) error {
		if err := read(ctx); err != nil {
			return poll.Permanent(fmt.Errorf("the finalizer does not hold the Service: %w", err))
		}
		if service.DeletionTimestamp == nil {
			return errors.New("not deleted yet")
		}
		return nil
	})
	equal(t, "load balancers without a controller", len(account.LoadBalancers()), 1)
	controller = start()
	eventually(t, "the namespace to go", func(ctx context.Context) error {
		if err := cp.Client.Get(ctx, client.ObjectKeyFromObject(shop), shop); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
	equal(t, "load balancers", len(account.LoadBalancers()), 0)
	stop(controller)
}

func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	if err := poll.Until(t.Context(), time.Minute, what, check); err != nil {
		t.Fatal(err)
	}
}
