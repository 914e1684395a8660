// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

// programs are the paths of the programs that a cluster consists of, beside those that the system has (packages).
type programs struct {
	controlPlane                       controlplane.Tools
	scheduler, kubelet, proxy, coreDNS string
}

// findPrograms returns the programs of package tools, which it builds first if need be.
func findPrograms(ctx context.Context, progress io.Writer) (programs, error) {
	builder, err := tools.NewBuilder(ctx, os.LookupEnv, progress)
	if err != nil {
		return programs{}, err
	}
	var p programs
	for _, program := range []struct {
		name string
		path *string
	}{
		{tools.Etcd, &p.controlPlane.Etcd},
		{tools.KubeAPIServer, &p.controlPlane.APIServer},
		{tools.KubeControllerManager, &p.controlPlane.ControllerManager},
		{tools.KubeScheduler, &p.scheduler},
		{tools.Kubelet, &p.kubelet},
		{tools.KubeProxy, &p.proxy},
		{tools.CoreDNS, &p.coreDNS},
	} {
		if *program.path, err = builder.Path(ctx, program.name); err != nil {
			return programs{}, err
		}
	}
	return p, nil
}

// buildImages builds the images that every node needs.
func buildImages(ctx context.Context, p programs) ([]string, error) {
	var archives []string
	for _, image := range []Image{
		{Name: pauseImage, Programs: map[string]string{"/pause": "./tests/cluster/cmd/pause"}, Entrypoint: []string{"/pause"}, User: "65535:65535"},
		{Name: dnsImage, Files: map[string]string{"/coredns": p.coreDNS}, Entrypoint: []string{"/coredns"}},
	} {
		archive, err := BuildImage(ctx, image)
		if err != nil {
			return nil, err
		}
		archives = append(archives, archive)
	}
	return archives, nil
}

// cniPackage is the package of Debian that has the CNI plugins.
const cniPackage = "containernetworking-plugins"

// Packages are the packages of Debian that a cluster needs.
func Packages() []string {
	packages := append(slices.Collect(maps.Values(commands())), cniPackage)
	slices.Sort(packages)
	return slices.Compact(packages)
}

// commands are commands of the system that a cluster needs, and the packages of Debian that have them.
func commands() map[string]string {
	return map[string]string{
		"containerd": "containerd",
		"runc":       "runc",
		"ip":         "iproute2",
		"iptables":   "iptables",
		"conntrack":  "conntrack",
		"nsenter":    "util-linux",
		"unshare":    "util-linux",
		"mount":      "mount",
	}
}

// requirements returns an error unless this machine has what a cluster takes, which says what is missing.
func requirements() error {
	if err := requireRoot(); err != nil {
		return err
	}
	if missing := missingPackages(); len(missing) > 0 {
		return fmt.Errorf("programs are missing, which these packages of Debian have: apt-get install %s", strings.Join(missing, " "))
	}
	return nil
}

// requireRoot returns an error unless this process may do all that a cluster takes.
func requireRoot() error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return errors.New("a cluster's node is made of namespaces, mounts and network devices: this needs Linux and root")
	}
	return nil
}

// missingPackages are the packages of Debian whose programs are not there.
func missingPackages() []string {
	var missing []string
	for command, name := range commands() {
		if _, err := exec.LookPath(command); err != nil {
			missing = append(missing, name)
		}
	}
	if _, err := cniPlugins(); err != nil {
		missing = append(missing, cniPackage)
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// InstallPackages installs those packages that are missing, where that can be done: as root, on Debian.
func InstallPackages(ctx context.Context, progress io.Writer) error {
	if err := requireRoot(); err != nil {
		return err
	}
	missing := missingPackages()
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return requirements()
	}
	fmt.Fprintf(progress, "installing %s\n", strings.Join(missing, " "))
	install := append(step{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends"}, missing...)
	if err := runAll(ctx, []step{{"apt-get", "update"}, install}); err != nil {
		return fmt.Errorf("installing packages: %w", err)
	}
	return requirements()
}
