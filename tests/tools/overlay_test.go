// SPDX-License-Identifier: Apache-2.0

package tools

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// greetings is a module and, beside it, the folder of a tool of it.
var greetings = map[string]string{
	"source/go.mod": "module example.com/greetings\n",
	"source/main.go": `package main

import "example.com/greetings/words"

func main() { print(words.Greet("en")) }
`,
	"source/words/words.go": `package words

func Greet(language string) string {
	switch language {
	default:
		return "?"
	}
}
`,
	"tool/go.mod":     "module example.com/tests/greetings\n\ngo 1.24.0\n\nrequire example.com/greetings v1.2.3\n",
	"tool/go.sum":     "",
	"tool/english.go": "package words\n\nconst english = \"hello\"\n",
}

// inEnglish makes the program greet in English, by a constant in a file of its own.
func inEnglish() alteration {
	return alteration{
		insertions: map[string]insertion{
			"words/words.go": {text: "\tcase \"en\":\n\t\treturn english\n", before: "\tdefault:\n"},
		},
		additions: map[string]string{"words/english.go": "english.go"},
	}
}

func TestAnAlteredModuleIsBuiltAndItsSourceIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	dir, work := t.TempDir(), t.TempDir()
	writeFiles(t, dir, greetings)
	source, toolDir, program := filepath.Join(dir, "source"), filepath.Join(dir, "tool"), filepath.Join(work, "program")
	// As the module cache is.
	err := filepath.WalkDir(source, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, 0o555)
	})
	if err != nil {
		t.Fatal(err)
	}
	// Whoever is not root removes nothing from such a folder.
	t.Cleanup(func() {
		for _, folder := range []string{source, filepath.Join(source, "words")} {
			_ = os.Chmod(folder, 0o755)
		}
	})

	flags, err := inEnglish().write(work, toolDir, "example.com/greetings", source)
	if err != nil {
		t.Fatal(err)
	}
	_, err = goCommand(t.Context(), toolDir, append(append([]string{"build"}, flags...), "-o", program, "example.com/greetings")...)
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(t.Context(), program).CombinedOutput()
	if got, want := string(output), "hello"; err != nil || got != want {
		t.Errorf("the program says %q, %v, want %q", got, err, want)
	}
	text, err := os.ReadFile(filepath.Join(source, "words", "words.go"))
	if err != nil || string(text) != greetings["source/words/words.go"] {
		t.Errorf("the source of the module has changed: %v\n%s", err, text)
	}
}

func TestAnAlterationThatNoLongerFitsIsAnError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{
			name:  "the text has gone",
			files: map[string]string{"source/words/words.go": "package words\n"},
			want:  "altering words/words.go: it has changed: the text before which ours belongs is there 0 times",
		},
		{
			name:  "the text is there twice",
			files: map[string]string{"source/words/words.go": "package words\n\tdefault:\n\tdefault:\n"},
			want:  "is there 2 times, not once",
		},
		{
			name:  "the module has a file of the name",
			files: map[string]string{"source/words/english.go": "package words\n"},
			want:  "adding words/english.go: the module has one already",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFiles(t, dir, greetings)
			writeFiles(t, dir, tt.files)
			_, err := inEnglish().write(t.TempDir(), filepath.Join(dir, "tool"), "example.com/greetings", filepath.Join(dir, "source"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// TestTheProviderStillFitsVelero finds a new release of Velero that is altered elsewhere without a build of its suites.
func TestTheProviderStillFitsVelero(t *testing.T) {
	t.Parallel()
	output, err := goCommand(t.Context(), "velero-e2e", "mod", "download", "-json", "github.com/vmware-tanzu/velero")
	if err != nil {
		t.Fatal(err)
	}
	var download struct{ Dir string }
	if err := json.Unmarshal([]byte(output), &download); err != nil {
		t.Fatal(err)
	}
	if _, err := veleroE2EProvider().write(t.TempDir(), "velero-e2e", "github.com/vmware-tanzu/velero", download.Dir); err != nil {
		t.Error(err)
	}
}

func TestAnotherAlterationIsAnotherProgram(t *testing.T) {
	t.Parallel()
	builder := newBuilder(t, nil, nil)
	greeting := builder.catalog["hello"]
	keys := map[string]bool{}
	german := inEnglish()
	german.insertions = map[string]insertion{"words/words.go": {text: "\tcase \"de\":\n", before: "\tdefault:\n"}}
	for _, a := range []*alteration{nil, new(inEnglish()), &german} {
		greeting.alteration = a
		rev, err := builder.revision(t.Context(), greeting)
		if err != nil {
			t.Fatal(err)
		}
		keys[rev.key] = true
	}
	if len(keys) != 3 {
		t.Errorf("three alterations have the keys %v, want one each", keys)
	}
}
