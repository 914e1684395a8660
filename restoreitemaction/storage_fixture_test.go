// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

var (
	_ riav1.RestoreItemAction = (*restoreitemaction.StorageClassMapping)(nil)
	_ riav1.RestoreItemAction = (*restoreitemaction.AccessModes)(nil)
	_ riav1.RestoreItemAction = (*restoreitemaction.DiskSize)(nil)
)

// storage restores volumes and claims with the actions for them, in one process.
type storage struct {
	mapping *restoreitemaction.StorageClassMapping
	modes   *restoreitemaction.AccessModes
	size    *restoreitemaction.DiskSize
	targets *storageclass.Targets
	logged  *logrustest.Hook
	restore *velerov1.Restore
	// warned is what was warned of while each item ran through the actions for the first time.
	warned []line
}

// newStorage returns one in a cluster with the StorageClasses of classesHere and the
// objects, with the settings of storage-class-mapping; nil for none.
func newStorage(t *testing.T, data map[string]string, objects ...client.Object) *storage {
	t.Helper()
	all := classesHere()
	for _, object := range objects {
		// The fake API writes to what it is given, which other tests are given too.
		all = append(all, object.DeepCopyObject().(client.Object)) //nolint:forcetypeassert // it is one
	}
	if data != nil {
		all = append(all, configMapOf("storage-class-mapping", data))
	}
	return storageOn(newAPI(t, all...))
}

func storageOn(api client.Client) *storage {
	log, hook := logrustest.NewNullLogger()
	here := clusterOf(api)
	targets := storageclass.NewTargets(settings.NewReader(here), here)
	planner := storageclass.NewPlanner(log, targets, here)
	s := &storage{
		mapping: restoreitemaction.NewStorageClassMapping(log, planner),
		modes:   restoreitemaction.NewAccessModes(log, planner),
		size:    restoreitemaction.NewDiskSize(log, planner),
		targets: targets,
		logged:  hook,
		restore: newRestore("restore-1"),
	}
	s.restore.Spec.NamespaceMapping = map[string]string{"shop": "shop-copy"}
	return s
}

// classesHere are the classes of the cluster that is restored to.
func classesHere() []client.Object {
	const disks = "diskplugin.csi.alibabacloud.com"
	classes := []client.Object{
		classHere("essd", disks, map[string]string{"type": "cloud_essd", "performanceLevel": "PL1"}),
		classHere("pl2", disks, map[string]string{"type": "cloud_essd", "performanceLevel": "PL2"}),
		classHere("shared", disks, map[string]string{"type": "cloud_essd", "multiAttach": "true"}),
		classHere("alicloud-disk-topology-alltype", disks, map[string]string{"type": "cloud_auto,cloud_essd"}),
		classHere("of-tomorrow", disks, map[string]string{"type": "cloud_of_tomorrow,cloud_essd", "performanceLevel": "PL2"}),
		classHere("broken", disks, map[string]string{"type": "cloud_essd", "performanceLevel": "PL9"}),
		classHere("alibabacloud-cnfs-nas", "nasplugin.csi.alibabacloud.com", nil),
		classHere("oss", "ossplugin.csi.alibabacloud.com", nil),
		classHere("gp2", "ebs.csi.aws.com", nil),
		classHere("flex", "alicloud/disk", map[string]string{"type": "cloud_ssd"}),
	}
	immediate := classHere("immediate", disks, map[string]string{"type": "cloud_essd"})
	mode := storagev1.VolumeBindingImmediate
	immediate.VolumeBindingMode = &mode
	return append(classes, immediate)
}

func classHere(name, provisioner string, parameters map[string]string) *storagev1.StorageClass {
	mode := storagev1.VolumeBindingWaitForFirstConsumer
	return &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: provisioner, Parameters: parameters, VolumeBindingMode: &mode,
	}
}

// nodeIn is a node of a zone.
func nodeIn(zone string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-" + zone, Labels: map[string]string{corev1.LabelTopologyZone: zone}}}
}

// all returns the actions in each order in which Velero may run them, and one in
// which each runs twice.
func (s *storage) all() [][]riav1.RestoreItemAction {
	return [][]riav1.RestoreItemAction{
		{s.mapping, s.modes, s.size},
		{s.mapping, s.size, s.modes},
		{s.modes, s.mapping, s.size},
		{s.modes, s.size, s.mapping},
		{s.size, s.mapping, s.modes},
		{s.size, s.modes, s.mapping},
		{s.size, s.size, s.mapping, s.modes, s.mapping, s.modes, s.size},
	}
}

// restoreItem runs the actions on an item in each order, which must not matter, and
// returns the outcome. The very item comes back where nothing is to do.
func (s *storage) restoreItem(t *testing.T, fromBackup, item *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t.Helper()
	var first *unstructured.Unstructured
	var firstErr error
	for i, order := range s.all() {
		s.logged.Reset()
		got, err := s.restoreIn(t, order, fromBackup, item)
		if i == 0 {
			first, firstErr = got, err
			s.warned = append(s.warned, warningsOf(s.logged)...)
			continue
		}
		if diff := cmp.Diff(text(firstErr), text(err)); diff != "" {
			t.Errorf("in order %d the error differs:\n%s", i, diff)
		}
		if err == nil {
			if diff := cmp.Diff(first.Object, got.Object); diff != "" {
				t.Errorf("in order %d the object differs:\n%s", i, diff)
			}
		}
	}
	return first, firstErr
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (s *storage) restoreIn(t *testing.T, order []riav1.RestoreItemAction, fromBackup, item *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t.Helper()
	came := item.DeepCopy()
	present := item
	for _, action := range order {
		output, err := action.Execute(&velero.RestoreItemActionExecuteInput{Item: present, ItemFromBackup: fromBackup.DeepCopy(), Restore: s.restore})
		if err != nil {
			return nil, err
		}
		present = asUnstructured(t, output.UpdatedItem)
	}
	if diff := cmp.Diff(came.Object, item.Object); diff != "" {
		t.Errorf("the item that came was changed (-before +after):\n%s", diff)
	}
	if present != item && cmp.Equal(present.Object, item.Object) {
		t.Error("nothing was changed, and yet it is not the very item that came")
	}
	return present, nil
}

// warnings returns the messages of warned.
func (s *storage) warnings() []string {
	var said []string
	for _, l := range s.warned {
		said = append(said, l.Message)
	}
	return said
}

// typeOf is the name of an object's type.
func typeOf(object client.ObjectList) string { return reflect.TypeOf(object).Elem().Name() }

// asObject reads an object into a typed one.
func asObject(t *testing.T, from *unstructured.Unstructured, to any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(from.Object, to); err != nil {
		t.Fatal(err)
	}
}
