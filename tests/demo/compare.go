// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample/digest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample/fields"
)

// longestValue is how much of a value is printed, in bytes.
const longestValue = 64

// compare compares all objects of a namespace, field by field, with those before the backup, and what is on their volumes.
// It fails unless exactly what is expected has changed.
func (d *demo) compare(ctx context.Context, in string, want outcome) error {
	ids, err := d.boundDisks(ctx, in)
	if err != nil {
		return err
	}
	directory, err := d.boundVolume(ctx, in, d.files.Claim)
	if err != nil {
		return err
	}
	after, err := digest.Objects(ctx, d.cp.Config, in)
	if err != nil {
		return err
	}
	changes, err := fields.Compare(d.before, after)
	if err != nil {
		return err
	}
	altered := map[string]struct{}{}
	rows := [][]string{{"OBJECT", "FIELD", "BEFORE", "AFTER"}}
	for _, change := range changes {
		altered[change.Object] = struct{}{}
		rows = append(rows, []string{change.Object, change.Field, shortened(change.Before), shortened(change.After)})
	}
	d.say("%d objects in %s before, %d in %s now. %d of them differ (PersistentVolumes have the names of their claims here):", len(d.before), namespace, len(after), in, len(altered))
	d.table(rows)
	if differing := unexpected(d.expected(want, ids, directory), changes); len(differing) > 0 {
		return fmt.Errorf("what was restored into the namespace %s is not what is expected:\n%s", in, strings.Join(differing, "\n"))
	}
	if err := d.compareDisks(ids, want.disks); err != nil {
		return err
	}
	return d.compareFiles(directory)
}

// unexpected tells of the changes that are expected and not there, and the other way round.
func unexpected(want, got []fields.Change) []string {
	var lines []string
	for _, change := range want {
		if !slices.Contains(got, change) {
			lines = append(lines, "missing: "+change.String())
		}
	}
	for _, change := range got {
		if !slices.Contains(want, change) {
			lines = append(lines, "unexpected: "+change.String())
		}
	}
	return lines
}

// shortened returns the start of a long value.
func shortened(value string) string {
	if len(value) <= longestValue {
		return value
	}
	return strings.ToValidUTF8(value[:longestValue], "") + "…"
}
