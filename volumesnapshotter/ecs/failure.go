// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diagnosis"
)

// task is what was being done, in the words of the backup center's FAQ where it has them.
type task string

const (
	describing task = "describe disks failed"
	backingUp  task = "create ECS snapshot failed"
	restoring  task = "restore disk from ECS snapshot failed"
	deleting   task = "delete ECS snapshot failed"
	sweeping   task = "delete ECS snapshots of failed backups failed"
	discarding task = "delete unfinished disk failed"
)

// Sentences of the backup center's FAQ.
const (
	policyMissing     = "the ECS-snapshot related ram policy is missing"
	crossRegionFailed = "ECS snapshot cross region request failed"
)

// fail wraps the error of a task on an object. A nil error stays nil.
func (s *site) fail(t task, object string, err error) error {
	if err == nil {
		return nil
	}
	return &diagnosis.Error{Task: string(t), Object: object, Cause: err, Remedy: remedy(err)}
}

// remedy returns what to do about an error; "" where the error itself says it.
func remedy(err error) string {
	var missing *credentials.Error
	if errors.As(err, &missing) {
		return ""
	}
	answer, ok := failure.Of(err)
	if !ok {
		return remedyForSilence(err)
	}
	if answer.Class() == failure.Denied && isOfRAM(answer) {
		return remedyForDenial(err, answer)
	}
	return diagnosis.Remedy(rules(), answer)
}

// isOfRAM tells whether RAM has refused a request. ECS refuses with the same HTTP status what
// no policy allows either, such as the disks of a locked instance.
func isOfRAM(answer failure.Answer) bool {
	return answer.DeniedAction != "" || slices.ContainsFunc([]string{"Forbidden", "NoPermission", "AccessDenied"}, func(prefix string) bool {
		return strings.HasPrefix(answer.Code, prefix)
	})
}

func remedyForDenial(err error, answer failure.Answer) string {
	action := answer.DeniedAction
	var call *alicloud.CallError
	if action == "" && errors.As(err, &call) {
		action = call.Action
	}
	return fmt.Sprintf("%s: grant %s to the RAM user or role of the location, with the policy in deploy/ram/ecs.json", policyMissing, action)
}

func remedyForSilence(err error) string {
	switch failure.Classify(err) {
	case failure.Unreachable, failure.Canceled:
		return "check that the cluster can reach the endpoint: network: vpc needs a node in a VPC of the location's region, network: public and other regions need a way to the Internet"
	default:
		return ""
	}
}

// rules are tried in this order. Sources: ECS error codes of CreateSnapshot,
// CreateSnapshotGroup, CopySnapshot and CreateDisk; backup center FAQ.
func rules() []diagnosis.Rule {
	return []diagnosis.Rule{
		{Message: "CreatingSnapshot", Remedy: "another snapshot of the disk is being made, by an automatic snapshot policy or another backup: back up again when it is finished"},
		{Message: "CREATING_SNAPSHOT", Remedy: "another snapshot of the disk is being made, by an automatic snapshot policy or another backup: back up again when it is finished"},
		{Message: "NeverAttached", Remedy: "ECS makes no snapshot of a disk that was never attached: it holds no data; start a Pod that mounts the claim, or leave the claim out of the backup"},
		{Message: "NeverUsed", Remedy: "ECS makes no snapshot of a disk that was never used: it holds no data; start a Pod that mounts the claim, or leave the claim out of the backup"},
		{Message: "IncorrectDiskStatus", Remedy: "the disk is being attached, detached, created or initialised: back up again when its status is In_use or Available"},
		{Message: "QuotaExceed.Tags", Remedy: "the snapshot would carry too many tags: remove some of the location's config key tags"},
		{Message: "QuotaExceed.Snapshot", Remedy: "the quota of snapshots is used up: delete snapshots that nobody needs in the ECS console, or have the quota raised"},
		{Message: "PostPaidDisk", Remedy: "the quota of disks is used up: delete disks that nobody needs in the ECS console, or have the quota raised"},
		{Code: "DiskInArrears", Remedy: "the account or the disk is overdue: settle it in the billing console"},
		{Message: "NotEnoughBalance", Remedy: "the account is overdue: settle it in the billing console"},
		{Code: "InvalidKmsKeyId.NotMatchSnapshot", Remedy: "ECS makes disks of an encrypted snapshot with the snapshot's own key alone: leave kmsKeyId out of the target StorageClass, or restore in another region, where the copy can have another key"},
		{Message: "KMS", Remedy: "the key may not be used: check that it exists in the region of the restore, that it is enabled, and that ECS is authorised to use it (role AliyunECSDiskEncryptDefaultRole); the location's config key kmsKeyId names another one"},
		{Code: "InvalidDiskId.NotFound", Remedy: "the disk is not there: the location's region or account is not the cluster's, or the disk was deleted"},
		{Message: "InvalidSnapshotId.NotFound", Remedy: "the snapshot is not there: it was deleted, its retention is over (config key retentionDays), or the location's account is not the one of the backup"},
		{Message: "InvalidZoneId", Remedy: "the zone is not one of the region: correct the location's config keys zoneMapping and zone, or the zones of the StorageClass"},
		{Message: "InvalidResourceGroup", Remedy: "the resource group is not there: correct the location's config key resourceGroupId, or, where the disk was in a group that is gone, name another one with the parameter resourceGroupId of the target StorageClass"},
		{Message: "NotInSameZone", Remedy: "the disks of a consistency group must be in one zone"},
		{Message: "PerformanceLevelNotMatch", Remedy: "the disk is too small for its performance level: ask for a lower level or a larger capacity in the StorageClass mapping"},
		{Class: failure.SoldOut, Remedy: "the zone does not sell disks of this category now: name another zone with the config key zoneMapping, or another category with diskCategoryMapping"},
		{Class: failure.Unauthenticated, Remedy: "the AccessKey was deleted, disabled or mistyped: create a new one for the RAM user and put it into the location's Secret, which is read again without a restart"},
		{Class: failure.Expired, Remedy: "the temporary credentials have expired and no new ones could be got: check the source of the credentials, and the clock of the node"},
		{Class: failure.Skewed, Remedy: "the clock of this node differs from the cloud's by more than 15 minutes: synchronise it (NTP)"},
		{Class: failure.Throttled, Remedy: "ECS throttles the account: try again later, or stop what else calls ECS so often"},
		{Class: failure.Transient, Remedy: "ECS failed every attempt: try again later; if it persists give the request id to Alibaba Cloud's support"},
	}
}
