// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// The cases of this file kill all processes of the plugin. They are not run beside others.

// killPlugin kills the plugin's processes, of which there is at least one now or soon.
func (s *suite) killPlugin(t *testing.T) {
	t.Helper()
	var running []int
	eventually(t, "a process of the plugin", func(context.Context) error {
		if running = pluginProcesses(t, s.pluginDir, s.velero.PID()); len(running) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	killAll(t, running)
}

func (s *diskSuite) testKilledUpload(t *testing.T) {
	b := s.newBench(t, "disk-upload", nil)
	b.change(t, func(l *velerov1.BackupStorageLocation) { l.Spec.Config["partSize"] = "1Mi" })
	s.newNamespace(t, b.name)
	volumes := b.newVolumes(t, 3)
	for number := range 8 {
		s.create(t, incompressible(b.name, number))
	}
	slow := b.addFault(t, fault.Rule{Service: "oss", Operation: "UploadPart", Resource: b.bucket + "/*", Bandwidth: 256 << 10})
	s.cli(t, "backup", "create", "disk-upload-killed", "--storage-location", b.name, "--volume-snapshot-locations", b.name,
		"--include-namespaces", b.name)
	b.waitPartlyUploaded(t)
	s.killPlugin(t)
	slow.Remove()
	s.waitBackup(t, "disk-upload-killed", velerov1.BackupPhaseFailed)
	b.wantInventory(t, "after the backup that failed", 3, 3, 0)
	// ECS makes one snapshot of a disk at a time.
	s.cloud.ECS().Advance(time.Minute)

	b.waitAvailable(t)
	b.completedDiskBackup(t, "disk-upload-next")
	b.wantInventory(t, "after the next backup", 3, 3, 0)
	for _, snapshot := range s.cloud.ECS().Snapshots() {
		if snapshot.Account == b.account {
			wantEqual(t, "the backup of the snapshot "+snapshot.ID, snapshot.Tags["velero.io/backup"], "disk-upload-next")
		}
	}
	var kept []string
	for _, v := range volumes {
		kept = append(kept, v.disk)
	}
	b.settle(t, kept...)
}

// addFault adds a rule that ends with the test.
func (s *suite) addFault(t *testing.T, rule fault.Rule) *fault.Handle {
	t.Helper()
	active, err := s.cloud.Faults().Add(rule)
	must(t, err)
	t.Cleanup(active.Remove)
	return active
}

// waitHit waits until a rule has acted.
func waitHit(t *testing.T, rule *fault.Handle) {
	t.Helper()
	eventually(t, "a request that the rule acts on", func(context.Context) error {
		if rule.Hits() == 0 {
			return errors.New("there was none")
		}
		return nil
	})
}

// hang is longer than it takes to kill a process.
const hang = 30 * time.Second

func (s *diskSuite) testKilledRestores(t *testing.T) {
	b := s.newBench(t, "disk-restores", nil)
	s.newNamespace(t, b.name)
	v := b.newVolume(t, "data", volumeOptions{pv: "pv-disk-restores"})
	b.completedDiskBackup(t, b.name)
	v.overwrite(t)
	// A process that lives may poll at any time; the disks are made when the test says so.
	s.slowDisks(t)

	for _, c := range []struct {
		name string
		// reach returns when the restore has come to the point.
		reach func(t *testing.T, restore string)
		// disks is how many there are at the point.
		disks int
	}{
		{
			name: "before-the-request",
			reach: func(t *testing.T, _ string) {
				t.Helper()
				waitHit(t, b.addFault(t, fault.Rule{Service: ecs.Product, Operation: "CreateDisk", Latency: hang, Count: 1}))
			},
		},
		{
			name: "before-the-answer",
			reach: func(t *testing.T, _ string) {
				t.Helper()
				b.addFault(t, fault.Rule{Service: ecs.Product, Operation: "CreateDisk", Stall: hang, Count: 1})
				b.waitCreating(t, 1)
			},
			disks: 1,
		},
		{
			name: "after-the-answer",
			reach: func(t *testing.T, _ string) {
				t.Helper()
				b.addFault(t, fault.Rule{Service: ecs.Product, Operation: "CreateDisk", Stall: time.Second, Count: 1})
				b.waitCreating(t, 1)
				waitHit(t, b.addFault(t, fault.Rule{Service: ecs.Product, Operation: "DescribeDisks", Latency: hang, Count: 1}))
			},
			disks: 1,
		},
		{
			name: "while-held",
			reach: func(t *testing.T, restore string) {
				t.Helper()
				s.waitPhase(t, restore, velerov1.RestorePhaseWaitingForPluginOperations)
				waitHit(t, b.addFault(t, fault.Rule{Service: ecs.Product, Operation: "DescribeDisks", Latency: hang, Count: 1}))
			},
			disks: 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.lose(t, v)
			killed, again := b.name+"-"+c.name, b.name+"-"+c.name+"-again"
			s.begin(t, killed, b.name)
			c.reach(t, killed)
			s.killPlugin(t)
			s.waitPhase(t, killed, velerov1.RestorePhasePartiallyFailed, velerov1.RestorePhaseFailed)
			t.Logf("After the kill the account has %+v", b.inventory())
			b.wantInventory(t, "after the kill", c.disks, 1, 0)

			s.beginAfterKill(t, again, b.name)
			s.waitPhase(t, again, velerov1.RestorePhaseWaitingForPluginOperations)
			b.wantInventory(t, "while the next restore waits", 1, 1, 0)
			s.cloud.ECS().Advance(slowly)
			s.waitPhase(t, again, velerov1.RestorePhaseCompleted)
			t.Logf("After the next restore the account has %+v", b.inventory())
			v.follow(v.wantRestored(t, v.essd()))
			b.wantInventory(t, "after the next restore", 1, 1, 0)
			s.wantNoHold(t)
		})
	}
	b.settle(t, v.disk)
}

// beginAfterKill is begin, again and again where the restore is refused because its backup storage location is
// Unavailable: a kill of all of the plugin's processes hits the one, too, by which Velero looks at the location.
func (s *suite) beginAfterKill(t *testing.T, name, backup string, args ...string) {
	t.Helper()
	eventually(t, "the restore "+name+" to begin", func(ctx context.Context) error {
		restore := &velerov1.Restore{}
		err := s.get(ctx, name, restore)
		switch {
		case apierrors.IsNotFound(err):
			_, err := s.tryCLI(ctx, append([]string{"restore", "create", name, "--from-backup", backup}, args...)...)
			return errors.Join(errors.New("it has just been asked for"), err)
		case err != nil:
			return err
		case restore.Status.Phase == velerov1.RestorePhaseFailedValidation && strings.Contains(fmt.Sprint(restore.Status.ValidationErrors), "is unavailable"):
			return errors.Join(fmt.Errorf("it was refused: %v", restore.Status.ValidationErrors), s.cp.Client.Delete(ctx, restore))
		case restore.Status.Phase == "" || restore.Status.Phase == velerov1.RestorePhaseNew:
			return errors.New("it has not begun")
		}
		return nil
	})
}

// testKilledServer kills the server while it restores the second of two volumes, and holds the first.
func (s *diskSuite) testKilledServer(t *testing.T) {
	b := s.newBench(t, "disk-server", nil)
	s.newNamespace(t, b.name)
	volumes := []*diskVolume{
		b.newVolume(t, "data-0", volumeOptions{pv: "pv-disk-server-0"}), b.newVolume(t, "data-1", volumeOptions{pv: "pv-disk-server-1"}),
	}
	b.completedDiskBackup(t, b.name)
	b.lose(t, volumes...)
	s.slowDisks(t)

	hanging := b.addFault(t, fault.Rule{Service: ecs.Product, Operation: "CreateDisk", Latency: hang, Skip: 1, Count: 1})
	s.begin(t, "disk-server-killed", b.name)
	waitHit(t, hanging)
	s.killVelero(t)
	s.waitPhase(t, "disk-server-killed", velerov1.RestorePhaseFailed)
	held, err := s.held(t.Context())
	must(t, err)
	wantEqual(t, "how many volumes the killed restore has left held", len(held), 1)
	b.wantInventory(t, "after the kill", 1, 2, 0)

	s.beginAfterKill(t, "disk-server-again", b.name)
	b.waitCreating(t, 2)
	s.waitPhase(t, "disk-server-again", velerov1.RestorePhaseWaitingForPluginOperations)
	s.cloud.ECS().Advance(slowly)
	s.waitPhase(t, "disk-server-again", velerov1.RestorePhaseCompleted)
	var disks []string
	for _, v := range volumes {
		disks = append(disks, diskOf(v.wantRestored(t, v.essd())))
	}
	b.wantInventory(t, "after the next restore", 2, 2, 0)
	s.wantNoHold(t)
	b.settle(t, disks...)
}

// testKilledRelease kills the plugin between the deletion of a held PersistentVolume and the creation of the final one,
// which the cluster refuses for as long.
func (s *diskSuite) testKilledRelease(t *testing.T) {
	b := s.newBench(t, "disk-release", map[string]string{"waitForSnapshot": "false"})
	s.newNamespace(t, b.name)
	v := b.newVolume(t, "data", volumeOptions{pv: "pv-disk-release", disk: ecs.DiskConfig{Category: "cloud_ssd"}})
	durations := briefly()
	durations.Snapshot.Duration = slowly
	s.setDiskDurations(t, durations)
	b.completedDiskBackup(t, b.name)
	v.overwrite(t)
	b.lose(t, v)
	want := v.essd()
	want.Category, want.PerformanceLevel = "cloud_ssd", ""

	s.begin(t, "disk-release-killed", b.name)
	s.waitPhase(t, "disk-release-killed", velerov1.RestorePhaseWaitingForPluginOperations)
	// There is no disk yet: its snapshot cannot be used.
	b.wantInventory(t, "while the snapshot is being made", 0, 1, 0)
	allow := s.refuseVolume(t, v.pv)
	s.cloud.ECS().Advance(slowly)
	s.waitGone(t, "the held volume", &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: v.pv}})
	t.Logf("Before the kill the account has %+v", b.inventory())
	// A process lives for one poll, and it may be one that polls something else.
	eventually(t, "the process that polls to be killed", func(ctx context.Context) error {
		for _, pid := range pluginProcesses(t, s.pluginDir, s.velero.PID()) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // It may have ended.
		}
		restore := &velerov1.Restore{}
		if err := s.get(ctx, "disk-release-killed", restore); err != nil {
			return err
		}
		if restore.Status.Phase != velerov1.RestorePhasePartiallyFailed {
			return fmt.Errorf("the restore is %s", restore.Status.Phase)
		}
		return nil
	})
	allow()

	s.beginAfterKill(t, "disk-release-again", b.name)
	s.waitPhase(t, "disk-release-again", velerov1.RestorePhaseCompleted)
	t.Logf("After the next restore the account has %+v", b.inventory())
	v.follow(v.wantRestored(t, want))
	b.wantInventory(t, "after the next restore", 1, 1, 0)
	s.wantNoHold(t)
	b.settle(t, v.disk)
}

// refuseVolume makes the cluster refuse to create a PersistentVolume of that name. It returns when it does, and what it
// returns makes it take it again.
func (s *suite) refuseVolume(t *testing.T, name string) (allow func()) {
	t.Helper()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "refuse-" + name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule: admissionv1.Rule{
						APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"persistentvolumes"},
					},
				},
			}}},
			Validations: []admissionv1.Validation{{Expression: fmt.Sprintf("object.metadata.name != %q", name)}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}
	s.create(t, policy, binding)
	probe := func(ctx context.Context) error {
		pv := &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PersistentVolumeSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, Capacity: capacity(1),
				PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/probe"}},
			},
		}
		return s.cp.Client.Create(ctx, pv, client.DryRunAll)
	}
	eventually(t, "the policy to act", func(ctx context.Context) error {
		if err := probe(ctx); !apierrors.IsInvalid(err) {
			return fmt.Errorf("a volume of that name is not refused: %w", err)
		}
		return nil
	})
	return func() {
		must(t, s.cp.Client.Delete(t.Context(), binding))
		must(t, s.cp.Client.Delete(t.Context(), policy))
		eventually(t, "the policy to act no more", func(ctx context.Context) error { return probe(ctx) })
	}
}
