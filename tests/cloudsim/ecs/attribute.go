// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"slices"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

const paramRetentionDays = "RetentionDays"

func (s *Service) modifySnapshotAttribute(r *request) (any, error) {
	found, ok := find(r.region.snapshots, r.Caller.AccountID, r.Params.String("SnapshotId"))
	if !ok {
		return nil, snapshotNotFound()
	}
	changed := *found
	if err := changed.modify(r); err != nil {
		return nil, err
	}
	*found = changed
	return nil, nil //nolint:nilnil // the answer has nothing but its id
}

// modify changes the attributes that a call gives. DisableInstantAccess is one that has no effect any more.
func (s *snapshot) modify(r *request) error {
	f := snapshotFields()
	if !slices.ContainsFunc([]string{f.name, f.description, paramRetentionDays, "DisableInstantAccess"}, r.Params.Has) {
		return rpc.BadRequest("NoAttributeToModify", "No attribute to be modified in this request.")
	}
	name, description := r.Params.String(f.name), r.Params.String(f.description)
	switch {
	case !validName(name):
		return f.badName
	case !validDescription(description):
		return f.badDescription
	case s.status(r.now) == statusProgressing:
		return snapshotNotReady(rpc.BadRequest)
	}
	if name != "" {
		s.name = name
	}
	if r.Params.Has(f.description) {
		s.description = description // an empty one is allowed here
	}
	s.modified = r.now
	return s.extend(r.Params)
}

// extend makes the retention longer, which is counted from the snapshot's creation. The document "Extend the retention
// period of a snapshot" rules out that it becomes shorter, and that a snapshot which stays for ever gets one. The members
// of snapshot groups are of these.
func (s *snapshot) extend(p rpc.Params) error {
	days, err := readRetention(p, rpc.BadRequest)
	switch {
	case err != nil:
		return err
	case days == 0:
		return nil
	case s.retentionDays == 0 || days < s.retentionDays:
		return rpc.BadRequest("InvalidOperation.DecreaseRetentionDaysUnsupported",
			"The requested operation to decrease retention days for the snapshot is not supported.")
	}
	s.retentionDays = days
	return nil
}
