// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// checkInterval is how often a file is looked at for changes.
const checkInterval = time.Second

// Names in a directory that a Secret such as ACK's alibaba-addon-secret is mounted at.
const (
	directoryKeyID         = "access-key-id"
	directoryKeySecret     = "access-key-secret" //nolint:gosec // A name, not a secret.
	directorySecurityToken = "security-token"
)

// file is a credentials file, or a directory with one file per value, that is
// read again when it changes.
type file struct {
	path, profile string

	mu        sync.Mutex
	loaded    bool // Whether doc is what the file said when it had the state print.
	print     fingerprint
	checkedAt time.Time
	doc       document
	changes   int
}

// load returns what the file says. It is read when it is new, has changed or was
// forgotten; one that could not be read is read again each time.
func (f *file) load(now time.Time) (document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.check(now)
	if f.loaded {
		return f.doc, nil
	}
	var err error
	// What was read across a change may be half of each; the second read is not,
	// unless the file changes faster than it can be read.
	for range 3 {
		f.note(fingerprintOf(f.path))
		f.doc, err = readDocument(f.path, f.profile)
		if f.print.equal(fingerprintOf(f.path)) {
			break
		}
	}
	f.checkedAt = now
	if err != nil {
		return document{}, fmt.Errorf("credentials file %s: %w", f.path, err)
	}
	f.loaded = true
	return f.doc, nil
}

// revision returns how many changes of the file were seen since it was first
// read. It looks at the file at most once in checkInterval, and never before load did.
func (f *file) revision(now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.check(now)
	return f.changes
}

// forget makes the next load read the file.
func (f *file) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loaded = false
}

// check notices that the file has changed since it was read.
func (f *file) check(now time.Time) {
	age := now.Sub(f.checkedAt)
	if f.print == nil || (age >= 0 && age < checkInterval) {
		return
	}
	f.checkedAt = now
	f.note(fingerprintOf(f.path))
}

// note takes down the state of the file, and counts it as a change if it is one.
func (f *file) note(current fingerprint) {
	if f.print != nil && !f.print.equal(current) {
		f.loaded = false
		f.changes++
	}
	f.print = current
}

// fingerprint is the state of the files behind a path, nil where there is none.
// Links are followed: Kubernetes changes a mounted Secret by swapping one.
type fingerprint []fs.FileInfo

func fingerprintOf(path string) fingerprint {
	info, err := os.Stat(path)
	if err != nil {
		return fingerprint{nil}
	}
	found := fingerprint{info}
	if info.IsDir() {
		for _, name := range []string{directoryKeyID, directoryKeySecret, directorySecurityToken} {
			info, err := os.Stat(filepath.Join(path, name))
			if err != nil {
				info = nil
			}
			found = append(found, info)
		}
	}
	return found
}

func (p fingerprint) equal(other fingerprint) bool {
	return slices.EqualFunc(p, other, func(a, b fs.FileInfo) bool {
		if a == nil || b == nil {
			return a == nil && b == nil
		}
		return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
	})
}

// readDocument reads the file or directory at path.
func readDocument(path, profile string) (document, error) {
	info, err := os.Stat(path)
	if err != nil {
		return document{}, fileError(err)
	}
	if info.IsDir() {
		key, keyErr := readDirectory(path)
		return document{key: key}, keyErr
	}
	content, err := readSmall(path)
	if err != nil {
		return document{}, err
	}
	return parseDocument(content, profile)
}

// readDirectory reads an access key from the files of a mounted Secret.
func readDirectory(path string) (Credentials, error) {
	var key Credentials
	for _, part := range []struct {
		name     string
		value    *string
		optional bool
	}{
		{directoryKeyID, &key.AccessKeyID, false},
		{directoryKeySecret, &key.AccessKeySecret, false},
		{directorySecurityToken, &key.SecurityToken, true},
	} {
		content, err := readSmall(filepath.Join(path, part.name))
		if part.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Credentials{}, fmt.Errorf("it is a directory, which must hold the files %s and %s: %w", directoryKeyID, directoryKeySecret, err)
		}
		*part.value = string(trimmedText(content))
	}
	return key, checkKeyPair(key)
}

// readSmall reads a file that is expected to be small.
func readSmall(path string) ([]byte, error) {
	opened, err := os.Open(path)
	if err != nil {
		return nil, fileError(err)
	}
	defer opened.Close()
	content, err := io.ReadAll(io.LimitReader(opened, maxFileSize+1))
	if err != nil {
		return nil, fileError(err)
	}
	if len(content) > maxFileSize {
		return nil, errors.New("the file is too large to be a credentials file")
	}
	return content, nil
}

// fileError adds the remedy to an error of the file system.
func fileError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: is the Secret mounted into the Velero pod, and its key the one that is configured?", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: the Velero pod's user must be able to read it (see fsGroup and defaultMode)", err)
	default:
		return err
	}
}
