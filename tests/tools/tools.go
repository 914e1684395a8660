// SPDX-License-Identifier: Apache-2.0

// Package tools builds the programs that tests run (Velero, Kubernetes, etcd, the linter) from Go modules, each
// at the version that a go.mod of its own below this folder pins, and keeps them in a cache of the user.
package tools

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools/filelock"
)

// Builder builds programs into a cache and finds them there.
type Builder struct {
	catalog   map[string]tool
	modules   string
	cache     string
	lookupEnv func(string) (string, bool)
	progress  io.Writer
}

// NewBuilder returns a builder for the working directory's main module, which must be this repository's.
// It reads XDG_CACHE_HOME, KUBEBUILDER_ASSETS and VELERO_BIN through lookupEnv (usually os.LookupEnv) and writes
// lines for a person to progress before anything that takes long.
func NewBuilder(ctx context.Context, lookupEnv func(string) (string, bool), progress io.Writer) (*Builder, error) {
	checkout, err := ModuleDir(ctx, Repository)
	if err != nil {
		return nil, fmt.Errorf("the working directory is not inside this repository: %w", err)
	}
	cache, err := CacheDir(lookupEnv, "tools")
	if err != nil {
		return nil, err
	}
	return &Builder{
		catalog: catalog(), modules: filepath.Join(checkout, "tests", "tools"), cache: cache, lookupEnv: lookupEnv, progress: progress,
	}, nil
}

// CacheDir is where what tests build of one kind is kept, by the XDG Base Directory Specification.
func CacheDir(lookupEnv func(string) (string, bool), kind string) (string, error) {
	base, ok := lookupEnv("XDG_CACHE_HOME")
	if !ok || !filepath.IsAbs(base) {
		home, ok := lookupEnv("HOME")
		if !ok {
			return "", errors.New("neither XDG_CACHE_HOME nor HOME is set")
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "velero-plugin-alibabacloud", kind), nil
}

// Path returns the path of the named program, which it builds first if the cache does not hold it. Several
// processes may ask at once: one builds, the others wait for it.
func (b *Builder) Path(ctx context.Context, name string) (string, error) {
	t, ok := b.catalog[name]
	if !ok {
		return "", fmt.Errorf("unknown tool %q: known are %s", name, strings.Join(slices.Sorted(maps.Keys(b.catalog)), ", "))
	}
	if path, err := b.override(name, t); path != "" || err != nil {
		return path, err
	}
	rev, path, err := b.place(ctx, name, t)
	if err != nil || executable(path) == nil {
		return path, err
	}
	if err := b.build(ctx, name, t, rev.version, path); err != nil {
		return "", fmt.Errorf("building %s %s: %w", name, rev.version, err)
	}
	return path, nil
}

// Built says whether Path returns at once, without building the program.
func (b *Builder) Built(ctx context.Context, name string) (bool, error) {
	if b.Overridden(name) {
		return true, nil
	}
	_, path, err := b.place(ctx, name, b.catalog[name])
	return err == nil && executable(path) == nil, err
}

// place returns the revision of a tool, and its path in the cache.
func (b *Builder) place(ctx context.Context, name string, t tool) (revision, string, error) {
	rev, err := b.revision(ctx, t)
	if err != nil {
		return revision{}, "", fmt.Errorf("finding the version of %s: %w", name, err)
	}
	return rev, filepath.Join(b.cache, name, rev.key, name), nil
}

// Overridden says whether the environment names the program, so that Path returns one that was not built here.
func (b *Builder) Overridden(name string) bool {
	path, err := b.override(name, b.catalog[name])
	return path != "" || err != nil
}

// Names returns the names of all tools, sorted.
func Names() []string {
	return slices.Sorted(maps.Keys(catalog()))
}

// override returns the program that the environment names, or "" if it names none. A folder of assets need not
// hold every program: that of Kubebuilder has no kube-controller-manager.
func (b *Builder) override(name string, t tool) (string, error) {
	if file, ok := b.lookupEnv(t.overrideFile); ok && file != "" {
		if err := executable(file); err != nil {
			return "", fmt.Errorf("%s=%s: %w", t.overrideFile, file, err)
		}
		return file, nil
	}
	if folder, ok := b.lookupEnv(t.overrideFolder); ok && folder != "" {
		if path := filepath.Join(folder, name); executable(path) == nil {
			return path, nil
		}
	}
	return "", nil
}

// revision is what a built program depends on.
type revision struct {
	version string
	key     string
}

// revision reads it from the files of the tool's folder (go.mod, go.sum, and a main.go where the main package is
// ours), its linker flags and the Go toolchain.
func (b *Builder) revision(ctx context.Context, t tool) (revision, error) {
	dir := filepath.Join(b.modules, t.dir)
	goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return revision{}, err
	}
	version, err := requiredVersion(string(goMod), t.module)
	if err != nil {
		return revision{}, err
	}
	goVersion, err := goCommand(ctx, dir, "env", "GOVERSION")
	if err != nil {
		return revision{}, err
	}
	inputs, err := buildInputs(dir)
	if err != nil {
		return revision{}, err
	}
	inputs = append(inputs, t.ldflags(version))
	if t.alteration != nil {
		inputs = append(inputs, t.alteration.key())
	}
	hash := sha256.New()
	for _, part := range inputs {
		fmt.Fprintf(hash, "%d\n%s", len(part), part)
	}
	key := strings.Join([]string{
		version, strings.ReplaceAll(strings.TrimSpace(goVersion), " ", "_"), runtime.GOOS, runtime.GOARCH,
		hex.EncodeToString(hash.Sum(nil))[:12],
	}, "-")
	return revision{version: version, key: key}, nil
}

// buildInputs returns the content of go.mod, go.sum and the Go files of a tool's folder.
func buildInputs(dir string) ([]string, error) {
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var inputs []string
	for _, file := range append([]string{filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum")}, sources...) {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, string(data))
	}
	return inputs, nil
}

// build makes the program at path. It is written elsewhere in the same folder and renamed, so that whoever finds
// it finds it whole.
func (b *Builder) build(ctx context.Context, name string, t tool, version, path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	lock, err := filelock.Acquire(ctx, filepath.Join(dir, "lock"), func() {
		fmt.Fprintf(b.progress, "waiting for another process that builds %s %s\n", name, version)
	})
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	if executable(path) == nil {
		return nil
	}

	temporary := path + ".part"
	defer func() { _ = os.Remove(temporary) }()
	fmt.Fprintf(b.progress, "building %s %s, up to about %s the first time\n", name, version, minutes(t.coldBuild))
	start := time.Now()
	if err := b.compile(ctx, t, version, temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	fmt.Fprintf(b.progress, "built %s %s in %s\n", name, version, time.Since(start).Round(time.Second))
	return nil
}

// compile makes the program at output.
func (b *Builder) compile(ctx context.Context, t tool, version, output string) (err error) {
	args := []string{"build"}
	if t.test {
		args = []string{"test", "-c", "-vet=off"}
	}
	if t.alteration != nil {
		dir, err := os.MkdirTemp("", "altered-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		flags, err := b.alter(ctx, t, dir)
		if err != nil {
			return err
		}
		args = append(args, flags...)
	}
	args = append(args, "-trimpath", "-ldflags", t.ldflags(version), "-o", output, t.pkg)
	_, err = goCommand(ctx, filepath.Join(b.modules, t.dir), args...)
	return err
}

// goCommand runs the go command in dir for the machine it runs on, without cgo, and returns its standard output.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// executable returns an error unless path is a file that may be executed.
func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file: %w", path, fs.ErrInvalid)
	}
	return nil
}

// minutes says a duration as a person would.
func minutes(d time.Duration) string {
	if d <= time.Minute {
		return "a minute"
	}
	return fmt.Sprintf("%.0f minutes", d.Minutes())
}

// sortedAssignments renders a map as sorted name=value pairs.
func sortedAssignments(values map[string]string) []string {
	assignments := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		assignments = append(assignments, name+"="+values[name])
	}
	return assignments
}
