// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

// held restores pv with the action as Velero does, and returns it as it was created.
func (w *world) held(t *testing.T, action interface {
	Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error)
}, pv *corev1.PersistentVolume,
) *corev1.PersistentVolume {
	t.Helper()
	output, err := action.Execute(w.input(t, pv))
	if err != nil {
		t.Fatal(err)
	}
	created := asVolume(t, output.UpdatedItem)
	created.UID = types.UID("uid-of-" + created.Name)
	if err := w.client.Create(t.Context(), created); err != nil {
		t.Fatal(err)
	}
	return created
}

func TestVolumeReadyReleasesWhileTheRestoreGoesOn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		volume *state
		// after is how long Velero goes on restoring.
		after time.Duration
		want  *corev1.PersistentVolume // nil: it is still held
	}{
		{"a volume that becomes whole meanwhile", &state{polls: 2}, time.Minute, disk("d-1")},
		{"one whose disk is made only then", &state{polls: 2, finalID: "d-2", finalZone: "cn-beijing-k"}, time.Minute, of(disk("d-2"), func(pv *corev1.PersistentVolume) {
			pv.Spec.NodeAffinity = inZone("cn-beijing-k")
		})},
		{"one that is not whole yet stays held", &state{polls: 100}, time.Minute, nil},
		{"one that has failed is left to the poll that tells why", &state{polls: 1, reason: "the disk has failed"}, time.Minute, nil},
		{"one that cannot be asked for stays held", &state{polls: 1, progressErr: errors.New("throttled")}, time.Minute, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.volumes.states["d-1"] = tt.volume
				want := w.held(t, w.process(&steps{}), disk("d-1"))
				if tt.want != nil {
					want = tt.want
				}
				time.Sleep(tt.after)
				synctest.Wait()
				w.checkVolume(t, want)
			})
		})
	}
}

func TestVolumeReadyWaitsForAVolumeThatVeleroHasNotCreated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.volumes.states["d-1"] = &state{polls: 1}
		output, err := w.process(&steps{}).Execute(w.input(t, disk("d-1")))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, ok := w.volumes.states["d-1"]; !ok {
			t.Fatal("the volume was discarded")
		}
		if err := w.client.Create(t.Context(), asVolume(t, output.UpdatedItem)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.checkVolume(t, disk("d-1"))
	})
}

// heldBefore is a PersistentVolume that was backed up while a restore held it.
func heldBefore() *corev1.PersistentVolume {
	return of(disk("d-backed-up"), func(pv *corev1.PersistentVolume) {
		metav1.SetMetaDataAnnotation(&pv.ObjectMeta, holdKey,
			`{"restore":"before","restoreUID":"uid-of-before","volume":"d-backed-up","claim":{"kind":"PersistentVolumeClaim","namespace":"shop","name":"data","apiVersion":"v1"}}`)
		metav1.SetMetaDataLabel(&pv.ObjectMeta, holdKey, "held")
		pv.Spec.ClaimRef = &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: veleroNamespace, Name: "volume-ready-" + pvName}
	})
}

func TestVolumeReadyRefusesWhatWasBackedUpWhileFilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.volumes.states["d-backed-up"] = &state{}
	log, _ := logrustest.NewNullLogger()
	action := restoreitemaction.NewVolumeReady(log, cluster.New(w.client, veleroNamespace),
		restoreitemaction.Provider{Name: provider, Volumes: volumesOfProcess{w.volumes, &steps{}}, OfOneRestore: true})
	t.Cleanup(action.Close)
	if output, err := action.Execute(w.input(t, heldBefore())); err == nil || !strings.Contains(err.Error(), "was backed up while a restore still filled it") {
		t.Errorf("output %v, error %v", output, err)
	}
	if _, left := w.volumes.states["d-backed-up"]; !left {
		t.Error("the volume of the restore before was discarded")
	}
}

func TestVolumeReadyReleasesWhatWasBackedUpWhileHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	held := heldBefore()
	w.volumes.states["d-backed-up"] = &state{}
	w.restore.Spec.NamespaceMapping = map[string]string{"shop": "shop-copy"}
	output, err := w.process(&steps{}).Execute(w.input(t, held))
	if err != nil {
		t.Fatal(err)
	}
	want := of(disk("d-backed-up"), func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef.Namespace = "shop-copy" })
	if diff := cmp.Diff(want, asVolume(t, output.UpdatedItem), byAPIServer()); diff != "" {
		t.Errorf("the PersistentVolume (-want +got):\n%s", diff)
	}
}

func TestVolumeReadyPassesAVolumeByOfWhichTheBackupHasNoLocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	backup := &velerov1.Backup{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: veleroNamespace, Name: "backup-1"}, backup); err != nil {
		t.Fatal(err)
	}
	backup.Spec.VolumeSnapshotLocations = nil
	if err := w.client.Update(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	output, err := w.process(&steps{}).Execute(w.input(t, disk("d-of-another")))
	if err != nil {
		t.Fatal(err)
	}
	want := &velero.RestoreItemActionExecuteOutput{UpdatedItem: output.UpdatedItem}
	if diff := cmp.Diff(want, output); diff != "" {
		t.Errorf("the output (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(disk("d-of-another"), asVolume(t, output.UpdatedItem), byAPIServer()); diff != "" {
		t.Errorf("the PersistentVolume (-want +got):\n%s", diff)
	}
}

func TestVolumeReadyAsksASilentCloudOnceInAPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.volumes.states["d-1"] = &state{polls: 1}
		op := w.hold(t, disk("d-1"))
		silent := &silentVolumes{volumesOfProcess: volumesOfProcess{w.volumes, &steps{}}}
		process := w.of(silent)
		for range 3 {
			progress, err := process.Progress(op, w.restore)
			if err != nil || progress.Completed {
				t.Fatalf("progress %v, error %v: want that it is not completed", progress, err)
			}
		}
		if silent.asked != 1 {
			t.Errorf("the cloud was asked %d times, want once", silent.asked)
		}
	})
}

// silentVolumes are those of a cloud that does not answer.
type silentVolumes struct {
	volumesOfProcess
	asked int
}

// Progress ends with the context.
func (v *silentVolumes) Progress(ctx context.Context, _ *velerov1.Restore, _ map[string]string, _ string, _ *corev1.PersistentVolume) (velero.OperationProgress, error) {
	v.asked++
	<-ctx.Done()
	return velero.OperationProgress{}, ctx.Err()
}
