// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

func TestContentIsCopiedWithItsAttributes(t *testing.T) {
	t.Parallel()
	dir, err := newContentDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	from, to := dir.disk("d-1"), dir.snapshot("cn-hangzhou", "s-1")
	if err := writeFile(from, "bin/tool", []byte("x")); err != nil {
		t.Fatal(err)
	}
	then := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	tool := filepath.Join(from, "bin", "tool")
	for _, err := range []error{
		os.Chmod(tool, 0o755|os.ModeSetuid), os.Chtimes(tool, then, then), os.Symlink("bin/tool", filepath.Join(from, "link")),
		syscall.Mkfifo(filepath.Join(from, "pipe"), 0o600), dir.copy(from, to),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(to, "link"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o755|os.ModeSetuid || !info.ModTime().Equal(then) {
		t.Errorf("the copy is %v of %v", info.Mode(), info.ModTime())
	}
	if _, err := os.Lstat(filepath.Join(to, "pipe")); !os.IsNotExist(err) {
		t.Errorf("a pipe was copied: %v", err)
	}
	if err := dir.copy(from, to); err == nil {
		t.Error("a copy over another one is no error")
	}
	if err := dir.copy(dir.disk("d-none"), dir.disk("d-2")); !os.IsNotExist(err) && err == nil {
		t.Error("a copy of nothing is no error")
	}
}

func TestAStateDirectoryThatIsNone(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{}, filepath.Join(t.TempDir(), "none"), time.Now); !os.IsNotExist(err) && err == nil {
		t.Error("a directory that does not exist is no error")
	}
}

func TestNamesOfPermissions(t *testing.T) {
	t.Parallel()
	p := rpc.Params{"DiskId": "d-1", "ResourceType": "disk", "ResourceId.1": "d-2", "ResourceId.2": "d-3", "InstanceIds": `["i-1","i-2"]`}
	for template, want := range map[string][]string{
		"*":                           {"*"},
		"disk/{DiskId}":               {"disk/d-1"},
		"snapshot/{SnapshotId}":       {"snapshot/*"},
		"snapshot/{SnapshotId?}":      nil,
		"instance/{InstanceIds}":      {"instance/i-1", "instance/i-2"},
		"{ResourceType}/{ResourceId}": {"disk/d-2", "disk/d-3"},
	} {
		if diff := cmp.Diff(want, expand(template, p)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", template, diff)
		}
	}
}

func FuzzPage(f *testing.F) {
	f.Add("10", "MTI", "", "")
	f.Add("", "", "2", "50")
	f.Fuzz(func(t *testing.T, results, token, number, size string) {
		p := rpc.Params{"PageNumber": number, "PageSize": size}
		if results != "" || token != "" {
			p = rpc.Params{"MaxResults": results, "NextToken": token}
		}
		read, err := readPage(p, 1, 100)
		if err != nil {
			return
		}
		if read.size < 1 || read.size > 100 || read.number < 1 {
			t.Fatalf("the page is %+v", read)
		}
		items := []*disk{{resource: resource{sequence: 3}}, {resource: resource{sequence: 1}}}
		if some, answer := paginate(read, items); int64(len(some)) > read.size || answer.TotalCount != 2 {
			t.Errorf("%d items of %+v", len(some), answer)
		}
	})
}

func FuzzIDs(f *testing.F) {
	f.Add(`["d-1","d-2"]`)
	f.Add(`[null]`)
	f.Fuzz(func(t *testing.T, text string) {
		found, err := readIDs(rpc.Params{"DiskIds": text}, "DiskIds")
		if err == nil && len(found) > maxIDs {
			t.Errorf("%d ids", len(found))
		}
	})
}

func FuzzName(f *testing.F) {
	f.Add("nightly")
	f.Add("auto")
	f.Fuzz(func(t *testing.T, name string) {
		if validName(name) && (strings.ContainsAny(name, "/ \n") || len([]rune(name)) > 128) {
			t.Errorf("%q is valid", name)
		}
	})
}
