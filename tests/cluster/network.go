// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// bridge is the device of this machine to which the nodes are connected. A name of a device has at most 15 bytes.
	bridge = "vtc0"
	// bridgeHardware is its hardware address, of the range that each machine may give.
	bridgeHardware = "02:76:74:63:00:01"
	// nodeDevice is how a node calls its own.
	nodeDevice = "eth0"
	// maxIndex is the highest index whose addresses are in the plan.
	maxIndex = 200
	// devices is where the kernel shows this machine's devices.
	devices = "/sys/class/net"
)

// network is the plan of a cluster's addresses: all of it follows from the cluster's index. Nodes are on one link with
// this machine, which has routes to their pods and Services.
type network struct {
	// link is the end of a node's wire that is in the bridge.
	link string
	// host is this machine.
	host     netip.Prefix
	node     netip.Prefix
	pods     netip.Prefix
	services netip.Prefix
	// dns is the Service of the cluster's DNS server.
	dns netip.Addr
}

// newNetwork is the plan for a cluster.
func newNetwork(name string, index int) network {
	third := byte(index)
	return network{
		link:     "vtc-" + name,
		host:     netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 231, 0, 1}), 24),
		node:     netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 231, 0, 10 + third}), 24),
		pods:     netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 232, third, 0}), 24),
		services: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 233, third, 0}), 24),
		dns:      netip.AddrFrom4([4]byte{10, 233, third, 10}),
	}
}

// bridgeSteps make the bridge, which all clusters share, in this machine's namespace. Its hardware address would be the
// lowest of what is connected to it: with each cluster that comes or goes the others could lose this machine for seconds.
func (n network) bridgeSteps() []step {
	return []step{
		{"ip", "link", "add", bridge, "address", bridgeHardware, "type", "bridge"},
		{"ip", "address", "add", n.host.String(), "dev", bridge},
		{"ip", "link", "set", bridge, "up"},
	}
}

// wireSteps connect the network namespace of a process to the bridge, in this machine's namespace.
func (n network) wireSteps(holder int) []step {
	return []step{
		{"ip", "link", "add", n.link, "type", "veth", "peer", "name", nodeDevice, "netns", strconv.Itoa(holder)},
		{"ip", "link", "set", n.link, "master", bridge, "up"},
		{"ip", "route", "replace", n.pods.String(), "via", n.node.Addr().String(), "dev", bridge},
		{"ip", "route", "replace", n.services.String(), "via", n.node.Addr().String(), "dev", bridge},
	}
}

// nodeSteps configure the node's namespace, in which they run. What pods send off the node leaves with the node's
// address: other machines have no route to pods.
func (n network) nodeSteps() []step {
	return []step{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "address", "add", n.node.String(), "dev", nodeDevice},
		{"ip", "link", "set", nodeDevice, "up"},
		{"ip", "route", "add", "default", "via", n.host.Addr().String()},
		{"sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"},
		{"iptables", "-w", "-t", "nat", "-A", "POSTROUTING", "-s", n.pods.String(), "-o", nodeDevice, "-j", "MASQUERADE"},
	}
}

// setUp makes the network of a cluster whose namespaces are those of the process holder.
func (n network) setUp(ctx context.Context, m *machine) error {
	// Two clusters may begin at once.
	lock, err := acquire(ctx, machineLock)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	if _, err := os.Stat(filepath.Join(devices, bridge)); errors.Is(err, fs.ErrNotExist) {
		if err := runAll(ctx, n.bridgeSteps()); err != nil {
			return fmt.Errorf("connecting this machine: %w", err)
		}
	}
	if err := runAll(ctx, n.wireSteps(m.holder)); err != nil {
		return fmt.Errorf("connecting the node: %w", err)
	}
	if err := m.runAll(ctx, n.nodeSteps()); err != nil {
		return fmt.Errorf("setting up the node's network: %w", err)
	}
	return nil
}

// remove removes a cluster's routes and its end of the wire, with which the other one goes, and the bridge when
// nothing is connected to it any more. What is not there is no error.
func (n network) remove(ctx context.Context) error {
	lock, err := acquire(ctx, machineLock)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	steps := []step{
		{"ip", "route", "del", n.pods.String(), "dev", bridge},
		{"ip", "route", "del", n.services.String(), "dev", bridge},
		{"ip", "link", "del", n.link},
	}
	for _, s := range steps {
		if err := s.run(ctx); err != nil && !missing(err) {
			return err
		}
	}
	others, err := filepath.Glob(filepath.Join(devices, bridge, "brif", "*"))
	if err != nil || len(others) > 0 {
		return err
	}
	if err := (step{"ip", "link", "del", bridge}).run(ctx); err != nil && !missing(err) {
		return err
	}
	return nil
}

// missing says whether ip has found no such device or route.
func missing(err error) bool {
	for _, words := range []string{"Cannot find device", "No such process"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}
