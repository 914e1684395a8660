// SPDX-License-Identifier: Apache-2.0

// Package tree finds and copies the directories that stand for file systems in the simulated cloud.
package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is how many symbolic links a path may go through, as in Linux.
const maxLinks = 40

// Resolve returns where a path of a machine is whose file system is the directory root. Symbolic links are followed as
// the machine follows them: they never lead out of root. What does not exist is an error that is fs.ErrNotExist.
func Resolve(root, name string) (string, error) {
	at := "/"
	rest := strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." || part == ".." {
			at = filepath.Join(at, part)
			continue
		}
		next := filepath.Join(at, part)
		info, err := os.Lstat(filepath.Join(root, next))
		switch {
		case err != nil:
			return "", fmt.Errorf("path %s: %w", name, reason(err))
		case info.Mode()&fs.ModeSymlink == 0:
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("path %s: too many symbolic links", name)
		}
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil {
			return "", fmt.Errorf("path %s: %w", name, reason(err))
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return filepath.Join(root, at), nil
}

// reason leaves out the path on this machine, which is not that of the simulated one.
func reason(err error) error {
	var failure *fs.PathError
	if errors.As(err, &failure) {
		return failure.Err
	}
	return err
}

// Make makes a directory of a machine whose file system is the directory root, with those above it, and returns where
// it is.
func Make(root, name string) (string, error) {
	at := root
	done := "/"
	for _, part := range strings.Split(filepath.Clean("/"+name), "/") {
		if part == "" {
			continue
		}
		done = filepath.Join(done, part)
		found, err := Resolve(root, done)
		if errors.Is(err, fs.ErrNotExist) {
			found = filepath.Join(at, part)
			err = os.Mkdir(found, 0o755)
		}
		if err != nil {
			return "", fmt.Errorf("make the directory %s: %w", name, reason(err))
		}
		at = found
	}
	return at, nil
}
