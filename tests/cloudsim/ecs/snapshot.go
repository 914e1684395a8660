// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// snapshot is a snapshot of a disk, or the copy of one in another region. Its content is a directory.
type snapshot struct {
	resource
	disk       string
	category   string
	size       int64 // GiB
	encryption encryption
	// ready is when the snapshot has been accomplished.
	ready time.Time
	// modified is when an attribute was changed last.
	modified time.Time
	// retentionDays is 0 for a snapshot that stays for ever.
	retentionDays int64
	failed        bool
	// instant says that the snapshot can be used before it has been accomplished.
	instant bool
	// source is the snapshot of which this is a copy.
	source struct{ region, id string }
	// group is the id of the snapshot group to which the snapshot belongs.
	group string
}

// Statuses of snapshots and snapshot groups.
const (
	statusProgressing  = "progressing"
	statusAccomplished = "accomplished"
	statusFailed       = "failed"
)

func (s *snapshot) status(now time.Time) string {
	switch {
	case s.failed:
		return statusFailed
	case now.Before(s.ready):
		return statusProgressing
	default:
		return statusAccomplished
	}
}

// progress is in percent.
func (s *snapshot) progress(now time.Time) int64 {
	whole := s.ready.Sub(s.created)
	if whole <= 0 || !now.Before(s.ready) {
		return 100
	}
	return int64(100 * now.Sub(s.created) / whole)
}

// available says whether disks can be made from the snapshot.
func (s *snapshot) available(now time.Time) bool {
	return !s.failed && (s.instant || !now.Before(s.ready))
}

func (s *snapshot) expired(now time.Time) bool {
	return s.retentionDays > 0 && !now.Before(s.created.AddDate(0, 0, int(s.retentionDays)))
}

// cutting says whether a snapshot of the disk is progressing.
func (r *region) cutting(diskID string, now time.Time) bool {
	for _, s := range r.snapshots {
		if s.disk == diskID && s.source.id == "" && s.status(now) == statusProgressing {
			return true
		}
	}
	return false
}

func (s *Service) createSnapshot(r *request) (any, error) {
	d, ok := find(r.region.disks, r.Caller.AccountID, r.Params.String("DiskId"))
	if !ok {
		return nil, diskNotFound()
	}
	common, err := readResource(r, "s-", snapshotFields())
	if err != nil {
		return nil, err
	}
	days, err := readRetention(r.Params, rpc.BadRequest)
	if err != nil {
		return nil, err
	}
	if err := s.checkCut(r, []*disk{d}); err != nil {
		return nil, err
	}
	cut, err := s.cut(r, d, common)
	if err != nil {
		return nil, err
	}
	cut.retentionDays = days
	return map[string]string{"SnapshotId": cut.id}, nil
}

// readRetention reads the parameter RetentionDays, 0 where it was not given. The error is made by refuse, because
// its status differs between operations.
func readRetention(p rpc.Params, refuse func(code, message string) *rpc.Error) (int64, error) {
	const longest = 65536
	days := p.Int(paramRetentionDays, 0)
	if p.String(paramRetentionDays) != "" && (days < 1 || days > longest) {
		return 0, refuse("InvalidRetentionDays.Malformed", "The specified RetentionDays is not valid.")
	}
	return days, nil
}

// checkCut says why snapshots of the disks can not be made now.
func (s *Service) checkCut(r *request, disks []*disk) error {
	for _, d := range disks {
		c, _ := categoryNamed(d.category)
		switch status := d.status(r.now); {
		case s.arrears[d.account]:
			return rpc.Forbidden("DiskInArrears", "The specified operation is denied as your disk has expired.")
		case c.ephemeral:
			return categoryCannot()
		case status == statusCreating:
			return diskStatusWrong()
		case d.attachedAt.IsZero():
			return rpc.Forbidden("IncorrectDiskStatus.NeverAttached",
				"The specified disk has never been attached to any instance.")
		case r.region.cutting(d.id, r.now):
			return rpc.Forbidden("IncorrectDiskStatus.CreatingSnapshot", "A previous snapshot creation is in process.")
		case reached(s.quotas.SnapshotsPerDisk, r.region.countSnapshots(d.account, d.id)+1):
			return snapshotQuota()
		}
	}
	if reached(s.quotas.SnapshotsPerAccount, r.region.countSnapshots(r.Caller.AccountID, "")+len(disks)) {
		return snapshotQuota()
	}
	return nil
}

func snapshotQuota() error {
	return rpc.Forbidden("QuotaExceed.Snapshot", "The snapshot quota exceeds.")
}

// reached says whether a count is beyond a quota.
func reached(quota, count int) bool { return quota > 0 && count > quota }

// countSnapshots counts the snapshots of an account, those of one disk when its id is not empty.
func (r *region) countSnapshots(account, diskID string) int {
	return len(newestFirst(r.snapshots, account, func(s *snapshot) bool { return diskID == "" || s.disk == diskID }))
}

// cut makes a snapshot of what a disk holds now.
func (s *Service) cut(r *request, d *disk, common resource) (*snapshot, error) {
	c, _ := categoryNamed(d.category)
	common.sequence = s.next()
	made := &snapshot{
		resource: common, disk: d.id, category: d.category, size: d.size, encryption: d.encryption, instant: c.instant,
		ready: r.now.Add(s.durations.Snapshot.Duration), modified: r.now,
	}
	if err := s.content.copy(s.content.disk(d.id), s.content.snapshot(r.region.id, made.id)); err != nil {
		return nil, err
	}
	r.region.snapshots[made.id] = made
	return made, nil
}

func (s *Service) copySnapshot(r *request) (any, error) {
	source, target, err := s.copyEnds(r)
	if err != nil {
		return nil, err
	}
	made, err := s.readCopy(r, source, target)
	if err != nil {
		return nil, err
	}
	from, to := s.content.snapshot(r.region.id, source.id), s.content.snapshot(target.id, made.id)
	if err := s.content.copy(from, to); err != nil {
		return nil, err
	}
	target.snapshots[made.id] = made
	return map[string]string{"SnapshotId": made.id}, nil
}

// copyEnds finds the snapshot to be copied, and the region to which.
func (s *Service) copyEnds(r *request) (*snapshot, *region, error) {
	target, ok := s.regions[r.Params.String("DestinationRegionId")]
	if !ok {
		return nil, nil, rpc.Forbidden("InvalidRegionId.NotExists", "Region not exists.")
	}
	if target == r.region {
		return nil, nil, rpc.Forbidden("InvalidOperation.NotSupportCopyInSameRegion",
			"Copying snapshot in the same region is not supported.")
	}
	account := r.Caller.AccountID
	source, ok := find(r.region.snapshots, account, r.Params.String("SnapshotId"))
	switch {
	case !ok:
		return nil, nil, snapshotNotFound()
	case source.status(r.now) != statusAccomplished:
		return nil, nil, snapshotNotReady(rpc.Forbidden)
	case s.arrears[account]:
		return nil, nil, notEnoughBalance()
	case reached(s.quotas.SnapshotsPerAccount, target.countSnapshots(account, "")+1):
		return nil, nil, rpc.Forbidden("QuotaExceed.SnapshotQuota",
			"The quota is insufficient, please contact your channel partner to increase the quota.")
	}
	for _, other := range target.snapshots {
		if other.disk == source.disk && other.account == account && other.status(r.now) == statusProgressing {
			return nil, nil, rpc.Forbidden("InvalidOperation.UnfinishedCrossRegionCopy",
				"This disk has unfinished cross-region copy snapshots in the target region.")
		}
	}
	return source, target, nil
}

// readCopy reads what the copy of a snapshot is to be. Tags are not those of the source.
func (s *Service) readCopy(r *request, source *snapshot, target *region) (*snapshot, error) {
	common, err := readResource(r, "s-", copyFields())
	if err != nil {
		return nil, err
	}
	asked := encryption{on: r.Params.Bool(paramEncrypted), keyID: r.Params.String(paramKMSKeyID)}
	switch given := r.Params.String(paramEncrypted); {
	case source.encryption.on && given == "":
		return nil, rpc.Forbidden("InvalidSnapshotId.EncryptedNotSupport",
			"The specified snapshot with encrypted does not support copy.")
	case source.encryption.on && !asked.on:
		return nil, rpc.Forbidden("InvalidEncrypted.NotSupportDecrypt",
			"Encrypted snapshot not support copy to decrypt snapshot.")
	}
	// The key is one of the destination.
	if asked, err = asked.check(target, r.Caller.AccountID, http.StatusForbidden); err != nil {
		return nil, err
	}
	days, err := readRetention(r.Params, rpc.Forbidden)
	if err != nil {
		return nil, err
	}
	common.sequence = s.next()
	made := &snapshot{
		resource: common, disk: source.disk, category: source.category, size: source.size, encryption: asked,
		ready: r.now.Add(s.durations.Copy.Duration), modified: r.now, retentionDays: days,
	}
	made.source.region, made.source.id = r.region.id, source.id
	return made, nil
}

func (s *Service) deleteSnapshot(r *request) (any, error) {
	found, ok := find(r.region.snapshots, r.Caller.AccountID, r.Params.String("SnapshotId"))
	if !ok {
		return nil, snapshotNotFound()
	}
	if !r.Params.Bool("Force") {
		for _, d := range r.region.disks {
			if d.source == found.id {
				return nil, rpc.Forbidden("SnapshotCreatedDisk", "The snapshot has been used to create disk(s).")
			}
		}
	}
	return nil, s.removeSnapshot(r.region, found)
}

// removeSnapshot deletes a snapshot with its content. A group stays when its last member goes, as in the cloud.
func (s *Service) removeSnapshot(r *region, gone *snapshot) error {
	delete(r.snapshots, gone.id)
	return s.content.drop(s.content.snapshot(r.id, gone.id))
}

// expire deletes the snapshots whose retention is over, and the disks whose creation has failed.
func (s *Service) expire(now time.Time) error {
	var err error
	for _, r := range s.regions {
		for _, d := range r.disks {
			if d.gone(now) {
				err = errors.Join(err, s.removeDisk(r, d))
			}
		}
		for _, item := range r.snapshots {
			if item.expired(now) {
				err = errors.Join(err, s.removeSnapshot(r, item))
			}
		}
	}
	return err
}

// snapshotView is a snapshot in the answer of DescribeSnapshots.
type snapshotView struct {
	SnapshotID       string   `json:"SnapshotId"`
	SnapshotName     string   `json:"SnapshotName"`
	Description      string   `json:"Description"`
	RegionID         string   `json:"RegionId"`
	Status           string   `json:"Status"`
	Progress         string   `json:"Progress"`
	Available        bool     `json:"Available"`
	SourceDiskID     string   `json:"SourceDiskId"`
	SourceDiskSize   string   `json:"SourceDiskSize"`
	SourceDiskType   string   `json:"SourceDiskType"`
	Category         string   `json:"Category"`
	SnapshotType     string   `json:"SnapshotType"`
	CreationTime     string   `json:"CreationTime"`
	LastModifiedTime string   `json:"LastModifiedTime"`
	RetentionDays    int64    `json:"RetentionDays,omitempty"`
	Encrypted        bool     `json:"Encrypted"`
	KMSKeyID         string   `json:"KMSKeyId"`
	SourceSnapshotID string   `json:"SourceSnapshotId,omitempty"`
	SourceRegionID   string   `json:"SourceRegionId,omitempty"`
	ResourceGroupID  string   `json:"ResourceGroupId"`
	Usage            string   `json:"Usage"`
	InstantAccess    bool     `json:"InstantAccess"`
	Tags             tagViews `json:"Tags"`
}

func (s *snapshot) view(r *request) snapshotView {
	return snapshotView{
		SnapshotID: s.id, SnapshotName: s.name, Description: s.description, RegionID: r.region.id,
		Status: s.status(r.now), Progress: percent(s.progress(r.now)), Available: s.available(r.now),
		SourceDiskID: s.disk, SourceDiskSize: strconv.FormatInt(s.size, 10), SourceDiskType: "data",
		Category: "standard", SnapshotType: "user", CreationTime: timeOf(s.created), LastModifiedTime: timeOf(s.modified),
		RetentionDays: s.retentionDays, Encrypted: s.encryption.on, KMSKeyID: s.encryption.keyID,
		SourceSnapshotID: s.source.id, SourceRegionID: s.source.region, ResourceGroupID: s.resourceGroupID,
		Usage: r.region.usage(s.id), Tags: viewTags(s.tags),
	}
}

// usage tells whether disks were made from a snapshot.
func (r *region) usage(snapshotID string) string {
	for _, d := range r.disks {
		if d.source == snapshotID {
			return "disk"
		}
	}
	return "none"
}

func percent(n int64) string { return strconv.FormatInt(n, 10) + "%" }

type snapshotsAnswer struct {
	pageAnswer
	Snapshots struct {
		Snapshot []snapshotView `json:"Snapshot"`
	} `json:"Snapshots"`
}

func (s *Service) describeSnapshots(r *request) (any, error) {
	const smallest, largest = 1, 100
	page, err := readPage(r.Params, smallest, largest)
	if err != nil {
		return nil, err
	}
	match, err := snapshotFilter(r)
	if err != nil {
		return nil, err
	}
	snapshots, paging := paginate(page, newestFirst(r.region.snapshots, r.Caller.AccountID, match))
	answer := snapshotsAnswer{pageAnswer: paging}
	answer.Snapshots.Snapshot = make([]snapshotView, 0, len(snapshots))
	for _, item := range snapshots {
		answer.Snapshots.Snapshot = append(answer.Snapshots.Snapshot, item.view(r))
	}
	return answer, nil
}

// snapshotFilter reads the filters of DescribeSnapshots.
func snapshotFilter(r *request) (func(*snapshot) bool, error) {
	ids, err := readIDs(r.Params, "SnapshotIds")
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "all", statusProgressing, statusAccomplished, statusFailed}, r.Params.String("Status")) {
		return nil, invalidParameter("Status")
	}
	var disks []string
	if id := r.Params.String("InstanceId"); id != "" {
		for _, d := range r.region.disks {
			if slices.Contains(d.instances, id) {
				disks = append(disks, d.id)
			}
		}
	}
	tags := readTagFilter(r.Params)
	return func(s *snapshot) bool {
		return (ids == nil || slices.Contains(ids, s.id)) && matchTags(s.tags, tags) && matchAll(r.Params, map[string]string{
			"DiskId": s.disk, "SnapshotName": s.name, "Status": s.status(r.now), "ResourceGroupId": s.resourceGroupID,
			"KMSKeyId": s.encryption.keyID, "Encrypted": strconv.FormatBool(s.encryption.on), "SourceDiskType": "data",
		}) && (r.Params.String("InstanceId") == "" || slices.Contains(disks, s.disk))
	}, nil
}
