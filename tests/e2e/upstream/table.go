// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// result is what became of a suite.
type result struct {
	suite
	// chosen says that it was to run.
	chosen bool
	specs  []spec
}

// collect sorts specs by their suites.
func collect(all, chosen []suite, specs []spec) ([]result, error) {
	results := make([]result, len(all))
	for i, s := range all {
		results[i] = result{suite: s, chosen: slices.Contains(chosen, s)}
	}
	for _, s := range specs {
		if !s.isTest() {
			continue
		}
		i, err := match(all, s.labels())
		if err != nil {
			return nil, err
		}
		results[i].specs = append(results[i].specs, s)
	}
	return results, nil
}

// outcome is a word for what became of the suite, and why.
func (r result) outcome() (word, why string) {
	if r.absent != "" {
		return "cannot run", r.absent
	}
	if !r.chosen {
		return "not chosen", ""
	}
	passed := 0
	for _, s := range r.specs {
		switch {
		case s.failed():
			return "FAILED", s.reason()
		case s.State == "passed":
			passed++
		case s.reason() != "":
			why = "it skips itself: " + s.reason()
		}
	}
	if passed == 0 && why == "" {
		why = "it has not been reached"
	}
	if passed == 0 {
		return "skipped", why
	}
	if why == "" && r.double {
		why = "with a double of Kibishii"
	}
	return "passed", why
}

// duration is how long the suite took.
func (r result) duration() time.Duration {
	var total time.Duration
	for _, s := range r.specs {
		total += s.RunTime
	}
	return total.Round(time.Second)
}

// failed says whether anything that was to pass has not.
func failed(results []result) bool {
	return slices.ContainsFunc(results, func(r result) bool {
		word, _ := r.outcome()
		return word == "FAILED" || word == "skipped"
	})
}

// table renders results in Markdown.
func table(results []result) string {
	var b strings.Builder
	b.WriteString("| Suite | Specs | Outcome | Time | Why |\n|---|---|---|---|---|\n")
	counts := map[string]int{}
	for _, r := range results {
		word, why := r.outcome()
		counts[word] += len(r.specs)
		took := ""
		if r.chosen {
			took = r.duration().String()
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s |\n", r.labels, len(r.specs), word, took, strings.ReplaceAll(why, "|", `\|`))
	}
	b.WriteString("\n")
	for _, word := range []string{"passed", "FAILED", "skipped", "cannot run", "not chosen"} {
		fmt.Fprintf(&b, "%s: %d specs\n", word, counts[word])
	}
	return b.String()
}
