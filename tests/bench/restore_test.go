// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	// rounds is how often a restore is measured with the bundle and without it, in turn. The fastest of each counts:
	// what slows a restore down is not the plugin's.
	rounds = 3
	// allowed is how much longer a restore may take with the bundle.
	allowed = 1.10
)

// BenchmarkRestore restores 2,000 objects with the bundle loaded, and with its object store alone.
func BenchmarkRestore(b *testing.B) {
	for b.Loop() {
		c := startCluster(b)
		c.createObjects(b)
		c.backUp(b)
		c.createSettings(b)

		fastest := make(map[string]time.Duration)
		for round := range rounds {
			for _, plugin := range []string{storeOnly, bundle} {
				c.load(b, plugin)
				name := fmt.Sprintf("%s-%d", plugin, round)
				took := c.restore(b, name)
				if plugin == bundle {
					c.wantChanged(b, name)
				}
				b.Logf("Round %d: %s restores %d objects in %s", round, plugin, numberOfObjects, took.Round(time.Millisecond))
				if best, ok := fastest[plugin]; !ok || took < best {
					fastest[plugin] = took
				}
				c.deleteNamespace(b, name)
			}
		}
		ratio := float64(fastest[bundle]) / float64(fastest[storeOnly])
		b.ReportMetric(ratio, "ratio")
		b.ReportMetric(fastest[bundle].Seconds(), "s/restore")
		c.wantOneList(b)
		writeResult(b, fmt.Sprintf("restore of %d objects: %s with the bundle, %s with its object store alone, ratio %.3f (at most %.2f)\n",
			numberOfObjects, fastest[bundle].Round(time.Millisecond), fastest[storeOnly].Round(time.Millisecond), ratio, allowed))
		if ratio > allowed {
			b.Errorf("the ratio is %.3f, want %.2f at most", ratio, allowed)
		}
	}
}

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
	if lists != rounds {
		b.Errorf("the plugin has listed the ConfigMaps of settings %d times in %d restores, want once in each", lists, rounds)
	}
}

// writeResult writes the line of a benchmark into results.
func writeResult(b *testing.B, line string) {
	b.Helper()
	must(b, os.MkdirAll("results", 0o755))
	file := filepath.Join("results", strings.ReplaceAll(b.Name(), "/", "-")+".txt")
	must(b, os.WriteFile(file, []byte(line), 0o644))
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
