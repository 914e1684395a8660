// SPDX-License-Identifier: Apache-2.0

package sample

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	webPort      = 8080
	databasePort = 5432
)

// network is how the application is reached. No node port is asked for: a restore gets others.
func network(namespace string) []client.Object {
	return []client.Object{
		service(namespace, "web", "web", webPort, corev1.ServiceSpec{}),
		service(namespace, "web-public", "web", webPort, corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort}),
		service(namespace, "database", "database", databasePort, corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone}),
		&networkingv1.Ingress{
			ObjectMeta: named(namespace, "web"),
			Spec: networkingv1.IngressSpec{
				TLS: []networkingv1.IngressTLS{{Hosts: []string{"shop.example.com"}, SecretName: "certificate"}},
				Rules: []networkingv1.IngressRule{{
					Host: "shop.example.com",
					IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
						Paths: []networkingv1.HTTPIngressPath{{
							Path:     "/",
							PathType: new(networkingv1.PathTypePrefix),
							Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
								Name: "web", Port: networkingv1.ServiceBackendPort{Number: webPort},
							}},
						}},
					}},
				}},
			},
		},
		&networkingv1.NetworkPolicy{
			ObjectMeta: named(namespace, "database"),
			Spec: networkingv1.NetworkPolicySpec{
				PodSelector: metav1.LabelSelector{MatchLabels: component("database")},
				PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
				Ingress: []networkingv1.NetworkPolicyIngressRule{{
					From: []networkingv1.NetworkPolicyPeer{
						{PodSelector: &metav1.LabelSelector{MatchLabels: component("web")}},
					},
				}},
			},
		},
	}
}

// service completes the spec of a Service of a component.
func service(namespace, name, of string, port int32, spec corev1.ServiceSpec) *corev1.Service {
	spec.Selector = component(of)
	spec.Ports = []corev1.ServicePort{{Name: "main", Port: port, TargetPort: intstr.FromString("main")}}
	return &corev1.Service{ObjectMeta: named(namespace, name), Spec: spec}
}
