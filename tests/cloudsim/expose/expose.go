// SPDX-License-Identifier: Apache-2.0

// Package expose makes what runs on the machine outside of a cluster a Service in it, so that Pods reach it: a simulated
// cloud, and what stands beside one.
package expose

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/apply"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
)

// The name and the namespace of the Service.
const (
	Namespace = "simulated-cloud"
	Name      = "cloud"
)

// Apply makes or updates the Service, which has no selector, with the addresses at which the cloud listens. They must be
// ones that the node reaches. It returns them as Pods reach them, by the Service's address: a name of a host would be taken
// for that of a bucket. CAFile stays the file of this machine, and OSSTLS is empty, because its certificate is for the
// real names: Pods that shall use these go through Proxy.
func Apply(ctx context.Context, api client.Client, listening cloudsim.Addresses) (cloudsim.Addresses, error) {
	reached := listening
	reached.OSSTLS = ""
	urls := []*string{&reached.OSS, &reached.RPC, &reached.Metadata, &reached.Proxy, &reached.Admin}
	var ports []Port
	for i, name := range []string{"oss", "rpc", "metadata", "proxy", "admin"} {
		if *urls[i] == "" {
			continue // There is no such part.
		}
		at, err := addressOf(*urls[i])
		if err != nil {
			return cloudsim.Addresses{}, fmt.Errorf("expose the simulated cloud: %w", err)
		}
		ports = append(ports, Port{Name: name, At: at})
	}
	service, err := Service(ctx, api, client.ObjectKey{Namespace: Namespace, Name: Name}, ports...)
	if err != nil {
		return cloudsim.Addresses{}, fmt.Errorf("expose the simulated cloud: %w", err)
	}
	for _, raw := range urls {
		if at, err := addressOf(*raw); err == nil {
			*raw = fmt.Sprintf("http://%s:%d", service.Spec.ClusterIP, at.Port())
		}
	}
	return reached, nil
}

// Port is a port of a Service, which has the number of the one behind it.
type Port struct {
	Name string
	// At is where it is served.
	At netip.AddrPort
}

// Service makes or updates a Service without a selector, and its namespace, and returns it as it is in the cluster. What is
// behind its ports listens at one address, which nodes reach.
func Service(ctx context.Context, api client.Client, key client.ObjectKey, ports ...Port) (*corev1.Service, error) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: key.Namespace}}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name,
			Labels: map[string]string{discoveryv1.LabelServiceName: key.Name, discoveryv1.LabelManagedBy: "tests"},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, p := range ports {
		number := int32(p.At.Port())
		slice.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{p.At.Addr().String()}}}
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &number})
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: p.Name, Port: number})
	}
	if err := apply.Objects(ctx, api, namespace, service, slice); err != nil {
		return nil, err
	}
	return service, api.Get(ctx, client.ObjectKeyFromObject(service), service)
}

// addressOf returns the address of a URL.
func addressOf(raw string) (netip.AddrPort, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.ParseAddrPort(u.Host)
}
