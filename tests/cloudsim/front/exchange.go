// SPDX-License-Identifier: Apache-2.0

package front

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

// errCut is what a service sees that reads or writes a body whose connection a fault has ended.
var errCut = errors.New("the connection was cut by a fault rule")

type connectionKey struct{}

// ConnContext is for http.Server.ConnContext. It lets faults drop the connection of a request.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

func connectionOf(ctx context.Context) net.Conn {
	c, _ := ctx.Value(connectionKey{}).(net.Conn)
	return c
}

// exchange is one request with its answer: its journal entry and its connection.
type exchange struct {
	journal    *journal.Journal
	entry      *journal.Entry
	connection net.Conn
	flush      func() error

	// A service may read and write in two goroutines.
	read, written atomic.Int64
	mu            sync.Mutex
	update        func(journal.Entry)
	gone          bool
}

// record puts the entry into the journal. It comes before anything that the client can see.
func (x *exchange) record() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.update == nil {
		x.update = x.journal.Begin(*x.entry)
	}
}

// finish brings the journal to the entry's final state.
func (x *exchange) finish() {
	x.record()
	x.entry.RequestBytes, x.entry.ResponseBytes = x.read.Load(), x.written.Load()
	x.update(*x.entry)
}

func (x *exchange) isCut() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gone
}

// cut ends the connection: at once, or in order when the body is to be truncated.
func (x *exchange) cut(act action) {
	x.record()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.gone {
		return
	}
	x.gone = true
	if act == truncate {
		_ = x.flush() // when it fails the client is gone, which is what is wanted
	}
	if x.connection == nil {
		return
	}
	raw := x.connection
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok && act == reset {
		_ = tcp.SetLinger(0) // with no time to linger, closing sends RST instead of FIN
	}
	_ = raw.Close()
}

// body is a request's body, as the service reads it.
type body struct {
	io.ReadCloser

	stream   *stream
	exchange *exchange
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.exchange.isCut() {
		return 0, errCut
	}
	allowed, act := b.stream.next(len(p))
	if act == reset {
		b.exchange.cut(act)
		return 0, errCut
	}
	n, err := b.ReadCloser.Read(p[:allowed])
	b.exchange.read.Add(int64(n))
	if act == corrupt && n > 0 {
		p[0] = ^p[0]
	}
	b.stream.passed(n)
	return n, err
}

// response is the answer, as the service writes it.
type response struct {
	http.ResponseWriter

	stream      *stream
	exchange    *exchange
	wroteHeader bool
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.wroteHeader || w.exchange.isCut() {
		return
	}
	if status >= http.StatusOK {
		w.wroteHeader = true
		if _, act := w.stream.next(0); act == reset {
			w.exchange.cut(act)
			return
		} else if act == truncate {
			defer w.exchange.cut(act)
		}
		w.exchange.entry.Status = status
		w.exchange.record()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	written := 0
	for written < len(p) {
		if w.exchange.isCut() {
			return written, errCut
		}
		n, err := w.writeSome(p[written:])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func (w *response) writeSome(p []byte) (int, error) {
	allowed, act := w.stream.next(len(p))
	switch act {
	case reset, truncate:
		w.exchange.cut(act)
		return 0, errCut
	case corrupt:
		p = append([]byte{^p[0]}, p[1:allowed]...) // the caller's bytes stay as they are
	default:
		p = p[:allowed]
	}
	n, err := w.ResponseWriter.Write(p)
	w.exchange.written.Add(int64(n))
	w.stream.passed(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom, so that a file goes out by sendfile where no fault looks at the bytes.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	if target, ok := w.ResponseWriter.(io.ReaderFrom); ok && w.stream.idle() {
		w.WriteHeader(http.StatusOK)
		n, err := target.ReadFrom(r)
		w.exchange.written.Add(n)
		return n, err
	}
	return io.Copy(writerOnly{w}, r)
}

// writerOnly hides ReadFrom from io.Copy.
type writerOnly struct{ io.Writer }

// FlushError is called by http.ResponseController.Flush.
func (w *response) FlushError() error {
	w.WriteHeader(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// end sends the head of an answer for which the service wrote nothing.
func (w *response) end() {
	w.WriteHeader(http.StatusOK)
}
