// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

const (
	// otherRegion is another region than region.
	otherRegion = "cn-beijing"

	// zoneH and zoneI are zones of region, zoneK is one of otherRegion.
	zoneH = "cn-hangzhou-h"
	zoneI = "cn-hangzhou-i"
	zoneK = "cn-beijing-k"
)

// snapshotQuota is how many snapshots an account may have in a region.
const snapshotQuota = 17

// benches is for how many tests there are accounts.
const benches = 40

// benchAccount is the id of the account of a bench.
func benchAccount(number int) string { return fmt.Sprintf("20000000000000%02d", number) }

// benchInstance is the id of the account's instance in a zone.
func benchInstance(account, zone string) string { return "i-" + account[len(account)-2:] + "-" + zone }

// cloudWithDisks is a cloud outside of which the clients are, with regions that sell disks, and accounts with an
// instance in each zone.
func cloudWithDisks() cloudsim.Config {
	config := bareCloud()
	config.ECS.Regions = []ecs.Region{
		{ID: region, Zones: []ecs.Zone{{ID: zoneH}, {ID: zoneI}}},
		{ID: otherRegion, Zones: []ecs.Zone{{ID: zoneK}}},
	}
	config.ECS.Durations = briefly()
	config.ECS.Quotas.SnapshotsPerAccount = snapshotQuota
	for number := range benches {
		account := benchAccount(number)
		config.Accounts = append(config.Accounts, cloudsim.Account{ID: account})
		for _, r := range config.ECS.Regions {
			for _, zone := range r.Zones {
				config.ECS.Instances = append(config.ECS.Instances,
					ecs.Instance{ID: benchInstance(account, zone.ID), Account: account, Zone: zone.ID})
			}
		}
	}
	return config
}

// benchAccounts hands out accounts. It is safe for concurrent use.
type benchAccounts struct {
	mu   sync.Mutex
	next int
}

func (a *benchAccounts) take(t *testing.T) string {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next == benches {
		t.Fatal("there are more tests than accounts: raise benches")
	}
	a.next++
	return benchAccount(a.next - 1)
}

// bench is what one test of disks has for itself: an account with a RAM user, a vault, and a volume snapshot location.
// All of these, the location's Secret and the namespace of the application have the bench's name.
type bench struct {
	*vault

	settled *settledAccounts
}

// newBench creates all of a bench but the namespace. Its user has policyDisks and the policy for the bucket, and no other.
// config replaces keys of the snapshot location's config.
func (s *diskSuite) newBench(t *testing.T, name string, config map[string]string) *bench {
	t.Helper()
	b := &bench{
		vault:   s.newVault(t, name, vaultOptions{account: s.accounts.take(t), more: []string{ramPolicy(t, policyDisks)}}),
		settled: s.settled,
	}
	b.createSnapshotLocation(t, region, config)
	b.waitAvailable(t)
	return b
}

func (b *bench) createSnapshotLocation(t *testing.T, region string, config map[string]string) {
	t.Helper()
	merged := map[string]string{"region": region, "network": "public"}
	maps.Copy(merged, config)
	b.create(t, &velerov1.VolumeSnapshotLocation{
		ObjectMeta: inVelero(b.name),
		Spec: velerov1.VolumeSnapshotLocationSpec{
			Provider: "alibabacloud",
			Config:   merged,
			Credential: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: b.name}, Key: secretKey,
			},
		},
	})
}

// backupDisks is backup of the bench's namespace, with its snapshot location.
func (b *bench) backupDisks(t *testing.T, name string) *velerov1.Backup {
	t.Helper()
	return b.backup(t, name, b.name, "--volume-snapshot-locations", b.name)
}

// completedDiskBackup is completedBackup of the bench's namespace, with its snapshot location.
func (b *bench) completedDiskBackup(t *testing.T, name string) {
	t.Helper()
	b.completedBackup(t, name, b.name, "--volume-snapshot-locations", b.name)
}

// inventory is what the bench's account has.
func (b *bench) inventory() ecs.Inventory { return b.cloud.ECS().Inventory(b.account) }

// wantInventory fails unless the account has so many disks, snapshots and groups.
func (b *bench) wantInventory(t *testing.T, when string, disks, snapshots, groups int) {
	t.Helper()
	has := b.inventory()
	if len(has.Disks) != disks || len(has.Snapshots) != snapshots || len(has.SnapshotGroups) != groups {
		t.Errorf("%s the account has %+v, want %d disks, %d snapshots, %d groups", when, has, disks, snapshots, groups)
	}
}

// settle ends a test: it looks for secrets in the logs of the bench's backups and restores, deletes the backups, and
// fails unless the account has these disks then, and nothing else.
func (b *bench) settle(t *testing.T, disks ...string) {
	t.Helper()
	for name, text := range b.logsInBuckets(t, b.bucket) {
		if err := b.secrets.in(name, text); err != nil {
			t.Error(err)
		}
	}
	var backups velerov1.BackupList
	must(t, b.cp.Client.List(t.Context(), &backups, client.MatchingLabels{velerov1.StorageLocationLabel: b.name}))
	for _, backup := range backups.Items {
		b.delete(t, backup.Name)
	}
	want := ecs.Inventory{}
	for _, id := range disks {
		want.Disks = append(want.Disks, b.diskInfo(t, id).Region+"/"+id)
	}
	slices.Sort(want.Disks)
	wantEqual(t, "what the account has when all backups are deleted", b.inventory(), want)
	b.settled.put(b.account, want)
}

// settledAccounts are what the accounts of ended tests must have. It is safe for concurrent use.
type settledAccounts struct {
	mu   sync.Mutex
	want map[string]ecs.Inventory
}

func (s *settledAccounts) put(account string, want ecs.Inventory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.want == nil {
		s.want = map[string]ecs.Inventory{}
	}
	s.want[account] = want
}

// testNothingIsOrphaned looks at the accounts of all tests, which have ended.
func (s *diskSuite) testNothingIsOrphaned(t *testing.T) {
	for number := range s.accounts.next {
		account := benchAccount(number)
		want, settled := s.settled.want[account]
		if !settled {
			t.Errorf("the test with the account %s did not say what is to be left", account)
		}
		wantEqual(t, "what the account "+account+" has", s.cloud.ECS().Inventory(account), want)
	}
}

// calls are the requests of the bench's user for an operation of ECS.
func (b *bench) calls(operation string) []journal.Entry {
	return slices.DeleteFunc(b.cloud.Journal().Entries(), func(entry journal.Entry) bool {
		return entry.Service != ecs.Product || entry.Operation != operation || entry.AccessKeyID != b.key.ID
	})
}

// hosts are the hosts of requests, each once.
func hosts(requests []journal.Entry) []string {
	var found []string
	for _, request := range requests {
		found = append(found, request.Host)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// logs are those of a backup.
func (s *suite) logs(t *testing.T, backup string) string {
	t.Helper()
	return s.cli(t, "backup", "logs", backup)
}

// wantPhase fails unless a restore has ended in a phase.
func (s *suite) wantPhase(t *testing.T, restore *velerov1.Restore, phase velerov1.RestorePhase) {
	t.Helper()
	if restore.Status.Phase == phase {
		return
	}
	described, err := s.tryCLI(t.Context(), "restore", "describe", restore.Name, "--details")
	logs, _ := s.tryCLI(t.Context(), "restore", "logs", restore.Name)
	t.Fatalf("restore %s is %s, want %s: %s %v\n%s (%v)\n%s", restore.Name, restore.Status.Phase, phase,
		restore.Status.FailureReason, restore.Status.ValidationErrors, described, err, warningsAndErrors(logs))
}

// warningsAndErrors are the lines of a log of those levels.
func warningsAndErrors(log string) string {
	var text strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, "level=error") || strings.Contains(line, "level=warning") {
			text.WriteString(line)
		}
	}
	return text.String()
}

// waitPhase waits until a restore is in one of the phases.
func (s *suite) waitPhase(t *testing.T, name string, phases ...velerov1.RestorePhase) {
	t.Helper()
	eventually(t, fmt.Sprintf("the restore %s to be %v", name, phases), func(ctx context.Context) error {
		restore := &velerov1.Restore{}
		if err := s.get(ctx, name, restore); err != nil {
			return err
		}
		if !slices.Contains(phases, restore.Status.Phase) {
			return fmt.Errorf("it is %q", restore.Status.Phase)
		}
		return nil
	})
}
