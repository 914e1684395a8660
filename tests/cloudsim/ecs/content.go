// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// contentDir is where the content of disks and snapshots lives, a directory for each.
type contentDir struct{ path string }

func newContentDir(below string) (contentDir, error) {
	dir, err := os.MkdirTemp(below, "ecs-")
	if err != nil {
		return contentDir{}, fmt.Errorf("make a directory for disks: %w", err)
	}
	return contentDir{path: dir}, nil
}

func (c contentDir) remove() error { return os.RemoveAll(c.path) }

func (c contentDir) disk(id string) string { return filepath.Join(c.path, "disks", id) }

func (c contentDir) snapshot(region, id string) string {
	return filepath.Join(c.path, "snapshots", region, id)
}

// drop deletes a directory with all that is in it.
func (c contentDir) drop(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("delete the content of a disk: %w", err)
	}
	return nil
}

// make makes the directory of an empty disk.
func (c contentDir) make(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make a disk: %w", err)
	}
	return nil
}

// copy copies a directory to one that does not exist yet: directories, regular files and symbolic links, with their
// permissions, times and, for root, owners. When it fails nothing is left.
func (c contentDir) copy(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("copy the content of a disk: %w", err)
	}
	if err := copyTree(from, to); err != nil {
		return errors.Join(fmt.Errorf("copy the content of a disk: %w", err), os.RemoveAll(to))
	}
	return nil
}

func copyTree(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		err = copyDirectory(from, to)
	case info.Mode().IsRegular():
		err = copyFile(from, to)
	case info.Mode()&fs.ModeSymlink != 0:
		return copyLink(from, to)
	default:
		return nil // sockets, pipes and devices have no content of their own
	}
	return errors.Join(err, copyAttributes(info, to))
}

func copyDirectory(from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := copyTree(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

func copyLink(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	return os.Symlink(target, to)
}

func copyAttributes(info fs.FileInfo, to string) error {
	// A change of owner takes the set-user-ID bit away, so it comes first.
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := os.Lchown(to, int(stat.Uid), int(stat.Gid)); err != nil {
			return err
		}
	}
	if err := os.Chmod(to, info.Mode()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}
