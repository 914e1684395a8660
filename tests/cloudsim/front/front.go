// SPDX-License-Identifier: Apache-2.0

package front

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

// Front is the handler in front of a service.
type Front struct {
	service Service
	journal *journal.Journal
	faults  *fault.Injector
	now     func() time.Time
}

// New returns the front of a service. The server that it is given to needs ConnContext, so that faults can drop
// connections.
func New(service Service, j *journal.Journal, faults *fault.Injector, now func() time.Time) *Front {
	return &Front{service: service, journal: j, faults: faults, now: now}
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	entry := &journal.Entry{
		Time:       f.now(),
		Service:    f.service.Name(),
		Method:     r.Method,
		Host:       r.Host,
		TLS:        r.TLS != nil,
		RequestID:  newRequestID(),
		Connection: r.RemoteAddr,
	}
	entry.Operation, entry.Resource = f.service.Operation(r)
	rules := f.faults.Fire(entry.Service, entry.Operation, entry.Resource)
	entry.Faults = len(rules)

	x := &exchange{
		journal: f.journal, entry: entry, connection: connectionOf(r.Context()),
		flush: http.NewResponseController(w).Flush,
	}
	defer x.finish()

	ctx := fault.Into(journal.Into(r.Context(), entry), fault.EffectOf(rules))
	r = r.WithContext(ctx)
	request := newStream(ctx, rules, fault.Request)
	r.Body = &body{ReadCloser: r.Body, stream: request, exchange: x}
	answer := &response{ResponseWriter: w, stream: newStream(ctx, rules, fault.Response), exchange: x}

	if !f.delay(ctx, rules) {
		return
	}
	if _, act := request.next(0); act != pass {
		x.cut(act) // also a request without a body is reset
	} else if failed := f.fail(answer, r, rules); !failed {
		f.service.ServeHTTP(answer, r)
	}
	answer.end()
	if x.isCut() {
		panic(http.ErrAbortHandler) // the server must not go on with this connection
	}
}

// delay waits out the latency of the rules. It is false when the client has gone meanwhile.
func (f *Front) delay(ctx context.Context, rules []fault.Rule) bool {
	var latency time.Duration
	for _, r := range rules {
		latency += r.Latency
	}
	return wait(ctx, latency)
}

// fail answers with the error of the first rule that has one.
func (f *Front) fail(w http.ResponseWriter, r *http.Request, rules []fault.Rule) bool {
	for _, rule := range rules {
		if rule.Status == 0 {
			continue
		}
		// Without reading the body, the server would close the connection, and a client that is still writing
		// would see that instead of the answer.
		_, _ = io.Copy(io.Discard, r.Body)
		code, message := rule.Code, rule.Message
		if code == "" {
			code = defaultCode(rule.Status)
		}
		if message == "" {
			message = "The request failed by a fault rule."
		}
		journal.From(r.Context()).Code = code
		f.service.WriteError(w, r, rule.Status, code, message)
		return true
	}
	return false
}

func defaultCode(status int) string {
	if status == http.StatusServiceUnavailable {
		return "ServiceUnavailable"
	}
	return "InternalError"
}

// newRequestID returns a request id of the length that OSS uses: 24 hexadecimal digits.
func newRequestID() string {
	var id [12]byte
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	return strings.ToUpper(hex.EncodeToString(id[:]))
}

// wait waits for a duration. It is false when the context ended before.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
