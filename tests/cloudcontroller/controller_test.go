// SPDX-License-Identifier: Apache-2.0

package cloudcontroller_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
)

func TestALoadBalancerIsMadeAndGoesWithItsService(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{})
	c := newCluster(t, account, "c-1", balanced(t, "labels: {app: web}", ""))
	c.settle(t)

	made := account.LoadBalancers()
	if len(made) != 1 {
		t.Fatalf("load balancers: %v", made)
	}
	id := made[0].ID
	group := made[0].Groups[0].ID
	equal(t, "the load balancer", made[0], slb.LoadBalancer{
		ID: id, Kind: slb.CLB, Region: hangzhou, Name: own, Address: "47.0.0.1", AddressType: slb.Internet,
		Tags: map[string]string{"kubernetes.do.not.delete": own, "ack.aliyun.com": "c-1"},
		Listeners: []slb.Listener{{
			Port: 80, Protocol: "tcp", Status: slb.Running, GroupID: group, Description: "k8s/80/web/shop/c-1", Scheduler: "rr", Bandwidth: -1,
		}},
		Groups: []slb.ServerGroup{{ID: group, Name: "k8s/30080/web/shop/c-1", Backends: []slb.Backend{{
			ServerID: "i-node-1", Address: "10.0.0.1", Port: 30080, Weight: 100, Description: "k8s/30080/web/shop/c-1",
		}}}},
		ListenerChanges: 1,
	})
	service := c.service(t)
	want := balanced(t, "labels: {app: web}", "")
	want.Finalizers = []string{"service.k8s.alibaba/resources"}
	want.Labels["service.k8s.alibaba/loadbalancer-id"] = id
	want.Labels["service.beta.kubernetes.io/hash"] = service.Labels["service.beta.kubernetes.io/hash"]
	want.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "47.0.0.1"}}
	equal(t, "the Service", service, want)
	if len(service.Labels["service.beta.kubernetes.io/hash"]) != 56 {
		t.Errorf("the hash is %q", service.Labels["service.beta.kubernetes.io/hash"])
	}
	equal(t, "the events", c.events(t), []string{"Normal EnsuredLoadBalancer Ensured load balancer [" + id + "]"})

	c.delete(t)
	equal(t, "the Service", c.service(t), (*corev1.Service)(nil))
	equal(t, "load balancers", account.LoadBalancers(), []slb.LoadBalancer{})
}

func TestAServiceOfAnotherTypeHasNone(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{})
	c := newCluster(t, account, "c-1", balanced(t, "", ""))
	c.settle(t)
	service := c.service(t)
	service.Spec.Type = corev1.ServiceTypeNodePort
	if err := c.api.Update(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	c.settle(t)
	want := balanced(t, "", "")
	want.Spec.Type = corev1.ServiceTypeNodePort
	equal(t, "the Service", c.service(t), want)
	equal(t, "load balancers", account.LoadBalancers(), []slb.LoadBalancer{})
}

func TestAChangeIsFollowed(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{})
	c := newCluster(t, account, "c-1", balanced(t, "", ""))
	c.settle(t)
	service := c.service(t)
	service.Spec.Ports[0].Port, service.Spec.Ports[0].NodePort = 81, 30081
	for _, change := range []func() error{
		func() error { return c.api.Update(t.Context(), service) },
		func() error { return c.api.Create(t.Context(), newNode("node-2", "10.0.0.2")) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
	}
	c.settle(t)
	var ports []int32
	var names, servers []string
	for _, l := range account.LoadBalancers()[0].Listeners {
		ports = append(ports, l.Port)
	}
	for _, g := range account.LoadBalancers()[0].Groups {
		names = append(names, g.Name)
		for _, b := range g.Backends {
			servers = append(servers, b.ServerID)
		}
	}
	equal(t, "ports", ports, []int32{81})
	equal(t, "groups", names, []string{"k8s/30081/web/shop/c-1"})
	equal(t, "servers", servers, []string{"i-node-1", "i-node-2"})
}

// TestListenersOfAnExistingOneStay is what the action load-balancer is for, in both directions.
func TestListenersOfAnExistingOneStay(t *testing.T) {
	t.Parallel()
	for _, annotations := range [][]string{{}, {prefix + `force-override-listeners: "false"`}} {
		t.Run(strings.Join(annotations, "/"), func(t *testing.T) {
			t.Parallel()
			account := newAccount(t, slb.Options{})
			made := console(t, account, slb.CLB)
			before := listeners(t, account, made.ID)
			c := newCluster(t, account, "c-1", reusing(t, made.ID, annotations...))
			c.settle(t)
			equal(t, "listeners", listeners(t, account, made.ID), before)
			b := balancerOf(t, account, slb.CLB, made.ID)
			equal(t, "the new group", b.Groups[1].Name, "k8s/30080/web/shop/c-1")
			equal(t, "tags", b.Tags, map[string]string{"kubernetes.reused.by.user": "true"})
			equal(t, "the status", c.service(t).Status.LoadBalancer.Ingress, []corev1.LoadBalancerIngress{{IP: made.Address}})

			c.delete(t)
			equal(t, "the Service", c.service(t), (*corev1.Service)(nil))
			equal(t, "listeners", listeners(t, account, made.ID), before)
			equal(t, "groups", balancerOf(t, account, slb.CLB, made.ID).Groups, made.Groups)
		})
	}
}

func TestListenersAreTakenOverIfThatIsAskedFor(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{})
	made := console(t, account, slb.CLB)
	c := newCluster(t, account, "c-1", reusing(t, made.ID, override))
	c.settle(t)
	b := balancerOf(t, account, slb.CLB, made.ID)
	want := []slb.Listener{made.Listeners[0], made.Listeners[1]}
	want[0].Description, want[0].GroupID = "k8s/80/web/shop/c-1", b.Groups[1].ID
	equal(t, "listeners", b.Listeners, want)
	c.delete(t)
	b = balancerOf(t, account, slb.CLB, made.ID)
	equal(t, "listeners", b.Listeners, made.Listeners[1:])
	equal(t, "groups", b.Groups, made.Groups)
}

func TestClustersThatShareALoadBalancerLeaveEachOthersAlone(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{})
	made := console(t, account, slb.CLB)
	source := newCluster(t, account, "c-source", reusing(t, made.ID, override))
	source.settle(t)
	before := balancerOf(t, account, slb.CLB, made.ID)
	target := newCluster(t, account, "c-target", reusing(t, made.ID))
	target.settle(t)
	source.settle(t)
	during := balancerOf(t, account, slb.CLB, made.ID)
	equal(t, "listeners", during.Listeners, before.Listeners)
	equal(t, "groups", len(during.Groups), 3)
	target.delete(t)
	equal(t, "the load balancer", balancerOf(t, account, slb.CLB, made.ID), before)
}

// TestWhatARestoreWouldDoWithoutTheAction shows that the double tells the difference: the Service of the source as it is, with
// all marks, in another cluster.
func TestWhatARestoreWouldDoWithoutTheAction(t *testing.T) {
	t.Parallel()
	t.Run("the override of the source takes its listeners", func(t *testing.T) {
		t.Parallel()
		account := newAccount(t, slb.Options{})
		made := console(t, account, slb.CLB)
		source := newCluster(t, account, "c-source", reusing(t, made.ID, override))
		source.settle(t)
		before := listeners(t, account, made.ID)
		copied := source.service(t)
		delete(copied.Labels, "service.beta.kubernetes.io/hash")
		newCluster(t, account, "c-target", copied).settle(t)
		if listeners(t, account, made.ID) == before {
			t.Error("the listeners are as they were")
		}
	})
	t.Run("the hash of the source keeps a load balancer from being made", func(t *testing.T) {
		t.Parallel()
		account := newAccount(t, slb.Options{})
		source := newCluster(t, account, "c-source", balanced(t, "", ""))
		source.settle(t)
		copied := source.service(t)
		copied.UID, copied.Status = "66666666-2222-3333-4444-555555555555", corev1.ServiceStatus{}
		target := newCluster(t, account, "c-target", copied)
		target.settle(t)
		equal(t, "load balancers", len(account.LoadBalancers()), 1)
		equal(t, "events", target.events(t), []string{"Warning SyncLoadBalancerFailed Error syncing load balancer []: apply model error: " +
			"alicloud: can not find loadbalancer by tag [kubernetes.do.not.delete:a6666666622223333444455555555555]"})
	})
	t.Run("the status of the source keeps a load balancer from being made", func(t *testing.T) {
		t.Parallel()
		account := newAccount(t, slb.Options{})
		copied := balanced(t, "", "")
		copied.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "47.9.9.9"}}
		target := newCluster(t, account, "c-target", copied)
		target.settle(t)
		equal(t, "load balancers", len(account.LoadBalancers()), 0)
		equal(t, "events", target.events(t), []string{"Warning SyncLoadBalancerFailed Error syncing load balancer []: apply model error: " +
			"update lb attribute error: alicloud: can not find loadbalancer, but it's defined in service [47.9.9.9] " +
			"this may happen when you delete the loadbalancer"})
	})
}

func TestNLB(t *testing.T) {
	t.Parallel()
	const class = "loadBalancerClass: alibabacloud.com/nlb"
	t.Run("one is made", func(t *testing.T) {
		t.Parallel()
		account := newAccount(t, slb.Options{})
		c := newCluster(t, account, "c-1", balanced(t, `annotations: {`+prefix+`zone-maps: "cn-hangzhou-h:vsw-1,cn-hangzhou-i:vsw-2"}`, class))
		c.settle(t)
		service := c.service(t)
		id := service.Labels["service.k8s.alibaba/loadbalancer-id"]
		equal(t, "the finalizers", service.Finalizers, []string{"service.k8s.alibaba/nlb"})
		equal(t, "the status", service.Status.LoadBalancer.Ingress, []corev1.LoadBalancerIngress{{Hostname: id + ".cn-hangzhou.nlb.aliyuncsslb.com"}})
		equal(t, "its listeners", len(balancerOf(t, account, slb.NLB, id).Listeners), 1)
		c.delete(t)
		equal(t, "load balancers", len(account.LoadBalancers()), 0)
	})
	t.Run("an existing one is used", func(t *testing.T) {
		t.Parallel()
		account := newAccount(t, slb.Options{})
		made := console(t, account, slb.NLB)
		before := listeners(t, account, made.ID)
		service := reusing(t, made.ID)
		service.Spec.LoadBalancerClass = new("alibabacloud.com/nlb")
		c := newCluster(t, account, "c-1", service)
		c.settle(t)
		equal(t, "the status", c.service(t).Status.LoadBalancer.Ingress, []corev1.LoadBalancerIngress{{Hostname: made.DNSName}})
		c.delete(t)
		equal(t, "listeners", listeners(t, account, made.ID), before)
	})
}

func TestOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	for name, service := range map[string]*corev1.Service{
		"of another class":      balanced(t, "", "loadBalancerClass: service.k8s.aws/nlb"),
		"of another controller": balanced(t, "annotations: {service.beta.kubernetes.io/class: other}", ""),
		"of another type":       parse[corev1.Service](t, `{metadata: {namespace: shop, name: web}, spec: {type: ClusterIP}}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account := newAccount(t, slb.Options{})
			c := newCluster(t, account, "c-1", service.DeepCopy())
			c.settle(t)
			equal(t, "the Service", c.service(t), service)
			equal(t, "load balancers", len(account.LoadBalancers()), 0)
		})
	}
}

// TestServers is which servers a group has.
func TestServers(t *testing.T) {
	t.Parallel()
	endpoints := `{metadata: {namespace: shop, name: web-1, labels: {kubernetes.io/service-name: web}}, addressType: IPv4,
  ports: [{name: http, port: 8080, protocol: TCP}], endpoints: [
  {addresses: [172.20.0.1], nodeName: node-1, conditions: {ready: true}}, {addresses: [172.20.0.2], nodeName: node-1, conditions: {ready: true}},
  {addresses: [172.20.0.3], nodeName: node-2, conditions: {ready: false}}, {addresses: [172.20.0.4], nodeName: node-3, conditions: {ready: true, terminating: true}}]}`
	away, down := newNode("node-4", "10.0.0.4"), newNode("node-5", "10.0.0.5")
	away.Labels = map[string]string{"node.kubernetes.io/exclude-from-external-load-balancers": ""}
	down.Status.Conditions[0].Status = corev1.ConditionUnknown
	node := func(name, address string, weight int) slb.Backend {
		return slb.Backend{ServerID: name, Address: address, Port: 30080, Weight: weight, Description: "k8s/30080/web/shop/c-1"}
	}
	pod := func(address string) slb.Backend {
		return slb.Backend{ServerID: "eni-" + address, Address: address, Port: 8080, Weight: 100, Description: "k8s/8080/web/shop/c-1"}
	}
	tests := []struct {
		name, metadata, spec string
		want                 []slb.Backend
	}{
		{name: "all nodes that take traffic", want: []slb.Backend{node("i-node-1", "10.0.0.1", 100), node("i-node-2", "10.0.0.2", 100)}},
		{
			name: "nodes with Pods, by their number", spec: "externalTrafficPolicy: Local",
			want: []slb.Backend{node("i-node-1", "10.0.0.1", 2)},
		},
		{
			name: "Pods", metadata: "annotations: {service.beta.kubernetes.io/backend-type: eni}",
			want: []slb.Backend{pod("172.20.0.1"), pod("172.20.0.2")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			account := newAccount(t, slb.Options{})
			c := newCluster(t, account, "c-1", balanced(t, tt.metadata, tt.spec), newNode("node-2", "10.0.0.2"), away.DeepCopy(), down.DeepCopy())
			if err := c.api.Create(t.Context(), parseSlice(t, endpoints)); err != nil {
				t.Fatal(err)
			}
			c.settle(t)
			equal(t, "servers", account.LoadBalancers()[0].Groups[0].Backends, tt.want)
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		account := newAccount(t, slb.Options{})
		c := newCluster(t, account, "c-1", balanced(t, "", "externalTrafficPolicy: Local"))
		c.settle(t)
		equal(t, "events", c.events(t), []string{
			"Normal EnsuredLoadBalancer Ensured load balancer [" + account.LoadBalancers()[0].ID + "]",
			"Normal UnAvailableLoadBalancer There are no available nodes for LoadBalancer",
		})
	})
}

// TestAGroupThatTheUserHasMade is filled and emptied, and what the user has put in stays.
func TestAGroupThatTheUserHasMade(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{})
	made := console(t, account, slb.CLB)
	c := newCluster(t, account, "c-1", reusing(t, made.ID, prefix+"vgroup-port: "+`"`+made.Groups[0].ID+`:80"`))
	c.settle(t)
	b := balancerOf(t, account, slb.CLB, made.ID)
	want := append([]slb.Backend{}, made.Groups[0].Backends...)
	want = append(want, slb.Backend{ServerID: "i-node-1", Address: "10.0.0.1", Port: 30080, Weight: 100, Description: "k8s/30080/web/shop/c-1"})
	equal(t, "the group", b.Groups, []slb.ServerGroup{{ID: made.Groups[0].ID, Name: "by hand", Backends: want}})
	c.delete(t)
	equal(t, "the groups", balancerOf(t, account, slb.CLB, made.ID).Groups, made.Groups)
}

// TestAGroupInUse keeps its Service until a listener of the user leads elsewhere: "Service errors and solutions", RspoolVipExist.
func TestAGroupInUse(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{})
	made := console(t, account, slb.CLB)
	c := newCluster(t, account, "c-1", reusing(t, made.ID))
	c.settle(t)
	move := func(group string) {
		t.Helper()
		l := made.Listeners[0]
		l.GroupID = group
		if err := account.In(hangzhou).SetListener(slb.CLB, made.ID, l); err != nil {
			t.Fatal(err)
		}
	}
	move(balancerOf(t, account, slb.CLB, made.ID).Groups[1].ID)
	c.delete(t)
	if c.service(t) == nil {
		t.Fatal("the Service is gone")
	}
	if err := c.api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "web"}, &corev1.Service{}); err != nil {
		t.Fatal(err)
	}
	equal(t, "the last event", c.events(t)[1], "Warning CleanLoadBalancerFailed Error deleting load balancer ["+made.ID+"]: "+
		"Message: there are vips associating with this vServer group.")
	move(made.Groups[0].ID)
	c.settle(t)
	equal(t, "the Service", c.service(t), (*corev1.Service)(nil))
	equal(t, "the groups", balancerOf(t, account, slb.CLB, made.ID).Groups, made.Groups)
}
