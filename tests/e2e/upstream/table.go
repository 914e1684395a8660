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

// Outcomes of specs.
const (
	hasPassed  = "passed"
	hasFailed  = "FAILED"
	wasSkipped = "skipped"
	cannotRun  = "cannot run"
	notChosen  = "not chosen"
)

// counts are how many specs of the suite came to each outcome.
func (r result) counts() map[string]int {
	switch {
	case r.absent != "":
		return map[string]int{cannotRun: len(r.specs)}
	case !r.chosen:
		return map[string]int{notChosen: len(r.specs)}
	}
	counts := map[string]int{}
	for _, s := range r.specs {
		switch {
		case s.failed():
			counts[hasFailed]++
		case s.skipped():
			counts[wasSkipped]++
		default:
			counts[hasPassed]++
		}
	}
	return counts
}

// outcome is what became of the suite, and why.
func (r result) outcome() (words, why string) {
	counts := r.counts()
	switch {
	case r.absent != "":
		return cannotRun, r.absent
	case !r.chosen:
		return notChosen, ""
	case counts[hasFailed] > 0:
		return hasFailed, r.reasonOf(spec.failed)
	case counts[wasSkipped] == 0:
		return hasPassed, r.reservation()
	}
	why = "it has not been reached"
	if reason := r.reasonOf(spec.skipped); reason != "" {
		why = "it skips itself: " + reason
	}
	if counts[hasPassed] == 0 {
		return wasSkipped, why
	}
	if reservation := r.reservation(); reservation != "" {
		why += "; " + reservation
	}
	return fmt.Sprintf("%d %s, %d %s", counts[hasPassed], hasPassed, counts[wasSkipped], wasSkipped), why
}

// reasonOf is what the first of certain specs says that says anything.
func (r result) reasonOf(certain func(spec) bool) string {
	for _, s := range r.specs {
		if certain(s) && s.reason() != "" {
			return s.reason()
		}
	}
	return ""
}

// reservation is what has to be said of a suite that has passed.
func (r result) reservation() string {
	if r.double {
		return "with a double of Kibishii"
	}
	return ""
}

// duration is how long the suite took.
func (r result) duration() time.Duration {
	var total time.Duration
	for _, s := range r.specs {
		total += s.RunTime
	}
	return total.Round(time.Second)
}

// failed says whether anything that was to pass has not. A spec may skip itself beside others of its suite.
func failed(results []result) bool {
	return slices.ContainsFunc(results, func(r result) bool {
		counts := r.counts()
		return counts[hasFailed] > 0 || counts[wasSkipped] > 0 && (counts[hasPassed] == 0 || slices.ContainsFunc(r.specs, spec.unreached))
	})
}

// table renders results in Markdown.
func table(results []result) string {
	var b strings.Builder
	b.WriteString("| Suite | Specs | Outcome | Time | Why |\n|---|---|---|---|---|\n")
	counts := map[string]int{}
	for _, r := range results {
		words, why := r.outcome()
		for word, n := range r.counts() {
			counts[word] += n
		}
		took := ""
		if r.chosen {
			took = r.duration().String()
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s |\n", r.labels, len(r.specs), words, took, strings.ReplaceAll(why, "|", `\|`))
	}
	b.WriteString("\n")
	for _, word := range []string{hasPassed, hasFailed, wasSkipped, cannotRun, notChosen} {
		fmt.Fprintf(&b, "%s: %d specs\n", word, counts[word])
	}
	return b.String()
}
