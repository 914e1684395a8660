// SPDX-License-Identifier: Apache-2.0

package cloudcontroller_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
)

func parseSlice(t *testing.T, text string) *discoveryv1.EndpointSlice {
	t.Helper()
	return parse[discoveryv1.EndpointSlice](t, text)
}

// refusal is what happens to a Service that is refused; LB in it stands for the id of the load balancer of console.
type refusal struct {
	name string
	// tags are those of the load balancer, and kind what it is.
	tags map[string]string
	kind slb.Kind
	// region is where it is, Hangzhou by default.
	region      string
	annotations string
	spec        string
	status      []corev1.LoadBalancerIngress
	want        string
}

func refusals() []refusal {
	const applied = "apply model error: update lb attribute error: alicloud: "
	return []refusal{
		{
			name: "a load balancer that a controller has made is not used by others", tags: map[string]string{"kubernetes.do.not.delete": "a1"},
			annotations: prefix + "id: LB",
			want:        "[LB]: " + applied + "the loadbalancer LB can not be reused, can not reuse loadbalancer created by kubernetes.",
		},
		{
			name: "nor that of an API server", tags: map[string]string{"ack.aliyun.com": "c-1"}, annotations: prefix + "id: LB",
			want: "[LB]: " + applied + "the loadbalancer LB can not be reused, can not reuse loadbalancer created by kubernetes.",
		},
		{
			name: "nor an NLB that a controller has made", kind: slb.NLB, tags: map[string]string{"kubernetes.do.not.delete": "a1"},
			annotations: prefix + "id: LB", spec: "loadBalancerClass: alibabacloud.com/nlb",
			want: "[LB]: apply model error: update nlb attribute error: " +
				"the loadbalancer LB can not be reused, can not reuse loadbalancer created by kubernetes.",
		},
		{
			name: "one that there is not", annotations: prefix + "id: lb-none",
			want: "[lb-none]: Message: The specified LoadBalancerId does not exist.",
		},
		{
			name: "one of another region", region: "cn-beijing", annotations: "service.beta.kubernetes.io/alicloud-loadbalancer-id: LB",
			want: "[LB]: Message: The specified LoadBalancerId does not exist.",
		},
		{
			name: "an NLB that there is not", annotations: prefix + "id: nlb-none", spec: "loadBalancerClass: alibabacloud.com/nlb",
			want: "[nlb-none]: Message: The specified resource of loadbalancer is not found.",
		},
		{
			name: "another one than the Service has had", annotations: prefix + "id: LB", status: []corev1.LoadBalancerIngress{{IP: "47.9.9.9"}},
			want: "[LB]: " + applied + "the loadbalancer LB can not be reused, " +
				"service has been associated with ip [47.9.9.9], cannot be bound to ip [47.0.0.1]",
		},
		{
			name: "one of another address type", annotations: prefix + "id: LB, " + prefix + "address-type: intranet",
			want: "[LB]: " + applied + "can not change LoadBalancer AddressType once created. delete and retry",
		},
		{
			name:        "a port that a listener of another protocol has",
			annotations: prefix + "id: LB, " + override + ", " + prefix + `protocol-port: "http:80"`,
			want:        "[LB]: Message: There is already a listener bound to the port on the specified load balancer.",
		},
		{
			name: "a protocol that there is not", annotations: prefix + `protocol-port: "sctp:80"`,
			want: "[NEW]: apply model error: port protocol format must be either [http|https|tcp|udp], protocol not supported wit [sctp]",
		},
		{
			name: "a group that there is not", annotations: prefix + "id: LB, " + prefix + `vgroup-port: "rsp-none:80"`,
			want: "[LB]: build lb local model error: build vserver groups error: can not find vgroupId rsp-none in lb LB",
		},
		{
			name: "an NLB without zones", spec: "loadBalancerClass: alibabacloud.com/nlb",
			want: "[]: apply model error: update nlb attribute error: ParameterMissing, zone mappings are required",
		},
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range refusals() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			account := newAccount(t, slb.Options{})
			kind := tt.kind
			if kind == "" {
				kind = slb.CLB
			}
			made := console(t, account, kind)
			for key, value := range tt.tags {
				if err := account.In(hangzhou).Tag(kind, made.ID, key, value); err != nil {
					t.Fatal(err)
				}
			}
			if tt.region != "" {
				var err error
				if made, err = account.In(tt.region).Create(slb.Spec{Kind: kind}); err != nil {
					t.Fatal(err)
				}
			}
			before := listeners(t, account, made.ID)
			service := balanced(t, "annotations: {"+strings.ReplaceAll(tt.annotations, "LB", made.ID)+"}", tt.spec)
			service.Status.LoadBalancer.Ingress = tt.status
			c := newCluster(t, account, "c-1", service)
			c.settle(t)
			want := strings.ReplaceAll(strings.ReplaceAll(tt.want, "LB", made.ID), "NEW", newest(account, made.ID))
			equal(t, "events", c.events(t), []string{"Warning SyncLoadBalancerFailed Error syncing load balancer " + want})
			equal(t, "the status", c.service(t).Status.LoadBalancer.Ingress, tt.status)
			equal(t, "listeners", listeners(t, account, made.ID), before)

			c.delete(t)
			equal(t, "the Service that was refused", c.service(t), (*corev1.Service)(nil))
			equal(t, "listeners", listeners(t, account, made.ID), before)
		})
	}
}

// newest is the id of the load balancer besides one.
func newest(account *slb.Account, id string) string {
	for _, b := range account.LoadBalancers() {
		if b.ID != id {
			return b.ID
		}
	}
	return "NEW"
}

func TestAGroupOfAControllerIsNotNamed(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{})
	made := console(t, account, slb.CLB)
	id, err := account.In(hangzhou).CreateGroup(slb.CLB, made.ID, "k8s/30080/web/shop/c-2", nil)
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t, account, "c-1", reusing(t, made.ID, prefix+`vgroup-port: "`+id+`:80"`))
	c.settle(t)
	equal(t, "events", c.events(t), []string{
		"Warning SyncLoadBalancerFailed Error syncing load balancer [" + made.ID + "]: build lb local model error: " +
			"build vserver groups error: cannot reuse a ccm created vgroup " + id + " for slb " + made.ID,
	})
}

func TestTwoOfOneNameAreNotTold(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{})
	for range 2 {
		if _, err := account.In(hangzhou).Create(slb.Spec{Kind: slb.CLB, Name: own}); err != nil {
			t.Fatal(err)
		}
	}
	c := newCluster(t, account, "c-1", balanced(t, "", ""))
	c.settle(t)
	all := account.LoadBalancers()
	equal(t, "events", c.events(t), []string{
		"Warning SyncLoadBalancerFailed Error syncing load balancer []: apply model error: get load balancer attribute from cloud, error: " +
			"[shop/web] find multiple loadbalances by name, lbIds[" + all[0].ID + "," + all[1].ID + "]",
	})
}
