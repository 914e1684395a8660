// SPDX-License-Identifier: Apache-2.0

package front_test

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/front"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

// echo is a service that answers with the body that it was sent.
type echo struct {
	mu     sync.Mutex
	served []received // what each request came with
}

// digest stands for a body: comparing whole ones is slow, and says no more.
type digest struct {
	Length int
	CRC32  uint32
}

func digestOf(data []byte) digest { return digest{Length: len(data), CRC32: crc32.ChecksumIEEE(data)} }

type received struct {
	Body   digest
	Failed bool
	Effect fault.Effect
}

func (e *echo) Name() string { return "echo" }

func (e *echo) Operation(r *http.Request) (operation, resource string) { return "Echo", r.URL.Path }

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	e.mu.Lock()
	e.served = append(e.served, received{
		Body: digestOf(data), Failed: err != nil, Effect: fault.FromContext(r.Context()),
	})
	e.mu.Unlock()
	journal.From(r.Context()).AccessKeyID = "LTAI"
	if err != nil {
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	if r.URL.Query().Has("copy") {
		_, _ = io.Copy(w, io.LimitReader(bytes.NewReader(data), int64(len(data)))) // by ReadFrom
		return
	}
	_, _ = w.Write(data)
}

func (e *echo) WriteError(w http.ResponseWriter, _ *http.Request, status int, code, message string) {
	http.Error(w, code+": "+message, status)
}

// rig is the echo service behind a front, on a real connection.
type rig struct {
	*httptest.Server

	service *echo
	journal *journal.Journal
	faults  *fault.Injector
}

func newRig(t *testing.T) rig {
	t.Helper()
	g := rig{service: &echo{}, journal: journal.New(), faults: fault.NewInjector(1)}
	g.Server = httptest.NewUnstartedServer(front.New(g.service, g.journal, g.faults, time.Now))
	g.Config.ConnContext = front.ConnContext
	g.Start()
	t.Cleanup(g.Close)
	return g
}

func (g rig) add(t *testing.T, rule fault.Rule) *fault.Handle {
	t.Helper()
	h, err := g.faults.Add(rule)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// outcome is what a client sees of a request.
type outcome struct {
	Status int
	Body   digest
	// Failed says that the connection broke.
	Failed bool
}

func (g rig) send(t *testing.T, payload []byte) outcome {
	t.Helper()
	return g.sendTo(t, "/x", payload)
}

func (g rig) sendTo(t *testing.T, path string, payload []byte) outcome {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+path, bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	req.GetBody = nil // the client must not repeat what was cut
	res, err := g.Client().Do(req)
	if err != nil {
		return outcome{Failed: true}
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return outcome{Status: res.StatusCode, Body: digestOf(data), Failed: err != nil}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	payload := bytes.Repeat([]byte("0123456789"), 10_000)
	inverted := func(offset int) []byte {
		changed := bytes.Clone(payload)
		changed[offset] = ^changed[offset]
		return changed
	}
	whole := received{Body: digestOf(payload)}
	tests := map[string]struct {
		rule fault.Rule
		// served is what the service sees, nil when it is not reached.
		served *received
		want   outcome
	}{
		"an error status does not reach the service": {
			fault.Rule{Status: 503, Code: "SlowDown", Message: "Slow down."},
			nil,
			outcome{Status: 503, Body: digestOf([]byte("SlowDown: Slow down.\n"))},
		},
		"a rule for another operation does nothing": {
			fault.Rule{Operation: "Put*", Status: 503}, &whole, outcome{Status: 200, Body: digestOf(payload)},
		},
		"a rule for the resource acts": {
			fault.Rule{Service: "ech?", Operation: "Echo", Resource: "/*", Status: 500},
			nil,
			outcome{Status: 500, Body: digestOf([]byte("InternalError: The request failed by a fault rule.\n"))},
		},
		"a reset of the request at once does not reach the service": {
			fault.Rule{Direction: fault.Request, Reset: true}, nil, outcome{Failed: true},
		},
		"a reset of the request after some bytes gives the service those": {
			fault.Rule{Direction: fault.Request, Reset: true, After: 5},
			&received{Body: digestOf(payload[:5]), Failed: true},
			outcome{Failed: true},
		},
		"a reset of the answer at once loses the answer, not the work": {
			fault.Rule{Reset: true}, &whole, outcome{Failed: true},
		},
		"a truncated answer ends early": {
			fault.Rule{Truncate: true, After: 50_001}, &whole, outcome{Status: 200, Body: digestOf(payload[:50_001]), Failed: true},
		},
		"an answer truncated at once has a head": {
			fault.Rule{Truncate: true}, &whole, outcome{Status: 200, Failed: true},
		},
		"a truncation behind the end does nothing": {
			fault.Rule{Truncate: true, After: int64(len(payload))}, &whole, outcome{Status: 200, Body: digestOf(payload)},
		},
		"a corrupt request has one byte changed": {
			fault.Rule{Direction: fault.Request, Corrupt: true, After: 70_000},
			&received{Body: digestOf(inverted(70_000))},
			outcome{Status: 200, Body: digestOf(inverted(70_000))},
		},
		"a corrupt answer has one byte changed": {
			fault.Rule{Corrupt: true}, &whole, outcome{Status: 200, Body: digestOf(inverted(0))},
		},
		"a skewed clock and an expired token are left to the service": {
			fault.Rule{ClockSkew: time.Hour, ExpireToken: true},
			&received{Body: digestOf(payload), Effect: fault.Effect{ClockSkew: time.Hour, ExpireToken: true}},
			outcome{Status: 200, Body: digestOf(payload)},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			g.add(t, tt.rule)
			if diff := cmp.Diff(tt.want, g.send(t, payload)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			g.Close()
			var want []received
			if tt.served != nil {
				want = []received{*tt.served}
			}
			if diff := cmp.Diff(want, g.service.served); diff != "" {
				t.Errorf("what the service saw (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResetOfTheAnswerInItsMiddle(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.add(t, fault.Rule{Reset: true, After: 30_000})
	payload := bytes.Repeat([]byte("a"), 100_000)
	got := g.send(t, payload)
	// A reset may overtake bytes that were sent before it.
	if !got.Failed || got.Body.Length > 30_000 {
		t.Errorf("got %d bytes, failed=%v; want a broken connection after at most 30000 bytes", got.Body.Length, got.Failed)
	}
	if after := g.send(t, nil); after.Failed {
		t.Error("an answer shorter than the offset was cut")
	}
}

func TestFaultsThatTakeTime(t *testing.T) {
	t.Parallel()
	payload := bytes.Repeat([]byte("a"), 20_000)
	tests := map[string]fault.Rule{
		"latency":                   {Latency: 60 * time.Millisecond},
		"a stall of the request":    {Direction: fault.Request, Stall: 60 * time.Millisecond, After: 10_000},
		"a stall of the answer":     {Stall: 60 * time.Millisecond, After: 10_000},
		"a stall before the answer": {Stall: 60 * time.Millisecond},
		"a bandwidth of 300 kB/s":   {Bandwidth: 300_000},
	}
	for name, rule := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			g.add(t, rule)
			start := time.Now()
			if diff := cmp.Diff(outcome{Status: 200, Body: digestOf(payload)}, g.send(t, payload)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			if took := time.Since(start); took < 60*time.Millisecond {
				t.Errorf("took %s, want at least 60ms", took)
			}
		})
	}
}

func TestSkipAndCount(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	h := g.add(t, fault.Rule{Skip: 1, Count: 2, Status: 503})
	var got []int
	for range 5 {
		got = append(got, g.send(t, nil).Status)
	}
	if diff := cmp.Diff([]int{200, 503, 503, 200, 200}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if h.Hits() != 2 {
		t.Errorf("the rule had %d hits, want 2", h.Hits())
	}
}

func TestJournalDescribesEachRequest(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.add(t, fault.Rule{Skip: 1, Count: 1, Status: 503, Code: "SlowDown"})
	g.add(t, fault.Rule{Skip: 2, Reset: true})
	for range 3 {
		g.send(t, []byte("abc"))
	}
	g.Close()
	base := journal.Entry{
		Service: "echo", Operation: "Echo", Resource: "/x", Method: http.MethodPost,
		Host: g.Listener.Addr().String(), RequestBytes: 3,
	}
	served, failed, cut := base, base, base
	served.AccessKeyID, served.Status, served.ResponseBytes = "LTAI", 200, 3
	failed.Status, failed.Code, failed.Faults = 503, "SlowDown", 1
	failed.ResponseBytes = int64(len("SlowDown: The request failed by a fault rule.\n"))
	cut.AccessKeyID, cut.Faults = "LTAI", 1
	got := g.journal.Entries()
	ignore := cmpopts.IgnoreFields(journal.Entry{}, "Time", "RequestID", "Connection")
	if diff := cmp.Diff([]journal.Entry{served, failed, cut}, got, ignore); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
	if got[0].Connection != got[1].Connection {
		t.Error("two requests of one connection are journalled as of two")
	}
}

func TestJournalHasTheEntryBeforeTheClientHasTheAnswer(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for i := range 200 {
		g.send(t, bytes.Repeat([]byte("a"), 8_000))
		if got := g.journal.Count("echo", "Echo"); got != i+1 {
			t.Fatalf("the journal counts %d requests after %d answers", got, i+1)
		}
	}
}

func TestResetIsAReset(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.add(t, fault.Rule{Reset: true})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := g.Client().Do(req)
	if err == nil {
		res.Body.Close()
		t.Fatal("the request succeeded")
	}
	if errors.Is(err, io.EOF) {
		t.Errorf("the connection ended in order: %v", err)
	}
}

func TestCopiedAnswersAreCountedAndCut(t *testing.T) {
	t.Parallel()
	payload := bytes.Repeat([]byte("a"), 100_000)
	g := newRig(t)
	whole := g.sendTo(t, "/x?copy", payload)
	g.add(t, fault.Rule{Truncate: true, After: 40_000})
	truncated := g.sendTo(t, "/x?copy", payload)
	want := []outcome{
		{Status: 200, Body: digestOf(payload)},
		{Status: 200, Body: digestOf(payload[:40_000]), Failed: true},
	}
	if diff := cmp.Diff(want, []outcome{whole, truncated}); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	g.Close()
	var counted []int64
	for _, e := range g.journal.Entries() {
		counted = append(counted, e.ResponseBytes)
	}
	if diff := cmp.Diff([]int64{100_000, 40_000}, counted); diff != "" {
		t.Errorf("response bytes (-want +got):\n%s", diff)
	}
}
