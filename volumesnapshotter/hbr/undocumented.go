// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"github.com/alibabacloud-go/tea/tea"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
)

// This file is what the reference of Cloud Backup leaves open, so that it can be corrected
// in one place.

// restoreOptions overwrites what is there: nothing, but what the same job has written.
const restoreOptions = `{"includes":[],"excludes":[],"conflictPolicy":"OVERWRITE_EXISTING"}`

// restoreRequest is the restore of a snapshot into a target. Assumed: the job makes the
// target, and what was backed up comes to be directly in it, without the path or the
// prefix that it had; CreateRestoreJob does not say so.
func restoreRequest(id snapshotID, made snapshot, target source) *alicloud.CreateRestoreJobRequest {
	kind := tea.String(sourceType(id.kind))
	request := &alicloud.CreateRestoreJobRequest{Options: tea.String(restoreOptions)}
	request.RestoreType, request.SourceType = kind, kind
	request.VaultId, request.SnapshotId, request.SnapshotHash = tea.String(id.vault), tea.String(made.id), tea.String(made.hash)
	if target.bucket != "" {
		request.TargetBucket, request.TargetPrefix = tea.String(target.bucket), tea.String(target.prefix)
		return request
	}
	request.TargetFileSystemId, request.TargetCreateTime = tea.String(target.fileSystem), seconds(target.created)
	request.TargetPath = tea.String(target.path)
	return request
}
