// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// comparison is how long runs take with the bundle, with its object store alone, and, where that is measured, with actions
// that do nothing, which tells how much of it is Velero's asking. What counts is the median of the ratios of rounds: the
// two runs of one have the same machine, which is slower as the cluster fills, and as its neighbours work.
type comparison struct {
	// of is what is measured.
	of string
	// allowed is how many times as long a run may take with the bundle.
	allowed float64
	// took is by the clock.
	took times
	// processor is how long runs had a processor, where that is measured. It decides nothing.
	processor times
}

// times are those of runs by the plugin, one for each round.
type times map[string][]time.Duration

// ratio returns how many times as long it takes with a plugin as with the object store alone.
func (t times) ratio(plugin string) float64 {
	ratios := make([]float64, len(t[plugin]))
	for round, took := range t[plugin] {
		ratios[round] = took.Seconds() / t[storeOnly][round].Seconds()
	}
	return median(ratios)
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// report writes the result of a benchmark, which fails if runs take longer with the bundle than is allowed.
func (c *comparison) report(b *testing.B) {
	b.Helper()
	ratio := c.took.ratio(bundle)
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(median(c.took[bundle]).Seconds(), "s/run")
	line := fmt.Sprintf("%s, medians of %d rounds: %s with the bundle, %s with its object store alone, ratio %.3f (at most %.2f)",
		c.of, len(c.took[bundle]), median(c.took[bundle]).Round(time.Millisecond), median(c.took[storeOnly]).Round(time.Millisecond),
		ratio, c.allowed)
	if len(c.processor) > 0 {
		line += fmt.Sprintf(", of processor time %.3f; with actions that do nothing %s, ratio %.3f, of processor time %.3f",
			c.processor.ratio(bundle), median(c.took[asked]).Round(time.Millisecond), c.took.ratio(asked), c.processor.ratio(asked))
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
