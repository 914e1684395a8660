// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/document"
)

var (
	fence   = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```")
	span    = regexp.MustCompile("`([^`\n]+)`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	target  = regexp.MustCompile(`(?m)^([a-z0-9-]+):`)
	command = regexp.MustCompile(`(?m)^(?:[A-Z]+=\S+ )*make ([a-z0-9-]+)`)
	// ofFolder is a row of a table about a folder.
	ofFolder = regexp.MustCompile("^\\| `([a-z0-9/]+/)`")
	goFile   = regexp.MustCompile(`^[a-z0-9_/]+\.go$`)
)

// TestDocumentsLinkToWhatThereIs holds that links within the repository lead to files, folders and headings.
func TestDocumentsLinkToWhatThereIs(t *testing.T) {
	t.Parallel()
	for file, text := range documents(t) {
		for _, found := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			to, err := url.Parse(found[1])
			if err != nil || to.IsAbs() {
				continue
			}
			path := file
			if to.Path != "" {
				path = filepath.Join(filepath.Dir(file), to.Path)
			}
			if !exists(path) {
				t.Errorf("%s: the link %s leads to nothing", file, found[1])
			} else if to.Fragment != "" && !slices.Contains(anchors(t, path), to.Fragment) {
				t.Errorf("%s: the link %s leads to no heading", file, found[1])
			}
		}
	}
}

// TestDocumentsShowWhatParses holds that YAML and JSON can be read.
func TestDocumentsShowWhatParses(t *testing.T) {
	t.Parallel()
	for file, text := range documents(t) {
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			var err error
			switch block[1] {
			case "yaml":
				for part := range strings.SplitSeq(block[2], "\n---\n") {
					var content any
					if err = yaml.UnmarshalStrict([]byte(part), &content); err != nil {
						break
					}
				}
			case "json":
				var content any
				err = json.Unmarshal([]byte(block[2]), &content)
			}
			if err != nil {
				t.Errorf("%s: %v in:\n%s", file, err, block[2])
			}
		}
	}
}

// TestDocumentsNameWhatThereIs holds that targets of make, folders and files that documents name are there.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	r := readRepository(t)
	for file, text := range documents(t) {
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			for _, found := range command.FindAllStringSubmatch(block[2], -1) {
				if !slices.Contains(r.targets, found[1]) {
					t.Errorf("%s: there is no target %s", file, found[1])
				}
			}
		}
		for line := range strings.Lines(fence.ReplaceAllString(text, "")) {
			folder := ""
			if row := ofFolder.FindStringSubmatch(line); row != nil {
				folder = row[1]
			}
			for _, found := range span.FindAllStringSubmatch(line, -1) {
				if !r.has(found[1], folder) {
					t.Errorf("%s: there is no %s (in %q)", file, found[1], strings.TrimSpace(line))
				}
			}
		}
	}
}

// repository is what documents name of this repository.
type repository struct {
	// targets are those of make.
	targets []string
	// folders are those at the top, files the names of all files wherever they are.
	folders, files map[string]bool
}

func readRepository(t *testing.T) repository {
	t.Helper()
	r := repository{folders: map[string]bool{}, files: map[string]bool{}}
	for _, found := range target.FindAllStringSubmatch(document.Read(t, "Makefile"), -1) {
		r.targets = append(r.targets, found[1])
	}
	walk(t, func(path string, entry fs.DirEntry) {
		if entry.IsDir() && path != "." && !strings.Contains(path, "/") {
			r.folders[path] = true
		}
		r.files[entry.Name()] = true
	})
	return r
}

// has tells whether there is what a document names, where the name is one of this repository. A file of Go may be named
// without its folder, but in a row of a table that is about a folder it is in that.
func (r repository) has(name, folder string) bool {
	top, _, isPath := strings.Cut(name, "/")
	switch {
	case strings.ContainsAny(name, "…<*"), name == "x.go", name == "x_part.go": // Any of some.
		return true
	case command.MatchString(name):
		return slices.Contains(r.targets, command.FindStringSubmatch(name)[1])
	case isPath && r.folders[top]:
		return exists(strings.Fields(name)[0])
	case goFile.MatchString(name) && folder != "":
		return exists(filepath.Join(folder, name))
	case goFile.MatchString(name):
		return r.files[filepath.Base(name)]
	default:
		return true
	}
}

// documents are the texts of the repository's documents by their paths.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	walk(t, func(path string, _ fs.DirEntry) {
		// What is in testdata tells of other repositories.
		if filepath.Ext(path) != ".md" || strings.Contains(path, "testdata/") {
			return
		}
		found[path] = document.Read(t, path)
	})
	if len(found) < 10 {
		t.Fatalf("%d documents were found", len(found))
	}
	return found
}

// walk visits all that is in the repository but what git and make keep there.
func walk(t *testing.T, visit func(path string, entry fs.DirEntry)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == ".git" && entry.IsDir() || path == "bin" {
			return filepath.SkipDir
		}
		visit(path, entry)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// anchors are what GitHub makes of the headings of a document.
func anchors(t *testing.T, path string) []string {
	t.Helper()
	var made []string
	times := map[string]int{}
	for _, title := range heading.FindAllStringSubmatch(fence.ReplaceAllString(document.Read(t, path), ""), -1) {
		anchor := link.ReplaceAllString(strings.ToLower(title[1]), "]")
		anchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(anchor, "")
		anchor = strings.ReplaceAll(strings.TrimSpace(anchor), " ", "-")
		if n := times[anchor]; n > 0 {
			made = append(made, anchor+"-"+strconv.Itoa(n))
		} else {
			made = append(made, anchor)
		}
		times[anchor]++
	}
	return made
}
