// SPDX-License-Identifier: Apache-2.0

package cloudcontroller

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
)

// applyListeners brings the listeners at the ports of the Service to what they are to be, and deletes those that it had
// (`buildActionsForListeners`). Others' stay, unless they are at its ports.
func (s *serviceSync) applyListeners(balancer slb.LoadBalancer, groups []group) error {
	wanted := make([]slb.Listener, 0, len(groups))
	for i := range groups {
		l, err := s.listener(&groups[i])
		if err != nil {
			return err
		}
		wanted = append(wanted, l)
	}
	for _, present := range balancer.Listeners {
		at := slices.IndexFunc(wanted, func(l slb.Listener) bool { return sameSocket(l, present) })
		if at >= 0 || !s.isOwn(present.Description) {
			continue
		}
		if err := s.balancers.DeleteListener(s.product.kind, balancer.ID, present.Port, present.Protocol); err != nil {
			return fmt.Errorf("delete listener error: %w", err)
		}
	}
	for _, l := range wanted {
		if err := s.applyListener(balancer, l); err != nil {
			return err
		}
	}
	return nil
}

func sameSocket(a, b slb.Listener) bool { return a.Port == b.Port && a.Protocol == b.Protocol }

func (s *serviceSync) applyListener(balancer slb.LoadBalancer, wanted slb.Listener) error {
	at := slices.IndexFunc(balancer.Listeners, func(l slb.Listener) bool { return sameSocket(l, wanted) })
	if at < 0 {
		if err := s.balancers.CreateListener(s.product.kind, balancer.ID, withDefaults(wanted)); err != nil {
			return fmt.Errorf("create listener error: create %s listener %d error: %w", wanted.Protocol, wanted.Port, err)
		}
		return nil
	}
	listener := balancer.Listeners[at] // What the Service says nothing of stays.
	listener.Status, listener.Description, listener.GroupID = slb.Running, wanted.Description, wanted.GroupID
	if wanted.Scheduler != "" {
		listener.Scheduler = wanted.Scheduler
	}
	if err := s.balancers.SetListener(s.product.kind, balancer.ID, listener); err != nil {
		return fmt.Errorf("update listener error: %w", err)
	}
	return nil
}

// listener is that of a port, as far as the Service asks.
func (s *serviceSync) listener(g *group) (slb.Listener, error) {
	protocol, err := protocolOf(s.annotation(annotationProtocol), g.port)
	return slb.Listener{
		Port: g.port.Port, Protocol: protocol, Status: slb.Running, GroupID: g.id,
		Description: s.key(strconv.Itoa(int(g.port.Port))), Scheduler: s.annotation(annotationScheduler),
	}, err
}

// withDefaults returns a listener as it is made (`setDefaultValueForListener`).
func withDefaults(l slb.Listener) slb.Listener {
	if l.Scheduler == "" {
		l.Scheduler = "rr"
	}
	if l.Protocol != "http" {
		l.Bandwidth = -1
	}
	if strings.HasPrefix(l.Protocol, "http") {
		l.HealthCheck = "off"
	}
	return l
}

// protocolOf is the protocol of a port, as the annotation has it: `https:443,http:80`.
func protocolOf(annotation string, port corev1.ServicePort) (string, error) {
	byDefault := strings.ToLower(string(port.Protocol))
	if byDefault == "" {
		byDefault = "tcp"
	}
	if annotation == "" {
		return byDefault, nil
	}
	for entry := range strings.SplitSeq(annotation, ",") {
		protocol, number, ok := strings.Cut(entry, ":")
		if !ok {
			return "", fmt.Errorf("port and protocol format must be like 'https:443' with colon separated. got=[%s]", entry)
		}
		if !slices.Contains([]string{"http", "https", "tcp", "udp"}, protocol) {
			return "", fmt.Errorf("port protocol format must be either [http|https|tcp|udp], protocol not supported wit [%s]", protocol)
		}
		if number == strconv.Itoa(int(port.Port)) {
			return protocol, nil
		}
	}
	return byDefault, nil
}
