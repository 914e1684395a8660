// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/document"
)

const (
	// root is the folder of the repository.
	root = "../../../../"
	docs = root + "docs/restore-settings.md"
	// docsOfBackups is the reference of the actions of backups.
	docsOfBackups = root + "docs/backup-actions.md"
)

func TestTheShippedSchemasAreThoseOfTheSettings(t *testing.T) {
	t.Parallel()
	generated := t.TempDir()
	if err := run([]string{docs, docsOfBackups, generated}); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(contents(t, generated), contents(t, root+"deploy/settings/schema")); diff != "" {
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
		contents[file.Name()] = document.Read(t, filepath.Join(folder, file.Name()))
	}
	return contents
}

// references returns both references.
func references(t *testing.T) map[settings.Kind]string {
	t.Helper()
	return map[settings.Kind]string{
		settings.RestoreItemAction: document.Read(t, docs), settings.BackupItemAction: document.Read(t, docsOfBackups),
	}
}

func TestSchemasAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	first, err := generate(references(t))
	if err != nil {
		t.Fatal(err)
	}
	second, err := generate(references(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(first, second, gocmp.Comparer(bytes.Equal)); diff != "" {
		t.Errorf("schemas (-first +second):\n%s", diff)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"no arguments":                  {},
		"a fourth argument":             {docs, docsOfBackups, ".", "."},
		"a reference that is not there": {docs, "none/there.md", "."},
		"a folder that is not there":    {docs, docsOfBackups, "none/there"},
		"a reference of something else": {root + "README.md", docsOfBackups, "."},
		"the references of each other":  {docsOfBackups, docs, "."},
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
	for name, test := range map[string]struct {
		// kind is that of the reference, RestoreItemAction if it is empty.
		kind           settings.Kind
		old, new, want string
	}{
		"a key of a backup that is not in the reference": {
			kind: settings.BackupItemAction, old: "| `dropObjects` |", new: "| `selector` |",
			want: `describing the settings of alibabacloud.com/unmounted-volumes: the settings have the key "dropObjects", the table of the reference does not`,
		},
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
			changed, kind := references(t), cmp.Or(test.kind, settings.RestoreItemAction)
			reference := changed[kind]
			changed[kind] = strings.Replace(reference, test.old, test.new, 1)
			if changed[kind] == reference {
				t.Fatalf("%q is not in the reference", test.old)
			}
			_, err := generate(changed)
			if diff := gocmp.Diff(test.want, fmt.Sprint(err)); diff != "" {
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
	if diff := gocmp.Diff(want, schema); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}
