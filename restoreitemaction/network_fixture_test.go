// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

// network restores Services and Ingresses with the actions for them.
type network struct {
	loadBalancer *restoreitemaction.LoadBalancer
	annotations  *restoreitemaction.Annotations
	logged       *logrustest.Hook
	restore      *velerov1.Restore
	// warned is what was warned of while restored ran the actions for the first time.
	warned []line
}

// newNetwork returns one in the cluster, with the actions' settings: data of
// ConfigMaps by action.
func newNetwork(t *testing.T, here restoreitemaction.Clients, data map[string]map[string]string) *network {
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
	n.logged.Reset()
	got := n.run(t, backedUp, n.loadBalancer, n.annotations)
	n.warned = warningsOf(n.logged)
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
