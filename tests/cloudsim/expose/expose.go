// SPDX-License-Identifier: Apache-2.0

// Package expose makes a simulated cloud a Service of a cluster, so that Pods reach it while it runs on the machine outside.
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
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: Name}}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: Namespace, Name: Name,
			Labels: map[string]string{discoveryv1.LabelServiceName: Name, discoveryv1.LabelManagedBy: "tests"},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	reached := listening
	reached.OSSTLS = ""
	ports := []*string{&reached.OSS, &reached.RPC, &reached.Metadata, &reached.Proxy, &reached.Admin}
	for i, name := range []string{"oss", "rpc", "metadata", "proxy", "admin"} {
		if *ports[i] == "" {
			continue // There is no such part.
		}
		at, err := addressOf(*ports[i])
		if err != nil {
			return cloudsim.Addresses{}, fmt.Errorf("expose the simulated cloud: %w", err)
		}
		port := int32(at.Port())
		slice.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{at.Addr().String()}}}
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &name, Port: &port})
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: name, Port: port})
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}
	if err := apply.Objects(ctx, api, namespace, service, slice); err != nil {
		return cloudsim.Addresses{}, fmt.Errorf("expose the simulated cloud: %w", err)
	}
	if err := api.Get(ctx, client.ObjectKeyFromObject(service), service); err != nil {
		return cloudsim.Addresses{}, fmt.Errorf("expose the simulated cloud: %w", err)
	}
	for _, port := range ports {
		if at, err := addressOf(*port); err == nil {
			*port = fmt.Sprintf("http://%s:%d", service.Spec.ClusterIP, at.Port())
		}
	}
	return reached, nil
}

// addressOf returns the address of a URL.
func addressOf(raw string) (netip.AddrPort, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.ParseAddrPort(u.Host)
}
