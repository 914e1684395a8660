// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// The methods of this file are for tests: they look into the service and change it without a call.

// ErrNotFound says that there is no such region, zone, instance, disk or snapshot.
var ErrNotFound = errors.New("not found in the simulated ECS")

// DiskInfo describes a disk.
type DiskInfo struct {
	ID, Name, Account, Region, Zone string
	// Status is Creating, Available or In_use.
	Status                     string
	Category, PerformanceLevel string
	// Size is in GiB.
	Size             int64
	Encrypted        bool
	KMSKeyID         string
	ProvisionedIOPS  int64
	Bursting         bool
	MultiAttach      bool
	SourceSnapshotID string
	ResourceGroupID  string
	// Instances are the ids of the instances to which the disk is attached.
	Instances []string
	Created   time.Time
	// Attached and Detached are when that happened last. They are zero for a disk to which it never did.
	Attached, Detached time.Time
	Tags               map[string]string
}

// SnapshotInfo describes a snapshot.
type SnapshotInfo struct {
	ID, Name, Account, Region string
	// Status is progressing, accomplished or failed.
	Status    string
	Available bool
	DiskID    string
	// Size is that of the disk, in GiB.
	Size      int64
	Encrypted bool
	KMSKeyID  string
	// SourceRegion and SourceID are those of the snapshot of which this is a copy.
	SourceRegion, SourceID string
	// GroupID is the snapshot group to which the snapshot belongs.
	GroupID         string
	ResourceGroupID string
	// RetentionDays is 0 for a snapshot that stays for ever.
	RetentionDays int64
	Created       time.Time
	Tags          map[string]string
}

// Inventory is what an account has in all regions, as "<region>/<id>" in alphabetical order.
type Inventory struct {
	Disks          []string `json:"disks,omitempty"`
	Snapshots      []string `json:"snapshots,omitempty"`
	SnapshotGroups []string `json:"snapshotGroups,omitempty"`
}

// disk finds a disk among those of all regions. The caller holds mu.
func (s *Service) disk(id string) (*region, *disk, error) {
	for _, r := range s.regions {
		if d, ok := r.disks[id]; ok && !d.gone(s.now()) {
			return r, d, nil
		}
	}
	return nil, nil, fmt.Errorf("disk %s: %w", id, ErrNotFound)
}

// snapshot finds a snapshot among those of all regions. The caller holds mu.
func (s *Service) snapshot(id string) (*region, *snapshot, error) {
	for _, r := range s.regions {
		if item, ok := r.snapshots[id]; ok {
			return r, item, nil
		}
	}
	return nil, nil, fmt.Errorf("snapshot %s: %w", id, ErrNotFound)
}

// DiskDir returns the directory that is the content of a disk. What is written there is in the next snapshot.
func (s *Service) DiskDir(id string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, _, err := s.disk(id); err != nil {
		return "", err
	}
	return s.content.disk(id), nil
}

// WriteFile writes a file of a disk. Its name is a slash-separated path; directories are made as needed.
func (s *Service) WriteFile(id, name string, data []byte) error {
	dir, err := s.DiskDir(id)
	if err != nil {
		return err
	}
	return writeFile(dir, name, data)
}

func writeFile(dir, name string, data []byte) error {
	file := fileIn(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.WriteFile(file, data, 0o644)
}

// fileIn returns the path of a file in a directory. It never leaves the directory.
func fileIn(dir, name string) string {
	return filepath.Join(dir, filepath.FromSlash(path.Clean("/"+name)))
}

// ReadFile returns the bytes of a file of a disk.
func (s *Service) ReadFile(id, name string) ([]byte, error) {
	dir, err := s.DiskDir(id)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(fileIn(dir, name))
}

// ReadSnapshotFile returns the bytes of a file as it was when a snapshot was cut.
func (s *Service) ReadSnapshotFile(id, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, _, err := s.snapshot(id)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(fileIn(s.content.snapshot(r.id, id), name))
}

// Attach attaches a disk to an instance of its zone. It is no error if it is attached to it already.
func (s *Service) Attach(diskID, instanceID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, d, err := s.disk(diskID)
	if err != nil {
		return err
	}
	return s.attachDisk(r, d, instanceID)
}

func (s *Service) attachDisk(r *region, d *disk, instanceID string) error {
	i, ok := r.instances[instanceID]
	if !ok {
		return fmt.Errorf("instance %s: %w", instanceID, ErrNotFound)
	}
	return d.attach(i, s.now())
}

// Detach detaches a disk from all instances.
func (s *Service) Detach(diskID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, d, err := s.disk(diskID)
	if err == nil && len(d.instances) > 0 {
		d.instances, d.detachedAt = nil, s.now()
	}
	return err
}

// DetachFrom detaches a disk from one instance. It is no error if it is not attached to it.
func (s *Service) DetachFrom(diskID, instanceID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, d, err := s.disk(diskID)
	if err == nil && slices.Contains(d.instances, instanceID) {
		d.instances = slices.DeleteFunc(d.instances, func(id string) bool { return id == instanceID })
		d.detachedAt = s.now()
	}
	return err
}

// RemoveDisk deletes a disk in whatever state it is.
func (s *Service) RemoveDisk(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, d, err := s.disk(id)
	if err != nil {
		return err
	}
	return s.removeDisk(r, d)
}

// FailDisk lets the creation of a disk fail now. The disk must be Creating. It is gone then: among the statuses that the
// reference of DescribeDisks lists none is that of a failure, and an instance that can not be created is released by the
// cloud ("System events related to instance creation failures").
func (s *Service) FailDisk(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, d, err := s.disk(id)
	if err != nil {
		return err
	}
	if status := d.status(s.now()); status != statusCreating {
		return fmt.Errorf("fail the creation of disk %s: it is %s", id, status)
	}
	return s.removeDisk(r, d)
}

// FailNextDisks lets the next n disks fail that CreateDisk accepts: each is Creating for its time, and then gone as by
// FailDisk.
func (s *Service) FailNextDisks(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failingDisks = n
}

// SnapshotProgress tells how far a snapshot is, in percent.
func (s *Service) SnapshotProgress(id string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, item, err := s.snapshot(id)
	if err != nil {
		return 0, err
	}
	return item.progress(s.now()), nil
}

// RemoveSnapshot deletes a snapshot, also one that has created disks.
func (s *Service) RemoveSnapshot(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, item, err := s.snapshot(id)
	if err != nil {
		return err
	}
	return s.removeSnapshot(r, item)
}

// FailSnapshot makes a snapshot a failed one.
func (s *Service) FailSnapshot(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, item, err := s.snapshot(id)
	if err == nil {
		item.failed = true
	}
	return err
}

// Advance lets time pass in this service alone: signatures and sessions go by the cloud's own clock.
func (s *Service) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// SetQuotas replaces the quotas.
func (s *Service) SetQuotas(q Quotas) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quotas = q
}

// SetThrottling replaces the limits of calls. The calls of the minute so far count.
func (s *Service) SetThrottling(t Throttling) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.throttle.limits = t
}

// Consume uses up calls of the current minute, as another program of the account would that calls an action n times.
// It returns how many of these calls were not refused.
func (s *Service) Consume(account, region, action string, n int) (admitted int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.regions[region]; !ok {
		return 0, fmt.Errorf("region %q: %w", region, ErrNotFound)
	}
	for range n {
		if s.throttle.admit(throttleKey{account: account, region: region, action: action}, s.now()) == nil {
			admitted++
		}
	}
	return admitted, nil
}

// SetDurations replaces the durations. What has been begun ends as it would have.
func (s *Service) SetDurations(d Durations) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durations = d
}

// SetArrears says whether an account owes money.
func (s *Service) SetArrears(account string, owes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrears[account] = owes
}

// SetZone replaces what a zone sells.
func (s *Service) SetZone(z Zone) error {
	if err := z.validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, old, ok := s.zone(z.ID)
	if !ok {
		return fmt.Errorf("zone %s: %w", z.ID, ErrNotFound)
	}
	*old = z
	return nil
}

// SetKMSKey adds a key, or replaces the one with its id.
func (s *Service) SetKMSKey(k KMSKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.regions[k.Region]
	if !ok {
		return fmt.Errorf("KMS key %s: region %q: %w", k.ID, k.Region, ErrNotFound)
	}
	r.keys[k.ID] = k
	return nil
}

// Disks returns all disks, region by region in the order in which they were made.
func (s *Service) Disks() []DiskInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var all []DiskInfo
	s.each(func(r *region) {
		for _, d := range inOrder(r.disks) {
			if d.gone(now) {
				continue
			}
			all = append(all, DiskInfo{
				ID: d.id, Name: d.name, Account: d.account, Region: r.id, Zone: d.zone, Status: d.status(now),
				Category: d.category, PerformanceLevel: d.level, Size: d.size, Encrypted: d.encryption.on,
				KMSKeyID: d.encryption.keyID, ProvisionedIOPS: d.iops, Bursting: d.bursting, MultiAttach: d.shared,
				SourceSnapshotID: d.source, ResourceGroupID: d.resourceGroupID, Instances: slices.Clone(d.instances),
				Created: d.created, Attached: d.attachedAt, Detached: d.detachedAt, Tags: maps.Clone(d.tags),
			})
		}
	})
	return all
}

// Snapshots returns all snapshots that have not expired, region by region in the order in which they were made.
func (s *Service) Snapshots() []SnapshotInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var all []SnapshotInfo
	s.each(func(r *region) {
		for _, item := range inOrder(r.snapshots) {
			if item.expired(now) {
				continue
			}
			all = append(all, SnapshotInfo{
				ID: item.id, Name: item.name, Account: item.account, Region: r.id, Status: item.status(now),
				Available: item.available(now), DiskID: item.disk, Size: item.size, Encrypted: item.encryption.on,
				KMSKeyID: item.encryption.keyID, SourceRegion: item.source.region, SourceID: item.source.id,
				GroupID: item.group, ResourceGroupID: item.resourceGroupID, RetentionDays: item.retentionDays,
				Created: item.created, Tags: maps.Clone(item.tags),
			})
		}
	})
	return all
}

// Inventory returns what an account has. Snapshots that have expired are not in it.
func (s *Service) Inventory(account string) Inventory {
	var all Inventory
	for _, d := range s.Disks() {
		if d.Account == account {
			all.Disks = append(all.Disks, d.Region+"/"+d.ID)
		}
	}
	for _, item := range s.Snapshots() {
		if item.Account == account {
			all.Snapshots = append(all.Snapshots, item.Region+"/"+item.ID)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each(func(r *region) {
		for _, g := range inOrder(r.groups) {
			if g.account == account {
				all.SnapshotGroups = append(all.SnapshotGroups, r.id+"/"+g.id)
			}
		}
	})
	slices.Sort(all.Disks)
	slices.Sort(all.Snapshots)
	slices.Sort(all.SnapshotGroups)
	return all
}

// each visits the regions in the order of their ids. The caller holds mu.
func (s *Service) each(visit func(*region)) {
	for _, id := range slices.Sorted(maps.Keys(s.regions)) {
		visit(s.regions[id])
	}
}

// inOrder returns resources in the order in which they were made.
func inOrder[T owned](all map[string]T) []T {
	return slices.SortedFunc(maps.Values(all), func(a, b T) int {
		return cmp.Compare(a.common().sequence, b.common().sequence)
	})
}
