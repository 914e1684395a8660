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

// group is the server group of a port of the Service.
type group struct {
	port corev1.ServicePort
	// id is that of a group which the Service names, and later of the one that there is.
	id       string
	name     string
	backends []slb.Backend
}

// key is what groups and listeners of the Service are named (`VGroupNamedKey`, `ListenerNamedKey`).
func (s *serviceSync) key(port string) string {
	return strings.Join([]string{"k8s", port, s.service.Name, s.service.Namespace, s.cluster}, "/")
}

// isOwn says whether something of this name or description was made for the Service, by the controller of this cluster.
func (s *serviceSync) isOwn(key string) bool {
	parts := strings.Split(key, "/")
	return len(parts) == 5 && s.key(parts[1]) == key
}

// isKey says whether a name is one that a controller gives.
func isKey(name string) bool {
	parts := strings.Split(name, "/")
	return len(parts) == 5 && parts[0] == "k8s"
}

// groups returns those that the Service is to have, on a load balancer that may not be there yet.
func (s *serviceSync) groups(balancer slb.LoadBalancer) ([]group, error) {
	if s.deleting {
		return nil, nil
	}
	groups := make([]group, 0, len(s.service.Spec.Ports))
	for _, port := range s.service.Spec.Ports {
		g := group{port: port, name: s.key(s.groupPort(port))}
		if s.reuses() {
			var err error
			if g.id, err = s.namedGroup(balancer, port); err != nil {
				return nil, err
			}
		}
		g.backends = s.backends(port)
		for i := range g.backends {
			g.backends[i].Description = g.name
		}
		s.lonely = s.lonely || len(g.backends) == 0
		groups = append(groups, g)
	}
	return groups, nil
}

// groupPort is the port in the name of a group: that of its servers.
func (s *serviceSync) groupPort(port corev1.ServicePort) string {
	if s.toPods() {
		return port.TargetPort.String()
	}
	return strconv.Itoa(int(port.NodePort))
}

// namedGroup returns the group of a port which the Service names by the annotation, "" if none.
func (s *serviceSync) namedGroup(balancer slb.LoadBalancer, port corev1.ServicePort) (string, error) {
	named, err := s.namedGroups()
	if err != nil {
		return "", err
	}
	id := named[strconv.Itoa(int(port.Port))]
	if id == "" {
		return "", nil
	}
	i := slices.IndexFunc(balancer.Groups, func(g slb.ServerGroup) bool { return g.ID == id })
	if i < 0 {
		return "", fmt.Errorf("can not find vgroupId %s in lb %s", id, balancer.ID)
	}
	if isKey(balancer.Groups[i].Name) {
		return "", fmt.Errorf("cannot reuse a ccm created vgroup %s for slb %s", id, balancer.ID)
	}
	return id, nil
}

// namedGroups returns the groups that the Service names, by port.
func (s *serviceSync) namedGroups() (map[string]string, error) {
	named := map[string]string{}
	text := s.annotation(annotationGroups)
	if text == "" {
		return named, nil
	}
	for entry := range strings.SplitSeq(text, ",") {
		id, port, ok := strings.Cut(entry, ":")
		if !ok {
			return nil, fmt.Errorf("vgroupid parse error: vgroupid and protocol format must be like 'vsp-xxx:443' "+
				"with colon separated. got=[%s]", entry)
		}
		named[port] = id
	}
	return named, nil
}

// ensureGroup makes a group, or brings its servers up to date. Those that others have put in stay.
func (s *serviceSync) ensureGroup(balancer slb.LoadBalancer, g *group) error {
	i := slices.IndexFunc(balancer.Groups, func(present slb.ServerGroup) bool {
		return g.id != "" && present.ID == g.id || g.id == "" && present.Name == g.name
	})
	if i < 0 {
		var err error
		g.id, err = s.balancers.CreateGroup(s.product.kind, balancer.ID, g.name, g.backends)
		return err
	}
	present := balancer.Groups[i]
	g.id = present.ID
	wanted := append(s.foreign(present), g.backends...)
	if slices.Equal(wanted, present.Backends) {
		return nil
	}
	return s.balancers.SetBackends(s.product.kind, balancer.ID, g.id, wanted)
}

// foreign returns the servers of a group that were not put in for the Service.
func (s *serviceSync) foreign(g slb.ServerGroup) []slb.Backend {
	return slices.DeleteFunc(slices.Clone(g.Backends), func(b slb.Backend) bool { return s.isOwn(b.Description) })
}

// removeGroups deletes the groups of the Service that it is to have no longer, and takes its servers out of one that it named.
func (s *serviceSync) removeGroups(balancer slb.LoadBalancer, keep []group) error {
	named, err := s.namedGroups()
	if err != nil {
		return err
	}
	for _, present := range balancer.Groups {
		if slices.ContainsFunc(keep, func(g group) bool { return g.id == present.ID }) {
			continue
		}
		foreign := s.foreign(present)
		switch {
		case s.isOwn(present.Name) && len(foreign) == 0:
			err = s.balancers.DeleteGroup(s.product.kind, balancer.ID, present.ID)
		case (s.isOwn(present.Name) || isNamed(named, present.ID)) && len(foreign) < len(present.Backends):
			err = s.balancers.SetBackends(s.product.kind, balancer.ID, present.ID, foreign)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func isNamed(named map[string]string, id string) bool {
	for _, other := range named {
		if other == id {
			return true
		}
	}
	return false
}
