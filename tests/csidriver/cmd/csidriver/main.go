// SPDX-License-Identifier: Apache-2.0

// Command csidriver is the CSI driver for tests, see package csidriver.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/csidriver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := run(ctx, os.Args[1:], log)
	stop()
	if err != nil {
		log.Error("csidriver: " + err.Error())
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, log *slog.Logger) error {
	d := &csidriver.Driver{Mounter: csidriver.Kernel{}, Log: log, Cloud: &csidriver.Cloud{}}
	flags := pflag.NewFlagSet("csidriver", pflag.ContinueOnError)
	flags.StringVar(&d.Cloud.AdminURL, "cloud-admin", "", "the URL of the simulated cloud's admin interface")
	flags.StringVar(&d.Cloud.Region, "region", "", "the region of disks and file systems")
	flags.StringVar(&d.Cloud.Account.ID, "account", "", "the account of file systems")
	flags.StringVar(&d.KubeletDir, "kubelet-dir", "/var/lib/kubelet", "the kubelet's directory")
	flags.StringVar(&d.Machine.Node, "node", "", "the name of this node")
	flags.StringVar(&d.Machine.Instance, "instance", "", "the ECS instance that this node is")
	flags.StringVar(&d.Machine.Zone, "zone", "", "the zone of this node")
	flags.StringToStringVar(&d.FileSystems, "cnfs", nil, "the mount targets of CNFS objects, <name>=<mount target>")
	proxy := flags.String("cloud-proxy", "", "the URL of the simulated cloud's proxy")
	caFile := flags.String("ca-file", "", "the certificate of the simulated cloud's authority")
	if err := flags.Parse(args); err != nil {
		return err
	}
	d.Cloud.Account.AccessKeyID, d.Cloud.Account.AccessKeySecret = os.Getenv("ACCESS_KEY_ID"), os.Getenv("ACCESS_KEY_SECRET")
	certificate, err := os.ReadFile(*caFile)
	if err != nil {
		return fmt.Errorf("read the certificate of the simulated cloud's authority: %w", err)
	}
	if d.Cloud.HTTP, err = csidriver.NewHTTPClient(*proxy, certificate); err != nil {
		return err
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	known := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(known), snapshotv1.AddToScheme(known)); err != nil {
		return err
	}
	if d.Client, err = client.New(config, client.Options{Scheme: known}); err != nil {
		return fmt.Errorf("make the client of the cluster: %w", err)
	}
	return d.Run(ctx)
}
