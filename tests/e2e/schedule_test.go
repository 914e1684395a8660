//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Velero looks at schedules once a minute (scheduleSyncPeriod, pkg/controller/schedule_controller.go).
const scheduleTimeout = 3 * time.Minute

// testSchedulesWithoutNamespaces establishes what a schedule does whose namespaces are all gone, of which the backup
// center says "get target namespace failed" (docs/schedules.md).
func (e *environment) testSchedulesWithoutNamespaces(t *testing.T) {
	t.Parallel()
	s := e.home
	schedules := []struct {
		name, include string
		phase         velerov1.BackupPhase
		// says is in the backup's log.
		says string
	}{
		{
			"named", "closed", velerov1.BackupPhasePartiallyFailed,
			"fail to get the namespace closed specified in backup.Spec.IncludedNamespaces",
		},
		{
			"one-of-two", "closed,default", velerov1.BackupPhasePartiallyFailed,
			"fail to get the namespace closed specified in backup.Spec.IncludedNamespaces",
		},
		{"pattern", "close*", velerov1.BackupPhaseCompleted, ""},
	}
	s.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "closed"}})
	for _, schedule := range schedules {
		s.velero(t, "schedule", "create", schedule.name, "--schedule", "@every 6h30m", "--include-namespaces", schedule.include, "--skip-immediately=true")
	}
	s.deleteNamespace(t, "closed")
	for _, schedule := range schedules {
		s.due(t, schedule.name)
	}
	for _, schedule := range schedules {
		backup := s.scheduled(t, schedule.name)
		if backup.Status.Phase != schedule.phase {
			t.Errorf("the backup of the namespaces %s is %s, want %s: %v", schedule.include, backup.Status.Phase, schedule.phase, backup.Status.ValidationErrors)
		}
		if said := s.describe(t.Context(), "backup", backup.Name); !strings.Contains(said, schedule.says) {
			t.Errorf("the backup of the namespaces %s does not say %q:\n%s", schedule.include, schedule.says, said)
		}
	}
}

// testSchedules makes backups by schedules whose time comes, and none by those whose time does not.
func (e *environment) testSchedules(t *testing.T) {
	t.Parallel()
	s := e.home
	s.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "scheduled"}})
	for name, expression := range map[string]string{"cron": "*/1 * * * *", "every": "@every 6h30m", "later": "@every 6h30m"} {
		s.velero(t, "schedule", "create", name, "--schedule", expression, "--include-namespaces", "scheduled", "--skip-immediately=true")
	}
	s.due(t, "every")
	for _, name := range []string{"cron", "every"} {
		if backup := s.scheduled(t, name); backup.Status.Phase != velerov1.BackupPhaseCompleted {
			t.Errorf("the backup of the schedule %s is %s, want Completed", name, backup.Status.Phase)
		}
	}
	if found := s.backupsOf(t.Context(), t, "later"); len(found) != 0 {
		t.Errorf("a schedule whose time has not come has made %d backups", len(found))
	}
	s.velero(t, "schedule", "delete", "cron", "every", "later", "--confirm")
}

// due makes a schedule of every six hours and a half one that has made its last backup seven hours ago.
func (s *site) due(t *testing.T, name string) {
	t.Helper()
	schedule := &velerov1.Schedule{ObjectMeta: inVelero(name)}
	s.eventually(t, scheduleTimeout, "the schedule "+name+" to be Enabled", func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(schedule), schedule); err != nil {
			return err
		}
		if schedule.Status.Phase != velerov1.SchedulePhaseEnabled {
			return fmt.Errorf("it is %q %v", schedule.Status.Phase, schedule.Status.ValidationErrors)
		}
		return nil
	})
	before := schedule.DeepCopy()
	last := metav1.NewTime(time.Now().Add(-7 * time.Hour))
	schedule.Status.LastBackup, schedule.Status.LastSkipped = &last, nil
	must(t, s.Client.Patch(t.Context(), schedule, client.MergeFrom(before)))
}

// scheduled waits for the end of a schedule's first backup.
func (s *site) scheduled(t *testing.T, schedule string) *velerov1.Backup {
	t.Helper()
	var name string
	s.eventually(t, scheduleTimeout, "a backup of the schedule "+schedule, func(ctx context.Context) error {
		found := s.backupsOf(ctx, t, schedule)
		if len(found) == 0 {
			return errors.New("there is none")
		}
		name = found[0].Name
		return nil
	})
	return s.awaitEnd(t, name)
}

// backupsOf are the backups of a schedule, the first one first.
func (s *site) backupsOf(ctx context.Context, t *testing.T, schedule string) []velerov1.Backup {
	t.Helper()
	list := &velerov1.BackupList{}
	must(t, s.Client.List(ctx, list, client.InNamespace(veleroNamespace), client.MatchingLabels{velerov1.ScheduleNameLabel: schedule}))
	slices.SortFunc(list.Items, func(a, b velerov1.Backup) int { return strings.Compare(a.Name, b.Name) })
	return list.Items
}
