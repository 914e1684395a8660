// SPDX-License-Identifier: Apache-2.0

// Package nas is the simulated File Storage NAS, API version 2017-06-26, as far as a client looks up file systems and
// makes directories. A file system is a directory.
package nas

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// Product is the service's name in endpoints, in the journal and in fault rules.
const Product = "nas"

// Service is a simulated NAS. It is safe for concurrent use.
type Service struct {
	now      func() time.Time
	timeForm TimeForm
	// path is the directory of the file systems whose directory is not given.
	path string

	// mu guards everything below.
	mu          sync.Mutex
	fileSystems map[string]*fileSystem
	sequence    int64
}

// fileSystem is immutable.
type fileSystem struct {
	FileSystemConfig
	created  time.Time
	sequence int64
}

// New returns a service with what is configured. The content of file systems lives in a new directory below stateDir,
// where empty means the system's directory for temporary files.
func New(config Config, stateDir string, now func() time.Time) (*Service, error) {
	if !slices.Contains([]TimeForm{"", FormUTC, FormCST}, config.TimeForm) {
		return nil, fmt.Errorf("simulated NAS: form of times %q is not known", config.TimeForm)
	}
	dir, err := os.MkdirTemp(stateDir, "nas-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for file systems: %w", err)
	}
	s := &Service{now: now, timeForm: config.TimeForm, path: dir, fileSystems: map[string]*fileSystem{}}
	for _, f := range config.FileSystems {
		if _, err := s.AddFileSystem(f); err != nil {
			return nil, errors.Join(fmt.Errorf("simulated NAS: %w", err), s.Close())
		}
	}
	return s, nil
}

// Close removes the content of the file systems whose directory was not given.
func (s *Service) Close() error { return os.RemoveAll(s.path) }

// Operations returns the operations of the service, for rpc.NewService. The resources are those of each operation's
// reference.
func (s *Service) Operations() []rpc.Operation {
	operations := []struct {
		action string
		handle func(*rpc.Call) (any, error)
	}{
		{"DescribeFileSystems", s.describeFileSystems},
		{"DescribeMountTargets", s.describeMountTargets},
		{"CreateDir", s.createDir},
		{"GetDirectoryOrFileProperties", s.getProperties},
	}
	all := make([]rpc.Operation, 0, len(operations))
	for _, op := range operations {
		all = append(all, rpc.Operation{
			Action: op.action, RAMAction: Product + ":" + op.action, Resources: resources, Target: paramFileSystemID,
			Handle: func(_ context.Context, call *rpc.Call) (any, error) { return op.handle(call) },
		})
	}
	return all
}

const paramFileSystemID = "FileSystemId"

func resources(call *rpc.Call) []string {
	id := call.Params.String(paramFileSystemID)
	if id == "" {
		id = "*"
	}
	return []string{"acs:" + Product + ":" + call.Region + ":" + call.Caller.AccountID + ":filesystem/" + id}
}

// find returns the file system that a call is about.
func (s *Service) find(call *rpc.Call) (*fileSystem, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.fileSystems[call.Params.String(paramFileSystemID)]
	if !ok || f.Account != call.Caller.AccountID || f.Region != call.Region {
		return nil, rpc.NotFound("InvalidFileSystem.NotFound", "The specified file system does not exist.")
	}
	return f, nil
}

// list returns the file systems of a call's account and region, in the order in which they were made.
func (s *Service) list(call *rpc.Call) []*fileSystem {
	s.mu.Lock()
	defer s.mu.Unlock()
	var some []*fileSystem
	for _, f := range s.inOrder() {
		if f.Account == call.Caller.AccountID && f.Region == call.Region {
			some = append(some, f)
		}
	}
	return some
}

// inOrder needs mu.
func (s *Service) inOrder() []*fileSystem {
	return slices.SortedFunc(maps.Values(s.fileSystems), func(a, b *fileSystem) int { return int(a.sequence - b.sequence) })
}

func (s *Service) newDir(id string) (string, error) {
	dir := filepath.Join(s.path, id)
	return dir, os.Mkdir(dir, 0o755)
}

// newID returns an id of the form that a type of file system has.
func newID(kind string) string {
	random := make([]byte, 5)
	_, _ = rand.Read(random) // never fails, see its documentation
	id := hex.EncodeToString(random)
	if kind == TypeStandard {
		return id
	}
	return kind + "-" + strings.ToLower(id)
}
