// SPDX-License-Identifier: Apache-2.0

package selfcopy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const name = "velero-plugin-alibabacloud"

// file is what a directory is expected to hold.
type file struct {
	Mode    fs.FileMode
	Content string
}

func TestCopy(t *testing.T) {
	t.Parallel()
	// Larger than the buffer of one read, and not a multiple of it.
	binary := strings.Repeat("binary\x00", 20_000)
	tests := []struct {
		name   string
		before map[string]file
	}{
		{
			name: "an empty directory gets the file, executable for all",
		},
		{
			name:   "a longer file of an earlier version is replaced whole",
			before: map[string]file{name: {Mode: 0o600, Content: binary + "more"}},
		},
		{
			name:   "the plugins of others are left alone",
			before: map[string]file{"velero-plugin-for-others": {Mode: 0o755, Content: "other"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source, target := t.TempDir(), t.TempDir()
			// The copy is executable even where the original lost its mode on the way.
			put(t, source, map[string]file{name: {Mode: 0o444, Content: binary}})
			put(t, target, tt.before)
			want := map[string]file{}
			for name, f := range tt.before {
				want[name] = f
			}
			want[name] = file{Mode: 0o755, Content: binary}

			got, err := Copy(filepath.Join(source, name), target)
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(target, name); got != want {
				t.Errorf("Copy() = %s, want %s", got, want)
			}
			if diff := cmp.Diff(want, list(t, target)); diff != "" {
				t.Errorf("the directory differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCopyLeavesNothingBehindWhenItFails(t *testing.T) {
	t.Parallel()
	installed := map[string]file{name: {Mode: 0o755, Content: "the version before"}}
	tests := []struct {
		name string
		// arrange returns the arguments of Copy from two directories, of which the second holds an installed version.
		arrange func(t *testing.T, source, target string) (executable, directory string)
		want    error
		message string
	}{
		{
			name: "the binary is not there",
			arrange: func(_ *testing.T, source, target string) (string, string) {
				return filepath.Join(source, name), target
			},
			want:    fs.ErrNotExist,
			message: "opening the plugin binary",
		},
		{
			name: "the binary cannot be read",
			arrange: func(t *testing.T, source, target string) (string, string) {
				t.Helper()
				// A directory can be opened, and the first read of it fails.
				executable := filepath.Join(source, name)
				if err := os.Mkdir(executable, 0o755); err != nil {
					t.Fatal(err)
				}
				return executable, target
			},
			want:    syscall.EISDIR,
			message: "copying the plugin binary to",
		},
		{
			name: "the directory is not there",
			arrange: func(t *testing.T, source, target string) (string, string) {
				t.Helper()
				put(t, source, installed)
				return filepath.Join(source, name), filepath.Join(target, "missing")
			},
			want:    fs.ErrNotExist,
			message: "which must be a directory that this user may write to",
		},
		{
			name: "the directory is a file",
			arrange: func(t *testing.T, source, target string) (string, string) {
				t.Helper()
				put(t, source, installed)
				return filepath.Join(source, name), filepath.Join(target, name)
			},
			want:    syscall.ENOTDIR,
			message: "which must be a directory that this user may write to",
		},
		{
			name: "this user may not write to the directory",
			arrange: func(t *testing.T, source, target string) (string, string) {
				t.Helper()
				if os.Getuid() == 0 {
					t.Skip("root may write to every directory")
				}
				put(t, source, installed)
				if err := os.Chmod(target, 0o555); err != nil {
					t.Fatal(err)
				}
				return filepath.Join(source, name), target
			},
			want:    fs.ErrPermission,
			message: "which must be a directory that this user may write to",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source, target := t.TempDir(), t.TempDir()
			put(t, target, installed)
			executable, directory := tt.arrange(t, source, target)

			_, err := Copy(executable, directory)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("Copy() error = %v, want one that says %q: %v", err, tt.message, tt.want)
			}
			if diff := cmp.Diff(installed, list(t, target)); diff != "" {
				t.Errorf("the directory changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCopyDoesNotReplaceADirectory(t *testing.T) {
	t.Parallel()
	source, target := t.TempDir(), t.TempDir()
	put(t, source, map[string]file{name: {Mode: 0o755, Content: "binary"}})
	if err := os.Mkdir(filepath.Join(target, name), 0o755); err != nil {
		t.Fatal(err)
	}

	if path, err := Copy(filepath.Join(source, name), target); err == nil {
		t.Errorf("Copy() = %s, want an error", path)
	}
	entries, err := os.ReadDir(target)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || !entries[0].IsDir() {
		t.Errorf("the directory holds %v, want the directory %s alone", entries, name)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	original := []byte("the original")
	sum := sha256.Sum256(original)
	tests := []struct {
		name    string
		content []byte
		wantErr bool
	}{
		{name: "the same bytes pass", content: original},
		{name: "a missing end is found", content: original[:len(original)-1], wantErr: true},
		{name: "an empty file is found", content: nil, wantErr: true},
		{name: "one wrong byte is found", content: bytes.Replace(original, []byte("o"), []byte("0"), 1), wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, tt.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := verify(path, sum[:]); (err != nil) != tt.wantErr {
				t.Errorf("verify() error = %v, want an error: %v", err, tt.wantErr)
			}
		})
	}
}

// put writes files into a directory.
func put(t *testing.T, directory string, files map[string]file) {
	t.Helper()
	for name, f := range files {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(f.Content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
}

// list reads the files of a directory.
func list(t *testing.T, directory string) map[string]file {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]file{}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(directory, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = file{Mode: info.Mode(), Content: string(content)}
	}
	return files
}
