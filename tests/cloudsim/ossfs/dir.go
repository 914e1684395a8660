// SPDX-License-Identifier: Apache-2.0

// Package ossfs shows what a bucket of the simulated OSS has under a prefix as a directory, as ossfs does, by which the CSI
// driver mounts buckets.
package ossfs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

// The headers in which ossfs keeps what an object lacks to be a file.
const (
	modeHeader = "X-Oss-Meta-Mode"
	timeHeader = "X-Oss-Meta-Mtime"
)

// What ossfs mounts an object as that says nothing of its mode.
const (
	defaultFileMode = 0o640
	defaultDirMode  = 0o750
)

// The types of files in a mode as the kernel has it.
const (
	modeTypeDir  = 0o040000
	modeTypeFile = 0o100000
	modeTypeLink = 0o120000
	modeTypes    = 0o170000
)

// Dir is the objects of a bucket with a prefix, as the directory that ossfs shows them as. It is not the same at any
// time, but when it was synchronized. It is safe for concurrent use.
type Dir struct {
	service        *oss.Service
	bucket, prefix string
	dir            string

	// mu lets one synchronization run at a time, and guards everything below.
	mu sync.Mutex
	// known are the objects and the files as both were last, by key.
	known map[string]copied
	// implied are directories that have no object of their own, by name.
	implied map[string]bool
}

// copied is an object and its file when they were the same.
type copied struct {
	etag string
	file stamp
}

// stamp tells a file from what it was.
type stamp struct {
	size int64
	time time.Time
	mode fs.FileMode
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{mode: info.Mode()}
	if !info.IsDir() {
		s.size, s.time = info.Size(), info.ModTime()
	}
	return s
}

// Path is the directory on this machine.
func (b *Dir) Path() string { return b.dir }

// Sync takes what has changed in the directory to the bucket, and then what has changed in the bucket to the directory.
func (b *Dir) Sync() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.push(); err != nil {
		return fmt.Errorf("synchronize the bucket %s: %w", b.bucket, err)
	}
	if err := b.pull(); err != nil {
		return fmt.Errorf("synchronize the bucket %s: %w", b.bucket, err)
	}
	return nil
}

// push takes files to the bucket.
func (b *Dir) push() error {
	found := map[string]bool{}
	err := filepath.WalkDir(b.dir, func(file string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && file != b.dir {
			return nil // It went while the directory was read.
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(b.dir, file)
		if err != nil || b.implied[name] {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		key := b.prefix + filepath.ToSlash(name)
		if entry.IsDir() {
			key += "/"
		}
		found[key] = true
		if b.known[key].file == stampOf(info) {
			return nil
		}
		if err := b.put(key, file, info); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		delete(found, key)
		return nil
	})
	if err != nil {
		return err
	}
	for key := range b.known {
		if found[key] {
			continue
		}
		if err := b.service.Delete(b.bucket, key); err != nil {
			return err
		}
		delete(b.known, key)
	}
	return nil
}

// put stores a file as an object.
func (b *Dir) put(key, file string, info fs.FileInfo) error {
	var data []byte
	var err error
	mode := uint32(info.Mode().Perm())
	switch {
	case info.IsDir():
		mode |= modeTypeDir
	case info.Mode()&fs.ModeSymlink != 0:
		var target string
		target, err = os.Readlink(file)
		data, mode = []byte(target), mode|modeTypeLink
	case info.Mode().IsRegular():
		data, err = os.ReadFile(file)
		mode |= modeTypeFile
	default:
		return nil
	}
	if err != nil {
		return err
	}
	etag, err := b.service.PutWithHeader(b.bucket, key, data, http.Header{
		modeHeader: {strconv.FormatUint(uint64(mode), 10)}, timeHeader: {strconv.FormatInt(info.ModTime().Unix(), 10)},
	})
	if err != nil {
		return err
	}
	b.known[key] = copied{etag: etag, file: stampOf(info)}
	return nil
}

// pull takes objects to files. Keys that no file can have are left in the bucket.
func (b *Dir) pull() error {
	objects := b.service.Objects(b.bucket)
	if objects == nil {
		return errors.New("there is no such bucket")
	}
	found := map[string]bool{}
	var errs []error
	for _, o := range objects {
		name, ok := b.nameOf(o.Key)
		if !ok {
			continue
		}
		found[o.Key] = true
		if b.known[o.Key].etag != o.ETag {
			errs = append(errs, b.get(o, name))
		}
	}
	for key := range b.known {
		if name, ok := b.nameOf(key); ok && !found[key] {
			delete(b.known, key)
			errs = append(errs, os.RemoveAll(filepath.Join(b.dir, name)))
		}
	}
	return errors.Join(errs...)
}

// nameOf returns the name that an object has in the directory, if it can have one.
func (b *Dir) nameOf(key string) (string, bool) {
	const longest = 255
	below, ok := strings.CutPrefix(key, b.prefix)
	if !ok || below == "" {
		return "", false
	}
	name := strings.TrimSuffix(below, "/")
	bad := slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool {
		return part == "" || part == "." || part == ".." || len(part) > longest
	})
	return name, !bad
}

// get stores an object as a file. A file in the place of a directory, or the reverse, is left.
func (b *Dir) get(o oss.ObjectInfo, name string) error {
	file := filepath.Join(b.dir, name)
	if err := b.makeDirs(filepath.Dir(name)); err != nil {
		return nil //nolint:nilerr // An object has the name of a directory: ossfs shows one of them.
	}
	mode, _ := strconv.ParseUint(o.Header.Get(modeHeader), 10, 32)
	var err error
	switch {
	case strings.HasSuffix(o.Key, "/"):
		err = b.getDir(file, name, mode)
	default:
		err = b.getFile(o, file, mode)
	}
	if err != nil {
		return err
	}
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	b.known[o.Key] = copied{etag: o.ETag, file: stampOf(info)}
	return nil
}

// makeDirs makes directories that have no object, as far as there are none.
func (b *Dir) makeDirs(name string) error {
	for i, r := range name + "/" {
		if r != '/' || i == 0 {
			continue
		}
		above := name[:i]
		switch err := os.Mkdir(filepath.Join(b.dir, above), defaultDirMode); {
		case err == nil:
			b.implied[above] = true
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	return nil
}

func (b *Dir) getDir(file, name string, mode uint64) error {
	if err := os.Mkdir(file, defaultDirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	delete(b.implied, name)
	if mode == 0 {
		return nil
	}
	return os.Chmod(file, fs.FileMode(mode)&fs.ModePerm)
}

func (b *Dir) getFile(o oss.ObjectInfo, file string, mode uint64) error {
	data, err := b.service.Read(b.bucket, o.Key)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(file); err != nil {
		return err
	}
	if mode&modeTypes == modeTypeLink {
		return os.Symlink(string(data), file)
	}
	permissions := fs.FileMode(defaultFileMode)
	if mode != 0 {
		permissions = fs.FileMode(mode) & fs.ModePerm
	}
	if err := os.WriteFile(file, data, permissions); err != nil {
		return err
	}
	modified := o.LastModified
	if seconds, err := strconv.ParseInt(o.Header.Get(timeHeader), 10, 64); err == nil {
		modified = time.Unix(seconds, 0)
	}
	return errors.Join(os.Chmod(file, permissions), os.Chtimes(file, modified, modified))
}
