// SPDX-License-Identifier: Apache-2.0

package slb

import (
	"fmt"
	"maps"
	"slices"
)

// Region is the load balancers of a region. Its methods are the operations of the API there.
type Region struct {
	account *Account
	id      string
}

// Spec says what load balancer is made.
type Spec struct {
	Kind        Kind
	Name        string
	AddressType string // Internet by default
	Tags        map[string]string
}

// Create makes a load balancer.
func (r *Region) Create(spec Spec) (LoadBalancer, error) {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if spec.AddressType == "" {
		spec.AddressType = Internet
	}
	address, err := a.newAddress()
	if err != nil {
		return LoadBalancer{}, err
	}
	prefix := "lb"
	if spec.Kind == NLB {
		prefix = "nlb"
	}
	b := &LoadBalancer{
		ID: a.newID(prefix), Kind: spec.Kind, Region: r.id, Name: spec.Name, Address: address, AddressType: spec.AddressType,
		Tags: maps.Clone(spec.Tags), Listeners: []Listener{}, Groups: []ServerGroup{},
	}
	if spec.Kind == NLB {
		b.DNSName = fmt.Sprintf("%s.%s.nlb.aliyuncsslb.com", b.ID, r.id)
	}
	if b.Tags == nil {
		b.Tags = map[string]string{}
	}
	a.balancers[b.ID] = b
	return clone(b), nil
}

// Get returns a load balancer.
func (r *Region) Get(kind Kind, id string) (got LoadBalancer, err error) {
	api := "DescribeLoadBalancerAttribute"
	if kind == NLB {
		api = "GetLoadBalancerAttribute"
	}
	err = r.change(api, kind, id, func(b *LoadBalancer) error {
		got = clone(b)
		return nil
	})
	return got, err
}

// ByTag returns the load balancers with a tag, in the order of their ids.
func (r *Region) ByTag(kind Kind, key, value string) []LoadBalancer {
	return r.those(func(b LoadBalancer) bool { return b.Kind == kind && b.Tags[key] == value })
}

// ByName returns the load balancers of a name, in the order of their ids.
func (r *Region) ByName(kind Kind, name string) []LoadBalancer {
	return r.those(func(b LoadBalancer) bool { return b.Kind == kind && b.Name == name })
}

func (r *Region) those(wanted func(LoadBalancer) bool) []LoadBalancer {
	return slices.DeleteFunc(r.account.LoadBalancers(), func(b LoadBalancer) bool { return b.Region != r.id || !wanted(b) })
}

// Tag adds a tag, or changes its value.
func (r *Region) Tag(kind Kind, id, key, value string) error {
	return r.change("TagResources", kind, id, func(b *LoadBalancer) error {
		b.Tags[key] = value
		return nil
	})
}

// Delete deletes a load balancer with its listeners and groups.
func (r *Region) Delete(kind Kind, id string) error {
	return r.change("DeleteLoadBalancer", kind, id, func(b *LoadBalancer) error {
		delete(r.account.balancers, id)
		b.Listeners = nil
		return nil
	})
}

// CreateGroup makes a group with servers.
func (r *Region) CreateGroup(kind Kind, id, name string, backends []Backend) (groupID string, err error) {
	err = r.change("CreateVServerGroup", kind, id, func(b *LoadBalancer) error {
		prefix := "rsp"
		if kind == NLB {
			prefix = "sgp"
		}
		groupID = r.account.newID(prefix)
		b.Groups = append(b.Groups, ServerGroup{ID: groupID, Name: name, Backends: slices.Clone(backends)})
		return nil
	})
	return groupID, err
}

// SetBackends replaces the servers of a group.
func (r *Region) SetBackends(kind Kind, id, groupID string, backends []Backend) error {
	const api = "SetVServerGroupAttribute"
	return r.change(api, kind, id, func(b *LoadBalancer) error {
		i := b.group(groupID)
		if i < 0 {
			return noGroup(api)
		}
		b.Groups[i].Backends = slices.Clone(backends)
		return nil
	})
}

// DeleteGroup deletes a group that no listener leads to.
func (r *Region) DeleteGroup(kind Kind, id, groupID string) error {
	const api = "DeleteVServerGroup"
	return r.change(api, kind, id, func(b *LoadBalancer) error {
		i := b.group(groupID)
		if i < 0 {
			return noGroup(api)
		}
		if slices.ContainsFunc(b.Listeners, func(l Listener) bool { return l.GroupID == groupID }) {
			// Error codes of DeleteVServerGroup.
			return &Error{API: api, Code: "RspoolVipExist", Message: "there are vips associating with this vServer group."}
		}
		b.Groups = slices.Delete(b.Groups, i, i+1)
		return nil
	})
}

// CreateListener makes a listener and starts it, unless its status is Stopped.
func (r *Region) CreateListener(kind Kind, id string, listener Listener) error {
	const api = "CreateLoadBalancerListener"
	return r.change(api, kind, id, func(b *LoadBalancer) error {
		if slices.ContainsFunc(b.Listeners, func(l Listener) bool { return l.Port == listener.Port && excludes(l.Protocol, listener.Protocol) }) {
			// Error codes of CreateLoadBalancerTCPListener and those of other protocols.
			return &Error{
				API: api, Code: "ListenerAlreadyExists",
				Message: "There is already a listener bound to the port on the specified load balancer.",
			}
		}
		if listener.GroupID != "" && b.group(listener.GroupID) < 0 {
			return noGroup(api)
		}
		if listener.Status == "" {
			listener.Status = Running
		}
		listener.Attributes = maps.Clone(listener.Attributes)
		b.Listeners = append(b.Listeners, listener)
		slices.SortFunc(b.Listeners, byPort)
		b.ListenerChanges++
		return nil
	})
}

// excludes says whether two listeners cannot have the same port: all protocols but UDP are on TCP.
func excludes(one, other string) bool { return (one == "udp") == (other == "udp") }

// SetListener replaces the listener of the same port and protocol.
func (r *Region) SetListener(kind Kind, id string, listener Listener) error {
	const api = "SetLoadBalancerListenerAttribute"
	return r.change(api, kind, id, func(b *LoadBalancer) error {
		i := b.listener(listener.Port, listener.Protocol)
		if i < 0 {
			return noListener(api)
		}
		if listener.GroupID != "" && b.group(listener.GroupID) < 0 {
			return noGroup(api)
		}
		listener.Attributes = maps.Clone(listener.Attributes)
		b.Listeners[i] = listener
		b.ListenerChanges++
		return nil
	})
}

// DeleteListener deletes a listener.
func (r *Region) DeleteListener(kind Kind, id string, port int32, protocol string) error {
	const api = "DeleteLoadBalancerListener"
	return r.change(api, kind, id, func(b *LoadBalancer) error {
		i := b.listener(port, protocol)
		if i < 0 {
			return noListener(api)
		}
		b.Listeners = slices.Delete(b.Listeners, i, i+1)
		b.ListenerChanges++
		return nil
	})
}

// change lets something be done with a load balancer, and its listeners listen as they then are.
func (r *Region) change(api string, kind Kind, id string, do func(*LoadBalancer) error) error {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	b, ok := a.balancers[id]
	if !ok || b.Region != r.id || b.Kind != kind {
		return noBalancer(api, kind)
	}
	if err := do(b); err != nil {
		return err
	}
	if !a.options.Serve {
		return nil
	}
	return a.front.serve(b)
}

// group returns which of the groups has an id, -1 if none.
func (b *LoadBalancer) group(id string) int {
	return slices.IndexFunc(b.Groups, func(g ServerGroup) bool { return g.ID == id })
}

// listener returns which of the listeners is at a port, -1 if none.
func (b *LoadBalancer) listener(port int32, protocol string) int {
	return slices.IndexFunc(b.Listeners, func(l Listener) bool { return l.Port == port && l.Protocol == protocol })
}
