// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/retention"
)

const day = 24 * time.Hour

var (
	endless = retention.Limits{Max: 65536, NoEnd: true}
	ending  = retention.Limits{Service: "Cloud Backup", Max: 36500}
)

func TestDaysFor(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		policy          retention.Policy
		ttl             time.Duration
		endless, ending int
	}{
		{"whole days stay", retention.OfBackup(), 30 * day, 30, 30},
		{"a part of a day is a day", retention.OfBackup(), 30*day + 1, 31, 31},
		{"an hour is a day", retention.OfBackup(), time.Hour, 1, 1},
		{"a backup without an end", retention.OfBackup(), 0, 0, 36500},
		{"no more than there is", retention.OfBackup(), 100000 * day, 65536, 36500},
		{"a number of days, whatever the backup", retention.Days(7), 30 * day, 7, 7},
		{"for ever, whatever the backup", retention.Policy{}, 30 * day, 0, 36500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.policy.DaysFor(tt.ttl, endless); got != tt.endless {
				t.Errorf("%d days where there may be no end, want %d", got, tt.endless)
			}
			if got := tt.policy.DaysFor(tt.ttl, ending); got != tt.ending {
				t.Errorf("%d days where there is an end, want %d", got, tt.ending)
			}
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, value string
		limits      retention.Limits
		want        retention.Policy
		wantErr     string
	}{
		{name: "as long as the backup", value: "backup", limits: ending, want: retention.OfBackup()},
		{name: "a number of days", value: "7", limits: ending, want: retention.Days(7)},
		{name: "the most days", value: "65536", limits: endless, want: retention.Days(65536)},
		{name: "for ever", value: "forever", limits: endless, want: retention.Policy{}},
		{name: "for ever, where there is an end", value: "forever", limits: ending, wantErr: "Cloud Backup keeps nothing for ever"},
		{name: "no days", value: "0", limits: endless, wantErr: "from 1 to 65536"},
		{name: "too many days", value: "36501", limits: ending, wantErr: "from 1 to 36500"},
		{name: "something else", value: "a month", limits: endless, wantErr: "allowed are backup (as long as the backup), forever, and a number of days"},
		{name: "nothing", value: "", limits: ending, wantErr: "allowed are backup"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := retention.Parse(tt.value, tt.limits)
			if tt.wantErr == "" && (err != nil || got != tt.want) {
				t.Errorf("policy %v, error %v, want %v", got, err, tt.want)
			}
			if tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
		})
	}
}

func TestTimeToLive(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	backup := func(ttl time.Duration, expires time.Time) *velerov1.Backup {
		b := &velerov1.Backup{Spec: velerov1.BackupSpec{TTL: metav1.Duration{Duration: ttl}}}
		if !expires.IsZero() {
			b.Status.Expiration = &metav1.Time{Time: expires}
		}
		return b
	}
	tests := []struct {
		name   string
		backup *velerov1.Backup
		want   time.Duration
	}{
		{"a backup that is not known", nil, 0},
		{"one without an end", backup(0, time.Time{}), 0},
		{"one whose end is not noted yet", backup(day, time.Time{}), day},
		{"one whose end is noted", backup(day, now.Add(time.Hour)), time.Hour},
		{"one that has expired", backup(day, now.Add(-time.Hour)), time.Nanosecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := retention.TimeToLive(tt.backup, now); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
