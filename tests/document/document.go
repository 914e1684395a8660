// SPDX-License-Identifier: Apache-2.0

// Package document reads the documents and examples of this repository, for tests that hold them to the code.
package document

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Read returns the text of a file.
func Read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Section returns what is below a heading of a Markdown file, with the sections in it.
func Section(t *testing.T, file, heading string) string {
	t.Helper()
	var section strings.Builder
	level := 0
	inExample := false // There a comment begins as a heading does.
	for line := range strings.Lines(Read(t, file)) {
		inExample = inExample != strings.HasPrefix(line, "```")
		marks, title, isHeading := strings.Cut(line, "# ")
		isHeading = isHeading && !inExample && strings.Trim(marks, "#") == ""
		switch {
		case isHeading && level > 0 && len(marks) < level:
			return section.String()
		case level > 0:
			section.WriteString(line)
		case isHeading && strings.TrimSpace(title) == heading:
			level = len(marks) + 1
		}
	}
	if level == 0 {
		t.Fatalf("%s has no section %s", file, heading)
	}
	return section.String()
}

// Examples returns the blocks of a language in Markdown.
func Examples(markdown, language string) []string {
	found := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(markdown, -1)
	blocks := make([]string, len(found))
	for i := range found {
		blocks[i] = found[i][1]
	}
	return blocks
}

// FirstColumn returns what the first column of a table in Markdown has as code, sorted.
func FirstColumn(markdown string) []string {
	var found []string
	for _, row := range regexp.MustCompile("(?m)^\\|([^|]*`[^|]*)\\|").FindAllStringSubmatch(markdown, -1) {
		for _, code := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			found = append(found, code[1])
		}
	}
	slices.Sort(found)
	return found
}

// WithOptionalKeys returns an example of a location with the keys of its configuration that are commented out.
func WithOptionalKeys(example string) string {
	location, config, _ := strings.Cut(example, "  config:\n")
	return location + "  config:\n" + regexp.MustCompile(`(?m)^    # (\w+: \S+)$`).ReplaceAllString(config, "    $1")
}
