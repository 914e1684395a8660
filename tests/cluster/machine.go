// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/process"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

// startTimeout bounds the wait for one thing to come up. It takes seconds, unless the machine is overloaded.
const startTimeout = 2 * time.Minute

// commLength is how much of a program's name the kernel keeps (TASK_COMM_LEN).
const commLength = 15

// machine is what a node is on: a network namespace and a mount namespace of its own on this machine, and a control
// group. In the mount namespace the folders that a kubelet and containerd have by convention are the node's own, so that
// each node has its /var/lib/kubelet; nothing of this machine's is written to, and all mounts go with the namespace.
// All else of this machine's files is there, for hostPath volumes.
type machine struct {
	// dir is the folder of what the cluster keeps.
	dir    string
	cgroup cgroup
	// holder is the process that the namespaces are found by.
	holder int
	group  *process.Group
}

// folders are those that a node has of its own.
func folders() []string {
	return []string{
		kubeletDir,            // also the kubelet's device plugins, for which there is no other place
		"/var/lib/containerd", //
		"/var/lib/cni",        // libcni's cache, and which pod has which address
		"/var/log/pods",
		"/var/log/containers", // links of the kubelet's to pods' logs
		"/run/containerd",     // also the sockets of shims, for which there is no other place
		"/run/netns",          // the pods'
	}
}

// startMachine starts the process that holds the namespaces, and gives the node its folders.
func startMachine(ctx context.Context, dir string, group cgroup) (*machine, error) {
	m := &machine{dir: dir, cgroup: group, group: process.NewDetachedGroup()}
	if err := m.cgroup.create(); err != nil {
		return nil, err
	}
	holder, err := m.startHere("holder", "unshare", "--net", "--mount", "--propagation", "slave", "sleep", "infinity")
	if err != nil {
		return nil, err
	}
	m.holder = holder.PID()
	err = holder.WaitFor(ctx, startTimeout, "namespaces", func(context.Context) error {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", m.holder))
		if err == nil && strings.TrimSpace(string(name)) != "sleep" {
			err = fmt.Errorf("they are being made by %q", name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, m.mountFolders(ctx)
}

// mountFolders gives the node its own folders. They are shared mounts, which a pod may add mounts to (mountPropagation
// Bidirectional), and no peers of the mount that they come from, where all would appear a second time.
func (m *machine) mountFolders(ctx context.Context) error {
	if err := makeMountPoints(ctx, folders()); err != nil {
		return err
	}
	steps := []step{{"mount", "--make-rshared", "/"}}
	for _, folder := range folders() {
		own := m.file("root", folder)
		if err := os.MkdirAll(own, 0o755); err != nil {
			return fmt.Errorf("making the node's folders: %w", err)
		}
		steps = append(steps,
			step{"mount", "--bind", own, folder}, step{"mount", "--make-private", folder}, step{"mount", "--make-shared", folder})
	}
	if err := m.runAll(ctx, steps); err != nil {
		return fmt.Errorf("making the node's folders: %w", err)
	}
	return nil
}

// file is the path of a file that the cluster keeps.
func (m *machine) file(elements ...string) string {
	return filepath.Join(append([]string{m.dir}, elements...)...)
}

// inside is the command that enters the machine's namespaces.
func (m *machine) inside() []string {
	return []string{"nsenter", "--target", strconv.Itoa(m.holder), "--net", "--mount", "--"}
}

// prefix is the command that runs a program on the machine, with its arguments after it, for as long as it runs.
func (m *machine) prefix() []string {
	return append(m.join(), m.inside()...)
}

// join is the command that enters the machine's control group, whose files come before the command that it runs.
func (m *machine) join() []string {
	const script = `while [ "$1" != -- ]; do echo $$ >"$1" && shift || exit; done; shift; exec "$@"`
	return slices.Concat([]string{"/bin/sh", "-c", script, "sh"}, m.cgroup.machineFiles(), []string{"--"})
}

// runAll runs steps on the machine.
func (m *machine) runAll(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if err := step(append(m.inside(), s...)).run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// start starts a program on the machine that outlives this process.
func (m *machine) start(name string, command ...string) (*process.Process, error) {
	return m.startHere(name, append(m.inside(), command...)...)
}

// startHere starts a program in the machine's control group, and in this process's namespaces.
func (m *machine) startHere(name string, command ...string) (*process.Process, error) {
	command = append(m.join(), command...)
	return m.group.Start(process.Command{
		Name:    name,
		Path:    command[0],
		Args:    command[1:],
		Env:     environment(),
		LogFile: m.file("logs", name+".log"),
	})
}

// complete returns an error unless every program of the machine runs.
func (m *machine) complete() error {
	ids, err := m.cgroup.processes()
	if err != nil {
		return err
	}
	runs := map[string]bool{}
	for _, id := range ids {
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", id)); err == nil {
			runs[strings.TrimSpace(string(name))] = true
		}
	}
	for _, name := range []string{
		"sleep", "containerd", tools.Etcd, tools.KubeAPIServer, tools.KubeControllerManager, tools.KubeScheduler, tools.Kubelet,
		tools.KubeProxy,
	} {
		if !runs[name[:min(len(name), commLength)]] {
			return fmt.Errorf("its %s has ended", name)
		}
	}
	return nil
}

// load gives the node an image.
func (m *machine) load(ctx context.Context, archive string) error {
	if err := m.ctr("images", "import", archive).run(ctx); err != nil {
		return fmt.Errorf("loading an image: %w", err)
	}
	return nil
}
