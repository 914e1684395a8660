// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
)

// The methods of this file are for tests and for the other services of the cloud: they look into the service and change
// it without a call.

// ErrNotFound says that there is no such file system.
var ErrNotFound = errors.New("not found in the simulated NAS")

// FileSystem describes a file system.
type FileSystem struct {
	ID, Account, Region string
	// Type is standard, extreme or cpfs.
	Type         string
	Created      time.Time
	MountTargets []string
	// Dir is the directory that is the content.
	Dir string
}

func (f *fileSystem) describe() FileSystem {
	return FileSystem{
		ID: f.ID, Account: f.Account, Region: f.Region, Type: f.Type, Created: f.created,
		MountTargets: slices.Clone(f.MountTargets), Dir: f.Dir,
	}
}

// AddFileSystem adds a file system and returns its id.
func (s *Service) AddFileSystem(config FileSystemConfig) (id string, err error) {
	if config, err = config.withDefaults(); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.fileSystems[config.ID]; taken {
		return "", fmt.Errorf("file system %s exists already", config.ID)
	}
	if config.Dir == "" {
		config.Dir, err = s.newDir(config.ID)
	} else {
		err = os.MkdirAll(config.Dir, 0o755)
	}
	if err != nil {
		return "", fmt.Errorf("make the file system %s: %w", config.ID, err)
	}
	for name, data := range config.Files {
		if err := writeFile(config.Dir, name, []byte(data)); err != nil {
			return "", err
		}
	}
	s.sequence++
	s.fileSystems[config.ID] = &fileSystem{
		FileSystemConfig: config, created: s.now().Add(-config.Age.Duration).Truncate(time.Second), sequence: s.sequence,
	}
	return config.ID, nil
}

// RemoveFileSystem deletes a file system. A directory that was given stays.
func (s *Service) RemoveFileSystem(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.fileSystems[id]; !ok {
		return fmt.Errorf("file system %s: %w", id, ErrNotFound)
	}
	delete(s.fileSystems, id)
	return os.RemoveAll(filepath.Join(s.path, id))
}

// FileSystem returns the file system with an id.
func (s *Service) FileSystem(id string) (FileSystem, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.fileSystems[id]
	if !ok {
		return FileSystem{}, fmt.Errorf("file system %s: %w", id, ErrNotFound)
	}
	return f.describe(), nil
}

// FileSystems returns all file systems in the order in which they were made.
func (s *Service) FileSystems() []FileSystem {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]FileSystem, 0, len(s.fileSystems))
	for _, f := range s.inOrder() {
		all = append(all, f.describe())
	}
	return all
}

// Mount returns the directory that a machine gets which mounts a path of a mount target, and makes it where it does not
// exist, as the CSI driver does. The error is in the words of mount.nfs.
func (s *Service) Mount(server, name string) (dir string, err error) {
	f, err := s.serving(server)
	if err != nil {
		return "", err
	}
	return tree.NewMachine(f.Dir).Make(path.Join("/", name))
}

// RemoveDirectory deletes a directory that Mount returns, with all that is in it. There may be none. The root can not be
// deleted.
func (s *Service) RemoveDirectory(server, name string) error {
	f, err := s.serving(server)
	if err != nil {
		return err
	}
	if path.Clean("/"+name) == "/" {
		return fmt.Errorf("file system %s: its root can not be deleted", f.ID)
	}
	dir, err := tree.NewMachine(f.Dir).Resolve(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// serving returns the file system of a mount target.
func (s *Service) serving(server string) (FileSystem, error) {
	all := s.FileSystems()
	at := slices.IndexFunc(all, func(f FileSystem) bool { return slices.Contains(f.MountTargets, server) })
	if at < 0 {
		return FileSystem{}, fmt.Errorf("mount.nfs: Failed to resolve server %s: Name or service not known", server)
	}
	return all[at], nil
}

// WriteFile writes a file of a file system. Its name is a slash-separated path; directories are made as needed.
func (s *Service) WriteFile(id, name string, data []byte) error {
	f, err := s.FileSystem(id)
	if err != nil {
		return err
	}
	return writeFile(f.Dir, name, data)
}

func writeFile(dir, name string, data []byte) error {
	file := fileIn(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.WriteFile(file, data, 0o644)
}

// ReadFile returns the bytes of a file of a file system.
func (s *Service) ReadFile(id, name string) ([]byte, error) {
	f, err := s.FileSystem(id)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(fileIn(f.Dir, name))
}

// fileIn returns the path of a file in a directory. It never leaves the directory.
func fileIn(dir, name string) string {
	return filepath.Join(dir, filepath.FromSlash(path.Clean("/"+name)))
}
