// SPDX-License-Identifier: Apache-2.0

// Package process runs programs that must not outlive the process that started them, however that one ends, and commands
// whose output is wanted.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

// guardScript kills its process group, itself included, once its standard input ends.
const guardScript = "read -r _; kill -s KILL 0"

// Group is a Unix process group whose members, with all that they start themselves, end together.
//
// Its leader is a shell that reads from a pipe of which only this process has the other end. When this process
// ends, even by SIGKILL, the kernel closes the pipe and the leader kills the group. Linux's PDEATHSIG would not do:
// it is sent when the starting thread ends, not the process, and it does not reach grandchildren such as the
// plugins of a Velero server. The members being a group of their own, Ctrl-C at a terminal reaches them this way too.
type Group struct {
	guard *exec.Cmd // nil if the group is detached
	pipe  *os.File

	mu        sync.Mutex
	closed    bool
	processes []*Process
}

// NewGroup starts an empty group. Close ends it.
func NewGroup() (*Group, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting a process group: %w", err)
	}
	defer read.Close()
	guard := exec.Command("/bin/sh", "-c", guardScript) //nolint:noctx // Close ends it
	guard.Stdin = read
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := guard.Start(); err != nil {
		write.Close()
		return nil, fmt.Errorf("starting a process group: %w", err)
	}
	return &Group{guard: guard, pipe: write}, nil
}

// NewDetachedGroup starts a group whose members outlive this process, and its terminal. Close ends those that are left,
// and what they started themselves only where that is in their process group. Whoever lets this process end without it
// must have another way to find the members again, such as a cgroup that they are in.
func NewDetachedGroup() *Group {
	return &Group{}
}

// ID is the process group's id. A detached group has none.
func (g *Group) ID() int {
	return g.guard.Process.Pid
}

// Close kills every member of the group that is left, and returns when those that Start started are reaped.
func (g *Group) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	if g.guard == nil {
		return g.closeDetached()
	}
	// The guard is not reaped yet, so its id cannot have become another group's.
	killErr := syscall.Kill(-g.ID(), syscall.SIGKILL)
	g.pipe.Close()
	_ = g.guard.Wait() // "signal: killed", as just asked
	for _, p := range g.processes {
		<-p.done
	}
	if killErr != nil {
		return fmt.Errorf("killing process group %d: %w", g.ID(), killErr)
	}
	return nil
}

// closeDetached kills the process group of each member that has not ended.
func (g *Group) closeDetached() error {
	var errs []error
	for _, p := range g.processes {
		// It is reaped in the background, and its id may then become another's. One that runs is not reaped yet.
		if p.Exited() == nil {
			if err := syscall.Kill(-p.PID(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				errs = append(errs, fmt.Errorf("killing %s: %w", p.name, err))
			}
		}
		<-p.done
	}
	return errors.Join(errs...)
}

// Command is a program to run.
type Command struct {
	// Name is how errors call it.
	Name string
	// Path is the program's file.
	Path string
	Args []string
	// Env is its whole environment. Nothing is inherited.
	Env []string
	// Dir is its working directory, by default this process's.
	Dir string
	// LogFile gets standard output and error, appended. Its folder is made if need be.
	LogFile string
}

// Process is a program that was started.
type Process struct {
	name    string
	cmd     *exec.Cmd
	logFile string
	done    chan struct{}
}

// Start starts a program as a member of the group.
func (g *Group) Start(c Command) (*Process, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, fmt.Errorf("starting %s: process group is closed", c.Name)
	}
	if err := os.MkdirAll(filepath.Dir(c.LogFile), 0o755); err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	// A log may quote what a program was given, so it is for its owner alone.
	log, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	defer log.Close()

	cmd := exec.Command(c.Path, c.Args...) //nolint:noctx // the group, not a context, bounds its life
	cmd.Env = append([]string{}, c.Env...) // nil would inherit
	cmd.Dir = c.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if g.guard != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: g.ID()}
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	p := &Process{name: c.Name, cmd: cmd, logFile: c.LogFile, done: make(chan struct{})}
	g.processes = append(g.processes, p)
	go func() {
		_ = cmd.Wait() // ProcessState tells how it ended
		close(p.done)
	}()
	return p, nil
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// LogFile is the file that holds its output.
func (p *Process) LogFile() string { return p.logFile }

// Done is closed when the process has ended and was reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exited returns nil while the process runs, and then an error that says how it ended and what it wrote last.
func (p *Process) Exited() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	return fmt.Errorf("%s ended: %s; the end of %s:\n%s", p.name, p.cmd.ProcessState, p.logFile, Tail(p.logFile))
}

// WaitFor polls check until it succeeds, as poll.Until does, or the process ends. Its error holds the end of the log.
func (p *Process) WaitFor(ctx context.Context, timeout time.Duration, what string, check func(context.Context) error) error {
	err := poll.Until(ctx, timeout, what, func(ctx context.Context) error {
		if err := p.Exited(); err != nil {
			return poll.Permanent(err)
		}
		return check(ctx)
	})
	if err != nil && p.Exited() == nil {
		return fmt.Errorf("%w; the end of %s:\n%s", err, p.logFile, Tail(p.logFile))
	}
	return err
}

// Stop asks the process to end (SIGTERM), waits until ctx ends, then kills it. It returns an error if the process had
// to be killed. One that had ended before is no error.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	if err := p.Kill(); err != nil {
		return err
	}
	return fmt.Errorf("stopping %s: it did not end when asked and was killed: %w", p.name, ctx.Err())
}

// Kill ends the process at once (SIGKILL) and returns when it is reaped. What it started itself lives on until the
// group is closed.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", p.name, err)
	}
	<-p.done
	return nil
}

// Output runs a command and returns its standard output. The error of one that failed holds its standard error.
func Output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// Tail returns the last lines of a file, at most 4 KiB, or why it cannot be read.
func Tail(path string) string {
	const limit = 4 << 10
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-limit):])
}
