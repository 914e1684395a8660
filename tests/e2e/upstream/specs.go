// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// report is the part of Ginkgo's JSON report that is read here (github.com/onsi/ginkgo/v2/types.Report).
type report struct {
	SpecReports []spec
}

// spec is a spec of upstream, and what became of it.
type spec struct {
	LeafNodeType             string
	LeafNodeText             string
	ContainerHierarchyTexts  []string
	ContainerHierarchyLabels [][]string
	State                    string
	// RunTime is in nanoseconds.
	RunTime time.Duration
	Failure struct {
		Message string
	}
}

// readReport reads what a run of upstream's test program has written.
func readReport(file string) ([]spec, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var reports []report
	if err := json.Unmarshal(data, &reports); err != nil {
		return nil, fmt.Errorf("reading Ginkgo's report %s: %w", file, err)
	}
	var specs []spec
	for _, r := range reports {
		specs = append(specs, r.SpecReports...)
	}
	return specs, nil
}

// isTest tells a test from what runs before and after all of them.
func (s spec) isTest() bool { return s.LeafNodeType == "It" }

func (s spec) labels() []string { return slices.Concat(s.ContainerHierarchyLabels...) }

func (s spec) failed() bool {
	switch s.State {
	case "failed", "panicked", "interrupted", "timedout", "aborted":
		return true
	}
	return false
}

// skipped tells what has neither failed nor passed.
func (s spec) skipped() bool { return !s.failed() && s.State != "passed" }

// unreached tells what has not skipped itself.
func (s spec) unreached() bool { return s.skipped() && s.reason() == "" }

// reason is the first line of why the spec has failed, or skipped itself.
func (s spec) reason() string {
	line, _, _ := strings.Cut(strings.TrimSpace(s.Failure.Message), "\n")
	return line
}

// name tells specs apart, but for those that a suite has several times.
func (s spec) name() string {
	return strings.Join(append(append(s.labels(), s.ContainerHierarchyTexts...), s.LeafNodeText), "\n")
}
