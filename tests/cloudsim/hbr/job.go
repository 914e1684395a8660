// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"errors"
	"path/filepath"
	"strconv"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
)

// Types of sources and of restores.
const (
	kindNAS       = "NAS"
	kindOSS       = "OSS"
	kindContainer = "CONTAINER"
)

// Statuses of jobs.
const (
	statusRunning   = "RUNNING"
	statusComplete  = "COMPLETE"
	statusPartial   = "PARTIAL_COMPLETE"
	statusFailed    = "FAILED"
	statusCanceling = "CANCELING"
	statusCanceled  = "CANCELED"
)

// What ErrorMessage says of a job that can not be done.
const (
	messageClientNotExist = "ClientNotExist"
	messageSourceNotExist = "SOURCE_NOT_EXIST"
	// Assumed: the cloud says of the target of a restore what it says of a source.
	messageTargetNotExist = "TARGET_NOT_EXIST"
	// Assumed: the message of a job that is partially complete is not documented.
	messagePartial = "some items were not copied"
)

// wholeProgress is the Progress of a job that is complete.
const wholeProgress = 10000

// work is what a job copies, item by item.
type work struct {
	// sizes are those of the items, in bytes.
	sizes []int64
	copy  func(item int) error
	// finish is called when all items have been copied.
	finish func() error
	// gone says what is not there when no item could be copied. Empty means the source.
	gone string
}

// job is what backup and restore jobs have in common.
type job struct {
	resource
	vault string
	// kind is the type of the source, or of the target of a restore.
	kind string
	// ready is when the job ends if it is not canceled.
	ready time.Time
	work  work
	// verdict is the status that a fault rule, or a source that is not there, has given to the job from its start. It
	// is empty for a job whose status is what comes of its work.
	verdict string
	// stuck says that the job stops halfway and does not end.
	stuck bool
	// canceled is when the cancelation is done. It is zero for a job that is not canceled.
	canceled time.Time

	// done counts the items that were copied or that could not be, missed the latter alone.
	done, missed int
	bytes        int64
	// final is the status at the end. It is empty before.
	final    string
	finished time.Time
	message  string
}

// newJob returns a job that begins now and does not have its work yet. Fault rules on the operation and the subject have
// their say: Latency makes it take longer, Stall lets it stop halfway for ever, and Status ends it with the status Code,
// FAILED by default, and the Message.
func (s *Service) newJob(r *request, prefix, operation, subject string, takes time.Duration) job {
	j := job{resource: s.newResource(r, prefix), ready: r.now.Add(takes)}
	for _, rule := range s.cloud.Faults.Fire(FaultJobs, operation, subject) {
		j.apply(rule)
	}
	return j
}

func (j *job) apply(rule fault.Rule) {
	j.ready = j.ready.Add(rule.Latency)
	j.stuck = j.stuck || rule.Stall > 0
	if rule.Status == 0 {
		return
	}
	j.verdict, j.message = rule.Code, rule.Message
	if j.verdict == "" {
		j.verdict = statusFailed
	}
}

// refuse makes the job one that copies nothing and fails.
func (j *job) refuse(message string) {
	j.verdict, j.message, j.work = statusFailed, message, work{}
}

// fail ends the job now, unless it has ended or is being canceled.
func (j *job) fail(message string, now time.Time) {
	if !j.hasEnded() && j.canceled.IsZero() {
		j.final, j.finished, j.message = statusFailed, now, message
	}
}

func (j *job) status(now time.Time) string {
	switch {
	case j.final != "":
		return j.final
	case !j.canceled.IsZero() && now.Before(j.canceled):
		return statusCanceling
	default:
		return statusRunning
	}
}

// hasEnded says whether the status is final, as of the last run.
func (j *job) hasEnded() bool { return j.final != "" }

// run does what is to be done until now.
func (j *job) run(now time.Time) {
	if !j.canceled.IsZero() {
		if !now.Before(j.canceled) {
			j.final, j.finished = statusCanceled, j.canceled
		}
		return
	}
	j.copyUntil(len(j.work.sizes) * int(j.elapsed(now)) / wholeProgress)
	if j.stuck || now.Before(j.ready) {
		return
	}
	j.end()
}

// elapsed is the share of the job's time that has passed, in the unit of Progress.
func (j *job) elapsed(now time.Time) int64 {
	whole := j.ready.Sub(j.created)
	share := int64(wholeProgress)
	if whole > 0 && now.Before(j.ready) {
		share = int64(wholeProgress * (float64(now.Sub(j.created)) / float64(whole)))
	}
	if j.stuck {
		share = min(share, wholeProgress/2)
	}
	return share
}

// copyUntil copies the items before the n-th. A job that is not to succeed stops halfway, or before the last item.
func (j *job) copyUntil(n int) {
	switch all := len(j.work.sizes); j.verdict {
	case "", statusComplete:
	case statusPartial:
		n = min(n, all-1)
	default:
		n = min(n, all/2)
	}
	for ; j.done < n; j.done++ {
		// What goes wrong is the item's fault: it was deleted meanwhile, or something is in its way.
		if err := j.work.copy(j.done); err != nil {
			j.missed++
			continue
		}
		j.bytes += j.work.sizes[j.done]
	}
}

// end gives the job its final status.
func (j *job) end() {
	j.finished = j.ready
	j.final = j.verdict
	if j.work.finish != nil && j.work.finish() != nil {
		j.final, j.message = statusFailed, "internal error"
		return
	}
	if j.verdict == statusPartial {
		j.missed += len(j.work.sizes) - j.done
		j.done = len(j.work.sizes)
	}
	if j.final == "" {
		j.final = j.outcome()
	}
	if j.final == statusPartial && j.message == "" {
		j.message = messagePartial
	}
}

// outcome is the status that comes of the work.
func (j *job) outcome() string {
	switch {
	case j.missed == 0:
		return statusComplete
	case j.missed < len(j.work.sizes):
		return statusPartial
	default:
		j.message = cmp.Or(j.work.gone, messageSourceNotExist) // all of it went while it was copied
		return statusFailed
	}
}

// succeeded says whether the job has left something that can be used.
func (j *job) succeeded() bool { return j.final == statusComplete || j.final == statusPartial }

// cancel begins the cancelation of a job. Assumed: one that has ended can not be canceled, and one that is being
// canceled can be again.
func (j *job) cancel(now time.Time, takes time.Duration) error {
	if j.hasEnded() {
		return illegal("the job has ended")
	}
	if j.canceled.IsZero() {
		j.canceled = now.Add(takes)
	}
	j.run(now)
	return nil
}

// jobView is what the descriptions of backup and restore jobs have in common.
type jobView struct {
	VaultID      string `json:"VaultId"`
	SourceType   string `json:"SourceType"`
	Status       string `json:"Status"`
	Progress     int64  `json:"Progress"`
	ErrorMessage string `json:"ErrorMessage"`
	BytesDone    int64  `json:"BytesDone"`
	BytesTotal   int64  `json:"BytesTotal"`
	ActualBytes  int64  `json:"ActualBytes"`
	ItemsDone    int64  `json:"ItemsDone"`
	ItemsTotal   int64  `json:"ItemsTotal"`
	ActualItems  int64  `json:"ActualItems"`
	CreatedTime  int64  `json:"CreatedTime"`
	StartTime    int64  `json:"StartTime"`
	UpdatedTime  int64  `json:"UpdatedTime"`
	CompleteTime int64  `json:"CompleteTime,omitempty"`
}

func (j *job) view(now time.Time) jobView {
	view := jobView{
		VaultID: j.vault, SourceType: j.kind, Status: j.status(now), ErrorMessage: j.message,
		BytesDone: j.bytes, ActualBytes: j.bytes, ItemsDone: int64(j.done - j.missed), ItemsTotal: int64(len(j.work.sizes)),
		ActualItems: int64(j.done - j.missed), CreatedTime: unix(j.created), StartTime: unix(j.created),
		UpdatedTime: unix(now), CompleteTime: unix(j.finished),
	}
	for _, size := range j.work.sizes {
		view.BytesTotal += size
	}
	switch {
	case j.succeeded():
		view.Progress = wholeProgress
	case !j.hasEnded():
		// A job that is about to fail does not say so before.
		view.ErrorMessage, view.Progress = "", min(j.elapsed(now), wholeProgress-1)
	case len(j.work.sizes) > 0:
		view.Progress = int64(j.done) * wholeProgress / int64(len(j.work.sizes))
	}
	return view
}

// fields are those that filters on jobs can be for, without what depends on the kind of job.
func (j *job) fields(now time.Time) fields {
	return fields{
		"regionid": j.region, "vaultid": j.vault, "status": j.status(now), "sourcetype": j.kind,
		"createdtime": strconv.FormatInt(unix(j.created), 10), "completetime": strconv.FormatInt(unix(j.finished), 10),
	}
}

// place is a directory of a machine, and where it was on this one when a job began.
type place struct {
	files *tree.Machine
	name  string
	dir   string
}

// check says whether the directory is still there: it may have been unmounted.
func (p place) check() error {
	dir, err := p.files.Resolve(p.name)
	if err == nil && dir != p.dir {
		err = errors.New("another directory is there")
	}
	return err
}

// treeWork copies a directory that exists to one that exists. One of the two is that of a machine: what is copied after that
// is unmounted is missed.
func treeWork(from, to string, on place) (work, error) {
	entries, err := tree.List(from)
	if err != nil {
		return work{}, err
	}
	copier := tree.Copier{From: from, To: to}
	w := work{
		copy: func(item int) error {
			if err := on.check(); err != nil {
				return err
			}
			return copier.Copy(entries[item])
		},
		finish: func() error { return copier.Finish(entries) },
	}
	for _, e := range entries {
		w.sizes = append(w.sizes, e.Size)
	}
	return w, nil
}

// objectFile returns where the bytes of the n-th object of a snapshot are in its directory. Keys can be longer than names
// of files.
func objectFile(dir string, n int) string { return filepath.Join(dir, strconv.Itoa(n)) }
