// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cluster"
)

// archived is a file, link or directory of an archive.
type archived struct {
	Name, Link, Content string
	Mode                int64
	Type                byte
}

func readArchive(t *testing.T, r io.Reader) []archived {
	t.Helper()
	var all []archived
	for reader := tar.NewReader(r); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, archived{
			Name: header.Name, Link: header.Linkname, Content: string(content), Mode: header.Mode, Type: header.Typeflag,
		})
	}
}

func writeFile(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func build(t *testing.T, image cluster.Image) []byte {
	t.Helper()
	file, err := cluster.BuildImage(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestBuildImage(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	image := cluster.Image{
		Name:        "example.com/shell:1",
		Files:       map[string]string{"/bin/shell": writeFile(t, "shell", "ELF", 0o700), "/etc/motd": writeFile(t, "motd", "hello", 0o600)},
		Links:       map[string]string{"/bin/sh": "shell"},
		Directories: []string{"/tmp"},
		Entrypoint:  []string{"/bin/sh"},
		Cmd:         []string{"-c", "true"},
		User:        "65532:65532",
		Env:         []string{"PATH=/bin"},
	}
	archive := build(t, image)

	files := map[string]string{}
	for _, file := range readArchive(t, bytes.NewReader(archive)) {
		files[file.Name] = file.Content
	}
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal([]byte(files["manifest.json"]), &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 1 || len(manifest[0].Layers) != 1 || !cmp.Equal(manifest[0].RepoTags, []string{image.Name}) {
		t.Fatalf("got manifest %+v, want one of the image, with one layer", manifest)
	}
	layer := manifest[0].Layers[0]
	wantConfig := `{"architecture":"` + runtime.GOARCH + `","os":"linux","config":{"User":"65532:65532","Env":["PATH=/bin"],` +
		`"Entrypoint":["/bin/sh"],"Cmd":["-c","true"]},"rootfs":{"type":"layers","diff_ids":["sha256:` + strings.TrimSuffix(layer, ".tar") + `"]}}`
	if diff := cmp.Diff(wantConfig, files[manifest[0].Config]); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	wantLayer := []archived{
		{Name: "bin", Mode: 0o755, Type: tar.TypeDir},
		{Name: "bin/sh", Link: "shell", Mode: 0o777, Type: tar.TypeSymlink},
		{Name: "bin/shell", Content: "ELF", Mode: 0o755, Type: tar.TypeReg},
		{Name: "etc", Mode: 0o755, Type: tar.TypeDir},
		{Name: "etc/motd", Content: "hello", Mode: 0o644, Type: tar.TypeReg},
		{Name: "tmp", Mode: 0o1777, Type: tar.TypeDir},
	}
	if diff := cmp.Diff(wantLayer, readArchive(t, strings.NewReader(files[layer]))); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}

	t.Run("the same files elsewhere are the same image", func(t *testing.T) {
		same := image
		same.Files = map[string]string{"/bin/shell": writeFile(t, "other", "ELF", 0o755), "/etc/motd": writeFile(t, "other", "hello", 0o644)}
		if !bytes.Equal(build(t, same), archive) {
			t.Error("the archives differ")
		}
	})
	t.Run("another command is another image", func(t *testing.T) {
		other := image
		other.Cmd = nil
		if bytes.Equal(build(t, other), archive) {
			t.Error("the archives are equal")
		}
	})
	t.Run("a file that is not there is an error that names the image", func(t *testing.T) {
		_, err := cluster.BuildImage(t.Context(), cluster.Image{Name: "none", Files: map[string]string{"/x": "/nonexistent"}})
		if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "building image none") {
			t.Errorf("got error %v, want one of image none and %v", err, os.ErrNotExist)
		}
	})
}

func TestBuildImageBuildsPrograms(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	image := cluster.Image{Name: "pause:1", Programs: map[string]string{"/pause": "./tests/cluster/cmd/pause"}}
	if !bytes.Equal(build(t, image), build(t, image)) {
		t.Error("two builds of a program differ")
	}
	image.Programs = map[string]string{"/pause": "./tests/cluster/cmd/nonexistent"}
	_, err := cluster.BuildImage(t.Context(), image)
	if err == nil || !strings.Contains(err.Error(), "./tests/cluster/cmd/nonexistent") {
		t.Errorf("got error %v, want one that names the package", err)
	}
}
