// SPDX-License-Identifier: Apache-2.0

// Package tree finds and copies the directories that stand for file systems in the simulated cloud.
package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Entry is a directory, a regular file or a symbolic link of a tree.
type Entry struct {
	// Name is the path in the tree, "." for its root.
	Name string
	// Size is in bytes, 0 for what is no regular file.
	Size int64
	// Dir says that it is a directory.
	Dir bool
}

// List returns the entries of the directory dir, which is one itself, each directory before what is in it. Sockets,
// pipes and devices have no content of their own and are left out.
func List(dir string) ([]Entry, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("list a directory: %w", reason(err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("list a directory: %w", syscall.ENOTDIR)
	}
	var all []Entry
	err = filepath.WalkDir(dir, func(path string, found fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch mode := found.Type(); {
		case mode.IsDir():
			all = append(all, Entry{Name: name, Dir: true})
		case mode&fs.ModeSymlink != 0:
			all = append(all, Entry{Name: name})
		case mode.IsRegular():
			info, err := found.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it went while the directory was read
			}
			if err != nil {
				return err
			}
			all = append(all, Entry{Name: name, Size: info.Size()})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list a directory: %w", err)
	}
	return all, nil
}

// Copy copies a directory to one that does not exist yet, as a Copier does. When it fails nothing is left.
func Copy(from, to string) error {
	entries, err := List(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return fmt.Errorf("copy a directory: %w", err)
	}
	c := Copier{From: from, To: to}
	for _, e := range entries {
		if err = c.Copy(e); err != nil {
			break
		}
	}
	if err == nil {
		err = c.Finish(entries)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("copy a directory: %w", err), os.RemoveAll(to))
	}
	return nil
}

// Copier copies one directory to another, entry by entry in the order of List.
type Copier struct{ From, To string }

// Copy copies an entry with its permissions, time and, for root, owner, and puts it in the place of what is there. The
// attributes of directories are set by Finish.
func (c Copier) Copy(e Entry) error {
	from, to := filepath.Join(c.From, e.Name), filepath.Join(c.To, e.Name)
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := makeWay(to, info.Mode()); err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return makeDir(to)
	case mode&fs.ModeSymlink != 0:
		return copyLink(from, to, info)
	case mode.IsRegular():
		return errors.Join(copyFile(from, to), copyAttributes(info, to))
	default:
		return nil
	}
}

// Finish sets the attributes of the directories among the entries, when all that is in them is there.
func (c Copier) Finish(entries []Entry) error {
	for _, e := range slices.Backward(entries) {
		if !e.Dir {
			continue
		}
		info, err := os.Lstat(filepath.Join(c.From, e.Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was deleted while its tree was copied
		}
		if err != nil {
			return err
		}
		if err := copyAttributes(info, filepath.Join(c.To, e.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// makeWay removes what is at a path unless something of the mode may be written over it.
func makeWay(path string, mode fs.FileMode) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir() && mode.IsDir():
		return nil
	default:
		return os.RemoveAll(path)
	}
}

func makeDir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
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

func copyLink(from, to string, info fs.FileInfo) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.Symlink(target, to); err != nil {
		return err
	}
	return copyOwner(info, to)
}

func copyAttributes(info fs.FileInfo, to string) error {
	// A change of owner takes the set-user-ID bit away, so it comes first.
	if err := copyOwner(info, to); err != nil {
		return err
	}
	if err := os.Chmod(to, info.Mode()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

func copyOwner(info fs.FileInfo, to string) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(to, int(stat.Uid), int(stat.Gid))
}
