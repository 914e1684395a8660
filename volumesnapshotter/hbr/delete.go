// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"strings"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
)

// delete deletes a snapshot and what is left of its job. An id of a backup that was
// refused, or of none at all, has nothing to delete: an error would keep Velero's backup
// for ever. So would one for a permission that nobody grants, and the snapshot ends by
// its retention.
func (s *site) delete(ctx context.Context, text string) error {
	if text == "" || strings.HasPrefix(text, refusedPrefix) {
		return nil
	}
	id, api, err := s.locate(ctx, text)
	if err != nil {
		return err
	}
	err = deleteAll(ctx, api, id)
	if isDenied(err) {
		s.log.WithField("snapshot", text).WithError(fail(deleting, "snapshot "+text, err)).
			Warn("The snapshot is not deleted: Cloud Backup deletes it when its retention is over")
		return nil
	}
	if err != nil && vaultIsGone(ctx, api, id.vault, err) {
		return nil
	}
	return err
}

// deleteAll ends the job, deletes the plan if it is still there, and the snapshot.
func deleteAll(ctx context.Context, api *alicloud.HBR, id snapshotID) error {
	id, err := begunLater(ctx, api, id)
	if err != nil || id.waits() {
		return err // It was never begun.
	}
	if err := endJob(ctx, api, id); err != nil {
		return err
	}
	made, err := findSnapshot(ctx, api, id)
	if err != nil || made == nil {
		return err
	}
	_, err = api.DeleteSnapshot(ctx, &sdk.DeleteSnapshotRequest{
		SnapshotId: tea.String(made.id), VaultId: tea.String(id.vault), SourceType: tea.String(id.sourceType()),
		Force: tea.Bool(true), // Without it the latest one of a source stays.
	})
	return ignoreNotFound(err)
}

// vaultIsGone tells whether a call was refused because the vault is not there any more,
// and all that was in it with it. The code says no more than that the request is illegal.
func vaultIsGone(ctx context.Context, api *alicloud.HBR, vaultID string, refusal error) bool {
	switch failure.Classify(refusal) {
	case failure.NotFound, failure.Invalid:
		found, err := describeVault(ctx, api, vaultID)
		return err == nil && found == nil
	default:
		return false
	}
}
