// SPDX-License-Identifier: Apache-2.0

package slb_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
)

const region = "cn-hangzhou"

func newAccount(t *testing.T, options slb.Options) *slb.Account {
	t.Helper()
	account, err := slb.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := account.Close(); err != nil {
			t.Error(err)
		}
	})
	return account
}

func create(t *testing.T, account *slb.Account) slb.LoadBalancer {
	t.Helper()
	made, err := account.In(region).Create(slb.Spec{Kind: slb.CLB, Name: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{Addresses: netip.MustParsePrefix("47.0.0.0/24")})
	made := create(t, account)
	here, elsewhere := account.In(region), account.In("cn-beijing")
	group, err := here.CreateGroup(slb.CLB, made.ID, "g", nil)
	check(t, err)
	check(t, here.CreateListener(slb.CLB, made.ID, slb.Listener{Port: 80, Protocol: "tcp", GroupID: group}))
	check(t, here.CreateListener(slb.CLB, made.ID, slb.Listener{Port: 80, Protocol: "udp"}))
	before, err := account.ListenersJSON(made.ID)
	check(t, err)
	get := func(r *slb.Region, kind slb.Kind, id string) error {
		_, err := r.Get(kind, id)
		return err
	}
	noBalancer := slb.Error{Code: "InvalidLoadBalancerId.NotFound", Message: "The specified LoadBalancerId does not exist."}
	noGroup := slb.Error{Code: "VServerGroupNotFound", Message: "The specified VServerGroupId does not exist."}
	noListener := slb.Error{Code: "InvalidParameter", Message: "The specified resource does not exist."}
	tests := []struct {
		name string
		err  error
		want slb.Error
	}{
		{"an id that there is not", get(here, slb.CLB, "lb-none"), noBalancer},
		{"the id of another region", get(elsewhere, slb.CLB, made.ID), noBalancer},
		{
			"the id of another kind", get(here, slb.NLB, made.ID),
			slb.Error{Code: "ResourceNotFound.loadBalancer", Message: "The specified resource of loadbalancer is not found."},
		},
		{
			"a group in use", here.DeleteGroup(slb.CLB, made.ID, group),
			slb.Error{Code: "RspoolVipExist", Message: "there are vips associating with this vServer group."},
		},
		{"a group that there is not", here.DeleteGroup(slb.CLB, made.ID, "rsp-none"), noGroup},
		{"servers of none", here.SetBackends(slb.CLB, made.ID, "rsp-none", nil), noGroup},
		{
			"a port that is taken", here.CreateListener(slb.CLB, made.ID, slb.Listener{Port: 80, Protocol: "https"}),
			slb.Error{Code: "ListenerAlreadyExists", Message: "There is already a listener bound to the port on the specified load balancer."},
		},
		{"a listener to no group", here.CreateListener(slb.CLB, made.ID, slb.Listener{Port: 81, Protocol: "tcp", GroupID: "rsp-none"}), noGroup},
		{"a change to no group", here.SetListener(slb.CLB, made.ID, slb.Listener{Port: 80, Protocol: "tcp", GroupID: "rsp-none"}), noGroup},
		{"a change of no listener", here.SetListener(slb.CLB, made.ID, slb.Listener{Port: 81, Protocol: "tcp"}), noListener},
		{"the end of none", here.DeleteListener(slb.CLB, made.ID, 81, "tcp"), noListener},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got *slb.Error
			if !errors.As(tt.err, &got) {
				t.Fatalf("got %v", tt.err)
			}
			if diff := cmp.Diff(tt.want, *got, cmpopts.IgnoreFields(slb.Error{}, "API")); diff != "" {
				t.Errorf("the error (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(got.Error(), "[SDKError] API: "+got.API+", ErrorCode: "+got.Code+", RequestId: ") {
				t.Errorf("the text is %q", got)
			}
		})
	}
	after, err := account.ListenersJSON(made.ID)
	check(t, err)
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("listeners (-before +after):\n%s", diff)
	}
}

func TestAddressesRunOut(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{Addresses: netip.MustParsePrefix("47.0.0.0/31")})
	create(t, account)
	if _, err := account.In(region).Create(slb.Spec{Kind: slb.CLB}); err == nil {
		t.Error("no error")
	}
	if _, err := slb.New(slb.Options{}); err == nil {
		t.Error("no error without addresses")
	}
}

func TestWhatIsReadIsACopy(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{Addresses: netip.MustParsePrefix("47.0.0.0/24")})
	made := create(t, account)
	here := account.In(region)
	_, err := here.CreateGroup(slb.CLB, made.ID, "g", []slb.Backend{{ServerID: "i-1"}})
	check(t, err)
	check(t, here.CreateListener(slb.CLB, made.ID, slb.Listener{Port: 80, Protocol: "tcp", Attributes: map[string]string{"a": "b"}}))
	check(t, here.Tag(slb.CLB, made.ID, "k", "v"))
	want := account.LoadBalancers()
	got := here.ByTag(slb.CLB, "k", "v")
	got[0].Tags["k"], got[0].Listeners[0].Attributes["a"], got[0].Groups[0].Backends[0].ServerID = "", "", ""
	if diff := cmp.Diff(want, account.LoadBalancers()); diff != "" {
		t.Errorf("what there is (-want +got):\n%s", diff)
	}
	if got := here.ByName(slb.CLB, "shop"); len(got) != 1 || len(here.ByName(slb.NLB, "shop")) != 0 {
		t.Errorf("by name: %v", got)
	}
}

// echo is a server that sends back what it gets, after its name.
func echo(t *testing.T, name string) slb.Backend {
	t.Helper()
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { socket.Close() })
	go func() {
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				fmt.Fprint(conn, name)
				_, _ = io.Copy(conn, conn) // The client may be gone.
			}()
		}
	}()
	_, port, err := net.SplitHostPort(socket.Addr().String())
	check(t, err)
	number, err := strconv.Atoi(port)
	check(t, err)
	return slb.Backend{ServerID: name, Address: "127.0.0.1", Port: int32(number), Weight: 100}
}

// say connects, says something, ends its side, and returns the answer.
func say(t *testing.T, address, text string) (string, error) {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", net.JoinHostPort(address, "8000"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	fmt.Fprint(conn, text)
	if tcp, ok := conn.(*net.TCPConn); ok {
		check(t, tcp.CloseWrite())
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

func TestListenersListen(t *testing.T) {
	t.Parallel()
	account := newAccount(t, slb.Options{Addresses: netip.MustParsePrefix("127.77.2.0/24"), Serve: true})
	made, here := create(t, account), account.In(region)
	one, other := echo(t, "one "), echo(t, "other ")
	gone := slb.Backend{ServerID: "gone", Address: "127.77.2.200", Port: 9, Weight: 100}
	group, err := here.CreateGroup(slb.CLB, made.ID, "g", []slb.Backend{one, gone, {ServerID: "idle", Address: other.Address, Port: other.Port}})
	check(t, err)
	listener := slb.Listener{Port: 8000, Protocol: "tcp", GroupID: group, Status: slb.Stopped}
	check(t, here.CreateListener(slb.CLB, made.ID, listener))
	if _, err := say(t, made.Address, ""); err == nil {
		t.Error("a listener that is stopped listens")
	}
	answers := func(want string) {
		t.Helper()
		for range 3 { // Also where the server that is gone would have been the next.
			if got, err := say(t, made.Address, "hello"); got != want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
	}
	listener.Status = slb.Running
	check(t, here.SetListener(slb.CLB, made.ID, listener))
	answers("one hello")
	check(t, here.SetBackends(slb.CLB, made.ID, group, []slb.Backend{other}))
	answers("other hello")
	check(t, here.SetBackends(slb.CLB, made.ID, group, nil))
	if got, err := say(t, made.Address, ""); err == nil {
		t.Errorf("without servers the answer is %q", got)
	}
	check(t, here.Delete(slb.CLB, made.ID))
	if _, err := say(t, made.Address, ""); err == nil {
		t.Error("one that is deleted listens")
	}
}

// TestCloseEndsConnections would wait for ever otherwise.
func TestCloseEndsConnections(t *testing.T) {
	t.Parallel()
	account, err := slb.New(slb.Options{Addresses: netip.MustParsePrefix("127.77.3.0/24"), Serve: true})
	check(t, err)
	made, here := create(t, account), account.In(region)
	group, err := here.CreateGroup(slb.CLB, made.ID, "g", []slb.Backend{echo(t, "x")})
	check(t, err)
	check(t, here.CreateListener(slb.CLB, made.ID, slb.Listener{Port: 8000, Protocol: "tcp", GroupID: group}))
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort(made.Address, "8000"))
	check(t, err)
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	check(t, account.Close())
	check(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection goes on")
	}
}
