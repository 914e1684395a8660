// SPDX-License-Identifier: Apache-2.0

// Package images makes the container images that e2e tests run, as archives for cluster.LoadImage: no cluster of tests
// has a registry.
package images

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

// The names of the images.
const (
	Velero    = "velero/velero:v1.18.3"
	Plugin    = "velero-plugin-alibabacloud:e2e"
	CSIDriver = "csidriver:e2e"
	BusyBox   = "busybox:1.37.0"
)

// The user cnb of the image that upstream's is made from (Dockerfile: paketobuildpacks/run-jammy-tiny), and where Velero's
// repositories of files keep their configuration.
const (
	veleroUser = "1002:1000"
	veleroHome = "/home/cnb"
)

// BuildVelero returns an image of Velero as upstream's Dockerfile lays it out, but for restic.
func BuildVelero(ctx context.Context, builder *tools.Builder) (archive string, err error) {
	files := map[string]string{}
	for _, name := range []string{tools.Velero, tools.VeleroHelper, tools.VeleroRestoreHelper} {
		if files["/"+name], err = builder.Path(ctx, name); err != nil {
			return "", err
		}
	}
	return cluster.BuildImage(ctx, cluster.Image{
		Name: Velero, Files: files, Directories: []string{"/tmp", veleroHome}, User: veleroUser, Env: []string{"PATH=/", "HOME=" + veleroHome},
	})
}

// BuildPlugin returns the plugin's image, as `make image` makes it from the Dockerfile.
func BuildPlugin(ctx context.Context, checkout, dir string) (archive string, err error) {
	archive = filepath.Join(dir, "plugin.tar")
	for _, args := range [][]string{
		{"make", "--silent", "image", "IMAGE=" + Plugin, "PLATFORMS=linux/" + runtime.GOARCH},
		{"tests/image/save.sh", Plugin, archive},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = checkout
		if output, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(output))
		}
	}
	return archive, nil
}

// BuildCSIDriver returns an image of the CSI driver for tests.
func BuildCSIDriver(ctx context.Context) (archive string, err error) {
	return cluster.BuildImage(ctx, cluster.Image{
		Name: CSIDriver, Programs: map[string]string{"/csidriver": "./tests/csidriver/cmd/csidriver"}, Entrypoint: []string{"/csidriver"},
	})
}

// BuildBusyBox returns an image of Debian's BusyBox, with a link for each of its commands. Its containers end at once, which
// upstream's suites, whose Pods sleep, do not ask for: they would wait half a minute for each.
func BuildBusyBox(ctx context.Context) (archive string, err error) {
	links, err := BusyBoxLinks(ctx)
	if err != nil {
		return "", err
	}
	return cluster.BuildImage(ctx, cluster.Image{
		Name: BusyBox, Files: map[string]string{"/bin/busybox": busyBoxFile}, Links: links,
		Directories: []string{"/tmp"}, Cmd: []string{"sh"}, Env: []string{"PATH=/bin"}, StopSignal: "SIGKILL",
	})
}

const busyBoxFile = "/bin/busybox"

// BusyBoxLinks are the links to /bin/busybox of an image that has it.
func BusyBoxLinks(ctx context.Context) (map[string]string, error) {
	if _, err := os.Stat(busyBoxFile); err != nil {
		return nil, fmt.Errorf("apt-get install busybox-static: %w", err)
	}
	output, err := exec.CommandContext(ctx, busyBoxFile, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("asking BusyBox for its commands: %w", err)
	}
	links := map[string]string{}
	for command := range strings.FieldsSeq(string(output)) {
		if command != "busybox" {
			links["/bin/"+command] = "busybox"
		}
	}
	return links, nil
}
