// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEverySuiteRunsOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range suites() {
		if (s.runs == "") == (s.absent == "") {
			t.Errorf("%s runs with %q, and cannot run because of %q: want one of them", s.labels, s.runs, s.absent)
		}
		if s.runs != "" && !slices.Contains(installations(), s.runs) {
			t.Errorf("%s runs with %q, which is no installation", s.labels, s.runs)
		}
		if s.fast && s.runs != plain {
			t.Errorf("%s is fast, and needs more than %s", s.labels, plain)
		}
		if seen[s.labels] {
			t.Errorf("%s is there twice", s.labels)
		}
		seen[s.labels] = true
	}
}

func TestFilterChoosesExactlyTheSuites(t *testing.T) {
	t.Parallel()
	all := suites()
	for _, s := range all {
		text := filter([]suite{s}, all)
		for _, other := range all {
			if got, want := chooses(text, other.split()), other == s; got != want {
				t.Errorf("the filter %s of %s chooses %s: %t, want %t", text, s.labels, other.labels, got, want)
			}
		}
	}
	const want = "(Basic && NodePort) || (PrivilegesMgmt && SSR)"
	got := filter([]suite{{labels: "Basic+NodePort"}, {labels: "PrivilegesMgmt+SSR"}}, all)
	if got != want {
		t.Errorf("got the filter %s, want %s", got, want)
	}
}

// chooses says whether a filter of one term, which is labels that must be there or, with !, not, chooses a spec.
func chooses(term string, labels []string) bool {
	for label := range strings.SplitSeq(strings.Trim(term, "()"), " && ") {
		name, forbidden := strings.CutPrefix(label, "!")
		if slices.Contains(labels, name) == forbidden {
			return false
		}
	}
	return true
}

func TestChoose(t *testing.T) {
	t.Parallel()
	all := []suite{
		{labels: "Basic+NodePort", runs: plain, fast: true},
		{labels: "PVBackup+OptIn+FSB", runs: volumes},
		{labels: "Upgrade+Restic", absent: "no image"},
	}
	tests := []struct {
		name, words string
		want        []suite
		wantErr     string
	}{
		{name: "fast ones", words: "fast", want: all[:1]},
		{name: "all that can run", words: "all", want: all[:2]},
		{name: "some by name", words: "PVBackup+OptIn+FSB,Basic+NodePort", want: []suite{all[1], all[0]}},
		{name: "one that cannot run", words: "Upgrade+Restic", wantErr: "suite Upgrade+Restic cannot run here: no image"},
		{name: "one that there is not", words: "Basic", wantErr: "there is no suite Basic"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := choose(all, tt.words)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(suite{})); diff != "" {
				t.Errorf("suites (-want +got):\n%s", diff)
			}
			if text := errorText(err); text != tt.wantErr {
				t.Errorf("got error %q, want %q", text, tt.wantErr)
			}
		})
	}
}

func TestNoSpecIsLeftOut(t *testing.T) {
	t.Parallel()
	specs := []spec{newSpec("passed", "Basic", "NodePort"), newSpec("passed", "Basic", "New")}
	_, err := collect(suites(), nil, specs)
	const want = "upstream has a suite Basic+New that is not in the table of suites.go"
	if got := errorText(err); got != want {
		t.Errorf("got error %q, want %q", got, want)
	}
}

func TestTableSaysWhatBecameOfEverySpec(t *testing.T) {
	t.Parallel()
	all := []suite{
		{labels: "A", runs: plain},
		{labels: "B", runs: plain},
		{labels: "C", runs: plain},
		{labels: "D", runs: volumes, double: true},
		{labels: "E", runs: volumes},
		{labels: "F", runs: volumes},
		{labels: "G", absent: "no | image"},
	}
	wrong, shy := newSpec("failed", "B"), newSpec("skipped", "C")
	wrong.Failure.Message = "Expected success\nbut got an error"
	shy.Failure.Message = "no additional BSL given"
	second := newSpec("skipped", "D")
	second.Failure.Message = "tested by the first"
	listed := []spec{
		newSpec("", "A"), newSpec("", "B"), newSpec("", "B"), newSpec("", "C"), newSpec("", "D"), newSpec("", "D"),
		newSpec("", "E"), newSpec("", "F"), newSpec("", "G"),
	}
	ran := []spec{
		newSpec("passed", "A"), newSpec("passed", "B"), wrong, shy, newSpec("passed", "D"), second,
		{LeafNodeType: "BeforeSuite", State: "passed"},
		newSpec("skipped", "F"), newSpec("skipped", "E"),
	}
	results, err := collect(all, all[:5], merge(listed, ran))
	if err != nil {
		t.Fatal(err)
	}
	want := `| Suite | Specs | Outcome | Time | Why |
|---|---|---|---|---|
| A | 1 | passed | 2s |  |
| B | 2 | FAILED | 4s | Expected success |
| C | 1 | skipped | 2s | it skips itself: no additional BSL given |
| D | 2 | 1 passed, 1 skipped | 4s | it skips itself: tested by the first; with a double of Kibishii |
| E | 1 | skipped | 0s | it has not been reached |
| F | 1 | not chosen |  |  |
| G | 1 | cannot run |  | no \| image |

passed: 3 specs
FAILED: 1 specs
skipped: 3 specs
cannot run: 1 specs
not chosen: 1 specs
`
	if diff := cmp.Diff(want, table(results)); diff != "" {
		t.Errorf("the table (-want +got):\n%s", diff)
	}
	if !failed(results) {
		t.Error("a suite has failed, and the run has not")
	}
	if results, _ = collect(all, all[:1], merge(listed, ran)); failed(results) {
		t.Error("what was not chosen makes the run fail")
	}
	if results, _ = collect(all, all[3:4], merge(listed, ran)); failed(results) {
		t.Error("a spec that skips itself beside one that passes makes the run fail")
	}
	if results, _ = collect(all, all[3:4], merge(listed, []spec{newSpec("passed", "D"), newSpec("skipped", "D")})); !failed(results) {
		t.Error("a spec that has not been reached does not make the run fail")
	}
}

func newSpec(state string, labels ...string) spec {
	s := spec{LeafNodeType: "It", ContainerHierarchyLabels: [][]string{labels}, State: state}
	if state != "" {
		s.RunTime = 2 * time.Second
	}
	return s
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
