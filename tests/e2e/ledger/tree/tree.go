// SPDX-License-Identifier: Apache-2.0

// Package tree is a tree of small files that changes all the time and of which every copy can be checked: files of several
// modes and sizes are replaced by renaming, a symbolic link follows the newest, and empty directories come and go.
package tree

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// slots is how many files there are once each has been written.
	slots = 48
	// link is the name of the link to the newest file.
	link = "latest"
	// temporary begins the names of what is not renamed yet.
	temporary = ".new-"
	// kept is an empty directory that stays; emptyDirs others come and go beside it.
	kept      = "empty/always"
	emptyDirs = 4
	// maxBody is more than the length of a file.
	maxBody = 9000
	// headSize is that of what a file begins with: its number and the sum of the rest.
	headSize = 8 + sha256.Size
	// comparedMode is of the permissions those that a kubelet leaves alone: it adds some for the group (fsGroup).
	comparedMode = 0o707
)

// Report is what is found of a tree.
type Report struct {
	Files            int `json:"files"`
	Symlinks         int `json:"symlinks"`
	EmptyDirectories int `json:"emptyDirectories"`
	// Newest is the number of the newest file.
	Newest uint64 `json:"newest"`
	// Unfinished counts files that were not renamed yet, which is no fault.
	Unfinished int `json:"unfinished"`
	// Torn counts files whose content or mode is not what was written, Missing those that should be there.
	Torn     int      `json:"torn"`
	Missing  int      `json:"missing"`
	Problems []string `json:"problems,omitempty"`
}

// Err returns what is wrong, nil if nothing is.
func (r *Report) Err() error {
	if r.Torn == 0 && r.Missing == 0 {
		return nil
	}
	return fmt.Errorf("tree: %d torn, %d missing: %s", r.Torn, r.Missing, strings.Join(r.Problems, "; "))
}

func (r *Report) problem(count *int, format string, args ...any) {
	*count++
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// place is the path of the file with a number.
func place(number uint64) string {
	slot := number % slots
	return filepath.FromSlash(fmt.Sprintf("%d/%d/file-%02d", slot%3, slot%5, slot))
}

func modeOf(number uint64) os.FileMode {
	return []os.FileMode{0o600, 0o640, 0o644, 0o755}[number%slots%4]
}

// content is that of the file with a number: its length differs from that of the one which it replaces.
func content(number uint64) []byte {
	seed := [32]byte{}
	binary.BigEndian.PutUint64(seed[:], number)
	body := make([]byte, number*977%maxBody)
	_, _ = rand.NewChaCha8(seed).Read(body) // It never fails.
	sum := sha256.Sum256(body)
	return bytes.Join([][]byte{binary.BigEndian.AppendUint64(nil, number), sum[:], body}, nil)
}

// Fill makes the first changes of a tree of which newest is the newest, until each file is there, and returns the number of the
// last one. From then on also a copy that takes a while has every file.
func Fill(root string, newest uint64) (uint64, error) {
	for newest < slots {
		if err := Write(root, newest+1); err != nil {
			return newest, err
		}
		newest++
	}
	return newest, nil
}

// Write makes the change with a number; they are made one after the other, from 1.
func Write(root string, number uint64) error {
	if err := write(root, number); err != nil {
		return fmt.Errorf("change %d of the tree: %w", number, err)
	}
	return nil
}

func write(root string, number uint64) error {
	path := filepath.Join(root, place(number))
	for _, dir := range []string{filepath.Dir(path), filepath.Join(root, kept)} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
	}
	if err := replace(path, content(number), modeOf(number)); err != nil {
		return err
	}
	fresh := filepath.Join(root, temporary+link)
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // One that a crash has left was not that.
	}
	if err := os.Symlink(place(number), fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, filepath.Join(root, link)); err != nil {
		return err
	}
	passing := filepath.Join(root, filepath.Dir(kept), strconv.FormatUint(number%emptyDirs, 10))
	if err := os.Mkdir(passing, 0o750); errors.Is(err, fs.ErrExist) {
		return os.Remove(passing)
	} else if err != nil {
		return err
	}
	return nil
}

// replace writes a file as a whole or not at all.
func replace(path string, data []byte, mode os.FileMode) error {
	fresh := filepath.Join(filepath.Dir(path), temporary+filepath.Base(path))
	file, err := os.OpenFile(fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// Verify reads a tree, which may be written meanwhile. One that does not exist has nothing. The error is that of reading.
func Verify(root string) (*Report, error) {
	r := &Report{}
	found := map[uint64]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // It went meanwhile.
		case err != nil:
			return err
		case strings.HasPrefix(entry.Name(), temporary):
			r.Unfinished++
			return nil
		}
		return r.visit(root, path, entry, found)
	})
	if err != nil {
		return nil, fmt.Errorf("verify the tree: %w", err)
	}
	for n := max(r.Newest, slots) - slots + 1; n <= r.Newest; n++ {
		if !found[n%slots] {
			r.problem(&r.Missing, "%s", place(n))
		}
	}
	if _, err := os.Stat(filepath.Join(root, kept)); r.Newest > 0 && err != nil {
		r.problem(&r.Missing, "%s", kept)
	}
	if _, err := os.Stat(filepath.Join(root, link)); r.Newest > 1 && err != nil {
		r.problem(&r.Missing, "what %s leads to", link)
	}
	return r, nil
}

func (r *Report) visit(root, path string, entry fs.DirEntry, found map[uint64]bool) error {
	name, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	switch {
	case entry.Type()&fs.ModeSymlink != 0:
		r.Symlinks++
	case entry.IsDir():
		if entries, err := os.ReadDir(path); err == nil && len(entries) == 0 {
			r.EmptyDirectories++
		}
	default:
		return r.visitFile(name, path, found)
	}
	return nil
}

func (r *Report) visitFile(name, path string, found map[uint64]bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	data := make([]byte, headSize+maxBody+1)
	n, err := file.ReadAt(data, 0)
	data = data[:n]
	r.Files++
	if n < headSize {
		r.problem(&r.Torn, "%s: %d bytes (%v)", name, n, err)
		return nil
	}
	number := binary.BigEndian.Uint64(data)
	switch {
	case !bytes.Equal(data, content(number)):
		r.problem(&r.Torn, "%s: not the content that was written", name)
	case place(number) != name:
		r.problem(&r.Torn, "%s: it was written as %s", name, place(number))
	case (info.Mode().Perm()^modeOf(number))&comparedMode != 0:
		r.problem(&r.Torn, "%s: its mode is %v, not %v", name, info.Mode().Perm(), modeOf(number))
	default:
		found[number%slots] = true
		r.Newest = max(r.Newest, number)
	}
	return nil
}
