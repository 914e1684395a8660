// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

const paramSnapshotID = "SnapshotId"

// snapshot is what a backup job has left. Its content is a directory: that of the source, or of an OSS source one with a
// numbered file for each object.
type snapshot struct {
	resource
	hash         string
	vault, kind  string
	job, plan    string
	source       source
	volume       volume
	keys         []string
	status       string
	bytes, items int64
	begun        time.Time
	completed    time.Time
	// listed is when lists have it.
	listed    time.Time
	retention int64
}

// expires is when the snapshot is deleted. It is zero for one that stays for ever. Assumed: it counts from when the
// snapshot was complete.
func (s *snapshot) expires() time.Time {
	if s.retention == 0 {
		return time.Time{}
	}
	return s.completed.AddDate(0, 0, int(s.retention))
}

func (s *snapshot) expired(now time.Time) bool {
	expires := s.expires()
	return !expires.IsZero() && !now.Before(expires)
}

// subject is the data source of which the snapshot is. Assumed: for a container it is the volume.
func (s *snapshot) subject() string {
	return strings.Join([]string{s.vault, s.kind, s.source.fileSystem, s.source.bucket, s.volume.cluster, s.volume.id}, "/")
}

// addSnapshot makes the snapshot of a job that has succeeded.
func (s *Service) addSnapshot(b *backup) {
	item := &snapshot{
		resource: resource{
			id: newID(prefixSnapshot), account: b.account, region: b.region, created: b.finished, sequence: s.next(),
		},
		hash: strings.ToLower(rand.Text() + rand.Text())[:40], vault: b.vault, kind: b.kind, job: b.id, plan: b.plan,
		source: b.source, volume: b.volume, keys: b.keys, status: b.final, bytes: b.bytes, items: int64(b.done - b.missed),
		begun: b.created, completed: b.finished, listed: b.finished.Add(s.durations.Listing.Duration), retention: b.retention,
	}
	s.snapshots[item.id] = item
}

// expire deletes the snapshots whose retention is over.
func (s *Service) expire(now time.Time) error {
	var err error
	for _, item := range s.snapshots {
		if item.expired(now) {
			err = errors.Join(err, s.removeSnapshot(item))
		}
	}
	return err
}

func (s *Service) removeSnapshot(item *snapshot) error {
	delete(s.snapshots, item.id)
	return os.RemoveAll(s.content(item.job))
}

type snapshotView struct {
	SnapshotID   string `json:"SnapshotId"`
	SnapshotHash string `json:"SnapshotHash"`
	VaultID      string `json:"VaultId"`
	SourceType   string `json:"SourceType"`
	JobID        string `json:"JobId"`
	Status       string `json:"Status"`
	BackupType   string `json:"BackupType"`
	Retention    int64  `json:"Retention,omitempty"`
	BytesTotal   int64  `json:"BytesTotal"`
	BytesDone    int64  `json:"BytesDone"`
	ItemsTotal   int64  `json:"ItemsTotal"`
	ItemsDone    int64  `json:"ItemsDone"`
	CreatedTime  int64  `json:"CreatedTime"`
	CompleteTime int64  `json:"CompleteTime"`
	ExpireTime   int64  `json:"ExpireTime,omitempty"`
	Path         string `json:"Path,omitempty"`
	sourceView
}

func (s *snapshot) view() snapshotView {
	return snapshotView{
		SnapshotID: s.id, SnapshotHash: s.hash, VaultID: s.vault, SourceType: s.kind, JobID: s.job, Status: s.status,
		BackupType: backupComplete, Retention: s.retention, BytesTotal: s.bytes, BytesDone: s.bytes, ItemsTotal: s.items,
		ItemsDone: s.items, CreatedTime: unix(s.created), CompleteTime: unix(s.completed), ExpireTime: unix(s.expires()),
		Path: s.source.path, sourceView: s.source.view(),
	}
}

type snapshotsAnswer struct {
	Limit      int64  `json:"Limit"`
	NextToken  string `json:"NextToken,omitempty"`
	TotalCount int    `json:"TotalCount"`
	Snapshots  struct {
		Snapshot []snapshotView `json:"Snapshot"`
	} `json:"Snapshots"`
}

// searchSnapshots lists snapshots, newest first. JobId is none of the fields that the reference lists for Query.
func (s *Service) searchSnapshots(r *request) (any, error) {
	query, err := readSnapshotQuery(r.Params)
	if err != nil {
		return nil, err
	}
	for _, c := range query {
		if c.field == "vaultid" && c.operator == opMatchTerm {
			r.Params[paramVaultID] = c.values[0]
		}
	}
	if _, err := s.findVault(r); err != nil {
		return nil, err
	}
	kind := r.Params.String(paramSourceType)
	all := newestFirst(r, s.snapshots, func(item *snapshot) bool {
		return item.kind == kind && !r.now.Before(item.listed) && fields{
			"vaultid": item.vault, "planid": item.plan, "bucket": item.source.bucket, "filesystemid": item.source.fileSystem,
			"createtime": strconv.FormatInt(item.source.created, 10), "completetime": strconv.FormatInt(unix(item.completed), 10),
		}.matches(query)
	})
	result := snapshotsAnswer{TotalCount: len(all)}
	result.Snapshots.Snapshot = []snapshotView{}
	some, token, err := pageByToken(r.Params, all)
	if err != nil {
		return nil, err
	}
	result.Limit, result.NextToken = int64(len(some)), token
	for _, item := range some {
		result.Snapshots.Snapshot = append(result.Snapshots.Snapshot, item.view())
	}
	return result, nil
}

// readSnapshotQuery reads the conditions, among which are those that the source type requires. Assumed: for CONTAINER,
// of which the reference does not speak, it is VaultId alone.
func readSnapshotQuery(p rpc.Params) ([]condition, error) {
	query, err := readQuery(p, "vaultid", "instanceid", "bucket", "filesystemid", "createtime", "completetime", "planid")
	if err != nil {
		return nil, err
	}
	required := []string{"vaultid"}
	switch kind := p.String(paramSourceType); kind {
	case kindNAS:
		required = append(required, "filesystemid", "createtime")
	case kindOSS:
		required = append(required, "bucket")
	case kindContainer:
	default:
		return nil, illegal("SourceType is none of NAS, OSS and CONTAINER")
	}
	for _, field := range required {
		if !slices.ContainsFunc(query, func(c condition) bool { return c.field == field }) {
			return nil, illegal("Query lacks " + field)
		}
	}
	return query, nil
}

// pageByToken returns the items after those that the token says. It stays good while items come and go. Assumed: a page
// has 10 items unless Limit says otherwise, and at most 100.
func pageByToken(p rpc.Params, all []*snapshot) (some []*snapshot, next string, err error) {
	const defaultLimit, largest = 10, 100
	limit := p.Int("Limit", defaultLimit)
	if limit < 0 || limit > largest {
		return nil, "", illegal("Limit is not within 0 and 100")
	}
	if token := p.String("NextToken"); token != "" {
		text, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return nil, "", illegal("NextToken")
		}
		before := number(string(text))
		for len(all) > 0 && all[0].sequence >= before {
			all = all[1:]
		}
	}
	if int64(len(all)) <= limit || limit == 0 {
		return all[:min(limit, int64(len(all)))], "", nil
	}
	last := strconv.FormatInt(all[limit-1].sequence, 10)
	return all[:limit], base64.RawURLEncoding.EncodeToString([]byte(last)), nil
}

// deleteSnapshot deletes a snapshot. "If you delete the most recent backup snapshot for a data source, you must set the
// Force parameter to true. Otherwise, an error occurs." The code is that of Security Center's DeleteBackupSnapshot, which
// hands on what Cloud Backup says. Assumed: a snapshot that there is not is an error.
func (s *Service) deleteSnapshot(r *request) (any, error) {
	v, err := s.findVault(r)
	if err != nil {
		return nil, err
	}
	item, ok := find(r, s.snapshots, r.Params.String(paramSnapshotID))
	if !ok || item.vault != v.id || !oneOf(r.Params.String(paramSourceType), item.kind) {
		return nil, resourceNotFound()
	}
	latest := newestFirst(r, s.snapshots, func(other *snapshot) bool { return other.subject() == item.subject() })[0]
	if latest == item && !r.Params.Bool("Force") {
		return nil, rpc.BadRequest("CannotDeleteLatestSnapshot", "Can not delete latest snapshot.")
	}
	return nil, s.removeSnapshot(item)
}
