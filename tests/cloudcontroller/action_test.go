// SPDX-License-Identifier: Apache-2.0

package cloudcontroller_test

import (
	"testing"

	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	pluginscluster "github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
)

// restored is what a restore with the action load-balancer and these settings makes of a Service of another cluster, with
// nothing taken away but what Velero takes from every object: even node ports stay, with which the hash would match.
func restored(t *testing.T, service *corev1.Service, set map[string]string) *corev1.Service {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(service)
	if err != nil {
		t.Fatal(err)
	}
	backedUp := &unstructured.Unstructured{Object: content}
	backedUp.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Service"))
	item := backedUp.DeepCopy()
	delete(item.Object, "status")
	api := fake.NewClientBuilder().WithObjects(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "velero", Name: "load-balancer",
			Labels: map[string]string{"velero.io/plugin-config": "", restoreitemaction.LoadBalancerName: "RestoreItemAction"},
		},
		Data: set,
	}).Build()
	here := pluginscluster.New(api, "velero")
	log, _ := logrustest.NewNullLogger()
	output, err := restoreitemaction.NewLoadBalancer(log, settings.NewReader(here), here).Execute(&velero.RestoreItemActionExecuteInput{
		Item: item, ItemFromBackup: backedUp,
		Restore: &velerov1.Restore{ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "r"}, Spec: velerov1.RestoreSpec{PreserveNodePorts: new(true)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := &corev1.Service{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(output.UpdatedItem.UnstructuredContent(), got); err != nil {
		t.Fatal(err)
	}
	got.UID = "66666666-2222-3333-4444-555555555555"
	return got
}

// TestARestoreIntoAnotherCluster is what the restore action load-balancer promises, with a Service that the controller of the
// source has marked, in a second cluster on the same account.
func TestARestoreIntoAnotherCluster(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		managed  bool
		settings map[string]string
		// another says that the restored Service has a load balancer of its own, taken that the listeners lead to it.
		another, taken bool
	}{
		{name: "an existing load balancer is used, and its listeners are left alone"},
		{name: "its listeners are taken where that is set", settings: map[string]string{"overrideListeners": "true"}, taken: true},
		{name: "another one is made where that is set", settings: map[string]string{"reuse": "new"}, another: true},
		{name: "one that the controller has made is made anew", managed: true, another: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			account := newAccount(t, slb.Options{})
			service := balanced(t, "", "")
			if !tt.managed {
				service = reusing(t, console(t, account, slb.CLB).ID, override)
			}
			source := newCluster(t, account, "c-source", service)
			source.settle(t)
			before := account.LoadBalancers()[0]
			bytesBefore := listeners(t, account, before.ID)

			target := newCluster(t, account, "c-target", restored(t, source.service(t), tt.settings))
			target.settle(t)
			source.settle(t)
			got := target.service(t)
			ingress := got.Status.LoadBalancer.Ingress
			if len(ingress) != 1 || (ingress[0].IP != before.Address) != tt.another {
				t.Errorf("the status is %v, that of the source %s; events %q", ingress, before.Address, target.events(t))
			}
			if id := got.Labels["service.k8s.alibaba/loadbalancer-id"]; (id != before.ID) != tt.another {
				t.Errorf("the load balancer is %s, that of the source %s", id, before.ID)
			}
			if same := listeners(t, account, before.ID) == bytesBefore; same == tt.taken {
				t.Errorf("listeners: %s, were %s", listeners(t, account, before.ID), bytesBefore)
			}
			if tt.another {
				equal(t, "the load balancer of the source", balancerOf(t, account, slb.CLB, before.ID), before)
			}
			if tt.taken {
				return
			}
			target.delete(t)
			equal(t, "the restored Service", target.service(t), (*corev1.Service)(nil))
			equal(t, "what is left", account.LoadBalancers(), []slb.LoadBalancer{before})
		})
	}
}
