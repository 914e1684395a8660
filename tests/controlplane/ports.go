// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"errors"
	"fmt"
	"io"
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

// reservation is of loopback addresses (host:port). Whoever else reserves gets others until it is released, or its process
// has ended.
type reservation struct {
	addresses []string
	marks     []io.Closer
}

// reserve reserves n addresses that nothing listens on.
func reserve(n int) (*reservation, error) {
	r := &reservation{}
	for try := 0; len(r.addresses) < n; try++ {
		err := r.add(firstPort + rand.IntN(ports))
		if err != nil && try >= n*maxTries {
			return nil, errors.Join(fmt.Errorf("finding a free port: %w", err), r.release())
		}
	}
	return r, nil
}

// add reserves a port. A socket of a name without a file (unix(7), abstract) marks it: a server listens on the port itself
// some seconds later.
func (r *reservation) add(port int) error {
	mark, err := net.Listen("unix", fmt.Sprintf("@velero-plugin-alibabacloud-port-%d", port)) //nolint:noctx // does not block
	if err != nil {
		return err
	}
	address := net.JoinHostPort(loopback, strconv.Itoa(port))
	listener, err := net.Listen("tcp", address) //nolint:noctx // does not block
	if err != nil {
		return errors.Join(err, mark.Close())
	}
	r.addresses, r.marks = append(r.addresses, address), append(r.marks, mark)
	return listener.Close()
}

// release gives the addresses to others. That of none does nothing.
func (r *reservation) release() error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, mark := range r.marks {
		errs = append(errs, mark.Close())
	}
	r.marks = nil
	return errors.Join(errs...)
}
