// SPDX-License-Identifier: Apache-2.0

package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/process"
)

// asParent makes the test binary the parent of TestMembersDieWithAKilledParent: it starts a program in a group, prints
// the group's id and waits to be killed.
const asParent = "PROCESS_TEST_AS_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asParent); dir != "" {
		if err := beParent(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// detached makes that parent start a detached group. The id that it prints is then that of the program, which leads a
// process group of its own.
const detached = "PROCESS_TEST_DETACHED"

func beParent(dir string) error {
	group := process.NewDetachedGroup()
	if os.Getenv(detached) == "" {
		var err error
		if group, err = process.NewGroup(); err != nil {
			return err
		}
	}
	p, err := group.Start(shell(dir, familyScript))
	if err != nil {
		return err
	}
	if os.Getenv(detached) != "" {
		fmt.Println(p.PID())
	} else {
		fmt.Println(group.ID())
	}
	select {}
}

// familyScript leaves a child of its own in the background, says so, and stays.
const familyScript = "sleep 1000 & echo ready; sleep 1000"

func shell(dir, script string) process.Command {
	return process.Command{
		Name:    "script",
		Path:    "/bin/sh",
		Args:    []string{"-c", script},
		Env:     []string{"PATH=" + os.Getenv("PATH")},
		LogFile: filepath.Join(dir, "logs", "script.log"),
	}
}

// members counts the living members of a process group. Zombies do not count: who reaps an orphan is up to the
// machine's init.
func members(t *testing.T, group int) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skipf("skipped: no /proc to look for processes in (%v)", err)
	}
	count := 0
	for _, stat := range stats {
		data, err := os.ReadFile(stat)
		if err != nil {
			continue // it has just ended
		}
		// proc_pid_stat(5): pid (comm) state ppid pgrp …; comm may hold anything.
		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		if fields[0] != "Z" && fields[2] == strconv.Itoa(group) {
			count++
		}
	}
	return count
}

func waitForMembers(t *testing.T, group, want int) {
	t.Helper()
	err := poll.Until(t.Context(), 10*time.Second, fmt.Sprintf("group of %d", want), func(context.Context) error {
		if got := members(t, group); got != want {
			return fmt.Errorf("it has %d members", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func newGroup(t *testing.T) *process.Group {
	t.Helper()
	group, err := process.NewGroup()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := group.Close(); err != nil {
			t.Error(err)
		}
	})
	return group
}

func start(t *testing.T, group *process.Group, command process.Command) *process.Process {
	t.Helper()
	p, err := group.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// awaitWords waits until the process has written something.
func awaitWords(t *testing.T, p *process.Process) {
	t.Helper()
	err := poll.Until(t.Context(), 10*time.Second, "the script", func(context.Context) error {
		if process.Tail(p.LogFile()) == "" {
			return errors.New("it has not begun")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// killedParent starts a parent and kills it when its group has some members. It returns the group's id.
func killedParent(t *testing.T, members int, env ...string) int {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), self)
	parent.Env = append(append(os.Environ(), asParent+"="+t.TempDir()), env...)
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	group, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	waitForMembers(t, group, members)
	if err = parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // "signal: killed"
	return group
}

func TestMembersDieWithAKilledParent(t *testing.T) {
	t.Parallel()
	group := killedParent(t, 4) // guard, script and its two children
	waitForMembers(t, group, 0)
}

func TestDetachedMembersOutliveAKilledParent(t *testing.T) {
	t.Parallel()
	group := killedParent(t, 3, detached+"=1") // script and its two children
	waitForMembers(t, group, 3)
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitForMembers(t, group, 0)
}

func TestCloseEndsDetachedMembers(t *testing.T) {
	t.Parallel()
	group := process.NewDetachedGroup()
	p := start(t, group, shell(t.TempDir(), familyScript))
	ended := start(t, group, shell(t.TempDir(), "true"))
	<-ended.Done()
	waitForMembers(t, p.PID(), 3)
	if err := group.Close(); err != nil {
		t.Fatal(err)
	}
	waitForMembers(t, p.PID(), 0)
}

func TestCloseEndsTheChildrenOfAKilledMember(t *testing.T) {
	t.Parallel()
	group, err := process.NewGroup()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, group, shell(t.TempDir(), familyScript))
	waitForMembers(t, group.ID(), 4)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	waitForMembers(t, group.ID(), 3) // guard and orphans
	if err := group.Close(); err != nil {
		t.Fatal(err)
	}
	waitForMembers(t, group.ID(), 0)
	if _, err := group.Start(shell(t.TempDir(), "true")); err == nil {
		t.Error("a closed group started a program")
	}
}

func TestStopAsksBeforeItKills(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		script  string
		patient bool
		wantErr error
	}{
		{name: "a program that ends when asked", script: "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done", patient: true},
		{name: "a program that has ended", script: "echo ready", patient: true},
		{name: "a program that ignores the question", script: "trap '' TERM; echo ready; while :; do sleep 0.01; done", wantErr: context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, newGroup(t), shell(t.TempDir(), tt.script))
			awaitWords(t, p)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			if !tt.patient {
				cancel()
			}
			defer cancel()
			if err := p.Stop(ctx); !errors.Is(err, tt.wantErr) {
				t.Errorf("got error %v, want %v", err, tt.wantErr)
			}
			if p.Exited() == nil {
				t.Error("the process still runs")
			}
		})
	}
}

func TestExitedTellsHowAndTheLastWords(t *testing.T) {
	t.Parallel()
	p := start(t, newGroup(t), shell(t.TempDir(), "echo no such flag; exit 3"))
	<-p.Done()
	got := p.Exited().Error()
	for _, want := range []string{"script ended: exit status 3", "no such flag"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want it to contain %q", got, want)
		}
	}
}

func TestWaitForTellsWhyNothingCameAndTheLastWords(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		timeout      time.Duration
		want         []string
	}{
		{
			name: "a program that ends", script: "echo no such flag; exit 3", timeout: time.Minute,
			want: []string{"waiting for an answer: script ended: exit status 3", "no such flag"},
		},
		{
			name: "a program that runs", script: "echo ready; sleep 1000", timeout: time.Second,
			want: []string{"waiting for an answer: context deadline exceeded", "not yet; the end of", "ready"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, newGroup(t), shell(t.TempDir(), tt.script))
			awaitWords(t, p)
			err := p.WaitFor(t.Context(), tt.timeout, "an answer", func(context.Context) error { return errors.New("not yet") })
			for _, want := range tt.want {
				if !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("got error %v, want it to contain %q", err, want)
				}
			}
		})
	}
}

func TestNothingIsInheritedFromTheEnvironment(t *testing.T) {
	t.Setenv("PROCESS_TEST_SECRET", "inherited")
	command := shell(t.TempDir(), "echo \"<$PROCESS_TEST_SECRET>\"")
	command.Env = nil
	p := start(t, newGroup(t), command)
	<-p.Done()
	if got, want := process.Tail(p.LogFile()), "<>\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOutputIsWhatACommandAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, script, want, wantErr string }{
		{name: "one that works", script: "echo answer; echo warning >&2", want: "answer\n"},
		{name: "one that fails", script: "echo answer; echo no such flag >&2; exit 3", want: "answer\n", wantErr: "exit status 3: no such flag"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := process.Output(exec.CommandContext(t.Context(), "/bin/sh", "-c", tt.script))
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if (err != nil || tt.wantErr != "") && fmt.Sprint(err) != tt.wantErr {
				t.Errorf("got error %v, want %q", err, tt.wantErr)
			}
		})
	}
}

func TestStartSaysWhatCouldNotBeStarted(t *testing.T) {
	t.Parallel()
	command := shell(t.TempDir(), "")
	command.Path = "/nonexistent"
	_, err := newGroup(t).Start(command)
	if !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), "starting script") {
		t.Errorf("got error %v, want one that names the program and %v", err, syscall.ENOENT)
	}
}
