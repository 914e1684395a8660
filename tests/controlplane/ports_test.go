// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"net"
	"testing"
)

func TestAReservedPortIsNobodyElses(t *testing.T) {
	t.Parallel()
	first, err := reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	var port int
	if _, err := fmt.Sscanf(first.addresses[0], loopback+":%d", &port); err != nil {
		t.Fatal(err)
	}
	other := &reservation{}
	if err := other.add(port); err == nil {
		t.Errorf("%d is reserved twice", port)
	}
	server, err := net.Listen("tcp", first.addresses[0]) //nolint:noctx // does not block
	if err != nil {
		t.Fatalf("the server that it is reserved for: %v", err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	if err := other.add(port); err != nil {
		t.Errorf("after it was released: %v", err)
	}
	if err := other.release(); err != nil {
		t.Fatal(err)
	}
}
