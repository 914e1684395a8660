// SPDX-License-Identifier: Apache-2.0

package csidriver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/events"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// interval is how often claims and volumes are looked at, and buckets synchronized. There are few of them in a test, and
// what a list costs is less than what keeping a watch alive through every failure of an API server does.
const interval = 500 * time.Millisecond

// Driver is the three drivers on one node.
type Driver struct {
	// Client is of the cluster whose claims are looked after. nil leaves them alone: the driver then mounts only.
	Client client.Client
	Cloud  *Cloud
	// Mounter is Kernel but in tests.
	Mounter Mounter
	Machine Machine
	// KubeletDir is the kubelet's directory, where it looks for drivers.
	KubeletDir string
	// FileSystems are the mount targets of CNFS objects, by the name that a StorageClass has for them.
	FileSystems map[string]string
	Log         *slog.Logger
}

// Names are those of the drivers.
func Names() []string {
	return []string{provisioner.DiskDriver, provisioner.NASDriver, provisioner.OSSDriver}
}

// Run serves the kubelet and looks after claims until ctx ends or serving fails.
func (d *Driver) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range Names() {
		socket := d.Socket(name)
		group.Go(func() error {
			return serve(ctx, socket, func(s *grpc.Server) {
				csi.RegisterIdentityServer(s, identityServer{driver: name})
				csi.RegisterNodeServer(s, d.node(name))
			})
		})
		group.Go(func() error {
			// The kubelet asks here who serves, as soon as it sees the socket.
			return serve(ctx, filepath.Join(d.KubeletDir, "plugins_registry", name+"-reg.sock"), func(s *grpc.Server) {
				registration.RegisterRegistrationServer(s, registrationServer{driver: name, socket: socket, log: d.Log})
			})
		})
	}
	group.Go(func() error { return d.every(ctx, "synchronize the buckets", d.Cloud.syncBuckets) })
	if d.Client != nil {
		group.Go(func() error { return d.every(ctx, "look after the claims", d.controller().look) })
		group.Go(func() error { return d.every(ctx, "look after the VolumeSnapshots", d.snapshotter().look) })
	}
	return group.Wait()
}

// Socket is where a driver serves.
func (d *Driver) Socket(name string) string {
	return filepath.Join(d.KubeletDir, "plugins", name, "csi.sock")
}

func (d *Driver) node(name string) *nodeServer {
	return &nodeServer{driver: name, machine: d.Machine, cloud: d.Cloud, mounter: d.Mounter, provisioner: d.provisioner()}
}

func (d *Driver) provisioner() provisioner.Provisioner {
	return provisioner.Provisioner{Storage: d.Cloud, FileSystems: d.FileSystems}
}

func (d *Driver) controller() *controller {
	return &controller{&provisioner.Controller{
		Provisioner: d.provisioner(), Client: d.Client, Warn: events.NewRecorder(d.Client, time.Now).Warn, Drivers: Names(),
		Source: d.snapshotter().source,
	}}
}

func (d *Driver) snapshotter() *snapshotter { return &snapshotter{client: d.Client, cloud: d.Cloud} }

// every does something again and again until ctx ends. What fails is tried again, for an API server or a cloud that does
// not answer does so again later; it is logged when the failure is not that of the time before.
func (d *Driver) every(ctx context.Context, what string, do func(context.Context) error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	last := ""
	for {
		message := ""
		if err := do(ctx); err != nil && ctx.Err() == nil {
			message = err.Error()
		}
		if message != "" && message != last {
			d.Log.Error("failed to "+what, "error", message)
		}
		last = message
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// serve serves gRPC on a socket until ctx ends. A socket that is there was left by a process that was killed.
func serve(ctx context.Context, socket string, register func(*grpc.Server)) error {
	if err := os.MkdirAll(filepath.Dir(socket), 0o750); err != nil {
		return err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := grpc.NewServer()
	register(server)
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	if err := server.Serve(listener); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve %s: %w", socket, err)
	}
	return nil
}
