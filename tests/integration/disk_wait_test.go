// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
)

// The cases of this file change how long ECS takes, for all accounts. They are not run beside others.

// briefly is how long disks and snapshots take by default.
func briefly() ecs.Durations {
	return ecs.Durations{
		CreateDisk: metav1.Duration{Duration: time.Second},
		Snapshot:   metav1.Duration{Duration: 3 * time.Second},
		Copy:       metav1.Duration{Duration: 3 * time.Second},
	}
}

// slowly is longer than any test waits: only Advance ends it.
const slowly = time.Hour

// slowDisks makes the disks that the test makes take slowly.
func (s *diskSuite) slowDisks(t *testing.T) {
	t.Helper()
	durations := briefly()
	durations.CreateDisk.Duration = slowly
	s.setDiskDurations(t, durations)
}

// setDiskDurations says how long ECS takes from now on, until the test ends.
func (s *suite) setDiskDurations(t *testing.T, durations ecs.Durations) {
	t.Helper()
	s.cloud.ECS().SetDurations(durations)
	t.Cleanup(func() { s.cloud.ECS().SetDurations(briefly()) })
}

// creating are the disks of the bench's account that are being made.
func (b *bench) creating() []ecs.DiskInfo {
	var found []ecs.DiskInfo
	for _, disk := range b.cloud.ECS().Disks() {
		if disk.Account == b.account && disk.Status == "Creating" {
			found = append(found, disk)
		}
	}
	return found
}

// waitCreating waits until so many disks are being made at a time.
func (b *bench) waitCreating(t *testing.T, number int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d disks to be made at a time", number), func(context.Context) error {
		if found := b.creating(); len(found) != number {
			return fmt.Errorf("there are %d", len(found))
		}
		return nil
	})
}

// begin creates a restore and does not wait for it.
func (s *suite) begin(t *testing.T, name, backup string, args ...string) {
	t.Helper()
	s.cli(t, append([]string{"restore", "create", name, "--from-backup", backup}, args...)...)
}

func (s *diskSuite) testTenSlowDisks(t *testing.T) {
	const disks = 10
	b := s.newBench(t, "disk-ten", nil)
	s.newNamespace(t, b.name)
	volumes := b.newVolumes(t, disks)
	b.completedDiskBackup(t, b.name)

	for _, c := range []struct {
		name string
		args []string
		// interrupt is done while all disks are being made.
		interrupt func(*testing.T)
	}{
		{name: "everything"},
		{name: "one-namespace", args: []string{"--include-namespaces", b.name}},
		{name: "killed", interrupt: s.killVelero},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.lose(t, volumes...)
			s.slowDisks(t)
			restore := b.name + "-" + c.name
			start := time.Now()
			s.begin(t, restore, b.name, c.args...)
			b.waitCreating(t, disks)
			s.waitPhase(t, restore, velerov1.RestorePhaseWaitingForPluginOperations)
			for _, v := range volumes {
				v.wantWaiting(t)
			}
			if c.interrupt != nil {
				c.interrupt(t)
			}
			s.cloud.ECS().Advance(slowly)
			s.waitPhase(t, restore, velerov1.RestorePhaseCompleted)
			t.Logf("%d disks of %s each were restored in that and %s", disks, slowly, time.Since(start).Round(time.Second))
			for _, v := range volumes {
				v.follow(v.wantRestored(t, v.essd()))
			}
			b.wantInventory(t, "after the restore", disks, disks, 0)
		})
	}
	var kept []string
	for _, v := range volumes {
		kept = append(kept, v.disk)
	}
	b.settle(t, kept...)
}

// testUnfinishedDisks restores disks that never become whole.
func (s *diskSuite) testUnfinishedDisks(t *testing.T) {
	b := s.newBench(t, "disk-unfinished", nil)
	s.newNamespace(t, b.name)
	v := b.newVolume(t, "data", volumeOptions{pv: "pv-disk-unfinished"})
	b.completedDiskBackup(t, b.name)
	for _, c := range []struct {
		name string
		args []string
		// end ends the creation of the disk, after which the restore ends.
		end  func() error
		want []string
	}{
		{
			name: "fails",
			end:  func() error { return s.cloud.ECS().FailDisk(b.creating()[0].ID) },
			want: []string{"restore disk from ECS snapshot failed", "ECS could not make it"},
		},
		{
			name: "times-out",
			args: []string{"--item-operation-timeout", "1s"},
			// The volume is given up first. The disk can be deleted when it has been made.
			end: func() error {
				gone := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: v.pv}}
				s.waitGone(t, "the held volume", gone)
				s.cloud.ECS().Advance(slowly)
				return nil
			},
			want: []string{"Asynchronous action timed out"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.lose(t, v)
			s.slowDisks(t)
			restore := b.name + "-" + c.name
			s.begin(t, restore, b.name, c.args...)
			b.waitCreating(t, 1)
			s.waitPhase(t, restore, velerov1.RestorePhaseWaitingForPluginOperations, velerov1.RestorePhaseWaitingForPluginOperationsPartiallyFailed)
			must(t, c.end())
			s.waitPhase(t, restore, velerov1.RestorePhasePartiallyFailed)
			must(t, wantText(s.cli(t, "restore", "describe", restore, "--details"), c.want...))
			s.waitGone(t, "the held volume", &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: v.pv}})
			b.wantInventory(t, "after the restore", 0, 1, 0)
			v.wantWaiting(t)
			s.wantNoHold(t)
			s.cloud.ECS().SetDurations(briefly())
			b.deleteApplication(t)
			s.completedRestore(t, restore+"-again", b.name)
			v.follow(v.wantRestored(t, v.essd()))
		})
	}
	b.settle(t, v.disk)
}

// testSoldOutZone changes what a zone sells, for all accounts.
func (s *diskSuite) testSoldOutZone(t *testing.T) {
	b := s.newBench(t, "disk-sold-out", nil)
	s.newNamespace(t, b.name)
	v := b.newVolume(t, "data", volumeOptions{})
	b.completedDiskBackup(t, b.name)
	b.lose(t, v)
	must(t, s.cloud.ECS().SetZone(ecs.Zone{ID: zoneH, SoldOut: []string{"cloud_essd"}}))
	t.Cleanup(func() { must(t, s.cloud.ECS().SetZone(ecs.Zone{ID: zoneH})) })
	s.completedRestore(t, b.name, b.name)
	want := v.essd()
	want.Zone = zoneI
	pv := v.wantRestored(t, want)
	must(t, wantText(s.cli(t, "restore", "logs", b.name), "for ECS does not sell cloud_essd.PL1 of 20 GiB in "+zoneH))
	b.settle(t, diskOf(pv))
}

// wantWaiting fails unless the claim is there and not bound.
func (v *diskVolume) wantWaiting(t *testing.T) {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{}
	must(t, v.bench.cp.Client.Get(t.Context(), client.ObjectKey{Namespace: v.namespace, Name: v.name}, claim))
	wantEqual(t, "the phase of the claim "+v.name+" while its disk is being made", claim.Status.Phase, corev1.ClaimPending)
}

// follow makes a restored volume the one that is meant from now on.
func (v *diskVolume) follow(pv *corev1.PersistentVolume) {
	v.pv, v.disk = pv.Name, diskOf(pv)
}

// killVelero ends the server and the plugin's processes as the kernel does when memory is short, and starts the server
// again.
func (s *suite) killVelero(t *testing.T) {
	t.Helper()
	// The server first: it would take note of what becomes of its plugin.
	plugins := pluginProcesses(t, s.pluginDir, s.velero.PID())
	must(t, s.velero.Kill())
	for _, pid := range plugins {
		_ = syscall.Kill(pid, syscall.SIGKILL) // It may have ended: a process lives for one poll.
	}
	must(t, s.velero.Restart(t.Context()))
}

// held are the PersistentVolumes that volume-ready holds.
func (s *suite) held(ctx context.Context) ([]corev1.PersistentVolume, error) {
	var held corev1.PersistentVolumeList
	err := s.cp.Client.List(ctx, &held, client.MatchingLabels{"alibabacloud.com/volume-ready": "held"})
	return held.Items, err
}

// wantNoHold fails if anything is left of what volume-ready makes while a volume is not whole.
func (s *suite) wantNoHold(t *testing.T) {
	t.Helper()
	held, err := s.held(t.Context())
	must(t, err)
	var stashes corev1.ConfigMapList
	must(t, s.cp.Client.List(t.Context(), &stashes, client.InNamespace(controlplane.VeleroNamespace),
		client.HasLabels{"alibabacloud.com/volume-ready"}))
	if len(held)+len(stashes.Items) > 0 {
		t.Errorf("%d PersistentVolumes are held and %d are stashed, want none", len(held), len(stashes.Items))
	}
}
