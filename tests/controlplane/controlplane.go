// SPDX-License-Identifier: Apache-2.0

// Package controlplane runs a Kubernetes control plane without nodes (etcd, kube-apiserver and
// kube-controller-manager) and the real Velero server as processes of this machine, for tests, benchmarks and the
// demo. It needs no root, no container engine and no network but loopback. What it starts ends with the process that
// started it.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	velerov2alpha1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v2alpha1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/process"
)

const (
	// startTimeout bounds the wait for one program to become ready. It takes seconds, unless the machine is overloaded.
	startTimeout = 2 * time.Minute
	// stopTimeout is how long a program has to end when asked to, before it is killed.
	stopTimeout = 20 * time.Second
)

// Options say how a control plane is started.
type Options struct {
	// Tools are the programs to run; see FindTools.
	Tools Tools
	// Dir is a folder for data, credentials and logs (Dir/logs). It is made if need be and left behind. By default a
	// temporary folder is used, which Stop removes.
	Dir string
	// APIServerArgs are added to the flags of the kube-apiserver, and win over those that this package gives.
	APIServerArgs []string
	// Node says that the control plane is that of a cluster with a node. By default there are none, and the control
	// plane is on loopback.
	Node *Node
}

// Node is what a control plane has to know of the machine that is both its own and the cluster's node.
type Node struct {
	// Prefix is the command that runs a program, with its arguments after it, on that machine: in its namespaces.
	Prefix []string
	// Address is the machine's. The kube-apiserver listens on it.
	Address netip.Addr
	// Services are the addresses for Services. The first is the kube-apiserver's for pods.
	Services netip.Prefix
}

// ControlPlane is a running control plane.
type ControlPlane struct {
	// Kubeconfig is the path of a kubeconfig file whose user is in system:masters.
	Kubeconfig string
	// Config is the same as a client-go configuration.
	Config *rest.Config
	// Client reads and writes every object of NewScheme, and any other as unstructured. It caches nothing.
	Client client.WithWatch
	// CertificateAuthority is the file of the certificate that the kube-apiserver's is signed with, and the one that it
	// shows to kubelets.
	CertificateAuthority string
	// LogDir is the folder of the programs' logs, one file for each.
	LogDir string

	tools     Tools
	node      *Node
	dir       string
	temporary bool
	group     *process.Group
	processes []*process.Process
	velero    *Velero
	// reserved are the addresses of the programs, nil on a node.
	reserved *reservation
}

// NewScheme returns a scheme with the API types of Kubernetes, CustomResourceDefinitions, VolumeSnapshots and Velero.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, velerov1.AddToScheme, velerov2alpha1.AddToScheme, snapshotv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("making the client's scheme: %w", err)
		}
	}
	return scheme, nil
}

// Start starts a control plane and returns when it serves. Several may run side by side. An error of a program that
// ended tells the end of its log. The context bounds the start, not the life of the control plane: end it with Stop.
// One with a node outlives the process that started it.
func Start(ctx context.Context, options Options) (_ *ControlPlane, err error) {
	cp := &ControlPlane{tools: options.Tools, dir: options.Dir, node: options.Node}
	if err = cp.makeDir(); err != nil {
		return nil, err
	}
	if cp.group, err = cp.newGroup(); err != nil {
		return nil, errors.Join(err, cp.removeDir())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, cp.group.Close(), cp.reserved.release(), cp.removeDir())
		}
	}()

	addresses, err := cp.addresses()
	if err != nil {
		return nil, err
	}
	etcdClients, etcdPeers, apiServer := addresses[0], addresses[1], addresses[2]
	if err = cp.configure(apiServer); err != nil {
		return nil, err
	}
	if err = cp.startEtcd(etcdClients, etcdPeers); err != nil {
		return nil, err
	}
	if err = cp.startAPIServer(ctx, etcdClients, apiServer, options.APIServerArgs); err != nil {
		return nil, err
	}
	if err = cp.startControllerManager(ctx); err != nil {
		return nil, err
	}
	return cp, nil
}

// newGroup makes the group of the programs: see Start on which of them outlive this process.
func (cp *ControlPlane) newGroup() (*process.Group, error) {
	if cp.node != nil {
		return process.NewDetachedGroup(), nil
	}
	return process.NewGroup()
}

// addresses are those of etcd for clients and for peers, and of the kube-apiserver.
func (cp *ControlPlane) addresses() (_ []string, err error) {
	if cp.node == nil {
		if cp.reserved, err = reserve(3); err != nil {
			return nil, err
		}
		return cp.reserved.addresses, nil
	}
	// Nothing else is in the machine's network namespace.
	return []string{
		net.JoinHostPort(loopback, "2379"), net.JoinHostPort(loopback, "2380"),
		net.JoinHostPort(cp.node.Address.String(), "6443"),
	}, nil
}

// makeDir makes the working folder, for its owner alone: it holds credentials.
func (cp *ControlPlane) makeDir() error {
	if cp.dir == "" {
		dir, err := os.MkdirTemp("", "controlplane-")
		if err != nil {
			return fmt.Errorf("making a working folder: %w", err)
		}
		cp.dir, cp.temporary = dir, true
	}
	dir, err := filepath.Abs(cp.dir)
	if err != nil {
		return fmt.Errorf("making a working folder: %w", err)
	}
	cp.dir, cp.LogDir = dir, filepath.Join(dir, "logs")
	if err := os.MkdirAll(cp.dir, 0o700); err != nil {
		return fmt.Errorf("making a working folder: %w", err)
	}
	return nil
}

// removeDir removes a temporary working folder.
func (cp *ControlPlane) removeDir() error {
	if !cp.temporary {
		return nil
	}
	if err := os.RemoveAll(cp.dir); err != nil {
		return fmt.Errorf("removing the working folder: %w", err)
	}
	return nil
}

// start starts one program of the control plane.
func (cp *ControlPlane) start(name, path string, args ...string) (*process.Process, error) {
	if cp.node != nil {
		command := slices.Concat(cp.node.Prefix, []string{path}, args)
		path, args = command[0], command[1:]
	}
	p, err := cp.group.Start(process.Command{
		Name:    name,
		Path:    path,
		Args:    args,
		Env:     cp.environment(),
		LogFile: filepath.Join(cp.LogDir, name+".log"),
	})
	if err != nil {
		return nil, err
	}
	cp.processes = append(cp.processes, p)
	return p, nil
}

// environment is that of every program. It holds nothing of the caller's but PATH: neither credentials, nor a proxy
// that would send loopback traffic elsewhere.
func (cp *ControlPlane) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cp.dir}
}

// Stop kills the Velero server, if one runs, and the control plane, and removes a temporary working folder. A second
// call does nothing.
func (cp *ControlPlane) Stop() error {
	// Nothing of value is in memory or on disk, so the programs are not asked to end in good order. A Velero server in
	// the middle of a backup would take longer than stopTimeout.
	var veleroErr error
	if cp.velero != nil {
		veleroErr = cp.velero.close()
	}
	return errors.Join(veleroErr, cp.group.Close(), cp.reserved.release(), cp.removeDir())
}
