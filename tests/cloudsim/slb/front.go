// SPDX-License-Identifier: Apache-2.0

package slb

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// dialTimeout is how long a server has to accept before the next one is tried: longer than two packets that are lost, after
// which TCP begins anew 1 and 3 seconds after the first.
const dialTimeout = 5 * time.Second

// endpoint is where a listener listens.
type endpoint struct {
	balancer, address string
	port              int32
}

// front is the sockets of an account. It has a lock of its own, which is taken after that of the account and not held while
// connections are forwarded.
type front struct {
	// servers returns where a connection is to go, in the order in which they are tried.
	servers func(balancer string, port int32, turn int) []Backend

	mu      sync.Mutex
	sockets map[endpoint]net.Listener
	// conns are both ends of all connections.
	conns  map[net.Conn]struct{}
	turn   int
	closed bool
	group  sync.WaitGroup
}

func newFront(servers func(string, int32, int) []Backend) *front {
	return &front{servers: servers, sockets: map[endpoint]net.Listener{}, conns: map[net.Conn]struct{}{}}
}

// serve lets a load balancer listen where its listeners are, and nowhere else. Connections that there are stay.
func (f *front) serve(b *LoadBalancer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	wanted := map[endpoint]bool{}
	for _, l := range b.Listeners {
		if l.Status == Running && l.Protocol != "udp" {
			wanted[endpoint{b.ID, b.Address, l.Port}] = true
		}
	}
	for e, socket := range f.sockets {
		if e.balancer == b.ID && !wanted[e] {
			socket.Close()
			delete(f.sockets, e)
		}
	}
	for e := range wanted {
		if f.sockets[e] != nil || f.closed {
			continue
		}
		socket, err := net.Listen("tcp", net.JoinHostPort(e.address, strconv.Itoa(int(e.port)))) //nolint:noctx // does not block
		if err != nil {
			return fmt.Errorf("simulated load balancer %s: %w", b.ID, err)
		}
		f.sockets[e] = socket
		f.group.Go(func() { f.accept(e, socket) })
	}
	return nil
}

func (f *front) accept(e endpoint, socket net.Listener) {
	for {
		conn, err := socket.Accept()
		if err != nil {
			return // It is closed.
		}
		if turn, open := f.keep(conn); open {
			f.group.Go(func() { f.forward(conn, f.servers(e.balancer, e.port, turn)) })
		}
	}
}

// keep notes a connection so that close ends it, and returns the turn that it has. Where all is closed, it is closed too.
func (f *front) keep(conn net.Conn) (turn int, open bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		conn.Close()
		return 0, false
	}
	f.conns[conn] = struct{}{}
	f.turn++
	return f.turn, true
}

func (f *front) drop(conn net.Conn) {
	conn.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, conn)
}

// forward connects a client with the first server that answers. Where none does, the connection is reset: a client must not
// take it for an answer.
func (f *front) forward(client net.Conn, servers []Backend) {
	defer f.drop(client)
	server := dial(servers)
	if server == nil {
		reset(client)
		return
	}
	if _, open := f.keep(server); !open {
		return
	}
	defer f.drop(server)
	var group sync.WaitGroup
	group.Go(func() { transfer(server, client) })
	transfer(client, server)
	group.Wait()
}

func dial(servers []Backend) net.Conn {
	for _, s := range servers {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(s.Address, strconv.Itoa(int(s.Port))), dialTimeout) //nolint:noctx // it has a timeout, and a connection no context
		if err == nil {
			return conn
		}
	}
	return nil
}

// transfer copies until the source ends, and tells the destination so. A connection that breaks breaks both.
func transfer(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if tcp, ok := to.(*net.TCPConn); ok && err == nil {
		err = tcp.CloseWrite()
	}
	if err != nil {
		to.Close()
		from.Close()
	}
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // It is closed anyway.
	}
}

// close ends all and waits.
func (f *front) close() error {
	f.mu.Lock()
	f.closed = true
	errs := make([]error, 0, len(f.sockets))
	for e, socket := range f.sockets {
		errs = append(errs, socket.Close())
		delete(f.sockets, e)
	}
	for conn := range f.conns {
		conn.Close()
	}
	f.mu.Unlock()
	f.group.Wait()
	return errors.Join(errs...)
}

// servers returns those of the group of a listener that have a weight, beginning with another one at each turn.
func (a *Account) servers(balancer string, port int32, turn int) []Backend {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, ok := a.balancers[balancer]
	if !ok {
		return nil
	}
	i := slices.IndexFunc(b.Listeners, func(l Listener) bool { return l.Port == port && l.Protocol != "udp" })
	if i < 0 {
		return nil
	}
	g := b.group(b.Listeners[i].GroupID)
	if g < 0 {
		return nil
	}
	servers := slices.DeleteFunc(slices.Clone(b.Groups[g].Backends), func(s Backend) bool { return s.Weight <= 0 })
	if len(servers) == 0 {
		return nil
	}
	first := turn % len(servers)
	return slices.Concat(servers[first:], servers[:first])
}
