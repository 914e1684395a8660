// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// loopback is the only address that anything here listens on by choice.
const loopback = "127.0.0.1"

// The ports that are tried. They are below those that the kernel gives to outgoing connections (ip_local_port_range, from
// 32768): one of these is often taken between the moment in which it is found and that in which a server listens on it.
const (
	firstPort = 20000
	ports     = 12000
	// maxTries is how many are tried for each that is wanted.
	maxTries = 100
)

// freeAddresses returns n different loopback addresses (host:port) that nothing listens on. They are chosen at random,
// so that those who choose at the same time choose others; nothing reserves them.
func freeAddresses(n int) ([]string, error) {
	addresses := make([]string, 0, n)
	for try := 0; len(addresses) < n; try++ {
		address := net.JoinHostPort(loopback, strconv.Itoa(firstPort+rand.IntN(ports)))
		listener, err := net.Listen("tcp", address) //nolint:noctx // does not block
		if err != nil {
			if try >= n*maxTries {
				return nil, fmt.Errorf("finding a free port: %w", err)
			}
			continue
		}
		defer listener.Close() // not before all are found, so that they differ
		addresses = append(addresses, address)
	}
	return addresses, nil
}
