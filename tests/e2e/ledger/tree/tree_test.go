// SPDX-License-Identifier: Apache-2.0

package tree_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/tree"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// written is a tree after a number of changes.
func written(t *testing.T, changes uint64) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "tree")
	for n := uint64(1); n <= changes; n++ {
		check(t, tree.Write(root, n))
	}
	return root
}

func TestATreeIsWholeAfterEachChange(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "tree")
	for n := range uint64(121) {
		if n > 0 {
			check(t, tree.Write(root, n))
		}
		got, err := tree.Verify(root)
		check(t, err)
		if got.Err() != nil || got.Newest != n || got.Files != int(min(n, 48)) {
			t.Fatalf("after %d: %+v", n, got)
		}
	}
	got, err := tree.Verify(root)
	check(t, err)
	want := &tree.Report{Files: 48, Symlinks: 1, EmptyDirectories: 1, Newest: 120}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the report (-want +got):\n%s", diff)
	}
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	file := func(root string) string { return filepath.Join(root, "2", "0", "file-05") }
	tests := []struct {
		name   string
		damage func(t *testing.T, root string)
		want   string
	}{
		{"a byte", func(t *testing.T, root string) {
			t.Helper()
			data, err := os.ReadFile(file(root))
			check(t, err)
			data[len(data)-1] ^= 1
			check(t, os.WriteFile(file(root), data, 0o600))
		}, "1 torn, 1 missing: 2/0/file-05: not the content that was written; 2/0/file-05"},
		{"the end", func(t *testing.T, root string) {
			t.Helper()
			check(t, os.Truncate(file(root), 1000))
		}, "not the content that was written"},
		{"nearly all", func(t *testing.T, root string) {
			t.Helper()
			check(t, os.Truncate(file(root), 3))
		}, "3 bytes"},
		{"the mode", func(t *testing.T, root string) {
			t.Helper()
			check(t, os.Chmod(file(root), 0o604))
		}, "its mode is -rw----r--, not -rw-r-----"},
		{"a file", func(t *testing.T, root string) {
			t.Helper()
			check(t, os.Remove(file(root)))
		}, "0 torn, 1 missing: 2/0/file-05"},
		{"the name of a file", func(t *testing.T, root string) {
			t.Helper()
			check(t, os.Rename(file(root), filepath.Join(root, "2", "0", "file-35")))
		}, "2/0/file-35: it was written as 2/0/file-05"},
		{"what the link leads to", func(t *testing.T, root string) {
			t.Helper()
			check(t, os.Remove(filepath.Join(root, "latest")))
		}, "what latest leads to"},
		{"an empty directory", func(t *testing.T, root string) {
			t.Helper()
			check(t, os.Remove(filepath.Join(root, "empty", "always")))
		}, "empty/always"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := written(t, 100)
			tt.damage(t, root)
			got, err := tree.Verify(root)
			check(t, err)
			if got.Err() == nil || !strings.Contains(got.Err().Error(), tt.want) {
				t.Errorf("got %v, want %s", got.Err(), tt.want)
			}
		})
	}
}

func TestWhatIsNoDamage(t *testing.T) {
	t.Parallel()
	root := written(t, 60)
	// What a crash leaves, and what a kubelet does for fsGroup.
	check(t, os.WriteFile(filepath.Join(root, "2", "0", ".new-file-05"), []byte("x"), 0o600))
	check(t, os.Symlink("gone", filepath.Join(root, ".new-latest")))
	check(t, os.Chmod(filepath.Join(root, "2", "0", "file-05"), 0o660))
	got, err := tree.Verify(root)
	check(t, err)
	if got.Err() != nil || got.Unfinished != 2 {
		t.Errorf("%+v: %v", got, got.Err())
	}
	check(t, tree.Write(root, 61))
}
