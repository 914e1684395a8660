// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/process"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools/filelock"
)

// VeleroNamespace is the namespace of the Velero server.
const VeleroNamespace = "velero"

// managerAddress is where upstream's Velero server serves the metrics of its controller manager. It is the default of
// controller-runtime, and Velero has no flag for it (pkg/cmd/server/server.go, newServer), so that only one server can
// run in a network namespace, unless it is one that moves (Tools.VeleroMoves).
const managerAddress = ":8080"

// turnTimeout bounds the wait for other servers of this machine to end: as long as tests may need one.
const turnTimeout = 5 * time.Minute

// VeleroOptions say how a Velero server is started.
type VeleroOptions struct {
	// PluginDir is the folder of the plugins' executables. By default there are none.
	PluginDir string
	// Env is added to the server's environment, which holds nothing of the caller's but PATH.
	Env []string
	// Args are added to the flags of "velero server", and win over those that this package gives.
	Args []string
	// MetricsAddress is where the server serves its metrics (host:port), by default a free loopback port.
	MetricsAddress string
}

// Velero is the real Velero server on a control plane, in VeleroNamespace. Its methods that start and stop it are not
// for concurrent use; the others are.
type Velero struct {
	// MetricsAddress is where the server serves its metrics, below /metrics.
	MetricsAddress string

	cp      *ControlPlane
	options VeleroOptions
	temp    string
	group   *process.Group
	server  *process.Process
	// reserved is MetricsAddress, nil where the caller chose it.
	reserved *reservation
}

// StartVelero installs Velero's CustomResourceDefinitions, namespace and Deployment (without replicas: the server is a
// process), starts the server and returns when it answers.
//
// A control plane has one server at a time; a second one is an error. Servers of several control planes run side by
// side, unless Tools.VeleroMoves is false: then StartVelero waits until no other server of the machine runs, some
// minutes at most.
//
// What the server checks periodically is checked often, as far as Velero's flags go: a location every 10 seconds, new
// backups in a location every minute.
func (cp *ControlPlane) StartVelero(ctx context.Context, options VeleroOptions) (_ *Velero, err error) {
	if cp.velero != nil && cp.velero.running() {
		return nil, errors.New("a Velero server already runs on this control plane")
	}
	v := &Velero{MetricsAddress: options.MetricsAddress, cp: cp, options: options}
	// Below TMPDIR Velero keeps credentials, and go-plugin its Unix sockets, whose paths may not exceed 107 bytes:
	// the working folder may be too deep for them.
	if v.temp, err = os.MkdirTemp("", "velero-"); err != nil {
		return nil, fmt.Errorf("making a folder for Velero: %w", err)
	}
	if v.group, err = process.NewGroup(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(v.temp))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.close())
		}
	}()

	if v.MetricsAddress == "" {
		if v.reserved, err = reserve(1); err != nil {
			return nil, err
		}
		v.MetricsAddress = v.reserved.addresses[0]
	}
	if v.options.PluginDir == "" {
		v.options.PluginDir = filepath.Join(v.temp, "plugins")
		if err := os.Mkdir(v.options.PluginDir, 0o700); err != nil {
			return nil, fmt.Errorf("making an empty plugin folder: %w", err)
		}
	}
	if err := v.install(ctx); err != nil {
		return nil, err
	}
	if err := v.start(ctx); err != nil {
		return nil, err
	}
	cp.velero = v
	return v, nil
}

// start starts the server and waits until it answers.
func (v *Velero) start(ctx context.Context) error {
	if v.cp.tools.VeleroMoves {
		return v.startServer(ctx)
	}
	return v.startInTurn(ctx)
}

// startInTurn starts the server once managerAddress is free. Of several processes of one user that wait for the address,
// one at a time goes on, so that no two take it for free.
func (v *Velero) startInTurn(ctx context.Context) error {
	turn, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	lock, err := filelock.Acquire(turn, filepath.Join(os.TempDir(), fmt.Sprintf("velero-start-%d.lock", os.Getuid())), nil)
	if err != nil {
		return fmt.Errorf("waiting for the start of another Velero server: %w", err)
	}
	defer func() { _ = lock.Release() }()
	if err := poll.Until(turn, turnTimeout, "the end of another Velero server", managerAddressFree); err != nil {
		return err
	}
	return v.startServer(ctx)
}

// managerAddressFree returns an error while something listens on managerAddress.
func managerAddressFree(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", managerAddress)
	if err != nil {
		return fmt.Errorf("a Velero server that was not built here needs %s, and something has it: %w", managerAddress, err)
	}
	return listener.Close()
}

// startServer starts the server and waits until it answers a ServerStatusRequest, as it does for "velero version".
func (v *Velero) startServer(ctx context.Context) error {
	p, err := v.group.Start(process.Command{
		Name:    "velero server",
		Path:    v.cp.tools.Velero,
		Args:    v.serverArgs(),
		Env:     slices.Concat(v.environment(), v.options.Env),
		Dir:     v.temp,
		LogFile: v.LogFile(),
	})
	if err != nil {
		return err
	}
	v.server = p
	request := &velerov1.ServerStatusRequest{
		ObjectMeta: metav1.ObjectMeta{Namespace: VeleroNamespace, GenerateName: "controlplane-"},
	}
	if err := v.cp.Client.Create(ctx, request); err != nil {
		return fmt.Errorf("asking for the Velero server's status: %w", err)
	}
	return p.WaitFor(ctx, startTimeout, "the Velero server to answer", func(ctx context.Context) error {
		if err := v.cp.Client.Get(ctx, client.ObjectKeyFromObject(request), request); err != nil {
			return err
		}
		if phase := request.Status.Phase; phase != velerov1.ServerStatusRequestPhaseProcessed {
			return fmt.Errorf("phase of the request is %q", phase)
		}
		return nil
	})
}

// serverArgs are the arguments of the server. Velero rounds the frequencies up to those of its own timers: 10 seconds
// for the validation of locations, a minute for the sync of backups (bslValidationEnqueuePeriod and
// backupSyncReconcilePeriod in pkg/controller).
func (v *Velero) serverArgs() []string {
	return slices.Concat([]string{
		"server",
		"--kubeconfig=" + v.cp.Kubeconfig,
		"--namespace=" + VeleroNamespace,
		"--plugin-dir=" + v.options.PluginDir,
		"--metrics-address=" + v.MetricsAddress,
		"--profiler-address=", // none: the default is a fixed port
		"--log-level=debug",
		"--store-validation-frequency=1s",
		"--backup-sync-period=1s",
		"--garbage-collection-frequency=10s",
		"--item-operation-sync-frequency=1s",
	}, v.options.Args)
}

// environment is that of the server and of the CLI.
func (v *Velero) environment() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + v.temp,
		"TMPDIR=" + v.temp,
		"VELERO_NAMESPACE=" + VeleroNamespace,
	}
	if v.cp.tools.VeleroMoves {
		env = append(env, tools.VeleroBindAddressVariable+"="+net.JoinHostPort(loopback, "0"))
	}
	return env
}

// running says whether the server is a living process.
func (v *Velero) running() bool {
	return v.server != nil && v.server.Exited() == nil
}

// PID is the process id of the server that was started last.
func (v *Velero) PID() int { return v.server.PID() }

// Kill ends the server at once (SIGKILL), as a crash would. Its plugins are left to themselves, as upstream's are;
// Stop ends them.
func (v *Velero) Kill() error {
	return v.server.Kill()
}

// Restart stops the server if it runs, starts it again with the same options, and returns when it answers.
func (v *Velero) Restart(ctx context.Context) error {
	if err := v.stopServer(ctx); err != nil {
		return err
	}
	return v.start(ctx)
}

// Stop asks the server to end (SIGTERM), kills what is left of it and of its plugins, and removes its temporary files.
// What it has done to the cluster stays, and so does its log. A second call does nothing.
func (v *Velero) Stop() error {
	return errors.Join(v.stopServer(context.Background()), v.close())
}

// close kills what is left of the server and of its plugins, and removes its temporary files.
func (v *Velero) close() error {
	return errors.Join(v.group.Close(), v.reserved.release(), os.RemoveAll(v.temp))
}

// stopServer asks the server to end and waits until it has.
func (v *Velero) stopServer(ctx context.Context) error {
	if v.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return v.server.Stop(ctx)
}

// LogFile is the path of the server's log. Servers of one control plane append to the same file.
func (v *Velero) LogFile() string {
	return filepath.Join(v.cp.LogDir, "velero-server.log")
}

// Logs returns the content of LogFile.
func (v *Velero) Logs() (string, error) {
	data, err := os.ReadFile(v.LogFile())
	if err != nil {
		return "", fmt.Errorf("reading the Velero server's log: %w", err)
	}
	return string(data), nil
}

// CLI runs the Velero CLI against the control plane and returns its standard output. The error of a failed command
// holds its standard error.
func (v *Velero) CLI(ctx context.Context, args ...string) (string, error) {
	global := []string{"--kubeconfig=" + v.cp.Kubeconfig, "--namespace=" + VeleroNamespace}
	cmd := exec.CommandContext(ctx, v.cp.tools.Velero, slices.Concat(global, args)...)
	cmd.Env = v.environment()
	cmd.Dir = v.temp
	out, err := process.Output(cmd)
	if err != nil {
		return out, fmt.Errorf("velero %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}
