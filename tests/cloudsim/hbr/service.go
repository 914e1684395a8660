// SPDX-License-Identifier: Apache-2.0

// Package hbr is the simulated Cloud Backup, API version 2017-09-08, as far as file systems, buckets and the volumes of
// container clusters go. A snapshot is a copy of real content, and a restore writes real files and objects. States that
// take time follow from the clock alone, and jobs copy as it goes on.
//
// Where the API's reference does not say what the cloud does, a comment begins with "Assumed:".
package hbr

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// Product is the service's name in endpoints, in the journal and in fault rules.
const Product = "hbr"

// Names for fault rules on what is not a request. See README.md.
const (
	// FaultJobs is the service of rules on work that the service does by itself.
	FaultJobs = "hbr.job"
	// FaultAnswers is the service of rules that make an answer with HTTP status 200 one with Success false. The
	// operation is the action.
	FaultAnswers = "hbr.answer"

	// The operations of FaultJobs. The resource of a job is what it copies from or to: <file system>:<path>,
	// <bucket>/<prefix> or <node>:<path>. That of a vault is its name.
	FaultInitVault = "InitVault"
	FaultBackup    = "Backup"
	FaultRestore   = "Restore"
)

// FileSystems are the file systems that NAS jobs read and write. nas.Service is one.
type FileSystems interface {
	FileSystem(id string) (nas.FileSystem, error)
}

// Buckets are the buckets that OSS jobs read and write. oss.Service is one.
type Buckets interface {
	// Objects returns nil for a bucket that does not exist.
	Objects(bucket string) []oss.ObjectInfo
	Read(bucket, key string) ([]byte, error)
	Put(bucket, key string, data []byte) error
}

// Faults decides what goes wrong. fault.Injector is one.
type Faults interface {
	Fire(service, operation, resource string) []fault.Rule
}

// Cloud is what the service needs of the cloud around it.
type Cloud struct {
	FileSystems FileSystems
	Buckets     Buckets
	Faults      Faults
	// Now is the clock that moves all states.
	Now func() time.Time
}

// Service is a simulated Cloud Backup. It is safe for concurrent use.
type Service struct {
	cloud  Cloud
	config Config
	// path is the directory with the content of snapshots.
	path string

	// mu guards everything below.
	mu sync.Mutex
	// ahead is by how much the service's time is ahead of the clock.
	ahead     time.Duration
	durations Durations
	vaults    map[string]*vault
	// deletedVaults are the ids of vaults that there were.
	deletedVaults map[string]bool
	clusters      map[string]*cluster
	plans         map[string]*plan
	backups       map[string]*backup
	snapshots     map[string]*snapshot
	restores      map[string]*restore
	sequence      int64
}

// New returns a service with what is configured. The content of snapshots lives in a new directory below stateDir, where
// empty means the system's directory for temporary files.
func New(config Config, stateDir string, cloud Cloud) (*Service, error) {
	dir, err := os.MkdirTemp(stateDir, "hbr-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for snapshots: %w", err)
	}
	s := &Service{
		cloud: cloud, config: config, path: dir, durations: config.Durations,
		vaults: map[string]*vault{}, deletedVaults: map[string]bool{}, clusters: map[string]*cluster{},
		plans: map[string]*plan{}, backups: map[string]*backup{}, snapshots: map[string]*snapshot{},
		restores: map[string]*restore{},
	}
	if err := s.load(config); err != nil {
		return nil, errors.Join(fmt.Errorf("simulated HBR: %w", err), s.Close())
	}
	return s, nil
}

// Close removes the content of all snapshots.
func (s *Service) Close() error { return os.RemoveAll(s.path) }

// content returns the directory of what a backup job has copied.
func (s *Service) content(jobID string) string { return filepath.Join(s.path, jobID) }

// request is a call of an operation while it is served. The service is locked.
type request struct {
	*rpc.Call
	now time.Time
}

// operation is one entry of the table of operations.
type operation struct {
	action string
	// target names the parameter that tells what the call is about.
	target string
	// lacks are the parameters of the API that the simulator does not have. A call with one of them is refused,
	// because an answer that ignores them would be wrong.
	lacks  []string
	handle func(*request) (any, error)
}

// Operations returns the operations of the service, for rpc.NewService. A policy allows an action on all resources or
// on none: Cloud Backup has no authorization by resource, see its document "RAM authorization".
func (s *Service) Operations() []rpc.Operation {
	operations := slices.Concat(
		s.vaultOperations(), s.clusterOperations(), s.planOperations(), s.backupOperations(), s.restoreOperations())
	all := make([]rpc.Operation, 0, len(operations))
	for _, op := range operations {
		all = append(all, rpc.Operation{
			Action: op.action, RAMAction: Product + ":" + op.action, Target: op.target,
			Handle: func(_ context.Context, call *rpc.Call) (any, error) { return s.serve(op, call) },
		})
	}
	return all
}

// serve does what a call asks for. Its signature, parameters and permission have been checked.
func (s *Service) serve(op operation, call *rpc.Call) (any, error) {
	for _, rule := range s.cloud.Faults.Fire(FaultAnswers, op.action, call.Params.String(op.target)) {
		if rule.Status != 0 {
			return answer{Code: rule.Code, Message: rule.Message, Success: false}, nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := op.checkLacks(call.Params); err != nil {
		return nil, err
	}
	r := &request{Call: call, now: s.now()}
	if err := s.settle(r.now); err != nil {
		return nil, err
	}
	result, err := op.handle(r)
	if err != nil {
		return nil, err
	}
	return s.succeed(result)
}

// checkLacks refuses what the simulator can not do rather than do something else.
func (op operation) checkLacks(p rpc.Params) error {
	for _, name := range op.lacks {
		if p.String(name) != "" || len(p.List(name)) > 0 || len(p.Groups(name)) > 0 {
			return notSimulated("the parameter " + name + " of " + op.action)
		}
	}
	return nil
}

// answer is what every answer has. RequestId is added by package rpc.
type answer struct {
	Code    any    `json:"Code"`
	Message string `json:"Message"`
	Success bool   `json:"Success"`
}

// succeed adds to the result of an operation what every answer has.
func (s *Service) succeed(result any) (any, error) {
	common := answer{Code: "200", Message: "successful", Success: true}
	if s.config.NumericCode {
		common.Code = 200
	}
	members := map[string]any{}
	for _, part := range []any{result, common} {
		if part == nil {
			continue
		}
		data, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.UseNumber()
		if err := decoder.Decode(&members); err != nil {
			return nil, err
		}
	}
	return members, nil
}

// settle does what the time that has passed brings with it: jobs copy, and snapshots expire.
func (s *Service) settle(now time.Time) error {
	var err error
	for _, b := range inOrder(s.backups) {
		if !b.hasEnded() {
			b.run(now)
			err = errors.Join(err, s.keep(b))
		}
	}
	for _, r := range inOrder(s.restores) {
		if !r.hasEnded() {
			r.run(now)
		}
	}
	return errors.Join(err, s.expire(now))
}

// now is the service's time. The caller holds mu, or is alone.
func (s *Service) now() time.Time { return s.cloud.Now().Add(s.ahead) }

// next numbers the resources in the order in which they were made. The caller holds mu, or is alone.
func (s *Service) next() int64 {
	s.sequence++
	return s.sequence
}

// resource is what vaults, clusters, plans, jobs and snapshots have in common.
type resource struct {
	id, account, region string
	created             time.Time
	// sequence is the order in which resources were made.
	sequence int64
}

func (r *resource) common() *resource { return r }

// owned is anything that embeds resource.
type owned interface{ common() *resource }

// newResource returns what a new resource of a call's account and region begins with.
func (s *Service) newResource(r *request, prefix string) resource {
	return resource{
		id: newID(prefix), account: r.Caller.AccountID, region: r.Region, created: r.now, sequence: s.next(),
	}
}

// find returns the resource with an id in a call's account and region.
func find[T owned](r *request, all map[string]T, id string) (T, bool) {
	item, ok := all[id]
	if ok && item.common().account == r.Caller.AccountID && item.common().region == r.Region {
		return item, true
	}
	var none T
	return none, false
}

// newestFirst returns the resources of a call's account and region that a filter lets through.
func newestFirst[T owned](r *request, all map[string]T, keep func(T) bool) []T {
	var some []T
	for _, item := range slices.Backward(inOrder(all)) {
		if c := item.common(); c.account == r.Caller.AccountID && c.region == r.Region && keep(item) {
			some = append(some, item)
		}
	}
	return some
}

// inOrder returns resources in the order in which they were made.
func inOrder[T owned](all map[string]T) []T {
	return slices.SortedFunc(maps.Values(all), func(a, b T) int {
		return cmp.Compare(a.common().sequence, b.common().sequence)
	})
}

// The prefixes of ids.
const (
	prefixVault    = "v-"
	prefixCluster  = "cc-"
	prefixPlan     = "plan-"
	prefixJob      = "job-"
	prefixSnapshot = "s-"
	prefixRestore  = "r-"
)

// newID returns an id of the real length and alphabet.
func newID(prefix string) string {
	return prefix + "000" + strings.ToLower(rand.Text()[:17])
}

func newToken() string { return strings.ToLower(rand.Text()) }

// unix is how the API writes a time. It is 0 for the time of what has not happened.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
