// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"net"
)

// loopback is the only address that anything here listens on by choice.
const loopback = "127.0.0.1"

// freeAddresses returns n different loopback addresses (host:port) that nothing listens on. They are chosen by the
// kernel, which does not give the same port out again soon, but nothing reserves them.
func freeAddresses(n int) ([]string, error) {
	addresses := make([]string, 0, n)
	for range n {
		listener, err := net.Listen("tcp", net.JoinHostPort(loopback, "0")) //nolint:noctx // does not block
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer listener.Close() // not before all are found, so that they differ
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
