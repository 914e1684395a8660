// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/buildinfo"
)

// asMain makes the test binary behave as the plugin binary, so that tests can start it as a process.
const asMain = "TEST_RUNS_MAIN=1"

// patience bounds every wait for a process, also on a busy machine with the race detector.
const patience = 60 * time.Second

// handshake is the line that go-plugin waits for: core protocol 1, Velero's protocol 2, gRPC on a Unix socket.
var handshake = regexp.MustCompile(`^1\|2\|unix\|/[^|]+\|grpc\|`)

func TestMain(m *testing.M) {
	if name, value, _ := strings.Cut(asMain, "="); os.Getenv(name) == value {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	t.Parallel()
	build, _ := debug.ReadBuildInfo()
	version := buildinfo.Of(build).String()
	const copyUsage = "usage: velero-plugin-alibabacloud copy <directory>"
	tests := []struct {
		name    string
		args    []string
		want    string
		wantErr string
	}{
		{name: "without arguments it says what it is", wantErr: errUsage.Error()},
		{name: "version prints what the binary was built from", args: []string{"version"}, want: version},
		{name: "the flag --version does the same", args: []string{"--version"}, want: version},
		{name: "help is no error", args: []string{"help"}, want: errUsage.Error() + "\n"},
		{name: "the flag --help is no error", args: []string{"--help"}, want: errUsage.Error() + "\n"},
		{name: "the flag -h is no error", args: []string{"-h"}, want: errUsage.Error() + "\n"},
		{
			name: "an unknown subcommand is named", args: []string{"backup", "version"},
			wantErr: `unknown subcommand "backup": ` + errUsage.Error(),
		},
		{name: "copy needs a directory", args: []string{"copy"}, wantErr: copyUsage},
		{name: "copy takes one directory", args: []string{"copy", "/a", "/b"}, wantErr: copyUsage},
		{name: "idle takes nothing", args: []string{"idle", "5m"}, wantErr: "usage: velero-plugin-alibabacloud idle"},
		{name: "copy has no flags", args: []string{"copy", "--help"}, wantErr: copyUsage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := run(tt.args, &out)
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("the output differs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantErr, message(err)); diff != "" {
				t.Errorf("the error differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRunCopy(t *testing.T) {
	t.Parallel()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	build, _ := debug.ReadBuildInfo()
	directory := t.TempDir()
	target := filepath.Join(directory, filepath.Base(executable))

	var out bytes.Buffer
	if err := run([]string{"copy", directory}, &out); err != nil {
		t.Fatal(err)
	}
	want := "Copied velero-plugin-alibabacloud " + buildinfo.Of(build).Version + " to " + target + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("the output differs (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(target); err != nil {
		t.Errorf("the copy is not there: %v", err)
	}

	if err := run([]string{"copy", filepath.Join(directory, "missing")}, io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("copying into a missing directory: error = %v, want %v", err, os.ErrNotExist)
	}
}

func TestProcessRunByHand(t *testing.T) {
	t.Parallel()
	build, _ := debug.ReadBuildInfo()
	type result struct {
		Code           int
		Stdout, Stderr string
	}
	tests := []struct {
		name string
		env  []string
		args []string
		want result
	}{
		{
			name: "without arguments it fails with one line",
			want: result{Code: 1, Stderr: errUsage.Error() + "\n"},
		},
		{
			name: "a subcommand succeeds",
			args: []string{"version"},
			want: result{Stdout: buildinfo.Of(build).String()},
		},
		{
			name: "an unknown subcommand fails with one line",
			args: []string{"server"},
			want: result{Code: 1, Stderr: `unknown subcommand "server": ` + errUsage.Error() + "\n"},
		},
		{
			name: "the variable with another value does not make it a plugin",
			env:  []string{"VELERO_PLUGIN=goodbye"},
			want: result{Code: 1, Stderr: errUsage.Error() + "\n"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			cmd := command(t, tt.args...)
			cmd.Env = append(cmd.Env, tt.env...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			got := result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("the process differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIdleEndsWhenItIsTold(t *testing.T) {
	t.Parallel()
	cmd := command(t, "idle")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}

func TestProcessStartedByVelero(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
	}{
		{name: "no arguments"},
		{name: "a subcommand's name", args: []string{"version"}},
		{name: "a subcommand with an argument", args: []string{"copy", "/does/not/exist"}},
		{name: "arguments of the server", args: []string{"--log-level", "debug", "server"}},
		{name: "flags that a plugin does not know", args: []string{"--default-volumes-to-fs-backup=true", "--uploader-type", "kopia"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := plugin(t, command(t, tt.args...))
			stdout := start(t, cmd)
			if line := readLine(t, stdout); !handshake.MatchString(line) {
				t.Errorf("the first line is %q, want go-plugin's handshake", line)
			}
		})
	}
}

func TestPluginEndsWithItsParent(t *testing.T) {
	t.Parallel()
	// The read end of this pipe comes to its end when the last process that has the write end is gone. That is
	// the plugin, and it holds also where nothing reaps orphans, which would show as processes for ever.
	alive, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()

	child := plugin(t, command(t))
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `"$0" & wait`, child.Path)
	cmd.Env = child.Env
	cmd.ExtraFiles = []*os.File{held}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout := start(t, cmd)
	held.Close()
	// Whatever the test finds, the plugin does not outlive it; the group lasts as long as the plugin.
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })

	if line := readLine(t, stdout); !handshake.MatchString(line) {
		t.Fatalf("the first line is %q, want go-plugin's handshake", line)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	if err := alive.SetReadDeadline(killed.Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := alive.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("the plugin lives on %s after its parent was killed: %v", time.Since(killed).Round(time.Second), err)
	}
	t.Logf("The plugin ended %s after its parent was killed", time.Since(killed).Round(time.Millisecond))
}

// command returns the plugin binary with arguments and an environment of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, executable, args...)
	cmd.Env = []string{asMain}
	return cmd
}

// plugin makes the command start as Velero starts a plugin, with a directory of its own for the socket.
func plugin(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	// A Unix socket's path has at most 107 bytes on Linux, which leaves no room for the name of a subtest.
	directory, err := os.MkdirTemp("", "plugin") //nolint:usetesting // t.TempDir has the test's name in it.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(directory); err != nil {
			t.Error(err)
		}
	})
	cmd.Env = append(cmd.Env, "VELERO_PLUGIN=hello", "TMPDIR="+directory)
	return cmd
}

// start starts the command, which is killed and reaped when the test ends, and returns its standard output.
func start(t *testing.T, cmd *exec.Cmd) *os.File {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	cmd.Stdout = write
	err = cmd.Start()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // "signal: killed", as just asked
	})
	return read
}

// readLine waits for a line.
func readLine(t *testing.T, file *os.File) string {
	t.Helper()
	if err := file.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(file).ReadString('\n')
	if err != nil {
		t.Fatalf("reading a line: got %q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
