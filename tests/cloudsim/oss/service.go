// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

// defaultRegion is the region of buckets for which neither the address nor the configuration names one.
const defaultRegion = "cn-hangzhou"

// Accounts knows who may sign requests and what they may do. account.Registry is one.
type Accounts interface {
	Key(accessKeyID, securityToken string) (secret string, caller account.Caller, err error)
	Decide(caller account.Caller, action, resource string) account.Decision
}

// Service is a simulated OSS. It is safe for concurrent use.
type Service struct {
	accounts     Accounts
	now          func() time.Time
	region       string
	restoreDelay time.Duration
	operations   []operation
	blobs        *blobDir

	mu      sync.RWMutex
	buckets index[*bucket]
}

// New returns a service with the configured buckets. The clock decides about signatures and restored archives.
func New(cfg Config, accounts Accounts, now func() time.Time) (*Service, error) {
	dir, err := os.MkdirTemp(cfg.StateDir, "oss-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for objects: %w", err)
	}
	s := &Service{
		accounts: accounts, now: now, region: cfg.Region, restoreDelay: cfg.RestoreDelay,
		operations: operations(), blobs: &blobDir{path: dir}, buckets: newIndex[*bucket](),
	}
	if s.region == "" {
		s.region = defaultRegion
	}
	for _, b := range cfg.Buckets {
		if err := s.CreateBucket(b); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Close removes the bytes of all objects.
func (s *Service) Close() error { return os.RemoveAll(s.blobs.path) }

// Name is the name of the service in the journal and in fault rules.
func (s *Service) Name() string { return "oss" }

// Operation returns the API's name of what a request asks for, and "bucket/key". The name is empty for a request
// that OSS does not know.
func (s *Service) Operation(r *http.Request) (operation, resource string) {
	a, err := s.addressOf(r)
	if err != nil {
		return "", ""
	}
	resource = a.resource()
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", resource
	}
	if op := s.find(r, a, query); op != nil {
		return op.name, resource
	}
	return "", resource
}

func (a address) resource() string {
	if a.key == "" {
		return a.bucket
	}
	return a.bucket + "/" + a.key
}

func (s *Service) find(r *http.Request, a address, query url.Values) *operation {
	for i := range s.operations {
		if s.operations[i].matches(r, a, query) {
			return &s.operations[i]
		}
	}
	return nil
}

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.newCall(w, r)
	err := s.serve(c)
	if err == nil {
		return
	}
	var refusal *apiError
	if !errors.As(err, &refusal) {
		refusal = internalError().with("Detail", err.Error())
	}
	c.fail(refusal)
}

// WriteError answers a request with an error that the service itself did not find.
func (s *Service) WriteError(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	s.newCall(w, r).fail(newError(status, code, message))
}

// serve does what the request asks for. An error that it returns has not been written to the client yet.
func (s *Service) serve(c *call) error {
	var err error
	if c.address, err = s.addressOf(c.request); err != nil {
		return err
	}
	if c.query, err = url.ParseQuery(c.request.URL.RawQuery); err != nil {
		return invalidArgument("The query string could not be parsed.")
	}
	if err := c.checkNames(); err != nil {
		return err
	}
	if c.op = s.find(c.request, c.address, c.query); c.op == nil {
		if asksForMore(c.query) {
			return notImplemented(c.request.URL.RawQuery)
		}
		return methodNotAllowed(c.request)
	}
	c.entry.Operation, c.entry.Resource = c.op.name, c.resource()
	s.findBucket(c)
	if err := s.authenticate(c); err != nil {
		return err
	}
	if err := c.checkBucket(); err != nil {
		return err
	}
	if err := s.authorize(c); err != nil {
		return err
	}
	return c.op.handle(s, c)
}

// call is one request while it is served.
type call struct {
	request *http.Request
	writer  http.ResponseWriter
	entry   *journal.Entry
	effect  fault.Effect
	// now is the service's clock, with the skew of a fault.
	now time.Time

	address
	query  url.Values
	op     *operation
	caller account.Caller
	// anonymous says that the request is not signed.
	anonymous bool
	// found is nil for a bucket that does not exist. Its fields belong to Service.mu.
	found *bucket
	// config is the bucket's configuration as it was when the request came.
	config BucketConfig
}

func (s *Service) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{request: r, writer: w, entry: journal.From(r.Context()), effect: fault.FromContext(r.Context())}
	if c.entry.RequestID == "" {
		c.entry.RequestID = newID(12)
	}
	c.now = s.now().Add(c.effect.ClockSkew)
	h := w.Header()
	h.Set("Server", "AliyunOSS")
	h.Set(headerDate, c.now.UTC().Format(http.TimeFormat))
	h.Set(headerRequestID, c.entry.RequestID)
	h.Set(headerServerTime, "1")
	return c
}

func (s *Service) findBucket(c *call) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b, ok := s.buckets.get(c.bucket); ok {
		c.found, c.config = b, b.config
	}
}

// checkBucket says why the bucket cannot be reached through the address.
func (c *call) checkBucket() error {
	if c.bucket == "" || c.op.creates {
		return nil
	}
	if c.found == nil {
		return noSuchBucket(c.bucket)
	}
	return c.checkEndpoint(c.config)
}

// checkEndpoint refuses a bucket that the endpoint of the request does not serve.
func (c *call) checkEndpoint(bucket BucketConfig) error {
	switch {
	case c.region != "" && c.region != bucket.Region && c.internal:
		return wrongEndpoint(bucket.Name, internalEndpoint(bucket.Region))
	case c.region != "" && c.region != bucket.Region, c.accelerate && !bucket.TransferAcceleration:
		return wrongEndpoint(bucket.Name, publicEndpoint(bucket.Region))
	}
	return nil
}

// fail answers the request with an error.
func (c *call) fail(e *apiError) {
	c.entry.Code = e.code
	e.write(c.writer, c.request, c.entry.RequestID)
}

// newID returns 2n random hexadecimal digits in upper case.
func newID(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see its documentation
	return strings.ToUpper(hex.EncodeToString(b))
}
