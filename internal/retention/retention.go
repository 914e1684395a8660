// SPDX-License-Identifier: Apache-2.0

// Package retention says for how many days the cloud keeps a snapshot.
package retention

import (
	"fmt"
	"strconv"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
)

// Limits are what a service allows.
type Limits struct {
	// Service is its name.
	Service string
	// Max is the most days.
	Max int
	// NoEnd says that snapshots can be kept until they are deleted.
	NoEnd bool
}

// Policy is the value of the config key retentionDays. The zero Policy keeps snapshots
// until they are deleted.
type Policy struct {
	// ofBackup keeps a snapshot as long as its backup.
	ofBackup bool
	days     int
}

// OfBackup returns the policy that keeps a snapshot as long as its backup.
func OfBackup() Policy { return Policy{ofBackup: true} }

// Days returns the policy that keeps snapshots for so many days, 0 for until they are deleted.
func Days(days int) Policy { return Policy{days: days} }

// Parse reads backup, a number of days, and forever where the limits have that.
func Parse(value string, limits Limits) (Policy, error) {
	switch days, err := strconv.Atoi(value); {
	case value == "backup":
		return OfBackup(), nil
	case value == "forever" && limits.NoEnd:
		return Policy{}, nil
	case err == nil && days >= 1 && days <= limits.Max:
		return Days(days), nil
	case limits.NoEnd:
		return Policy{}, fmt.Errorf("allowed are backup (as long as the backup), forever, and a number of days from 1 to %d", limits.Max)
	default:
		return Policy{}, fmt.Errorf("allowed are backup (as long as the backup) and a number of days from 1 to %d: %s keeps nothing for ever", limits.Max, limits.Service)
	}
}

// DaysFor returns how many days a snapshot is kept whose backup lives for ttl, no time
// meaning for ever. 0 is for one that stays until it is deleted; without such, it is the
// most that there is.
func (p Policy) DaysFor(ttl time.Duration, limits Limits) int {
	days := p.days
	if p.ofBackup {
		days = RoundUp(ttl, limits)
	}
	if days == 0 && !limits.NoEnd {
		return limits.Max
	}
	return days
}

// RoundUp returns a time in whole days, of which a part is one, within the limits. No time is 0.
func RoundUp(d time.Duration, limits Limits) int {
	const day = 24 * time.Hour
	if d <= 0 {
		return 0
	}
	return int(min((d-1)/day+1, time.Duration(limits.Max)))
}

// TimeToLive returns how much longer a backup is kept, 0 for one without an end and for
// nil, one that is not known.
func TimeToLive(backup *velerov1.Backup, now time.Time) time.Duration {
	switch {
	case backup == nil:
		return 0
	case backup.Status.Expiration != nil:
		return max(backup.Status.Expiration.Sub(now), time.Nanosecond) // One that has expired is not one that stays for ever.
	default:
		return backup.Spec.TTL.Duration
	}
}
