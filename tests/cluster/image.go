// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

// keepImages is how long an archive that nobody asks for is kept beside newer ones of the same name.
const keepImages = 24 * time.Hour

// Image is what a container image from scratch holds. All of it belongs to root, and what is executable is so for
// everybody.
type Image struct {
	// Name is the whole name, such as "registry.k8s.io/pause:3.10". With the tag latest, or none, a kubelet would look
	// for it in its registry.
	Name string
	// Files are files of this machine by their absolute path in the image.
	Files map[string]string
	// Programs are main packages of this repository, as the go command takes them at its root ("./tests/ledger"), by
	// the absolute path of the static executable in the image.
	Programs map[string]string
	// Links are symbolic links: their targets by their absolute path in the image.
	Links map[string]string
	// Directories are empty directories that everybody may write to, such as /tmp.
	Directories []string
	// Entrypoint and Cmd are the command of the image's containers.
	Entrypoint, Cmd []string
	// User is a number, or two (uid:gid), by default that of root.
	User string
	// Env holds variables (NAME=value).
	Env []string
	// StopSignal ends containers, by default SIGTERM. As the first process of a container a program that has no handler
	// for that ignores it, and its Pod ends only after its grace period.
	StopSignal string
}

// BuildImage returns the path of an archive of an image, as docker save writes it, which LoadImage takes. It needs
// neither a container engine nor root. The same image is the same bytes, and is kept in a cache of the user.
func BuildImage(ctx context.Context, image Image) (archive string, err error) {
	wrap := func(err error) error { return fmt.Errorf("building image %s: %w", image.Name, err) }
	temporary, err := os.MkdirTemp("", "image-")
	if err != nil {
		return "", wrap(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	programs, err := buildPrograms(ctx, temporary, image.Programs)
	if err != nil {
		return "", wrap(err)
	}
	entries, err := image.entries(programs)
	if err != nil {
		return "", wrap(err)
	}
	var built bytes.Buffer
	if err := writeArchive(&built, image, entries); err != nil {
		return "", wrap(err)
	}
	archive, err = keepImage(image.Name, built.Bytes())
	if err != nil {
		return "", wrap(err)
	}
	return archive, nil
}

// buildPrograms builds main packages of this repository into a folder, and returns their files by the same keys.
func buildPrograms(ctx context.Context, dir string, packages map[string]string) (map[string]string, error) {
	if len(packages) == 0 {
		return map[string]string{}, nil
	}
	root, err := checkout(ctx)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for i, target := range slices.Sorted(maps.Keys(packages)) {
		files[target] = filepath.Join(dir, fmt.Sprintf("program-%d", i))
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=",
			"-o", files[target], packages[target])
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOFLAGS=")
		if output, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s: %w\n%s", packages[target], err, bytes.TrimSpace(output))
		}
	}
	return files, nil
}

// checkout is the root of this repository, in which the working directory must be.
func checkout(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("finding this repository: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(output)))
	if _, err := os.Stat(filepath.Join(root, "tests", "cluster")); err != nil {
		return "", fmt.Errorf("the working directory is not inside this repository: %w", err)
	}
	return root, nil
}

// entries are the files, links and directories of the image in the order of their names, parents first.
func (image Image) entries(programs map[string]string) ([]entry, error) {
	byName := map[string]entry{}
	for _, files := range []map[string]string{image.Files, programs} {
		for target, source := range files {
			info, err := os.Stat(source)
			if err != nil {
				return nil, err
			}
			mode := int64(0o644)
			if info.Mode()&0o111 != 0 {
				mode = 0o755
			}
			byName[inArchive(target)] = entry{
				header: tar.Header{Typeflag: tar.TypeReg, Mode: mode, Size: info.Size()}, source: source,
			}
		}
	}
	for link, target := range image.Links {
		byName[inArchive(link)] = entry{header: tar.Header{Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: target}}
	}
	for _, directory := range image.Directories {
		byName[inArchive(directory)] = entry{header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o1777}}
	}
	for _, name := range slices.Collect(maps.Keys(byName)) {
		for parent := path.Dir(name); parent != "."; parent = path.Dir(parent) {
			if _, ok := byName[parent]; !ok {
				byName[parent] = entry{header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}}
			}
		}
	}
	entries := make([]entry, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		e := byName[name]
		e.header.Name = name
		entries = append(entries, e)
	}
	return entries, nil
}

// inArchive is the path of a file of an image in its layer.
func inArchive(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

// entry is something that a layer holds.
type entry struct {
	header tar.Header
	// source is the file that holds the content of a file.
	source string
}

// write writes the entry. Its times are 0, so that they do not make two images of one.
func (e entry) write(w *tar.Writer) error {
	header := e.header
	header.ModTime, header.Format = time.Unix(0, 0), tar.FormatPAX
	if err := w.WriteHeader(&header); err != nil {
		return err
	}
	if e.source == "" {
		return nil
	}
	file, err := os.Open(e.source)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w, file)
	return err
}

// imageConfig is the configuration of an image: https://github.com/opencontainers/image-spec, config.md.
type imageConfig struct {
	Architecture string          `json:"architecture"`
	OS           string          `json:"os"`
	Config       containerConfig `json:"config"`
	RootFS       rootFS          `json:"rootfs"`
}

// containerConfig says how the containers of an image run.
type containerConfig struct {
	User       string   `json:"User,omitempty"`
	Env        []string `json:"Env,omitempty"`
	Entrypoint []string `json:"Entrypoint,omitempty"`
	Cmd        []string `json:"Cmd,omitempty"`
	StopSignal string   `json:"StopSignal,omitempty"`
}

// rootFS names the layers of an image.
type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// archiveManifest is an entry of the manifest.json of docker save's archives.
type archiveManifest struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// writeArchive writes an image of one layer as docker save does: a configuration, the layer, and a manifest of both.
func writeArchive(w io.Writer, image Image, entries []entry) error {
	var layer bytes.Buffer
	layerWriter := tar.NewWriter(&layer)
	for _, e := range entries {
		if err := e.write(layerWriter); err != nil {
			return err
		}
	}
	if err := layerWriter.Close(); err != nil {
		return err
	}
	config, err := json.Marshal(imageConfig{
		Architecture: runtime.GOARCH,
		OS:           "linux",
		Config: containerConfig{
			User: image.User, Env: image.Env, Entrypoint: image.Entrypoint, Cmd: image.Cmd, StopSignal: image.StopSignal,
		},
		RootFS: rootFS{Type: "layers", DiffIDs: []string{"sha256:" + digest(layer.Bytes())}},
	})
	if err != nil {
		return err
	}
	configName, layerName := digest(config)+".json", digest(layer.Bytes())+".tar"
	manifest, err := json.Marshal([]archiveManifest{
		{Config: configName, RepoTags: []string{image.Name}, Layers: []string{layerName}},
	})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	for _, part := range []struct {
		name    string
		content []byte
	}{
		{configName, config},
		{layerName, layer.Bytes()},
		{"manifest.json", manifest},
	} {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: part.name, Mode: 0o644, Size: int64(len(part.content)), ModTime: time.Unix(0, 0),
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(part.content); err != nil {
			return err
		}
	}
	return archive.Close()
}

// digest is the SHA-256 of some content in hexadecimal digits.
func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// keepImage writes an archive to the cache of images, unless it is there, and returns its path. Of other archives of
// the name it removes those that nobody has asked for lately: another checkout may be about to load one.
func keepImage(name string, archive []byte) (string, error) {
	cache, err := tools.CacheDir(os.LookupEnv, "images")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, strings.NewReplacer("/", "_", ":", "_").Replace(name))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := removeOld(dir, time.Now().Add(-keepImages)); err != nil {
		return "", err
	}
	file := filepath.Join(dir, digest(archive)[:12]+".tar")
	if err := os.Chtimes(file, time.Time{}, time.Now()); err == nil {
		return file, nil
	}
	// Whoever finds it finds it whole.
	part, err := os.CreateTemp(dir, "part-")
	if err != nil {
		return "", err
	}
	_, err = part.Write(archive)
	err = errors.Join(err, part.Close())
	if err == nil {
		err = os.Rename(part.Name(), file)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(part.Name()))
	}
	return file, nil
}

// removeOld removes the files of a folder that were last used before a time.
func removeOld(dir string, before time.Time) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		info, err := file.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // another process has removed it
		}
		if err != nil {
			return err
		}
		if info.ModTime().Before(before) {
			if err := os.Remove(filepath.Join(dir, file.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
