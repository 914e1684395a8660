// SPDX-License-Identifier: Apache-2.0

package tools

import (
	"fmt"
	"strings"
	"time"
)

// The programs that a Builder can build.
const (
	Etcd                  = "etcd"
	KubeAPIServer         = "kube-apiserver"
	KubeControllerManager = "kube-controller-manager"
	KubeScheduler         = "kube-scheduler"
	KubeProxy             = "kube-proxy"
	Kubelet               = "kubelet"
	CoreDNS               = "coredns"
	Velero                = "velero"
	GolangCILint          = "golangci-lint"
	// KubeAPIServer124 is one that still serves API versions that have ceased since.
	KubeAPIServer124 = "kube-apiserver-1.24"
)

// VeleroBindAddressVariable is the environment variable that moves the metrics of the controller manager of a Velero
// server from :8080, which upstream's always binds. Only a server that a Builder has built obeys it (velero/main.go).
const VeleroBindAddressVariable = "VELERO_TEST_METRICS_BIND_ADDRESS"

// tool says how a program is built.
type tool struct {
	// dir is the folder below tests/tools whose go.mod pins the program.
	dir string
	// module is the module in that go.mod whose version is the program's.
	module string
	// pkg is the main package, as the go command takes it in dir.
	pkg string
	// variables are the linker variables from which the program learns its version, which it would otherwise
	// not know: only its own release build sets them.
	variables func(version string) map[string]string
	// coldBuild is about how long a build takes on two cores when nothing is cached.
	coldBuild time.Duration
	// overrideFolder is the environment variable that may name a folder which holds the program.
	overrideFolder string
	// overrideFile is the environment variable that may name the program itself.
	overrideFile string
}

// catalog holds every tool by its name.
func catalog() map[string]tool {
	tools := map[string]tool{
		Etcd: {
			dir:            "etcd",
			module:         "go.etcd.io/etcd/server/v3",
			pkg:            "go.etcd.io/etcd/server/v3",
			coldBuild:      time.Minute,
			overrideFolder: "KUBEBUILDER_ASSETS",
		},
		Velero: {
			dir:    "velero",
			module: "github.com/vmware-tanzu/velero",
			pkg:    ".", // a main of ours: see VeleroBindAddressVariable
			variables: func(version string) map[string]string {
				return map[string]string{"github.com/vmware-tanzu/velero/pkg/buildinfo.Version": version}
			},
			coldBuild:    3 * time.Minute,
			overrideFile: "VELERO_BIN",
		},
		CoreDNS: {
			dir:       "coredns",
			module:    "github.com/coredns/coredns",
			pkg:       ".", // a main of ours, with few of its plugins
			coldBuild: 2 * time.Minute,
		},
		GolangCILint: {
			dir:    "lint",
			module: "github.com/golangci/golangci-lint/v2",
			pkg:    "github.com/golangci/golangci-lint/v2/cmd/golangci-lint",
			variables: func(version string) map[string]string {
				return map[string]string{"main.version": strings.TrimPrefix(version, "v")}
			},
			coldBuild: 3 * time.Minute,
		},
		KubeAPIServer124: {
			dir:       "kubernetes-1.24",
			module:    "k8s.io/kubernetes",
			pkg:       "k8s.io/kubernetes/cmd/kube-apiserver",
			variables: kubernetesVersion,
			coldBuild: 3 * time.Minute,
		},
	}
	for _, name := range []string{KubeAPIServer, KubeControllerManager, KubeScheduler, KubeProxy, Kubelet} {
		tools[name] = tool{
			dir:            "kubernetes",
			module:         "k8s.io/kubernetes",
			pkg:            "k8s.io/kubernetes/cmd/" + name,
			variables:      kubernetesVersion,
			coldBuild:      3 * time.Minute,
			overrideFolder: "KUBEBUILDER_ASSETS",
		}
	}
	return tools
}

// kubernetesVersion sets what /version of the kube-apiserver answers. The number of the running release alone
// decides what is served (k8s.io/component-base/version/base.go).
func kubernetesVersion(version string) map[string]string {
	const pkg = "k8s.io/component-base/version."
	major, minor, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	return map[string]string{pkg + "gitVersion": version, pkg + "gitMajor": major, pkg + "gitMinor": minor}
}

// ldflags are the linker's flags: no symbol table, no debugging information, and the version.
func (t tool) ldflags(version string) string {
	flags := []string{"-s", "-w"}
	if t.variables != nil {
		for _, assignment := range sortedAssignments(t.variables(version)) {
			flags = append(flags, "-X "+assignment)
		}
	}
	return strings.Join(flags, " ")
}

// requiredVersion finds the version at which the text of a go.mod requires a module.
func requiredVersion(goMod, module string) (string, error) {
	for line := range strings.Lines(goMod) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && fields[0] == module && strings.HasPrefix(fields[1], "v") {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("go.mod does not require %s", module)
}
