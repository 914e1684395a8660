// SPDX-License-Identifier: Apache-2.0

package tree_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
)

// machine makes a file system with links of all kinds.
func machine(tb testing.TB) string {
	tb.Helper()
	root := tb.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(root, "data/kubelet/pods"), 0o755),
		os.MkdirAll(filepath.Join(root, "var/lib"), 0o755),
		os.WriteFile(filepath.Join(root, "data/file"), nil, 0o600),
		os.Symlink("/data/kubelet", filepath.Join(root, "var/lib/kubelet")),
		os.Symlink("../../data", filepath.Join(root, "var/lib/relative")),
		os.Symlink("../../../../../../etc", filepath.Join(root, "var/out")),
		os.Symlink("loop", filepath.Join(root, "loop")),
		os.Symlink("/none", filepath.Join(root, "dangling")),
	} {
		if err != nil {
			tb.Fatal(err)
		}
	}
	return root
}

func TestResolve(t *testing.T) {
	t.Parallel()
	root := machine(t)
	tests := map[string]struct {
		name, want string
		missing    bool
	}{
		"the root":                      {name: "/", want: "/"},
		"nothing is the root":           {name: "", want: "/"},
		"a directory":                   {name: "/data/kubelet", want: "/data/kubelet"},
		"a path that is not clean":      {name: "//data/./kubelet/../file", want: "/data/file"},
		"through an absolute link":      {name: "/var/lib/kubelet/pods", want: "/data/kubelet/pods"},
		"through a relative link":       {name: "/var/lib/relative/file", want: "/data/file"},
		"above the root is the root":    {name: "/../../data", want: "/data"},
		"a link can not lead out":       {name: "/var/out", missing: true},
		"what does not exist":           {name: "/data/none", missing: true},
		"a link to what does not exist": {name: "/dangling", missing: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tree.NewMachine(root).Resolve(tt.name)
			if errors.Is(err, fs.ErrNotExist) != tt.missing || !tt.missing && err != nil {
				t.Fatalf("error: %v", err)
			}
			if !tt.missing && got != filepath.Join(root, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if _, err := tree.NewMachine(root).Resolve("/loop"); err == nil {
		t.Error("a link to itself is resolved")
	}
	if _, err := tree.NewMachine(root).Resolve("/data/file/x"); err == nil {
		t.Error("there is something in a file")
	}
}

func FuzzResolveStaysInside(f *testing.F) {
	f.Add("/var/lib/kubelet/pods")
	f.Add("/var/out/passwd")
	f.Add("../../etc")
	f.Fuzz(func(t *testing.T, name string) {
		root := machine(t)
		got, err := tree.NewMachine(root).Resolve(name)
		if err == nil && got != root && !strings.HasPrefix(got, root+"/") {
			t.Errorf("%q leads to %s", name, got)
		}
	})
}

func TestMake(t *testing.T) {
	t.Parallel()
	root := machine(t)
	tests := map[string]struct {
		name, want string
		fails      bool
	}{
		"the root":                   {name: "/", want: "/"},
		"one that exists":            {name: "/data/kubelet", want: "/data/kubelet"},
		"with those above it":        {name: "/a/b/c", want: "/a/b/c"},
		"through a link":             {name: "/var/lib/kubelet/new", want: "/data/kubelet/new"},
		"behind a link that dangles": {name: "/dangling/x", fails: true},
		"below a file":               {name: "/data/file/x", fails: true},
		"above the root is below it": {name: "/../../up", want: "/up"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tree.NewMachine(root).Make(tt.name)
			if (err != nil) != tt.fails {
				t.Fatalf("error: %v", err)
			}
			if tt.fails {
				return
			}
			if got != filepath.Join(root, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if info, err := os.Stat(got); err != nil || !info.IsDir() {
				t.Errorf("the directory is not there: %v", err)
			}
		})
	}
}

// write makes a file with those above it.
func write(t *testing.T, parts ...string) {
	t.Helper()
	file := filepath.Join(parts...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()
	root, volume, other, container := machine(t), t.TempDir(), t.TempDir(), t.TempDir()
	write(t, volume, "sub/file")
	write(t, other, "file")
	for link, target := range map[string]string{"up": "../../kubelet", "absolute": "/data/file"} {
		if err := os.Symlink(target, filepath.Join(volume, link)); err != nil {
			t.Fatal(err)
		}
	}
	node, client := tree.NewMachine(root), tree.NewMachine(container)
	if _, err := client.Make("/var/lib/kubelet"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		client.Bind("/var/lib/kubelet", node, "/var/lib/kubelet"),
		node.Mount("/var/lib/kubelet/pods", volume), // After the container began, and through a symbolic link.
		node.Mount("/data/kubelet/pods/sub", other),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		on         *tree.Machine
		name, want string
	}{
		"a mount point":                                {node, "/data/kubelet/pods", volume},
		"a mount point behind a link":                  {node, "/var/lib/kubelet/pods", volume},
		"in a mount in a mount":                        {node, "/data/kubelet/pods/sub/file", filepath.Join(other, "file")},
		"what is hidden by a mount":                    {node, "/data/kubelet/pods/sub/../sub/file", filepath.Join(other, "file")},
		"above a mount point":                          {node, "/data/kubelet/pods/..", filepath.Join(root, "data/kubelet")},
		"a link in a volume that leads up":             {node, "/data/kubelet/pods/up", filepath.Join(root, "data/kubelet")},
		"an absolute link in a volume":                 {node, "/data/kubelet/pods/absolute", filepath.Join(root, "data/file")},
		"in a container":                               {client, "/var/lib/kubelet/pods/sub/file", filepath.Join(other, "file")},
		"an absolute link leads through the container": {client, "/var/lib/kubelet/pods/absolute", ""},
		"what the container does not mount":            {client, "/data/kubelet", ""},
	}
	for name, tt := range tests {
		got, err := tt.on.Resolve(tt.name)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %s, want %s (%v)", name, got, tt.want, err)
		}
	}
	if made, err := client.Make("/var/lib/kubelet/pods/new/one"); err != nil || made != filepath.Join(volume, "new/one") {
		t.Errorf("a directory that is made through a mount is %s: %v", made, err)
	}
	for name, err := range map[string]error{
		"a second mount": node.Mount("/data/kubelet/pods", other), "a mount at nothing": node.Mount("/none", other),
		"a bind of nothing": client.Bind("/var", node, "/none"), "unmounting nothing": node.Unmount("/none"),
	} {
		if err == nil {
			t.Errorf("%s is no error", name)
		}
	}
	if err := errors.Join(node.Unmount("/var/lib/kubelet/pods/sub"), node.Unmount("/var/lib/kubelet/pods")); err != nil {
		t.Fatal(err)
	}
	if got, err := node.Resolve("/data/kubelet/pods"); got != filepath.Join(root, "data/kubelet/pods") {
		t.Errorf("unmounted it is %s: %v", got, err)
	}
	if _, err := client.Resolve("/var/lib/kubelet/pods/sub"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is unmounted is there in the container: %v", err)
	}
}

// copyAll copies all entries of a directory.
func copyAll(t *testing.T, from, to string) {
	t.Helper()
	if err := copyEntries(t, from, to)(); err != nil {
		t.Fatal(err)
	}
}

// copyEntries copies all entries of a directory, and returns what finishes that.
func copyEntries(t *testing.T, from, to string) (finish func() error) {
	t.Helper()
	entries, err := tree.List(from)
	if err != nil {
		t.Fatal(err)
	}
	c := tree.Copier{From: from, To: to}
	for _, e := range entries {
		if err := c.Copy(e); err != nil {
			t.Fatal(err)
		}
	}
	return func() error { return c.Finish(entries) }
}

func TestCopyIsAllOrNothing(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	write(t, from, "a/b")
	if err := tree.Copy(from, to); err != nil {
		t.Fatal(err)
	}
	entries, err := tree.List(to)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]tree.Entry{{Name: ".", Dir: true}, {Name: "a", Dir: true}, {Name: "a/b"}}, entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if err := tree.Copy(from, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a copy over another one: %v", err)
	}
	if _, err := os.Stat(filepath.Join(to, "a/b")); err != nil {
		t.Errorf("what was there has gone: %v", err)
	}
	if err := tree.Copy(filepath.Join(from, "none"), to+"-2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy of nothing: %v", err)
	}
}

func TestCopyOfWhatIsWritten(t *testing.T) {
	t.Parallel()
	const record = 512
	from := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	writers.Go(func() {
		if err := appendRecords(ctx, from, record); err != nil {
			t.Error(err)
		}
	})
	defer writers.Wait()
	defer cancel()
	for n := range 50 {
		to := filepath.Join(t.TempDir(), "copy")
		before := size(t, filepath.Join(from, "first"))
		if err := tree.Copy(from, to); err != nil {
			t.Fatal(err)
		}
		first, second := size(t, filepath.Join(to, "first")), size(t, filepath.Join(to, "second"))
		if first < before || first%record != 0 || second%record != 0 {
			t.Fatalf("copy %d has %d and %d bytes of records of %d, and %d were written before", n, first, second, record, before)
		}
		replaced, err := os.ReadFile(filepath.Join(to, "replaced"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("copy %d: %v", n, err)
		}
		if len(replaced) > 0 && len(replaced) != int(replaced[0])*100 {
			t.Fatalf("copy %d has %d bytes of a file of %d", n, len(replaced), int(replaced[0])*100)
		}
	}
}

// appendRecords appends records to one file and then to another, and replaces a third by ones of other lengths, each of
// which begins with its length in hundreds, until ctx ends.
func appendRecords(ctx context.Context, dir string, record int) error {
	var files []*os.File
	for _, name := range []string{"first", "second"} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		files = append(files, f)
	}
	for n := 1; ctx.Err() == nil; n = n%200 + 1 {
		for _, f := range files {
			if _, err := f.Write(make([]byte, record)); err != nil {
				return err
			}
		}
		data := bytes.Repeat([]byte{byte(n)}, n*100)
		temporary := filepath.Join(dir, "temporary")
		if err := errors.Join(os.WriteFile(temporary, data, 0o600), os.Rename(temporary, filepath.Join(dir, "replaced"))); err != nil {
			return err
		}
	}
	return nil
}

// size is 0 for a file that does not exist.
func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestADirectoryThatGoesWhileItsTreeIsCopiedCanBeReadByItsOwner(t *testing.T) {
	t.Parallel()
	const owner = 65532
	from, to := t.TempDir(), t.TempDir()
	dir := filepath.Join(from, "dir")
	if err := errors.Join(os.Mkdir(dir, 0o750), os.Chmod(dir, 0o750)); err != nil {
		t.Fatal(err)
	}
	root := os.Geteuid() == 0
	if root {
		if err := os.Chown(dir, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	finish := copyEntries(t, from, to)
	if err := errors.Join(os.Remove(dir), finish()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(to, "dir"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o750 {
		t.Errorf("the mode is %v", got)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); root && (!ok || stat.Uid != owner || stat.Gid != owner) {
		t.Errorf("the owner is %+v", info.Sys())
	}
}

func TestCopyReplacesWhatIsInItsWay(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(from, "dir"), 0o755),
		os.WriteFile(filepath.Join(from, "dir/file"), []byte("new"), 0o640),
		os.WriteFile(filepath.Join(from, "file"), []byte("new"), 0o640),
		os.Symlink("dir", filepath.Join(from, "link")),
		os.MkdirAll(filepath.Join(to, "file/full"), 0o755),
		os.MkdirAll(outside, 0o755),
		os.Symlink(outside, filepath.Join(to, "dir")),
		os.WriteFile(filepath.Join(to, "link"), nil, 0o600),
		os.WriteFile(filepath.Join(to, "stays"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	copyAll(t, from, to)
	entries, err := tree.List(to)
	if err != nil {
		t.Fatal(err)
	}
	want := []tree.Entry{
		{Name: ".", Dir: true},
		{Name: "dir", Dir: true},
		{Name: "dir/file", Size: 3},
		{Name: "file", Size: 3},
		{Name: "link"},
		{Name: "stays"},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("something was written through a link: %v, %v", left, err)
	}
}
