// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

// network restores Services and Ingresses with the actions for them.
type network struct {
	loadBalancer *restoreitemaction.LoadBalancer
	annotations  *restoreitemaction.Annotations
	logged       *logrustest.Hook
	restore      *velerov1.Restore
}

// newNetwork returns one in the cluster, with the actions' settings: data of
// ConfigMaps by action.
func newNetwork(t *testing.T, here restoreitemaction.NodePorts, data map[string]map[string]string) *network {
	t.Helper()
	log, hook := logrustest.NewNullLogger()
	configMaps := make([]client.Object, 0, len(data))
	for action, data := range data {
		configMaps = append(configMaps, configMapOf(action, data))
	}
	reader := settings.NewReader(clusterOf(newAPI(t, configMaps...)))
	return &network{
		loadBalancer: restoreitemaction.NewLoadBalancer(log, reader, here),
		annotations:  restoreitemaction.NewAnnotations(log, reader),
		logged:       hook,
		restore:      newRestore("restore-1"),
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

// input returns what Velero hands to an action for an object that was backed up.
func (n *network) input(backedUp *unstructured.Unstructured, item runtime.Unstructured) *velero.RestoreItemActionExecuteInput {
	return &velero.RestoreItemActionExecuteInput{Item: item, ItemFromBackup: backedUp.DeepCopy(), Restore: n.restore}
}

// run restores an object that was backed up as Velero does: without its status, by
// Velero's own action for Services, then by the actions.
func (n *network) run(t *testing.T, backedUp *unstructured.Unstructured, order ...riav1.RestoreItemAction) *unstructured.Unstructured {
	t.Helper()
	item := byVelero(t, n.restore, nil, backedUp)
	for _, action := range order {
		output, err := action.Execute(n.input(backedUp, item))
		if err != nil {
			t.Fatal(err)
		}
		item = asUnstructured(t, output.UpdatedItem)
	}
	return item
}

// restored is run by the actions, whose order must not matter, nor must it that one
// is run again.
func (n *network) restored(t *testing.T, backedUp *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	got := n.run(t, backedUp, n.loadBalancer, n.annotations)
	for name, order := range map[string][]riav1.RestoreItemAction{
		"in another order": {n.annotations, n.loadBalancer},
		"twice":            {n.loadBalancer, n.annotations, n.loadBalancer, n.annotations, n.annotations, n.loadBalancer},
	} {
		if diff := cmp.Diff(got.Object, n.run(t, backedUp, order...).Object); diff != "" {
			t.Errorf("%s the object differs (-once +%s):\n%s", name, name, diff)
		}
	}
	return got
}

// warnings returns what was said at the level of warnings, sorted, each once.
func (n *network) warnings() []string {
	var said []string
	for _, entry := range n.logged.AllEntries() {
		if entry.Level <= logrus.WarnLevel {
			said = append(said, entry.Message)
		}
	}
	slices.Sort(said)
	return slices.Compact(said)
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
