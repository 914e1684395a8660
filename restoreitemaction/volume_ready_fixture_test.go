// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

const (
	provider   = "alibabacloud"
	diskDriver = "diskplugin.csi.alibabacloud.com"
	holdKey    = "alibabacloud.com/volume-ready"
	zoneKey    = "topology.diskplugin.csi.alibabacloud.com/zone"
	pvName     = "pv-1"
)

// errKilled is what a process sees of its calls after it was killed: nothing.
var errKilled = errors.New("the process was killed")

// world is a cluster that is restored to and the cloud of its volumes.
type world struct {
	client  client.WithWatch // the API server, as a bystander sees it
	volumes *volumes
	restore *velerov1.Restore
	// processes end with the test.
	processes []*restoreitemaction.VolumeReady
}

// newWorld returns a world with a running Restore, its Backup and location, and the objects.
func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme, err := cluster.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	restore := newRestore("restore-1")
	objects = append(objects, restore,
		&velerov1.Backup{
			ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: "backup-1"},
			Spec:       velerov1.BackupSpec{VolumeSnapshotLocations: []string{"default"}},
		},
		&velerov1.VolumeSnapshotLocation{
			ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: "default"},
			Spec:       velerov1.VolumeSnapshotLocationSpec{Provider: provider, Config: map[string]string{"region": "cn-beijing"}},
		},
	)
	w := &world{
		client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
			WithInterceptorFuncs(interceptor.Funcs{Patch: refuseImmutable}).Build(),
		volumes: &volumes{states: map[string]*state{}},
		restore: restore,
	}
	t.Cleanup(func() {
		for _, process := range w.processes {
			process.Close()
		}
	})
	return w
}

// refuseImmutable refuses what the API server refuses and the fake client does
// not: another source or node affinity for a PersistentVolume.
func refuseImmutable(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if changed, ok := object.(*corev1.PersistentVolume); ok {
		before := &corev1.PersistentVolume{}
		if err := c.Get(ctx, client.ObjectKeyFromObject(object), before); err != nil {
			return err
		}
		if !equality.Semantic.DeepEqual(before.Spec.PersistentVolumeSource, changed.Spec.PersistentVolumeSource) ||
			!equality.Semantic.DeepEqual(before.Spec.NodeAffinity, changed.Spec.NodeAffinity) {
			return apierrors.NewBadRequest("spec is immutable")
		}
	}
	return c.Patch(ctx, object, patch, options...)
}

// steps counts the calls of a process and kills it at one of them.
type steps struct {
	done    int
	killAt  int  // 0: never
	applied bool // whether the call at which it is killed still takes effect
}

func (s *steps) do(call func() error) error {
	s.done++
	switch {
	case s.killAt == 0 || s.done < s.killAt:
		return call()
	case s.done == s.killAt && s.applied:
		_ = call()
	}
	return errKilled
}

// funcs passes every call of a client through the steps.
func (s *steps) funcs() interceptor.Funcs {
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return s.do(func() error { return c.Get(ctx, key, object, options...) })
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return s.do(func() error { return c.List(ctx, list, options...) })
		},
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return s.do(func() error { return c.Create(ctx, object, options...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			return s.do(func() error { return c.Delete(ctx, object, options...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			return s.do(func() error { return c.Update(ctx, object, options...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return s.do(func() error { return c.Patch(ctx, object, patch, options...) })
		},
	}
}

// process returns the action of a new plugin process, whose calls are the steps.
func (w *world) process(s *steps) *restoreitemaction.VolumeReady {
	return w.processWith(interceptor.NewClient(w.client, s.funcs()), s)
}

func (w *world) processWith(c client.Client, s *steps) *restoreitemaction.VolumeReady {
	log, _ := logrustest.NewNullLogger()
	return w.logging(log, c, s)
}

// of returns the action of a new plugin process with its own cloud.
func (w *world) of(v restoreitemaction.Volumes) *restoreitemaction.VolumeReady {
	log, _ := logrustest.NewNullLogger()
	w.processes = append(w.processes, restoreitemaction.NewVolumeReady(log, cluster.New(w.client, veleroNamespace), restoreitemaction.Provider{Name: provider, Volumes: v}))
	return w.processes[len(w.processes)-1]
}

func (w *world) logging(log logrus.FieldLogger, c client.Client, s *steps) *restoreitemaction.VolumeReady {
	w.processes = append(w.processes, restoreitemaction.NewVolumeReady(log, cluster.New(c, veleroNamespace), restoreitemaction.Provider{Name: provider, Volumes: volumesOfProcess{w.volumes, s}}))
	return w.processes[len(w.processes)-1]
}

// hold lets Velero restore pv, whose volume is being made, and returns the operation's id.
func (w *world) hold(t *testing.T, pv *corev1.PersistentVolume) string {
	t.Helper()
	process := w.process(&steps{})
	output, err := process.Execute(w.input(t, pv))
	if err != nil {
		t.Fatal(err)
	}
	process.Close() // What follows comes from other processes.
	restored := asVolume(t, output.UpdatedItem)
	metav1.SetMetaDataLabel(&restored.ObjectMeta, velerov1.RestoreNameLabel, w.restore.Name)
	restored.UID = types.UID("uid-of-" + restored.Name + "-held-by-" + w.restore.Name)
	if err := w.client.Create(t.Context(), restored); err != nil {
		t.Fatal(err)
	}
	return output.OperationID
}

// input is what Velero gives to Execute for pv, which had the volume d-backed-up.
func (w *world) input(t *testing.T, pv *corev1.PersistentVolume) *velero.RestoreItemActionExecuteInput {
	t.Helper()
	fromBackup := pv.DeepCopy()
	if fromBackup.Spec.CSI != nil {
		fromBackup.Spec.CSI.VolumeHandle = "d-backed-up"
	}
	return &velero.RestoreItemActionExecuteInput{Item: asItem(t, pv), ItemFromBackup: asItem(t, fromBackup), Restore: w.restore}
}

// volume returns the PersistentVolume as it is, nil if it is gone.
func (w *world) volume(t *testing.T) *corev1.PersistentVolume {
	t.Helper()
	pv := &corev1.PersistentVolume{}
	err := w.client.Get(t.Context(), client.ObjectKey{Name: pvName}, pv)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return pv
}

// stashes returns how many ConfigMaps there are.
func (w *world) stashes(t *testing.T) int {
	t.Helper()
	var kept corev1.ConfigMapList
	if err := w.client.List(t.Context(), &kept); err != nil {
		t.Fatal(err)
	}
	return len(kept.Items)
}

// checkVolume compares a PersistentVolume with what is wanted; nil is none.
func (w *world) checkVolume(t *testing.T, want *corev1.PersistentVolume) {
	t.Helper()
	if diff := cmp.Diff(want, w.volume(t), byAPIServer()); diff != "" {
		t.Errorf("the PersistentVolume differs (-want +got):\n%s", diff)
	}
}

// byAPIServer leaves out what the API server gives an object.
func byAPIServer() cmp.Option {
	return cmp.Options{
		cmpopts.IgnoreFields(metav1.ObjectMeta{}, "ResourceVersion", "UID"),
		cmpopts.IgnoreTypes(metav1.TypeMeta{}),
		cmpopts.EquateEmpty(),
	}
}

// disk is a PersistentVolume of a disk, as Velero hands it to actions.
func disk(id string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolume"},
		ObjectMeta: metav1.ObjectMeta{
			Name:        pvName,
			Labels:      map[string]string{"tier": "gold"},
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": diskDriver},
			Finalizers:  []string{"kubernetes.io/pv-protection"},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")},
			AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			StorageClassName:              "alicloud-disk-essd",
			ClaimRef:                      &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: "shop", Name: "data"},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: diskDriver, VolumeHandle: id, FSType: "ext4"},
			},
			NodeAffinity: inZone("cn-beijing-h"),
		},
	}
}

func inZone(zone string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: zoneKey, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}},
	}}}}
}

// restored is pv as Velero has restored it.
func restored(pv *corev1.PersistentVolume) *corev1.PersistentVolume {
	metav1.SetMetaDataLabel(&pv.ObjectMeta, velerov1.RestoreNameLabel, "restore-1")
	return pv
}

func asItem(t *testing.T, object any) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

func asVolume(t *testing.T, item runtime.Unstructured) *corev1.PersistentVolume {
	t.Helper()
	pv := &corev1.PersistentVolume{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.UnstructuredContent(), pv); err != nil {
		t.Fatal(err)
	}
	return pv
}

// state is how far a volume is.
type state struct {
	polls     int    // calls of Progress until it is whole, or has failed
	reason    string // why it fails; empty: it does not
	finalID   string // empty: its id is final
	finalZone string // empty: that of the PersistentVolume
	settled   bool   // whether what it was made with was removed

	progressErr, finishErr, discardErr error // what the calls answer for now
}

// volumes is the cloud: volumes take some polls until they are whole or have failed.
type volumes struct {
	states map[string]*state
}

func (v *volumes) progress(id string) (velero.OperationProgress, error) {
	volume, ok := v.states[id]
	switch {
	case !ok:
		return velero.OperationProgress{Completed: true, Err: "there is no volume " + id}, nil
	case volume.progressErr != nil:
		return velero.OperationProgress{}, volume.progressErr
	case volume.polls > 0:
		volume.polls--
		return velero.OperationProgress{NTotal: 100, OperationUnits: "percent", Description: "Being made"}, nil
	default:
		return velero.OperationProgress{Completed: true, Err: volume.reason, NCompleted: 100, NTotal: 100, OperationUnits: "percent"}, nil
	}
}

func (v *volumes) finish(id string, pv *corev1.PersistentVolume) (*corev1.PersistentVolume, error) {
	volume, ok := v.states[id]
	if !ok {
		return nil, fmt.Errorf("there is no volume %s", id)
	}
	if volume.finishErr != nil {
		return nil, volume.finishErr
	}
	if volume.finalID != "" {
		pv.Spec.CSI.VolumeHandle = volume.finalID
	}
	if volume.finalZone != "" {
		pv.Spec.NodeAffinity = inZone(volume.finalZone)
	}
	return pv, nil
}

func (v *volumes) settle(id string) error {
	if volume, ok := v.states[id]; ok {
		volume.settled = true
	}
	return nil
}

func (v *volumes) discard(id string) error {
	if volume, ok := v.states[id]; ok && volume.discardErr != nil {
		return volume.discardErr
	}
	delete(v.states, id)
	return nil
}

// volumesOfProcess are the volumes as one process reaches them.
type volumesOfProcess struct {
	cloud *volumes
	steps *steps
}

func (volumesOfProcess) VolumeID(pv *corev1.PersistentVolume) string {
	if pv.Spec.CSI == nil || pv.Spec.CSI.Driver != diskDriver {
		return ""
	}
	return pv.Spec.CSI.VolumeHandle
}

func (v volumesOfProcess) Progress(_ context.Context, _ *velerov1.Restore, location map[string]string, id string, _ *corev1.PersistentVolume) (progress velero.OperationProgress, err error) {
	err = v.call(location, func() error {
		progress, err = v.cloud.progress(id)
		return err
	})
	return progress, err
}

func (v volumesOfProcess) Finish(_ context.Context, _ *velerov1.Restore, location map[string]string, id string, pv *corev1.PersistentVolume) (finished *corev1.PersistentVolume, err error) {
	err = v.call(location, func() error {
		finished, err = v.cloud.finish(id, pv)
		return err
	})
	return finished, err
}

func (v volumesOfProcess) Settle(_ context.Context, _ *velerov1.Restore, location map[string]string, id string) error {
	return v.call(location, func() error { return v.cloud.settle(id) })
}

func (v volumesOfProcess) Discard(_ context.Context, _ *velerov1.Restore, location map[string]string, id string) error {
	return v.call(location, func() error { return v.cloud.discard(id) })
}

// call refuses a call that does not have the location of the restore's backup.
func (v volumesOfProcess) call(location map[string]string, call func() error) error {
	if diff := cmp.Diff(map[string]string{"region": "cn-beijing"}, location); diff != "" {
		return fmt.Errorf("the location differs (-want +got):\n%s", diff)
	}
	return v.steps.do(call)
}
