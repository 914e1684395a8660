// SPDX-License-Identifier: Apache-2.0

// Package ecs is the simulated Elastic Compute Service, API version 2014-05-26, as far as disks and snapshots go. A
// disk is a directory, and a snapshot is a copy of it. States that take time follow from the clock alone. Codes and
// messages of errors are those of the API's reference.
package ecs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// Product is the service's name in endpoints, in the journal and in fault rules.
const Product = "ecs"

// Service is a simulated ECS. It is safe for concurrent use.
type Service struct {
	clock   func() time.Time
	content contentDir

	// mu guards everything below.
	mu sync.Mutex
	// ahead is by how much the service's time is ahead of the clock.
	ahead     time.Duration
	regions   map[string]*region
	durations Durations
	quotas    Quotas
	throttle  throttle
	tokens    map[tokenKey]tokenUse
	arrears   map[string]bool // by account
	// failingDisks is how many of the next disks fail.
	failingDisks int
	sequence     int64
}

// New returns a service with what is configured. The content of disks lives in a new directory below stateDir, where
// empty means the system's directory for temporary files. The clock moves all states.
func New(config Config, stateDir string, now func() time.Time) (*Service, error) {
	content, err := newContentDir(stateDir)
	if err != nil {
		return nil, err
	}
	s := &Service{
		clock: now, content: content, regions: map[string]*region{}, durations: config.Durations, quotas: config.Quotas,
		throttle: newThrottle(config.Throttling), tokens: map[tokenKey]tokenUse{}, arrears: map[string]bool{},
		failingDisks: config.FailingDisks,
	}
	for _, account := range config.Arrears {
		s.arrears[account] = true
	}
	if err := s.load(config); err != nil {
		return nil, errors.Join(fmt.Errorf("simulated ECS: %w", err), s.Close())
	}
	return s, nil
}

// Close removes the content of all disks and snapshots.
func (s *Service) Close() error { return s.content.remove() }

// request is a call of an operation while it is served. The service is locked.
type request struct {
	*rpc.Call
	region *region
	now    time.Time
}

// operation is one entry of the table of operations.
type operation struct {
	action string
	// target names the parameter that tells what the call is about.
	target string
	// resources are what the caller's policies must allow the action on, see resourcesOf.
	resources []string
	// lacks are the parameters of the API that the simulator does not have. A call with one of them is refused,
	// because an answer that ignores them would be wrong.
	lacks  []string
	handle func(*request) (any, error)
}

// Operations returns the operations of the service, for rpc.NewService.
func (s *Service) Operations() []rpc.Operation {
	operations := s.operations()
	all := make([]rpc.Operation, 0, len(operations))
	for _, op := range operations {
		all = append(all, rpc.Operation{
			Action: op.action, RAMAction: Product + ":" + op.action, Resources: resourcesOf(op.resources), Target: op.target,
			Handle: func(_ context.Context, call *rpc.Call) (any, error) { return s.serve(op, call) },
		})
	}
	return all
}

func (s *Service) operations() []operation {
	return slices.Concat(s.diskOperations(), s.snapshotOperations(), s.otherOperations())
}

func (s *Service) diskOperations() []operation {
	return []operation{
		{
			action: "CreateDisk", target: "SnapshotId", resources: []string{"disk/*", "snapshot/{SnapshotId?}"},
			handle: s.createDisk,
			lacks: []string{
				"InstanceId", "AdvancedFeatures", "Arn", "EncryptAlgorithm", "StorageClusterId", "StorageSetId",
				"StorageSetPartitionNumber",
			},
		},
		{
			action: "DescribeDisks", target: "DiskIds", resources: []string{"disk/{DiskIds}"}, handle: s.describeDisks,
			lacks: []string{
				"DryRun", "Filter.1.Key", "Filter.2.Key", "AdditionalAttributes", "AutoSnapshotPolicyId",
				"DeleteAutoSnapshot", "DeleteWithInstance", "DiskChargeType", "DiskType", "EnableAutoSnapshot",
				"EnableAutomatedSnapshotPolicy", "EnableShared", "LockReason", "Portable",
			},
		},
		{action: "DeleteDisk", target: "DiskId", resources: []string{"disk/{DiskId}"}, handle: s.deleteDisk},
	}
}

func (s *Service) snapshotOperations() []operation {
	return []operation{
		{
			action: "CreateSnapshot", target: "DiskId", resources: []string{"disk/{DiskId}", "snapshot/*"},
			handle: s.createSnapshot, lacks: []string{"StorageLocationArn"},
		},
		{
			action: "DescribeSnapshots", target: "SnapshotIds", resources: []string{"snapshot/{SnapshotIds}"},
			handle: s.describeSnapshots, lacks: []string{
				"DryRun", "Filter.1.Key", "Filter.2.Key", "SnapshotLinkId", "SnapshotType", "Usage", "Category",
			},
		},
		{
			action: "DeleteSnapshot", target: "SnapshotId", resources: []string{"snapshot/{SnapshotId}"},
			handle: s.deleteSnapshot,
		},
		{
			action: "CopySnapshot", target: "SnapshotId", resources: []string{"snapshot/{SnapshotId}"},
			handle: s.copySnapshot, lacks: []string{"Arn", "DestinationStorageLocationArn"},
		},
		{
			action: "ModifySnapshotAttribute", target: "SnapshotId", resources: []string{"snapshot/{SnapshotId}"},
			handle: s.modifySnapshotAttribute,
		},
		{
			action: "CreateSnapshotGroup", target: "Name",
			resources: []string{"instance/{InstanceId?}", "disk/{DiskId?}"},
			handle:    s.createSnapshotGroup, lacks: []string{"StorageLocationArn"},
		},
		{
			action: "DescribeSnapshotGroups", resources: []string{"snapshotgroup/{SnapshotGroupId}"},
			handle: s.describeSnapshotGroups,
			lacks:  []string{"AdditionalAttributes"},
		},
		{
			action: "DeleteSnapshotGroup", target: "SnapshotGroupId",
			resources: []string{"snapshotgroup/{SnapshotGroupId}"}, handle: s.deleteSnapshotGroup,
		},
	}
}

func (s *Service) otherOperations() []operation {
	return []operation{
		{action: "TagResources", resources: []string{"{ResourceType}/{ResourceId}"}, handle: s.tagResources},
		{action: "UntagResources", resources: []string{"{ResourceType}/{ResourceId}"}, handle: s.untagResources},
		{
			action: "ListTagResources", resources: []string{"{ResourceType}/{ResourceId}"}, handle: s.listTagResources,
			lacks: []string{"TagFilter"},
		},
		{action: "DescribeRegions", resources: []string{"*"}, handle: s.describeRegions},
		{action: "DescribeZones", resources: []string{"*"}, handle: s.describeZones},
		{
			action: "DescribeAvailableResource", resources: []string{"*"}, handle: s.describeAvailableResource,
			lacks: []string{"DedicatedHostId"},
		},
		{
			action: "DescribeInstances", target: "InstanceIds", resources: []string{"instance/{InstanceIds}"},
			handle: s.describeInstances, lacks: []string{
				"DryRun", "Filter.1.Key", "Filter.2.Key", "Filter.3.Key", "Filter.4.Key", "AdditionalAttributes",
				"InstanceName", "Status", "VpcId", "VSwitchId", "SecurityGroupId", "ImageId", "PrivateIpAddresses",
				"PublicIpAddresses",
			},
		},
	}
}

// serve does what a call asks for. Its signature, parameters and permission have been checked.
func (s *Service) serve(op operation, call *rpc.Call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.newRequest(call)
	if err != nil {
		return nil, err
	}
	key := throttleKey{account: r.Caller.AccountID, region: r.region.id, action: op.action}
	if err := s.throttle.admit(key, r.now); err != nil {
		return nil, err
	}
	if err := op.checkLacks(call.Params); err != nil {
		return nil, err
	}
	if err := s.expire(r.now); err != nil {
		return nil, err
	}
	return s.once(op, r)
}

// newRequest finds the region of a call. A parameter RegionId that is not the endpoint's region is refused.
func (s *Service) newRequest(call *rpc.Call) (*request, error) {
	r, ok := s.regions[call.Region]
	asked := call.Params.String("RegionId")
	if _, known := s.regions[asked]; !ok || asked != "" && !known {
		return nil, rpc.NotFound("InvalidRegionId.NotFound", "The specified RegionId does not exist.")
	}
	if asked != "" && asked != r.id {
		return nil, rpc.BadRequest("InvalidOperation.NotSupportedEndpoint", "The specified endpoint cant operate this "+
			"region. Please use API DescribeRegions to get the appropriate endpoint, or upgrade your SDK to latest version.")
	}
	return &request{Call: call, region: r, now: s.now()}, nil
}

// checkLacks refuses what the simulator can not do rather than do something else.
func (op operation) checkLacks(p rpc.Params) error {
	for _, name := range op.lacks {
		if p.String(name) != "" || len(p.List(name)) > 0 || len(p.Groups(name)) > 0 {
			return rpc.BadRequest("NotSimulated", "The simulator does not have the parameter "+name+" of "+op.action+".")
		}
	}
	return nil
}

// resourcesOf returns the ARNs of a call's resources. In a template such as disk/{DiskId} the name of a parameter
// stands for its value or its values, or for * when it was not given; with a question mark there is no resource then.
// The resources of each operation are those of the document "RAM authorization" of the API.
func resourcesOf(templates []string) func(*rpc.Call) []string {
	return func(call *rpc.Call) []string {
		var arns []string
		for _, template := range templates {
			for _, name := range expand(template, call.Params) {
				arns = append(arns, "acs:"+Product+":"+call.Region+":"+call.Caller.AccountID+":"+name)
			}
		}
		return arns
	}
}

func expand(template string, p rpc.Params) []string {
	before, rest, found := strings.Cut(template, "{")
	if !found {
		return []string{template}
	}
	name, after, _ := strings.Cut(rest, "}")
	name, optional := strings.CutSuffix(name, "?")
	values := valuesOf(p, name)
	if len(values) == 0 && !optional {
		values = []string{"*"}
	}
	var all []string
	for _, value := range values {
		all = append(all, expand(before+value+after, p)...)
	}
	return all
}

// valuesOf returns the values of a parameter in each of the API's forms: Name, Name.1, or a JSON array.
func valuesOf(p rpc.Params, name string) []string {
	value := p.String(name)
	var ids []string
	switch {
	case value == "":
		return p.List(name)
	case json.Unmarshal([]byte(value), &ids) == nil:
		return ids
	default:
		return []string{value}
	}
}

// now is the service's time. The caller holds mu, or is alone.
func (s *Service) now() time.Time { return s.clock().Add(s.ahead) }

// next numbers the resources in the order in which they were made. The caller holds mu, or is alone.
func (s *Service) next() int64 {
	s.sequence++
	return s.sequence
}

// newID returns an id of the real length and alphabet.
func newID(prefix string) string {
	return prefix + "bp1" + strings.ToLower(rand.Text()[:17])
}
