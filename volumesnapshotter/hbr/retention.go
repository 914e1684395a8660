// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"fmt"
	"strconv"
	"time"
)

// retention says how long snapshots live.
type retention struct {
	// ofBackup lets them live as long as the backup.
	ofBackup bool
	// days are at least 1 where ofBackup is not set.
	days int64
}

// maxRetentionDays is our own limit: Cloud Backup documents the least, 1, alone. It
// is a hundred years, and what a backup without an end gets.
const maxRetentionDays = 36500

// daysFor returns the Retention of a job for a backup that lives for ttl, no time
// meaning for ever. Cloud Backup counts whole days, so that they are rounded up. It
// has no snapshots without an end.
func (r retention) daysFor(ttl time.Duration) int64 {
	const day = 24 * time.Hour
	switch {
	case !r.ofBackup:
		return r.days
	case ttl <= 0:
		return maxRetentionDays
	default:
		return min(int64((ttl-1)/day)+1, maxRetentionDays)
	}
}

// set reads the key retentionDays.
func (r *retention) set(value string) error {
	if value == "backup" {
		*r = retention{ofBackup: true}
		return nil
	}
	days, err := strconv.ParseInt(value, 10, 64)
	if err != nil || days < 1 || days > maxRetentionDays {
		return fmt.Errorf("allowed are backup (as long as the backup) and a number of days from 1 to %d: Cloud Backup keeps nothing for ever", maxRetentionDays)
	}
	*r = retention{days: days}
	return nil
}
