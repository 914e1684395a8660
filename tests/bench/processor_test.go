// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ticksPerSecond is in what unit Linux tells times of processes (USER_HZ).
const ticksPerSecond = 100

// processorTime returns how long the Velero server and its plugins, those that have ended among them, have had a
// processor (proc_pid_stat(5)). It has no waiting in it, but on a busy machine the same work takes more of it too.
func (c *cluster) processorTime(b *testing.B) time.Duration {
	b.Helper()
	server := strconv.Itoa(c.velero.PID())
	fields := statOf("/proc/" + server + "/stat")
	if fields == nil {
		b.Fatal("the Velero server has ended")
	}
	total := ticks(b, fields.own()...) + ticks(b, fields.ofEnded()...)
	processes, err := filepath.Glob("/proc/[0-9]*/stat")
	must(b, err)
	for _, process := range processes {
		if fields := statOf(process); fields != nil && fields.parent() == server {
			total += ticks(b, fields.own()...)
		}
	}
	return total
}

// stat has the fields of a process behind its name.
type stat []string

func (s stat) parent() string    { return s[1] }
func (s stat) own() []string     { return s[11:13] }
func (s stat) ofEnded() []string { return s[13:15] }

// statOf reads a file of a process, nil for one that has ended.
func statOf(file string) stat {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	// The name is in parentheses, and may have any other character.
	return strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
}

func ticks(b *testing.B, fields ...string) time.Duration {
	b.Helper()
	var total time.Duration
	for _, field := range fields {
		number, err := strconv.ParseInt(field, 10, 64)
		must(b, err)
		total += time.Duration(number) * time.Second / ticksPerSecond
	}
	return total
}
