//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/url"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
)

// outage is how long a network or a cloud is away.
const outage = time.Minute

// pluginProgram is the plugin's binary, as Velero starts it.
const pluginProgram = "velero-plugin-alibabacloud"

// disturbance is what happens to a Velero that is at work.
type disturbance struct {
	// name is for names of objects, and title for people.
	name, title string
	// begin does it. end, if there is one, undoes it after the time of an outage.
	begin, end func(t *testing.T, s *site)
}

// disturbances are those that happen in clusters.
func disturbances() []disturbance {
	return []disturbance{
		{name: "pod", title: "Velero's Pod is killed", begin: killVelero},
		{name: "plugin", title: "the plugin's processes are killed", begin: killPlugin},
		{name: "network", title: "the node has no network for a minute", begin: cutNetwork, end: mendNetwork},
		{name: "cloud", title: "the cloud refuses connections for a minute", begin: closeCloud, end: openCloud},
	}
}

// killVelero deletes Velero's Pod without any grace. The Deployment makes another one.
func killVelero(t *testing.T, s *site) {
	t.Helper()
	must(t, s.Client.DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace(veleroNamespace),
		client.MatchingLabels{"deploy": "velero"}, client.GracePeriodSeconds(0)))
}

// killPlugin kills all processes of the plugin, of which each backup, restore and poll has its own.
func killPlugin(t *testing.T, s *site) {
	t.Helper()
	killed, err := s.Kill(pluginProgram)
	must(t, err)
	if killed == 0 {
		t.Fatal("no process of the plugin was there to be killed")
	}
	t.Logf("killed %d processes of the plugin", killed)
}

func cutNetwork(t *testing.T, s *site) {
	t.Helper()
	must(t, s.CutNetwork(t.Context()))
}

func mendNetwork(t *testing.T, s *site) {
	t.Helper()
	must(t, s.MendNetwork(t.Context()))
}

func closeCloud(t *testing.T, s *site) {
	t.Helper()
	for _, rule := range refusals(t, s) {
		command(t, "iptables", append([]string{"-w", "-I", "INPUT"}, rule...)...)
	}
}

func openCloud(t *testing.T, s *site) {
	t.Helper()
	for _, rule := range refusals(t, s) {
		command(t, "iptables", append([]string{"-w", "-D", "INPUT"}, rule...)...)
	}
}

// refusals are rules by which this machine refuses what the cluster sends to the services of the simulated cloud.
func refusals(t *testing.T, s *site) [][]string {
	t.Helper()
	var rules [][]string
	for _, address := range servedAt(s.cloud.Addresses()) {
		u, err := url.Parse(address)
		must(t, err)
		rules = append(rules, []string{
			"-p", "tcp", "-s", s.NodeAddress, "-d", u.Hostname(), "--dport", u.Port(), "-j", "REJECT", "--reject-with", "tcp-reset",
		})
	}
	return rules
}

func servedAt(a cloudsim.Addresses) []string {
	return []string{a.OSS, a.RPC, a.Proxy}
}

// happen lets a disturbance happen. hit is called when it has begun; an outage is over when happen returns.
func (d disturbance) happen(t *testing.T, s *site, hit func()) {
	t.Helper()
	d.begin(t, s)
	hit()
	if d.end == nil {
		return
	}
	// The network has to be there for what comes next, also if the test ends here.
	defer d.end(t, s)
	select {
	case <-time.After(outage):
	case <-t.Context().Done():
	}
}
