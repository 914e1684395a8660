//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page has the table of what people see, between two marks.
const (
	page      = "../../docs/reliability.md"
	tableFrom = "<!-- The table is written by UPDATE=1 go test -tags e2e -run TestReliability ./tests/e2e -->\n"
	tableTo   = "<!-- The end of the table. -->\n"
)

// updateVariable is an environment variable by which the page is written anew.
const updateVariable = "UPDATE"

// maxSays is how much of a message the table has.
const maxSays = 320

// row is what people see of a disturbance.
type row struct {
	disturbance, moment string
	first, second       result
}

// result is how an attempt has ended, and what it says.
type result struct {
	phase string
	says  []string
}

// says are the errors of a backup or a restore as people find them: the reason of its failure, and the errors of its
// operations and in its log. Of several that differ in names alone it has one.
func says(now state, seen string) []string {
	var all []string
	add := func(text string) {
		if text = nameless(text); text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	add(now.reason)
	for line := range strings.Lines(seen) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "Operation Error:"); ok {
			add(text)
		}
		if _, told, ok := strings.Cut(line, "Errors:"); ok && strings.Contains(told, "error getting errors") {
			add(told) // They were not stored.
		}
		if strings.Contains(line, "level=error") {
			add(logged(line))
		}
	}
	return all
}

// logged is the message of a line of a log, and its error.
func logged(line string) string {
	fields := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`).FindAllStringSubmatch(line, -1) {
		fields[m[1]] = strings.ReplaceAll(m[2], `\"`, `"`)
	}
	if fields["error"] == "" {
		return fields["msg"]
	}
	return fields["msg"] + ": " + fields["error"]
}

// nameless is a message without what differs from run to run.
func nameless(text string) string {
	for _, r := range []struct{ pattern, with string }{
		{`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, "…"},
		{`\b([sdv]|job|r|po)-(bp1|000)\w+`, "$1-…"},
		{`\b(RequestId|requestId|RequestID)[=:] ?"?\w+"?`, "RequestId=…"},
		{`\d+\.\d+\.\d+\.\d+:\d+`, "…"},
		{`/tmp/plugin\d+`, "/tmp/plugin…"},
		{`https?://[^" ]+`, "https://…"},
		{`\s+`, " "},
		{`\|`, `\|`},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	text = strings.TrimSpace(text)
	if runes := []rune(text); len(runes) > maxSays {
		text = strings.TrimSpace(string(runes[:maxSays])) + "…"
	}
	return text
}

// head and tail are what a row of the table begins and ends with. What it says is between: that may differ a little, as the
// moment does.
func (r row) head() string {
	return fmt.Sprintf("| %s | %s | `%s` | ", r.disturbance, r.moment, r.first.phase)
}

func (r row) tail() string { return fmt.Sprintf(" | `%s` |\n", r.second.phase) }

// table is Markdown.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| what happens | while | the first attempt | what it says | the second attempt |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		quoted := make([]string, 0, len(r.first.says))
		for _, text := range r.first.says {
			quoted = append(quoted, "`"+text+"`")
		}
		b.WriteString(r.head() + strings.Join(quoted, "<br>") + r.tail())
	}
	return b.String()
}

// isTold tells whether a page has a row.
func isTold(page string, r row) bool {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, r.head()) && strings.HasSuffix(line, r.tail()) {
			return true
		}
	}
	return false
}

// checkTable compares the page with what was seen, or writes it.
func checkTable(t *testing.T, rows []row) {
	t.Helper()
	seen := table(rows)
	t.Logf("\n%s", seen)
	content, err := os.ReadFile(page)
	must(t, err)
	before, rest, found := strings.Cut(string(content), tableFrom)
	told, after, ended := strings.Cut(rest, tableTo)
	if !found || !ended {
		t.Fatalf("%s lacks the marks of the table", page)
	}
	if os.Getenv(updateVariable) == "" {
		// Of those rounds that have run: -run may have chosen some.
		for _, r := range rows {
			if !isTold(told, r) {
				t.Errorf("%s tells something else; with %s=1 it is written anew. Seen:\n%s", page, updateVariable, table([]row{r}))
			}
		}
		return
	}
	if t.Failed() {
		t.Fatal("the page is not written, for something is wrong")
	}
	must(t, os.WriteFile(page, []byte(before+tableFrom+seen+tableTo+after), 0o644))
}
