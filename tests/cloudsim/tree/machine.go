// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// maxLinks is how many symbolic links a path may go through, as in Linux.
const maxLinks = 40

// Machine is the file system of a machine or a container: a directory, with others mounted in it. Its paths are absolute.
// Symbolic links are followed as the machine follows them: they never lead out of it, and through a mount point they lead
// into what is mounted there. It is safe for concurrent use.
type Machine struct {
	root string

	mu sync.RWMutex
	// mounts are by clean path, without symbolic links.
	mounts map[string]mount
}

// mount is a directory of a machine that is seen at another place.
type mount struct {
	from *Machine
	at   string
}

// NewMachine returns the machine whose file system is a directory of this one. The directory may be made later.
func NewMachine(root string) *Machine {
	return &Machine{root: root, mounts: map[string]mount{}}
}

// Mount mounts a directory of this machine, as mount(2) does: name is a directory of m already, and what is in it is hidden
// until Unmount. Something is mounted there already is an error.
func (m *Machine) Mount(name, dir string) error {
	return m.Bind(name, NewMachine(dir), "/")
}

// Bind mounts a directory of another machine, with what is or will be mounted below it: a bind mount that gets the mounts
// of its source. No machine may come to see itself.
func (m *Machine) Bind(name string, from *Machine, dir string) error {
	source, err := from.find(dir)
	if err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	point, err := m.find(name)
	if err != nil {
		return fmt.Errorf("mount at %s: %w", name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.mounts[point]; taken {
		return fmt.Errorf("mount at %s: something is mounted there", name)
	}
	m.mounts[point] = mount{from: from, at: source}
	return nil
}

// Unmount takes away what is mounted at a path. That nothing is is no error.
func (m *Machine) Unmount(name string) error {
	point, err := m.find(name)
	if err != nil {
		return fmt.Errorf("unmount %s: %w", name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mounts, point)
	return nil
}

// Resolve returns where a path of the machine is on this one. What does not exist is an error that is fs.ErrNotExist.
func (m *Machine) Resolve(name string) (string, error) {
	at, err := m.find(name)
	if err != nil {
		return "", err
	}
	return m.real(at), nil
}

// Make makes a directory of the machine, with those above it, and returns where it is on this one.
func (m *Machine) Make(name string) (string, error) {
	at, done := m.real("/"), "/"
	for part := range strings.SplitSeq(path.Clean("/"+name), "/") {
		if part == "" {
			continue
		}
		done = path.Join(done, part)
		found, err := m.Resolve(done)
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

// find returns the path of the machine without symbolic links.
func (m *Machine) find(name string) (string, error) {
	at := "/"
	rest := strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." || part == ".." {
			at = path.Join(at, part)
			continue
		}
		next := path.Join(at, part)
		file := m.real(next)
		info, err := os.Lstat(file)
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
		target, err := os.Readlink(file)
		if err != nil {
			return "", fmt.Errorf("path %s: %w", name, reason(err))
		}
		if path.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, nil
}

// real returns where a path is on this machine whose directories are no symbolic links.
func (m *Machine) real(at string) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for point := at; ; point = path.Dir(point) {
		if mounted, ok := m.mounts[point]; ok {
			return mounted.from.real(path.Join(mounted.at, strings.TrimPrefix(at, point)))
		}
		if point == "/" {
			return filepath.Join(m.root, at)
		}
	}
}

// reason leaves out the path on this machine, which is not that of the simulated one.
func reason(err error) error {
	var failure *fs.PathError
	if errors.As(err, &failure) {
		return failure.Err
	}
	return err
}
