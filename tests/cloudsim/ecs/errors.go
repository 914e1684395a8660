// SPDX-License-Identifier: Apache-2.0

package ecs

import "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"

// The errors that more than one operation gives.

func diskNotFound() error {
	return rpc.NotFound("InvalidDiskId.NotFound", "The specified DiskId does not exist.")
}

func snapshotNotFound() error {
	return rpc.NotFound("InvalidSnapshotId.NotFound", "The specified snapshot is not found")
}

// snapshotNotReady makes the error by refuse, because its status differs between operations.
func snapshotNotReady(refuse func(code, message string) *rpc.Error) error {
	return refuse("InvalidSnapshotId.NotReady", "The specified snapshot has not completed yet.")
}

func groupNotFound() error {
	return rpc.NotFound("InvalidSnapshotGroupId.NotFound", "The specified SnapshotGroupId does not exist.")
}

func zoneNotFound() error {
	return rpc.NotFound("InvalidZoneId.NotFound", "The specified ZoneId does not exist.")
}

func instanceNotFound() error {
	return rpc.NotFound("InvalidInstanceId.NotFound", "The specified InstanceId does not exist.")
}

func diskStatusWrong() error {
	return rpc.Forbidden("IncorrectDiskStatus", "The current disk status does not support this operation.")
}

func categoryCannot() error {
	return rpc.BadRequest("DiskCategory.OperationNotSupported",
		"The operation is not supported to the specified disk due to its disk category.")
}

func notEnoughBalance() error {
	return rpc.Forbidden("InvalidAccountStatus.NotEnoughBalance", "Your account does not have enough balance.")
}

func missingParameter(name string) error {
	return rpc.BadRequest("MissingParameter",
		"The input parameter "+name+" that is mandatory for processing this request is not supplied.")
}

func invalidParameter(name string) *rpc.Error {
	return rpc.BadRequest("InvalidParameter."+name, "The specified "+name+" is invalid.")
}
