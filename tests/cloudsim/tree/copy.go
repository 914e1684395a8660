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
		if errors.Is(err, fs.ErrNotExist) && path != dir {
			return nil // A directory that went when it was to be read.
		}
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
				return nil // It went while the directory was read.
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

const (
	// attempts is how often Copy begins anew because files came or went while it listed.
	attempts = 10
	// maxOpen bounds how many files Copy holds open. Further ones are copied as they are when their turn comes.
	maxOpen = 4096
)

// Copy copies a directory to one that does not exist yet, as a Copier does. When it fails nothing is left.
//
// The directory may be one that programs write to. The copy is that of the instant at which it was listed, as near as that
// can be told without stopping them. Each file is opened then, so that one which is replaced or deleted while the others are
// copied is in the copy as it was; and it has as many bytes as there were, so that a program that appends records, each
// within a page of memory, finds none of them torn, and no file ahead of another by more than the time of listing. What was
// written before the call is in the copy, whether it was flushed to the disk or not.
func Copy(from, to string) error {
	var err error
	for attempt := range attempts {
		err = copyListed(from, to, attempt == attempts-1)
		if !errors.Is(err, errChanged) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("copy a directory: %w", err)
	}
	return nil
}

// errChanged is why Copy begins anew.
var errChanged = errors.New("files came or went while the directory was listed")

// copyListed copies a directory as it is listed now. That names come or go meanwhile is errChanged, for a listing may miss
// a file that is renamed under both its names; for the tolerant, what has gone is left out.
func copyListed(from, to string, tolerant bool) error {
	entries, err := List(from)
	if err != nil {
		return err
	}
	c := Copier{From: from, To: to}
	files, err := c.open(entries)
	defer files.close()
	if err != nil {
		return err
	}
	if again, err := List(from); !tolerant && (err != nil || !slices.EqualFunc(entries, again, sameName)) {
		return errors.Join(errChanged, err)
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for i, e := range entries {
		if files[i].File != nil {
			err = files[i].copyTo(filepath.Join(to, e.Name))
		} else {
			err = c.Copy(e)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // A directory or a link that has gone since.
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = c.Finish(entries)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(to))
	}
	return nil
}

func sameName(a, b Entry) bool { return a.Name == b.Name && a.Dir == b.Dir }

// openFile is a regular file as it was when it was opened. It has no File for what is none, and for what has gone.
type openFile struct {
	*os.File
	info fs.FileInfo
}

type openFiles []openFile

func (files openFiles) close() {
	for _, f := range files {
		if f.File != nil {
			f.Close()
		}
	}
}

// open opens the regular files among the entries.
func (c Copier) open(entries []Entry) (openFiles, error) {
	files := make(openFiles, len(entries))
	for i, e := range entries[:min(len(entries), maxOpen)] {
		name := filepath.Join(c.From, e.Name)
		info, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err == nil {
			files[i].File, err = os.Open(name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			files[i].info, err = files[i].Stat()
		}
		if err != nil {
			return files, err
		}
	}
	return files, nil
}

func (f openFile) copyTo(to string) error {
	return errors.Join(copyContent(io.LimitReader(f, f.info.Size()), to), copyAttributes(f.info, to))
}

// Copier copies one directory to another, entry by entry in the order of List.
type Copier struct{ From, To string }

// Copy copies an entry with its permissions, time and, for root, owner, and puts it in the place of what is there. A
// directory can be written by its owner until Finish, which sets its attributes.
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
		return makeDir(to, info)
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
			continue // It was deleted while its tree was copied, and has the attributes of makeDir.
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

// makeDir makes a directory that stays as it is should the copied one be deleted before Finish.
func makeDir(path string, info fs.FileInfo) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := copyOwner(info, path); err != nil {
		return err
	}
	return os.Chmod(path, info.Mode()|0o700)
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	return copyContent(source, to)
}

// copyContent writes a new file.
func copyContent(source io.Reader, to string) error {
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
