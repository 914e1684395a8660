// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// disk is a disk. Its content is a directory.
type disk struct {
	resource
	zone       string
	category   string
	level      string
	size       int64 // GiB
	encryption encryption
	iops       int64
	bursting   bool
	shared     bool
	// source is the id of the snapshot from which the disk was made.
	source string
	// ready is when the disk has been created.
	ready time.Time
	// instances are those to which the disk is attached.
	instances []string
	// attachedAt and detachedAt are when that happened last. They are zero for a disk to which it never did.
	attachedAt, detachedAt time.Time
	// fails says that the creation does not succeed.
	fails bool
}

// Disk statuses.
const (
	statusCreating  = "Creating"
	statusAvailable = "Available"
	statusInUse     = "In_use"
)

func (d *disk) status(now time.Time) string {
	switch {
	case now.Before(d.ready):
		return statusCreating
	case len(d.instances) > 0:
		return statusInUse
	default:
		return statusAvailable
	}
}

// gone says whether the creation of the disk has failed. The API has no status for that: such a disk is released.
func (d *disk) gone(now time.Time) bool { return d.fails && !now.Before(d.ready) }

func (s *Service) createDisk(r *request) (any, error) {
	if s.arrears[r.Caller.AccountID] {
		return nil, notEnoughBalance()
	}
	d, source, err := s.readDisk(r)
	if err != nil {
		return nil, err
	}
	if limit := s.quotas.DisksPerAccount; limit > 0 && len(newestFirst(r.region.disks, d.account, anyDisk)) >= limit {
		return nil, rpc.Forbidden("QuotaExceed.PostPaidDisk", "Living postPaid disks quota exceeded.")
	}
	if source != nil {
		err = s.content.copy(s.content.snapshot(r.region.id, source.id), s.content.disk(d.id))
	} else {
		err = s.content.make(s.content.disk(d.id))
	}
	if err != nil {
		return nil, err
	}
	d.sequence, d.fails = s.next(), s.failingDisks > 0
	s.failingDisks = max(s.failingDisks-1, 0)
	r.region.disks[d.id] = d
	return map[string]string{"DiskId": d.id}, nil
}

func anyDisk(*disk) bool { return true }

// readDisk reads the parameters of CreateDisk, and finds the snapshot that they name.
func (s *Service) readDisk(r *request) (d *disk, source *snapshot, err error) {
	d = &disk{zone: r.Params.String("ZoneId"), ready: r.now.Add(s.durations.CreateDisk.Duration)}
	if d.resource, err = readResource(r, "d-", diskFields()); err != nil {
		return nil, nil, err
	}
	if source, err = readSource(r); err != nil {
		return nil, nil, err
	}
	if err := d.readKind(r, source); err != nil {
		return nil, nil, err
	}
	d.encryption, err = readEncryption(r, source)
	return d, source, err
}

// readSource finds the snapshot from which a disk is to be made. It is nil where none is named.
func readSource(r *request) (*snapshot, error) {
	id := r.Params.String("SnapshotId")
	if id == "" {
		return nil, nil //nolint:nilnil // a disk need not be made from a snapshot
	}
	source, ok := find(r.region.snapshots, r.Caller.AccountID, id)
	if !ok {
		return nil, snapshotNotFound()
	}
	if !source.available(r.now) {
		return nil, snapshotNotReady(rpc.Forbidden)
	}
	return source, nil
}

// readKind reads zone, category, performance level, size and what depends on them.
func (d *disk) readKind(r *request, source *snapshot) error {
	if d.category = r.Params.String("DiskCategory"); d.category == "" {
		d.category = categoryBasic
	}
	c, ok := categoryNamed(d.category)
	if !ok {
		return rpc.Forbidden("InvalidDataDiskCategory.ValueNotSupported", "The specified Category of Data Disk is not valid.")
	}
	if c.ephemeral && source != nil {
		return rpc.Forbidden("InvalidOperation.CreateFromSnapshotUnsupported",
			"The elastic ephemeral disk cannot be created from snapshot.")
	}
	if err := d.checkZone(r.region, c); err != nil {
		return err
	}
	return d.readSize(r.Params, c, source)
}

// checkZone says why the disk can not be where it is asked for. A regional disk is asked for without a zone.
func (d *disk) checkZone(in *region, c category) error {
	switch {
	case c.regional && d.zone != "":
		return rpc.BadRequest("InvalidZoneId.DiskCategoryUnsupported",
			"The specified disk category does not support setting the ZoneId.")
	case c.regional:
		return nil
	case d.zone == "":
		return missingParameter("ZoneId")
	}
	zone := in.zone(d.zone)
	if zone == nil {
		return zoneNotFound()
	}
	return zone.checkSale(d.category)
}

func (d *disk) readSize(p rpc.Params, c category, source *snapshot) (err error) {
	if d.level = p.String("PerformanceLevel"); d.level == "" {
		d.level = c.defaultLevel
	}
	if err := c.checkLevel(d.level); err != nil {
		return err
	}
	if source == nil && p.String("Size") == "" {
		return rpc.BadRequest("MissingParameter", `The input parameter either "SnapshotId" or "Size" should be specified.`)
	}
	d.size = p.Int("Size", 0)
	if source != nil {
		d.source = source.id
		d.size = max(d.size, source.size) // a snapshot that is larger than Size wins
	}
	if err := c.checkSize(d.size, d.level); err != nil {
		return err
	}
	d.iops, d.bursting = p.Int("ProvisionedIops", 0), p.Bool("BurstingEnabled")
	if err := c.checkIOPS(d.iops, d.bursting, d.size); err != nil {
		return err
	}
	d.shared, err = c.parseMultiAttach(p.String("MultiAttach"))
	if err == nil && d.shared && d.bursting {
		return rpc.BadRequest("BurstingEnabledForMultiAttachDiskUnsupported",
			"The multi attach disk does not support bursting enabled.")
	}
	return err
}

func (s *Service) deleteDisk(r *request) (any, error) {
	d, ok := find(r.region.disks, r.Caller.AccountID, r.Params.String("DiskId"))
	if !ok {
		return nil, diskNotFound()
	}
	if d.status(r.now) != statusAvailable {
		return nil, diskStatusWrong()
	}
	if r.region.cutting(d.id, r.now) {
		return nil, rpc.Forbidden("DiskCreatingSnapshot",
			"The operation is denied due to a snapshot of the specified disk is not completed yet.")
	}
	return nil, s.removeDisk(r.region, d)
}

// removeDisk deletes a disk with its content.
func (s *Service) removeDisk(r *region, gone *disk) error {
	delete(r.disks, gone.id)
	return s.content.drop(s.content.disk(gone.id))
}

// attach attaches a disk to an instance of its zone, a regional one to any of its region.
func (d *disk) attach(i *instance, now time.Time) error {
	switch {
	case d.zone != "" && i.zone != d.zone || i.account != d.account:
		return fmt.Errorf("attach disk %s to %s: they differ in zone or account", d.id, i.id)
	case slices.Contains(d.instances, i.id):
		return nil
	case now.Before(d.ready), len(d.instances) > 0 && !d.shared:
		return fmt.Errorf("attach disk %s to %s: the disk is %s", d.id, i.id, d.status(now))
	}
	d.instances = append(d.instances, i.id)
	d.attachedAt = now
	return nil
}

type attachment struct {
	InstanceID string `json:"InstanceId"`
}

type attachments struct {
	Attachment []attachment `json:"Attachment"`
}

// diskView is a disk in the answer of DescribeDisks.
type diskView struct {
	DiskID           string      `json:"DiskId"`
	DiskName         string      `json:"DiskName"`
	Description      string      `json:"Description"`
	RegionID         string      `json:"RegionId"`
	ZoneID           string      `json:"ZoneId"`
	Status           string      `json:"Status"`
	Type             string      `json:"Type"`
	Category         string      `json:"Category"`
	PerformanceLevel string      `json:"PerformanceLevel,omitempty"`
	Size             int64       `json:"Size"`
	Encrypted        bool        `json:"Encrypted"`
	KMSKeyID         string      `json:"KMSKeyId"`
	ProvisionedIOPS  int64       `json:"ProvisionedIops"`
	BurstingEnabled  bool        `json:"BurstingEnabled"`
	MultiAttach      string      `json:"MultiAttach"`
	InstanceID       string      `json:"InstanceId"`
	Attachments      attachments `json:"Attachments"`
	SourceSnapshotID string      `json:"SourceSnapshotId"`
	ResourceGroupID  string      `json:"ResourceGroupId"`
	CreationTime     string      `json:"CreationTime"`
	AttachedTime     string      `json:"AttachedTime"`
	DetachedTime     string      `json:"DetachedTime"`
	DiskChargeType   string      `json:"DiskChargeType"`
	Portable         bool        `json:"Portable"`
	Tags             tagViews    `json:"Tags"`
}

func (d *disk) view(r *request) diskView {
	view := diskView{
		DiskID: d.id, DiskName: d.name, Description: d.description, RegionID: r.region.id, ZoneID: d.zone,
		Status: d.status(r.now), Type: "data", Category: d.category, PerformanceLevel: d.level, Size: d.size,
		Encrypted: d.encryption.on, KMSKeyID: d.encryption.keyID, ProvisionedIOPS: d.iops, BurstingEnabled: d.bursting,
		MultiAttach: multiAttachDisabled, SourceSnapshotID: d.source, ResourceGroupID: d.resourceGroupID,
		CreationTime: timeOf(d.created), AttachedTime: timeOf(d.attachedAt), DetachedTime: timeOf(d.detachedAt),
		DiskChargeType: "PostPaid", Portable: true, Tags: viewTags(d.tags),
		Attachments: attachments{Attachment: []attachment{}},
	}
	if d.shared {
		view.MultiAttach = multiAttachEnabled
	}
	for _, id := range d.instances {
		view.Attachments.Attachment = append(view.Attachments.Attachment, attachment{InstanceID: id})
	}
	if len(d.instances) > 0 {
		view.InstanceID = d.instances[0]
	}
	return view
}

type disksAnswer struct {
	pageAnswer
	Disks struct {
		Disk []diskView `json:"Disk"`
	} `json:"Disks"`
}

func (s *Service) describeDisks(r *request) (any, error) {
	const smallest, largest = 10, 500
	page, err := readPage(r.Params, smallest, largest)
	if err != nil {
		return nil, err
	}
	match, err := diskFilter(r)
	if err != nil {
		return nil, err
	}
	disks, paging := paginate(page, newestFirst(r.region.disks, r.Caller.AccountID, match))
	answer := disksAnswer{pageAnswer: paging}
	answer.Disks.Disk = make([]diskView, 0, len(disks))
	for _, d := range disks {
		answer.Disks.Disk = append(answer.Disks.Disk, d.view(r))
	}
	return answer, nil
}

// diskFilter reads the filters of DescribeDisks.
func diskFilter(r *request) (func(*disk) bool, error) {
	ids, err := readIDs(r.Params, "DiskIds")
	if err != nil {
		return nil, err
	}
	tags := readTagFilter(r.Params)
	return func(d *disk) bool {
		view := d.view(r)
		return (ids == nil || slices.Contains(ids, d.id)) && matchTags(d.tags, tags) && matchAll(r.Params, map[string]string{
			"ZoneId": d.zone, "Category": d.category, "Status": view.Status, "SnapshotId": d.source,
			"DiskName": d.name, "ResourceGroupId": d.resourceGroupID, "KMSKeyId": d.encryption.keyID,
			"MultiAttach": view.MultiAttach, "Encrypted": strconv.FormatBool(d.encryption.on),
		}) && (r.Params.String("InstanceId") == "" || slices.Contains(d.instances, r.Params.String("InstanceId")))
	}, nil
}

// matchAll says whether each filter that was given has the resource's value. The API takes All and all for no filter.
func matchAll(p rpc.Params, values map[string]string) bool {
	for name, value := range values {
		switch wanted := p.String(name); wanted {
		case "", "All", "all", value:
		default:
			return false
		}
	}
	return true
}
