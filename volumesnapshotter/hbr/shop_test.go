// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"maps"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// bothPolicies is what a location needs that leaves the method to the plugin.
const bothPolicies = "../../deploy/ram/hbr.json"

// shop is a world with a node, in which an application has a volume. It is there after
// open, and mounted after serve.
type shop struct {
	*nodeWorld

	pv *corev1.PersistentVolume
}

// newShop returns a shop whose volume is one of NAS, without the Cloud Backup client. The
// location has more config, and takes the method that there is.
func newShop(t *testing.T, more map[string]string) *shop {
	t.Helper()
	config := map[string]string{"method": ""}
	maps.Copy(config, more)
	s := &shop{nodeWorld: newNodeWorld(t, nodeOptions{config: config, nodes: []node.Config{usualNode("node-1")}, withoutClient: true})}
	s.pv = volumeOf(t, "nas-1", nasSpec)
	s.fill(t, "app")
	return s
}

// open adds the volume and its claim to the cluster.
func (s *shop) open(t *testing.T) {
	t.Helper()
	s.create(t, s.pv)
	s.claimed(t, s.pv)
}

// serve lets the application's Pod run.
func (s *shop) serve(t *testing.T) {
	t.Helper()
	s.mounting(t, s.pv, "")
}

// outcome polls until something has ended, and returns its error.
func (s *shop) outcome(t *testing.T, poll func() (velero.OperationProgress, error)) string {
	t.Helper()
	return s.until(t, poll).Err
}

// said returns what was logged at a level, with the errors, as one text.
func (s *shop) said(level logrus.Level) string { return strings.Join(s.messages(level), "\n") }

// plans returns the ids of the account's plans.
func (s *shop) plans(t *testing.T) []string {
	t.Helper()
	got, err := s.sim.HBR().Inventory(theAccount)
	if err != nil {
		t.Fatal(err)
	}
	return got.Plans
}

// end puts the backup b-1 and the restore r-1 into a phase in which they have ended.
func (s *shop) end(t *testing.T) {
	t.Helper()
	for _, object := range []client.Object{backupNamed("b-1", ""), theRestore()} {
		if err := s.api.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	ended := theRestore()
	ended.Status.Phase = velerov1.RestorePhasePartiallyFailed
	s.create(t, backupNamed("b-1", velerov1.BackupPhasePartiallyFailed), ended)
}
