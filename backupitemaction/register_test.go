// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// TestActionsOfVersion1 makes the actions where there is no cluster: they contact nothing
// before they are executed, for an error of AppliesTo would fail every backup.
func TestActionsOfVersion1(t *testing.T) {
	t.Parallel()
	nowhere := cluster.Absent(cluster.ErrNone)
	with := backupitemaction.Dependencies{
		Settings: settings.NewReader(nowhere), Clients: nowhere,
		References: backupitemaction.NewSecretReferences(nowhere), Decisions: &backupitemaction.SystemDecisions{},
	}
	got := map[string][]string{}
	for name, construct := range backupitemaction.Constructors() {
		selector, err := construct(logrus.New(), with).AppliesTo()
		if err != nil {
			t.Errorf("%s: AppliesTo() error = %v", name, err)
		}
		got[name] = selector.IncludedResources
	}
	want := map[string][]string{
		"alibabacloud.com/ingress-class":                    {"ingresses.networking.k8s.io", "ingresses.extensions"},
		"alibabacloud.com/system-namespaces":                nil,
		"alibabacloud.com/system-namespaces-cluster-scoped": {"namespaces", "persistentvolumes"},
		"alibabacloud.com/unmounted-volumes":                {"persistentvolumes", "persistentvolumeclaims"},
		"alibabacloud.com/volume-secrets":                   {"persistentvolumes", "persistentvolumeclaims"},
		"alibabacloud.com/volume-topology":                  {"persistentvolumes"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actions and what they are for (-want +got):\n%s", diff)
	}
}
