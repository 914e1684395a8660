// SPDX-License-Identifier: Apache-2.0

package cloudcontroller

import (
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
)

// serviceSync is the work for one Service. Nothing in it asks the API server.
type serviceSync struct {
	product   product
	service   *corev1.Service
	seen      view
	balancers *slb.Region
	cluster   string
	// deleting says that the Service is to have no load balancer any more.
	deleting bool
	// lonely says that there is no server for a port.
	lonely bool
}

func (s *serviceSync) annotation(name string) string { return annotation(s.service, name) }

// reuses says whether the Service names an existing load balancer.
func (s *serviceSync) reuses() bool { return s.annotation(annotationID) != "" }

// changed says whether more is to be done than to bring servers up to date.
func (s *serviceSync) changed() bool {
	hash, ok := s.service.Labels[hashLabel]
	return !ok || hash != hashOf(s.service)
}

// managesListeners says whether listeners are the controller's.
func (s *serviceSync) managesListeners() bool {
	return !s.reuses() || s.annotation(annotationOverride) == "true"
}

// apply brings the load balancer to what it is to be, and returns it with what is known of it, also with an error
// (`buildAndApplyModel`).
func (s *serviceSync) apply() (slb.LoadBalancer, error) {
	balancer, err := s.find()
	if err != nil {
		return balancer, fmt.Errorf("apply model error: %s: %w", s.product.finding, err)
	}
	groups, err := s.groups(balancer)
	if err != nil {
		return balancer, fmt.Errorf("build lb local model error: build vserver groups error: %w", err)
	}
	if s.changed() {
		if balancer, err = s.prepare(balancer); err != nil {
			return balancer, fmt.Errorf("apply model error: %s: %w", s.product.preparing, err)
		}
	}
	switch {
	case balancer.ID == "" && s.deleting:
		return balancer, nil
	case balancer.ID == "":
		return balancer, fmt.Errorf("apply model error: alicloud: can not find loadbalancer by tag [%s:%s]", ownTag, nameOf(s.service))
	}
	if err := s.applyTo(balancer, groups); err != nil {
		return balancer, fmt.Errorf("apply model error: %w", err)
	}
	return balancer, nil
}

// find returns the load balancer of the Service; one without an address if there is none.
func (s *serviceSync) find() (slb.LoadBalancer, error) {
	kind := s.product.kind
	if id := s.annotation(annotationID); id != "" {
		balancer, err := s.balancers.Get(kind, id)
		balancer.ID = id
		return balancer, err
	}
	for _, by := range []struct {
		what  string
		found []slb.LoadBalancer
	}{
		{"tag", s.balancers.ByTag(kind, ownTag, nameOf(s.service))},
		{"name", s.balancers.ByName(kind, nameOf(s.service))},
	} {
		switch len(by.found) {
		case 0:
		case 1:
			return by.found[0], nil
		default:
			return slb.LoadBalancer{}, fmt.Errorf("[%s/%s] find multiple loadbalances by %s, lbIds[%s]",
				s.service.Namespace, s.service.Name, by.what, ids(by.found))
		}
	}
	return slb.LoadBalancer{}, nil
}

func ids(balancers []slb.LoadBalancer) string {
	all := make([]string, len(balancers))
	for i := range balancers {
		all[i] = balancers[i].ID
	}
	return strings.Join(all, ",")
}

// prepare makes the load balancer, deletes it, or sees to it that it can be used.
func (s *serviceSync) prepare(balancer slb.LoadBalancer) (slb.LoadBalancer, error) {
	kind := s.product.kind
	if s.deleting {
		if s.reuses() || balancer.ID == "" {
			return balancer, nil
		}
		if err := s.balancers.Delete(kind, balancer.ID); err != nil {
			return balancer, fmt.Errorf("delete loadbalancer [%s] error: %w", balancer.ID, err)
		}
		return slb.LoadBalancer{}, nil
	}
	if balancer.ID == "" {
		return s.create()
	}
	if s.reuses() {
		if reason := s.product.reusable(s.service, balancer); reason != "" {
			return balancer, fmt.Errorf("%s %s can not be reused, %s", s.product.reusing, balancer.ID, reason)
		}
		if err := s.balancers.Tag(kind, balancer.ID, reuseTag, "true"); err != nil {
			return balancer, err
		}
	}
	if wanted := s.annotation(annotationAddressType); kind == slb.CLB && wanted != "" && wanted != balancer.AddressType {
		return balancer, errors.New("alicloud: can not change LoadBalancer AddressType once created. delete and retry")
	}
	return balancer, nil
}

func (s *serviceSync) create() (slb.LoadBalancer, error) {
	if ingress := s.service.Status.LoadBalancer.Ingress; len(ingress) > 0 {
		return slb.LoadBalancer{}, fmt.Errorf("alicloud: can not find loadbalancer, but it's defined in service [%v] "+
			"this may happen when you delete the loadbalancer", ingress[0].IP)
	}
	if s.product.kind == slb.NLB && s.annotation(annotationZones) == "" {
		return slb.LoadBalancer{}, errors.New("ParameterMissing, zone mappings are required")
	}
	name := s.annotation(annotationName)
	if name == "" {
		name = nameOf(s.service)
	}
	balancer, err := s.balancers.Create(slb.Spec{
		Kind: s.product.kind, Name: name, AddressType: s.annotation(annotationAddressType),
		Tags: map[string]string{ownTag: nameOf(s.service), clusterTag: s.cluster},
	})
	if err != nil {
		return balancer, fmt.Errorf("create lb error: %w", err)
	}
	return balancer, nil
}

// applyTo brings groups and listeners to what they are to be.
func (s *serviceSync) applyTo(balancer slb.LoadBalancer, groups []group) error {
	for i := range groups {
		if err := s.ensureGroup(balancer, &groups[i]); err != nil {
			return err
		}
	}
	if !s.changed() {
		return nil
	}
	if s.managesListeners() {
		if err := s.applyListeners(balancer, groups); err != nil {
			return err
		}
	}
	if err := s.removeGroups(balancer, groups); err != nil {
		return fmt.Errorf("cleanup lb error: %w", err)
	}
	return nil
}

// isNoBalancer says whether an error is that a load balancer is gone, which does not keep a Service from being cleaned up.
func isNoBalancer(err error) bool {
	return strings.Contains(err.Error(), "LoadBalancerId does not exist") || strings.Contains(err.Error(), "ResourceNotFound.loadBalancer")
}
