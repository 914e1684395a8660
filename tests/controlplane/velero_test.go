// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
)

func TestManagerAddressFreeSaysWhoNeedsIt(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", managerAddress)
	if err != nil {
		t.Logf("something else has %s already, which serves as well: %v", managerAddress, err)
	} else {
		defer listener.Close()
	}
	err = managerAddressFree(t.Context())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "needs :8080") {
		t.Errorf("got error %v, want one that says who needs the address", err)
	}
}
