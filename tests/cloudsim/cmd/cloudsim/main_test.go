// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
)

const configFile = "../../testdata/config.yaml"

// program is a run of the program inside of the test.
type program struct {
	addresses cloudsim.Addresses
	done      chan error
}

// serve starts the program and reads its first line.
func serve(ctx context.Context, t *testing.T, stdin io.Reader, args ...string) program {
	t.Helper()
	output, stdout := io.Pipe()
	p := program{done: make(chan error, 1)}
	go func() {
		err := run(ctx, append([]string{"serve", "--config", configFile, "--state-dir", t.TempDir()}, args...), stdin, stdout, io.Discard)
		_ = stdout.CloseWithError(io.EOF) // never fails
		p.done <- err
	}()
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the first line: %v, the program: %v", err, <-p.done)
	}
	if err := json.Unmarshal(line, &p.addresses); err != nil {
		t.Fatalf("the first line %q: %v", line, err)
	}
	return p
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

func TestProgramServesUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := serve(ctx, t, strings.NewReader(""))
	if status, body := get(t, p.addresses.Admin+"/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("healthz: %d %q", status, body)
	}
	if status, _ := get(t, p.addresses.OSS+"/backups/a"); status != http.StatusForbidden {
		t.Errorf("an anonymous read: status %d, want 403", status)
	}
	if status, _ := get(t, p.addresses.Metadata+"/latest/meta-data/region-id"); status != http.StatusForbidden {
		t.Errorf("hardened metadata without a token: status %d, want 403", status)
	}
	_, journalled := get(t, p.addresses.Admin+"/journal")
	var entries []struct{ Service, Operation, Resource string }
	if err := json.Unmarshal([]byte(journalled), &entries); err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Resource != "backups/a" || entries[1].Service != "imds" {
		t.Errorf("journal: %+v", entries)
	}
	if _, rules := get(t, p.addresses.Admin+"/faults"); !strings.Contains(rules, `"latency":"200ms"`) {
		t.Errorf("faults: %s", rules)
	}
	if filepath.Base(p.addresses.CAFile) != "ca.pem" || !strings.HasPrefix(p.addresses.OSSTLS, "https://127.0.0.1:") {
		t.Errorf("addresses: %+v", p.addresses)
	}
	cancel()
	if err := <-p.done; err != nil {
		t.Errorf("the program ended with %v", err)
	}
}

func TestProgramEndsWithItsStdin(t *testing.T) {
	t.Parallel()
	stdin, parent := io.Pipe()
	p := serve(t.Context(), t, stdin, "--until-stdin-closes")
	if status, _ := get(t, p.addresses.Admin+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz: status %d", status)
	}
	if err := parent.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-p.done; err != nil {
		t.Errorf("the program ended with %v", err)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args           []string
		want           error
		stdout, stderr string
	}{
		"no command":         {nil, errUsage, "", "cloudsim serve --config FILE"},
		"an unknown command": {[]string{"run"}, errUsage, "", "cloudsim serve --config FILE"},
		"help":               {[]string{"--help"}, flag.ErrHelp, "-listen-proxy", ""},
		"help of serve":      {[]string{"serve", "--help"}, flag.ErrHelp, "-listen-proxy", ""},
		"no configuration":   {[]string{"serve"}, errUsage, "", "cloudsim serve --config FILE"},
		"an unknown flag":    {[]string{"serve", "--colour"}, errUsage, "", "colour"},
		"an argument":        {[]string{"serve", "--config", "x", "y"}, errUsage, "", "cloudsim serve --config FILE"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			err := run(t.Context(), tt.args, nil, &stdout, &stderr)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("stdout %q, stderr %q", &stdout, &stderr)
			}
		})
	}
}

func TestAConfigurationThatDoesNotExist(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"serve", "--config", "nowhere.yaml"}, nil, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "nowhere.yaml") {
		t.Errorf("error %v does not name the file", err)
	}
}
