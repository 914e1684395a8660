// SPDX-License-Identifier: Apache-2.0

// Command cluster starts, shows and ends the Kubernetes clusters that tests run in, on this machine: see --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cluster"
)

const usage = `Usage: cluster COMMAND

  up [NAME...]         start clusters, and print the paths of their kubeconfig files; those that run already stay as they are
  down [NAME...]       end clusters and remove all of them, also after a crash
  status               print which clusters there are, and how they are
  load NAME FILE...    give the node of a cluster images, from archives as docker save writes them
  packages             install what clusters need of Debian; up does that too

NAME is %s, by default all of them. Clusters run until they are ended, each on a node in namespaces of its own on this
machine. This needs root and Linux, and these packages, which root gets installed on Debian:

  %s

The programs of Kubernetes are built the first time, which takes some minutes. If KUBECONFIG is set, its cluster is the one
to use: then up makes nothing.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv("KUBECONFIG"), os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // exitAfterDefer: the process ends here, and its signal handlers with it
	}
}

// errUsage says that the command line is none.
var errUsage = errors.New("see cluster --help")

// run runs a command line.
func run(ctx context.Context, args []string, kubeconfig string, stdout, progress io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	switch command, args := args[0], args[1:]; {
	case slices.Contains([]string{"help", "--help", "-h"}, command):
		_, err := fmt.Fprintf(stdout, usage, strings.Join(standardNames(), " or "), strings.Join(cluster.Packages(), " "))
		return err
	case command == "up":
		return up(ctx, args, kubeconfig, stdout, progress)
	case command == "down":
		return down(ctx, args)
	case command == "status" && len(args) == 0:
		return status(ctx, stdout)
	case command == "load" && len(args) > 1:
		return load(ctx, args[0], args[1:])
	case command == "packages" && len(args) == 0:
		return cluster.InstallPackages(ctx, progress)
	default:
		return errUsage
	}
}

// standardNames are the names that clusters have here.
func standardNames() []string {
	standard := cluster.Standard()
	names := make([]string, 0, len(standard))
	for _, options := range standard {
		names = append(names, options.Name)
	}
	return names
}

// up starts clusters, side by side.
func up(ctx context.Context, names []string, kubeconfig string, stdout, progress io.Writer) error {
	if kubeconfig != "" {
		_, err := fmt.Fprintf(stdout, "KUBECONFIG is set: the cluster of %s is used, and nothing is made\n", kubeconfig)
		return err
	}
	wanted, err := chosen(names)
	if err != nil {
		return err
	}
	if err := cluster.InstallPackages(ctx, progress); err != nil {
		return err
	}
	clusters := make([]*cluster.Cluster, len(wanted))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, options := range wanted {
		options.Progress = progress
		group.Go(func() (err error) {
			clusters[i], err = cluster.Up(groupCtx, options)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, c := range clusters {
		if _, err := fmt.Fprintf(stdout, "cluster %s: export KUBECONFIG=%s\n", c.Name, c.Kubeconfig); err != nil {
			return err
		}
	}
	return nil
}

// chosen are the options of the named clusters, or of all.
func chosen(names []string) ([]cluster.Options, error) {
	var wanted []cluster.Options
	for _, options := range cluster.Standard() {
		if len(names) == 0 || slices.Contains(names, options.Name) {
			wanted = append(wanted, options)
		}
	}
	for _, name := range names {
		if !slices.Contains(standardNames(), name) {
			return nil, fmt.Errorf("there is no cluster %q: %s can be", name, strings.Join(standardNames(), " and "))
		}
	}
	return wanted, nil
}

// down ends the named clusters, or all that there are.
func down(ctx context.Context, names []string) error {
	if len(names) == 0 {
		var err error
		if names, err = cluster.Names(); err != nil {
			return err
		}
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, cluster.Down(ctx, name))
	}
	return errors.Join(errs...)
}

// status prints a line for each cluster.
func status(ctx context.Context, stdout io.Writer) error {
	names, err := cluster.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := fmt.Fprintln(stdout, describe(ctx, name)); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		_, err = fmt.Fprintln(stdout, "there are no clusters")
	}
	return err
}

// describe says how a cluster is.
func describe(ctx context.Context, name string) string {
	c, err := cluster.Open(ctx, name)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("cluster %s: ready, its node is %s (%s), its kubeconfig file %s", name, c.NodeName, c.NodeAddress, c.Kubeconfig)
}

// load gives a cluster's node images.
func load(ctx context.Context, name string, archives []string) error {
	c, err := cluster.Open(ctx, name)
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := c.LoadImage(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}
