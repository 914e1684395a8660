// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"slices"
	"testing"

	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

// process is a process of the plugin, which Velero has started for one restore.
type process struct {
	api     client.Client
	actions map[string]riav1.RestoreItemAction
	// resources are those that an action is for.
	resources map[string][]string
	restore   *velerov1.Restore
	// additional is what the actions have returned to be restored with objects.
	additional map[velero.ResourceIdentifier]bool
}

// newProcess returns one in a cluster of its own, as the scenario has it.
func newProcess(t *testing.T, s *scenario) *process {
	t.Helper()
	log, _ := logrustest.NewNullLogger()
	api := newAPI(t, s.clusterObjects()...)
	here := clusterOf(api)
	reader := settings.NewReader(here)
	with := restoreitemaction.Dependencies{
		Settings: reader, Planner: storageclass.NewPlanner(log, storageclass.NewTargets(reader, here), here), Clients: here, Discovery: s.served,
	}
	p := &process{
		api: api, actions: make(map[string]riav1.RestoreItemAction), resources: make(map[string][]string), restore: s.restore,
		additional: make(map[velero.ResourceIdentifier]bool),
	}
	for name, construct := range restoreitemaction.Constructors() {
		p.actions[name] = construct(log, with)
		p.resources[name] = resourcesOf(t, p.actions[name])
	}
	return p
}

// appliedTo returns those of the actions that are for an object. Velero goes by what
// it was in the backup.
func (p *process) appliedTo(t *testing.T, object *unstructured.Unstructured, names []string) []string {
	t.Helper()
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	var applied []string
	for _, name := range names {
		if slices.Contains(p.resources[name], plural.GroupResource().String()) {
			applied = append(applied, name)
		}
	}
	return applied
}

// input returns what Velero hands to an action for an object that is item by now.
func (p *process) input(object scenarioObject, item *unstructured.Unstructured) *velero.RestoreItemActionExecuteInput {
	return &velero.RestoreItemActionExecuteInput{Item: item, ItemFromBackup: object.backedUp.DeepCopy(), Restore: p.restore}
}

// created returns what actions create: Secrets, PersistentVolumes and claims.
func (p *process) created(t *testing.T) []client.ObjectList {
	t.Helper()
	lists := []client.ObjectList{&corev1.SecretList{}, &corev1.PersistentVolumeList{}, &corev1.PersistentVolumeClaimList{}}
	for _, list := range lists {
		if err := p.api.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	return lists
}
