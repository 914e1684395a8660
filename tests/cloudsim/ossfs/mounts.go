// SPDX-License-Identifier: Apache-2.0

package ossfs

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/admin"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

// Mounts are the directories of buckets, one for each bucket and prefix. It is safe for concurrent use.
type Mounts struct {
	service *oss.Service
	// dir has the directories.
	dir string

	mu   sync.Mutex
	dirs map[string]*Dir
}

// NewMounts returns none, whose directories will be in the directory dir. That is made when it is needed.
func NewMounts(service *oss.Service, dir string) *Mounts {
	return &Mounts{service: service, dir: dir, dirs: map[string]*Dir{}}
}

// Open returns the directory of what a bucket has under a path, with what is in the bucket now.
func (m *Mounts) Open(bucket, path string) (*Dir, error) {
	b, err := m.open(bucket, path)
	if err != nil {
		return nil, err
	}
	return b, b.Sync()
}

func (m *Mounts) open(bucket, path string) (*Dir, error) {
	prefix := strings.Trim(path, "/")
	if prefix != "" {
		prefix += "/"
	}
	key := bucket + "/" + prefix
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.dirs[key]; ok {
		return b, nil
	}
	dir := filepath.Join(m.dir, strconv.Itoa(len(m.dirs)))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("mount the bucket %s: %w", bucket, err)
	}
	m.dirs[key] = &Dir{
		service: m.service, bucket: bucket, prefix: prefix, dir: dir, known: map[string]copied{}, implied: map[string]bool{".": true},
	}
	return m.dirs[key], nil
}

// Sync synchronizes all directories.
func (m *Mounts) Sync() error {
	m.mu.Lock()
	all := make([]*Dir, 0, len(m.dirs))
	for _, b := range m.dirs {
		all = append(all, b)
	}
	m.mu.Unlock()
	var errs []error
	for _, b := range all {
		errs = append(errs, b.Sync())
	}
	return errors.Join(errs...)
}

// Close removes the directories, and leaves the buckets as they are.
func (m *Mounts) Close() error { return os.RemoveAll(m.dir) }

// Clear deletes all that a bucket has under a path.
func (m *Mounts) Clear(bucket, path string) error {
	b, err := m.Open(bucket, path)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(b.dir, entry.Name())); err != nil {
			return err
		}
	}
	return b.Sync()
}

// Bucket is of which objects a request below /ossfs/directories is.
type Bucket struct {
	Bucket string `json:"bucket"`
	Path   string `json:"path"`
}

// Admin serves, as JSON, what a machine does that mounts buckets:
//
//	POST   /ossfs/directories  Open, {"bucket": "…", "path": "/…"}, answered by {"dir": "/…"}
//	DELETE /ossfs/directories  Clear, {"bucket": "…", "path": "/…"}
//	POST   /ossfs/sync         Sync, {}
func (m *Mounts) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /ossfs/directories", admin.Answer(func(b Bucket) (admin.Directory, error) {
		opened, err := m.Open(b.Bucket, b.Path)
		if err != nil {
			return admin.Directory{}, err
		}
		return admin.Directory{Dir: opened.Path()}, nil
	}))
	mux.Handle("DELETE /ossfs/directories", admin.Apply(func(b Bucket) error { return m.Clear(b.Bucket, b.Path) }))
	mux.Handle("POST /ossfs/sync", admin.Apply(func(struct{}) error { return m.Sync() }))
	return mux
}
