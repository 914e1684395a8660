// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/locationconfig"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/retention"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

const (
	defaultSnapshotTimeout = 2 * time.Hour
	defaultDiskTimeout     = 10 * time.Minute
	defaultCopyTimeout     = 6 * time.Hour
	// defaultConcurrentSnapshots is the backup center's batch_snapshot_max_num.
	defaultConcurrentSnapshots = 20
	maxConcurrentSnapshots     = 100
)

// location is the config of one volume snapshot location, read and checked.
type location struct {
	ecs alicloud.ECSConfig

	retention retention.Policy
	// waitForSnapshot lets a backup end only when its snapshots are accomplished.
	waitForSnapshot bool
	// snapshotTimeout is how long a snapshot may take until disks can be made of it.
	snapshotTimeout time.Duration
	// diskTimeout is how long the creation of a disk may take.
	diskTimeout time.Duration
	// copyTimeout is how long the copy of a snapshot to another region may take.
	copyTimeout time.Duration
	// concurrentSnapshots bounds the snapshots that are asked for at once.
	concurrentSnapshots int
	// zones and types replace those of a backup by others, on restore.
	zones map[string]string
	types map[string]volume.DiskType
	// zone is where a disk goes of which no zone is known.
	zone string
	// kmsKeyID encrypts what is encrypted and comes from another region.
	kmsKeyID        string
	resourceGroupID string
	// tags are added to what is created.
	tags map[string]string
	// enabled says that disks are this snapshotter's. Otherwise they are left to Cloud Backup.
	enabled bool
}

// options are the keys that a location may have. docs/volumesnapshotter-ecs.md describes them.
func options() map[string]locationconfig.Option[location] {
	return locationconfig.WithCredentials(map[string]locationconfig.Option[location]{
		"region":                 locationconfig.Region(func(l *location) *string { return &l.ecs.Region }),
		"network":                setNetwork,
		"endpoint":               locationconfig.Endpoint(func(l *location) *string { return &l.ecs.Endpoint }),
		"notOnECS":               locationconfig.Flag(func(l *location) *bool { return &l.ecs.NotOnECS }),
		"zone":                   locationconfig.Text(func(l *location) *string { return &l.zone }),
		"retentionDays":          setRetention,
		"waitForSnapshot":        locationconfig.Flag(func(l *location) *bool { return &l.waitForSnapshot }),
		"snapshotTimeout":        locationconfig.Duration(func(l *location) *time.Duration { return &l.snapshotTimeout }, time.Second, "2h"),
		"diskTimeout":            locationconfig.Duration(func(l *location) *time.Duration { return &l.diskTimeout }, time.Second, "10m"),
		"crossRegionCopyTimeout": locationconfig.Duration(func(l *location) *time.Duration { return &l.copyTimeout }, time.Second, "6h"),
		"maxConcurrentSnapshots": locationconfig.Count(func(l *location) *int { return &l.concurrentSnapshots }, maxConcurrentSnapshots),
		"zoneMapping":            setZones,
		"diskCategoryMapping":    setTypes,
		"kmsKeyId":               locationconfig.Text(func(l *location) *string { return &l.kmsKeyID }),
		"resourceGroupId":        locationconfig.Text(func(l *location) *string { return &l.resourceGroupID }),
		"tags":                   setTags,
		"enableECSSnapshot":      locationconfig.Flag(func(l *location) *bool { return &l.enabled }),
	}, func(l *location) *credentials.Config { return &l.ecs.Credentials })
}

// parseLocation reads the config that Velero passes to Init: the location's
// config with credentialsFile added. Its error names every key that is unknown or
// malformed, with its value and what is allowed.
func parseLocation(config map[string]string) (location, error) {
	l := location{
		retention:           retention.OfBackup(),
		waitForSnapshot:     true,
		snapshotTimeout:     defaultSnapshotTimeout,
		diskTimeout:         defaultDiskTimeout,
		copyTimeout:         defaultCopyTimeout,
		concurrentSnapshots: defaultConcurrentSnapshots,
		enabled:             true,
	}
	if err := locationconfig.Parse("volume snapshot location", config, &l, options(), (*location).contradictions); err != nil {
		return location{}, err
	}
	return l, nil
}

// contradictions are the errors that no key has by itself.
func (l *location) contradictions() []error {
	return locationconfig.CredentialsContradictions(l.ecs.Credentials)
}

// setNetwork takes the networks of ECS, and those that the official plugin has for OSS.
func setNetwork(l *location, value string) error {
	switch value {
	case string(endpoint.VPC), "internal":
		l.ecs.Network = endpoint.VPC
	case string(endpoint.Public), "accelerate":
		// The official plugin gives both of its locations the same config; there is no accelerated ECS.
		l.ecs.Network = endpoint.Public
	default:
		return errors.New("allowed are vpc, public")
	}
	return nil
}

// retentionLimits are those of CreateSnapshot's RetentionDays.
func retentionLimits() retention.Limits {
	return retention.Limits{Service: "ECS", Max: 65536, NoEnd: true}
}

func setRetention(l *location, value string) error {
	policy, err := retention.Parse(value, retentionLimits())
	l.retention = policy
	return err
}

// pairs reads "a=b,c=d". White space around names is ignored.
func pairs(value string) (map[string]string, error) {
	found := map[string]string{}
	for pair := range strings.SplitSeq(value, ",") {
		from, to, ok := strings.Cut(pair, "=")
		from, to = strings.TrimSpace(from), strings.TrimSpace(to)
		if !ok || from == "" {
			return nil, fmt.Errorf("%q has not the form name=value", strings.TrimSpace(pair))
		}
		if _, twice := found[from]; twice {
			return nil, fmt.Errorf("%q is there twice", from)
		}
		found[from] = to
	}
	return found, nil
}

func setZones(l *location, value string) error {
	zones, err := pairs(value)
	if err == nil {
		for from, to := range zones {
			if to == "" {
				err = fmt.Errorf("%q has no zone", from)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("%w: allowed are zones of the backup and of the restore, such as cn-hangzhou-h=cn-beijing-k,cn-hangzhou-i=cn-beijing-l", err)
	}
	l.zones = zones
	return nil
}

func setTypes(l *location, value string) error {
	mapping, err := pairs(value)
	if err != nil {
		return fmt.Errorf("%w: allowed are disk categories of the backup and of the restore, such as cloud_ssd=cloud_essd.PL1,cloud_efficiency=cloud_essd_entry", err)
	}
	l.types = make(map[string]volume.DiskType, len(mapping))
	for from, to := range mapping {
		for _, name := range []string{from, to} {
			if err := diskspec.CheckType(volume.ParseDiskType(name)); err != nil {
				return fmt.Errorf("%q: %w", name, err)
			}
		}
		l.types[from] = volume.ParseDiskType(to)
	}
	return nil
}

func setTags(l *location, value string) error {
	tags, err := pairs(value)
	if err != nil {
		return fmt.Errorf("%w: allowed are tags such as team=storefront,env=prod", err)
	}
	for key, value := range tags {
		if !validTag(key, value) {
			return fmt.Errorf("%q: a tag has a key of at most %d characters that begins with neither aliyun nor acs: nor %s, and a value of at most as many; neither contains http:// or https://",
				key, maxTagLength, tagPrefix)
		}
	}
	if len(tags) > maxConfiguredTags {
		return fmt.Errorf("allowed are up to %d tags", maxConfiguredTags)
	}
	l.tags = tags
	return nil
}

// validTag tells whether ECS takes the tag, and it is not one of our own.
func validTag(key, value string) bool {
	return !strings.HasPrefix(key, tagPrefix) && takenByECS(key, value)
}

// takenByECS tells whether a tag has the form that ECS takes (TagResources).
func takenByECS(key, value string) bool {
	return key != "" && !strings.HasPrefix(key, "aliyun") && !strings.HasPrefix(key, "acs:") &&
		!slices.ContainsFunc([]string{key, value}, func(text string) bool {
			return utf8.RuneCountInString(text) > maxTagLength || strings.Contains(text, "http://") || strings.Contains(text, "https://")
		})
}
