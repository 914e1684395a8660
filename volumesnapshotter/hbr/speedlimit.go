// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// speedRule is the bandwidth that jobs may have in some hours of the day.
type speedRule struct {
	// start and end are hours of the day: the rule holds from start until end.
	start, end int
	// kilobytes are per second.
	kilobytes int
}

func (r speedRule) String() string { return fmt.Sprintf("%d:%d:%d", r.start, r.end, r.kilobytes) }

// parseSpeedLimit reads bandwidths for hours of the day, start:end:kilobytes per
// second, separated by vertical bars, and returns them as the API has them: sorted
// and without white space. The hours of two rules may not overlap.
// Source: HBR API reference, CreateBackupJob, SpeedLimit.
func parseSpeedLimit(text string) (string, error) {
	var rules []speedRule
	for part := range strings.SplitSeq(text, "|") {
		rule, ok := parseSpeedRule(part)
		if !ok {
			return "", fmt.Errorf("%q is not of the form start:end:bandwidth: allowed are hours of the day and kilobytes a second, such as 0:8:51200|8:24:5120", strings.TrimSpace(part))
		}
		rules = append(rules, rule)
	}
	slices.SortFunc(rules, func(a, b speedRule) int { return cmp.Compare(a.start, b.start) })
	names := make([]string, 0, len(rules))
	for i, rule := range rules {
		if i > 0 && rule.start < rules[i-1].end {
			return "", fmt.Errorf("%s and %s overlap", rules[i-1], rule)
		}
		names = append(names, rule.String())
	}
	return strings.Join(names, "|"), nil
}

func parseSpeedRule(text string) (speedRule, bool) {
	fields := strings.Split(text, ":")
	if len(fields) != 3 {
		return speedRule{}, false
	}
	var numbers [3]int
	for i, field := range fields {
		number, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil {
			return speedRule{}, false
		}
		numbers[i] = number
	}
	rule := speedRule{start: numbers[0], end: numbers[1], kilobytes: numbers[2]}
	return rule, rule.start >= 0 && rule.start < rule.end && rule.end <= 24 && rule.kilobytes > 0
}
