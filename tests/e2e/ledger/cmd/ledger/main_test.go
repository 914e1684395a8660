// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/writer"
)

// processVariable makes the test binary the program.
const processVariable = "LEDGER_TEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(processVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestAProcessThatIsKilledLosesNothing kills it again and again while it writes.
func TestAProcessThatIsKilledLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	last := uint64(0)
	for range 10 {
		process := exec.CommandContext(t.Context(), os.Args[0], "serve", "--dir", dir, "--interval", "1ms", "--listen", "127.0.0.1:0")
		process.Env = append(os.Environ(), processVariable+"=1")
		out, err := process.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		var begun struct {
			Listening string
			Status    writer.Status
		}
		if err := json.NewDecoder(out).Decode(&begun); err != nil {
			t.Fatal(err)
		}
		if got := begun.Status.Directories[dir]; got.Found < last || got.Torn > 0 {
			t.Errorf("after record %d: %+v", last, got)
		}
		client := &ledger.Client{HTTP: &http.Client{Timeout: 10 * time.Second}, URL: "http://" + begun.Listening}
		before := last
		if err := poll.Until(t.Context(), 20*time.Second, "records", func(ctx context.Context) error {
			status, err := client.Status(ctx)
			if last = status.Directories[dir].Last; last <= before {
				return errors.Join(errors.New("none since the start"), err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := process.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = process.Wait() // It was killed.
		if r := writer.Verify(dir, last); !r.OK {
			t.Fatalf("after record %d: %+v", last, r)
		}
	}
}

// environment is that of a process, by name.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

func TestCommands(t *testing.T) {
	t.Parallel()
	disk, nas := t.TempDir(), t.TempDir()
	// The steps follow each other.
	for _, step := range []struct {
		args []string
		env  environment
		// out is in what is printed, err in the error; "" is none.
		out, err string
	}{
		{args: []string{"write", "--dir", disk, "--records", "20"}, out: `"last":20`},
		{args: []string{"write"}, env: environment{"LEDGER_DIRS": disk + ":" + nas}, out: `"last":21`},
		{args: []string{"verify", "--dir", disk, "--at-least", "21", "--dir", nas, "--at-least", "1"}, out: `"ok": true`},
		{args: []string{"verify", "--at-least", "21", "--dir", disk, "--dir", nas}, out: `"ok": false`, err: nas + ": 20 lost at the end"},
		{args: []string{"verify"}, err: "--dir is required"},
		{args: []string{"verify", "--dir", disk, "--at-least", "x"}, out: "Usage of ledger verify", err: "invalid value"},
		{args: []string{"serve"}, err: "directories and an interval are required"},
		{args: []string{"serve", "now"}, err: `unexpected argument "now"`},
		{args: []string{"serve", "-help"}, out: "Usage of ledger serve"},
		{args: []string{"serve"}, env: environment{"LEDGER_INTERVAL": "often"}, err: "LEDGER_INTERVAL"},
		{args: []string{"delete"}, err: `unknown command "delete": allowed are serve, write and verify`},
	} {
		var out bytes.Buffer
		err := run(t.Context(), step.args, step.env.get, &out)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if (step.err == "") != (err == nil) || !strings.Contains(text, step.err) || !strings.Contains(out.String(), step.out) {
			t.Errorf("%q: error %q, want %q; out %q, want %q", step.args, text, step.err, out.String(), step.out)
		}
	}
}

// TestServe is the life of a process, and what a client of the package ledger sees of it.
func TestServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	reader, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, nil, environment{"LEDGER_DIRS": dir, "LEDGER_INTERVAL": "1ms", "LEDGER_LISTEN": "127.0.0.1:0"}.get, out)
		done <- errors.Join(err, out.Close())
	}()
	var begun struct{ Listening string }
	if err := json.NewDecoder(reader).Decode(&begun); err != nil {
		t.Fatal(err)
	}
	client := &ledger.Client{HTTP: &http.Client{Timeout: 10 * time.Second}, URL: "http://" + begun.Listening}
	var last uint64
	if err := poll.Until(ctx, 20*time.Second, "records", func(ctx context.Context) error {
		status, err := client.Status(ctx)
		if last = status.Directories[dir].Last; last < 5 {
			return errors.Join(errors.New("fewer than 5"), err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	reports, err := client.Verify(ctx, last)
	if err != nil || len(reports) != 1 || !reports[0].OK {
		t.Errorf("%+v, %v", reports, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if r := writer.Verify(dir, last); !r.OK {
		t.Errorf("%+v", r)
	}
	if _, err := client.Status(t.Context()); err == nil {
		t.Error("it serves when it has ended")
	}
}

// TestADirectoryThatCannotBeWrittenEndsTheProcess so that the kubelet starts it again.
func TestADirectoryThatCannotBeWrittenEndsTheProcess(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"serve", "--dir", file, "--listen", "127.0.0.1:0"}, environment{}.get, io.Discard); err == nil {
		t.Error("no error")
	}
}
