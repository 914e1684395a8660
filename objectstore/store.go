// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
)

// notOnECSVariable is the official plugin's older way to say notOnECS, with the opposite sense.
const notOnECSVariable = "VELERO_FOR_ACK"

// Clients makes the clients of a location; equal configs get the same ones.
type Clients interface {
	OSS(ctx context.Context, cfg alicloud.OSSConfig) (*alicloud.OSS, error)
}

// Store is Velero's ObjectStore on OSS. Velero uses one Store for several
// locations in turn and initialises it anew for each; a call that has begun keeps
// the location that it began with.
type Store struct {
	log     logrus.FieldLogger
	clients Clients
	getenv  func(string) string
	chores  *chores

	mu       sync.Mutex
	location *location
	warned   map[location]bool
}

// New returns a Store that gets its clients from clients. getenv reads the
// official plugin's environment variables.
func New(log logrus.FieldLogger, clients Clients, getenv func(string) string) *Store {
	return &Store{
		log:     log,
		clients: clients,
		getenv:  getenv,
		chores:  newChores(),
		warned:  map[location]bool{},
	}
}

// Init sets the location that the following calls are for. It contacts nothing.
// Unknown keys and malformed values are errors.
func (s *Store) Init(config map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.location = nil // What follows a failed Init must not go to the location before.
	l, err := parseLocation(config)
	if err != nil {
		return err
	}
	if strings.EqualFold(s.getenv(notOnECSVariable), "false") {
		l.oss.NotOnECS = true
	}
	s.location = &l
	if !s.warned[l] {
		s.warned[l] = true
		s.warnOfTransport(&l)
	}
	return nil
}

// warnOfTransport warns of what the location explicitly asks for although others
// may then read or change backups on their way.
func (s *Store) warnOfTransport(l *location) {
	log := s.log.WithField("bucket", l.bucket)
	if l.oss.InsecureSkipVerify {
		log.Warn("insecureSkipTLSVerify is set: the certificate of the OSS endpoint is not verified")
	}
	if isPlainHTTP(l.oss.Endpoint) {
		log.WithField("endpoint", l.oss.Endpoint).Warn("The endpoint is plain http: backups and their Secrets travel unencrypted")
	}
}

// current returns the location of the last Init, nil if that failed.
func (s *Store) current() *location {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.location
}

// bucket returns the bucket that a call is for, with the current location's clients.
func (s *Store) bucket(ctx context.Context, t task, name string) (*bucket, error) {
	l := s.current()
	if l == nil {
		return nil, fmt.Errorf("%s: the object store was not initialised", t)
	}
	clients, err := s.clients.OSS(ctx, l.oss)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (bucket %q)", t, err, name)
	}
	return &bucket{
		name:     name,
		location: l,
		oss:      clients,
		chores:   s.chores,
		log:      s.log.WithField("bucket", name),
	}, nil
}

// PutObject stores what body holds under key, whole or not at all. An object of that key is replaced.
func (s *Store) PutObject(bucket, key string, body io.Reader) error {
	ctx := context.Background()
	b, err := s.bucket(ctx, uploading, bucket)
	if err != nil {
		return err
	}
	return b.fail(uploading, key, b.put(ctx, key, body))
}

// ObjectExists tells whether there is an object of that key.
func (s *Store) ObjectExists(bucket, key string) (bool, error) {
	ctx := context.Background()
	b, err := s.bucket(ctx, checking, bucket)
	if err != nil {
		return false, err
	}
	exists, err := b.exists(ctx, key)
	return exists, b.fail(checking, key, err)
}

// GetObject returns a reader of the object's bytes, all of one version of it. The
// caller must close it. A missing object is an error that contains "NoSuchKey".
func (s *Store) GetObject(bucket, key string) (io.ReadCloser, error) {
	ctx := context.Background()
	b, err := s.bucket(ctx, downloading, bucket)
	if err != nil {
		return nil, err
	}
	object, err := b.open(ctx, key)
	if err != nil {
		return nil, b.fail(downloading, key, err)
	}
	return object, nil
}

// ListCommonPrefixes returns the prefixes, delimiter included, up to the first
// delimiter after prefix, of all keys that begin with prefix.
func (s *Store) ListCommonPrefixes(bucket, prefix, delimiter string) ([]string, error) {
	ctx := context.Background()
	t := listing
	if l := s.current(); l != nil && prefix == l.prefix {
		// Velero lists the location's root for one purpose: to see whether the location is available.
		t = validating
	}
	b, err := s.bucket(ctx, t, bucket)
	if err != nil {
		return nil, err
	}
	if t == validating {
		if err := b.checkStorageClass(ctx); err != nil {
			return nil, b.fail(t, "", err)
		}
	}
	_, prefixes, err := b.list(ctx, prefix, delimiter)
	return prefixes, b.fail(t, prefix, err)
}

// ListObjects returns all keys that begin with prefix.
func (s *Store) ListObjects(bucket, prefix string) ([]string, error) {
	ctx := context.Background()
	b, err := s.bucket(ctx, listing, bucket)
	if err != nil {
		return nil, err
	}
	keys, _, err := b.list(ctx, prefix, "")
	return keys, b.fail(listing, prefix, err)
}

// DeleteObject removes the object of that key. A missing object is no error.
func (s *Store) DeleteObject(bucket, key string) error {
	ctx := context.Background()
	b, err := s.bucket(ctx, deleting, bucket)
	if err != nil {
		return err
	}
	return b.fail(deleting, key, b.delete(ctx, key))
}

// maxSignedURL is how long a URL with a V4 signature can be valid.
const maxSignedURL = 7 * 24 * time.Hour

// CreateSignedURL returns a URL with which anybody can read the object for ttl,
// at most seven days, at the location's public endpoint. With temporary
// credentials it ends with these, if that is sooner.
func (s *Store) CreateSignedURL(bucket, key string, ttl time.Duration) (string, error) {
	ctx := context.Background()
	b, err := s.bucket(ctx, signing, bucket)
	if err != nil {
		return "", err
	}
	if ttl <= 0 || ttl > maxSignedURL {
		return "", b.fail(signing, key, errors.New("a signed URL is valid for more than nothing and at most seven days, not "+ttl.String()))
	}
	signed, err := b.sign(ctx, key, ttl)
	return signed, b.fail(signing, key, err)
}
