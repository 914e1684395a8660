// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// cgroups is where the kernel's control groups are.
	cgroups = "/sys/fs/cgroup"
	// madeFile notes which folders of this machine were made for nodes to mount theirs on.
	madeFile = "made"
)

// cgroupName is the name of a cluster's control group.
func cgroupName(cluster string) string {
	return "velero-test-cluster-" + cluster
}

// sweep ends whatever is left of a cluster and removes it, by what follows from the cluster's name and its state. The
// namespaces, with their mounts, devices and iptables rules, end with the last process in them.
func sweep(ctx context.Context, name string) error {
	group, err := newCgroup(cgroups, cgroupName(name))
	if err != nil {
		return err
	}
	if err := group.kill(ctx); err != nil {
		return err
	}
	if err := group.remove(ctx); err != nil {
		return err
	}
	s, err := readState(dir(name))
	if errors.Is(err, errNone) {
		return removeFolder(ctx, name)
	}
	if err != nil {
		return err
	}
	if err := newNetwork(s.Name, s.Index).remove(ctx); err != nil {
		return fmt.Errorf("removing the network: %w", err)
	}
	return removeFolder(ctx, name)
}

// removeFolder removes the folder of a cluster, and that of all clusters if it was the last.
func removeFolder(ctx context.Context, name string) error {
	if err := nothingMounted(dir(name)); err != nil {
		return err
	}
	if err := os.RemoveAll(dir(name)); err != nil {
		return fmt.Errorf("removing the cluster's folder: %w", err)
	}
	return removeMountPoints(ctx)
}

// nothingMounted returns an error if something is mounted below a folder, in this machine's own namespace: removing the
// folder would remove what is mounted there.
func nothingMounted(dir string) error {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("looking for mounts: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		// proc_pid_mountinfo(5): id, parent, device, root, mount point, …
		if fields := strings.Fields(line); len(fields) > 4 && (fields[4] == dir || strings.HasPrefix(fields[4], dir+"/")) {
			return fmt.Errorf("%s is mounted, and is not the cluster's: unmount it first", fields[4])
		}
	}
	return nil
}

// removeMountPoints removes the folders that were made for nodes to mount theirs on, when the last cluster has gone. Not
// before: whoever removes a folder on which another namespace has mounted something undoes that mount.
func removeMountPoints(ctx context.Context) error {
	lock, err := acquire(ctx, machineLock)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	others, err := filepath.Glob(filepath.Join(base, "*", stateFile))
	if err != nil || len(others) > 0 {
		return err
	}
	made, err := os.ReadFile(filepath.Join(base, madeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing mount points: %w", err)
	}
	for folder := range strings.Lines(string(made)) {
		err := syscall.Rmdir(strings.TrimSpace(folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
			return fmt.Errorf("removing mount point %s: %w", folder, err)
		}
	}
	if err := os.RemoveAll(base); err != nil {
		return fmt.Errorf("removing the folder of clusters: %w", err)
	}
	return nil
}

// makeMountPoints makes the folders that are not there, and notes them for removeMountPoints.
func makeMountPoints(ctx context.Context, folders []string) error {
	lock, err := acquire(ctx, machineLock)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	note, err := os.OpenFile(filepath.Join(base, madeFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("making mount points: %w", err)
	}
	defer note.Close()
	for _, folder := range folders {
		if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := fmt.Fprintln(note, folder); err != nil {
			return fmt.Errorf("making mount points: %w", err)
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("making mount points: %w", err)
		}
	}
	return nil
}
