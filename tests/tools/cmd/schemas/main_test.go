// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

const (
	// root is the folder of the repository.
	root = "../../../../"
	docs = root + "docs/restore-settings.md"
)

func TestTheShippedSchemasAreThoseOfTheSettings(t *testing.T) {
	t.Parallel()
	generated := t.TempDir()
	if err := run([]string{docs, generated}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(contents(t, generated), contents(t, root+"deploy/settings/schema")); diff != "" {
		t.Errorf("run `make schemas` (-generated +shipped):\n%s", diff)
	}
}

func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	contents := make(map[string]string)
	for _, file := range files {
		contents[file.Name()] = read(t, filepath.Join(folder, file.Name()))
	}
	return contents
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestSchemasAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	reference := read(t, docs)
	first, err := generate(reference)
	if err != nil {
		t.Fatal(err)
	}
	second, err := generate(reference)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second, cmp.Comparer(bytes.Equal)); diff != "" {
		t.Errorf("schemas (-first +second):\n%s", diff)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"no arguments":                  {},
		"a third argument":              {docs, ".", "."},
		"a reference that is not there": {"none/there.md", "."},
		"a folder that is not there":    {docs, "none/there"},
		"a reference of something else": {root + "README.md", "."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := run(args); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestDescribeNeedsEachKeyInTheReferenceAndInTheSettings(t *testing.T) {
	t.Parallel()
	reference := read(t, docs)
	for name, test := range map[string]struct {
		old, new, want string
	}{
		"a key of a rule that is not in the settings": {
			old: "| `to.capacity` |", new: "| `to.size` |",
			want: `describing the settings of alibabacloud.com/storage-class-mapping: the reference has the key "to.size", the settings do not`,
		},
		"a key of a rule that is not in the reference": {
			old: "| `overwrite` |", new: "| `set` |",
			want: `describing the settings of alibabacloud.com/annotations: the settings have the key "overwrite", the table of the reference does not`,
		},
		"a key of the data that is not in the reference, which has no table": {
			old: "| key | value |\n|---|---|\n| `enabled` |", new: "| value |\n|---|---|\n| `enabled` |",
			want: `describing the settings of alibabacloud.com/flexvolume-to-csi: the settings have the key "enabled", the table of the reference does not`,
		},
		"a key of the data that is not in the settings": {
			old: "| `reuse` |", new: "| `use` |",
			want: `describing the settings of alibabacloud.com/load-balancer: the reference has the key "use", the settings do not`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(reference, test.old, test.new, 1)
			if changed == reference {
				t.Fatalf("%q is not in the reference", test.old)
			}
			_, err := generate(changed)
			if diff := cmp.Diff(test.want, fmt.Sprint(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeysAreDescribedWhereTheyAre(t *testing.T) {
	t.Parallel()
	schema := settings.Schema{
		"properties": settings.Schema{"data": settings.Schema{
			"properties":           settings.Schema{"rules": settings.Schema{"type": "string"}},
			"additionalProperties": settings.Schema{"type": "string"},
		}},
		"$defs": settings.Schema{"rules": settings.Schema{"items": settings.Schema{"properties": settings.Schema{
			"from": settings.Schema{},
			"name": settings.Schema{},
			"to":   settings.Schema{"properties": settings.Schema{"class": settings.Schema{}}},
		}}}},
	}
	err := describe(schema, "A table:\n\n| key | value |\n|---|---|\n| `rules` | what holds |\n| `case1`, `case2` and so on | a row |\n\n"+
		"| key of a rule | value |\n|---|---|\n| `from`, `name` (required) | where from |\n| `to.class` | `a` or *b* |\n\n| no | key |\n")
	if err != nil {
		t.Fatal(err)
	}
	want := settings.Schema{
		"properties": settings.Schema{"data": settings.Schema{
			"properties":           settings.Schema{"rules": settings.Schema{"type": "string", "description": "what holds"}},
			"additionalProperties": settings.Schema{"type": "string", "description": "a row"},
		}},
		"$defs": settings.Schema{"rules": settings.Schema{"items": settings.Schema{"properties": settings.Schema{
			"from": settings.Schema{"description": "where from"},
			"name": settings.Schema{"description": "where from"},
			"to":   settings.Schema{"properties": settings.Schema{"class": settings.Schema{"description": "`a` or *b*"}}},
		}}}},
	}
	if diff := cmp.Diff(want, schema); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}
