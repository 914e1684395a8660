// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// veleroNamespace is where Velero is.
const veleroNamespace = "velero"

// newRestore returns a Restore that runs.
func newRestore(name string) *velerov1.Restore {
	return &velerov1.Restore{
		ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: name, UID: types.UID("uid-of-" + name)},
		Spec:       velerov1.RestoreSpec{BackupName: "backup-1"},
		Status:     velerov1.RestoreStatus{Phase: velerov1.RestorePhaseInProgress},
	}
}

// clusterOf is the cluster behind an API server.
func clusterOf(api client.Client) *cluster.Cluster { return cluster.New(api, veleroNamespace) }

// nowhere is no cluster.
func nowhere() *cluster.Cluster { return cluster.Absent(cluster.ErrNone) }

// newAPI returns an API server with the objects.
func newAPI(t *testing.T, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme, err := cluster.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}

// configMapOf returns the ConfigMap of an action.
func configMapOf(action string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: veleroNamespace,
			Name:      action,
			Labels:    map[string]string{settings.LabelPluginConfig: "", "alibabacloud.com/" + action: "RestoreItemAction"},
		},
		Data: data,
	}
}

// readObject returns the object that the YAML describes.
func readObject(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(content); err != nil {
		t.Fatal(err)
	}
	return object
}

func asUnstructured(t *testing.T, item runtime.Unstructured) *unstructured.Unstructured {
	t.Helper()
	object, ok := item.(*unstructured.Unstructured)
	if !ok {
		t.Fatalf("the item is a %T", item)
	}
	return object
}

// wantObject compares an object with YAML, but for what a typed object has when it
// is written: an empty creationTimestamp and status.
func wantObject(t *testing.T, want string, got *unstructured.Unstructured) {
	t.Helper()
	got = got.DeepCopy()
	unstructured.RemoveNestedField(got.Object, "metadata", "creationTimestamp")
	if status, _, _ := unstructured.NestedMap(got.Object, "status", "loadBalancer"); len(status) == 0 {
		unstructured.RemoveNestedField(got.Object, "status")
	}
	if diff := cmp.Diff(readObject(t, want).Object, got.Object); diff != "" {
		t.Errorf("the object differs (-want +got):\n%s", diff)
	}
}

// line is what was logged at a time.
type line struct {
	Level   logrus.Level
	Message string
	Fields  logrus.Fields
}

// linesOf returns all that was logged.
func linesOf(hook *logrustest.Hook) []line {
	lines := []line{}
	for _, entry := range hook.AllEntries() {
		lines = append(lines, line{entry.Level, entry.Message, entry.Data})
	}
	return lines
}

// withoutError leaves the errors of lines out of a comparison.
func withoutError() cmp.Option {
	return cmpopts.IgnoreMapEntries(func(key string, _ any) bool { return key == logrus.ErrorKey })
}

// warningsOf returns the lines that a user must look at.
func warningsOf(hook *logrustest.Hook) []line {
	return slices.DeleteFunc(linesOf(hook), func(l line) bool { return l.Level > logrus.WarnLevel })
}
