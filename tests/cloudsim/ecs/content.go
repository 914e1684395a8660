// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
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
	if err := tree.Copy(from, to); err != nil {
		return fmt.Errorf("copy the content of a disk: %w", err)
	}
	return nil
}
