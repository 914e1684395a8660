// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerifyFindsWhatIsMissingOrDifferent(t *testing.T) {
	t.Parallel()
	shape := tree{levels: 2, dirs: 2, files: 3, length: 64}
	tests := []struct {
		name string
		harm func(dir string) error
		want string
	}{
		{name: "nothing is wrong", harm: func(string) error { return nil }},
		{
			name: "a file is missing", want: "dir-1/file-2: no such file",
			harm: func(dir string) error { return os.Remove(filepath.Join(dir, "dir-1", "file-2")) },
		},
		{
			name: "a file is another one's", want: "file-0 holds something else",
			harm: func(dir string) error {
				return os.Rename(filepath.Join(dir, "file-1"), filepath.Join(dir, "file-0"))
			},
		},
		{
			name: "a file is torn", want: "file-2 holds something else than was written: 5 bytes of 64",
			harm: func(dir string) error { return os.Truncate(filepath.Join(dir, "file-2"), 5) },
		},
		{
			name: "what nobody has generated is left alone",
			harm: func(dir string) error { return os.WriteFile(filepath.Join(dir, "other"), nil, 0o600) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, count := t.TempDir(), 0
			must(t, shape.walk("kibishii-deployment-0", "", shape.levels, func(name string, content []byte) error {
				count++
				return write(filepath.Join(dir, name), content)
			}))
			if want := 3 + 2*3; count != want {
				t.Errorf("generated %d files, want %d", count, want)
			}
			must(t, tt.harm(dir))
			err := shape.walk("kibishii-deployment-0", "", shape.levels, func(name string, content []byte) error {
				return compare(filepath.Join(dir, name), content)
			})
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
