// SPDX-License-Identifier: Apache-2.0

package tools

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hello is a program of one file, in a module that needs no download.
var hello = map[string]string{
	"hello/go.mod": `module example.com/tests/hello

go 1.24.0

replace example.com/greeting => ./greeting

require example.com/greeting v1.2.3
`,
	"hello/go.sum":          "",
	"hello/greeting/go.mod": "module example.com/greeting\n",
	"hello/greeting/main.go": `package main

var version = "unknown"

func main() { print(version) }
`,
}

// newBuilder returns a builder that knows the tool "hello" and, by another name, one that does not compile.
func newBuilder(t *testing.T, env map[string]string, progress io.Writer) *Builder {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, filepath.Join(dir, "modules"), hello)
	greeting := tool{
		dir: "hello", module: "example.com/greeting", pkg: "example.com/greeting",
		variables:    func(version string) map[string]string { return map[string]string{"main.version": version} },
		overrideFile: "HELLO_BIN", overrideFolder: "HELLO_ASSETS",
	}
	broken := greeting
	broken.pkg = "example.com/greeting/none"
	return &Builder{
		catalog: map[string]tool{"hello": greeting, "broken": broken},
		modules: filepath.Join(dir, "modules"),
		cache:   filepath.Join(dir, "cache"),
		lookupEnv: func(name string) (string, bool) {
			value, ok := env[name]
			return value, ok
		},
		progress: progress,
	}
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// lockedBuffer is a buffer for several writers.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func TestPathBuildsOnceForAllWhoAsk(t *testing.T) {
	t.Parallel()
	progress := &lockedBuffer{}
	builder := newBuilder(t, nil, progress)

	const callers = 4
	paths := make([]string, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			path, err := builder.Path(t.Context(), "hello")
			if err != nil {
				t.Error(err)
			}
			paths[i] = path
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	want := []string{paths[0], paths[0], paths[0], paths[0]}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if got := strings.Count(progress.String(), "building hello v1.2.3"); got != 1 {
		t.Errorf("got %d builds, want 1, in:\n%s", got, progress)
	}
	out, err := exec.CommandContext(t.Context(), paths[0]).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), "v1.2.3"; got != want {
		t.Errorf("the program says %q, want its version %q", got, want)
	}
	if _, err := os.Stat(paths[0] + ".part"); !os.IsNotExist(err) {
		t.Errorf("the temporary file: got error %v, want none to be left", err)
	}
}

func TestPathBuildsAgainWhenWhatItIsBuiltFromChanges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files map[string]string
	}{
		{name: "the module", files: map[string]string{"hello/go.sum": "\n"}},
		{name: "a main package of ours", files: map[string]string{"hello/main.go": "package main\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			builder := newBuilder(t, nil, io.Discard)
			wantBuilt(t, builder, false)
			before, err := builder.Path(t.Context(), "hello")
			if err != nil {
				t.Fatal(err)
			}
			wantBuilt(t, builder, true)
			writeFiles(t, builder.modules, tt.files)
			wantBuilt(t, builder, false)
			after, err := builder.Path(t.Context(), "hello")
			if err != nil {
				t.Fatal(err)
			}
			if before == after {
				t.Errorf("got the same path %s for different sources", after)
			}
		})
	}
}

// wantBuilt fails unless the builder says so of the program hello.
func wantBuilt(t *testing.T, builder *Builder, want bool) {
	t.Helper()
	got, err := builder.Built(t.Context(), "hello")
	if err != nil || got != want {
		t.Errorf("Built is %v, %v, want %v", got, err, want)
	}
}

func TestPathLeavesNothingOfAFailedBuild(t *testing.T) {
	t.Parallel()
	builder := newBuilder(t, nil, io.Discard)
	_, err := builder.Path(t.Context(), "broken")
	if err == nil || !strings.Contains(err.Error(), "building broken v1.2.3") {
		t.Errorf("got error %v, want one that names tool and version", err)
	}
	var files []string
	err = filepath.WalkDir(builder.cache, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"lock"}, files); diff != "" {
		t.Errorf("files in the cache (-want +got):\n%s", diff)
	}
}

func TestPathTakesWhatTheEnvironmentNames(t *testing.T) {
	t.Parallel()
	assets := t.TempDir()
	writeFiles(t, assets, map[string]string{"hello": "#!/bin/sh\n"})
	file := filepath.Join(assets, "hello")
	tests := []struct {
		name    string
		env     map[string]string
		want    string
		wantErr string
	}{
		{name: "a file", env: map[string]string{"HELLO_BIN": file}, want: file},
		{name: "a folder that holds the program", env: map[string]string{"HELLO_ASSETS": assets}, want: file},
		{name: "a file that is not there is an error", env: map[string]string{"HELLO_BIN": "/nonexistent"}, wantErr: "HELLO_BIN=/nonexistent"},
		{name: "a folder in place of a file is an error", env: map[string]string{"HELLO_BIN": assets}, wantErr: "not an executable file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			builder := newBuilder(t, tt.env, io.Discard)
			if !builder.Overridden("hello") {
				t.Error("Overridden says that the program is built here")
			}
			got, err := builder.Path(t.Context(), "hello")
			if got != tt.want {
				t.Errorf("got path %q, want %q", got, tt.want)
			}
			if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("got error %v, want one with %q", err, tt.wantErr)
			}
		})
	}
}

func TestPathBuildsWhatAFolderOfAssetsLacks(t *testing.T) {
	t.Parallel()
	builder := newBuilder(t, map[string]string{"HELLO_ASSETS": t.TempDir()}, io.Discard)
	if builder.Overridden("hello") {
		t.Error("Overridden says that the program is not built here")
	}
	path, err := builder.Path(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(path, builder.cache) {
		t.Errorf("got path %s, want one in %s", path, builder.cache)
	}
}

func TestPathNamesTheToolsThatThereAre(t *testing.T) {
	t.Parallel()
	_, err := newBuilder(t, nil, io.Discard).Path(t.Context(), "kubectl")
	const want = `unknown tool "kubectl": known are broken, hello`
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestCacheDir(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		env     map[string]string
		want    string
		wantErr bool
	}{
		{name: "XDG_CACHE_HOME comes first", env: map[string]string{"XDG_CACHE_HOME": "/cache", "HOME": "/home/me"}, want: "/cache/velero-plugin-alibabacloud/tools"},
		{name: "a relative XDG_CACHE_HOME is ignored, as its specification says", env: map[string]string{"XDG_CACHE_HOME": "cache", "HOME": "/home/me"}, want: "/home/me/.cache/velero-plugin-alibabacloud/tools"},
		{name: "HOME is the default", env: map[string]string{"HOME": "/home/me"}, want: "/home/me/.cache/velero-plugin-alibabacloud/tools"},
		{name: "neither is an error", wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := CacheDir(func(name string) (string, bool) {
				value, ok := tt.env[name]
				return value, ok
			}, "tools")
			if got != tt.want || (err != nil) != tt.wantErr {
				t.Errorf("got %q and error %v, want %q and error: %t", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestRequiredVersion(t *testing.T) {
	t.Parallel()
	const module = "k8s.io/kubernetes"
	tests := []struct {
		name    string
		goMod   string
		want    string
		wantErr bool
	}{
		{name: "alone on its line", goMod: "module m\n\nrequire k8s.io/kubernetes v1.33.13\n", want: "v1.33.13"},
		{name: "in a block, with a comment", goMod: "require (\n\tk8s.io/kubernetes v1.33.13 // indirect\n)\n", want: "v1.33.13"},
		{name: "not taken from a replacement", goMod: "replace k8s.io/kubernetes => ./kubernetes\n", wantErr: true},
		{name: "not taken from a package of the module", goMod: "tool k8s.io/kubernetes/cmd/kubelet\n", wantErr: true},
		{name: "missing", goMod: "module m\n", wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := requiredVersion(tt.goMod, module)
			if got != tt.want || (err != nil) != tt.wantErr {
				t.Errorf("got %q and error %v, want %q and error: %t", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestEveryToolOfTheCatalogHasItsModule(t *testing.T) {
	t.Parallel()
	builder, err := NewBuilder(t.Context(), os.LookupEnv, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		rev, err := builder.revision(t.Context(), builder.catalog[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.HasPrefix(rev.key, rev.version+"-go") {
			t.Errorf("%s: got key %q, want it to begin with the version %q and Go's", name, rev.key, rev.version)
		}
	}
}

func TestLinkerFlagsTellKubernetesItsVersion(t *testing.T) {
	t.Parallel()
	const pkg = "k8s.io/component-base/version."
	want := "-s -w -X " + pkg + "gitMajor=1 -X " + pkg + "gitMinor=33 -X " + pkg + "gitVersion=v1.33.13"
	if got := catalog()[KubeAPIServer].ldflags("v1.33.13"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestABuildEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if path, err := newBuilder(t, nil, io.Discard).Path(ctx, "hello"); err == nil {
		t.Errorf("got %s and no error", path)
	}
}
