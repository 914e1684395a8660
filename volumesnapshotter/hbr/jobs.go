// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"slices"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
)

// jobsOfBackup are the jobs of a backup of one source type, which are read at once: Velero
// asks for its operations one after the other.
type jobsOfBackup struct {
	// asked are the ids that Cloud Backup was asked for; not all of them need be listed.
	asked  []string
	listed []job
}

// jobOf returns the job of a snapshot that the backup takes, nil if it is not listed.
func (s *site) jobOf(ctx context.Context, api *alicloud.HBR, backup *velerov1.Backup, id snapshotID) (*job, error) {
	known, err := s.jobs.Get(string(backup.UID)+" "+id.region+" "+id.sourceType(), api.Now, func() (jobsOfBackup, error) {
		return s.jobsLike(ctx, api, backup, id)
	})
	if err != nil {
		return nil, err
	}
	if !slices.Contains(known.asked, id.job) { // It was begun since.
		return backupJob(ctx, api, id)
	}
	if i := slices.IndexFunc(known.listed, func(j job) bool { return j.id == id.job }); i >= 0 {
		return &known.listed[i], nil
	}
	return nil, nil //nolint:nilnil // none is no error
}

// jobsLike reads the jobs of all snapshots that the backup takes in the region of one, and
// of its source type.
func (s *site) jobsLike(ctx context.Context, api *alicloud.HBR, backup *velerov1.Backup, like snapshotID) (jobsOfBackup, error) {
	texts, err := s.notes.All(ctx, notes.OfBackup(backup))
	if err != nil {
		return jobsOfBackup{}, err
	}
	known := jobsOfBackup{asked: []string{like.job}}
	for _, text := range texts {
		id, err := parseSnapshotID(text)
		if err == nil && !id.waits() && id.region == like.region && id.sourceType() == like.sourceType() {
			known.asked = append(known.asked, id.job)
		}
	}
	slices.Sort(known.asked)
	known.asked = slices.Compact(known.asked)
	for ids := range slices.Chunk(known.asked, maxFilterValues) {
		some, err := backupJobs(ctx, api, like.sourceType(), "JobId", ids...)
		if err != nil {
			return jobsOfBackup{}, err
		}
		known.listed = append(known.listed, some...)
	}
	return known, nil
}
