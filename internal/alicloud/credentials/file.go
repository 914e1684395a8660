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
	"strings"
	"sync"
	"time"
)

const (
	// checkInterval is how often a file is looked at for changes.
	checkInterval = time.Second
	// settleTime is how long a file may be empty, or change while it is read, before
	// it is taken for what it says; it is looked at every settlePause until then.
	settleTime  = 200 * time.Millisecond
	settlePause = 10 * time.Millisecond
)

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
	// sleep passes the time while the file is being written.
	sleep func(time.Duration)

	mu        sync.Mutex
	print     fingerprint // The state in which it was last read; nil before.
	checkedAt time.Time
	current   bool // Whether doc is what the file says in that state.
	// said and doc are what it held and meant when it was last read without an error.
	known   bool
	said    content
	doc     document
	changes int
}

// load returns what the file says. It is read when it is new, has changed or was
// forgotten; one that could not be read is read again each time.
func (f *file) load(now time.Time) (document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loadLocked(now)
}

// lastGood returns what load does or, where that fails, what the file said when
// it was last read without an error.
func (f *file) lastGood(now time.Time) (document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	doc, err := f.loadLocked(now)
	if err != nil && f.known {
		return f.doc, nil
	}
	return doc, err
}

func (f *file) loadLocked(now time.Time) (document, error) {
	f.check(now)
	if f.current {
		return f.doc, nil
	}
	f.checkedAt = now
	if err := f.read(); err != nil {
		return document{}, fmt.Errorf("credentials file %s: %w", f.path, err)
	}
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
	f.current = false
}

// check reads the file again if it was written to since it was read.
func (f *file) check(now time.Time) {
	age := now.Sub(f.checkedAt)
	if f.print == nil || (age >= 0 && age < checkInterval) {
		return
	}
	f.checkedAt = now
	if !f.print.equal(fingerprintOf(f.path)) {
		_ = f.read() // load reads it once more, and returns the error.
	}
}

// read takes in what the file says. It counts a change where that is something
// else than before, and where it can no longer be told: Velero rewrites the file
// of a location with the same content whenever it gets the location.
func (f *file) read() error {
	said, err := f.settled()
	var doc document
	if err == nil {
		doc, err = said.document(f.profile)
	}
	if err != nil {
		if f.current {
			f.changes++
		}
		f.current = false
		return err
	}
	if f.known && said != f.said {
		f.changes++
	}
	f.current, f.known, f.said, f.doc = true, true, said, doc
	return nil
}

// settled returns what the file holds, and notes the state that it has then. Who
// rewrites a file in place empties it first, so that an empty one is likely to
// be filled in a moment; what was read across a change may be half of each.
func (f *file) settled() (content, error) {
	for waited := time.Duration(0); ; waited += settlePause {
		f.print = fingerprintOf(f.path)
		said, err := readContent(f.path)
		settled := (err != nil || !said.empty()) && f.print.equal(fingerprintOf(f.path))
		if settled || waited >= settleTime {
			return said, err
		}
		f.sleep(settlePause)
	}
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

// content is what stands at a path. It is comparable.
type content struct {
	directory bool
	text      string      // Of a file.
	key       Credentials // Of a directory; not checked.
}

func (c content) empty() bool {
	return !c.directory && strings.TrimSpace(c.text) == ""
}

func (c content) document(profile string) (document, error) {
	if c.directory {
		return document{key: c.key}, checkKeyPair(c.key)
	}
	return parseDocument([]byte(c.text), profile)
}

// readContent reads the file or directory at path.
func readContent(path string) (content, error) {
	info, err := os.Stat(path)
	if err != nil {
		return content{}, fileError(err)
	}
	if info.IsDir() {
		key, err := readDirectory(path)
		return content{directory: true, key: key}, err
	}
	text, err := readSmall(path)
	return content{text: string(text)}, err
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
	return key, nil
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
