// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"fmt"
	"maps"
)

// AddDisk adds a disk and returns its id.
func (s *Service) AddDisk(config DiskConfig) (id string, err error) {
	config, err = config.withDefaults()
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, z, ok := s.zone(config.Zone)
	if !ok {
		return "", fmt.Errorf("disk %s: zone %q: %w", config.ID, config.Zone, ErrNotFound)
	}
	if _, _, err := s.disk(config.ID); err == nil {
		return "", fmt.Errorf("disk %s exists already", config.ID)
	}
	now, zone := s.now(), z.ID
	if c, _ := categoryNamed(config.Category); c.regional {
		zone = ""
	}
	d := &disk{
		resource: resource{
			id: config.ID, account: config.Account, name: config.Name, tags: maps.Clone(config.Tags), created: now,
			sequence: s.next(), resourceGroupID: config.ResourceGroupID,
		},
		zone: zone, category: config.Category, level: config.PerformanceLevel, size: config.Size,
		encryption: encryption{on: config.Encrypted, keyID: config.KMSKeyID}.completed(r), iops: config.ProvisionedIOPS, bursting: config.Bursting, shared: config.MultiAttach,
		ready: now,
	}
	if config.AttachedBefore {
		d.attachedAt, d.detachedAt = now, now
	}
	if err := s.fill(s.content.disk(d.id), config.Files); err != nil {
		return "", err
	}
	r.disks[d.id] = d
	if config.Instance == "" {
		return d.id, nil
	}
	return d.id, s.attachDisk(r, d, config.Instance)
}

// AddSnapshot adds a snapshot that is accomplished, and returns its id. It needs no disk.
func (s *Service) AddSnapshot(config SnapshotConfig) (id string, err error) {
	config, err = config.withDefaults()
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.regions[config.Region]
	if !ok {
		return "", fmt.Errorf("snapshot %s: region %q: %w", config.ID, config.Region, ErrNotFound)
	}
	if _, _, err := s.snapshot(config.ID); err == nil {
		return "", fmt.Errorf("snapshot %s exists already", config.ID)
	}
	cut := s.now().Add(-config.Age.Duration)
	item := &snapshot{
		resource: resource{
			id: config.ID, account: config.Account, name: config.Name, tags: maps.Clone(config.Tags), created: cut,
			sequence: s.next(), resourceGroupID: config.ResourceGroupID,
		},
		disk: config.Disk, size: config.Size, ready: cut, modified: cut, retentionDays: config.RetentionDays,
		encryption: encryption{on: config.Encrypted, keyID: config.KMSKeyID}.completed(r),
	}
	r.snapshots[item.id] = item
	return item.id, s.fill(s.content.snapshot(r.id, item.id), config.Files)
}

// fill makes the directory of a disk or a snapshot with its files.
func (s *Service) fill(dir string, files map[string]string) error {
	if err := s.content.make(dir); err != nil {
		return err
	}
	for name, data := range files {
		if err := writeFile(dir, name, []byte(data)); err != nil {
			return err
		}
	}
	return nil
}
