// SPDX-License-Identifier: Apache-2.0

package csidriver

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Mounter binds directories to others.
type Mounter interface {
	// Bind shows the directory source at target too, which exists. It is no error if something is mounted there already.
	Bind(source, target string, readOnly bool) error
	// Unbind undoes Bind. It is no error if nothing is mounted there, or target does not exist.
	Unbind(target string) error
}

// Kernel mounts in this process's mount namespace, which needs root.
type Kernel struct{}

// Bind implements Mounter.
func (k Kernel) Bind(source, target string, readOnly bool) error {
	mounted, err := k.isMounted(target)
	if err != nil || mounted {
		return err
	}
	if err := syscall.Mount(source, target, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", source, target, err)
	}
	if !readOnly {
		return nil
	}
	// The kernel takes the flag of a bind mount only when that is there already.
	if err := syscall.Mount("", target, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return errors.Join(fmt.Errorf("make %s read-only: %w", target, err), k.Unbind(target))
	}
	return nil
}

// Unbind implements Mounter.
func (k Kernel) Unbind(target string) error {
	mounted, err := k.isMounted(target)
	if err != nil || !mounted {
		return err
	}
	const noFollow = 0x8 // UMOUNT_NOFOLLOW
	if err := syscall.Unmount(target, noFollow); err != nil {
		return fmt.Errorf("unmount %s: %w", target, err)
	}
	return nil
}

// isMounted says whether something is mounted at a path. Bind mounts within one file system can only be told by the
// kernel's table.
func (Kernel) isMounted(target string) (bool, error) {
	real, err := filepath.EvalSymlinks(target)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false, err
	}
	defer table.Close()
	lines := bufio.NewScanner(table)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		const mountPoint = 4 // proc(5)
		if fields := strings.Fields(lines.Text()); len(fields) > mountPoint && unescape(fields[mountPoint]) == real {
			return true, nil
		}
	}
	return false, lines.Err()
}

// unescape reads a path of the kernel's table, in which blanks and backslashes are octal numbers.
func unescape(name string) string {
	var plain strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+3 < len(name) {
			if code, err := strconv.ParseUint(name[i+1:i+4], 8, 8); err == nil {
				plain.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		plain.WriteByte(name[i])
	}
	return plain.String()
}
