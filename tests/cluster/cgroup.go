// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

// killTimeout bounds the wait for killed processes to be gone.
const killTimeout = 20 * time.Second

// cgroup is the control group that every process of a cluster is in: those of its pods, which the kubelet puts below it,
// and those of the machine itself. What is in it can be found, and ended, whoever started it. Each cluster has its own
// also because a kubelet kills what it does not know below its own.
type cgroup struct {
	// hierarchies are the mounts of the kernel's control groups: one in version 2, one for each controller in version 1.
	hierarchies []string
	unified     bool
	name        string
}

// newCgroup is the control group of a name, which need not exist. Mount is where the kernel's are: /sys/fs/cgroup.
func newCgroup(mount, name string) (cgroup, error) {
	if _, err := os.Stat(filepath.Join(mount, "cgroup.controllers")); err == nil {
		return cgroup{hierarchies: []string{mount}, unified: true, name: name}, nil
	}
	found, err := filepath.Glob(filepath.Join(mount, "*", "cgroup.procs"))
	if err != nil {
		return cgroup{}, err
	}
	if len(found) == 0 {
		return cgroup{}, fmt.Errorf("there are no control groups in %s", mount)
	}
	c := cgroup{name: name}
	for _, file := range found {
		// Such as cpu, a link to cpu,cpuacct.
		if info, err := os.Lstat(filepath.Dir(file)); err == nil && info.IsDir() {
			c.hierarchies = append(c.hierarchies, filepath.Dir(file))
		}
	}
	return c, nil
}

// path is the cgroup as kubelets know it.
func (c cgroup) path() string {
	return "/" + c.name
}

// machineFiles are the files into which a process of the machine itself writes its id. In version 2 processes may only be
// where no further groups are, hence one of their own.
func (c cgroup) machineFiles() []string {
	var files []string
	for _, hierarchy := range c.hierarchies {
		if c.unified || filepath.Base(hierarchy) == "pids" {
			files = append(files, filepath.Join(hierarchy, c.name, "machine", "cgroup.procs"))
		}
	}
	return files
}

// create makes the group.
func (c cgroup) create() error {
	for _, hierarchy := range c.hierarchies {
		if err := c.createIn(hierarchy); err != nil {
			return fmt.Errorf("making a control group: %w", err)
		}
	}
	for _, file := range c.machineFiles() {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("making a control group: %w", err)
		}
	}
	return nil
}

// createIn makes the group in one hierarchy, with whatever a kubelet expects of the root of its own groups.
func (c cgroup) createIn(hierarchy string) error {
	dir := filepath.Join(hierarchy, c.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if c.unified {
		return enableControllers(hierarchy, dir)
	}
	return enableProcessors(hierarchy, dir)
}

// enableControllers makes the controllers that kubelets use act below a group of version 2.
func enableControllers(parent, dir string) error {
	controllers, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(controllers)) {
		if !slices.Contains([]string{"cpu", "cpuset", "hugetlb", "io", "memory", "pids"}, controller) {
			continue
		}
		for _, group := range []string{parent, dir} {
			if err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// enableProcessors gives a group of version 1, which has none at first, the processors and memory nodes of its parent.
func enableProcessors(parent, dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		content, err := os.ReadFile(filepath.Join(parent, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// processes are the ids of all processes in the group and below it.
func (c cgroup) processes() ([]int, error) {
	found := map[int]bool{}
	for _, hierarchy := range c.hierarchies {
		err := filepath.WalkDir(filepath.Join(hierarchy, c.name), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Base(path) != "cgroup.procs" {
				return gone(err)
			}
			content, err := os.ReadFile(path)
			for _, field := range strings.Fields(string(content)) {
				if id, err := strconv.Atoi(field); err == nil {
					found[id] = true
				}
			}
			return gone(err)
		})
		if err != nil {
			return nil, fmt.Errorf("looking for processes: %w", err)
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// gone is err, unless that says that a group has been removed: others come and go.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	return err
}

// kill kills all processes in the group, and returns when they are gone. While it does, they may start others.
func (c cgroup) kill(ctx context.Context) error {
	return poll.Until(ctx, killTimeout, "killed processes to be gone", func(context.Context) error {
		ids, err := c.processes()
		if err != nil {
			return poll.Permanent(err)
		}
		for _, id := range ids {
			if err := syscall.Kill(id, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return poll.Permanent(fmt.Errorf("killing process %d: %w", id, err))
			}
		}
		if len(ids) > 0 {
			return fmt.Errorf("these are left: %v", ids)
		}
		return nil
	})
}

// remove removes the group, in which no process may be left.
func (c cgroup) remove(ctx context.Context) error {
	return poll.Until(ctx, killTimeout, "the control group to be removed", func(context.Context) error {
		for _, hierarchy := range c.hierarchies {
			if err := removeGroups(filepath.Join(hierarchy, c.name)); err != nil {
				return err
			}
		}
		return nil
	})
}

// removeGroups removes a folder of a hierarchy with those below it, whose files cannot be removed.
func removeGroups(dir string) error {
	children, err := os.ReadDir(dir)
	if err != nil {
		return gone(err)
	}
	for _, child := range children {
		if child.IsDir() {
			if err := removeGroups(filepath.Join(dir, child.Name())); err != nil {
				return err
			}
		}
	}
	return gone(syscall.Rmdir(dir))
}
