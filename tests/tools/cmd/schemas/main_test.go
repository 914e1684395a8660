// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// root is the folder of the repository.
const root = "../../../../"

func TestTheShippedSchemasAreThoseOfTheSettings(t *testing.T) {
	t.Parallel()
	generated := t.TempDir()
	if err := run([]string{generated}); err != nil {
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
		content, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		contents[file.Name()] = string(content)
	}
	return contents
}

func TestSchemasAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	first, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	second, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second, cmp.Comparer(bytes.Equal)); diff != "" {
		t.Errorf("schemas (-first +second):\n%s", diff)
	}
}

func TestOneFolderIsAsked(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"none": {}, "two": {"a", "b"}, "a folder that is not there": {"none/there"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := run(args); err == nil {
				t.Error("no error")
			}
		})
	}
}
