// SPDX-License-Identifier: Apache-2.0

package cloudcontroller_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudcontroller"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
)

const (
	hangzhou  = "cn-hangzhou"
	namespace = "shop"
	prefix    = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
	// uid is that of the Service of tests, and own what a load balancer that is made for it is named and tagged.
	uid = "11111111-2222-3333-4444-555555555555"
	own = "a1111111122223333444455555555555"
)

// cluster is a cluster with its controller.
type cluster struct {
	*cloudcontroller.Controller

	api client.WithWatch
}

func newAccount(t *testing.T, options slb.Options) *slb.Account {
	t.Helper()
	if !options.Addresses.IsValid() {
		options.Addresses = netip.MustParsePrefix("47.0.0.0/24")
	}
	account, err := slb.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := account.Close(); err != nil {
			t.Error(err)
		}
	})
	return account
}

// newCluster is a cluster in Hangzhou with a node, and with objects.
func newCluster(t *testing.T, account *slb.Account, id string, objects ...client.Object) *cluster {
	t.Helper()
	return newClusterOf(t, account, id, append(objects, newNode("node-1", "10.0.0.1"))...)
}

// newClusterOf is a cluster in Hangzhou with objects alone.
func newClusterOf(t *testing.T, account *slb.Account, id string, objects ...client.Object) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, discoveryv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c := &cluster{api: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(objects...).Build()}
	var err error
	c.Controller, err = cloudcontroller.New(c.api, cloudcontroller.Options{LoadBalancers: account.In(hangzhou), ClusterID: id})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) settle(t *testing.T) {
	t.Helper()
	// Twice is the same as once.
	for range 2 {
		if err := c.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// service returns the Service shop/web as it is, nil if it is gone.
func (c *cluster) service(t *testing.T) *corev1.Service {
	t.Helper()
	service := &corev1.Service{}
	err := c.api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "web"}, service)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	service.ResourceVersion = ""
	return service
}

func (c *cluster) delete(t *testing.T) {
	t.Helper()
	if err := c.api.Delete(t.Context(), c.service(t)); err != nil {
		t.Fatal(err)
	}
	c.settle(t)
}

// events returns the events in a namespace, with ids of requests taken out.
func (c *cluster) events(t *testing.T) []string {
	t.Helper()
	var all corev1.EventList
	if err := c.api.List(t.Context(), &all, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	var messages []string
	for _, e := range all.Items {
		messages = append(messages, strings.Join([]string{e.Type, e.Reason, e.Message}, " "))
	}
	slices.Sort(messages)
	return messages
}

func newNode(name, address string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.NodeSpec{ProviderID: "cn-hangzhou.i-" + name},
		Status: corev1.NodeStatus{
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
}

// balanced is a Service of type LoadBalancer with more in its metadata and its spec, as YAML.
func balanced(t *testing.T, metadata, spec string) *corev1.Service {
	t.Helper()
	service := parse[corev1.Service](t, `
metadata: {`+metadata+`}
spec:
  type: LoadBalancer
  ports: [{name: http, port: 80, protocol: TCP, targetPort: 8080, nodePort: 30080}]
  `+spec)
	service.Namespace, service.Name, service.UID = namespace, "web", types.UID(uid)
	return service
}

// reusing is a Service that names a load balancer, with more annotations.
func reusing(t *testing.T, id string, more ...string) *corev1.Service {
	t.Helper()
	return balanced(t, "annotations: {"+strings.Join(append([]string{prefix + "id: " + id}, more...), ", ")+"}", "")
}

const override = prefix + `force-override-listeners: "true"`

func parse[T any](t *testing.T, text string) *T {
	t.Helper()
	object := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return object
}

// console is a load balancer that was made in the console, with listeners at 80 and 8443 to a group of its own.
func console(t *testing.T, account *slb.Account, kind slb.Kind) slb.LoadBalancer {
	t.Helper()
	region := account.In(hangzhou)
	made, err := region.Create(slb.Spec{Kind: kind, Name: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	group, err := region.CreateGroup(kind, made.ID, "by hand", []slb.Backend{{ServerID: "i-old", Address: "10.9.9.9", Port: 80, Weight: 100}})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []slb.Listener{
		{Port: 80, Protocol: "tcp", GroupID: group, Scheduler: "wlc", Attributes: map[string]string{"EstablishedTimeout": "500"}},
		{Port: 8443, Protocol: "https", GroupID: group, Scheduler: "wrr"},
	} {
		if err := region.CreateListener(kind, made.ID, l); err != nil {
			t.Fatal(err)
		}
	}
	return balancerOf(t, account, kind, made.ID)
}

func balancerOf(t *testing.T, account *slb.Account, kind slb.Kind, id string) slb.LoadBalancer {
	t.Helper()
	b, err := account.In(hangzhou).Get(kind, id)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func listeners(t *testing.T, account *slb.Account, id string) string {
	t.Helper()
	text, err := account.ListenersJSON(id)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
