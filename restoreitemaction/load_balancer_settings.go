// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// LoadBalancerSettings are the settings of the action load-balancer. The zero value
// is what holds without any.
type LoadBalancerSettings struct {
	// Reuse says what becomes of a Service that names an existing load balancer;
	// empty is ReuseKeep.
	Reuse Reuse `json:"reuse,omitempty"`
	// OverrideListeners lets the controller replace the listeners of an existing load
	// balancer by those of the Service, which leads its traffic here.
	OverrideListeners bool `json:"overrideListeners,omitempty"`
	// KeepNodePorts keeps the node ports of Services of type NodePort; nil is true.
	KeepNodePorts *bool `json:"keepNodePorts,omitempty"`
	// NodePortRange is that of the API server here; nil is its default, 30000-32767.
	NodePortRange *NodePortRange `json:"nodePortRange,omitempty"`
}

// Reuse says what becomes of a Service that names an existing load balancer.
type Reuse string

const (
	// ReuseKeep lets the Service use the same one.
	ReuseKeep Reuse = "keep"
	// ReuseNew lets the controller make a new one for the Service.
	ReuseNew Reuse = "new"
)

// Validate refuses what is neither.
func (r *Reuse) Validate() error {
	if *r != ReuseKeep && *r != ReuseNew {
		return fmt.Errorf("allowed are %s, %s", ReuseKeep, ReuseNew)
	}
	return nil
}

// NodePortRange is a range of ports, of which First and Last are the ends.
type NodePortRange struct{ First, Last int64 }

// The default of kube-apiserver's option --service-node-port-range.
const (
	firstNodePort = 30000
	lastNodePort  = 32767
)

const maxPort = 65535

// UnmarshalText reads the form of kube-apiserver's option, such as 30000-32767.
func (r *NodePortRange) UnmarshalText(text []byte) error {
	first, last, _ := strings.Cut(string(text), "-")
	var errs [2]error
	r.First, errs[0] = strconv.ParseInt(first, 10, 64)
	r.Last, errs[1] = strconv.ParseInt(last, 10, 64)
	if errors.Join(errs[:]...) != nil || r.First < 1 || r.First > r.Last || r.Last > maxPort {
		return fmt.Errorf("allowed is a range of ports such as %d-%d", firstNodePort, lastNodePort)
	}
	return nil
}

func (s *LoadBalancerSettings) keepsNodePorts() bool {
	return s.KeepNodePorts == nil || *s.KeepNodePorts
}

func (s *LoadBalancerSettings) nodePortRange() NodePortRange {
	if s.NodePortRange == nil {
		return NodePortRange{First: firstNodePort, Last: lastNodePort}
	}
	return *s.NodePortRange
}

// String returns the form that UnmarshalText reads.
func (r NodePortRange) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

func (r NodePortRange) includes(port int64) bool { return r.First <= port && port <= r.Last }
