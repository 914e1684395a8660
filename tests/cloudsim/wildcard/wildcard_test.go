// SPDX-License-Identifier: Apache-2.0

package wildcard_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/wildcard"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		pattern, s string
		want       bool
	}{
		"an empty pattern matches the empty string":      {"", "", true},
		"an empty pattern matches nothing else":          {"", "a", false},
		"a star matches the empty string":                {"*", "", true},
		"a star matches slashes and colons":              {"acs:oss:*:*:b/*", "acs:oss:*:1:b/k/l", true},
		"a star backtracks":                              {"*ab*abc", "ababxabc", true},
		"a question mark matches one byte":               {"b?t", "bat", true},
		"a question mark does not match nothing":         {"b?t", "bt", false},
		"a literal tail must match":                      {"oss:Get*", "oss:PutObject", false},
		"a trailing slash star needs the slash":          {"b/*", "b", false},
		"a star in the string is matched by a star":      {"a*c", "a*bc", true},
		"dots and brackets of regexps are literal":       {"a.[b]", "a.[b]", true},
		"dots do not match other bytes":                  {"a.b", "axb", false},
		"several stars in a row are the same as one":     {"a***b", "ab", true},
		"a pattern longer than the string can not match": {"abc", "ab", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := wildcard.Match(tt.pattern, tt.s); got != tt.want {
				t.Errorf("Match(%q, %q) = %v, want %v", tt.pattern, tt.s, got, tt.want)
			}
		})
	}
}

// FuzzMatch compares the matcher with the regular expression of the same meaning.
func FuzzMatch(f *testing.F) {
	f.Add("acs:oss:*:*:b?/*", "acs:oss:*:1:b1/k")
	f.Add("*a*b*", "xxaxxbxx")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		quoted := regexp.QuoteMeta(pattern)
		quoted = strings.ReplaceAll(quoted, `\*`, `.*`)
		quoted = strings.ReplaceAll(quoted, `\?`, `.`)
		if !isASCII(pattern) || !isASCII(s) {
			t.Skip("regular expressions match runes, the matcher bytes")
		}
		re, err := regexp.Compile(`(?s)\A` + quoted + `\z`)
		if err != nil {
			t.Skip("not expressible as a regular expression:", err)
		}
		if got, want := wildcard.Match(pattern, s), re.MatchString(s); got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
