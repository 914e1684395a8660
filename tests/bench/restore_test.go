// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// roundsOfRestores is how often a restore is measured with the bundle and without it, in turn.
const roundsOfRestores = 3

// BenchmarkRestore restores 2,000 objects with the bundle loaded, and with its object store alone.
func BenchmarkRestore(b *testing.B) {
	for b.Loop() {
		c := startCluster(b, auditOfRestores)
		c.createObjects(b)
		c.backUp(b)
		c.createSettings(b)

		restores := comparison{of: fmt.Sprintf("restore of %d objects", numberOfObjects), allowed: 1.10, took: times{}}
		for round := range roundsOfRestores {
			for _, plugin := range []string{storeOnly, bundle} {
				c.load(b, plugin)
				name := fmt.Sprintf("%s-%d", plugin, round)
				took := c.restore(b, name)
				if plugin == bundle {
					c.wantChanged(b, name)
				}
				b.Logf("Round %d: %s restores %d objects in %s", round, plugin, numberOfObjects, took.Round(time.Millisecond))
				restores.took[plugin] = append(restores.took[plugin], took)
				c.deleteNamespace(b, name)
			}
		}
		c.wantOneList(b)
		restores.report(b)
	}
}

// auditOfRestores logs requests for lists of ConfigMaps.
const auditOfRestores = `
- level: Metadata
  verbs: [list]
  resources: [{resources: [configmaps]}]
- level: None
`

// wantOneList fails unless the plugin has listed the ConfigMaps of settings once in each restore, by the API server's
// audit log. Those that volume-ready lists have another label.
func (c *cluster) wantOneList(b *testing.B) {
	b.Helper()
	content, err := os.ReadFile(c.audit)
	must(b, err)
	lists := 0
	for line := range strings.Lines(string(content)) {
		if strings.Contains(line, `"userAgent":"`+bundle) && strings.Contains(line, "labelSelector=velero.io%2Fplugin-config") {
			lists++
		}
	}
	if lists != roundsOfRestores {
		b.Errorf("the plugin has listed the ConfigMaps of settings %d times in %d restores, want once in each", lists, roundsOfRestores)
	}
}
