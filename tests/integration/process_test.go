// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// pluginName is the name of the plugin's executable.
const pluginName = "velero-plugin-alibabacloud"

// pluginProcesses returns the ids of the plugin's processes that a process has started itself.
func pluginProcesses(t *testing.T, pluginDir string, parent int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	must(t, err)
	var found []int
	for _, stat := range stats {
		pid, ppid, err := parentOf(stat)
		if err != nil || ppid != parent {
			continue // It may have ended meanwhile.
		}
		if executable, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && executable == filepath.Join(pluginDir, pluginName) {
			found = append(found, pid)
		}
	}
	return found
}

// parentOf reads a /proc/PID/stat file: "PID (name) state PPID ...", where the name may hold anything.
func parentOf(stat string) (pid, ppid int, err error) {
	content, err := os.ReadFile(stat)
	if err != nil {
		return 0, 0, err
	}
	text := string(content)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, 0, fmt.Errorf("%s has no parent: %q", stat, text)
	}
	if pid, err = strconv.Atoi(text[:strings.IndexByte(text, ' ')]); err != nil {
		return 0, 0, err
	}
	ppid, err = strconv.Atoi(fields[1])
	return pid, ppid, err
}

// killAll ends processes as the kernel does when memory is short.
func killAll(t *testing.T, pids []int) {
	t.Helper()
	if len(pids) == 0 {
		t.Fatal("there is no process of the plugin to kill")
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatalf("killing process %d: %v", pid, err)
		}
	}
}

// peakMemory returns the most physical memory that a process has used at a time, in bytes (VmHWM of proc_pid_status(5)).
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kibibytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			must(t, err)
			return kibibytes << 10
		}
	}
	t.Fatalf("no VmHWM in the status of process %d", pid)
	return 0
}
