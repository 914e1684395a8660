// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// Headers of the reference's tables of keys.
const (
	headerOfData  = "| key | value |"
	headerOfRules = "| key of a rule | value |"
)

// describe gives the keys of an action's settings the descriptions that its section of
// the reference has in tables. Its error is that of a key that is in one of the two
// alone.
func describe(schema settings.Schema, section string) error {
	properties, _ := schema["properties"].(settings.Schema)
	data, _ := properties["data"].(settings.Schema)
	if err := describeKeys(data, rowsBelow(section, headerOfData)); err != nil {
		return err
	}
	documents, _ := schema["$defs"].(settings.Schema)
	rules, _ := documents["rules"].(settings.Schema)
	rule, _ := rules["items"].(settings.Schema)
	return describeKeys(rule, rowsBelow(section, headerOfRules))
}

// sectionOf returns the section of the reference that is about an action.
func sectionOf(reference, action string) (string, error) {
	_, after, ok := strings.Cut(reference, "\n## "+action+"\n")
	if !ok {
		return "", fmt.Errorf("the reference has no section about %s", action)
	}
	section, _, _ := strings.Cut(after, "\n## ")
	return section, nil
}

// row is that of a table of keys.
type row struct {
	// keys are paths through maps, such as to.class.
	keys        []string
	description string
}

// rowsBelow returns the rows of the table with that header, nil if there is none.
func rowsBelow(section, header string) []row {
	_, table, _ := strings.Cut(section, header+"\n|---|---|\n")
	code := regexp.MustCompile("`([^`]+)`")
	var rows []row
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 2 {
			break
		}
		r := row{description: strings.TrimSuffix(cells[1], " |")}
		for _, match := range code.FindAllStringSubmatch(cells[0], -1) {
			r.keys = append(r.keys, match[1])
		}
		rows = append(rows, r)
	}
	return rows
}

// describeKeys gives the keys of a map their descriptions.
func describeKeys(schema settings.Schema, rows []row) error {
	described := make(map[string]bool)
	for _, row := range rows {
		for _, key := range row.keys {
			value, ok := valueOf(schema, key)
			if !ok {
				return fmt.Errorf("the reference has the key %q, the settings do not", key)
			}
			value["description"] = row.description
			first, _, _ := strings.Cut(key, ".")
			described[first] = true
		}
	}
	properties, _ := schema["properties"].(settings.Schema)
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		if !described[key] {
			return fmt.Errorf("the settings have the key %q, the table of the reference does not", key)
		}
	}
	return nil
}

// valueOf returns the schema of the value that is at the end of a path.
func valueOf(schema settings.Schema, path string) (settings.Schema, bool) {
	for key := range strings.SplitSeq(path, ".") {
		properties, _ := schema["properties"].(settings.Schema)
		value, ok := properties[key].(settings.Schema)
		if !ok {
			// A key that no field has.
			value, ok = schema["additionalProperties"].(settings.Schema)
		}
		if !ok {
			return nil, false
		}
		schema = value
	}
	return schema, true
}
