// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// Config is what a Service starts with. In YAML and JSON durations are strings such as "30s".
type Config struct {
	Regions   []Region     `json:"regions,omitempty"`
	Instances []Instance   `json:"instances,omitempty"`
	KMSKeys   []KMSKey     `json:"kmsKeys,omitempty"`
	Disks     []DiskConfig `json:"disks,omitempty"`
	// Snapshots are accomplished from the start.
	Snapshots []SnapshotConfig `json:"snapshots,omitempty"`
	Durations Durations        `json:"durations,omitzero"`
	Quotas    Quotas           `json:"quotas,omitzero"`
	// Throttling limits the calls per minute. By default there is no limit.
	Throttling Throttling `json:"throttling,omitzero"`
	// Arrears are the ids of the accounts that owe money.
	Arrears []string `json:"arrears,omitempty"`
	// FailingDisks is how many of the first disks that CreateDisk accepts fail, see Service.FailNextDisks.
	FailingDisks int `json:"failingDisks,omitempty"`
	// DenialCode is the code of a denial by RAM. Empty means Forbidden.RAM.
	DenialCode rpc.DenialCode `json:"denialCode,omitempty"`
}

// Region is a region with its zones. What is in one region can not be seen from another.
type Region struct {
	ID    string `json:"id"`
	Zones []Zone `json:"zones"`
}

// Zone is a zone with what it sells.
type Zone struct {
	// ID is unique among the zones of all regions.
	ID string `json:"id"`
	// Categories are the disk categories that the zone sells. Empty means all.
	Categories []string `json:"categories,omitempty"`
	// SoldOut are those of the categories that are out of stock.
	SoldOut []string `json:"soldOut,omitempty"`
	// Closed says that the zone sells nothing any more.
	Closed bool `json:"closed,omitempty"`
	// Refusal is the error for whatever the zone can not give. Empty is the one that fits the reason: the cloud is not
	// known to keep to that.
	Refusal Refusal `json:"refusal,omitempty"`
}

// Instance is an ECS instance, to which disks can be attached.
type Instance struct {
	ID      string `json:"id"`
	Account string `json:"account"`
	Zone    string `json:"zone"`
	// Type is the instance type. Empty means ecs.g7.large.
	Type string `json:"type,omitempty"`
}

// KMSKey is a key of the Key Management Service. Each region has besides the key that KMS manages for ECS, which is
// used where a disk is encrypted and no key is named.
type KMSKey struct {
	ID      string `json:"id"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// Disabled makes the key one that is not enabled.
	Disabled bool `json:"disabled,omitempty"`
	// Unauthorized says that ECS may not use the key.
	Unauthorized bool `json:"unauthorized,omitempty"`
}

// DiskConfig is a disk that exists from the start.
type DiskConfig struct {
	// ID is unique. Empty means a random one.
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Account string `json:"account"`
	// Zone is the disk's zone. For a regional disk it is any zone of its region.
	Zone string `json:"zone"`
	// Category is the disk's category. Empty means cloud_essd.
	Category string `json:"category,omitempty"`
	// PerformanceLevel is for cloud_essd alone. Empty means PL1.
	PerformanceLevel string `json:"performanceLevel,omitempty"`
	// Size is in GiB.
	Size            int64  `json:"size"`
	Encrypted       bool   `json:"encrypted,omitempty"`
	KMSKeyID        string `json:"kmsKeyID,omitempty"`
	ProvisionedIOPS int64  `json:"provisionedIOPS,omitempty"`
	Bursting        bool   `json:"bursting,omitempty"`
	MultiAttach     bool   `json:"multiAttach,omitempty"`
	ResourceGroupID string `json:"resourceGroupID,omitempty"`
	// Instance is the id of the instance to which the disk is attached.
	Instance string `json:"instance,omitempty"`
	// AttachedBefore says that a disk which is not attached once was. One that never was has no snapshots.
	AttachedBefore bool              `json:"attachedBefore,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	// Files is the content: the bytes by slash-separated path.
	Files map[string]string `json:"files,omitempty"`
}

// SnapshotConfig is a snapshot that exists from the start.
type SnapshotConfig struct {
	// ID is unique. Empty means a random one.
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// Disk is the id of the disk that was cut, which need not exist any more.
	Disk string `json:"disk"`
	// Size is that of the disk, in GiB.
	Size      int64  `json:"size"`
	Encrypted bool   `json:"encrypted,omitempty"`
	KMSKeyID  string `json:"kmsKeyID,omitempty"`
	// Age is how long ago the snapshot was cut.
	Age metav1.Duration `json:"age,omitzero"`
	// RetentionDays is how long it stays after the cut. Zero is for ever.
	RetentionDays   int64             `json:"retentionDays,omitempty"`
	ResourceGroupID string            `json:"resourceGroupID,omitempty"`
	Tags            map[string]string `json:"tags,omitempty"`
	// Files is the content: the bytes by slash-separated path.
	Files map[string]string `json:"files,omitempty"`
}

// Durations say how long the states last that pass by themselves. Zero is no time at all.
type Durations struct {
	// CreateDisk is how long a disk is Creating.
	CreateDisk metav1.Duration `json:"createDisk,omitzero"`
	// Snapshot is how long a snapshot is progressing.
	Snapshot metav1.Duration `json:"snapshot,omitzero"`
	// Copy is how long the copy of a snapshot in another region is progressing.
	Copy metav1.Duration `json:"copy,omitzero"`
	// Processing is how long after a call another one with its ClientToken is told that the first is being processed.
	Processing metav1.Duration `json:"processing,omitzero"`
}

// Quotas bound what an account may have. Zero means no bound.
type Quotas struct {
	// SnapshotsPerAccount is for each account and region, SnapshotsPerDisk for each disk.
	SnapshotsPerAccount int `json:"snapshotsPerAccount,omitempty"`
	SnapshotsPerDisk    int `json:"snapshotsPerDisk,omitempty"`
	// DisksPerAccount is for each account and region.
	DisksPerAccount int `json:"disksPerAccount,omitempty"`
}

// Throttling is how many calls there may be in a minute of the clock, by the name of the API. An API that is not
// named has no limit.
type Throttling struct {
	// User is for each account and region.
	User map[string]int `json:"user,omitempty"`
	// API is for each region, over all accounts.
	API map[string]int `json:"api,omitempty"`
}

// load puts what is configured into an empty service.
func (s *Service) load(c Config) error {
	for _, r := range c.Regions {
		if err := s.addRegion(r); err != nil {
			return err
		}
	}
	for _, i := range c.Instances {
		if err := s.addInstance(i); err != nil {
			return err
		}
	}
	for _, k := range c.KMSKeys {
		if err := s.SetKMSKey(k); err != nil {
			return err
		}
	}
	for _, d := range c.Disks {
		if _, err := s.AddDisk(d); err != nil {
			return err
		}
	}
	for _, item := range c.Snapshots {
		if _, err := s.AddSnapshot(item); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) addRegion(config Region) error {
	if config.ID == "" || s.regions[config.ID] != nil {
		return fmt.Errorf("region %q: the id is missing or not unique", config.ID)
	}
	r := newRegion(config.ID)
	for _, z := range config.Zones {
		if _, _, taken := s.zone(z.ID); taken || z.ID == "" || r.zone(z.ID) != nil {
			return fmt.Errorf("zone %q of region %s: the id is missing or not unique", z.ID, config.ID)
		}
		if err := z.validate(); err != nil {
			return err
		}
		r.zones = append(r.zones, &z)
	}
	s.regions[config.ID] = r
	return nil
}

func (z Zone) validate() error {
	for _, name := range slices.Concat(z.Categories, z.SoldOut) {
		if _, ok := categoryNamed(name); !ok {
			return fmt.Errorf("zone %s: disk category %q is not known", z.ID, name)
		}
	}
	if z.Refusal != "" && z.Refusal.err() == nil {
		return fmt.Errorf("zone %s: refusal %q is not known", z.ID, z.Refusal)
	}
	return nil
}

func (s *Service) addInstance(i Instance) error {
	r, z, ok := s.zone(i.Zone)
	if !ok {
		return fmt.Errorf("instance %q: zone %q: %w", i.ID, i.Zone, ErrNotFound)
	}
	if i.ID == "" || i.Account == "" || r.instances[i.ID] != nil {
		return fmt.Errorf("instance %q: id or account are missing, or the id is not unique", i.ID)
	}
	if i.Type == "" {
		i.Type = "ecs.g7.large"
	}
	r.instances[i.ID] = &instance{
		resource: resource{id: i.ID, account: i.Account, created: s.now(), sequence: s.next()},
		zone:     z.ID, kind: i.Type,
	}
	return nil
}

// withDefaults returns the configuration with what was left empty filled in, or says what is wrong with it.
func (c SnapshotConfig) withDefaults() (SnapshotConfig, error) {
	if c.ID == "" {
		c.ID = newID("s-")
	}
	if c.Account == "" || c.Disk == "" || c.Size < 1 {
		return c, fmt.Errorf("snapshot %s: account, disk and size are required", c.ID)
	}
	return c, nil
}

// withDefaults returns the configuration with what was left empty filled in, or says what is wrong with it.
func (d DiskConfig) withDefaults() (DiskConfig, error) {
	if d.ID == "" {
		d.ID = newID("d-")
	}
	if d.Category == "" {
		d.Category = categoryESSD
	}
	c, ok := categoryNamed(d.Category)
	if !ok {
		return d, fmt.Errorf("disk %s: category %q is not known", d.ID, d.Category)
	}
	if d.PerformanceLevel == "" {
		d.PerformanceLevel = c.defaultLevel
	}
	if d.Account == "" {
		return d, fmt.Errorf("disk %s: the account is required", d.ID)
	}
	err := errors.Join(
		c.checkLevel(d.PerformanceLevel),
		c.checkSize(d.Size, d.PerformanceLevel),
		c.checkIOPS(d.ProvisionedIOPS, d.Bursting, d.Size),
	)
	if err != nil {
		return d, fmt.Errorf("disk %s: %w", d.ID, err)
	}
	return d, nil
}
