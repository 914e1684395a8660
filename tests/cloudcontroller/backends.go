// SPDX-License-Identifier: Apache-2.0

package cloudcontroller

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
)

// fullWeight is that of a server where not the Pods on it count.
const fullWeight = 100

// toPods says whether connections go to Pods and not to nodes, as in clusters with Terway.
func (s *serviceSync) toPods() bool { return s.service.Annotations[backendTypeAnnotation] == "eni" }

// backends returns the servers of a port: Pods, the nodes with Pods where externalTrafficPolicy is Local, or all nodes.
func (s *serviceSync) backends(port corev1.ServicePort) []slb.Backend {
	var all []slb.Backend
	switch {
	case s.toPods():
		all = s.pods(port)
	case s.service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal:
		pods := map[string]int{}
		for _, e := range s.endpoints() {
			if e.endpoint.NodeName != nil {
				pods[*e.endpoint.NodeName] += len(e.endpoint.Addresses)
			}
		}
		all = s.onNodes(port, func(name string) int { return pods[name] })
	default:
		all = s.onNodes(port, func(string) int { return fullWeight })
	}
	slices.SortFunc(all, func(a, b slb.Backend) int { return cmp.Compare(a.ServerID, b.ServerID) })
	return all
}

// onNodes returns the nodes with a weight.
func (s *serviceSync) onNodes(port corev1.ServicePort, weight func(name string) int) []slb.Backend {
	var all []slb.Backend
	for i := range s.seen.nodes {
		node := &s.seen.nodes[i]
		if w := weight(node.Name); w > 0 && takesTraffic(node) {
			all = append(all, slb.Backend{ServerID: serverID(node), Address: addressOf(node), Port: port.NodePort, Weight: w})
		}
	}
	return all
}

// takesTraffic says whether load balancers lead to a node.
func takesTraffic(node *corev1.Node) bool {
	if _, excluded := node.Labels[corev1.LabelNodeExcludeBalancers]; excluded {
		return false
	}
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// serverID is the id of the ECS instance that a node is: its providerID is <region>.<instance>.
func serverID(node *corev1.Node) string {
	_, id, ok := strings.Cut(strings.TrimPrefix(node.Spec.ProviderID, "alicloud://"), ".")
	if !ok {
		return node.Name
	}
	return id
}

func addressOf(node *corev1.Node) string {
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return a.Address
		}
	}
	return ""
}

// ready is an endpoint that takes connections, with the ports of its slice.
type ready struct {
	endpoint *discoveryv1.Endpoint
	ports    []discoveryv1.EndpointPort
}

func (s *serviceSync) endpoints() []ready {
	var all []ready
	for i := range s.seen.slices {
		slice := &s.seen.slices[i]
		if slice.Namespace != s.service.Namespace || slice.Labels[discoveryv1.LabelServiceName] != s.service.Name {
			continue
		}
		for j := range slice.Endpoints {
			e := &slice.Endpoints[j]
			if terminating := e.Conditions.Terminating; e.Conditions.Ready != nil && *e.Conditions.Ready && (terminating == nil || !*terminating) {
				all = append(all, ready{e, slice.Ports})
			}
		}
	}
	return all
}

func (s *serviceSync) pods(port corev1.ServicePort) []slb.Backend {
	var all []slb.Backend
	for _, e := range s.endpoints() {
		for _, p := range e.ports {
			if p.Port == nil || p.Name != nil && *p.Name != port.Name {
				continue
			}
			for _, address := range e.endpoint.Addresses {
				all = append(all, slb.Backend{ServerID: "eni-" + address, Address: address, Port: *p.Port, Weight: fullWeight})
			}
		}
	}
	return all
}
