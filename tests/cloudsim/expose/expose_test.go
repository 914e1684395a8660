// SPDX-License-Identifier: Apache-2.0

package expose_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/expose"
)

// newAPI gives Services an address, as an API server does.
func newAPI() client.Client {
	allocate := func(object client.Object) {
		if service, ok := object.(*corev1.Service); ok {
			service.Spec.ClusterIP = "10.233.1.7"
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme.Scheme).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.CreateOption) error {
			allocate(object)
			return api.Create(ctx, object, options...)
		},
		Update: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			allocate(object)
			return api.Update(ctx, object, options...)
		},
	}).Build()
}

func TestPodsReachTheCloudByItsService(t *testing.T) {
	t.Parallel()
	api := newAPI()
	for _, port := range []string{"1", "2"} { // A cloud that was started anew listens at other ports.
		listening := cloudsim.Addresses{
			OSS: "http://10.231.0.1:100" + port, OSSTLS: "https://127.0.0.1:1", RPC: "http://10.231.0.1:200" + port,
			Proxy: "http://10.231.0.1:300" + port, Admin: "http://10.231.0.1:400" + port, CAFile: "/cloud/ca.pem",
		}
		got, err := expose.Apply(t.Context(), api, listening)
		if err != nil {
			t.Fatal(err)
		}
		want := cloudsim.Addresses{
			OSS: "http://10.233.1.7:100" + port, RPC: "http://10.233.1.7:200" + port, Proxy: "http://10.233.1.7:300" + port,
			Admin: "http://10.233.1.7:400" + port, CAFile: "/cloud/ca.pem",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("addresses (-want +got):\n%s", diff)
		}
	}
	slice := &discoveryv1.EndpointSlice{}
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: expose.Namespace, Name: expose.Name}, slice); err != nil {
		t.Fatal(err)
	}
	ports := map[string]int32{}
	for _, p := range slice.Ports {
		ports[*p.Name] = *p.Port
	}
	if diff := cmp.Diff(map[string]int32{"oss": 1002, "rpc": 2002, "proxy": 3002, "admin": 4002}, ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"10.231.0.1"}, slice.Endpoints[0].Addresses); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

func TestACloudOnNoAddress(t *testing.T) {
	t.Parallel()
	if _, err := expose.Apply(t.Context(), newAPI(), cloudsim.Addresses{OSS: "http://localhost:1"}); err == nil {
		t.Error("a name is taken for an address")
	}
}
