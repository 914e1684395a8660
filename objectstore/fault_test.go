// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

const faultyKey = "velero/backups/b/b.tar.gz"

func TestUploadOutlastsFaults(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	tests := []struct {
		name string
		rule fault.Rule
	}{
		{"a part is refused twice by a broken front end", fault.Rule{Operation: "UploadPart", Status: 503, Code: "ServiceUnavailable", Count: 2}},
		{"beginning the upload is throttled", fault.Rule{Operation: "InitiateMultipartUpload", Status: 503, Code: "QpsLimitExceeded", Count: 2}},
		{"a connection is reset within a part", fault.Rule{Operation: "UploadPart", Direction: fault.Request, After: 50 << 10, Reset: true, Count: 2}},
		{"a part arrives changed", fault.Rule{Operation: "UploadPart", Direction: fault.Request, After: 1000, Corrupt: true, Count: 2}},
		{"the answer to a part is lost", fault.Rule{Operation: "UploadPart", Direction: fault.Response, Reset: true, Count: 2}},
		{"the token is said to have expired between parts", fault.Rule{Operation: "UploadPart", Status: 403, Code: "SecurityTokenExpired", Skip: 5, Count: 1}},
		{"the answer that completes the upload is lost", fault.Rule{Operation: "CompleteMultipartUpload", Direction: fault.Response, Reset: true, Count: 1}},
		{"completing the upload fails once", fault.Rule{Operation: "CompleteMultipartUpload", Status: 500, Code: "InternalError", Count: 1}},
		{"one in ten requests fails", fault.Rule{Probability: 0.1, Status: 500, Code: "InternalError"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			handle := f.fault(t, tt.rule)
			must(t, f.PutObject(bucketName, faultyKey, stream(content(size))))
			if handle.Hits() == 0 {
				t.Fatal("the fault did not happen")
			}
			f.faults.Clear()
			got, err := f.download(faultyKey)
			must(t, err)
			if !bytes.Equal(content(size), got) {
				t.Error("the object is not what was uploaded")
			}
			if uploads := f.oss.Uploads(bucketName); len(uploads) > 0 {
				t.Errorf("an upload was left: %+v", uploads)
			}
		})
	}
}

func TestSmallUploadOutlastsFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rule fault.Rule
	}{
		{"a broken front end", fault.Rule{Operation: "PutObject", Status: 502, Code: "BadGateway", Count: 2}},
		{"a connection that is reset", fault.Rule{Operation: "PutObject", Direction: fault.Request, After: 1 << 10, Reset: true, Count: 2}},
		{"bytes that are changed on the way", fault.Rule{Operation: "PutObject", Direction: fault.Request, Corrupt: true, Count: 2}},
		{"an answer that is lost", fault.Rule{Operation: "PutObject", Direction: fault.Response, Reset: true, Count: 2}},
		{"a clock that is an hour ahead of the cloud's", fault.Rule{ClockSkew: -time.Hour}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			handle := f.fault(t, tt.rule)
			must(t, f.PutObject(bucketName, faultyKey, stream(content(50<<10))))
			if handle.Hits() == 0 {
				t.Fatal("the fault did not happen")
			}
			got, err := f.download(faultyKey)
			must(t, err)
			if !bytes.Equal(content(50<<10), got) {
				t.Error("the object is not what was uploaded")
			}
		})
	}
}

func TestAnUploadOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	const refusals = 12 // More than an endpoint is worth that has never answered, or one that breaks connections.
	tests := []struct {
		name string
		// first is what the service does when it is back; nil if it is well.
		first *fault.Rule
	}{
		{"that ends at once", nil},
		{"whose end is a front end that is not ready", &fault.Rule{Operation: "PutObject", Status: 503, Code: "ServiceUnavailable", Count: 3}},
		{"whose end is a connection that is reset", &fault.Rule{Operation: "PutObject", Direction: fault.Response, Reset: true, Count: 3}},
		{"in which the clock went wrong", &fault.Rule{ClockSkew: time.Hour}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			_, err := f.ObjectExists(bucketName, faultyKey) // Velero does that when a backup begins.
			must(t, err)
			end := f.outage(t, refusals)
			if tt.first != nil {
				f.fault(t, *tt.first)
			}
			must(t, f.PutObject(bucketName, faultyKey, stream(content(50<<10))))
			if left := end.left.Load(); left > 0 {
				t.Errorf("the outage would have ended after %d requests more", left)
			}
			got, err := f.download(faultyKey)
			must(t, err)
			if !bytes.Equal(content(50<<10), got) {
				t.Error("the object is not what was uploaded")
			}
		})
	}
}

// outage refuses connections until so many requests have failed.
func (f *fixture) outage(t *testing.T, requests int32) *outageEnd {
	t.Helper()
	log, ok := f.Store.log.(*logrus.Logger)
	if !ok {
		t.Fatalf("the log is a %T", f.Store.log)
	}
	end := &outageEnd{f: f, address: f.server.Listener.Addr().String(), handler: f.server.Config.Handler}
	end.left.Store(requests)
	f.server.CloseClientConnections()
	f.server.Close()
	log.AddHook(end)
	return end
}

// outageEnd ends an outage when the last request that is to fail is logged.
type outageEnd struct {
	f       *fixture
	address string
	handler http.Handler
	left    atomic.Int32
}

// Levels implements logrus.Hook.
func (e *outageEnd) Levels() []logrus.Level { return []logrus.Level{logrus.InfoLevel} }

// Fire implements logrus.Hook.
func (e *outageEnd) Fire(entry *logrus.Entry) error {
	if entry.Message != "A host that has answered before cannot be reached" || e.left.Add(-1) != 0 {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", e.address)
	if err != nil {
		return err
	}
	e.f.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: e.handler, ReadHeaderTimeout: time.Minute}}
	e.f.server.Start()
	return nil
}

func TestBytesThatAlwaysArriveChangedReplaceNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	must(t, f.PutObject(bucketName, faultyKey, stream([]byte("good"))))
	f.fault(t, fault.Rule{Operation: "PutObject", Direction: fault.Request, Corrupt: true})
	wantError(t, f.PutObject(bucketName, faultyKey, stream([]byte("better"))), "upload backup files to OSS bucket failed", "InvalidDigest")
	f.faults.Clear()
	got, err := f.download(faultyKey)
	must(t, err)
	if string(got) != "good" {
		t.Errorf("the object became %q", got)
	}
}

func TestACompletionWhoseAnswersAreAllLostIsSeen(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	f.fault(t, fault.Rule{Operation: "CompleteMultipartUpload", Direction: fault.Response, Reset: true})
	must(t, f.PutObject(bucketName, faultyKey, stream(content(3*smallParts))))
	got, err := f.download(faultyKey)
	must(t, err)
	if !bytes.Equal(content(3*smallParts), got) {
		t.Error("the object is not what was uploaded")
	}
}

func TestAFailedBodyDoesNotWaitForThePartsOnTheirWay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	f.fault(t, fault.Rule{Operation: "UploadPart", Bandwidth: 10 << 10})
	begun := time.Now()
	broken := errors.New("velero went away")
	err := f.PutObject(bucketName, faultyKey, io.MultiReader(stream(content(3*smallParts)), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took > 8*time.Second { // A part takes ten.
		t.Errorf("took %v", took)
	}
}

func TestUploadUnderAPermanentFaultLeavesNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		size int
		rule fault.Rule
		want []string
	}{
		{
			"a front end that stays broken", 10,
			fault.Rule{Operation: "PutObject", Status: 503, Code: "ServiceUnavailable", Message: "Please reduce your request rate."},
			[]string{"StatusCode=503", "ErrorCode=ServiceUnavailable", "try again later"},
		},
		{
			"parts that are always refused", 5 * smallParts,
			fault.Rule{Operation: "UploadPart", Status: 500, Code: "InternalError", Skip: 2},
			[]string{"ErrorCode=InternalError", "try again later"},
		},
		{
			"parts that always arrive changed", 5 * smallParts,
			fault.Rule{Operation: "UploadPart", Direction: fault.Request, Corrupt: true},
			[]string{"uploading part", "InvalidDigest"},
		},
		{
			"connections that are always reset", 5 * smallParts,
			fault.Rule{Operation: "UploadPart", Direction: fault.Request, After: 50 << 10, Reset: true},
			[]string{"uploading part"},
		},
		{
			"a token that stays expired", 5 * smallParts,
			fault.Rule{Operation: "UploadPart", Status: 403, Code: "SecurityTokenExpired"},
			[]string{"ErrorCode=SecurityTokenExpired", "temporary credentials"},
		},
		{
			"a completion that is always refused", 5 * smallParts,
			fault.Rule{Operation: "CompleteMultipartUpload", Status: 500, Code: "InternalError"},
			[]string{"InternalError"},
		},
		{
			"a clock that cannot be corrected", 10,
			fault.Rule{Status: 403, Code: "RequestTimeTooSkewed"},
			[]string{"ErrorCode=RequestTimeTooSkewed", "NTP"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			f.fault(t, tt.rule)
			err := f.PutObject(bucketName, faultyKey, stream(content(tt.size)))
			wantError(t, err, append(tt.want, "upload backup files to OSS bucket failed", faultyKey)...)
			if keys := f.keys(); len(keys) > 0 {
				t.Errorf("objects are there: %q", keys)
			}
			if uploads := f.oss.Uploads(bucketName); len(uploads) > 0 {
				t.Errorf("an upload was left: %+v", uploads)
			}
		})
	}
}

func TestDownloadOutlastsFaults(t *testing.T) {
	t.Parallel()
	const size = 3*chunkSize + 1000
	tests := []struct {
		name string
		rule fault.Rule
	}{
		{"a broken front end", fault.Rule{Operation: "GetObject", Status: 503, Code: "ServiceUnavailable", Count: 2}},
		{"connections that are reset after some MiB", fault.Rule{Operation: "GetObject", After: 3 << 20, Reset: true, Count: 4}},
		{"answers that end early", fault.Rule{Operation: "GetObject", After: 100 << 10, Truncate: true, Count: 6}},
		{"connections that never bring much", fault.Rule{Operation: "GetObject", After: 1 << 20, Reset: true}},
		{"a token that is said to have expired", fault.Rule{Operation: "GetObject", Status: 403, Code: "SecurityTokenExpired", Skip: 1, Count: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			must(t, f.oss.Put(bucketName, faultyKey, content(size)))
			handle := f.fault(t, tt.rule)
			got, err := f.download(faultyKey)
			must(t, err)
			if handle.Hits() == 0 {
				t.Fatal("the fault did not happen")
			}
			if !bytes.Equal(content(size), got) {
				t.Error("the bytes are not those of the object")
			}
		})
	}
}

func TestDownloadUnderAPermanentFault(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rule fault.Rule
		want string
	}{
		{"answers that bring nothing", fault.Rule{Operation: "GetObject", Truncate: true}, "unexpected EOF"},
		{"bytes that are changed on the way", fault.Rule{Operation: "GetObject", After: 500, Corrupt: true, Count: 1}, "the bytes were changed on the way"},
		{"a front end that breaks in the middle", fault.Rule{Operation: "GetObject", Skip: 1, Status: 500, Code: "InternalError"}, "ErrorCode=InternalError"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			must(t, f.oss.Put(bucketName, faultyKey, content(3*chunkSize)))
			f.fault(t, tt.rule)
			_, err := f.download(faultyKey)
			wantError(t, err, "download backup files from OSS bucket failed", tt.want, faultyKey)
		})
	}
}

func TestDownloadOfAReplacedObjectIsAnError(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{config: map[string]string{"downloadConcurrency": "1"}})
	must(t, f.oss.Put(bucketName, faultyKey, content(4*chunkSize)))
	body, err := f.GetObject(bucketName, faultyKey)
	must(t, err)
	must(t, f.oss.Put(bucketName, faultyKey, content(4*chunkSize+1)))
	defer body.Close()
	var all bytes.Buffer
	_, err = all.ReadFrom(body)
	wantError(t, err, "the object was replaced while it was read")
	if !bytes.HasPrefix(content(4*chunkSize), all.Bytes()) {
		t.Error("what was read before the error is a mixture of two objects")
	}
}

func TestCloseEndsADownload(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	must(t, f.oss.Put(bucketName, faultyKey, content(8*chunkSize)))
	f.fault(t, fault.Rule{Operation: "GetObject", Skip: 1, Bandwidth: 64 << 10})
	body, err := f.GetObject(bucketName, faultyKey)
	must(t, err)
	begun := time.Now()
	must(t, body.Close())
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
	if n, err := body.Read(make([]byte, 10)); n != 0 || err == nil {
		t.Errorf("reading after Close gave %d bytes and the error %v", n, err)
	}
	if err := body.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

func TestReadNeverReturnsNothingWithoutAnError(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	for _, size := range []int{0, 1, chunkSize, chunkSize + 1} {
		must(t, f.oss.Put(bucketName, faultyKey, content(size)))
		body, err := f.GetObject(bucketName, faultyKey)
		must(t, err)
		total := 0
		for {
			n, err := body.Read(make([]byte, 16<<10))
			total += n
			if err != nil {
				break
			}
			if n == 0 {
				t.Fatalf("an object of %d bytes: (0, nil) after %d bytes", size, total)
			}
		}
		must(t, body.Close())
		if total != size {
			t.Errorf("read %d bytes of %d", total, size)
		}
	}
}

// The stall lasts longer than a connection may be silent, so that the request is
// repeated on another connection while the first one still hangs.
func TestTransfersOutlastAStall(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes as long as a silent connection is borne: 15 s")
	}
	tests := []struct {
		name string
		rule fault.Rule
	}{
		{"of an upload", fault.Rule{Operation: "UploadPart", Direction: fault.Request, After: 10 << 10, Stall: 20 * time.Second, Count: 1}},
		{"of the answer to an upload", fault.Rule{Operation: "UploadPart", Latency: 20 * time.Second, Count: 1}},
		{"of a download", fault.Rule{Operation: "GetObject", After: 10 << 10, Stall: 20 * time.Second, Count: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			handle := f.fault(t, tt.rule)
			want := content(2 * chunkSize)
			must(t, f.PutObject(bucketName, faultyKey, stream(want)))
			got, err := f.download(faultyKey)
			must(t, err)
			if !bytes.Equal(want, got) {
				t.Error("the bytes are not those that went in")
			}
			if handle.Hits() == 0 {
				t.Fatal("the fault did not happen")
			}
		})
	}
}

func TestATransferThatStallsForEverFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{config: map[string]string{"timeout": "2s"}})
	f.fault(t, fault.Rule{Operation: "UploadPart", Latency: 5 * time.Second})
	err := f.PutObject(bucketName, faultyKey, stream(content(3*smallParts)))
	wantError(t, err, "upload backup files to OSS bucket failed", "context deadline exceeded")
	if uploads := f.oss.Uploads(bucketName); len(uploads) > 0 {
		t.Errorf("an upload was left: %+v", uploads)
	}
}

func TestAnEmptyObjectWhoseRangeIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	must(t, f.oss.Put(bucketName, faultyKey, nil))
	f.fault(t, fault.Rule{Operation: "GetObject", Status: http.StatusRequestedRangeNotSatisfiable, Code: "InvalidRange"})
	got, err := f.download(faultyKey)
	must(t, err)
	if len(got) != 0 {
		t.Errorf("read %q", got)
	}
}
