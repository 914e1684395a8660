// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// comparison is how long runs take with the bundle, and with its object store alone. The fastest of each count: what
// slows a run down beside the plugin is not the plugin's.
type comparison struct {
	// of is what is measured.
	of string
	// allowed is how many times as long a run may take with the bundle.
	allowed float64
	// took is by the clock.
	took times
	// processor is how long runs had a processor, where that is measured. It decides nothing. Where its ratio and that
	// of the medians are far from that of the fastest, the machine was too busy for any of them to tell something.
	processor times
}

// times are those of runs by the plugin, shortest first once they are sorted.
type times map[string][]time.Duration

func (t times) sort() {
	for _, took := range t {
		slices.Sort(took)
	}
}

// ratio returns how many times as long it takes with the bundle, in the runs of a rank.
func (t times) ratio(rank func([]time.Duration) time.Duration) float64 {
	return rank(t[bundle]).Seconds() / rank(t[storeOnly]).Seconds()
}

func fastest(took []time.Duration) time.Duration { return took[0] }

func median(took []time.Duration) time.Duration { return took[len(took)/2] }

// report writes the result of a benchmark, which fails if runs take longer with the bundle than is allowed.
func (c *comparison) report(b *testing.B) {
	b.Helper()
	c.took.sort()
	c.processor.sort()
	ratio := c.took.ratio(fastest)
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(fastest(c.took[bundle]).Seconds(), "s/run")
	line := fmt.Sprintf("%s: %s with the bundle, %s with its object store alone, ratio %.3f (at most %.2f), of the medians %.3f",
		c.of, fastest(c.took[bundle]).Round(time.Millisecond), fastest(c.took[storeOnly]).Round(time.Millisecond),
		ratio, c.allowed, c.took.ratio(median))
	if len(c.processor) > 0 {
		line += fmt.Sprintf(", of processor time %.3f", c.processor.ratio(median))
	}
	b.Log(line)
	writeResult(b, line+"\n")
	if ratio > c.allowed {
		b.Errorf("the ratio is %.3f, want %.2f at most", ratio, c.allowed)
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
