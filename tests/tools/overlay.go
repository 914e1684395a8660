// SPDX-License-Identifier: Apache-2.0

package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// alteration is what a tool's module is built with that its author has not written. The module cache stays as it is: Go
// refuses an overlay of files there. Instead, a go.mod replaces the module by a folder which exists only in the overlay
// (go help build, -overlay). Each of its files is that of the module cache, but those that are named here.
type alteration struct {
	// insertions are by the file's path in the module.
	insertions map[string]insertion
	// additions are files of the tool's folder, by the path that they have in the module.
	additions map[string]string
}

// insertion is text that is put before other text, which must be in the file once.
type insertion struct {
	text, before string
}

// apply returns the altered file.
func (i insertion) apply(source string) (string, error) {
	if count := strings.Count(source, i.before); count != 1 {
		return "", fmt.Errorf("it has changed: the text before which ours belongs is there %d times, not once:\n%s", count, i.before)
	}
	return strings.Replace(source, i.before, i.text+i.before, 1), nil
}

// key tells alterations apart. The added files are in the tool's folder, and so in its key already.
func (a alteration) key() string {
	var key strings.Builder
	for _, file := range slices.Sorted(maps.Keys(a.insertions)) {
		fmt.Fprintf(&key, "%q %q\n", file, a.insertions[file])
	}
	for _, file := range slices.Sorted(maps.Keys(a.additions)) {
		fmt.Fprintf(&key, "%q %q\n", file, a.additions[file])
	}
	return key.String()
}

// write writes what the go command needs below dir and returns its flags. toolDir is the tool's folder, and source that
// of its module in the module cache.
func (a alteration) write(dir, toolDir, module, source string) (flags []string, err error) {
	virtual := filepath.Join(dir, "module")
	replace, err := mirror(virtual, source)
	if err != nil {
		return nil, err
	}
	for file, insertion := range a.insertions {
		original, err := os.ReadFile(filepath.Join(source, file))
		if err != nil {
			return nil, err
		}
		altered, err := insertion.apply(string(original))
		if err != nil {
			return nil, fmt.Errorf("altering %s: %w", file, err)
		}
		path := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(path, []byte(altered), 0o600); err != nil {
			return nil, err
		}
		replace[filepath.Join(virtual, file)] = path
	}
	for file, own := range a.additions {
		if replace[filepath.Join(virtual, file)] != "" {
			return nil, fmt.Errorf("adding %s: the module has one already", file)
		}
		replace[filepath.Join(virtual, file)] = filepath.Join(toolDir, own)
	}
	goMod, err := writeModule(dir, toolDir, module, virtual)
	if err != nil {
		return nil, err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	return []string{"-overlay", overlayFile, "-modfile", goMod}, os.WriteFile(overlayFile, overlay, 0o600)
}

// mirror makes the files of the folder source appear below another one that need not exist.
func mirror(virtual, source string) (map[string]string, error) {
	replace := map[string]string{}
	err := filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(source, path)
		replace[filepath.Join(virtual, relative)] = path
		return err
	})
	return replace, err
}

// writeModule writes the tool's go.mod, with the replacement of its module, and go.sum, which the go command looks for
// beside it.
func writeModule(dir, toolDir, module, replacement string) (string, error) {
	goMod, err := os.ReadFile(filepath.Join(toolDir, "go.mod"))
	if err != nil {
		return "", err
	}
	goSum, err := os.ReadFile(filepath.Join(toolDir, "go.sum"))
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "go.mod")
	return path, errors.Join(
		os.WriteFile(path, fmt.Appendf(goMod, "\nreplace %s => %s\n", module, replacement), 0o600),
		os.WriteFile(filepath.Join(dir, "go.sum"), goSum, 0o600),
	)
}

// alter returns the flags with which the go command builds a tool's altered module. What they name is kept in dir.
func (b *Builder) alter(ctx context.Context, t tool, dir string) (flags []string, err error) {
	toolDir := filepath.Join(b.modules, t.dir)
	output, err := goCommand(ctx, toolDir, "mod", "download", "-json", t.module)
	if err != nil {
		return nil, err
	}
	var download struct{ Dir string }
	if err := json.Unmarshal([]byte(output), &download); err != nil {
		return nil, fmt.Errorf("finding the source of %s: %w", t.module, err)
	}
	return t.alteration.write(dir, toolDir, t.module, download.Dir)
}
