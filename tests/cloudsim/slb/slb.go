// SPDX-License-Identifier: Apache-2.0

// Package slb simulates the load balancers of an Alibaba Cloud account as far as the cloud controller manager of a cluster
// goes: instances of Classic (CLB) and Network Load Balancer (NLB) with tags, listeners and server groups, by region. Several
// clusters share an account. Nothing asks for them over HTTP (the plugin never does, and the controller of tests is a library
// too), so this is a library with the operations of the APIs Slb 2014-05-15 and Nlb 2022-04-30 that the controller calls, and
// their errors.
//
// With Options.Serve the listeners really listen: a connection to the address of a load balancer is forwarded to a server of
// the listener's group.
//
//	account, err := slb.New(slb.Options{Addresses: netip.MustParsePrefix("127.77.0.0/16"), Serve: true})
//	defer account.Close()
//	balancer, err := account.In("cn-hangzhou").Create(slb.Spec{Kind: slb.CLB, Name: "shop"})
//
// What differs from the cloud: an NLB has its server groups itself, where the cloud has them beside it; servers are not
// checked for health, instead a connection goes to the next one where the first does not answer; UDP is not forwarded, and
// what is HTTP or TLS is forwarded as it is.
package slb

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// Kind is which product a load balancer is of.
type Kind string

// The kinds of load balancers. An ALB is made for Ingresses, not for Services.
const (
	CLB Kind = "clb"
	NLB Kind = "nlb"
)

// Address types.
const (
	Internet = "internet"
	Intranet = "intranet"
)

// Options say what an account is like.
type Options struct {
	// Addresses are those of load balancers, each of which gets one. To Serve they must be of this machine: all of
	// 127.0.0.0/8 are; others become so by `ip route add local <prefix> dev lo`, which makes them reachable for all that
	// route to this machine.
	Addresses netip.Prefix
	// Serve lets listeners listen.
	Serve bool
}

// Account is the load balancers of an account, in all regions. It is safe for concurrent use.
type Account struct {
	options Options
	front   *front

	mu        sync.Mutex
	balancers map[string]*LoadBalancer
	// address is the last one that was given.
	address netip.Addr
	// made counts what ids are given to.
	made int
}

// LoadBalancer is an instance.
type LoadBalancer struct {
	ID          string            `json:"LoadBalancerId"`
	Kind        Kind              `json:"Kind"`
	Region      string            `json:"RegionId"`
	Name        string            `json:"LoadBalancerName"`
	Address     string            `json:"Address"`
	AddressType string            `json:"AddressType"`
	DNSName     string            `json:"DNSName,omitempty"`
	Tags        map[string]string `json:"Tags,omitempty"`
	Listeners   []Listener        `json:"Listeners"`
	Groups      []ServerGroup     `json:"VServerGroups"`
	// ListenerChanges is how often a listener was made, set or deleted: one that is deleted and made again is what it was.
	ListenerChanges int `json:"-"`
}

// Listener accepts connections at a port.
type Listener struct {
	Port        int32  `json:"ListenerPort"`
	Protocol    string `json:"ListenerProtocol"` // tcp, udp, http, https
	Status      string `json:"Status"`           // running, stopped
	GroupID     string `json:"VServerGroupId,omitempty"`
	Description string `json:"Description,omitempty"`
	Scheduler   string `json:"Scheduler,omitempty"`
	Bandwidth   int    `json:"Bandwidth,omitempty"`
	HealthCheck string `json:"HealthCheck,omitempty"`
	// Attributes are others, which nothing here depends on: a test sets them to see that they are left alone.
	Attributes map[string]string `json:"Attributes,omitempty"`
}

// Statuses of a listener.
const (
	Running = "running"
	Stopped = "stopped"
)

// ServerGroup is where listeners lead to.
type ServerGroup struct {
	ID       string    `json:"VServerGroupId"`
	Name     string    `json:"VServerGroupName"`
	Backends []Backend `json:"BackendServers"`
}

// Backend is a server of a group.
type Backend struct {
	ServerID string `json:"ServerId"`
	// Address is where the server is reached. The cloud knows that from the id.
	Address     string `json:"ServerIp"`
	Port        int32  `json:"Port"`
	Weight      int    `json:"Weight"`
	Description string `json:"Description"`
}

// New returns an account without load balancers. The caller must Close it.
func New(options Options) (*Account, error) {
	if !options.Addresses.IsValid() {
		return nil, errors.New("simulated load balancers: Addresses is required")
	}
	a := &Account{options: options, balancers: map[string]*LoadBalancer{}, address: options.Addresses.Masked().Addr()}
	a.front = newFront(a.servers)
	return a, nil
}

// Close ends all listening and waits until connections are gone. What is there stays to be read.
func (a *Account) Close() error { return a.front.close() }

// In returns the load balancers of a region.
func (a *Account) In(region string) *Region { return &Region{account: a, id: region} }

// LoadBalancers returns all, in the order of their ids.
func (a *Account) LoadBalancers() []LoadBalancer {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]LoadBalancer, 0, len(a.balancers))
	for _, id := range slices.Sorted(maps.Keys(a.balancers)) {
		all = append(all, clone(a.balancers[id]))
	}
	return all
}

// ListenersJSON returns the listeners of a load balancer as bytes that differ if anything of them does; nil if there is no
// such load balancer.
func (a *Account) ListenersJSON(id string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, ok := a.balancers[id]
	if !ok {
		return nil, nil
	}
	text, err := json.Marshal(b.Listeners)
	if err != nil {
		return nil, fmt.Errorf("listeners of %s: %w", id, err)
	}
	return text, nil
}

// newID returns an id with a prefix.
func (a *Account) newID(prefix string) string {
	a.made++
	return fmt.Sprintf("%s-bp1%014d", prefix, a.made)
}

// newAddress returns one that no load balancer has had.
func (a *Account) newAddress() (string, error) {
	next := a.address.Next()
	if !a.options.Addresses.Contains(next) {
		return "", fmt.Errorf("simulated load balancers: all addresses of %s are given", a.options.Addresses)
	}
	a.address = next
	return next.String(), nil
}

// clone returns a copy that shares nothing.
func clone(b *LoadBalancer) LoadBalancer {
	c := *b
	c.Tags = maps.Clone(b.Tags)
	c.Listeners = slices.Clone(b.Listeners)
	for i := range c.Listeners {
		c.Listeners[i].Attributes = maps.Clone(c.Listeners[i].Attributes)
	}
	c.Groups = slices.Clone(b.Groups)
	for i := range c.Groups {
		c.Groups[i].Backends = slices.Clone(c.Groups[i].Backends)
	}
	return c
}

// byPort is the order of listeners.
func byPort(a, b Listener) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
}
