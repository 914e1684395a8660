// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	riav2 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

var _ riav2.RestoreItemAction = (*restoreitemaction.VolumeReady)(nil)

var errLater = errors.New("the cloud does not answer")

// operationID is the id of the operation on disk("d-new").
const operationID = `{"persistentVolume":"pv-1","volume":"d-new","provider":"alibabacloud"}`

// heldDisk is disk(id) as Execute holds it for restore-1.
func heldDisk(id string) *corev1.PersistentVolume {
	pv := disk(id)
	pv.Labels[holdKey] = "held"
	pv.Annotations[holdKey] = `{"restore":"restore-1","restoreUID":"uid-of-restore-1","volume":"` + id +
		`","claim":{"kind":"PersistentVolumeClaim","namespace":"shop","name":"data","apiVersion":"v1"}}`
	pv.Spec.ClaimRef = &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: veleroNamespace, Name: "volume-ready-pv-1"}
	return pv
}

// of returns pv as changed by change.
func of(pv *corev1.PersistentVolume, change func(*corev1.PersistentVolume)) *corev1.PersistentVolume {
	change(pv)
	return pv
}

func TestVolumeReadyHoldsWhatIsBeingMade(t *testing.T) {
	t.Parallel()
	heldElsewhere := func(pv *corev1.PersistentVolume) {
		pv.Annotations[holdKey] = strings.ReplaceAll(pv.Annotations[holdKey], "restore-1", "restore-0")
	}
	unclaimed := func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef = nil }
	longNamed := strings.Repeat("n", 250)
	tests := []struct {
		name    string
		pv      *corev1.PersistentVolume
		state   state
		mapping map[string]string
		backup  string
		want    *corev1.PersistentVolume
		wantOp  string
	}{
		{
			name: "a volume that is being made is held", pv: disk("d-new"), state: state{polls: 1},
			want: heldDisk("d-new"), wantOp: operationID,
		},
		{
			name: "one that cannot be asked for now is held", pv: disk("d-new"), state: state{progressErr: errLater},
			want: heldDisk("d-new"), wantOp: operationID,
		},
		{
			name: "one whose location cannot be read is held", pv: disk("d-new"), backup: "gone",
			want: heldDisk("d-new"), wantOp: operationID,
		},
		{
			name: "a whole one that cannot be finished now is held", pv: disk("d-new"), state: state{finishErr: errLater},
			want: heldDisk("d-new"), wantOp: operationID,
		},
		{
			name: "one without a claim is held and notes none", pv: of(disk("d-new"), unclaimed), state: state{polls: 1},
			want: of(heldDisk("d-new"), func(pv *corev1.PersistentVolume) {
				pv.Annotations[holdKey] = `{"restore":"restore-1","restoreUID":"uid-of-restore-1","volume":"d-new"}`
			}),
			wantOp: operationID,
		},
		{
			name: "one that this restore holds already stays as it is", pv: heldDisk("d-new"), state: state{polls: 1},
			want: heldDisk("d-new"), wantOp: operationID,
		},
		{
			name: "one that was held when it was backed up is held for its real claim", pv: of(heldDisk("d-new"), heldElsewhere), state: state{polls: 1},
			want: heldDisk("d-new"), wantOp: operationID,
		},
		{
			name: "the real claim of such a one is in the namespace that its own is restored to",
			pv:   of(heldDisk("d-new"), heldElsewhere), mapping: map[string]string{"shop": "shop-2"},
			want: of(disk("d-new"), func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef.Namespace = "shop-2" }),
		},
		{
			name: "such a one without a claim has none",
			pv:   of(heldDisk("d-new"), func(pv *corev1.PersistentVolume) { pv.Annotations[holdKey] = `{"restore":"restore-0"}` }),
			want: of(disk("d-new"), unclaimed),
		},
		{
			name: "a whole one has its claim, its final id and its zone", pv: disk("d-new"), state: state{finalID: "d-final", finalZone: "cn-beijing-k"},
			want: of(disk("d-final"), func(pv *corev1.PersistentVolume) { pv.Spec.NodeAffinity = inZone("cn-beijing-k") }),
		},
		{
			name: "no claim's name is too long", state: state{polls: 1},
			pv: of(disk("d-new"), func(pv *corev1.PersistentVolume) { pv.Name = longNamed }),
			want: of(heldDisk("d-new"), func(pv *corev1.PersistentVolume) {
				pv.Name = longNamed
				pv.Spec.ClaimRef.Name = "volume-ready-213b83271b358ed960938751e3f3f6d81cfb08fe1cb5424d1046bbbc6e6d1e3c"
			}),
			wantOp: `{"persistentVolume":"` + longNamed + `","volume":"d-new","provider":"alibabacloud"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.volumes.states["d-new"] = &tt.state
			w.restore.Spec.NamespaceMapping = tt.mapping
			if tt.backup != "" {
				w.restore.Spec.BackupName = tt.backup
			}
			output, err := w.process(&steps{}).Execute(w.input(t, tt.pv))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, asVolume(t, output.UpdatedItem), byAPIServer()); diff != "" {
				t.Errorf("the item differs (-want +got):\n%s", diff)
			}
			if output.OperationID != tt.wantOp {
				t.Errorf("OperationID = %s, want %s", output.OperationID, tt.wantOp)
			}
		})
	}
}

func TestVolumeReadyLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	foreign := of(disk(""), func(pv *corev1.PersistentVolume) {
		pv.Spec.CSI = nil
		pv.Spec.AWSElasticBlockStore = &corev1.AWSElasticBlockStoreVolumeSource{VolumeID: "vol-1"}
	})
	tests := []struct {
		name string
		pv   *corev1.PersistentVolume
	}{
		{name: "a volume of another kind", pv: foreign},
		{name: "a volume for which nothing was made", pv: disk("d-backed-up")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			input := w.input(t, tt.pv)
			// A field of a newer Kubernetes, which no typed PersistentVolume has.
			spec, _ := input.Item.UnstructuredContent()["spec"].(map[string]any)
			spec["newer"] = "field"
			want := &velero.RestoreItemActionExecuteOutput{UpdatedItem: asItem(t, tt.pv)}
			wantSpec, _ := want.UpdatedItem.UnstructuredContent()["spec"].(map[string]any)
			wantSpec["newer"] = "field"
			process := &steps{}
			output, err := w.process(process).Execute(input)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, output); diff != "" {
				t.Errorf("the output differs (-want +got):\n%s", diff)
			}
			if process.done != 0 {
				t.Errorf("%d calls were made, want none", process.done)
			}
		})
	}
}

func TestVolumeReadyRefusesWhatNeverBecomesWhole(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		pv      *corev1.PersistentVolume
		state   state
		want    string
		discard bool
	}{
		{
			name: "a failed volume is removed, and its PersistentVolume not restored", pv: disk("d-new"),
			state: state{reason: "no stock"}, want: "the volume d-new was not made: no stock", discard: true,
		},
		{
			name: "a failed volume that cannot be removed is named", pv: disk("d-new"),
			state: state{reason: "no stock", discardErr: errLater},
			want:  "the volume d-new was not made: no stock\nremoving the volume d-new, which is of no use: the cloud does not answer",
		},
		{
			name:  "a note that somebody has changed hides the claim",
			pv:    of(disk("d-new"), func(pv *corev1.PersistentVolume) { pv.Annotations[holdKey] = "shop/data" }),
			state: state{polls: 1}, discard: true,
			want: "reading the annotation alibabacloud.com/volume-ready of the PersistentVolume pv-1: invalid character 's' looking for beginning of value",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.volumes.states["d-new"] = &tt.state
			_, err := w.process(&steps{}).Execute(w.input(t, tt.pv))
			if err == nil || err.Error() != tt.want {
				t.Errorf("Execute() error = %v, want %s", err, tt.want)
			}
			if _, left := w.volumes.states["d-new"]; left == tt.discard {
				t.Errorf("the volume is left: %t, want %t", left, !tt.discard)
			}
		})
	}
}

func TestVolumeReadyRefusesWhatIsNoVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := &unstructured.Unstructured{Object: map[string]any{"spec": "none"}}
	for _, change := range []func(*velero.RestoreItemActionExecuteInput){
		func(input *velero.RestoreItemActionExecuteInput) { input.Item = broken },
		func(input *velero.RestoreItemActionExecuteInput) { input.ItemFromBackup = broken },
	} {
		input := w.input(t, disk("d-new"))
		change(input)
		if _, err := w.process(&steps{}).Execute(input); err == nil || !strings.Contains(err.Error(), "reading a PersistentVolume") {
			t.Errorf("Execute() error = %v, want that of reading", err)
		}
	}
}

func TestVolumeReadyNames(t *testing.T) {
	t.Parallel()
	action := newWorld(t).process(&steps{})
	if action.Name() != "alibabacloud.com/volume-ready" {
		t.Errorf("Name() = %s", action.Name())
	}
	if ready, err := action.AreAdditionalItemsReady(nil, &velerov1.Restore{}); !ready || err != nil {
		t.Errorf("AreAdditionalItemsReady() = %t, %v, want true", ready, err)
	}
}

// annotatedVolumes are those of another snapshotter, which knows its own by an annotation.
type annotatedVolumes struct{ volumesOfProcess }

func (annotatedVolumes) VolumeID(pv *corev1.PersistentVolume) string { return pv.Annotations["files"] }

func TestVolumeReadyLeavesAVolumeToTheFirstProviderThatKnowsIt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*corev1.PersistentVolume)
		want   string
	}{
		{
			name:   "the first knows it",
			change: func(pv *corev1.PersistentVolume) { pv.Annotations = map[string]string{"files": "f-new"} },
			want:   `{"persistentVolume":"pv-1","volume":"f-new","provider":"velero.io/alibabacloud"}`,
		},
		{name: "the second alone knows it", change: func(*corev1.PersistentVolume) {}, want: operationID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.volumes.states["f-new"] = &state{polls: 1}
			w.volumes.states["d-new"] = &state{polls: 1}
			log, _ := logrustest.NewNullLogger()
			disks := volumesOfProcess{w.volumes, &steps{}}
			action := restoreitemaction.NewVolumeReady(log, cluster.New(w.client, veleroNamespace),
				restoreitemaction.Provider{Name: "velero.io/" + provider, Volumes: annotatedVolumes{disks}},
				restoreitemaction.Provider{Name: provider, Volumes: disks})
			t.Cleanup(action.Close)
			pv := disk("d-new")
			input := w.input(t, pv)
			tt.change(pv)
			input.Item = asItem(t, pv)
			output, err := action.Execute(input)
			if err != nil {
				t.Fatal(err)
			}
			if output.OperationID != tt.want {
				t.Errorf("operation %s, want %s", output.OperationID, tt.want)
			}
		})
	}
}
