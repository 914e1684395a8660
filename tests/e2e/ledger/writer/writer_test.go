// SPDX-License-Identifier: Apache-2.0

package writer_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/writer"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dirs ...string) *writer.Writer {
	t.Helper()
	w, err := writer.Open(writer.Config{Directories: dirs, Interval: time.Millisecond})
	check(t, err)
	return w
}

// run writes until the function that it returns is called.
func run(t *testing.T, w *writer.Writer) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return func() {
		cancel()
		check(t, errors.Join(<-done, w.Close()))
	}
}

// copyTree copies a directory as a backup of a live file system does: each file when its turn comes.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	check(t, filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // It went meanwhile.
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		err = copyEntry(path, filepath.Join(to, name), entry)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}))
}

func copyEntry(from, to string, entry fs.DirEntry) error {
	switch {
	case entry.IsDir():
		return os.MkdirAll(to, 0o700)
	case entry.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	destination, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(destination, source)
	return errors.Join(err, destination.Chmod(info.Mode().Perm()), destination.Close())
}

// TestCopiesAreWhole copies the directory again and again while it is written: each copy has every record that was
// acknowledged before it was begun, and none that is torn.
func TestCopiesAreWhole(t *testing.T) {
	t.Parallel()
	copies := 200
	if testing.Short() {
		copies = 30
	}
	dir := t.TempDir()
	w := open(t, dir)
	stop := run(t, w)
	for range copies {
		before := w.Status().Directories[dir].Last
		to := filepath.Join(t.TempDir(), "copy")
		copyTree(t, dir, to)
		if got := writer.Verify(to, before); !got.OK {
			t.Fatalf("a copy that was begun after record %d: %+v", before, got)
		}
		check(t, os.RemoveAll(to))
	}
	stop()
	got := writer.Verify(dir, 1)
	t.Logf("%d copies while %d records and %d changes of the tree were written", copies, got.Last, got.Tree.Newest)
	if !got.OK {
		t.Errorf("in the end: %+v", got)
	}
}

// TestACopyGoesOn is what happens to a volume that was restored.
func TestACopyGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir)
	check(t, w.Write(500))
	chain := w.Status().Directories[dir].Chain
	to := t.TempDir()
	copyTree(t, dir, to)
	check(t, w.Close())

	restored := open(t, to)
	check(t, restored.Write(1))
	want := writer.Position{Last: 501, Chain: chain, Found: 500}
	got := restored.Status().Directories[to]
	got.Time = time.Time{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the position (-want +got):\n%s", diff)
	}
	check(t, restored.Write(200))
	check(t, restored.Close())
	if r := writer.Verify(to, 701); !r.OK || r.Tree.Newest != 48+701/8 {
		t.Errorf("%+v", r)
	}
}

func TestHalfAVolumeIsRefused(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"a segment": "ledger/chain/00000001.seg", "a file": "ledger/tree/2/0/file-05"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := open(t, dir)
			check(t, errors.Join(w.Write(1200), w.Close()))
			check(t, os.Remove(filepath.Join(dir, path)))
			if _, err := writer.Open(writer.Config{Directories: []string{t.TempDir(), dir}, Interval: time.Second}); err == nil {
				t.Error("it is written")
			}
			if r := writer.Verify(dir, 0); r.OK || r.Error == "" {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestWrongConfigurations(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]writer.Config{
		"no directory": {Interval: time.Second},
		"no interval":  {Directories: []string{t.TempDir()}},
		"no token":     {Directories: []string{t.TempDir()}, Interval: time.Second, TokenFile: "/none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := writer.Open(config); err == nil {
				t.Error("no error")
			}
		})
	}
}

func get(t *testing.T, url string, into any) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	check(t, err)
	response, err := http.DefaultClient.Do(request)
	check(t, err)
	defer response.Body.Close()
	if into != nil {
		check(t, json.NewDecoder(response.Body).Decode(into))
	}
	return response.StatusCode
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	disk, nas := t.TempDir(), t.TempDir()
	token := filepath.Join(t.TempDir(), "token")
	check(t, os.WriteFile(token, []byte("open sesame"), 0o600))
	w, err := writer.Open(writer.Config{Directories: []string{disk, nas}, Interval: time.Millisecond, TokenFile: token})
	check(t, err)
	server := httptest.NewServer(w.Handler())
	t.Cleanup(server.Close)
	if code := get(t, server.URL+writer.ReadyPath, nil); code != http.StatusServiceUnavailable {
		t.Errorf("ready before the first record: %d", code)
	}
	stop := run(t, w)
	var status writer.Status
	check(t, poll.Until(t.Context(), 20*time.Second, "10 records", func(context.Context) error {
		status = w.Status()
		if status.Directories[disk].Last < 10 || status.Directories[nas].Last < 10 {
			return errors.New("fewer")
		}
		return nil
	}))
	before := status.Directories[nas].Last
	get(t, server.URL+writer.RecordsPath, &status)
	if got := status.Directories[nas].Last; got < before {
		t.Errorf("record %d is the last after %d", got, before)
	}
	if !strings.HasPrefix(status.Token, "41ef4bb0b23661e6") {
		t.Errorf("the token is %q", status.Token)
	}
	for _, tt := range []struct {
		path string
		want int
	}{
		{writer.HealthPath, http.StatusOK},
		{writer.ReadyPath, http.StatusOK},
		{writer.VerifyPath + "?at-least=ten", http.StatusBadRequest},
		{writer.VerifyPath + "?at-least=10", http.StatusOK},
		{writer.VerifyPath + "?at-least=1000000000", http.StatusConflict},
	} {
		if code := get(t, server.URL+tt.path, nil); code != tt.want {
			t.Errorf("%s: %d, want %d", tt.path, code, tt.want)
		}
	}
	var reports []writer.Report
	get(t, server.URL+writer.VerifyPath, &reports)
	if len(reports) != 2 || !reports[0].OK || !reports[1].OK || reports[1].Directory != nas || reports[1].Last < 10 {
		t.Errorf("reports: %+v", reports)
	}
	stop()
}
